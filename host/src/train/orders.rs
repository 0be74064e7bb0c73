//! One shot of a sample, and what its read-out says about the outputs.

use xyloop_protocol::{
    message::ReadOut,
    units::{ShotId, Turn},
};

use super::shots::Order;
use crate::{
    calibration::{Calibration, radians, turn},
    config::Array,
    device::{ShotOrder, ShotResult},
    task::Sample,
};

/// Returns one shot of a sample: `index` is its place in its list, `start` which of its starts this is.
pub fn order(calibration: &Calibration, sample: &Sample, index: usize, start: u32, id: ShotId, flip: bool) -> Order {
    let shot = ShotOrder {
        id,
        flip,
        inputs: sample.inputs_rad.iter().map(|phase| calibration.input(*phase)).collect(),
        targets: sample.targets_rad.iter().map(|phase| turn(*phase)).collect(),
    };
    Order { shot, sample: index, row: sample.index, start }
}

/// Returns D = ½ Σ (1 − cos Δ), summed over the outputs: 0 … number of outputs.
pub fn distance_of(outputs_rad: &[f64], targets_rad: &[f64]) -> f64 {
    outputs_rad.iter().zip(targets_rad).map(|(phase, target)| (1.0 - (phase - target).cos()) / 2.0).sum()
}

/// Finds the output sites' phases in a read-out.
#[derive(Clone, Debug)]
pub struct OutputPhases {
    places: Vec<usize>,
}

impl OutputPhases {
    /// Prepares for this array and what is read of it.
    pub fn new(array: &Array, read_out: ReadOut) -> Self {
        let outputs = array.graph.outputs();
        let places = match read_out {
            ReadOut::Phases => outputs.iter().map(|&site| site as usize).collect(),
            // Raw codes are no phases.
            ReadOut::Iq => Vec::new(),
            ReadOut::Outputs | ReadOut::Contrast => (0..outputs.len()).collect(),
        };
        Self { places }
    }

    /// Returns them in radians, of a shot's equilibrium; NaN where nothing was read (which counts as wrong).
    pub fn of(&self, result: &ShotResult, equilibrium: usize) -> Vec<f64> {
        let phases: &[Turn] = result.equilibria.get(equilibrium).map(|it| &it.phases[..]).unwrap_or_default();
        self.places.iter().map(|&place| phases.get(place).map_or(f64::NAN, |turn| radians(*turn))).collect()
    }
}
