//! Which device is asked, and the rig file it is held against.

use std::path::PathBuf;

use xyloop::{
    config::{self, Array, Port, Rig},
    device::Route,
    rig::simulated,
};

use crate::options::{Place, Settings, overrides};

/// Says which device is asked, and what it is held against.
#[derive(Debug, clap::Args)]
pub struct Whom {
    #[command(flatten)]
    place: Place,
    /// A rig or experiment file: the wiring is compared with it, and it says where the device is if `--device` does not.
    #[arg(long, value_name = "FILE", required_unless_present = "device")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Holds the route to a device, and its rig if a file was given: settings, where they were read from, what they describe.
pub struct Known {
    pub rig: Option<(Rig, PathBuf, Array)>,
    pub route: Route,
    pub port: Port,
    /// Rate of a serial line, bits per second.
    pub baud: u32,
}

impl Whom {
    /// Returns what the arguments and the file they name say.
    pub fn known(&self) -> anyhow::Result<Known> {
        let Self { place, config, settings } = self;
        let rig = match config {
            Some(file) => {
                let (rig, path) = config::load_rig(file, &overrides(settings, place))?;
                let array = rig.array()?;
                Some((rig, path, array))
            }
            None => None,
        };
        let (port, baud, route) = if let Some((rig, _, array)) = &rig {
            let (port, baud) = (rig.device.port.clone(), rig.device.serial.baud);
            let route = Route::or_simulated(&port, baud, simulated(rig, array))?;
            (port, baud, route)
        } else {
            let (port, baud) = (place.device.clone().unwrap_or_default(), config::Serial::default().baud);
            let route = Route::new(&port, baud)?;
            (port, baud, route)
        };
        let route = place.tapped(route)?;
        Ok(Known { rig, route, port, baud })
    }
}
