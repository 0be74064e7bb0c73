//! Bytes read as a script: numbers and pieces from the front, zeros once they are used up.
//!
//! Reading never fails and takes at least one byte while there are any, so a loop `while !script.is_empty()` ends.

/// What is left of a fuzzer's bytes.
#[derive(Clone, Debug)]
pub struct Script<'d> {
    rest: &'d [u8],
}

impl<'d> Script<'d> {
    /// All of it.
    pub fn new(data: &'d [u8]) -> Self {
        Self { rest: data }
    }

    /// Whether it is used up.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'d [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Up to `n` bytes.
    pub fn piece(&mut self, n: usize) -> &'d [u8] {
        let (piece, rest) = self.rest.split_at(n.min(self.rest.len()));
        self.rest = rest;
        piece
    }

    /// A piece behind its length, which is one byte.
    pub fn short_piece(&mut self) -> &'d [u8] {
        let length = self.byte();
        self.piece(length.into())
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let piece = self.piece(N);
        array[..piece.len()].copy_from_slice(piece);
        array
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    /// A byte below `n`, which must not be 0.
    pub fn below(&mut self, n: u8) -> u8 {
        self.byte() % n
    }

    /// A byte's lowest bit.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Two bytes, little endian.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// Four bytes, little endian.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// Eight bytes, little endian.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }
}
