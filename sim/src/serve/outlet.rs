//! The way to a host and from it, without blocking the loop: outlets that take bytes or give them back, and readers
//! that stop when the loop does not keep up.

use std::{
    io::{ErrorKind, Read, Write},
    sync::mpsc::{self, Sender, SyncSender, TrySendError},
    thread,
};

use super::run::{CHUNK, Event};

/// Pieces read from a host that the loop has not taken yet.
const READ_AHEAD: usize = 4;

/// Where bytes to the host go. Must not block.
pub(super) trait Outlet: Send {
    /// Takes the bytes, or gives them back if there is no room now.
    fn offer(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>>;
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
pub(super) struct Writer(SyncSender<Vec<u8>>);

impl Writer {
    /// A thread that writes to `sink`, which may block, and wakes the loop after every write.
    pub fn spawn(mut sink: impl Write + Send + 'static, wake: Sender<Event>) -> Self {
        let (sender, receiver) = mpsc::sync_channel::<Vec<u8>>(4);
        thread::spawn(move || {
            for bytes in receiver {
                // A host that is gone is noticed by the reader.
                if sink.write_all(&bytes).is_err() || wake.send(Event::Wake).is_err() {
                    return;
                }
            }
        });
        Self(sender)
    }
}

impl Outlet for Writer {
    fn offer(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        match self.0.try_send(bytes) {
            Err(TrySendError::Full(bytes)) => Some(bytes),
            Ok(()) | Err(TrySendError::Disconnected(_)) => None,
        }
    }
}

/// Hands everything that can be read from the host of connection `from` to the loop, until the end of the stream; never
/// more than [`READ_AHEAD`] pieces that the loop has not taken, whatever a host sends.
pub(super) fn read_all(mut source: impl Read, from: u64, events: &Sender<Event>) {
    let mut buffer = vec![0; CHUNK];
    let (done, taken) = mpsc::channel();
    for _ in 0..READ_AHEAD {
        let _ = done.send(());
    }
    while taken.recv().is_ok() {
        match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                let bytes = buffer[..length].to_vec();
                if events.send(Event::Bytes { from, bytes, taken: Some(done.clone()) }).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => drop(done.send(())),
            Err(_) => return,
        }
    }
}
