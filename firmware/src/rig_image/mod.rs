//! The rig image: what a board has to know of its rig, in one block of bytes beside the firmware.
//!
//! One firmware serves every rig: wiring, safe codes, which chips are there and which channel drives what lie in an
//! image that is flashed (or, emulated, loaded) at an address of its own. It is checked once as a whole; after that it
//! is read in place and costs no memory.
//!
//! ```text
//!  0  "XYRI"      magic                      24  coupling, field, input, I/Q bits   4 x u8
//!  4  version     u16, 1                     28  range of couplings, of fields      2 x u32, millionths
//!  6  chips       u16                        36  deadman            u16, ms
//!  8  length      u32, all bytes             38  serial's length    u8, and a spare byte
//! 12  sites       u16                        40  SPI clock          u32, Hz
//! 14  inputs      u16                        44  gap between two transactions       u32, ns
//! 16  couplings   u32                        48  serial             32 bytes, zeros behind it
//! 20  outputs     u16, and a spare u16       80  kinds of the chips u8 each, padded to an even number
//! then   both ends of each coupling (2 x u16), input sites, output sites (u16 each),
//!        channels (chip u8, channel u8): couplings; x and y of each site; inputs; I and Q of each site,
//!        safe codes (u16): couplings; x and y of each site; inputs,
//! last   CRC-32C of all before it            u32
//! ```
//! All numbers are little-endian.

mod parts;

use xyloop_protocol::{
    crc::crc32c,
    units::{DacCode, Turn},
    wiring::Converters,
};

pub use self::parts::Parts;

const MAGIC: &[u8; 4] = b"XYRI";
const VERSION: u16 = 1;
const HEAD: usize = 80;
/// Longest serial number in an image, bytes.
pub const SERIAL_MAX: usize = 32;
/// Longest time that all fields, or one reading, may take on the buses, microseconds: one look at the link may be kept waiting
/// by a reading, the fields after it and the fields prepared behind them.
pub const BUSY_MAX_US: u32 = 30_000;
/// Most chips on one board: addresses of the chip-select expander.
pub const CHIPS_MAX: usize = 128;

/// The converters a board can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ChipKind {
    /// DAC, 40 channels of 16 bits, bipolar.
    Ad5370 = 1,
    /// DAC, 8 channels of 16 bits, unipolar.
    Ad5676r = 2,
    /// ADC, 8 channels of 16 bits at once.
    Ad7606 = 3,
    /// ADC, 8 channels of 24 bits at once, frames with a CRC.
    Ads131m08 = 4,
}

impl ChipKind {
    /// All of them, with the names that files use.
    pub const NAMES: [(Self, &'static str); 4] = [
        (Self::Ad5370, "ad5370"),
        (Self::Ad5676r, "ad5676r"),
        (Self::Ad7606, "ad7606"),
        (Self::Ads131m08, "ads131m08"),
    ];

    /// Channels of one chip.
    pub const fn channels(self) -> u8 {
        match self {
            Self::Ad5370 => 40,
            Self::Ad5676r | Self::Ad7606 | Self::Ads131m08 => 8,
        }
    }

    /// Whether it drives outputs.
    pub const fn is_dac(self) -> bool {
        matches!(self, Self::Ad5370 | Self::Ad5676r)
    }

    /// Bits on the bus: of one code written to a DAC, of one reading of all of an ADC's channels.
    pub const fn bits_on_the_bus(self) -> u32 {
        match self {
            Self::Ad5370 | Self::Ad5676r => 24,
            Self::Ad7606 => 8 * 16,
            Self::Ads131m08 => 10 * 24,
        }
    }

    /// What an ADC needs for a reading before it can be shifted out, nanoseconds: an AD7606 without oversampling, an ADS131M08
    /// the four conversions after which its filter has settled, at 128 samples each.
    pub const fn conversion_ns(self) -> u32 {
        match self {
            Self::Ad5370 | Self::Ad5676r => 0,
            Self::Ad7606 => 5_000,
            Self::Ads131m08 => 130_000,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::NAMES.iter().map(|(kind, _)| *kind).find(|kind| *kind as u8 == byte)
    }
}

/// One channel of one chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Channel {
    /// Address on the chip-select expander.
    pub chip: u8,
    /// Channel of that chip.
    pub channel: u8,
}

/// How long the buses of a rig are busy, microseconds, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Writing every coupling, field and input.
    pub generation_us: u32,
    /// Writing the bias fields of all sites.
    pub fields_us: u32,
    /// One reading of all sites: a conversion, then shifting it out of the ADCs.
    pub read_us: u32,
}

