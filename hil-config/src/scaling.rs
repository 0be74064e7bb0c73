//! Between converter codes and model units: what a code makes, and which code makes a value.
//!
//! The ideal scaling, every converter as its rig file says: the host's calibration and the simulated array both use it, so
//! that they agree to the last bit. What the host adds (rounding of parameters, clipping, counting) is the host's.

use xyloop_protocol::{
    units::{AdcCode, DacCode, IqCode, Turn},
    wiring::Converters,
};

/// Amplitude of a site's I/Q vector in units of the ADC's full scale: a tenth of headroom for noise and offsets.
pub const IQ_AMPLITUDE: f64 = 0.9;

/// Converts between the codes of such converters and model units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaling {
    converters: Converters,
}

impl Scaling {
    /// Takes the converters as they are described, 2 to 16 bits each.
    pub const fn new(converters: Converters) -> Self {
        Self { converters }
    }

    /// Returns the converters.
    pub const fn converters(&self) -> Converters {
        self.converters
    }

    /// Returns the coupling strength W that a code makes, model units.
    #[inline]
    pub fn coupling(&self, code: DacCode) -> f64 {
        let Converters { coupling_bits, coupling_range_micro, .. } = self.converters;
        value(code.steps(coupling_bits), coupling_bits, coupling_range_micro)
    }

    /// Returns the bias-field quadrature that a code makes, model units of h.
    #[inline]
    pub fn field(&self, code: DacCode) -> f64 {
        let Converters { field_bits, field_range_micro, .. } = self.converters;
        value(code.steps(field_bits), field_bits, field_range_micro)
    }

    /// Returns model units of W per coupling code.
    pub fn coupling_step(&self) -> f64 {
        value(1, self.converters.coupling_bits, self.converters.coupling_range_micro)
    }

    /// Returns model units of h per field code.
    pub fn field_step(&self) -> f64 {
        value(1, self.converters.field_bits, self.converters.field_range_micro)
    }

    /// Returns the largest |W| that codes of both signs can make, model units.
    pub fn coupling_limit(&self) -> f64 {
        self.coupling(DacCode::max(self.converters.coupling_bits))
    }

    /// Returns the largest |field quadrature| that codes of both signs can make, model units.
    pub fn field_limit(&self) -> f64 {
        self.field(DacCode::max(self.converters.field_bits))
    }

    /// Returns the phase at which an input code clamps a site, radians from 0 up to 2π: the DAC drops the bits it does not
    /// have.
    #[inline]
    pub fn input_rad(&self, code: Turn) -> f64 {
        let dropped = 16u32.saturating_sub(u32::from(self.converters.input_bits));
        let held = (code.0 >> dropped) << dropped;
        f64::from(held) / 65536.0 * core::f64::consts::TAU
    }

    /// Returns the code that clamps an input nearest to a phase, radians.
    pub fn input_code(&self, phase_rad: f64) -> Turn {
        let step = 1u32 << (16 - self.converters.input_bits.clamp(2, 16));
        let turns = phase_rad / core::f64::consts::TAU * 65536.0 / f64::from(step);
        Turn((turns.round() as i64 * i64::from(step)) as u16)
    }

    /// Returns what an ADC gives for a quadrature pair in units of its full scale: rounded to even, clipped to its range.
    #[inline]
    pub fn iq_code(&self, iq: [f64; 2]) -> IqCode {
        let full = self.iq_full_scale();
        let [i, q] = iq.map(|x| AdcCode(libm::rint(x * full).clamp(-full, full - 1.0) as i16));
        IqCode { i, q }
    }

    /// Returns a quadrature pair in units of full scale, −1 up to 1, from what an ADC gave.
    #[inline]
    pub fn iq(&self, code: IqCode) -> [f64; 2] {
        let full = self.iq_full_scale();
        [code.i, code.q].map(|code| f64::from(code.0) / full)
    }

    /// Returns the step of a phase that was read, radians: the larger of a 16-bit turn and what the I/Q converter resolves
    /// at [`IQ_AMPLITUDE`].
    pub fn phase_step_rad(&self) -> f64 {
        let turn = core::f64::consts::TAU / 65536.0;
        turn.max(1.0 / (IQ_AMPLITUDE * self.iq_full_scale()))
    }

