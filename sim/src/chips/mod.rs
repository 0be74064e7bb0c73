//! Simulated converter chips: the bytes of SPI transactions in, registers, outputs and readings as the data sheets say.
//!
//! Each is written from its data sheet, not from the driver that talks to it, and judges every frame: what a real chip
//! would drop or misread without a word is a [`FrameError`] here. Analogue values are codes on the DACs' side (what the
//! output *effectively* carries, through gain, offset and clear) and fractions of full scale on the ADCs'.
//!
//! # Limitations
//! Settling, conversion and reset times are zero. Daisy chains, temperature sensors and currents are not simulated.

mod ad5370;
mod ad5676r;
mod ad7606;
mod ads131m08;

pub use self::{ad5370::Ad5370, ad5676r::Ad5676r, ad7606::Ad7606, ads131m08::Ads131m08};
pub use xyloop_firmware::rig_image::ChipKind;

/// Channels of every simulated ADC.
pub const ADC_CHANNELS: usize = 8;

/// What a chip carries on an output that is at ground, if the output is bipolar.
pub const GROUND: u16 = 0x8000;

/// A transaction that a chip cannot have been meant to get; it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Select went back too early or too late.
    #[error("{bits} bits in one frame")]
    Bits {
        /// How many there were.
        bits: u32,
    },
    /// A command or special function that the chip does not have, or one with words that it does not take.
    #[error("unknown command {0:#06x}")]
    Command(u16),
    /// A channel or register address that the chip does not have.
    #[error("no channel or register at address {0}")]
    Channel(u8),
    /// What was sent and its CRC do not fit together.
    #[error("CRC {received:#06x} instead of {expected:#06x}")]
    Crc {
        /// CRC of the words that were sent.
        expected: u16,
        /// CRC that came with them.
        received: u16,
    },
    /// A word length that is not simulated.
    #[error("only words of 24 bits are simulated, not mode {0:#06x}")]
    WordLength(u16),
    /// The board has no chip at this address.
    #[error("nothing at address {0}")]
    NoChip(u8),
}

/// What a frame did to a DAC's registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Which register: `input` is the one that waits for LDAC, `dac` the input register and the output at once; others
    /// are named as in the data sheet.
    pub register: &'static str,
    /// One bit per channel that has it; 0 for registers of the whole chip.
    pub channels: u64,
    /// What it holds now.
    pub code: u16,
}

/// Any of the chips.
#[derive(Clone, Debug)]
pub enum Chip {
    /// DAC, 40 channels, bipolar.
    Ad5370(Box<Ad5370>),
    /// DAC, 8 channels.
    Ad5676r(Box<Ad5676r>),
    /// ADC, 8 channels of 16 bits.
    Ad7606(Box<Ad7606>),
    /// ADC, 8 channels of 24 bits.
    Ads131m08(Box<Ads131m08>),
}

impl Chip {
    /// A chip that was just powered up. `bipolar`: its outputs reach both sides of ground by wiring, and its reset
    /// level, where a pin chooses it, is mid-scale.
    pub fn new(kind: ChipKind, bipolar: bool) -> Self {
        match kind {
            ChipKind::Ad5370 => Self::Ad5370(Box::default()),
            ChipKind::Ad5676r => Self::Ad5676r(Box::new(Ad5676r::new(if bipolar { GROUND } else { 0 }))),
            ChipKind::Ad7606 => Self::Ad7606(Box::default()),
            ChipKind::Ads131m08 => Self::Ads131m08(Box::default()),
        }
    }

    /// Which one it is.
    pub fn kind(&self) -> ChipKind {
        match self {
            Self::Ad5370(_) => ChipKind::Ad5370,
            Self::Ad5676r(_) => ChipKind::Ad5676r,
            Self::Ad7606(_) => ChipKind::Ad7606,
            Self::Ads131m08(_) => ChipKind::Ads131m08,
        }
    }

    /// One transaction: `miso` gets what the chip shifts out while `mosi`, of the same length, is shifted in. Says what
    /// became of a DAC's registers.
    ///
    /// # Errors
    /// If a real chip would drop or misread the frame.
    pub fn transfer(&mut self, mosi: &[u8], miso: &mut [u8]) -> Result<Option<Written>, FrameError> {
        miso.fill(0);
        match self {
            Self::Ad5370(chip) => chip.transfer(mosi, miso),
            Self::Ad5676r(chip) => chip.transfer(mosi, miso),
            Self::Ad7606(chip) => chip.transfer(mosi.len(), miso).map(|()| None),
            Self::Ads131m08(chip) => chip.transfer(mosi, miso).map(|()| None),
        }
    }

    /// The LDAC pin has this level now.
    pub fn ldac(&mut self, high: bool) {
        match self {
            Self::Ad5370(chip) => chip.ldac(high),
            Self::Ad5676r(chip) => chip.ldac(high),
            Self::Ad7606(_) | Self::Ads131m08(_) => {}
        }
    }

    /// The CLR pin, if the chip has one, has this level now.
    pub fn clear(&mut self, high: bool) {
        if let Self::Ad5370(chip) = self {
            chip.clear(high);
        }
    }

    /// The board's reset line has this level now. (The AD7606 is reset by a high level: an inverter sits before it.)
    pub fn reset(&mut self, high: bool) {
        match self {
            Self::Ad5370(chip) => chip.reset(high),
            Self::Ad5676r(chip) => chip.reset(high),
            Self::Ad7606(chip) => chip.reset(!high),
            Self::Ads131m08(chip) => chip.reset(high),
        }
    }

    /// An ADC converts these voltages, fractions of full scale; a DAC does nothing.
    pub fn convert(&mut self, fractions: &[f64; ADC_CHANNELS]) {
        match self {
            Self::Ad7606(chip) => chip.convert(fractions),
            Self::Ads131m08(chip) => chip.convert(fractions),
            Self::Ad5370(_) | Self::Ad5676r(_) => {}
        }
    }

    /// What a DAC's output effectively carries, 0x8000 at ground if it is bipolar; `None` if the chip has no such output.
    pub fn output(&self, channel: u8) -> Option<u16> {
        match self {
            Self::Ad5370(chip) => chip.output(channel),
            Self::Ad5676r(chip) => chip.output(channel),
            Self::Ad7606(_) | Self::Ads131m08(_) => None,
        }
    }
}

/// A frame of 24 bits as a number.
fn word24(mosi: &[u8]) -> Result<u32, FrameError> {
    match *mosi {
        [a, b, c] => Ok(u32::from_be_bytes([0, a, b, c])),
        _ => Err(FrameError::Bits { bits: 8 * mosi.len() as u32 }),
    }
}

/// The code of 16 bits, two's complement, that an ADC gives for a fraction of full scale.
fn quantised(fraction: f64) -> i16 {
    libm::rint(fraction * 32768.0).clamp(-32768.0, 32767.0) as i16
}
