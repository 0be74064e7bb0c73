//! Results as they travel: the equilibria of one shot, as many in a message as fit, with what they have in common said
//! once.

use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

use super::{Bytes, Event, Report, encode, encode_in_front};
use crate::{
    codec::Damaged,
    origin::Origin,
    units::{Flags, ShotId},
};

/// Successive equilibria of one shot. A shot may come in several of these, in the order of its segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Equilibria<'a> {
    /// The shot.
    pub shot: ShotId,
    /// Number of the generation in force.
    pub generation: u32,
    /// Names the plan (with it run and couplings) and the shot it was measured under.
    pub origin: Origin,
    /// Index of the first one's segment in the plan; the others follow segment by segment.
    pub first: u8,
    /// [`Equilibrium`] after [`Equilibrium`].
    #[serde(borrow)]
    pub rows: Bytes<'a>,
}

/// One settled and read state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Equilibrium<'a> {
    /// What was noticed.
    pub flags: Flags,
    /// Time from the segment's start until the read, microseconds.
    pub settle_us: u32,
    /// Largest change between the last two windows, 2^-16 turns.
    pub residual_turn: u16,
    /// Largest distance of a site from the shot's free state, 2^-16 turns (0 for the free state itself).
    pub moved_turn: u16,
    /// The read-out asked for, in the plan's codec: little-endian words, or as [`crate::codec::read_out`] says.
    #[serde(borrow)]
    pub data: Bytes<'a>,
}

impl<'a> Equilibria<'a> {
    /// Each equilibrium with the index of its segment; ends with an error if the rows are damaged. There is at least one,
    /// or an error.
    pub fn iter(&self) -> impl Iterator<Item = Result<(u8, Equilibrium<'a>), Damaged>> + use<'a> {
        let (mut rest, mut segment, mut begun) = (self.rows.0, Some(self.first), false);
        core::iter::from_fn(move || {
            if rest.is_empty() && begun {
                return None;
            }
            begun = true;
            let taken = segment.zip(postcard::take_from_bytes(core::mem::take(&mut rest)).ok());
            Some(taken.ok_or(Damaged).map(|(of, (row, behind))| {
                (rest, segment) = (behind, of.checked_add(1));
                (of, row)
            }))
        })
    }
}

/// Bytes in front of the rows, at most.
const HEAD: usize = 32;
/// Bytes of an equilibrium in front of its read-out, at most.
const ROW_HEAD: usize = 18;

/// Puts a message of equilibria together in one buffer: rows first, the head in front of them at last.
#[derive(Debug)]
pub struct EquilibriaWriter<'o> {
    out: &'o mut [u8],
    end: usize,
}

impl<'o> EquilibriaWriter<'o> {
    /// Bytes of a buffer that takes an equilibrium with this many bytes of read-out.
    pub const fn most_bytes(read_out: usize) -> usize {
        HEAD + ROW_HEAD + read_out
    }

    /// No rows yet.
    pub fn new(out: &'o mut [u8]) -> Self {
        Self { out, end: HEAD }
    }

    /// Appends an equilibrium: `write` puts its read-out to the front of the slice it is given, of at most `most` bytes,
    /// and says how many bytes it came to, or that they do not fit. `row.data` is not looked at. `false` if there is no
    /// room: nothing is appended then.
    pub fn push(&mut self, row: &Equilibrium<'_>, most: usize, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> bool {
        let data = self.end + ROW_HEAD;
        let Some(place) = self.out.get_mut(data..) else { return false };
        let room = place.len().min(most);
        let Some(length) = place.get_mut(..room).and_then(write) else { return false };
        let length = length.min(room);
        let Some(head) = self.out.get_mut(self.end..data).and_then(|head| {
            // `data` is its length and the bytes.
            let row = (row.flags, row.settle_us, row.residual_turn, row.moved_turn, length as u32);
            encode(&row, head).map(<[u8]>::len)
        }) else {
            return false;
        };
        self.out.copy_within(data..data + length, self.end + head);
        self.end += head + length;
        true
    }

    /// The whole message, unasked, of these rows; `head.rows` is not looked at. `None` if there are none.
    pub fn finish(self, head: Equilibria<'_>) -> Option<&'o [u8]> {
        let event = Event { tag: 0, report: Report::Equilibria(Equilibria { rows: Bytes(&[]), ..head }) };
        if self.end > HEAD { encode_in_front(&event, self.out, HEAD..self.end) } else { None }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::message::decode;
    use std::vec::Vec;

    const WIDEST: Equilibrium<'static> = Equilibrium {
        flags: Flags(u16::MAX),
        settle_us: u32::MAX,
        residual_turn: u16::MAX,
        moved_turn: u16::MAX,
        data: Bytes(&[]),
    };

    #[test]
    fn what_is_put_together_is_what_is_taken_apart() {
        let head = Equilibria {
            shot: u64::MAX,
            generation: u32::MAX,
            origin: Origin([1, 2, 3, 4]),
            first: 1,
            rows: Bytes(&[]),
        };
        let read_out: Vec<u8> = (0..900u32).map(|i| i as u8).collect();
        let mut buffer = std::vec![0; EquilibriaWriter::most_bytes(900) + ROW_HEAD + 3];
        let mut writer = EquilibriaWriter::new(&mut buffer);
        let mut push = |row: Equilibrium<'_>, most: usize| {
            writer.push(&row, most, |place| {
                place.get_mut(..most)?.copy_from_slice(&read_out[..most]);
                Some(most)
            })
        };
        assert!(push(WIDEST, 900), "as many bytes as were stated");
        assert!(push(Equilibrium::default(), 3) && !push(WIDEST, 30));
        let message = writer.finish(head).unwrap_or_default();
        let Some(Event { tag: 0, report: Report::Equilibria(equilibria) }) = decode(message) else {
            panic!("{message:?}")
        };
        assert_eq!(Equilibria { rows: Bytes(&[]), ..equilibria }, head);
        let rows: Result<Vec<_>, _> = equilibria.iter().collect();
        let small = Equilibrium { data: Bytes(&read_out[..3]), ..Equilibrium::default() };
        assert_eq!(rows, Ok(std::vec![(1, Equilibrium { data: Bytes(&read_out), ..WIDEST }), (2, small)]));
        assert_eq!(EquilibriaWriter::new(&mut [0; 99]).finish(head), None, "nothing to tell");
    }

    #[test]
    fn damaged_rows_end_with_an_error() {
        for (first, bytes, good) in [(1, &[0, 5, 0, 0, 2, 7, 7, 0][..], 1), (1, &[], 0), (255, &[0; 10], 1)] {
            let equilibria = Equilibria { first, rows: Bytes(bytes), ..Equilibria::default() };
            let rows: Vec<_> = equilibria.iter().collect();
            assert_eq!((rows.len(), rows.iter().filter(|row| row.is_ok()).count()), (good + 1, good), "{rows:?}");
        }
    }
}
