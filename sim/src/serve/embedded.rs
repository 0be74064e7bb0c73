//! A device for a host in the same process.

use std::{
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread,
};

use xyloop_firmware::Board;

use super::{
    ServeError,
    line::Line,
    outlet::InProcess,
    run::{self, Connection, Event, MakeBoard},
};
use crate::{board::Notify, plant::Description};

/// There is one connection at a time, and events keep their order: they need no names.
const THE_HOST: u64 = 0;

/// A device in this process, on a thread of its own. Hosts are connected to it one after the other; it runs on in
/// between, with safe outputs. Dropping it makes its outputs safe and ends its thread (without waiting for it).
pub struct Embedded {
    events: Sender<Event>,
}

impl Embedded {
    /// Starts a device to which nobody is connected yet. `boot_id` names this start of it.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(description: Description, boot_id: u32) -> Result<Self, ServeError> {
        let description = Arc::new(description);
        let make_board = run::simulated(&description);
        Self::start_with(description, boot_id, make_board)
    }

    /// Starts one over any board with the wiring and replicas of the description, made anew at every start of the device.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start_over<B: Board + 'static>(
        description: Description,
        boot_id: u32,
        mut make_board: impl FnMut(Notify) -> B + Send + 'static,
    ) -> Result<Self, ServeError> {
        Self::start_with(Arc::new(description), boot_id, Box::new(move |notify| Ok(make_board(notify))))
    }

    fn start_with<B: Board + 'static>(
        description: Arc<Description>,
        boot_id: u32,
        make_board: Box<MakeBoard<B>>,
    ) -> Result<Self, ServeError> {
        let (events, receiver) = mpsc::channel();
        let wake = events.clone();
        thread::Builder::new().name("simulated-device".into()).spawn(move || {
            let ends = (&receiver, &wake);
            if let Err(error) = run::serve(&description, make_board, boot_id, ends, &mut Line::default()) {
                tracing::error!("the simulated device stopped: {error}");
            }
        })?;
        Ok(Self { events })
    }

    /// Connects a host: what the device sends is given to `sink`, which must not block. A host that was connected is
    /// cut off before, and its sink dropped.
    pub fn connect(&self, sink: impl FnMut(Vec<u8>) + Send + 'static) {
        let outlet = Box::new(InProcess(sink));
        let _ = self.events.send(Event::Connected(Connection { id: THE_HOST, outlet, hang_up: None }));
    }

    /// Cuts the line: the sink is dropped and the outputs go safe at once. The device keeps everything else.
    pub fn disconnect(&self) {
        let _ = self.events.send(Event::Closed { from: THE_HOST });
    }

    /// Bytes from the host; lost while nobody is connected. `false` if the device is gone.
    pub fn send(&self, bytes: Vec<u8>) -> bool {
        self.events.send(Event::Bytes { from: THE_HOST, bytes, taken: None }).is_ok()
    }

    /// Starts the device anew, as after a loss of power: in fresh memory, with another boot id and its clock at zero.
    /// The line stays up, as with an adapter that has its own supply; [`disconnect`](Self::disconnect) cuts it.
    pub fn reboot(&self, boot_id: u32) {
        let _ = self.events.send(Event::Reboot(boot_id));
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let _ = self.events.send(Event::Stop);
    }
}
