//! AD5370: DAC with 40 channels of 16 bits in five groups of eight, SPI mode 1, at most 50 MHz to write and 20 MHz to read.
//!
//! # Words
//! 24 bits, most significant first: two mode bits, six address bits, 16 data bits. Modes: 11 writes X (the code), 10 writes C
//! (offset trim), 01 writes M (gain trim), 00 is a special function whose number is the address. Channel n has address
//! 8 + n. A read is two transactions: special function 5 names the register, and the next word brings its 16 bits in its
//! low part. Between the two the chip select must stay high for 270 ns. A channel takes 600 ns to take in a word, so above
//! 40 MHz words need a gap.
//!
//! # Codes
//! All 16 bits, offset binary: `V = 4·Vref·(code − 4·OFS) / 2^16` above SIGGND, where code is X after trimming,
//! `X·(M + 1) / 2^16 + C − 2^15`. With what [`Ad5370::initialise`] sets (OFS = 2^13, M + 1 = 2^16, C = 2^15) 0x8000 is 0 V,
//! 0 is −2·Vref and 0xFFFF is a step short of +2·Vref, as far as the supplies reach.
//!
//! # After power-up and reset
//! OFS is 0x1555 and X four times that, 0x5554 (the register table of the data sheet prints the values of the 14-bit part):
//! the outputs are near 0 V. That is not the calibrated zero. There X = 0x8000 is a sixth of 4·Vref above 0 V, and as soon
//! as OFS is written, which needs no LDAC, an output that still has X = 0x5554 is a sixth below: −2 V at a 3 V reference.
//! Hence the owner of CLR holds it low from power-up until `initialise` and a full set of codes have passed. And even then
//! X = 0x8000 is 0 V only to the channel's offset error: the calibrated zero is a code of the safe table.
//!
//! # Pins
//! - CLR, low: outputs are at SIGGND, registers keep what they hold, LDAC is ignored. After CLR has gone high the outputs
//!   stay there until the next LDAC pulse.
//! - LDAC, falling: all X of all channels take effect. While BUSY is low it is remembered and acts when BUSY rises.
//! - BUSY, open drain, low while a code is being trimmed (at most 1.5 µs for one channel) and during a reset (400 µs).
//! - RESET, falling: as after power-up. The chip hears nothing while BUSY is low.
//! - SYNC: the chip select.

use embedded_hal::spi::SpiDevice;

use super::{ConverterError, check_channel, check_read_back};

const MODE_X: u8 = 0b11 << 6;
const MODE_C: u8 = 0b10 << 6;
const MODE_M: u8 = 0b01 << 6;

const SPECIAL_CONTROL: u8 = 1;
const SPECIAL_OFS0: u8 = 2;
const SPECIAL_OFS1: u8 = 3;
const SPECIAL_READ: u8 = 5;
/// A/B select registers of all groups at once.
const SPECIAL_AB_ALL: u8 = 11;

/// What a read names: three bits of kind, six of address, from bit 7 up.
const READ_X1A: u16 = 0;
const READ_C: u16 = 2 << 13;
const READ_M: u16 = 3 << 13;
const READ_SPECIAL: u16 = 4 << 13;
/// A/B select register of group 0; the other four follow.
const READ_AB0: u16 = 6;

const FIRST_CHANNEL: u8 = 8;
const GROUPS: u16 = 5;

/// Powered, codes go to X1A, and the chip powers its outputs down rather than burn.
const CONTROL: u16 = 0b0_0010;
const CONTROL_OVERTEMPERATURE: u16 = 0b1_0000;
const CONTROL_MASK: u16 = 0b0_0111;

const OFS_MID: u16 = 0x2000;
const OFS_MASK: u16 = 0x3FFF;
const M_ONE: u16 = 0xFFFF;
const C_ZERO: u16 = 0x8000;

/// One AD5370 behind its chip select.
#[derive(Clone, Copy, Debug)]
pub struct Ad5370<SPI>(SPI);

impl<SPI: SpiDevice> Ad5370<SPI> {
    /// Channels of the chip.
    pub const CHANNELS: u8 = 40;
    /// Bits on the bus for one code.
    pub const BITS_PER_CODE: u32 = 24;

