//! AD7606: ADC with eight channels of 16 bits that sample at the same instant, SPI mode 2, read only, at most 23.5 MHz at
//! 5 V logic and less below (17 MHz at 3.3 V).
//!
//! # Words
//! 128 bits in one transaction on DOUTA: channels V1 to V8, 16 bits each, most significant first. The falling chip select puts
//! the first bit out and each rising clock edge the next, hence the clock must idle high. DOUTB stays open. There is no
//! data input and no check: a chip that is not there reads as whatever the line floats to.
//!
//! # Codes
//! All 16 bits, two's complement: 0x7FFF is a step short of +10 V (RANGE high) or +5 V (RANGE low), 0x8000 the same below
//! zero. Code 0 is 0 V only to the channel's offset error; the calibration knows it.
//!
//! # After power-up and reset
//! The chip is undefined until a RESET pulse has come after the supplies. From then to the end of the first conversion its
//! output registers hold zeros, which look like a perfect 0 V: a read is worth something only after a conversion. A RESET
//! during a read zeroes the rest of it.
//!
//! # Pins, which several chips share ([`Ad7606Pins`])
//! - CONVST A and B, tied together, rising: all channels of all chips sample. 25 ns low before it, and 25 ns high after.
//! - BUSY, high from the rise of CONVST (within 45 ns) to the end of the conversion, about 4 µs, longer with oversampling.
//!   The outputs change as it falls; a read during the conversion brings the one before. Chips that share CONVST do not
//!   finish in the same instant: the pin given here is the OR of all, or one with a microsecond added.
//! - RESET, high for at least 50 ns; 25 ns from its fall to CONVST.
//! - RANGE, OS0 to OS2, STBY, PAR/SER: straps of the board.

use core::convert::Infallible;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{InputPin, OutputPin};
use embedded_hal::spi::SpiDevice;

use super::ConverterError;

/// Width of the reset pulse and the rest after it, nanoseconds: twice what the chip asks for.
const RESET_NS: u32 = 100;

/// One AD7606 behind its chip select.
#[derive(Clone, Copy, Debug)]
pub struct Ad7606<SPI>(SPI);

impl<SPI: SpiDevice> Ad7606<SPI> {
    /// Channels of the chip.
    pub const CHANNELS: u8 = 8;
    /// Bits on the bus for one read of all channels.
    pub const BITS_PER_READ: u32 = 128;

    /// Sends nothing.
    pub fn new(spi: SPI) -> Self {
        Self(spi)
    }

    /// The codes of the last finished conversion, V1 first. `codes` keeps what it held when the bus fails.
    ///
    /// # Errors
    /// [`ConverterError::Spi`] only: the chip has no means to say that a code is wrong.
    pub fn read(&mut self, codes: &mut [i16; 8]) -> Result<(), ConverterError<SPI::Error>> {
        let mut bytes = [0; 16];
        self.0.read(&mut bytes).map_err(ConverterError::Spi)?;
        for (code, word) in codes.iter_mut().zip(bytes.as_chunks().0) {
            *code = i16::from_be_bytes(*word);
        }
        Ok(())
    }
}

/// The pins that several AD7606 share. CONVST rests high.
#[derive(Clone, Copy, Debug)]
pub struct Ad7606Pins<CONVST, BUSY, RESET> {
    convst: CONVST,
    busy: BUSY,
    reset: RESET,
}

impl<CONVST: OutputPin, BUSY: InputPin, RESET: OutputPin> Ad7606Pins<CONVST, BUSY, RESET> {
    /// Moves nothing. The board sets CONVST high and RESET low before it hands them over.
    pub fn new(convst: CONVST, busy: BUSY, reset: RESET) -> Self {
        Self { convst, busy, reset }
    }

    /// Resets all chips: needed once after power-up, and ends a conversion that hangs. CONVST is left high, and the chips
    /// are ready for [`start`](Self::start).
    ///
    /// # Errors
    /// [`ConverterError::Pin`].
    pub fn reset(&mut self, delay: &mut impl DelayNs) -> Result<(), ConverterError<Infallible>> {
        // First, as its rise would start a conversion after the reset.
        self.convst.set_high().map_err(pin)?;
        self.reset.set_high().map_err(pin)?;
        delay.delay_ns(RESET_NS);
        self.reset.set_low().map_err(pin)?;
        delay.delay_ns(RESET_NS);
        Ok(())
    }

    /// Samples all channels of all chips and starts their conversion.
    ///
    /// # Errors
    /// [`ConverterError::Busy`] while a conversion runs: no edge is made then, so what it samples is safe.
    pub fn start(&mut self) -> Result<(), ConverterError<Infallible>> {
        self.convst.set_low().map_err(pin)?;
        // Read between the edges, as it stretches the pulse on a fast microcontroller.
        if self.is_busy()? {
            return Err(ConverterError::Busy);
        }
        self.convst.set_high().map_err(pin)
    }

    /// Whether a conversion runs.
    ///
    /// # Errors
    /// [`ConverterError::Pin`].
    pub fn is_busy(&mut self) -> Result<bool, ConverterError<Infallible>> {
        self.busy.is_high().map_err(pin)
    }
}

fn pin<E>(_: E) -> ConverterError<Infallible> {
    ConverterError::Pin
}