/// Why bytes are no rig image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// No image there: erased flash, another file.
    Magic,
    /// Made for another version of the firmware; the number is the image's.
    Version(u16),
    /// Fewer bytes than the image says it has, or its parts need.
    Length,
    /// Damaged.
    Crc,
    /// Bits or a serial number out of range.
    Converters,
    /// A chip of a kind that is not known; its address.
    Chip(u8),
    /// A channel that the chip does not have, that is of the wrong kind, or that is used twice.
    Channel(Channel),
    /// A coupling, input or output of a site that does not exist; its number.
    Site(u16),
    /// A safe code beyond its converter's range; its number.
    SafeCode(u32),
    /// Its buses are so slow that the fields of all sites, or one reading, take longer than [`BUSY_MAX_US`]; microseconds.
    Slow(u32),
}

impl core::fmt::Display for ImageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Magic => write!(f, "no rig image found"),
            Self::Version(version) => write!(f, "rig image of version {version}, this firmware reads {VERSION}"),
            Self::Length => write!(f, "rig image cut short"),
            Self::Crc => write!(f, "rig image damaged (CRC)"),
            Self::Converters => write!(f, "rig image: converter bits or serial number out of range"),
            Self::Chip(chip) => write!(f, "rig image: chip {chip} is of an unknown kind"),
            Self::Channel(at) => write!(f, "rig image: chip {} channel {} cannot be used so", at.chip, at.channel),
            Self::Site(site) => write!(f, "rig image: there is no site {site}"),
            Self::SafeCode(index) => write!(f, "rig image: safe code {index} is out of range"),
            Self::Slow(us) => write!(
                f,
                "rig image: on buses that slow all fields, or one reading of all sites, take {us} us; the link and the deadman \
                 are not looked at meanwhile, so it must be at most {BUSY_MAX_US} us: raise the SPI clock or lower the gap"
            ),
        }
    }
}

/// A checked rig image, read in place.
#[derive(Clone, Copy, Debug)]
pub struct RigImage<'a> {
    crc: u32,
    head: &'a [u8],
    chips: &'a [u8],
    couplings: &'a [u8],
    inputs: &'a [u8],
    outputs: &'a [u8],
    channels: &'a [u8],
    safe: &'a [u8],
}

