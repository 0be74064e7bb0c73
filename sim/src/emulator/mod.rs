//! The emulated board: `qemu-system-arm` as a child process, with the firmware, a rig image and the ways to host and chips.
//!
//! The machine is `mps2-an386` (Cortex-M4F). Its first UART is the host's line, on a pty or a TCP port; the chips are
//! reached over two FIFOs that the firmware opens by semihosting, or over the second UART on a TCP port. It is started
//! stopped and let go when all is connected.

mod monitor;

use std::{
    ffi::OsString,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

pub use self::monitor::Monitor;

/// Where the firmware looks for its rig image.
const IMAGE_ADDRESS: u32 = 0x0038_0000;
/// Most bytes of a rig image.
const IMAGE_MAX: usize = 0x0007_ff00;
/// Where it finds a random number, new for each start of the emulator.
const RANDOM_ADDRESS: u32 = 0x003f_fff8;
/// Where it finds what is to go wrong.
const MISHAP_ADDRESS: u32 = 0x003f_fff0;
/// Longest wait for the monitor's socket.
const START: Duration = Duration::from_secs(20);

/// Why there is no emulated board.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// It is not installed, or cannot be run.
    #[error(
        "cannot run {program}: {source}. Install QEMU for Arm (Debian: `apt-get install qemu-system-arm`), or name it with --qemu"
    )]
    Start {
        /// What was run.
        program: String,
        /// Why it failed.
        source: io::Error,
    },
    /// There is no firmware to run.
    #[error("no firmware at {}. Build it with `firmware/boards/build mps2`, or name it with --firmware", path.display())]
    Firmware {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The rig is too large for the machine's memory.
    #[error("the rig image has {bytes} bytes; the emulated board takes {IMAGE_MAX}")]
    Image {
        /// Bytes of the image.
        bytes: usize,
    },
    /// It ended by itself.
    #[error("the emulator ended ({status}){}", said(stderr))]
    Ended {
        /// How.
        status: ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// Its monitor answers something else than expected.
    #[error("the emulator's monitor: {0}")]
    Monitor(String),
    /// A file or socket of it.
    #[error("the emulator: {0}")]
    Io(#[from] io::Error),
}

fn said(stderr: &str) -> String {
    if stderr.trim().is_empty() { String::new() } else { format!(": {}", stderr.trim()) }
}

/// How the firmware reaches its chips.
#[derive(Clone, Debug)]
pub enum ToChips {
    /// Over two FIFOs in the emulator's directory: fast.
    Fifos,
    /// Over its second UART, which the emulator connects to this TCP address.
    Uart(String),
}

/// How a host reaches the board.
#[derive(Clone, Debug)]
pub enum ToHost {
    /// A pseudo-terminal.
    Pty,
    /// A TCP port of this machine: host and port, port 0 for any.
    Tcp(String),
}

/// What to emulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// The emulator; a program that starts it comes first, with its arguments.
    pub program: Vec<OsString>,
    /// The firmware, an ELF file.
    pub firmware: PathBuf,
    /// The rig image.
    pub image: Vec<u8>,
    /// A number that no other start has: boot ids come from it.
    pub random: u64,
    /// A directory of its own, where the FIFOs are (if any) and the monitor's socket will be.
    pub directory: PathBuf,
    /// The way to the chips.
    pub chips: ToChips,
    /// The way to the host.
    pub host: ToHost,
    /// What goes wrong in the firmware, to see what it and its host make of it.
    pub mishap: Option<Mishap>,
}

/// Something that goes wrong in the firmware, once after the emulator's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Its main loop gets stuck when so many shots are finished.
    Hang(u16),
    /// It panics when so many shots are finished.
    Panic(u16),
}

impl Mishap {
    fn word(self) -> u32 {
        match self {
            Self::Hang(shots) => 1 << 16 | u32::from(shots),
            Self::Panic(shots) => 2 << 16 | u32::from(shots),
        }
    }
}

impl std::str::FromStr for Mishap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, after) = text.split_once('=').unwrap_or((text, ""));
        let mishap = match kind {
            "hang" => Self::Hang,
            "panic" => Self::Panic,
            _ => return Err(format!("no mishap `{kind}`: hang=SHOTS or panic=SHOTS")),
        };
        after.parse().map(mishap).map_err(|_| format!("`{after}` is no number of shots up to 65535"))
    }
}

/// A running emulator; dropped, it is killed.
pub struct Emulator {
    child: Child,
    place: String,
    socket: PathBuf,
}

