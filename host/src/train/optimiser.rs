//! From a gradient to a step: plain descent, momentum, Adam, on couplings and on bias fields in either form.
//!
//! State and parameters are kept in `f64`; only codes are rounded. Adam's ε is tied to the read-out: a gradient made of
//! rounding noise alone must not become a full step.

use serde::{Deserialize, Serialize};
use xyloop_lattice::{Parameters, ep::polar_gradient};

use crate::{
    calibration::Calibration,
    config::{FieldForm, Optimiser as Settings, OptimiserKind},
};

/// Holds the parameters being trained, in the form they are trained in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// W, one per coupling, model units.
    pub couplings: Vec<f64>,
    /// `b_x`, or h; one per site, model units.
    pub first: Vec<f64>,
    /// `b_y` (model units), or ψ (radians); one per site.
    pub second: Vec<f64>,
    /// Which of the two.
    pub form: FieldForm,
}

impl Trained {
    /// Takes parameters over into the form asked for.
    pub fn new(parameters: Parameters, form: FieldForm) -> Self {
        let (first, second) = match form {
            FieldForm::Polar => parameters.polar(),
            FieldForm::Xy => (parameters.field_x, parameters.field_y),
        };
        Self { couplings: parameters.couplings, first, second, form }
    }

    /// Returns them as couplings and field quadratures.
    pub fn parameters(&self) -> Parameters {
        match self.form {
            FieldForm::Polar => Parameters::from_polar(self.couplings.clone(), &self.first, &self.second),
            FieldForm::Xy => Parameters {
                couplings: self.couplings.clone(),
                field_x: self.first.clone(),
                field_y: self.second.clone(),
            },
        }
    }
}

/// Holds what an optimiser remembers of earlier gradients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// First and second moment of each coupling.
    pub couplings: [Vec<f64>; 2],
    /// First and second moment of each site's first field component.
    pub first: [Vec<f64>; 2],
    /// First and second moment of each site's second field component.
    pub second: [Vec<f64>; 2],
}

impl Moments {
    /// Remembers nothing.
    pub fn zeros(trained: &Trained) -> Self {
        let zeros = |values: &Vec<f64>| [vec![0.0; values.len()], vec![0.0; values.len()]];
        Self { couplings: zeros(&trained.couplings), first: zeros(&trained.first), second: zeros(&trained.second) }
    }
}

/// Makes steps as the settings say. What changes from step to step is in [`Trained`] and [`Moments`].
#[derive(Clone, Debug)]
pub struct Optimiser {
    settings: Settings,
    epsilon: f64,
    coupling_limit: f64,
    field_limit: f64,
}

/// Returns Adam's ε where none is given: the standard deviation which read-out rounding alone gives to a gradient averaged over
/// `shots`. Rounding a phase has σ = step/√12; a contrast of two cosines of two phases each has at most 2σ.
pub fn epsilon_of_readout(phase_step_rad: f64, divisor: f64, shots: usize) -> f64 {
    2.0 * phase_step_rad / 12f64.sqrt() / divisor / (shots.max(1) as f64).sqrt()
}

impl Optimiser {
    /// Prepares it. `epsilon` is used where the settings give none.
    pub fn new(settings: &Settings, epsilon: f64, calibration: &Calibration) -> Self {
        Self {
            epsilon: settings.epsilon.unwrap_or(epsilon),
            coupling_limit: calibration.coupling_limit(),
            field_limit: calibration.field_limit(),
            settings: settings.clone(),
        }
    }

    /// Makes a step down the gradient, the `nth` from 1; returns how many parameters had to be put back into their range.
    pub fn step(&self, nth: u32, trained: &mut Trained, moments: &mut Moments, gradient: &Parameters) -> u32 {
        let (mut first, mut second) = match trained.form {
            FieldForm::Xy => (gradient.field_x.clone(), gradient.field_y.clone()),
            FieldForm::Polar => polar_gradient(gradient, &trained.first, &trained.second),
        };
        let mut couplings = gradient.couplings.clone();
        if let Some(limit) = self.settings.clip_norm {
            let norm = norm([&couplings, &first, &second]);
            if norm > limit {
                for value in couplings.iter_mut().chain(&mut first).chain(&mut second) {
                    *value *= limit / norm;
                }
            }
        }
        self.update(nth, &mut trained.couplings, &mut moments.couplings, &couplings);
        self.update(nth, &mut trained.first, &mut moments.first, &first);
        self.update(nth, &mut trained.second, &mut moments.second, &second);
        self.project(trained)
    }

    fn update(&self, nth: u32, values: &mut [f64], [first, second]: &mut [Vec<f64>; 2], gradient: &[f64]) {
        let s = &self.settings;
        let nth = i32::try_from(nth).unwrap_or(i32::MAX);
        let (unbias1, unbias2) = (1.0 - s.beta1.powi(nth), 1.0 - s.beta2.powi(nth));
        for (((value, &g), m), v) in values.iter_mut().zip(gradient).zip(first).zip(second) {
            *value -= match s.kind {
                OptimiserKind::Sgd => s.rate * g,
                OptimiserKind::Momentum => {
                    *m = s.momentum * *m + g;
                    s.rate * *m
                }
                OptimiserKind::Adam => {
                    *m = s.beta1 * *m + (1.0 - s.beta1) * g;
                    *v = s.beta2 * *v + (1.0 - s.beta2) * g * g;
                    s.rate * (*m / unbias1) / ((*v / unbias2).sqrt() + self.epsilon)
                }
            };
        }
    }