impl<'a> RigImage<'a> {
    /// Checks an image as a whole. `bytes` may be longer than the image (the rest of a flash region).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let head = bytes.get(..HEAD).ok_or(ImageError::Length)?;
        if &head[..4] != MAGIC {
            return Err(ImageError::Magic);
        }
        if word(head, 2) != VERSION {
            return Err(ImageError::Version(word(head, 2)));
        }
        let length = long(head, 8) as usize;
        let (body, crc) = bytes.get(..length).and_then(<[u8]>::split_last_chunk).ok_or(ImageError::Length)?;
        if crc32c(body) != u32::from_le_bytes(*crc) {
            return Err(ImageError::Crc);
        }
        let (chips, inputs, outputs) = (word(head, 3), word(head, 7), word(head, 10));
        let (sites, couplings) = (usize::from(word(head, 6)), long(head, 16) as usize);
        let codes = couplings.checked_add(2 * sites + usize::from(inputs)).ok_or(ImageError::Length)?;
        let mut rest = body.get(HEAD..).ok_or(ImageError::Length)?;
        let mut take = |count: usize, size: usize| {
            let length = count.checked_mul(size).ok_or(ImageError::Length)?;
            let (part, behind) = rest.split_at_checked(length).ok_or(ImageError::Length)?;
            rest = behind;
            Ok(part)
        };
        let padded = take(usize::from(chips).next_multiple_of(2), 1)?;
        let image = Self {
            crc: u32::from_le_bytes(*crc),
            head,
            chips: &padded[..usize::from(chips)],
            couplings: take(couplings, 4)?,
            inputs: take(inputs.into(), 2)?,
            outputs: take(outputs.into(), 2)?,
            channels: take(codes + 2 * sites, 2)?,
            safe: take(codes, 2)?,
        };
        if !rest.is_empty() {
            return Err(ImageError::Length);
        }
        image.check()?;
        Ok(image)
    }

    fn check(&self) -> Result<(), ImageError> {
        let c = self.converters();
        let bits = [c.coupling_bits, c.field_bits, c.input_bits, c.iq_bits];
        let serial_fits = usize::from(self.head[38]) <= SERIAL_MAX && self.serial_bytes().is_some();
        if bits.iter().any(|bits| !(2..=16).contains(bits)) || !serial_fits || self.spi_hz() == 0 {
            return Err(ImageError::Converters);
        }
        if self.chips.len() > CHIPS_MAX {
            return Err(ImageError::Chip(CHIPS_MAX as u8));
        }
        if let Some(chip) = self.chips.iter().position(|byte| ChipKind::from_byte(*byte).is_none()) {
            return Err(ImageError::Chip(chip as u8));
        }
        let ends = self.couplings().flat_map(|(a, b)| [a, b]);
        if let Some(site) = ends.chain(self.inputs()).chain(self.outputs()).find(|site| *site >= self.sites()) {
            return Err(ImageError::Site(site));
        }
        let (outputs, mut used) = (self.safe.len() / 2, [0u64; CHIPS_MAX]);
        for (index, pair) in self.channels.as_chunks::<2>().0.iter().enumerate() {
            let at = Channel { chip: pair[0], channel: pair[1] };
            let fits =
                self.kind(at.chip).filter(|kind| at.channel < kind.channels() && kind.is_dac() == (index < outputs));
            let taken = fits.map(|_| (&mut used[usize::from(at.chip)], 1 << at.channel));
            match taken {
                Some((mask, bit)) if *mask & bit == 0 => *mask |= bit,
                _ => return Err(ImageError::Channel(at)),
            }
        }
        let (couplings, fields) = (self.couplings.len() / 4, 2 * usize::from(self.sites()));
        for (index, code) in self.safe.as_chunks::<2>().0.iter().enumerate() {
            let highest = match index {
                _ if index < couplings => DacCode::max(c.coupling_bits).0,
                _ if index < couplings + fields => DacCode::max(c.field_bits).0,
                _ => u16::MAX,
            };
            if u16::from_le_bytes(*code) > highest {
                return Err(ImageError::SafeCode(index as u32));
            }
        }
        let times = self.times();
        let longest_us = times.fields_us.max(times.read_us);
        if longest_us > BUSY_MAX_US { Err(ImageError::Slow(longest_us)) } else { Ok(()) }
    }

    /// CRC-32C of the image: which rig it is, and which version of it.
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// Number of sites.
    pub fn sites(&self) -> u16 {
        word(self.head, 6)
    }

    /// Both ends of each coupling.
    pub fn couplings(&self) -> impl ExactSizeIterator<Item = (u16, u16)> + 'a {
        self.couplings
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&[a, b, c, d]| (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])))
    }

    /// Input sites.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = u16> + 'a {
        words(self.inputs)
    }

    /// Output sites.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = u16> + 'a {
        words(self.outputs)
    }

    /// Bits and ranges.
    pub fn converters(&self) -> Converters {
        Converters {
            coupling_bits: self.head[24],
            coupling_range_micro: long(self.head, 28),
            field_bits: self.head[25],
            field_range_micro: long(self.head, 32),
            input_bits: self.head[26],
            iq_bits: self.head[27],
        }
    }

    /// Outputs go safe after this silence, milliseconds.
    pub fn deadman_ms(&self) -> u16 {
        word(self.head, 18)
    }

    /// Serial number.
    pub fn serial(&self) -> &'a str {
        self.serial_bytes().unwrap_or_default()
    }

    fn serial_bytes(&self) -> Option<&'a str> {
        self.head.get(48..48 + usize::from(self.head[38])).and_then(|bytes| core::str::from_utf8(bytes).ok())
    }

    /// Clock of the SPI buses, Hz.
    pub fn spi_hz(&self) -> u32 {
        long(self.head, 40)
    }

    /// What the board needs between two transactions, nanoseconds.
    pub fn gap_ns(&self) -> u32 {
        long(self.head, 44)
    }

    /// What sits at each address.
    pub fn chips(&self) -> impl ExactSizeIterator<Item = ChipKind> + 'a {
        self.chips.iter().map(|byte| ChipKind::from_byte(*byte).unwrap_or(ChipKind::Ad5370))
    }

    /// What sits at an address; `None` if nothing does.
    pub fn kind(&self, chip: u8) -> Option<ChipKind> {
        self.chips.get(usize::from(chip)).and_then(|byte| ChipKind::from_byte(*byte))
    }

    /// Channels of the couplings.
    pub fn coupling_channels(&self) -> impl ExactSizeIterator<Item = Channel> + 'a {
        self.channels_from(0, self.couplings.len() / 4)
    }

    /// Channels of x and y of each site's bias field.
    pub fn field_channels(&self) -> impl ExactSizeIterator<Item = Channel> + 'a {
        self.channels_from(self.couplings.len() / 4, 2 * usize::from(self.sites()))
    }

    /// Channels of the inputs' phases.
    pub fn input_channels(&self) -> impl ExactSizeIterator<Item = Channel> + 'a {
        self.channels_from(self.couplings.len() / 4 + 2 * usize::from(self.sites()), self.inputs.len() / 2)
    }

    /// Channels of I and Q of each site.
    pub fn read_channels(&self) -> impl ExactSizeIterator<Item = Channel> + 'a {
        self.channels_from(self.safe.len() / 2, 2 * usize::from(self.sites()))
    }

    fn channels_from(&self, first: usize, count: usize) -> impl ExactSizeIterator<Item = Channel> + 'a {
        let pairs = self.channels.as_chunks::<2>().0;
        pairs.iter().skip(first).take(count).map(|&[chip, channel]| Channel { chip, channel })
    }

    /// Safe codes of the couplings.
    pub fn safe_couplings(&self) -> impl ExactSizeIterator<Item = DacCode> + 'a {
        words(self.safe).take(self.couplings.len() / 4).map(DacCode)
    }

    /// Safe codes of the bias fields.
    pub fn safe_fields(&self) -> impl ExactSizeIterator<Item = DacCode> + 'a {
        words(self.safe).skip(self.couplings.len() / 4).take(2 * usize::from(self.sites())).map(DacCode)
    }

    /// Safe phases of the inputs.
    pub fn safe_inputs(&self) -> impl ExactSizeIterator<Item = Turn> + 'a {
        words(self.safe).skip(self.couplings.len() / 4 + 2 * usize::from(self.sites())).map(Turn)
    }

    /// How long its buses are busy: every transaction takes its bits and the gap.
    pub fn times(&self) -> Times {
        let gap_ns = u64::from(self.gap_ns());
        let transaction_ns = |kind: ChipKind| {
            gap_ns + (u64::from(kind.bits_on_the_bus()) * 1_000_000_000).div_ceil(u64::from(self.spi_hz()))
        };
        let of = |channel: Channel| self.kind(channel.chip).map_or(0, transaction_ns);
        let us = |ns: u64| u32::try_from(ns.div_ceil(1000)).unwrap_or(u32::MAX);
        let fields_ns: u64 = self.field_channels().map(of).sum();
        let others_ns: u64 = self.coupling_channels().chain(self.input_channels()).map(of).sum();
        let conversion_ns = self.chips().map(|kind| u64::from(kind.conversion_ns())).max().unwrap_or(0);
        let shifting_ns: u64 = self.chips().filter(|kind| !kind.is_dac()).map(transaction_ns).sum();
        let read_ns = conversion_ns + shifting_ns;
        Times { generation_us: us(fields_ns + others_ns), fields_us: us(fields_ns), read_us: us(read_ns) }
    }
}

fn word(bytes: &[u8], index: usize) -> u16 {
    u16::from_le_bytes([bytes[2 * index], bytes[2 * index + 1]])
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn words(bytes: &[u8]) -> impl ExactSizeIterator<Item = u16> + '_ {
    bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair))
}
