//! From a gradient to a step: plain descent, momentum, Adam, on couplings and on bias fields in either form.
//!
//! State and parameters are kept in `f64`; only codes are rounded. Adam's ε is tied to the read-out: a gradient made of
//! rounding noise alone must not become a full step.

use xyloop_lattice::{Parameters, ep::polar_gradient};

use crate::{
    calibration::Calibration,
    config::{FieldForm, Optimiser as Settings, OptimiserKind},
};

/// The parameters being trained, in the form they are trained in.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// W.
    pub couplings: Vec<f64>,
    /// `b_x`, or h.
    pub first: Vec<f64>,
    /// `b_y`, or ψ.
    pub second: Vec<f64>,
    form: FieldForm,
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

    /// As couplings and field quadratures.
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

/// An optimiser with its state.
pub struct Optimiser {
    settings: Settings,
    epsilon: f64,
    coupling_limit: f64,
    field_limit: f64,
    steps: i32,
    /// First and second moments of couplings, first and second field component.
    moments: [[Vec<f64>; 2]; 3],
}

/// Adam's ε where none is given: the standard deviation which read-out rounding alone gives to a gradient averaged over
/// `shots`. Rounding a phase has σ = step/√12; a contrast of two cosines of two phases each has at most 2σ.
pub fn epsilon_of_readout(phase_step_rad: f64, divisor: f64, shots: usize) -> f64 {
    2.0 * phase_step_rad / 12f64.sqrt() / divisor / (shots.max(1) as f64).sqrt()
}

impl Optimiser {
    /// An optimiser for parameters of this size. `epsilon` is used where the settings give none.
    pub fn new(settings: &Settings, epsilon: f64, calibration: &Calibration, trained: &Trained) -> Self {
        let zeros = |values: &Vec<f64>| [vec![0.0; values.len()], vec![0.0; values.len()]];
        Self {
            epsilon: settings.epsilon.unwrap_or(epsilon),
            coupling_limit: calibration.coupling_limit(),
            field_limit: calibration.field_limit(),
            steps: 0,
            moments: [zeros(&trained.couplings), zeros(&trained.first), zeros(&trained.second)],
            settings: settings.clone(),
        }
    }

    /// One step down the gradient; how many parameters had to be put back into their range.
    pub fn step(&mut self, trained: &mut Trained, gradient: &Parameters) -> u32 {
        self.steps = self.steps.saturating_add(1);
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
        let places = [&mut trained.couplings, &mut trained.first, &mut trained.second];
        for ((place, gradient), index) in places.into_iter().zip([couplings, first, second]).zip(0..) {
            self.update(index, place, &gradient);
        }
        self.project(trained)
    }

    fn update(&mut self, index: usize, values: &mut [f64], gradient: &[f64]) {
        let s = &self.settings;
        let [first, second] = &mut self.moments[index];
        let (unbias1, unbias2) = (1.0 - s.beta1.powi(self.steps), 1.0 - s.beta2.powi(self.steps));
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

/// Euclidean norm over several vectors.
pub fn norm<const N: usize>(vectors: [&[f64]; N]) -> f64 {
    vectors.iter().flat_map(|vector| vector.iter()).map(|value| value * value).sum::<f64>().sqrt()
}
