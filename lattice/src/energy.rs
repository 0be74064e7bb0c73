//! Energy, force, costs and nudges in plain scalar code, as Wang, Wanjura and Marquardt write them (arXiv:2402.08579,
//! arXiv:2601.21945): the reference the solvers are tested against, and the right tool for one state at a time.

use crate::graph::Graph;
use crate::math;
use crate::parameters::Parameters;

/// E = − Σ W_ij cos(φ_i − φ_j) − Σ (b_x cos φ_i + b_y sin φ_i), over all couplings and sites, clamped ones included.
///
/// # Panics
/// If the sizes of parameters or phases are not the graph's.
pub fn energy(graph: &Graph, parameters: &Parameters, phases: &[f64]) -> f64 {
    assert!(parameters.fits(graph) && phases.len() == graph.len(), "sizes differ from the graph's");
    let mut sum = 0.0;
    for (&(i, j), &w) in graph.couplings().iter().zip(&parameters.couplings) {
        sum -= w * math::cos(phases[i as usize] - phases[j as usize]);
    }
    for (site, &phase) in phases.iter().enumerate() {
        let (sin, cos) = math::sin_cos(phase);
        sum -= parameters.field_x[site] * cos + parameters.field_y[site] * sin;
    }
    sum
}

/// The internal force −∂E/∂φ_i of every site, written to `force`; zero at the inputs, which are clamped.
///
/// # Panics
/// If the sizes of parameters, phases or force are not the graph's.
pub fn force(graph: &Graph, parameters: &Parameters, phases: &[f64], force: &mut [f64]) {
    assert!(parameters.fits(graph) && phases.len() == graph.len(), "sizes differ from the graph's");
    assert_eq!(force.len(), graph.len(), "one force per site");
    for (site, &phase) in phases.iter().enumerate() {
        let (sin, cos) = math::sin_cos(phase);
        force[site] = parameters.field_y[site] * cos - parameters.field_x[site] * sin;
    }
    for (&(i, j), &w) in graph.couplings().iter().zip(&parameters.couplings) {
        let (i, j) = (i as usize, j as usize);
        let torque = w * math::sin(phases[i] - phases[j]);
        force[i] -= torque;
        force[j] += torque;
    }
    for &site in graph.inputs() {
        force[site as usize] = 0.0;
    }
}

/// What the outputs are asked for, per output with Δ = φ − τ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cost {
    /// C = −log(1 + cos Δ): unbounded at Δ = π. Nudge it with a [`frozen_amplitude`], never with −β dynamically.
    Log,
    /// C = 1 − cos Δ: bounded; its nudge is one more bias field.
    Cosine,
}

impl Cost {
    /// Cost of one output at `phase` with target `target`, both in radians; +∞ for [`Cost::Log`] exactly opposite.
    pub fn value(self, phase: f64, target: f64) -> f64 {
        let cos = math::cos(phase - target);
        match self {
            Self::Log => -math::ln((1.0 + cos).max(0.0)),
            Self::Cosine => 1.0 - cos,
        }
    }

    /// Sum of the cost over the outputs of a graph; `targets` has one entry per output.
    pub fn total(self, graph: &Graph, phases: &[f64], targets: &[f64]) -> f64 {
        outputs(graph, phases, targets).map(|(phase, target)| self.value(phase, target)).sum()
    }

    /// −β ∂C/∂φ of one output: −β tan(Δ/2) for the log cost, −β sin Δ for the cosine cost.
    pub fn nudge_torque(self, beta: f64, phase: f64, target: f64) -> f64 {
        let (sin, cos) = math::sin_cos(phase - target);
        match self {
            Self::Log => -beta * sin / (1.0 + cos),
            Self::Cosine => -beta * sin,
        }
    }

    /// The static field a (cos τ, sin τ) that makes the nudge of amplitude `a` towards `target`. For [`Cost::Cosine`]
    /// a is β itself; for [`Cost::Log`] it is the β given, taken as the frozen amplitude.
    pub fn nudge_field(self, amplitude: f64, target: f64) -> [f64; 2] {
        let (sin, cos) = math::sin_cos(target);
        [amplitude * cos, amplitude * sin]
    }
}

/// D = ½ Σ (1 − cos Δ) over the outputs: the distance reported, on the free state. 0 … number of outputs.
pub fn distance(graph: &Graph, phases: &[f64], targets: &[f64]) -> f64 {
    outputs(graph, phases, targets).map(|(phase, target)| 0.5 * (1.0 - math::cos(phase - target))).sum()
}

fn outputs<'a>(graph: &'a Graph, phases: &'a [f64], targets: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    assert_eq!(targets.len(), graph.outputs().len(), "one target per output");
    graph.outputs().iter().zip(targets).map(|(&site, &target)| (phases[site as usize], target))
}

/// A log nudge frozen at the free state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrozenAmplitude {
    /// Amplitude of the static injection towards the target, with the sign of β.
    pub amplitude: f64,
    /// Whether 1 + cos Δ was raised to the clip: the gradient then differs from the log cost's; count it.
    pub clipped: bool,
}

/// β / max(1 + cos Δ, clip) with Δ = `free_phase` − `target`: a static injection of this amplitude has the log
/// nudge's first-order effect. `clip` in (0, 2]. The contrast is still divided by β, not by the amplitude.
pub fn frozen_amplitude(beta: f64, free_phase: f64, target: f64, clip: f64) -> FrozenAmplitude {
    let denominator = 1.0 + math::cos(free_phase - target);
    FrozenAmplitude { amplitude: beta / denominator.max(clip), clipped: denominator < clip }
}
