//! From the bytes of a message to numbers: read-outs and contrast sums, in either codec; and codes into messages.

use xyloop_protocol::{
    codec::{Codec, Damaged, read_out, rice},
    message::{self, CONTRAST_FRACTION_BITS, Generation},
    units::{DacCode, Turn},
};

use super::shot::Equilibrium;

/// Decodes the phases of a read-out of so many words; `shot` is what is known of the shot so far, its free state first.
pub(super) fn phases(data: &[u8], shot: &[Equilibrium], words: usize, codec: Codec) -> Result<Vec<Turn>, Damaged> {
    if data.len() == 2 * words {
        return Ok(data.as_chunks::<2>().0.iter().map(|word| Turn(u16::from_le_bytes(*word))).collect());
    }
    if codec == Codec::Words {
        return Err(Damaged);
    }
    let mut phases = Vec::with_capacity(words);
    // Every read-out of the shot was found to have as many words.
    let earlier = |ordinal: usize, index: usize| {
        shot.get(ordinal).and_then(|state| state.phases.get(index)).map_or(0, |turn| turn.0)
    };
    read_out::decode(data, shot.len(), words, earlier, |word| phases.push(Turn(word)))?;
    Ok(phases)
}

/// Decodes the sums in one message, model units.
pub(super) fn sums(contrast: &message::Contrast<'_>, most: usize) -> Result<Vec<f64>, Damaged> {
    let (bytes, count) = (contrast.sums.0, contrast.count as usize);
    let value = |sum: i32| f64::from(sum) / f64::from(1u32 << CONTRAST_FRACTION_BITS);
    // No message may make us ask for more memory than there are sums.
    if count > most {
        return Err(Damaged);
    }
    match contrast.codec {
        Codec::Words if bytes.len() == 4 * count => {
            Ok(bytes.as_chunks::<4>().0.iter().map(|word| value(i32::from_le_bytes(*word))).collect())
        }
        Codec::Words => Err(Damaged),
        Codec::Delta => {
            let mut values = Vec::with_capacity(count);
            rice::decode::<32>(bytes, count, |_, folded| values.push(value(rice::unfold32(folded))))?;
            Ok(values)
        }
    }
}

/// Holds a piece of a block of codes, ready for a message.
pub(super) struct Piece {
    /// Index of its first code in the block.
    pub first: u32,
    count: u32,
    base: Option<Generation>,
    bytes: Vec<u8>,
}

impl Piece {
    /// Makes one without any codes.
    pub fn empty() -> Self {
        Self { first: 0, count: 0, base: None, bytes: Vec::new() }
    }

    /// Returns them as they travel.
    pub fn codes(&self) -> message::CodeArray<'_> {
        let coded = message::Bytes(&self.bytes);
        match self.base {
            None => message::CodeArray::Words(coded),
            Some(base) => message::CodeArray::Differences(message::Differences { base, count: self.count, coded }),
        }
    }
}

/// Writes codes as they travel, two bytes each.
pub(super) fn bytes_of(codes: &[DacCode]) -> Vec<u8> {
    let mut bytes = vec![0; 2 * codes.len()];
    for (place, code) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(codes) {
        *place = code.0.to_le_bytes();
    }
    bytes
}

/// Cuts a block's codes into pieces of at most so many bytes; those that are `unchanged` are left out.
pub(super) fn pieces_of_words(codes: &[DacCode], unchanged: Option<&[DacCode]>, most_bytes: usize) -> Vec<Piece> {
    let most = (most_bytes / 2).max(1);
    let pieces = codes.chunks(most).enumerate().map(|(index, piece)| (index * most, piece));
    pieces
        .filter(|(first, piece)| unchanged.and_then(|held| held.get(*first..first + piece.len())) != Some(piece))
        .map(|(first, piece)| Piece {
            first: first as u32,
            count: piece.len() as u32,
            base: None,
            bytes: bytes_of(piece),
        })
        .collect()
}

