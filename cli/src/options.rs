//! Options that several commands share: which settings, which device, what is done to the line to it.

use std::path::PathBuf;

use anyhow::Context;
use xyloop::{config::Port, device::Route, run::RunError};
use xyloop_protocol::{
    fault::{FaultCounts, Faults},
    trace::LineRecorder,
};

/// Says which configuration is meant.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// Override a key, e.g. `train.seed=7` or `rig.plant.threads=1`; may be given more than once.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Says which device is meant, and what is done to the line to it.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// `sim` (embedded), `tcp://HOST:PORT` or a serial port such as /dev/serial/by-id/…; default: what the rig file says.
    #[arg(long, value_name = "PLACE")]
    pub device: Option<Port>,
    /// Put faults on the line at this end, e.g. bit-error=1e-4,drop=0.05,seed=7 (`xyloop sim serve --help` lists them).
    #[arg(long, value_name = "SPEC")]
    fault: Option<Faults>,
    /// Record the line as this end sees it into this file (pcap); `xyloop device trace` prints it.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

impl Place {
    /// Puts what is asked for around the line.
    pub fn tapped(&self, route: Route) -> anyhow::Result<Route> {
        if let Some(faults) = &self.fault {
            eprintln!("faults on the line: {faults}");
        }
        let recorder = self
            .trace
            .as_deref()
            .map(|path| LineRecorder::start(path).with_context(|| format!("cannot record to {}", path.display())));
        let recorder = recorder.transpose()?;
        Ok(if self.fault.is_some() || recorder.is_some() {
            route.with(&self.fault.unwrap_or_default(), recorder)
        } else {
            route
        })
    }

    /// Says what was done to the line, if something was asked for.
    pub fn say_faults(&self, faults: Option<&[FaultCounts; 2]>) {
        if let (Some(_), Some([to_device, to_host])) = (&self.fault, faults) {
            eprintln!("faults done: {to_device} to the device; {to_host} to the host");
        }
    }
}

/// Returns the faults that were put on the line of a run that was cut short.
pub fn faults_of(error: &RunError) -> Option<&[FaultCounts; 2]> {
    match error {
        RunError::CutShort { faults, .. } => faults.as_deref(),
        _ => None,
    }
}

/// Returns the overrides and the device that the command line names, if it names one: it is checked like every other
/// setting.
pub fn overrides(settings: &Settings, place: &Place) -> Vec<String> {
    let mut overrides = settings.set.clone();
    if let Some(port) = &place.device {
        overrides.push(format!("rig.device.port={port}"));
    }
    overrides
}
