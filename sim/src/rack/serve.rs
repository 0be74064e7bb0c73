//! A rack for an emulated board: on a TCP port, or behind two FIFOs that the emulator takes for files.
//!
//! One board at a time. A stream that makes no sense ends the connection (TCP) or is skipped up to the next Hello (FIFO).

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::fs::{Mode, OFlags};

use super::{Rack, RackCounts, RackError};
use crate::serve::ServeError;

/// Names of the FIFOs in their folder.
const REQUEST: &str = "spi.request";
const REPLY: &str = "spi.reply";
/// Pause while nobody takes answers.
const PAUSE: Duration = Duration::from_millis(1);
/// What a FIFO may hold of answers that nobody took.
const STALE: usize = 1 << 12;

/// Ends a server from another thread.
pub type Stopper = Box<dyn Fn() + Send + Sync>;

enum Listening {
    Tcp { listener: TcpListener, board: Arc<Mutex<Option<TcpStream>>> },
    Fifos { request: File, reply: File, names: Names },
}

/// Names that are removed at the end.
struct Names(Vec<PathBuf>);

impl Drop for Names {
    fn drop(&mut self) {
        for name in &self.0 {
            // Who removed it before has done it already.
            let _ = fs::remove_file(name);
        }
    }
}

/// A rack that waits for its board.
pub struct PlantServer {
    rack: Rack,
    listening: Listening,
    place: String,
    stop: Arc<AtomicBool>,
}

impl PlantServer {
    /// On a TCP port (0: any free one).
    ///
    /// # Errors
    /// If the address cannot be had.
    pub fn on_tcp(rack: Rack, address: &str) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let place = format!("tcp://{}", listener.local_addr().map_err(failed)?);
        Ok(Self::new(rack, Listening::Tcp { listener, board: Arc::default() }, place))
    }

    /// Behind two FIFOs in this folder, which it makes if need be: the board writes `spi.request` and reads `spi.reply`.
    ///
    /// # Errors
    /// If they cannot be made, or something else has their names.
    pub fn on_fifos(rack: Rack, folder: &Path) -> Result<Self, ServeError> {
        fs::create_dir_all(folder).map_err(|source| ServeError::Link { path: folder.to_owned(), source })?;
        let mut names = Names(Vec::new());
        for name in [REQUEST, REPLY].map(|name| folder.join(name)) {
            make_fifo(&name)?;
            names.0.push(name);
        }
        let open = |path: &Path, flags: OFlags| {
            open_fifo(path, flags).map_err(|source| ServeError::Link { path: path.to_owned(), source })
        };
        let request = open(&names.0[0], OFlags::empty())?;
        // Two plants would share out the board's bytes.
        if rustix::fs::flock(&request, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            let source = io::Error::new(io::ErrorKind::AddrInUse, "another plant serves it");
            let path = names.0[0].clone();
            // They are the other's.
            names.0.clear();
            return Err(ServeError::Link { path, source });
        }
        let reply = open(&names.0[1], OFlags::NONBLOCK)?;
        Ok(Self::new(rack, Listening::Fifos { request, reply, names }, folder.display().to_string()))
    }

    fn new(rack: Rack, listening: Listening, place: String) -> Self {
        Self { rack, listening, place, stop: Arc::default() }
    }

    /// Where the board finds it: `tcp://…`, or the FIFOs' folder.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What ends [`run`](Self::run).
    ///
    /// # Errors
    /// If a handle cannot be duplicated.
    pub fn stopper(&self) -> io::Result<Stopper> {
        let stop = Arc::clone(&self.stop);
        Ok(match &self.listening {
            Listening::Tcp { listener, board } => {
                let (address, board) = (listener.local_addr()?, Arc::clone(board));
                Box::new(move || {
                    stop.store(true, Ordering::SeqCst);
                    if let Some(stream) = board.lock().unwrap_or_else(PoisonError::into_inner).take() {
                        let _ = stream.shutdown(Shutdown::Both);
                    }
                    // Whoever waits for a board wakes up.
                    let _ = TcpStream::connect(address);
                })
            }
            Listening::Fifos { names, .. } => {
                let own =
                    rustix::fs::open(&names.0[0], OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
                let own = File::from(own);
                Box::new(move || {
                    stop.store(true, Ordering::SeqCst);
                    // Whoever waits for a byte wakes up; if it does not fit, nobody waits.
                    let _ = (&own).write(&[0]);
                })
            }
        })
    }

    /// Serves until it is stopped; what has come in.
    ///
    /// # Errors
    /// If the record cannot be written on, or the way to the board breaks down.
    pub fn run(self) -> Result<RackCounts, RackError> {
        let Self { mut rack, listening, stop, .. } = self;
        match listening {
            Listening::Tcp { listener, board } => serve_tcp(&mut rack, &listener, &board, &stop)?,
            Listening::Fifos { mut request, reply, names } => {
                rack.connected();
                serve_fifos(&mut rack, &mut request, reply, &names.0[1], &stop)?;
                drop(names);
            }
        }
        Ok(rack.counts())
    }
}

