//! A device for other processes: on a pty or on TCP, with faults on its line and a recording of it if wanted.

use std::{
    net::TcpListener,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use xyloop_firmware::Board;
use xyloop_protocol::{fault::Faults, trace::LineRecorder};

use super::{
    LineReport, ServeError,
    line::Line,
    outlet::{Writer, read_all},
    pace::Pace,
    pty,
    run::{self, Connection, Event, MakeBoard},
    tcp,
};
use crate::{board::Notify, plant::Description};

/// A device that is served to other processes.
///
/// A host that comes while another one is served is turned away as long as that one is alive, that is, as long as a
/// valid frame was heard within the last second; otherwise it takes its place. (On a pty only the system's exclusive
/// access keeps two hosts apart.)
pub struct Served {
    description: Arc<Description>,
    boot_id: u32,
    events: Receiver<Event>,
    sender: Sender<Event>,
    line: Line,
    place: String,
    pty: Option<Pty>,
}

/// What belongs to a device on a pty.
struct Pty {
    path: PathBuf,
    link: Option<pty::Link>,
    /// Our own handle on the pty's other end: with it open, the master survives hosts that come and go.
    _keep: OwnedFd,
}

impl Served {
    fn new(description: Description, boot_id: u32, place: String, pty: Option<Pty>) -> Self {
        let (sender, events) = mpsc::channel();
        Self { description: Arc::new(description), boot_id, events, sender, line: Line::default(), place, pty }
    }

    /// A device behind a new pseudo-terminal; [`place`](Self::place) is the path to open. With a `baud`, bytes go over it
    /// as slowly as over a UART of so many bits per second.
    ///
    /// # Errors
    /// If no pty can be had.
    pub fn on_pty(description: Description, boot_id: u32, baud: Option<u32>) -> Result<Self, ServeError> {
        let (master, slave, path) = pty::open().map_err(ServeError::Pty)?;
        let place = path.display().to_string();
        let served = Self::new(description, boot_id, place, Some(Pty { path, link: None, _keep: slave }));
        let reader = std::fs::File::from(master);
        let writer = reader.try_clone()?;
        let pace = baud.map(Pace::new);
        let outlet = Box::new(Writer::spawn(writer, served.sender.clone(), pace.clone()));
        let _ = served.sender.send(Event::Connected(Connection { id: 0, outlet, hang_up: None }));
        let events = served.sender.clone();
        thread::spawn(move || read_all(reader, 0, &events, pace));
        Ok(served)
    }

    /// A device behind a TCP port, one host at a time; [`place`](Self::place) is `tcp://address`. `baud` as on a pty.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn on_tcp(
        description: Description,
        boot_id: u32,
        address: &str,
        baud: Option<u32>,
    ) -> Result<Self, ServeError> {
        let listen = |source| ServeError::Listen { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).map_err(listen)?;
        let place = format!("tcp://{}", listener.local_addr().map_err(listen)?);
        let served = Self::new(description, boot_id, place, None);
        let events = served.sender.clone();
        let pace = baud.map(Pace::new);
        thread::spawn(move || tcp::accept(&listener, &events, pace.as_ref()));
        Ok(served)
    }

    /// Gives the pty a second name: a symbolic link at `path`, which replaces another link there, is the
    /// [`place`](Self::place) from then on, and is removed with this. Without effect on TCP.
    ///
    /// # Errors
    /// [`ServeError::LinkTaken`] if something that is no link has that name, [`ServeError::Link`] if it cannot be made.
    pub fn linked_as(mut self, path: &Path) -> Result<Self, ServeError> {
        if let Some(pty) = &mut self.pty {
            let link = pty::Link::make(path, &pty.path)?;
            self.place = link.path().display().to_string();
            pty.link = Some(link);
        }
        Ok(self)
    }

    /// Puts faults on the line, in both directions. A `disconnect` closes a TCP connection; on a pty, which cannot be
    /// hung up without losing its name, it is as if the plug had been pulled and put back at once.
    #[must_use]
    pub fn with_faults(mut self, faults: &Faults) -> Self {
        self.line.set_faults(faults);
        self
    }

    /// Records the line into a capture file (see [`xyloop_protocol::trace::Tracer`]) as the device's end sees it:
    /// after the faults that hit the host's bytes, before those that hit the device's.
    ///
    /// # Errors
    /// [`ServeError::Trace`] if the file cannot be made.
    pub fn with_trace(mut self, path: &Path) -> Result<Self, ServeError> {
        let recorder =
            LineRecorder::start(path).map_err(|source| ServeError::Trace { path: path.to_owned(), source })?;
        self.line.recorder = Some(recorder);
        Ok(self)
    }

    /// What a host passes to `--device`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Something that stops [`run`](Self::run) from another thread.
    pub fn stopper(&self) -> impl Fn() + Send + 'static {
        let sender = self.sender.clone();
        move || {
            let _ = sender.send(Event::Stop);
        }
    }

    /// Serves until stopped; what became of the line.
    ///
    /// # Errors
    /// If the device cannot be started.
    pub fn run(self) -> Result<LineReport, ServeError> {
        let make_board = run::simulated(&self.description);
        self.serve(make_board)
    }

    /// The same over any board with the wiring and replicas of the description, made anew at every start of the device.
    ///
    /// # Errors
    /// If the device cannot be started.
    pub fn run_over<B: Board + 'static>(
        self,
        mut make_board: impl FnMut(Notify) -> B + Send + 'static,
    ) -> Result<LineReport, ServeError> {
        self.serve(Box::new(move |notify| Ok(make_board(notify))))
    }

    fn serve<B: Board>(mut self, make_board: Box<MakeBoard<B>>) -> Result<LineReport, ServeError> {
        let ends = (&self.events, &self.sender);
        run::serve(&self.description, make_board, self.boot_id, ends, &mut self.line)?;
        Ok(self.line.finish())
    }
}
