//! From a rig file to the device at the other end of the link: the one to look for, the route to it, and the simulated one.

#[cfg(feature = "embedded")]
use xyloop_sim::Description;

#[cfg(feature = "embedded")]
use crate::config;
use crate::config::{Array, Rig};
use crate::device::{DeviceError, Route, Wanted};

/// Says which device a host looks for with this rig and its array.
pub fn wanted(rig: &Rig, array: &Array) -> Wanted {
    let graph = &array.graph;
    Wanted {
        rig: rig.name.clone(),
        array: format!(
            "{} sites, {} couplings, {} inputs, {} outputs",
            graph.len(),
            graph.couplings().len(),
            graph.inputs().len(),
            graph.outputs().len()
        ),
        wiring_hash: array.wiring_hash(),
        serial_number: rig.device.serial_number.clone(),
    }
}

/// Returns the route to the device that a rig file names. The embedded one starts here and lives as long as the route.
///
/// # Errors
/// If the embedded device does not start, or this build has none.
#[cfg_attr(not(feature = "embedded"), expect(unused_variables, reason = "the array is what would be simulated"))]
pub fn route(rig: &Rig, array: &Array) -> Result<Route, DeviceError> {
    let (port, baud) = (&rig.device.port, rig.device.serial.baud);
    #[cfg(feature = "embedded")]
    return Route::or_simulated(port, baud, simulated(rig, array));
    #[cfg(not(feature = "embedded"))]
    Route::new(port, baud)
}

/// Describes the simulated device of this rig and its array.
#[cfg(feature = "embedded")]
pub fn simulated(rig: &Rig, array: &Array) -> Description {
    let plant = &rig.plant;
    Description {
        graph: array.graph.clone(),
        converters: array.converters,
        tau_us: rig.timing.tau_us,
        deadman_ms: rig.timing.deadman_ms as u16,
        seed: plant.seed,
        threads: plant.threads,
        replicas: plant.replicas,
        phase_diffusion_rad2_per_s: plant.phase_diffusion_rad2_per_s,
        iq_noise: plant.iq_noise,
        realtime: plant.realtime,
        solver: match plant.solver {
            config::Solver::Twin => xyloop_sim::Solver::Twin,
            config::Solver::Flow => xyloop_sim::Solver::Flow,
        },
        serial: rig.serial(),
    }
}
