//! Bits in bytes, the lowest bit of a byte first.

/// Writes bits to the front of a slice; what does not fit is dropped, so its owner checks [`BitWriter::room`] first.
#[derive(Debug)]
pub struct BitWriter<'o> {
    out: &'o mut [u8],
    /// Whole bytes written.
    at: usize,
    /// Bits that wait for their byte, fewer than 8 between two calls.
    held: u64,
    held_bits: u32,
}

impl<'o> BitWriter<'o> {
    pub fn new(out: &'o mut [u8]) -> Self {
        Self { out, at: 0, held: 0, held_bits: 0 }
    }

    /// Bits that still fit.
    pub fn room(&self) -> usize {
        8 * (self.out.len() - self.at) - self.held_bits as usize
    }

    /// Writes the lowest `bits` of a value, at most 32; the others must be 0.
    pub fn put(&mut self, value: u32, bits: u32) {
        self.held |= u64::from(value) << self.held_bits;
        self.held_bits += bits;
        while self.held_bits >= 8 {
            self.flush();
        }
    }

    /// Fills the last byte up with zeros; the number of bytes written.
    pub fn finish(mut self) -> usize {
        if self.held_bits > 0 {
            self.flush();
        }
        self.at
    }

    fn flush(&mut self) {
        if let Some(place) = self.out.get_mut(self.at) {
            *place = self.held as u8;
            self.at += 1;
        }
        self.held >>= 8;
        self.held_bits = self.held_bits.saturating_sub(8);
    }
}

/// Reads what [`BitWriter`] wrote.
#[derive(Debug)]
pub struct BitReader<'b> {
    rest: &'b [u8],
    held: u64,
    held_bits: u32,
}

impl<'b> BitReader<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes, held: 0, held_bits: 0 }
    }

    /// Takes bytes in until 32 bits and more are at hand, or none are left.
    fn fill(&mut self) {
        while self.held_bits <= 56
            && let Some((&byte, rest)) = self.rest.split_first()
        {
            self.held |= u64::from(byte) << self.held_bits;
            self.held_bits += 8;
            self.rest = rest;
        }
    }

    /// The next `bits`, at most 32; `None` if there are fewer.
    pub fn take(&mut self, bits: u32) -> Option<u32> {
        if self.held_bits < bits {
            self.fill();
        }
        self.held_bits = self.held_bits.checked_sub(bits)?;
        let value = self.held & ((1 << bits) - 1);
        self.held >>= bits;
        Some(value as u32)
    }

    /// Zeros in front of the next one, which is taken too; or `most` zeros, and nothing behind them. `None` if the bytes
    /// end before.
    pub fn zeros(&mut self, most: u32) -> Option<u32> {
        if self.held_bits <= most {
            self.fill();
        }
        let zeros = self.held.trailing_zeros().min(most);
        let taken = if zeros == most { most } else { zeros + 1 };
        self.held_bits = self.held_bits.checked_sub(taken)?;
        self.held >>= taken;
        Some(zeros)
    }

    /// Whether nothing is left but the zeros that fill the last byte.
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty() && self.held_bits < 8 && self.held == 0
    }
}
