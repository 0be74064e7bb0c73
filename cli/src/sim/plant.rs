//! `xyloop sim plant`: the converter chips of an emulated board and the array behind them.

use std::{fs::OpenOptions, io::Write, path::PathBuf};

use clap::Args;
use xyloop::{
    config::{self, rig_image::RigImage},
    rig::simulated,
};
use xyloop_sim::{
    rack::{PlantServer, Rack},
    serve::ServeError,
};

use crate::{options::Settings, runtime, signals::End};

/// Which rig, and where.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  xyloop sim plant --tcp --config hil-config/xor.toml
  xyloop sim plant --fifo board --config hil-config/xor.toml --record codes.csv

The record is CSV with the columns stamp_us (the board's time), event, chip, channel, code (hexadecimal) and register. Events:
  power    the plant was started: chips as after power-up | hello  the board was started: nobody drove its lines
  write    a DAC's register: `input` waits for the latch, `dac` is on the output at once; a line for each channel
  latch, clear, reset, convert   an edge of a shared line; the code is its new level
  mark     a shot begins with the next latch; the code is its number | error  a frame that the chip dropped, and why")]
pub struct Arguments {
    #[command(flatten)]
    reach: Reach,
    /// The rig file, or an experiment file (then its rig).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Record every code and every edge that reaches the chips into this file (CSV, see below); a record that is there
    /// goes on.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Says how the board reaches it.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Reach {
    /// On a TCP port, e.g. 127.0.0.1:5556 (port 0: any free one). There is no password: keep it on loopback.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:0")]
    tcp: Option<String>,
    /// Behind two FIFOs in this folder: the board writes spi.request and reads spi.reply.
    #[arg(long, value_name = "DIR")]
    fifo: Option<PathBuf>,
}

/// Serves until Ctrl-C.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (rig, _) = config::load_rig(&arguments.config, &arguments.settings.set)?;
    let array = rig.array()?;
    let image = rig.image(&array)?;
    let image = RigImage::parse(&image).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut rack = Rack::new(simulated(&rig, &array), &image)?;
    if let Some(path) = &arguments.record {
        let failed = |source| ServeError::Trace { path: path.clone(), source };
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        let goes_on = file.metadata().map_err(failed)?.len() > 0;
        rack = rack.recording(Box::new(file), goes_on)?;
    }
    let server = match (&arguments.reach.tcp, &arguments.reach.fifo) {
        (Some(address), _) => PlantServer::on_tcp(rack, address)?,
        (None, Some(folder)) => PlantServer::on_fifos(rack, folder)?,
        (None, None) => anyhow::bail!("give --tcp or --fifo"),
    };
    let stop = server.stopper()?;
    let runtime = runtime::start()?;
    // Listened for from here on: nobody is told of the plant before.
    let mut end = runtime.block_on(async { End::listen() })?;
    // One line, so that a script can read it.
    println!("{}", server.place());
    std::io::stdout().flush()?;
    eprintln!("the plant of rig `{}`, {} chips; Ctrl-C ends it", rig.name, image.chips().len());
    runtime.spawn(async move {
        end.wait().await;
        stop();
    });
    let counts = server.run()?;
    eprintln!("{counts}");
    Ok(())
}
