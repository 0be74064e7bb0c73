//! Serving a simulated device: the loop that carries bytes, finished computations and time to the Controller, for a
//! host in the same process, on a pty or on TCP.
//!
//! # Design
//! One thread owns the Controller and never blocks on I/O: readers and writers are threads of their own, so a host that
//! stops reading cannot keep the deadman from being judged. This is the only place in the simulator that reads a
//! clock (the link's timers and the deadman of a *served* device run on it).

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags},
    pty::OpenptFlags,
    termios::OptionalActions,
};
use xyloop_protocol::message::State;

use crate::{
    board::Workers,
    device::{DeviceError, Memory},
    plant::Description,
};

/// Bytes handed to a writer at once.
const CHUNK: usize = 16 << 10;
/// Pieces read from a host that the loop has not taken yet.
const READ_AHEAD: usize = 4;
/// Events handled before the device is polled again.
const EVENTS_A_TURN: usize = 16;
/// Longest sleep of the loop: the link and the deadman are looked at this often even when nothing happens.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);
/// How long the next host waits for the last one's end to be noticed, before it is turned away. Shorter than hosts try.
const FAREWELL: Duration = Duration::from_secs(1);
/// Sleep of the loop while a real-time plant settles.
const REALTIME_SLEEP: Duration = Duration::from_millis(1);

/// What can happen to a served device.
enum Event {
    /// A host is there; its bytes will follow, ours go into the outlet.
    Connected(Box<dyn Outlet>),
    /// Bytes from the host. Whoever read them is told when they have been taken, and reads on then.
    Bytes(Vec<u8>, Option<Sender<()>>),
    /// Something was finished: look again.
    Wake,
    /// The host hung up.
    Closed,
    Stop,
}

