//! `xyloop sim`: simulated devices, and parts of them, for other processes.

use std::{
    io::Write,
    path::{Path, PathBuf},
    pin::Pin,
};

use clap::{Args, Subcommand};
use tokio::runtime::Runtime;
use xyloop::{array::Array, config};
use xyloop_protocol::adversary::Faults;
use xyloop_sim::{Served, serve::LineReport};

use super::Settings;

/// Simulated devices.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the simulated device of a rig until Ctrl-C; prints the place to pass to `--device`.
    #[command(after_help = "\
Examples:
  xyloop sim serve --pty --config hil-config/rigs/xor-15x15-4nsq.toml
  xyloop sim serve --tcp 127.0.0.1:5555 --config hil-config/xor.toml --set rig.plant.iq_noise=0.001
  xyloop sim serve --pty --link /tmp/table --config hil-config/xor.toml
  xyloop sim serve --pty --config hil-config/xor.toml --fault drop=0.02,seed=7
  xyloop sim serve --pty --config hil-config/xor.toml --trace line.pcap
  xyloop sim serve --pty --config hil-config/xor.toml --baud 921600

Faults (--fault NAME=VALUE,...), each in both directions:
  bit-error   each bit is inverted            | probability per bit, 0 to 1
  drop        a frame is lost                 | probability per frame, 0 to 1, like all below
  insert      1 to 32 random bytes come in    | duplicate  a frame comes twice
  reorder     a frame comes after the next    | truncate   a frame's tail is lost
  burst       8 to 256 bytes are overwritten  | stall      nothing passes for stall-ms (default 500)
  disconnect  the connection is cut           | seed       names the draws")]
    Serve {
        #[command(flatten)]
        way: Way,
        /// The rig file, or an experiment file (then its rig).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        line: Line,
    },
    /// Serve simulated converter chips, with the array of a rig behind them, to an emulated board until Ctrl-C.
    Plant(super::plant::Arguments),
    /// Run the firmware in an emulated Cortex-M, with its converter chips and the array simulated beside it; prints the
    /// place to pass to `--device`.
    #[command(after_help = "\
Examples:
  firmware/boards/build mps2                                                            build the firmware first
  xyloop sim board --config hil-config/xor-small.toml
  xyloop sim board --tcp 127.0.0.1:5555 --config hil-config/xor-small.toml --record codes.csv
  xyloop sim board --chips uart --config hil-config/xor-small.toml

It needs qemu-system-arm (Debian: `apt-get install qemu-system-arm`). Time is the board's own and goes on with its waits: how \
fast this machine is cannot change a result.")]
    Board(super::board::Arguments),
    /// Become PROGRAM, and end with whoever started this.
    #[command(hide = true)]
    Bound {
        /// The program and its arguments.
        #[arg(value_name = "PROGRAM", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<std::ffi::OsString>,
    },
}

/// What is done to the line.
#[derive(Debug, Args)]
pub struct Line {
    /// With --pty: make a symbolic link to the pty here, and remove it at the end. Replaces a link, never a file.
    #[arg(long, value_name = "PATH", conflicts_with = "tcp")]
    link: Option<PathBuf>,
    /// Make the line as slow as a UART of so many bits per second (10 bits a byte, each direction by itself).
    #[arg(long, value_name = "BITS/S", value_parser = clap::value_parser!(u32).range(1_200..=12_000_000))]
    baud: Option<u32>,
    /// Put faults on the line, e.g. bit-error=1e-5,drop=0.02,seed=7 (see below).
    #[arg(long, value_name = "SPEC")]
    fault: Option<Faults>,
    /// Record the line as the device sees it into this file (pcap); `xyloop device trace` prints it.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// How hosts reach it.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Way {
    /// Behind a new pseudo-terminal.
    #[arg(long)]
    pty: bool,
    /// On a TCP port, e.g. 127.0.0.1:5555 (port 0: any free one). There is no password: keep it on loopback.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:0")]
    tcp: Option<String>,
}

/// Serves until Ctrl-C.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Serve { way, config, settings, line } => serve(way, config, settings, line),
        Command::Plant(arguments) => super::plant::run(arguments),
        Command::Board(arguments) => super::board::run(arguments),
        Command::Bound { command } => super::board::run_bound(command),
    }
}

fn serve(way: &Way, config: &Path, settings: &Settings, line: &Line) -> anyhow::Result<()> {
    let (rig, _) = config::load_rig(config, &settings.set)?;
    let description = Array::new(&rig)?.description(&rig);
    let boot_id = xyloop::device::fresh_number();
    let mut served = match &way.tcp {
        Some(address) => Served::on_tcp(description, boot_id, address, line.baud)?,
        None => Served::on_pty(description, boot_id, line.baud)?,
    };
    if let Some(path) = &line.link {
        served = served.linked_as(path)?;
    }
    if let Some(faults) = &line.fault {
        served = served.with_faults(faults);
    }
    if let Some(path) = &line.trace {
        served = served.with_trace(path)?;
    }
    let runtime = super::runtime()?;
    let Some(interrupted) = listened_for_the_end(&runtime) else { return Ok(()) };
    // One line, so that a script can read it.
    println!("{}", served.place());
    std::io::stdout().flush()?;
    eprintln!("serving rig `{}` (boot {boot_id:08x}); Ctrl-C ends it", rig.name);
    if let Some(baud) = line.baud {
        eprintln!("the line carries {baud} bits a second, each way");
    }
    if let Some(faults) = &line.fault {
        eprintln!("faults on the line, both directions: {faults}");
    }
    if let Some(path) = &line.trace {
        eprintln!("recording the line to {}", path.display());
    }
    let stop = served.stopper();
    runtime.spawn(async move {
        if interrupted.await.is_ok() {
            stop();
        }
    });
    report(&served.run()?);
    Ok(())
}

/// Listens for [`asked_to_end`] from now on, before anybody is told of a device; `None` if it has come already.
pub(super) fn listened_for_the_end(
    runtime: &Runtime,
) -> Option<Pin<Box<impl Future<Output = std::io::Result<()>> + Send + use<>>>> {
    let mut interrupted = Box::pin(asked_to_end());
    let already = runtime.block_on(async {
        tokio::select! {
            biased;
            _ = &mut interrupted => true,
            () = std::future::ready(()) => false,
        }
    });
    (!already).then_some(interrupted)
}

/// Ctrl-C, or what service managers send: the link has to go in either case.
pub(super) async fn asked_to_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        // The terminal was closed.
        let mut hung_up = signal(SignalKind::hangup())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminated.recv() => Ok(()),
            _ = hung_up.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// What became of the line.
fn report(line: &LineReport) {
    for (direction, counts) in ["host -> device", "host <- device"].iter().zip(line.faults.iter().flatten()) {
        eprintln!("faults {direction}: {counts}");
    }
    if line.unrecorded_bytes > 0 {
        eprintln!("the disk did not keep up: {} bytes are missing in the recording", line.unrecorded_bytes);
    }
    if let Some(error) = &line.recording {
        eprintln!("the recording ended early: {error}");
    }
}