    /// Decays the fields and puts everything back into the converters' ranges.
    fn project(&self, trained: &mut Trained) -> u32 {
        let mut projected = 0;
        let mut bound = |value: &mut f64, limit: f64| {
            if value.abs() > limit {
                *value = value.clamp(-limit, limit);
                projected += 1;
            }
        };
        for coupling in &mut trained.couplings {
            bound(coupling, self.coupling_limit);
        }
        let keep = 1.0 - self.settings.field_decay;
        let most = self.settings.field_max.unwrap_or(f64::INFINITY);
        for (a, b) in trained.first.iter_mut().zip(&mut trained.second) {
            *a *= keep;
            match trained.form {
                FieldForm::Polar => bound(a, most.min(self.field_limit)),
                FieldForm::Xy => {
                    *b *= keep;
                    let amplitude = a.hypot(*b);
                    if amplitude > most {
                        (*a, *b) = (*a * most / amplitude, *b * most / amplitude);
                    }
                    bound(a, self.field_limit);
                    bound(b, self.field_limit);
                }
            }
        }
        projected
    }
}

/// Returns the Euclidean norm over several vectors.
pub fn norm<const N: usize>(vectors: [&[f64]; N]) -> f64 {
    vectors.iter().flat_map(|vector| vector.iter()).map(|value| value * value).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use xyloop_testbench::CONVERTERS;

    fn parameters(coupling: f64, x: f64, y: f64) -> Parameters {
        Parameters { couplings: vec![coupling], field_x: vec![x], field_y: vec![y] }
    }

    /// Returns where `steps` steps along one constant gradient lead from a start, and what had to be put back.
    fn after(steps: u32, settings: &Settings, start: Parameters, gradient: &Parameters) -> (Parameters, u32) {
        let mut trained = Trained::new(start, settings.fields);
        let mut moments = Moments::zeros(&trained);
        let optimiser = Optimiser::new(settings, 1e-3, &Calibration::ideal(CONVERTERS));
        let projected = (1..=steps).map(|nth| optimiser.step(nth, &mut trained, &mut moments, gradient)).sum();
        (trained.parameters(), projected)
    }

    fn assert_close(have: &Parameters, want: [f64; 3]) {
        let have = [have.couplings[0], have.field_x[0], have.field_y[0]];
        assert!(have.iter().zip(want).all(|(have, want)| (have - want).abs() < 1e-12), "{have:?} {want:?}");
    }

    #[test]
    fn each_rule_makes_the_steps_of_its_formula() {
        let gradient = parameters(2.0, -1.0, 0.0);
        let with = |kind| Settings { kind, rate: 0.1, momentum: 0.5, ..Settings::default() };
        let start = || parameters(0.5, 0.2, 0.1);
        let (sgd, _) = after(2, &with(OptimiserKind::Sgd), start(), &gradient);
        assert_close(&sgd, [0.5 - 0.4, 0.2 + 0.2, 0.1]);
        let (momentum, _) = after(2, &with(OptimiserKind::Momentum), start(), &gradient);
        assert_close(&momentum, [0.5 - 0.1 * (2.0 + 3.0), 0.2 + 0.1 * (1.0 + 1.5), 0.1]);
        // With a constant gradient both unbiased moments are exact: rate · g / (|g| + ε) a step.
        let (adam, _) = after(2, &with(OptimiserKind::Adam), start(), &gradient);
        assert_close(&adam, [0.5 - 0.2 * 2.0 / 2.001, 0.2 + 0.2 / 1.001, 0.1]);
    }

    #[test]
    fn a_gradient_of_rounding_noise_is_no_full_step() {
        let settings = Settings { rate: 0.1, ..Settings::default() };
        let (moved, _) = after(1, &settings, parameters(0.0, 0.0, 0.0), &parameters(1e-5, 0.0, 0.0));
        assert!(moved.couplings[0].abs() < 0.1 * 0.011, "{}", moved.couplings[0]);
    }

    #[test]
    fn parameters_stay_within_what_the_converters_make() {
        let settings = Settings { kind: OptimiserKind::Sgd, rate: 10.0, ..Settings::default() };
        let (bounded, projected) = after(1, &settings, parameters(1.9, 3.9, -3.9), &parameters(-1.0, -1.0, 1.0));
        let calibration = Calibration::ideal(CONVERTERS);
        assert_close(&bounded, [calibration.coupling_limit(), calibration.field_limit(), -calibration.field_limit()]);
        assert_eq!(projected, 3);
        let capped = Settings { field_max: Some(1.0), ..settings };
        let (capped, _) = after(1, &capped, parameters(0.0, 3.0, 4.0), &parameters(0.0, 0.0, 0.0));
        assert_close(&capped, [0.0, 0.6, 0.8]);
    }

    #[test]
    fn a_long_gradient_is_clipped_as_a_whole() {
        let settings = Settings { kind: OptimiserKind::Sgd, rate: 1.0, clip_norm: Some(0.5), ..Settings::default() };
        let (clipped, _) = after(1, &settings, parameters(0.0, 0.0, 0.0), &parameters(3.0, 4.0, 0.0));
        assert_close(&clipped, [-0.3, -0.4, 0.0]);
    }

    #[test]
    fn the_polar_form_descends_the_same_slope() {
        let settings = |fields| Settings { kind: OptimiserKind::Sgd, rate: 1e-4, fields, ..Settings::default() };
        let gradient = parameters(0.0, 0.7, -0.3);
        // For small steps at h = 1 both forms move the field by the same vector.
        let start = || parameters(0.0, 0.6, 0.8);
        let (xy, _) = after(1, &settings(FieldForm::Xy), start(), &gradient);
        let (polar, _) = after(1, &settings(FieldForm::Polar), start(), &gradient);
        let apart = (xy.field_x[0] - polar.field_x[0]).hypot(xy.field_y[0] - polar.field_y[0]);
        assert!(apart < 1e-8, "{apart}");
    }
}
