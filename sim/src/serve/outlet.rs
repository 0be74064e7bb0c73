//! The way to a host and from it, without blocking the loop: outlets that take bytes or give them back, and readers
//! that stop when the loop does not keep up. Both can be as slow as a line.

use std::{
    io::{ErrorKind, Read, Write},
    sync::mpsc::{self, Sender, SyncSender, TrySendError},
    thread,
    time::Instant,
};

use super::{
    pace::Pace,
    run::{CHUNK, Event},
};

/// Pieces read from a host that the loop has not taken yet.
const READ_AHEAD: usize = 4;
/// Pieces for a host that its writer has not taken yet.
const WRITE_AHEAD: usize = 4;
/// The same on a slow line, where what waits makes everything behind it late.
const SLOW_AHEAD: usize = 1;
/// Bytes read from a host at once on a slow line, and handed to its writer: about what a driver holds, and a long frame.
const SLOW_CHUNK: usize = 4 << 10;

/// Where bytes to the host go. Must not block.
pub(super) trait Outlet: Send {
    /// Takes the bytes, or gives them back if there is no room now.
    fn offer(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>>;

    /// Bytes it is to be offered at once, at most.
    fn most(&self) -> usize {
        CHUNK
    }
}

/// A host in the same process takes everything.
pub(super) struct InProcess<F>(pub F);

impl<F: FnMut(Vec<u8>) + Send> Outlet for InProcess<F> {
    fn offer(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        (self.0)(bytes);
        None
    }
}

/// A thread that writes.
pub(super) struct Writer {
    pieces: SyncSender<(Instant, Vec<u8>)>,
    most: usize,
}

impl Writer {
    /// A thread that writes to `sink`, which may block, at this pace if there is one, and wakes the loop after every
    /// piece.
    pub fn spawn(mut sink: impl Write + Send + 'static, wake: Sender<Event>, mut pace: Option<Pace>) -> Self {
        let (ahead, most) = if pace.is_some() { (SLOW_AHEAD, SLOW_CHUNK) } else { (WRITE_AHEAD, CHUNK) };
        let (pieces, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(ahead);
        thread::spawn(move || {
            for (written, bytes) in receiver {
                let mut write = |bytes: &[u8]| sink.write_all(bytes).is_ok();
                let wrote = match &mut pace {
                    Some(pace) => pace.pass(written, &bytes, write),
                    None => write(&bytes),
                };
                // A host that is gone is noticed by the reader.
                if !wrote || wake.send(Event::Wake).is_err() {
                    return;
                }
            }
        });
        Self { pieces, most }
    }
}

impl Outlet for Writer {
    fn offer(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        match self.pieces.try_send((Instant::now(), bytes)) {
            Err(TrySendError::Full((_, bytes))) => Some(bytes),
            Ok(()) | Err(TrySendError::Disconnected(_)) => None,
        }
    }

    fn most(&self) -> usize {
        self.most
    }
}

/// Hands everything that can be read from the host of connection `from` to the loop, at this pace if there is one, until
/// the end of the stream; never more than [`READ_AHEAD`] pieces that the loop has not taken, whatever a host sends.
pub(super) fn read_all(mut source: impl Read, from: u64, events: &Sender<Event>, pace: Option<Pace>) {
    if let Some(pace) = pace {
        return read_slowly(source, from, events, pace);
    }
    let (done, taken) = mpsc::channel();
    for _ in 0..READ_AHEAD {
        let _ = done.send(());
    }
    let mut buffer = vec![0; CHUNK];
    while taken.recv().is_ok()
        && let Some(bytes) = read_some(&mut source, &mut buffer)
    {
        let bytes = bytes.to_vec();
        if events.send(Event::Bytes { from, bytes, taken: Some(done.clone()) }).is_err() {
            return;
        }
    }
}

/// The same over a slow line: a thread of its own carries what is read, so that it is known when each byte was written.
fn read_slowly(mut source: impl Read, from: u64, events: &Sender<Event>, mut pace: Pace) {
    let (pieces, carried) = mpsc::sync_channel::<(Instant, Vec<u8>)>(SLOW_AHEAD);
    thread::scope(|scope| {
        scope.spawn(move || {
            for (written, bytes) in carried {
                let give =
                    |bytes: &[u8]| events.send(Event::Bytes { from, bytes: bytes.to_vec(), taken: None }).is_ok();
                if !pace.pass(written, &bytes, give) {
                    return;
                }
            }
        });
        let mut buffer = vec![0; SLOW_CHUNK];
        while let Some(bytes) = read_some(&mut source, &mut buffer) {
            if pieces.send((Instant::now(), bytes.to_vec())).is_err() {
                break;
            }
        }
        // What was read still arrives.
        drop(pieces);
    });
}

/// What can be read next; `None` at the end of the stream.
fn read_some<'b>(source: &mut impl Read, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    loop {
        match source.read(buffer) {
            Ok(0) => return None,
            Ok(length) => return buffer.get(..length),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