/// Codes a block as differences to what is committed, in pieces of at most so many bytes. Both have one length.
pub(super) fn pieces_of_differences(
    codes: &[DacCode],
    committed: &[DacCode],
    base: Generation,
    most_bytes: usize,
) -> Vec<Piece> {
    // A block of the code that does not fit would never fit.
    let mut buffer = vec![0; most_bytes.max(rice::most_bytes::<16>(rice::BLOCK))];
    let (mut first, mut pieces) = (0, Vec::new());
    while let (Some(codes @ [_, ..]), Some(committed)) = (codes.get(first..), committed.get(first..)) {
        let differences = codes.iter().zip(committed).map(|(code, held)| rice::fold16(code.0.wrapping_sub(held.0)));
        let (count, bytes) = rice::encode_part::<16>(differences, &mut buffer);
        let bytes = buffer.get(..bytes).unwrap_or_default().to_vec();
        pieces.push(Piece { first: first as u32, count: count as u32, base: Some(base), bytes });
        first += count.max(1);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use xyloop_protocol::{message::Bytes, units::Flags};

    fn state(phases: &[u16]) -> Equilibrium {
        Equilibrium {
            segment: 1,
            generation: 1,
            flags: Flags::default(),
            settle_us: 0,
            residual_turn: 0,
            moved_turn: 0,
            phases: phases.iter().map(|word| Turn(*word)).collect(),
        }
    }

    #[test]
    fn read_outs_come_back_in_either_codec_and_differences_only_where_they_were_asked_for() {
        let states: Vec<Vec<u16>> = (0..3u16).map(|s| (0..50u16).map(|i| i * 999 + s * (i % 5)).collect()).collect();
        let mut shot = Vec::new();
        for (ordinal, words) in states.iter().enumerate() {
            let mut out = [0; 100];
            let bytes = read_out::encode(ordinal, 50, |state, index| states[state][index], &mut out).unwrap_or(0);
            let want: Vec<Turn> = words.iter().map(|word| Turn(*word)).collect();
            assert_eq!(phases(&out[..bytes], &shot, 50, Codec::Delta), Ok(want.clone()));
            let plain: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(phases(&plain, &shot, 50, Codec::Words), Ok(want));
            assert!(ordinal == 0 || phases(&out[..bytes], &shot, 50, Codec::Words).is_err());
            assert!(phases(&plain[..99], &shot, 50, Codec::Words).is_err());
            shot.push(state(words));
        }
    }

    #[test]
    fn sums_come_back_in_either_codec_and_no_more_of_them_than_there_can_be() {
        let sums = [0, -1, 1 << 20, i32::MIN, 5];
        let words: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        let mut coded = [0; 64];
        let bytes = rice::encode::<32>(sums.iter().map(|sum| rice::fold32(*sum)), &mut coded).unwrap_or(0);
        let message = |count, codec, sums| message::Contrast {
            shots: 1,
            left_out: 0,
            saturated: false,
            first: 0,
            count,
            codec,
            sums: Bytes(sums),
        };
        for (codec, bytes) in [(Codec::Words, &words[..]), (Codec::Delta, &coded[..bytes])] {
            let values = self::sums(&message(5, codec, bytes), 5);
            assert_eq!(values.as_deref(), Ok(&sums.map(|sum| f64::from(sum) / 1_048_576.0)[..]));
            for (count, most) in [(5, 4), (4, 5), (6, 6), (u32::MAX, 9)] {
                assert_eq!(self::sums(&message(count, codec, bytes), most), Err(Damaged), "{codec:?} {count} {most}");
            }
        }
    }

    #[test]
    fn pieces_of_differences_put_together_are_the_codes() {
        let base = Generation { number: 3, crc: 77 };
        let codes = |step: u16| (0..1000u16).map(|i| DacCode(i.wrapping_mul(step))).collect::<Vec<_>>();
        for (from, to) in [(codes(40_503), codes(40_504)), (codes(7), codes(31_013)), (codes(3), codes(3))] {
            let mut built = from.clone();
            let pieces = pieces_of_differences(&to, &from, base, 200);
            for piece in &pieces {
                let message::CodeArray::Differences(differences) = piece.codes() else { panic!("words") };
                assert!(differences.base == base && differences.coded.0.len() <= 200);
                let place = &mut built[piece.first as usize..][..differences.count as usize];
                let add = |index: usize, folded| place[index].0 = place[index].0.wrapping_add(rice::unfold16(folded));
                assert_eq!(rice::decode::<16>(differences.coded.0, differences.count as usize, add), Ok(()));
            }
            assert!(built == to && (pieces.len() == 1) == (from == to), "{} pieces", pieces.len());
        }
    }
}
