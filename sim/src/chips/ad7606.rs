//! AD7606: ADC, 8 channels of 16 bits, sampled at once, two's complement.
//!
//! It has no registers and no data input. A conversion, started by CONVST, leaves eight results; in serial mode they are
//! clocked out of DOUTA, 16 bits each, channel 1 first, in one frame of 128 bits or in several that begin where the last
//! one ended. Before the first conversion, after a reset and behind the last result come zeros.

use super::{ADC_CHANNELS, FrameError, quantised};

/// The chip.
#[derive(Clone, Debug, Default)]
pub struct Ad7606 {
    results: [i16; ADC_CHANNELS],
    /// Results clocked out since the conversion.
    read: usize,
}

impl Ad7606 {
    /// See [`super::Chip::transfer`]. A frame that ends inside a result is wrong.
    pub fn transfer(&mut self, clocked: usize, miso: &mut [u8]) -> Result<(), FrameError> {
        if clocked == 0 || !clocked.is_multiple_of(2) || clocked > 2 * ADC_CHANNELS {
            return Err(FrameError::Bits { bits: 8 * clocked as u32 });
        }
        for place in miso.as_chunks_mut::<2>().0 {
            *place = self.results.get(self.read).copied().unwrap_or_default().to_be_bytes();
            self.read += 1;
        }
        Ok(())
    }

    /// CONVST rises.
    pub fn convert(&mut self, fractions: &[f64; ADC_CHANNELS]) {
        *self = Self { results: fractions.map(quantised), read: 0 };
    }

    /// The RESET pin, active high: a conversion's results are lost.
    pub fn reset(&mut self, high: bool) {
        if high {
            *self = Self::default();
        }
    }
}
