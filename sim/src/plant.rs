//! The plant behind its converters: what a code does to the model and what a phase looks like as a code.
//!
//! Imperfections are named knobs with a unit and a default of none: converter bits and ranges, read noise, phase
//! diffusion.

use xyloop_firmware::{ReadKey, keyed::Stream};
use xyloop_hil_config::{
    rig_image::Subject,
    scaling::{IQ_AMPLITUDE, Scaling},
};
use xyloop_lattice::{Graph, flow, twin};
use xyloop_protocol::{units::IqCode, wiring::Converters};

use crate::noise;

/// Longest step of the noisy flow (stochastic Heun) in model time units. The simulated rig is "the flow at this step".
pub(crate) const NOISY_STEP: f64 = 0.02;

/// Says how an equilibrium is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Solver {
    /// The flow down to a small residual, then Newton where the flow would have arrived in the time given.
    #[default]
    Twin,
    /// The gradient flow alone, integrated to a tolerance of 1e-9 rad: the reference.
    Flow,
}

/// Holds everything that makes a simulated device what it is.
#[derive(Clone, Debug)]
pub struct Description {
    /// Sites, couplings, input and output sites.
    pub graph: Graph,
    /// Bits and ranges.
    pub converters: Converters,
    /// The model's time unit, microseconds.
    pub tau_us: f64,
    /// Outputs go safe after this silence, milliseconds.
    pub deadman_ms: u16,
    /// Seed of all noise streams.
    pub seed: u64,
    /// Worker threads, 0 for one per core.
    pub threads: usize,
    /// Shots that settle at once.
    pub replicas: usize,
    /// Phase diffusion D of every free site, rad²/s: the phase's variance grows by 2 D t.
    pub phase_diffusion_rad2_per_s: f64,
    /// Read noise, standard deviation per quadrature in units of full scale.
    pub iq_noise: f64,
    /// Whether settling takes the time it would take on a bench.
    pub realtime: bool,
    /// How equilibria are computed.
    pub solver: Solver,
    /// Serial number announced.
    pub serial: String,
}

/// Names what the image of an emulated board says of the rig.
impl<'a> From<&'a Description> for Subject<'a> {
    fn from(description: &'a Description) -> Self {
        let Description { graph, converters, deadman_ms, serial, .. } = description;
        Self { graph, converters: *converters, deadman_ms: *deadman_ms, serial }
    }
}

impl Description {
    /// Returns what the device says it is: how its equilibria are computed, and to which tolerance. So it stands in every run's
    /// record, wherever the device was served.
    pub fn model(&self) -> String {
        let solved = |solver: &dyn xyloop_lattice::Solver| format!("{}: {}", solver.name(), solver.tolerance());
        let how = match self.solver {
            _ if self.phase_diffusion_rad2_per_s > 0.0 => format!("stochastic Heun: steps {NOISY_STEP} time units"),
            Solver::Twin => solved(&twin::Twin::default()),
            Solver::Flow => solved(&flow::Flow::REFERENCE),
        };
        format!("simulated array ({how})")
    }

    /// Returns what codes mean in model units.
    pub fn scaling(&self) -> Scaling {
        Scaling::new(self.converters)
    }

    /// Returns the diffusion in rad² per model time unit.
    pub fn diffusion_per_time_unit(&self) -> f64 {
        self.phase_diffusion_rad2_per_s * self.tau_us * 1e-6
    }

    /// Returns the codes an ADC gives for one site's phase (radians).
    pub fn read(&self, phase: f64, site: u32, key: ReadKey) -> IqCode {
        let (sin, cos) = xyloop_lattice::math::sin_cos(phase);
        let mut iq = [IQ_AMPLITUDE * cos, IQ_AMPLITUDE * sin];
        if self.iq_noise > 0.0 {
            let index = u32::from(key.segment) << 16 | site;
            let noise = noise::normal_pair(self.seed, Stream::Read, key.shot, index, u32::from(key.read));
            iq = [iq[0] + self.iq_noise * noise[0], iq[1] + self.iq_noise * noise[1]];
        }
        self.scaling().iq_code(iq)
    }
}
