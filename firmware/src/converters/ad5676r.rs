//! AD5676R: DAC with eight channels of 16 bits and a 2.5 V reference, SPI mode 1, at most 50 MHz to write. Reading back is
//! slower and depends on the logic voltage, by a timing table of its own in the data sheet; 8 MHz is a cautious choice.
//!
//! # Words
//! 24 bits, most significant first: four command bits, four address bits (channel n is address n), 16 data bits. A word takes
//! effect when the chip select rises after 24 bits. A read is two transactions: command 9 names the channel, and the next
//! word brings the code in its low 16 bits; its high eight may be anything.
//!
//! # Codes
//! All 16 bits, straight binary: `V = gain · 2.5 V · code / 2^16`, never negative at the pin.
//!
//! # After power-up and reset
//! All codes are zero scale or mid scale, by the RSTSEL strap, with reference and outputs on. Neither is the calibrated zero:
//! 0 V at the pin is code 0, not 0x8000, and behind a level shifter 0 V at the plant is some code near the middle that only
//! the calibration knows, while zero scale is its most negative voltage. So [`Ad5676r::initialise`] uses no software reset: on
//! a running rig it would throw every output there. What was latched stays until new codes are.
//!
//! # Pins
//! - LDAC, falling: all input registers take effect. Held low, a code takes effect as it is written.
//! - RESET, low: as after power-up.
//! - RSTSEL: strap, code after power-up and reset. GAIN: strap, full scale of 2.5 V or 5 V, on packages that have the pin; on
//!   the others a bit, which `initialise` sets to 2.5 V.
//! - SYNC: the chip select. SDO speaks during reads only.
//! - No CLR: a safe state needs codes, or a switch behind the outputs.

use embedded_hal::spi::SpiDevice;

use super::{ConverterError, check_channel};

const WRITE_INPUT: u8 = 1 << 4;
const POWER: u8 = 4 << 4;
const LDAC_MASK: u8 = 5 << 4;
const REFERENCE: u8 = 7 << 4;
const DAISY_CHAIN: u8 = 8 << 4;
const READ: u8 = 9 << 4;

/// One AD5676R behind its chip select.
#[derive(Clone, Copy, Debug)]
pub struct Ad5676r<SPI>(SPI);

impl<SPI: SpiDevice> Ad5676r<SPI> {
    /// Channels of the chip.
    pub const CHANNELS: u8 = 8;
    /// Bits on the bus for one code.
    pub const BITS_PER_CODE: u32 = 24;

    /// Sends nothing.
    pub fn new(spi: SPI) -> Self {
        Self(spi)
    }

    /// Makes every channel obey LDAC, with daisy chain off, the internal reference on, gain 1 and outputs powered, whatever
    /// the chip was set to before. Codes are not touched. None of these settings can be read: that the chip is there and
    /// hears shows when the first codes are [read back](Self::read_back), if they are not those of a silent line.
    ///
    /// # Errors
    /// Those of the bus.
    pub fn initialise(&mut self) -> Result<(), ConverterError<SPI::Error>> {
        self.send(DAISY_CHAIN, 0)?;
        self.send(LDAC_MASK, 0)?;
        // In these two a set bit means off.
        self.send(REFERENCE, 0)?;
        self.send(POWER, 0)
    }

    /// Puts a code into a channel's input register, where it waits for LDAC.
    ///
    /// # Errors
    /// [`ConverterError::Channel`] for 8 and above.
    pub fn write(&mut self, channel: u8, code: u16) -> Result<(), ConverterError<SPI::Error>> {
        check_channel(channel, Self::CHANNELS)?;
        self.send(WRITE_INPUT | channel, code)
    }

    /// The code in a channel's input register, latched or not.
    ///
    /// # Errors
    /// [`ConverterError::Channel`] for 8 and above.
    pub fn read_back(&mut self, channel: u8) -> Result<u16, ConverterError<SPI::Error>> {
        check_channel(channel, Self::CHANNELS)?;
        self.send(READ | channel, 0)?;
        // Goes out as command 0, which does nothing.
        let mut word = [0; 3];
        self.0.transfer_in_place(&mut word).map_err(ConverterError::Spi)?;
        Ok(u16::from_be_bytes([word[1], word[2]]))
    }

    fn send(&mut self, head: u8, data: u16) -> Result<(), ConverterError<SPI::Error>> {
        let [high, low] = data.to_be_bytes();
        self.0.write(&[head, high, low]).map_err(ConverterError::Spi)
    }
}
