//! Finds where frames end in a stream of bytes cut anywhere, good ones and damaged ones alike.

use std::vec::Vec;

use super::encoded_len;

/// Longest frame in bytes on the line; what is longer without a delimiter is taken for a frame of this length.
pub const FRAME_MAX: usize = encoded_len(u16::MAX as usize);

/// Collects bytes up to and including the `00` that follows at least one other byte.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assembler {
    bytes: Vec<u8>,
    /// A byte other than `00` is among them.
    content: bool,
}

impl Assembler {
    /// Takes bytes from the front of `input` until a frame is complete or `input` is empty. Delimiters in front of a
    /// frame are part of it. At [`FRAME_MAX`] bytes what is there is handed out as it is.
    pub fn next_frame(&mut self, input: &mut &[u8]) -> Option<Vec<u8>> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.bytes.push(byte);
            let closed = byte == 0 && self.content;
            self.content |= byte != 0;
            if closed || self.bytes.len() >= FRAME_MAX {
                self.content = false;
                return Some(std::mem::take(&mut self.bytes));
            }
        }
        None
    }

    /// Bytes of the frame that is not complete yet.
    pub fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the frame that is not complete yet.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.content = false;
    }
}