impl Emulator {
    /// Starts it and lets it run.
    ///
    /// # Errors
    /// If the emulator or the firmware is not there, or does not come up.
    pub fn start(options: &Options) -> Result<Self, EmulatorError> {
        if !options.firmware.is_file() {
            return Err(EmulatorError::Firmware { path: options.firmware.clone() });
        }
        if options.image.len() > IMAGE_MAX {
            return Err(EmulatorError::Image { bytes: options.image.len() });
        }
        let image = options.directory.join("rig.img");
        fs::write(&image, &options.image)?;
        let socket = options.directory.join("monitor");
        let mut child = command(options, &image, &socket)?.spawn().map_err(|source| EmulatorError::Start {
            program: options.program.last().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default(),
            source,
        })?;
        let mut monitor = match connect(&mut child, &socket) {
            Ok(monitor) => monitor,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        let mut emulator = Self { child, place: String::new(), socket };
        emulator.place = place(&monitor.character_device("host")?);
        monitor.cont()?;
        // The monitor speaks with one at a time: from now on with whoever comes.
        Ok(emulator)
    }

    /// What a host passes to `--device`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Its monitor's socket, for [`Monitor::connect`].
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// [`EmulatorError::Ended`] if not.
    pub fn check(&mut self) -> Result<(), EmulatorError> {
        ended(&mut self.child)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Over the monitor it would not end while its plant hangs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(options: &Options, image: &Path, socket: &Path) -> Result<Command, EmulatorError> {
    let (program, arguments) =
        options.program.split_first().ok_or(io::ErrorKind::InvalidInput).map_err(io::Error::from)?;
    let mut command = Command::new(program);
    // Absolute, because it runs in its own directory.
    let firmware = fs::canonicalize(&options.firmware)?;
    let (image, socket) = (absolute(image)?, absolute(socket)?);
    command
        .args(arguments)
        .current_dir(&options.directory)
        .args(["-M", "mps2-an386", "-nodefaults", "-display", "none", "-S"])
        .arg("-kernel")
        .arg(firmware)
        .args(["-semihosting-config", "enable=on,target=native"])
        .arg("-device")
        .arg(format!("loader,file={},addr={IMAGE_ADDRESS:#x},force-raw=on", escaped(&image)))
        .arg("-device")
        .arg(format!("loader,addr={RANDOM_ADDRESS:#x},data={:#x},data-len=8", options.random))
        .arg("-qmp")
        .arg(format!("unix:{},server=on,wait=off", escaped(&socket)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let host = match &options.host {
        ToHost::Pty => "pty,id=host".to_owned(),
        ToHost::Tcp(address) => {
            let (host, port) = split(address)?;
            format!("socket,id=host,host={host},port={port},server=on,wait=off,nodelay=on")
        }
    };
    command.args(["-chardev", &host, "-serial", "chardev:host"]);
    match &options.chips {
        ToChips::Fifos => command.args(["-serial", "null"]),
        ToChips::Uart(address) => {
            let (host, port) = split(address)?;
            let chips = format!("socket,id=chips,host={host},port={port},reconnect=1,nodelay=on");
            command.args(["-chardev", &chips, "-serial", "chardev:chips"])
        }
    };
    if let Some(mishap) = options.mishap {
        command.arg("-device").arg(format!("loader,addr={MISHAP_ADDRESS:#x},data={:#x},data-len=4", mishap.word()));
    }
    Ok(command)
}

fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// A comma ends an option's value, two of them are one.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

fn split(address: &str) -> Result<(&str, &str), EmulatorError> {
    address.rsplit_once(':').ok_or_else(|| {
        let message = format!("`{address}` is no address: HOST:PORT");
        EmulatorError::Io(io::Error::new(io::ErrorKind::InvalidInput, message))
    })
}

/// The monitor, as soon as its socket is there.
fn connect(child: &mut Child, socket: &Path) -> Result<Monitor, EmulatorError> {
    let started = Instant::now();
    loop {
        ended(child)?;
        match Monitor::connect(socket) {
            Err(EmulatorError::Io(error)) if started.elapsed() > START => return Err(error.into()),
            Err(EmulatorError::Io(_)) => thread::sleep(Duration::from_millis(5)),
            other => return other,
        }
    }
}

fn ended(child: &mut Child) -> Result<(), EmulatorError> {
    let Some(status) = child.try_wait()? else { return Ok(()) };
    let mut stderr = String::new();
    if let Some(mut pipe) = child.stderr.take() {
        pipe.read_to_string(&mut stderr)?;
    }
    Err(EmulatorError::Ended { status, stderr })
}

/// The emulator's name of a character device as a place for `--device`.
fn place(name: &str) -> String {
    match name.strip_prefix("pty:") {
        Some(path) => path.to_owned(),
        // `disconnected:tcp:127.0.0.1:40123,server=on`
        None => name
            .split("tcp:")
            .last()
            .and_then(|rest| rest.split(',').next())
            .map_or_else(|| name.to_owned(), |address| format!("tcp://{address}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_what_a_host_passes_on() {
        assert_eq!(place("pty:/dev/pts/7"), "/dev/pts/7");
        assert_eq!(place("disconnected:tcp:127.0.0.1:40123,server=on"), "tcp://127.0.0.1:40123");
    }
}
