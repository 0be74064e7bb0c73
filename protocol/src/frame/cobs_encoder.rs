//! COBS, encoding: zeros are removed by cutting the content at each of them. Bytes between two zeros are copied as they
//! are.

use super::EncodeError;

/// Longest run of bytes without a zero in one piece.
const RUN_MAX: usize = 254;

/// Writes content that comes in parts.
pub(super) struct CobsEncoder<'o> {
    out: &'o mut [u8],
    /// Place of the code byte of the piece at hand.
    code: usize,
    /// Bytes of that piece so far.
    run: usize,
}

impl<'o> CobsEncoder<'o> {
    /// Nothing written yet.
    pub fn new(out: &'o mut [u8]) -> Self {
        Self { out, code: 0, run: 0 }
    }

    /// Takes the next bytes of the content.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), EncodeError> {
        while !bytes.is_empty() {
            // A full piece takes no zero with it, and is ended only if something follows.
            if self.run == RUN_MAX {
                self.end_piece(0xff)?;
            }
            let most = bytes.get(..RUN_MAX - self.run).unwrap_or(bytes);
            let run = most.iter().position(|byte| *byte == 0).unwrap_or(most.len());
            let (copied, rest) = bytes.split_at_checked(run).unwrap_or((bytes, &[]));
            let start = self.code + 1 + self.run;
            let place = self.out.get_mut(start..start + run).ok_or(EncodeError::OutputTooSmall)?;
            place.copy_from_slice(copied);
            self.run += run;
            bytes = rest;
            if run < most.len() {
                self.end_piece(self.run as u8 + 1)?;
                bytes = bytes.get(1..).unwrap_or_default();
            }
        }
        Ok(())
    }

    fn end_piece(&mut self, code: u8) -> Result<(), EncodeError> {
        *self.out.get_mut(self.code).ok_or(EncodeError::OutputTooSmall)? = code;
        self.code += 1 + self.run;
        self.run = 0;
        Ok(())
    }

    /// Ends the last piece; bytes written in all.
    pub fn finish(mut self) -> Result<usize, EncodeError> {
        self.end_piece(self.run as u8 + 1)?;
        Ok(self.code)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{vec, vec::Vec};

    use super::*;

    fn encode(content: &[u8], cut: usize) -> Vec<u8> {
        let mut out = vec![0xaa; cobs::max_encoding_length(content.len())];
        let mut encoder = CobsEncoder::new(&mut out);
        let (front, back) = content.split_at(cut.min(content.len()));
        encoder.push(front).unwrap_or_else(|error| unreachable!("{error}"));
        encoder.push(back).unwrap_or_else(|error| unreachable!("{error}"));
        let length = encoder.finish().unwrap_or_else(|error| unreachable!("{error}"));
        out.truncate(length);
        out
    }

    #[test]
    fn it_is_the_usual_encoding_wherever_zeros_and_cuts_are() {
        for length in (0..20).chain(250..260).chain(505..515) {
            for zero in (0..length).step_by(3).chain([length, usize::MAX]) {
                let mut content: Vec<u8> = (0..length).map(|at| (at % 255) as u8 + 1).collect();
                if let Some(byte) = content.get_mut(zero) {
                    *byte = 0;
                }
                let mut want = vec![0; cobs::max_encoding_length(length)];
                let mut usual = cobs::CobsEncoder::new(&mut want);
                assert!(usual.push(&content).is_ok());
                let end = usual.finalize();
                want.truncate(end);
                for cut in [0, 1, 100, 254, 255, length] {
                    assert_eq!(encode(&content, cut), want, "{length} bytes, zero at {zero}, cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn a_short_output_is_an_error_and_not_overrun() {
        let content = [1, 2, 0, 3];
        for length in 0..5 {
            let mut out = vec![0; length];
            let mut encoder = CobsEncoder::new(&mut out);
            assert!(encoder.push(&content).and_then(|()| encoder.finish()).is_err(), "{length}");
        }
    }
}
