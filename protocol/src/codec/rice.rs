//! An adaptive Golomb-Rice code for integers of 16 or 32 bits whose size changes slowly along the array.
//!
//! Values are folded ([`fold16`], [`fold32`]: 0, −1, 1, −2 … become 0, 1, 2, 3 …) and go in blocks of [`BLOCK`], the last
//! one being shorter. A block begins with its parameter k in 4 bits (32-bit values: 5 bits). With M the largest number
//! that fits there:
//!
//! | k | each value v |
//! |---|---|
//! | 0 … M − 2 | v >> k zeros, a one, the k low bits of v; where v >> k is [`LIMIT`] or more: [`LIMIT`] zeros and all its bits |
//! | M − 1 | all are 0, nothing follows |
//! | M | all its bits |
//!
//! Bits fill each byte from its lowest one, numbers their lowest bit first; zeros fill the last byte. So n values never
//! take more than their words and 4 (5) bits for each begun [`BLOCK`]. The number of values is known from elsewhere.
//! k is the encoder's choice; everything else has one form, and a decoder refuses any other.

use super::{
    Damaged,
    bits::{BitReader, BitWriter},
};

/// Values that share a parameter.
pub const BLOCK: usize = 32;
/// Longest run of zeros in front of a value.
pub const LIMIT: u32 = 16;

/// A difference of two 16-bit words, modulo 2^16, as a number that is small if the difference is.
pub const fn fold16(difference: u16) -> u32 {
    let signed = difference as i16;
    ((signed << 1) ^ (signed >> 15)) as u16 as u32
}

/// The difference that was folded.
pub const fn unfold16(folded: u32) -> u16 {
    (folded >> 1) as u16 ^ 0u16.wrapping_sub((folded & 1) as u16)
}

/// A signed number as one that is small if its size is.
pub const fn fold32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

/// The number that was folded.
pub const fn unfold32(folded: u32) -> i32 {
    (folded >> 1) as i32 ^ -((folded & 1) as i32)
}

/// Bits of a block's parameter.
const fn parameter_bits(width: u32) -> u32 {
    if width == 16 { 4 } else { 5 }
}

/// Bytes that so many values of `WIDTH` bits (16 or 32) take at most.
pub const fn most_bytes<const WIDTH: u32>(count: usize) -> usize {
    let bits = count * WIDTH as usize + count.div_ceil(BLOCK) * parameter_bits(WIDTH) as usize;
    bits.div_ceil(8)
}

/// Encodes folded values of `WIDTH` bits (16 or 32), as many whole blocks of them as fit into `out`: how many values that
/// were, and in how many bytes.
pub fn encode_part<const WIDTH: u32>(values: impl IntoIterator<Item = u32>, out: &mut [u8]) -> (usize, usize) {
    let mut writer = BitWriter::new(out);
    let (mut values, mut count) = (values.into_iter(), 0);
    loop {
        let (mut block, mut length) = ([0; BLOCK], 0);
        for (place, value) in block.iter_mut().zip(&mut values) {
            *place = value;
            length += 1;
        }
        let Some(block) = block.get(..length).filter(|block| !block.is_empty()) else { break };
        if !put_block::<WIDTH>(&mut writer, block) {
            break;
        }
        count += length;
    }
    (count, writer.finish())
}

/// Encodes all of these folded values of `WIDTH` bits (16 or 32) to the front of `out`: in how many bytes. `None` if they
/// do not fit; [`most_bytes`] always suffice.
pub fn encode<const WIDTH: u32>(values: impl ExactSizeIterator<Item = u32>, out: &mut [u8]) -> Option<usize> {
    let wanted = values.len();
    let (count, bytes) = encode_part::<WIDTH>(values, out);
    (count == wanted).then_some(bytes)
}

/// A block as a whole, or nothing of it.
fn put_block<const WIDTH: u32>(writer: &mut BitWriter<'_>, block: &[u32]) -> bool {
    let of_parameter = parameter_bits(WIDTH);
    let plain = (1 << of_parameter) - 1;
    let all = block.iter().fold(0, |all, value| all | value);
    let (mut parameter, mut bits) = (plain, WIDTH as usize * block.len());
    if all == 0 {
        (parameter, bits) = (plain - 1, 0);
    }
    // A parameter beyond the longest value's bits cannot be the best one.
    let most = (32 - all.leading_zeros()).min(plain - 2);
    for k in 0..=most {
        let of_value = |value: &u32| {
            let quotient = value >> k;
            if quotient < LIMIT { quotient + 1 + k } else { LIMIT + WIDTH }
        };
        let sum = block.iter().map(of_value).sum::<u32>() as usize;
        if sum < bits {
            (parameter, bits) = (k, sum);
        }
    }
    if writer.room() < bits + of_parameter as usize {
        return false;
    }
    writer.put(parameter, of_parameter);
    for &value in block {
        if parameter == plain {
            writer.put(value, WIDTH);
        } else if parameter < plain - 1 {
            let quotient = value >> parameter;
            if quotient < LIMIT {
                writer.put(1 << quotient, quotient + 1);
                writer.put(value & ((1 << parameter) - 1), parameter);
            } else {
                writer.put(0, LIMIT);
                writer.put(value, WIDTH);
            }
        }
    }
    true
}

/// Decodes `count` folded values of `WIDTH` bits (16 or 32): `take` gets each with its index, in order.
///
/// # Errors
/// [`Damaged`] if the bytes are not exactly those of so many values. What comes before the damage has been taken by then:
/// who must not take a part decodes twice.
pub fn decode<const WIDTH: u32>(coded: &[u8], count: usize, mut take: impl FnMut(usize, u32)) -> Result<(), Damaged> {
    let mut reader = BitReader::new(coded);
    let of_parameter = parameter_bits(WIDTH);
    let plain = (1 << of_parameter) - 1;
    let mut first = 0;
    while first < count {
        let end = first.saturating_add(BLOCK).min(count);
        let parameter = reader.take(of_parameter).ok_or(Damaged)?;
        for index in first..end {
            let value = if parameter == plain {
                reader.take(WIDTH).ok_or(Damaged)?
            } else if parameter == plain - 1 {
                0
            } else {
                value::<WIDTH>(&mut reader, parameter)?
            };
            take(index, value);
        }
        first = end;
    }
    if reader.is_at_end() { Ok(()) } else { Err(Damaged) }
}

fn value<const WIDTH: u32>(reader: &mut BitReader<'_>, parameter: u32) -> Result<u32, Damaged> {
    let quotient = reader.zeros(LIMIT).ok_or(Damaged)?;
    if quotient == LIMIT {
        let value = reader.take(WIDTH).ok_or(Damaged)?;
        // Otherwise it had a shorter form.
        return if value >> parameter >= LIMIT { Ok(value) } else { Err(Damaged) };
    }
    let low = reader.take(parameter).ok_or(Damaged)?;
    let value = u64::from(quotient) << parameter | u64::from(low);
    if value >> WIDTH == 0 { Ok(value as u32) } else { Err(Damaged) }
}
