//! One equilibrium's read-out as differences to earlier ones of the same shot.
//!
//! The first equilibrium of a shot, its free state, travels as words, and so does every one that would not be shorter
//! otherwise: a read-out of n words takes 2n bytes then and fewer in all other cases, which is how the two are told
//! apart. A shorter one is a byte r and the Rice code (16 bits, [`rice`]) of n differences, modulo 2^16, to
//!
//! | r | word i of |
//! |---|---|
//! | 0 | the free state f |
//! | from 1 | 2·f − e, the mirror of equilibrium r (counted from 0, so 1 is the first one behind the free state) |
//!
//! r must be less than the equilibrium's own number. The mirror is for symmetric nudging: the response to −β is that to
//! +β with the other sign, up to what is of second order in β. r is the encoder's choice.

use super::{Damaged, rice};

/// Writes the read-out of equilibrium `ordinal` of a shot (0: the free state) to the front of `out`: how many bytes it came
/// to, at most those of its words. `None` if they do not fit. `word` gives word i of the shot's equilibria up to this one.
pub fn encode(ordinal: usize, words: usize, word: impl Fn(usize, usize) -> u16, out: &mut [u8]) -> Option<usize> {
    let difference = |reference: usize, index: usize| {
        rice::fold16(word(ordinal, index).wrapping_sub(predicted(reference, index, &word)))
    };
    // About the bits that they take; the exact number would need the whole code.
    let size = |reference: &usize| (0..words).map(|i| 32 - difference(*reference, i).leading_zeros()).sum::<u32>();
    let shorter = (2 * words).saturating_sub(1).min(out.len());
    if let Some(reference) = (0..ordinal).min_by_key(size)
        && let Some([first, rest @ ..]) = out.get_mut(..shorter)
        && let Some(bytes) = rice::encode::<16>((0..words).map(|index| difference(reference, index)), rest)
    {
        *first = reference as u8;
        return Some(1 + bytes);
    }
    for (index, place) in out.get_mut(..2 * words)?.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        *place = word(ordinal, index).to_le_bytes();
    }
    Some(2 * words)
}

/// Reads what [`encode`] wrote: `take` gets each word, in order. `earlier` gives word i of an equilibrium in front of this
/// one.
///
/// # Errors
/// [`Damaged`] if the data is not exactly that of so many words; part of it has been taken by then.
pub fn decode(
    data: &[u8],
    ordinal: usize,
    words: usize,
    earlier: impl Fn(usize, usize) -> u16,
    mut take: impl FnMut(u16),
) -> Result<(), Damaged> {
    if data.len() == 2 * words {
        data.as_chunks::<2>().0.iter().for_each(|word| take(u16::from_le_bytes(*word)));
        return Ok(());
    }
    let (&reference, coded) = data.split_first().filter(|_| data.len() < 2 * words).ok_or(Damaged)?;
    let reference = usize::from(reference);
    if reference >= ordinal {
        return Err(Damaged);
    }
    rice::decode::<16>(coded, words, |index, folded| {
        take(predicted(reference, index, &earlier).wrapping_add(rice::unfold16(folded)));
    })
}

fn predicted(reference: usize, index: usize, word: &impl Fn(usize, usize) -> u16) -> u16 {
    let free = word(0, index);
    match reference {
        0 => free,
        _ => free.wrapping_mul(2).wrapping_sub(word(reference, index)),
    }
}
