//! `xyloop sim serve`: the simulated device of a rig, for hosts in other processes.

use std::{io::Write, path::PathBuf};

use clap::Args;
use xyloop::{config, rig::simulated};
use xyloop_protocol::fault::Faults;
use xyloop_sim::{Served, serve::LineReport};

use crate::{options::Settings, runtime, signals::End};

/// Which device, how it is reached, what is done to the line.
#[derive(Debug, Args)]
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
pub struct Arguments {
    #[command(flatten)]
    reach: Reach,
    /// The rig file, or an experiment file (then its rig).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    line: Line,
}

/// What is done to the line.
#[derive(Debug, Args)]
struct Line {
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

/// Says how hosts reach it.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Reach {
    /// Behind a new pseudo-terminal.
    #[arg(long)]
    pty: bool,
    /// On a TCP port, e.g. 127.0.0.1:5555 (port 0: any free one). There is no password: keep it on loopback.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:0")]
    tcp: Option<String>,
}

/// Serves until Ctrl-C.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { reach, config, settings, line } = arguments;
    let (rig, _) = config::load_rig(config, &settings.set)?;
    let description = simulated(&rig, &rig.array()?);
    let boot_id = xyloop::device::fresh_number();
    let mut served = match &reach.tcp {
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
    let runtime = runtime::start()?;
    // Listened for from here on: nobody is told of the device before.
    let mut end = runtime.block_on(async { End::listen() })?;
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
        end.wait().await;
        stop();
    });
    report(&served.run()?);
    Ok(())
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
