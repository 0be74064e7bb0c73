//! `xyloop sim board`: an emulated board and the plant behind its chips, as two child processes.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use xyloop::config;
use xyloop_sim::emulator::{Emulator, Mishap, Options, ToChips, ToHost};

use super::bound::{bound, program, this_program};
use crate::{options::Settings, runtime, signals::End};

/// Names the file that `firmware/boards/build mps2` makes.
const FIRMWARE: &str = "firmware/boards/target/thumbv7em-none-eabihf/release/xyloop-mps2";
/// Sets how often the children are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Says what to emulate and how to reach it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The rig file, or an experiment file (then its rig).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Reach the board on a TCP port, e.g. 127.0.0.1:5555 (port 0: any free one), instead of a pseudo-terminal.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:0", value_parser = address)]
    tcp: Option<String>,
    /// The firmware.
    #[arg(long, value_name = "ELF", default_value = FIRMWARE)]
    firmware: PathBuf,
    /// The emulator.
    #[arg(long, value_name = "PROGRAM", default_value = "qemu-system-arm")]
    qemu: OsString,
    /// How the firmware reaches its chips: over FIFOs of the emulator (fast), or over its second serial port.
    #[arg(long, value_enum, default_value_t = Chips::Fifo)]
    chips: Chips,
    /// Use the plant that `xyloop sim plant --tcp` serves at HOST:PORT, over the second serial port.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["record", "chips"], value_parser = address)]
    plant: Option<String>,
    /// Let the firmware hang or panic, once, when so many shots are finished: hang=SHOTS or panic=SHOTS.
    #[arg(long, value_name = "MISHAP")]
    mishap: Option<Mishap>,
    /// Record every code and every edge that reaches the chips (CSV, see `xyloop sim plant --help`); a record that is there
    /// goes on.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// See [`ToChips`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Chips {
    Fifo,
    Uart,
}

/// Runs both until Ctrl-C. A plant that dies is started again, with chips as after a power cut: the device latches a fault as
/// soon as it talks to them.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (rig, _) = config::load_rig(&arguments.config, &arguments.settings.set)?;
    let image = rig.image(&rig.array()?)?;
    let directory = tempfile::Builder::new().prefix("xyloop-board-").tempdir().context("no temporary directory")?;
    let runtime = runtime::start()?;
    // Listened for from here on: nobody is told of the device before.
    let mut end = runtime.block_on(async { End::listen() })?;
    let mut is_asked_to_end =
        move |patience: Duration| runtime.block_on(async { tokio::time::timeout(patience, end.wait()).await.is_ok() });
    let mut plant = match &arguments.plant {
        Some(_) => None,
        None => Some(Plant::start(arguments, directory.path())?),
    };
    let chips = match (&arguments.plant, &plant) {
        (Some(address), _) => {
            TcpStream::connect(address).with_context(|| {
                format!("no plant at {address}: start one with `xyloop sim plant --tcp {address} --config …`")
            })?;
            ToChips::Uart(address.clone())
        }
        (None, Some(Plant { address: Some(address), .. })) => ToChips::Uart(address.clone()),
        _ => ToChips::Fifos,
    };
    let options = Options {
        program: bound(&program(&arguments.qemu))?,
        firmware: arguments.firmware.clone(),
        image,
        random: u64::from(xyloop::device::fresh_number()) << 32 | u64::from(xyloop::device::fresh_number()),
        directory: directory.path().to_owned(),
        chips,
        host: arguments.tcp.clone().map_or(ToHost::Pty, ToHost::Tcp),
        mishap: arguments.mishap,
    };
    let mut emulator = Emulator::start(&options)?;
    // One line, so that a script can read it.
    println!("{}", emulator.place());
    std::io::stdout().flush()?;
    eprintln!("emulating rig `{}`; Ctrl-C ends it", rig.name);
    eprintln!("  emulator  process {}, monitor {}", emulator.id(), emulator.socket().display());
    if let Some(plant) = &plant {
        eprintln!("  plant     process {}", plant.child.id());
    }
    while !is_asked_to_end(LOOK) {
        if let Err(error) = emulator.check() {
            // Ctrl-C reaches all processes of a terminal.
            return if is_asked_to_end(LOOK) { Ok(()) } else { Err(error.into()) };
        }
        if let Some(dead) = &mut plant
            && let Some(status) = dead.child.try_wait()?
        {
            // Ctrl-C reaches all processes of a terminal.
            if is_asked_to_end(LOOK) {
                break;
            }
            *dead = Plant::start_at(arguments, directory.path(), dead.address.as_deref())?;
            eprintln!(
                "the plant ended ({status}) and was started again, as after a power cut: the device reports a converter \
                 fault, at the latest when it is to drive an output, until `xyloop device clear --device {}`",
                emulator.place()
            );
            eprintln!("  plant     process {}", dead.child.id());
        }
    }
    Ok(())
}

/// Holds the plant's process; dropped, it is killed.
struct Plant {
    child: Child,
    /// Where it listens, if it is reached over the second serial port.
    address: Option<String>,
}

impl Plant {
    fn start(arguments: &Arguments, directory: &Path) -> anyhow::Result<Self> {
        Self::start_at(arguments, directory, None)
    }

    /// Starts it again at the address it had before.
    fn start_at(arguments: &Arguments, directory: &Path, address: Option<&str>) -> anyhow::Result<Self> {
        let [program, arguments_of_bound @ .., this] = &bound(&this_program()?)?[..] else { bail!("nothing to run") };
        let mut command = Command::new(program);
        command.args(arguments_of_bound).arg(this).args(["sim", "plant"]);
        match arguments.chips {
            Chips::Fifo => command.arg("--fifo").arg(directory),
            Chips::Uart => command.arg("--tcp").arg(address.unwrap_or("127.0.0.1:0")),
        };
        command.arg("--config").arg(&arguments.config);
        for setting in &arguments.settings.set {
            command.arg("--set").arg(setting);
        }
        if let Some(record) = &arguments.record {
            command.arg("--record").arg(record);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start the plant")?;
        let mut plant = Self { child, address: None };
        let Some(stdout) = plant.child.stdout.take() else { bail!("the plant has no output") };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.is_empty() {
            // It has said why on stderr, which is ours.
            bail!("the plant did not start");
        }
        plant.address = line.trim().strip_prefix("tcp://").map(str::to_owned);
        Ok(plant)
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads HOST:PORT, with `tcp://` or without.
fn address(text: &str) -> Result<String, String> {
    let address = text.strip_prefix("tcp://").unwrap_or(text);
    match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !host.contains(':') && port.parse::<u16>().is_ok() => {
            Ok(address.to_owned())
        }
        _ => Err("HOST:PORT, e.g. 127.0.0.1:5555".to_owned()),
    }
}
