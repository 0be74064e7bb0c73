//! The plant behind its converters: what a code does to the model and what a phase looks like as a code.
//!
//! Imperfections are named knobs with a unit and a default of none: converter bits and ranges, read noise, phase
//! diffusion.

use xyloop_firmware::{ReadKey, keyed::Stream};
use xyloop_lattice::{Graph, flow, twin};
use xyloop_protocol::{
    units::{AdcCode, DacCode, IqCode, Turn},
    wiring::{Converters, Wiring},
};

use crate::noise;

/// Amplitude of a site's I/Q vector in units of the ADC's full scale: a tenth of headroom for noise and offsets.
pub const IQ_AMPLITUDE: f64 = 0.9;

/// Longest step of the noisy flow (stochastic Heun) in model time units. The simulated rig is "the flow at this step".
pub(crate) const NOISY_STEP: f64 = 0.02;

/// How an equilibrium is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Solver {
    /// The flow down to a small residual, then Newton where the flow would have arrived in the time given.
    #[default]
    Twin,
    /// The gradient flow alone, integrated to a tolerance of 1e-9 rad: the reference.
    Flow,
}

/// Everything that makes a simulated device what it is.
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

/// Lists owned by a device, in the form in which the wiring is announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WiringLists {
    /// Both ends of each coupling.
    pub couplings: Vec<(u16, u16)>,
    /// Input sites.
    pub inputs: Vec<u16>,
    /// Output sites.
    pub outputs: Vec<u16>,
}

impl WiringLists {
    /// The lists of a graph. One of more than 2^16 − 1 sites has no true ones: no device starts with it.
    pub fn new(graph: &Graph) -> Self {
        let narrow = |sites: &[u32]| sites.iter().map(|&site| site as u16).collect();
        Self {
            couplings: graph.couplings().iter().map(|&(a, b)| (a as u16, b as u16)).collect(),
            inputs: narrow(graph.inputs()),
            outputs: narrow(graph.outputs()),
        }
    }

    /// The wiring these lists describe.
    pub fn wiring(&self, sites: usize, converters: Converters) -> Wiring<'_> {
        Wiring {
            sites: sites as u16,
            couplings: &self.couplings,
            inputs: &self.inputs,
            outputs: &self.outputs,
            converters,
        }
    }
}

impl Description {
    /// What the device says it is: how its equilibria are computed, and to which tolerance. So it stands in every run's
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

    /// The coupling strength W a code makes, model units.
    pub fn coupling(&self, code: DacCode) -> f64 {
        value(code, self.converters.coupling_bits, self.converters.coupling_range_micro)
    }

    /// The bias-field quadrature a code makes, model units.
    pub fn field(&self, code: DacCode) -> f64 {
        value(code, self.converters.field_bits, self.converters.field_range_micro)
    }

    /// The phase at which an input code clamps a site, radians: the DAC drops the bits it does not have.
    pub fn input(&self, turn: Turn) -> f64 {
        let dropped = 16u32.saturating_sub(u32::from(self.converters.input_bits));
        let held = (turn.0 >> dropped) << dropped;
        f64::from(held) / 65536.0 * core::f64::consts::TAU
    }

    /// Diffusion in rad² per model time unit.
    pub fn diffusion_per_time_unit(&self) -> f64 {
        self.phase_diffusion_rad2_per_s * self.tau_us * 1e-6
    }

    /// The codes an ADC gives for one site's phase (radians).
    pub fn read(&self, phase: f64, site: u32, key: ReadKey) -> IqCode {
        let (sin, cos) = xyloop_lattice::math::sin_cos(phase);
        let mut iq = [IQ_AMPLITUDE * cos, IQ_AMPLITUDE * sin];
        if self.iq_noise > 0.0 {
            let index = u32::from(key.segment) << 16 | site;
            let noise = noise::normal_pair(self.seed, Stream::Read, key.shot, index, u32::from(key.read));
            iq = [iq[0] + self.iq_noise * noise[0], iq[1] + self.iq_noise * noise[1]];
        }
        let full = f64::from(1u32 << (self.converters.iq_bits - 1));
        let [i, q] = iq.map(|x| AdcCode(libm::rint(x * full).clamp(-full, full - 1.0) as i16));
        IqCode { i, q }
    }
}

fn value(code: DacCode, bits: u8, range_micro: u32) -> f64 {
    let full = f64::from(1u32 << (bits - 1));
    f64::from(code.steps(bits)) / full * f64::from(range_micro) * 1e-6
}
