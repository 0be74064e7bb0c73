//! Records a line from a thread of its own, so that whoever carries its bytes never waits for a disk. This is the one place
//! in the crate that reads a clock and opens a file.

use std::{
    fs::File,
    io::{self, BufWriter},
    path::Path,
    sync::mpsc::{self, Receiver, SyncSender, TryRecvError},
    thread::{self, JoinHandle},
    time::{Instant, SystemTime, UNIX_EPOCH},
    vec::Vec,
};

use super::Tracer;
use crate::link::Role;

/// Pieces that wait for the disk, each at most as long as what is read from a host at once.
const WAITING: usize = 1024;

/// Microseconds of Unix time, sender, bytes.
type Piece = (u64, Role, Vec<u8>);

/// A recording in the making, in the format of [`Tracer`]; stamped with the system's time.
#[derive(Debug)]
pub struct LineRecorder {
    pieces: SyncSender<Piece>,
    writer: JoinHandle<io::Result<()>>,
    /// Unix time and our clock at the same moment: the stamps never go back, whatever is done to the system's clock.
    epoch: (u64, Instant),
    lost: u64,
}

impl LineRecorder {
    /// Begins a recording in a new file, or over an old one.
    ///
    /// # Errors
    /// If the file cannot be made, or the system gives no thread.
    pub fn start(path: &Path) -> io::Result<Self> {
        let mut tracer = Tracer::new(BufWriter::new(File::create(path)?))?;
        // So that an empty recording is one, too, even after `kill -9`.
        tracer.flush()?;
        let (pieces, queue) = mpsc::sync_channel(WAITING);
        let writer = thread::Builder::new().name("recorder".into()).spawn(move || write(&mut tracer, &queue))?;
        let unix_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        Ok(Self { pieces, writer, epoch: (unix_us, Instant::now()), lost: 0 })
    }

    /// Records bytes, or counts them as lost if the disk does not keep up.
    pub fn record(&mut self, sender: Role, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let (unix_us, started) = self.epoch;
        let time_us = unix_us + started.elapsed().as_micros() as u64;
        if self.pieces.try_send((time_us, sender, bytes.to_vec())).is_err() {
            self.lost += bytes.len() as u64;
        }
    }

    /// Ends the recording: how many bytes are missing in it, and why it ended early if it did.
    pub fn finish(self) -> (u64, Option<io::Error>) {
        drop(self.pieces);
        let written = self.writer.join().unwrap_or_else(|_| Err(io::Error::other("the recorder's thread is gone")));
        (self.lost, written.err())
    }
}

fn write(tracer: &mut Tracer<BufWriter<File>>, queue: &Receiver<Piece>) -> io::Result<()> {
    loop {
        let (time_us, sender, bytes) = match queue.try_recv() {
            Ok(piece) => piece,
            Err(TryRecvError::Empty) => {
                // Nothing waits: what was recorded can be looked at.
                tracer.flush()?;
                match queue.recv() {
                    Ok(piece) => piece,
                    Err(_) => return Ok(()),
                }
            }
            Err(TryRecvError::Disconnected) => return tracer.flush(),
        };
        tracer.record(time_us, sender, &bytes)?;
    }
}