/// Where bytes to the host go. Must not block.
trait Outlet: Send {
    /// Takes the bytes, or gives them back if there is no room now.
    fn offer(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>>;
}

struct InProcess<F>(F);

impl<F: FnMut(Vec<u8>) + Send> Outlet for InProcess<F> {
    fn offer(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        (self.0)(bytes);
        None
    }
}

struct Writer(SyncSender<Vec<u8>>);

impl Writer {
    /// A thread that writes to `sink`, which may block, and wakes the loop after every write.
    fn spawn(mut sink: impl Write + Send + 'static, wake: Sender<Event>) -> Self {
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

/// Why a device could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The device did not start.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// No pty could be made.
    #[error("cannot open a pseudo-terminal: {0}")]
    Pty(#[source] rustix::io::Errno),
    /// The address cannot be served.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// A handle could not be duplicated.
    #[error("cannot serve the device")]
    Io(#[from] std::io::Error),
}

/// The loop. Returns after `Stop`, or when every sender is gone.
fn run(memory: &mut Memory, events: &Receiver<Event>, wake: Sender<Event>, realtime: bool) -> Result<(), DeviceError> {
    let notify = Arc::new(move || {
        let _ = wake.send(Event::Wake);
    });
    let mut device = memory.device(Workers::Threads(notify))?;
    let epoch = Instant::now();
    let now_us = || epoch.elapsed().as_micros() as u64;
    let mut outlet: Option<Box<dyn Outlet>> = None;
    let mut held: Option<Vec<u8>> = None;
    let mut buffer = vec![0; CHUNK];
    loop {
        device.poll(now_us());
        while let Some(outlet) = &mut outlet {
            let next = held.take().or_else(|| {
                let length = device.transmit(now_us(), &mut buffer);
                (length > 0).then(|| buffer[..length].to_vec())
            });
            let Some(bytes) = next else { break };
            held = outlet.offer(bytes);
            if held.is_some() {
                break;
            }
        }
        // What the link wants to send cannot be sent while nobody takes it.
        let wakeup =
            if outlet.is_some() && held.is_none() { device.next_wakeup_us() } else { device.next_deadman_us() };
        let due = wakeup.map_or(LONGEST_SLEEP, |at| Duration::from_micros(at.saturating_sub(now_us())));
        let most = if realtime && device.state() == State::Running { REALTIME_SLEEP } else { LONGEST_SLEEP };
        let mut next = match events.recv_timeout(due.min(most)) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let mut taken = 0;
        while let Some(event) = next {
            match event {
                Event::Connected(new) => (outlet, held) = (Some(new), None),
                Event::Bytes(bytes, done) => {
                    device.receive(now_us(), &bytes);
                    if let Some(done) = done {
                        let _ = done.send(());
                    }
                }
                Event::Wake => {}
                Event::Closed => {
                    (outlet, held) = (None, None);
                    device.hang_up();
                }
                Event::Stop => {
                    device.hang_up();
                    return Ok(());
                }
            }
            // A flood must not keep the deadman from being judged.
            taken += 1;
            next = if taken < EVENTS_A_TURN { events.try_recv().ok() } else { None };
        }
    }
}

/// A device in this process. Dropping it makes its outputs safe and ends its thread (without waiting for it).
pub struct Embedded {
    events: Sender<Event>,
}

impl Embedded {
    /// Starts a device on a thread of its own; what it sends is given to `sink`, which must not block.
    ///
    /// # Errors
    /// If the device cannot be started.
    pub fn start(
        description: Description,
        boot_id: u32,
        sink: impl FnMut(Vec<u8>) + Send + 'static,
    ) -> Result<Self, ServeError> {
        let (events, receiver) = mpsc::channel();
        let _ = events.send(Event::Connected(Box::new(InProcess(sink))));
        let wake = events.clone();
        thread::Builder::new().name("simulated-device".into()).spawn(move || {
            let realtime = description.realtime;
            let mut memory = Memory::new(Arc::new(description), boot_id);
            if let Err(error) = run(&mut memory, &receiver, wake, realtime) {
                tracing::error!("the simulated device stopped: {error}");
            }
        })?;
        Ok(Self { events })
    }

    /// Bytes from the host. `false` if the device is gone.
    pub fn send(&self, bytes: Vec<u8>) -> bool {
        self.events.send(Event::Bytes(bytes, None)).is_ok()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let _ = self.events.send(Event::Stop);
    }
}

/// A device that is served to other processes.
pub struct Served {
    memory: Memory,
    events: Receiver<Event>,
    sender: Sender<Event>,
    realtime: bool,
    place: String,
    /// Our own handle on the pty's other end: with it open, the master survives hosts that come and go.
    _keep: Option<std::os::fd::OwnedFd>,
}

impl Served {
    fn new(description: Description, boot_id: u32, place: String, keep: Option<std::os::fd::OwnedFd>) -> Self {
        let (sender, events) = mpsc::channel();
        let realtime = description.realtime;
        Self { memory: Memory::new(Arc::new(description), boot_id), events, sender, realtime, place, _keep: keep }
    }

    /// A device behind a new pseudo-terminal; [`place`](Self::place) is the path to open.
    ///
    /// # Errors
    /// If no pty can be had.
    pub fn on_pty(description: Description, boot_id: u32) -> Result<Self, ServeError> {
        let (master, slave, path) = open_pty().map_err(ServeError::Pty)?;
        let served = Self::new(description, boot_id, path.display().to_string(), Some(slave));
        let reader = std::fs::File::from(master);
        let writer = reader.try_clone()?;
        let outlet = Writer::spawn(writer, served.sender.clone());
        let _ = served.sender.send(Event::Connected(Box::new(outlet)));
        let events = served.sender.clone();
        thread::spawn(move || read_all(reader, &events));
        Ok(served)
    }

    /// A device behind a TCP port, one host at a time; [`place`](Self::place) is `tcp://address`.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn on_tcp(description: Description, boot_id: u32, address: &str) -> Result<Self, ServeError> {
        let listen = |source| ServeError::Listen { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).map_err(listen)?;
        let place = format!("tcp://{}", listener.local_addr().map_err(listen)?);
        let served = Self::new(description, boot_id, place, None);
        let events = served.sender.clone();
        thread::spawn(move || accept(&listener, &events));
        Ok(served)
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

    /// Serves until stopped.
    ///
    /// # Errors
    /// If the device cannot be started.
    pub fn run(mut self) -> Result<(), ServeError> {
        Ok(run(&mut self.memory, &self.events, self.sender.clone(), self.realtime)?)
    }
}

/// Hands everything that can be read to the loop, until the end of the stream; never more than [`READ_AHEAD`] pieces
/// that the loop has not taken, whatever a host sends.
fn read_all(mut source: impl Read, events: &Sender<Event>) {
    let mut buffer = vec![0; CHUNK];
    let (done, taken) = mpsc::channel();
    for _ in 0..READ_AHEAD {
        let _ = done.send(());
    }
    while taken.recv().is_ok() {
        match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                if events.send(Event::Bytes(buffer[..length].to_vec(), Some(done.clone()))).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => drop(done.send(())),
            Err(_) => return,
        }
    }
}

/// Takes one host at a time; others are turned away by closing their connection at once.
fn accept(listener: &TcpListener, events: &Sender<Event>) {
    // Hung up when the host that is served has gone.
    let mut served: Option<Receiver<()>> = None;
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        if served.as_ref().is_some_and(|host| host.recv_timeout(FAREWELL) == Err(RecvTimeoutError::Timeout)) {
            tracing::warn!("turned a second host away: the device is in use");
            continue;
        }
        let _ = stream.set_nodelay(true);
        served = serve_stream(stream, events.clone())
            .inspect_err(|error| tracing::warn!("lost a host before it could be served: {error}"))
            .ok();
    }
}

fn serve_stream(stream: TcpStream, events: Sender<Event>) -> std::io::Result<Receiver<()>> {
    let (present, gone) = mpsc::channel();
    let outlet = Writer::spawn(stream.try_clone()?, events.clone());
    let _ = events.send(Event::Connected(Box::new(outlet)));
    thread::spawn(move || {
        read_all(stream, &events);
        let _ = events.send(Event::Closed);
        drop(present);
    });
    Ok(gone)
}

/// A pseudo-terminal in raw mode: master, the other end kept open, and its path.
fn open_pty() -> rustix::io::Result<(std::os::fd::OwnedFd, std::os::fd::OwnedFd, PathBuf)> {
    let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    rustix::pty::grantpt(&master)?;
    rustix::pty::unlockpt(&master)?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    let path = Path::new(&*name.to_string_lossy()).to_path_buf();
    let slave = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
    let mut termios = rustix::termios::tcgetattr(&slave)?;
    termios.make_raw();
    rustix::termios::tcsetattr(&slave, OptionalActions::Now, &termios)?;
    Ok((master, slave, path))
}
