//! Hosts that come over TCP, one after the other.

use std::{
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc::{self, Sender},
    thread,
    time::Duration,
};

use super::{
    outlet::{Writer, read_all},
    pace::Pace,
    run::{Connection, Event},
};

/// Pause after a connection could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A host that asks to be served. Dropping it turns it away.
pub(super) struct Candidate {
    stream: TcpStream,
    id: u64,
    events: Sender<Event>,
    pace: Option<Pace>,
    /// Hung up with this: the next one may ask.
    _asks: Sender<()>,
}

impl Candidate {
    /// Begins to read from it and to write to it.
    pub fn accept(self) -> std::io::Result<Connection> {
        let Self { stream, id, events, pace, .. } = self;
        let (writing, handle) = (stream.try_clone()?, stream.try_clone()?);
        let outlet = Box::new(Writer::spawn(writing, events.clone(), pace.clone()));
        thread::Builder::new().name("host-reader".into()).spawn(move || {
            read_all(stream, id, &events, pace);
            let _ = events.send(Event::Closed { from: id });
        })?;
        let hang_up = Box::new(move || {
            // Reader and writer, which may wait for a host that is no more, end by this.
            let _ = handle.shutdown(Shutdown::Both);
        });
        Ok(Connection { id, outlet, hang_up: Some(hang_up) })
    }
}

/// Presents hosts to the loop, each when the one before it was taken or turned away.
pub(super) fn accept(listener: &TcpListener, events: &Sender<Event>, pace: Option<&Pace>) {
    for (id, stream) in (1..).zip(listener.incoming()) {
        let Ok(stream) = stream else {
            // Out of handles, perhaps: it would fail again at once.
            thread::sleep(ACCEPT_PAUSE);
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (asks, answered) = mpsc::channel();
        let candidate = Candidate { stream, id, events: events.clone(), pace: pace.cloned(), _asks: asks };
        if events.send(Event::Asking(candidate)).is_err() {
            return;
        }
        // Nothing is ever sent: the wait ends when the candidate is gone.
        let _ = answered.recv();
    }
}
