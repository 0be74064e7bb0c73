//! Writes rig images: on the host, for boards.

use xyloop_protocol::{crc::crc32c, wiring::Converters};

#[cfg(doc)]
use super::RigImage;
use super::{Channel, ChipKind, HEAD, MAGIC, SERIAL_MAX, VERSION};

/// What an image is made of. Lengths: couplings M, sites N, inputs K; see each field.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Sites, N.
    pub sites: u16,
    /// Both ends of each coupling, M of them.
    pub couplings: &'a [(u16, u16)],
    /// Input sites, K of them.
    pub inputs: &'a [u16],
    /// Output sites.
    pub outputs: &'a [u16],
    /// Bits and ranges.
    pub converters: Converters,
    /// Outputs go safe after this silence, milliseconds.
    pub deadman_ms: u16,
    /// Serial number announced, at most [`SERIAL_MAX`] bytes.
    pub serial: &'a str,
    /// Clock of the SPI buses, Hz.
    pub spi_hz: u32,
    /// What the board needs between two transactions, nanoseconds.
    pub gap_ns: u32,
    /// What sits at each address of the chip-select expander.
    pub chips: &'a [ChipKind],
    /// Channels of couplings (M), of x and y of each site (2 N), of inputs (K), of I and Q of each site (2 N).
    pub channels: &'a [Channel],
    /// Safe codes of couplings (M), of x and y of each site (2 N), of inputs (K: turns).
    pub safe: &'a [u16],
}

impl Parts<'_> {
    /// Bytes of the image.
    pub const fn len(&self) -> usize {
        HEAD + self.chips.len().next_multiple_of(2)
            + 4 * self.couplings.len()
            + 2 * (self.inputs.len() + self.outputs.len() + self.channels.len() + self.safe.len())
            + 4
    }

    /// Never: an image has a head.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Writes the image and returns its length; `None` if `out` is shorter than [`len`](Self::len) or the serial number too
    /// long. Whether its parts fit together is for [`RigImage::parse`] to say.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let length = self.len();
        if self.serial.len() > SERIAL_MAX {
            return None;
        }
        let out = out.get_mut(..length)?;
        let mut writer = Writer { out, at: 0 };
        let c = &self.converters;
        writer.put(MAGIC);
        writer.put(&VERSION.to_le_bytes());
        writer.put(&(self.chips.len() as u16).to_le_bytes());
        writer.put(&(length as u32).to_le_bytes());
        writer.put(&self.sites.to_le_bytes());
        writer.put(&(self.inputs.len() as u16).to_le_bytes());
        writer.put(&(self.couplings.len() as u32).to_le_bytes());
        writer.put(&(self.outputs.len() as u16).to_le_bytes());
        writer.put(&[0; 2]);
        writer.put(&[c.coupling_bits, c.field_bits, c.input_bits, c.iq_bits]);
        writer.put(&c.coupling_range_micro.to_le_bytes());
        writer.put(&c.field_range_micro.to_le_bytes());
        writer.put(&self.deadman_ms.to_le_bytes());
        writer.put(&[self.serial.len() as u8, 0]);
        writer.put(&self.spi_hz.to_le_bytes());
        writer.put(&self.gap_ns.to_le_bytes());
        writer.put(self.serial.as_bytes());
        writer.put(&[0; SERIAL_MAX][self.serial.len()..]);
        for kind in self.chips {
            writer.put(&[*kind as u8]);
        }
        writer.put(&[0; 1][..self.chips.len() % 2]);
        for (a, b) in self.couplings {
            writer.put(&a.to_le_bytes());
            writer.put(&b.to_le_bytes());
        }
        for word in self.inputs.iter().chain(self.outputs) {
            writer.put(&word.to_le_bytes());
        }
        for at in self.channels {
            writer.put(&[at.chip, at.channel]);
        }
        for word in self.safe {
            writer.put(&word.to_le_bytes());
        }
        let crc = crc32c(&writer.out[..writer.at]);
        writer.put(&crc.to_le_bytes());
        Some(length)
    }
}

struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}