    /// Sends nothing.
    pub fn new(spi: SPI) -> Self {
        Self(spi)
    }

    /// Makes X = 0x8000 mean 0 V on every channel, M = 1 and C = 0, whatever the chip was set to before, and reads all of it
    /// back. Codes are not touched. CLR must be low: the outputs would jump. A chip that does not answer is found before
    /// anything that moves an output is sent.
    ///
    /// # Errors
    /// [`ConverterError::ReadBack`], or [`ConverterError::Status`] with the control register when the chip is too hot.
    pub fn initialise(&mut self) -> Result<(), ConverterError<SPI::Error>> {
        self.send(SPECIAL_CONTROL, CONTROL)?;
        let control = self.special(u16::from(SPECIAL_CONTROL))?;
        check_read_back(CONTROL, control, CONTROL_MASK)?;
        if control & CONTROL_OVERTEMPERATURE != 0 {
            return Err(ConverterError::Status(control));
        }
        for register in [SPECIAL_OFS0, SPECIAL_OFS1] {
            self.send(register, OFS_MID)?;
            check_read_back(OFS_MID, self.special(u16::from(register))?, OFS_MASK)?;
        }
        self.send(SPECIAL_AB_ALL, 0)?;
        for group in 0..GROUPS {
            check_read_back(0, self.special(READ_AB0 + group)?, 0xFF)?;
        }
        for channel in 0..Self::CHANNELS {
            self.send(MODE_M | (FIRST_CHANNEL + channel), M_ONE)?;
            self.send(MODE_C | (FIRST_CHANNEL + channel), C_ZERO)?;
            check_read_back(M_ONE, self.receive(READ_M | address(channel))?, u16::MAX)?;
            check_read_back(C_ZERO, self.receive(READ_C | address(channel))?, u16::MAX)?;
        }
        Ok(())
    }

    /// Puts a code into a channel's X register, where it waits for LDAC.
    ///
    /// # Errors
    /// [`ConverterError::Channel`] for 40 and above.
    pub fn write(&mut self, channel: u8, code: u16) -> Result<(), ConverterError<SPI::Error>> {
        check_channel(channel, Self::CHANNELS)?;
        self.send(MODE_X | (FIRST_CHANNEL + channel), code)
    }

    /// The code in a channel's X register, latched or not.
    ///
    /// # Errors
    /// [`ConverterError::Channel`] for 40 and above.
    pub fn read_back(&mut self, channel: u8) -> Result<u16, ConverterError<SPI::Error>> {
        check_channel(channel, Self::CHANNELS)?;
        self.receive(READ_X1A | address(channel))
    }

    /// Whether the chip still is as [`initialise`](Self::initialise) left it: one that lost its supply for a moment is not.
    ///
    /// # Errors
    /// [`ConverterError::ReadBack`] if not.
    pub fn check(&mut self) -> Result<(), ConverterError<SPI::Error>> {
        check_read_back(OFS_MID, self.special(u16::from(SPECIAL_OFS0))?, OFS_MASK)
    }

    fn send(&mut self, head: u8, data: u16) -> Result<(), ConverterError<SPI::Error>> {
        let [high, low] = data.to_be_bytes();
        self.0.write(&[head, high, low]).map_err(ConverterError::Spi)
    }

    fn special(&mut self, register: u16) -> Result<u16, ConverterError<SPI::Error>> {
        self.receive(READ_SPECIAL | register << 7)
    }

    fn receive(&mut self, register: u16) -> Result<u16, ConverterError<SPI::Error>> {
        self.send(SPECIAL_READ, register)?;
        // Goes out as special function 0, which does nothing.
        let mut word = [0; 3];
        self.0.transfer_in_place(&mut word).map_err(ConverterError::Spi)?;
        Ok(u16::from_be_bytes([word[1], word[2]]))
    }
}

/// A channel as a read names it.
fn address(channel: u8) -> u16 {
    u16::from(FIRST_CHANNEL + channel) << 7
}
