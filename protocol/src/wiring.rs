//! The wiring fingerprint: one 64-bit number by which host and device agree on what is connected to what.
//!
//! It covers the sites, every coupling's two ends in the order of its codes, the input and output sites in the order
//! of their codes, and each converter's bits and range. It is FNV-1a (64 bit) over the little-endian listing below:
//! it tells mistakes apart, it is no protection against malice.

/// What is connected to what, as far as codes on the wire depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Wiring<'a> {
    /// Number of sites.
    pub sites: u16,
    /// Both ends of each coupling, in the order in which coupling codes travel.
    pub couplings: &'a [(u16, u16)],
    /// Clamped sites, in the order in which input codes travel.
    pub inputs: &'a [u16],
    /// Read and nudged sites, in the order in which targets travel.
    pub outputs: &'a [u16],
    /// Converters.
    pub converters: Converters,
}

/// Resolution and range of the four kinds of converter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Converters {
    /// Bits of a coupling DAC, 2 to 16.
    pub coupling_bits: u8,
    /// Full scale of a coupling DAC, ± millionths of the model's unit of W.
    pub coupling_range_micro: u32,
    /// Bits of a bias-field DAC (two per site), 2 to 16.
    pub field_bits: u8,
    /// Full scale of a bias-field DAC, ± millionths of the model's unit of h.
    pub field_range_micro: u32,
    /// Bits of an input's phase DAC, in codes per turn, 2 to 16.
    pub input_bits: u8,
    /// Bits of an I/Q ADC, 2 to 16.
    pub iq_bits: u8,
}

impl Wiring<'_> {
    /// The fingerprint.
    pub fn hash(&self) -> u64 {
        let mut hash = Fnv1a::new();
        hash.write(b"xyloop wiring 1");
        hash.write(&self.sites.to_le_bytes());
        hash.write(&(self.couplings.len() as u32).to_le_bytes());
        for (a, b) in self.couplings {
            hash.write(&a.to_le_bytes());
            hash.write(&b.to_le_bytes());
        }
        for list in [self.inputs, self.outputs] {
            hash.write(&(list.len() as u32).to_le_bytes());
            for site in list {
                hash.write(&site.to_le_bytes());
            }
        }
        let c = &self.converters;
        hash.write(&[c.coupling_bits, c.field_bits, c.input_bits, c.iq_bits]);
        hash.write(&c.coupling_range_micro.to_le_bytes());
        hash.write(&c.field_range_micro.to_le_bytes());
        hash.0
    }
}

struct Fnv1a(u64);

impl Fnv1a {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_agrees_with_its_published_vectors() {
        let mut hash = Fnv1a::new();
        assert_eq!(hash.0, 0xcbf2_9ce4_8422_2325);
        hash.write(b"foobar");
        assert_eq!(hash.0, 0x8594_4171_f739_67e8);
    }
}
