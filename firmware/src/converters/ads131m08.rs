//! ADS131M08: delta-sigma ADC with eight channels of 24 bits that sample at the same instant, SPI mode 1, at most 25 MHz.
//!
//! # Words
//! A frame is one transaction of ten words of 24 bits, most significant first, both ways at once. Commands, registers and CRCs
//! are 16 bits at the top of their word. To the chip: a command, the registers it writes if any, a CRC, then zeros. From the
//! chip: the answer to the command of the frame *before* (to no command: the status register), eight codes, a CRC. Both CRCs
//! are CRC-16/CCITT-FALSE over whole words, padding included. The chip checks the one it gets once told to, and then
//! answers a bad frame with bit 12 of the status.
//!
//! # Codes
//! Two's complement in 24 bits, −2^23 to 2^23 − 1, in steps of 1.2 V / 2^23 at gain 1. Code 0 is 0 V only to the channel's
//! offset error; the calibration knows it.
//!
//! # After power-up and reset
//! The chip converts at once, with all channels on, gain 1, oversampling 1 024 and no check of what it receives, and says so:
//! bit 10 of the status is set until it is cleared. Before the first conversion a read brings zeros, which look like a
//! perfect 0 V, with the data-ready bits 0 to 7 clear; [`Ads131m08::read`] refuses both. The filter is of third order:
//! three conversions after a reset or a step of the input it has forgotten what was before.
//!
//! The chip keeps two conversions per channel. After a pause the first read brings an *old* one: read twice and take the
//! second, or pulse SYNC before.
//!
//! # Pins
//! - DRDY, falling: new codes.
//! - SYNC/RESET, low for 1 to 2047 periods of CLKIN: all chips on the line convert in step from there, and old conversions
//!   are dropped; low for 2048 or more: as after power-up.
//! - CLKIN: 8.192 MHz for full performance.
//! - CS: its rise ends a frame, whatever came before.

use crc::{CRC_16_IBM_3740, Crc, NoTable};
use embedded_hal::delay::DelayNs;
use embedded_hal::spi::SpiDevice;

use super::{ConverterError, check_read_back};

const WORD: usize = 3;
const FRAME: usize = 10 * WORD;

const NULL: u16 = 0;
const RESET: u16 = 0x0011;
/// Reads or writes registers from an address on (bits 7 to 11); how many less one is in bits 0 to 6.
const RREG: u16 = 0b101 << 13;
const WREG: u16 = 0b011 << 13;
const WREG_DONE: u16 = 0b010 << 13;
const RESET_DONE: u16 = 0xFF28;

const ID: u16 = 0 << 7;
const MODE: u16 = 2 << 7;
const CLOCK: u16 = 3 << 7;

/// The number of channels, in the ID register. Its low byte is the revision.
const ID_CHANNELS: u16 = 8 << 8;
const ID_CHANNELS_MASK: u16 = 0xF << 8;
/// Input CRC checked, CRC-CCITT, reset flag cleared, words of 24 bits, a stalled frame times out, DRDY by the last channel.
const MODE_SET: u16 = 1 << 12 | 1 << 8 | 1 << 4;
/// All channels on, high resolution.
const CLOCK_SET: u16 = 0xFF << 8 | 0b10;

/// The status of a chip that works: words of 24 bits and nothing else.
const STATUS_GOOD: u16 = 1 << 8;
/// All but the data-ready bits and bit 14, which only says that SYNC was pulsed.
const STATUS_MASK: u16 = 0xBF00;
const STATUS_READY: u16 = 0x00FF;

/// The chip asks for 5 µs from a reset to the next frame.
const RESET_US: u32 = 10;

static CCITT: Crc<u16, NoTable> = Crc::<u16, NoTable>::new(&CRC_16_IBM_3740);

/// Modulator samples in one conversion. At a CLKIN of 8.192 MHz there are 4.096 million a second: `X1024` gives 4 000
/// conversions a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Oversampling {
    X128,
    X256,
    X512,
    /// What the chip comes up with.
    #[default]
    X1024,
    X2048,
    X4096,
    X8192,
    X16384,
}

/// One ADS131M08 behind its chip select.
#[derive(Clone, Copy, Debug)]
pub struct Ads131m08<SPI>(SPI);

impl<SPI: SpiDevice> Ads131m08<SPI> {
    /// Channels of the chip.
    pub const CHANNELS: u8 = 8;
    /// Bits on the bus for one read of all channels.
    pub const BITS_PER_READ: u32 = 240;