    /// Returns the codes from zero to full scale of an I/Q converter.
    fn iq_full_scale(&self) -> f64 {
        f64::from(1u32 << (self.converters.iq_bits - 1))
    }
}

/// Returns what so many steps make of a range that is ± `range_micro` millionths at full scale.
#[inline]
fn value(steps: i32, bits: u8, range_micro: u32) -> f64 {
    let full = f64::from(1u32 << (bits - 1));
    f64::from(steps) / full * f64::from(range_micro) * 1e-6
}

/// Returns a phase in radians as a 16-bit turn.
pub fn turn(phase_rad: f64) -> Turn {
    Turn((phase_rad / core::f64::consts::TAU * 65536.0).round() as i64 as u16)
}

/// Returns a 16-bit turn in radians, −π ≤ φ < π.
pub fn radians(turn: Turn) -> f64 {
    f64::from(turn.0 as i16) / 65536.0 * core::f64::consts::TAU
}

#[cfg(test)]
mod tests {
    use super::*;

    const COARSE: Scaling = Scaling::new(Converters {
        coupling_bits: 8,
        coupling_range_micro: 2_000_000,
        field_bits: 8,
        field_range_micro: 4_000_000,
        input_bits: 8,
        iq_bits: 12,
    });

    #[test]
    fn full_scale_is_the_range_and_a_step_its_share() {
        assert_eq!(COARSE.coupling(DacCode(0)).to_bits(), (-2.0_f64).to_bits());
        assert_eq!(COARSE.coupling(DacCode::mid(8)).to_bits(), 0.0_f64.to_bits());
        assert_eq!(COARSE.coupling_limit().to_bits(), (127.0 * COARSE.coupling_step()).to_bits());
        assert_eq!(COARSE.coupling_step().to_bits(), (2.0_f64 / 128.0).to_bits());
        assert_eq!(COARSE.field(DacCode::max(8)).to_bits(), COARSE.field_limit().to_bits());
        assert_eq!(COARSE.field_step().to_bits(), (4.0_f64 / 128.0).to_bits());
    }

    #[test]
    fn input_codes_use_only_the_bits_that_exist_and_clamp_where_they_say() {
        assert_eq!(COARSE.input_code(core::f64::consts::FRAC_PI_2), Turn(0x4000));
        assert_eq!(COARSE.input_code(0.01).0 & 0xff, 0);
        assert_eq!(COARSE.input_code(-core::f64::consts::FRAC_PI_2), Turn(0xc000));
        // The low bits of a code do not reach the site.
        assert_eq!(COARSE.input_rad(Turn(0x40ff)).to_bits(), core::f64::consts::FRAC_PI_2.to_bits());
    }

    #[test]
    fn readings_are_clipped_to_full_scale_and_resolve_what_the_phase_step_says() {
        let codes = COARSE.iq_code([1.5, -1.5]);
        assert_eq!((codes.i, codes.q), (AdcCode(2047), AdcCode(-2048)));
        assert_eq!(COARSE.iq(codes)[1].to_bits(), (-1.0_f64).to_bits());
        // At the site's amplitude, where I crosses zero, a phase step is one code.
        let at = |phase: f64| COARSE.iq_code([IQ_AMPLITUDE * phase.cos(), IQ_AMPLITUDE * phase.sin()]);
        let quarter = core::f64::consts::FRAC_PI_2;
        assert_eq!(at(quarter).i.0 - at(quarter + COARSE.phase_step_rad()).i.0, 1);
        // Sixteen bits resolve less than a turn does: then the turn is the step.
        let fine = Scaling::new(Converters { iq_bits: 16, ..COARSE.converters() });
        assert_eq!(fine.phase_step_rad().to_bits(), (core::f64::consts::TAU / 65536.0).to_bits());
    }

    #[test]
    fn turns_and_radians_are_inverse() {
        for t in [0u16, 1, 0x3fff, 0x7fff, 0x8000, 0xffff] {
            assert_eq!(turn(radians(Turn(t))), Turn(t));
        }
    }
}
