//! `xyloop sim`: a simulated device for other processes.

use std::{io::Write, path::PathBuf};

use clap::{Args, Subcommand};
use xyloop::{array::Array, config};
use xyloop_sim::Served;

use super::Settings;

/// Simulated devices.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the simulated device of a rig until Ctrl-C; prints the place to pass to `--device`.
    #[command(after_help = "\
Examples:
  xyloop sim serve --pty --config hil-config/rigs/xor-15x15-4nsq.toml
  xyloop sim serve --tcp 127.0.0.1:5555 --config hil-config/xor.toml --set rig.plant.iq_noise=0.001")]
    Serve {
        #[command(flatten)]
        way: Way,
        /// The rig file, or an experiment file (then its rig).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        settings: Settings,
    },
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
    let Command::Serve { way, config, settings } = command;
    let (rig, _) = config::load_rig(config, &settings.set)?;
    let description = Array::new(&rig)?.description(&rig);
    let boot_id = xyloop::device::fresh_number();
    let served = match &way.tcp {
        Some(address) => Served::on_tcp(description, boot_id, address)?,
        None => Served::on_pty(description, boot_id)?,
    };
    let runtime = super::runtime()?;
    let mut interrupted = Box::pin(tokio::signal::ctrl_c());
    // Ctrl-C is listened for from the first look on: nobody is told of the device before.
    let already = runtime.block_on(async {
        tokio::select! {
            biased;
            _ = &mut interrupted => true,
            () = std::future::ready(()) => false,
        }
    });
    if already {
        return Ok(());
    }
    // One line, so that a script can read it.
    println!("{}", served.place());
    std::io::stdout().flush()?;
    eprintln!("serving rig `{}` (boot {boot_id:08x}); Ctrl-C ends it", rig.name);
    let stop = served.stopper();
    runtime.spawn(async move {
        if interrupted.await.is_ok() {
            stop();
        }
    });
    served.run()?;
    Ok(())
}