    /// Sends nothing.
    pub fn new(spi: SPI) -> Self {
        Self(spi)
    }

    /// Resets the chip, checks that it is one with eight channels, turns on the check of what it receives and all channels,
    /// sets the oversampling, and reads that back. The first valid codes come three conversions later.
    ///
    /// # Errors
    /// [`ConverterError::ReadBack`] when an answer or a register is not the expected one, [`ConverterError::Crc`], and
    /// [`ConverterError::Status`] when the chip complains in the end.
    pub fn initialise(
        &mut self,
        oversampling: Oversampling,
        delay: &mut impl DelayNs,
    ) -> Result<(), ConverterError<SPI::Error>> {
        let clock = CLOCK_SET | (oversampling as u16) << 2;
        // Its answer is to a command of the past, and its CRC may be of a kind set by others.
        self.transfer(&[RESET])?;
        delay.delay_us(RESET_US);
        // From here on each frame brings the answer to the one before.
        check_read_back(RESET_DONE, self.exchange(&[RREG | ID])?, u16::MAX)?;
        check_read_back(ID_CHANNELS, self.exchange(&[WREG | MODE | 1, MODE_SET, clock])?, ID_CHANNELS_MASK)?;
        check_read_back(WREG_DONE | MODE | 1, self.exchange(&[RREG | MODE])?, u16::MAX)?;
        check_read_back(MODE_SET, self.exchange(&[RREG | CLOCK])?, u16::MAX)?;
        check_read_back(clock, self.exchange(&[NULL])?, u16::MAX)?;
        check_status(self.exchange(&[NULL])?)
    }

    /// The codes of one conversion, channel 0 first. `codes` keeps what it held on any error.
    ///
    /// # Errors
    /// [`ConverterError::Crc`] when the frame arrived with errors; [`ConverterError::Status`] when the chip was reset (bit 10),
    /// got a bad frame (bit 12) or is set to another format; [`ConverterError::Busy`] when a channel has no new code.
    pub fn read(&mut self, codes: &mut [i32; 8]) -> Result<(), ConverterError<SPI::Error>> {
        let frame = self.checked(&[NULL])?;
        let status = head(&frame);
        check_status(status)?;
        if status & STATUS_READY != STATUS_READY {
            return Err(ConverterError::Busy);
        }
        for (code, word) in codes.iter_mut().zip(frame[WORD..].chunks_exact(WORD)) {
            // In the top three bytes, so that the shift brings the sign down.
            *code = i32::from_be_bytes([word[0], word[1], word[2], 0]) >> 8;
        }
        Ok(())
    }

    /// Sends a command with its registers and gives the answer to the one before.
    fn exchange(&mut self, words: &[u16]) -> Result<u16, ConverterError<SPI::Error>> {
        self.checked(words).map(|frame| head(&frame))
    }

    fn checked(&mut self, words: &[u16]) -> Result<[u8; FRAME], ConverterError<SPI::Error>> {
        let frame = self.transfer(words)?;
        let (data, crc) = frame.split_at(FRAME - WORD);
        let expected = CCITT.checksum(data);
        let received = u16::from_be_bytes([crc[0], crc[1]]);
        if received == expected { Ok(frame) } else { Err(ConverterError::Crc { expected, received }) }
    }

    /// At most nine words.
    fn transfer(&mut self, words: &[u16]) -> Result<[u8; FRAME], ConverterError<SPI::Error>> {
        let mut frame = [0; FRAME];
        for (bytes, word) in frame.chunks_exact_mut(WORD).zip(words) {
            bytes[..2].copy_from_slice(&word.to_be_bytes());
        }
        let (data, rest) = frame.split_at_mut(words.len() * WORD);
        rest[..2].copy_from_slice(&CCITT.checksum(data).to_be_bytes());
        self.0.transfer_in_place(&mut frame).map_err(ConverterError::Spi)?;
        Ok(frame)
    }
}

/// The first word of a frame, without its padding.
fn head(frame: &[u8; FRAME]) -> u16 {
    u16::from_be_bytes([frame[0], frame[1]])
}

fn check_status<E>(status: u16) -> Result<(), ConverterError<E>> {
    if status & STATUS_MASK == STATUS_GOOD { Ok(()) } else { Err(ConverterError::Status(status)) }
}