/// A FIFO of this name; one that is left over is taken as it is: a board may still have it open.
fn make_fifo(name: &Path) -> Result<(), ServeError> {
    let failed = |source| ServeError::Link { path: name.to_owned(), source };
    match fs::symlink_metadata(name) {
        Ok(entry) if entry.file_type().is_fifo() => return Ok(()),
        Ok(_) => {
            return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else of that name")));
        }
        Err(_) => {}
    }
    #[cfg(not(target_vendor = "apple"))]
    return rustix::fs::mkfifoat(rustix::fs::CWD, name, Mode::RUSR | Mode::WUSR).map_err(|error| failed(error.into()));
    #[cfg(target_vendor = "apple")]
    Err(failed(io::Error::new(io::ErrorKind::Unsupported, "FIFOs cannot be made here: use TCP")))
}

fn serve_tcp(
    rack: &mut Rack,
    listener: &TcpListener,
    board: &Mutex<Option<TcpStream>>,
    stop: &AtomicBool,
) -> Result<(), RackError> {
    while !stop.load(Ordering::SeqCst) {
        let Ok((mut stream, _)) = listener.accept() else {
            // Out of handles, perhaps: it would fail again at once.
            thread::sleep(PAUSE);
            continue;
        };
        let _ = stream.set_nodelay(true);
        *board.lock().unwrap_or_else(PoisonError::into_inner) = stream.try_clone().ok();
        rack.connected();
        let (mut bytes, mut answers) = (vec![0; 1 << 16], Vec::new());
        while !stop.load(Ordering::SeqCst) {
            let length = match stream.read(&mut bytes) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            answers.clear();
            let taken = rack.receive(&bytes[..length], &mut answers);
            if stream.write_all(&answers).is_err() {
                break;
            }
            if let Err(error) = taken {
                complain(rack, error)?;
                break;
            }
        }
        // Its other handle, too, or it would stay open.
        board.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
    Ok(())
}

/// The reply's FIFO is open as long as the board makes sense: one that waits for an answer that will not come, because the
/// plant was restarted say, is at the end of its file at once.
fn serve_fifos(
    rack: &mut Rack,
    request: &mut File,
    reply: File,
    reply_name: &Path,
    stop: &AtomicBool,
) -> Result<(), RackError> {
    let (mut bytes, mut answers, mut reply) = (vec![0; 1 << 16], Vec::new(), Some(reply));
    while !stop.load(Ordering::SeqCst) {
        let length = match request.read(&mut bytes) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(RackError::Fifo(error)),
        };
        if stop.load(Ordering::SeqCst) {
            break;
        }
        answers.clear();
        let hellos = rack.counts().hellos;
        if let Err(error) = rack.receive(&bytes[..length], &mut answers) {
            complain(rack, error)?;
        }
        if !rack.is_greeted() {
            reply = None;
            continue;
        }
        let reply = match &mut reply {
            Some(reply) => reply,
            closed => closed.insert(open_fifo(reply_name, OFlags::NONBLOCK).map_err(RackError::Fifo)?),
        };
        if rack.counts().hellos != hellos {
            // What a board that is no more did not take.
            while matches!(reply.read(&mut [0; STALE]), Ok(1..)) {}
        }
        let mut rest = &answers[..];
        while !rest.is_empty() && !stop.load(Ordering::SeqCst) {
            match reply.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(RackError::Fifo(error)),
            }
        }
    }
    Ok(())
}

/// Opens a FIFO at both ends: that never depends on whether the emulator has it open.
fn open_fifo(path: &Path, flags: OFlags) -> io::Result<File> {
    Ok(rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC | flags, Mode::empty()).map(File::from)?)
}

/// Says what is wrong with a stream; gives the error back if it is none of the stream's.
fn complain(rack: &Rack, error: RackError) -> Result<(), RackError> {
    match error {
        RackError::Malformed { .. } | RackError::Stamp { .. } | RackError::OtherRig { .. } => {
            tracing::warn!("the board is cut off: {error} (so far: {})", rack.counts());
            Ok(())
        }
        other => Err(other),
    }
}
