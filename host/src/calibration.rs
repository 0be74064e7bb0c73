//! Between a set of parameters and the codes of a generation. The ideal calibration: every converter is as its rig file
//! says ([`Scaling`]).
//!
//! The trainer keeps parameters in high resolution; only what leaves for the device is rounded. Stochastic rounding
//! makes steps far below one code count on average (updates below one step would vanish otherwise).

use xyloop_lattice::Parameters;
use xyloop_protocol::{
    units::{DacCode, Turn},
    wiring::Converters,
};

use crate::config::scaling::Scaling;
pub use crate::config::scaling::{radians, turn};

/// Holds the codes of one generation, as they travel: couplings, then x and y of each site's field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    /// One per coupling.
    pub couplings: Vec<DacCode>,
    /// Two per site.
    pub fields: Vec<DacCode>,
    /// How many values lay outside their converter's range and were clipped to it.
    pub clipped: u32,
}

/// Says how a value between two codes is rounded.
pub enum Rounding<'r> {
    /// To the nearer code.
    Nearest,
    /// Up with the probability of the fraction: right on average. The function draws uniformly from [0, 1) for the code of
    /// this number, counted as codes travel: couplings, then x and y of each site.
    Stochastic(&'r dyn Fn(u64) -> f64),
}

/// Maps between model units and codes.
#[derive(Clone, Copy, Debug)]
pub struct Calibration {
    scaling: Scaling,
}

impl Calibration {
    /// Takes converters to be as their data sheet says.
    pub const fn ideal(converters: Converters) -> Self {
        Self { scaling: Scaling::new(converters) }
    }

    /// Returns model units of h per field code.
    pub fn field_step(&self) -> f64 {
        self.scaling.field_step()
    }

    /// Returns the largest |W| that a code can make, model units.
    pub fn coupling_limit(&self) -> f64 {
        self.scaling.coupling_limit()
    }

    /// Returns the largest |field quadrature| that a code can make, model units.
    pub fn field_limit(&self) -> f64 {
        self.scaling.field_limit()
    }

    /// Returns a read-out step: the larger of a 16-bit turn and what the I/Q converter resolves, radians.
    pub fn phase_step_rad(&self) -> f64 {
        self.scaling.phase_step_rad()
    }

    /// Returns the codes for a set of parameters.
    pub fn encode(&self, parameters: &Parameters, rounding: &Rounding<'_>) -> Codes {
        let mut codes = Codes::default();
        let c = self.scaling.converters();
        let mut number = 0;
        let mut encode = |value: f64, step: f64, bits: u8, clipped: &mut u32| {
            let steps = match rounding {
                Rounding::Nearest => (value / step).round(),
                Rounding::Stochastic(draw) => (value / step + draw(number)).floor(),
            };
            number += 1;
            let (code, cut) = DacCode::from_steps(steps as i32, bits);
            *clipped += u32::from(cut);
            code
        };
        let mut clipped = 0;
        let (coupling_step, field_step) = (self.scaling.coupling_step(), self.field_step());
        for &coupling in &parameters.couplings {
            codes.couplings.push(encode(coupling, coupling_step, c.coupling_bits, &mut clipped));
        }
        for (&x, &y) in parameters.field_x.iter().zip(&parameters.field_y) {
            codes.fields.push(encode(x, field_step, c.field_bits, &mut clipped));
            codes.fields.push(encode(y, field_step, c.field_bits, &mut clipped));
        }
        codes.clipped = clipped;
        codes
    }

    /// Returns the parameters that codes make, model units.
    pub fn decode(&self, codes: &Codes) -> Parameters {
        let scaling = &self.scaling;
        let pairs = codes.fields.as_chunks::<2>().0;
        Parameters {
            couplings: codes.couplings.iter().map(|code| scaling.coupling(*code)).collect(),
            field_x: pairs.iter().map(|[x, _]| scaling.field(*x)).collect(),
            field_y: pairs.iter().map(|[_, y]| scaling.field(*y)).collect(),
        }
    }

    /// Returns the code that clamps an input nearest to a phase, radians.
    pub fn input(&self, phase_rad: f64) -> Turn {
        self.scaling.input_code(phase_rad)
    }

    /// Returns β in 1/256 field steps, as a nudge travels.
    pub fn beta_q8(&self, beta: f64) -> i32 {
        (beta / self.field_step() * 256.0).round() as i32
    }

    /// Returns a field amplitude in whole steps, bounded by the converter.
    pub fn field_steps(&self, amplitude: f64) -> u16 {
        (amplitude.min(self.field_limit()) / self.field_step()).round() as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALIBRATION: Calibration = Calibration::ideal(Converters {
        coupling_bits: 8,
        coupling_range_micro: 2_000_000,
        field_bits: 8,
        field_range_micro: 4_000_000,
        input_bits: 8,
        iq_bits: 16,
    });

    #[test]
    fn stochastic_rounding_is_right_on_average_and_never_more_than_a_step_away() {
        // The numbers of a golden-ratio sequence are spread evenly.
        let draw = |number: u64| (number as f64 * 0.618_033_988_749_895).fract();
        let step = CALIBRATION.scaling.coupling_step();
        let value = 10.3 * step;
        let parameters = Parameters { couplings: vec![value; 20_000], field_x: vec![], field_y: vec![] };
        let codes = CALIBRATION.encode(&parameters, &Rounding::Stochastic(&draw));
        let mean = codes.couplings.iter().map(|code| f64::from(code.steps(8))).sum::<f64>() / 20_000.0;
        assert!((mean - 10.3).abs() < 0.015, "{mean}");
        assert!(codes.couplings.iter().all(|code| [10, 11].contains(&code.steps(8))));
    }

    #[test]
    fn values_outside_the_range_are_clipped_and_counted() {
        let parameters = Parameters { couplings: vec![3.0, -3.0, 0.1], field_x: vec![9.0], field_y: vec![0.0] };
        let codes = CALIBRATION.encode(&parameters, &Rounding::Nearest);
        assert_eq!(codes.clipped, 3);
        assert_eq!(codes.couplings[0], DacCode::max(8));
        assert_eq!(codes.couplings[1], DacCode(0));
    }
}
