//! Decodes read-outs, each against the earlier ones of its shot, and contrast sums.

use std::collections::HashMap;

use xyloop_protocol::{
    codec::{Codec, read_out, rice},
    message::{Contrast, Equilibria},
    units::ShotId,
};

use crate::heard::Row;

/// The read-outs of every shot so far, to decode the next ones against.
#[derive(Debug, Default)]
pub(crate) struct ReadOuts {
    /// Segments and read-outs of a shot since it was last offered from its beginning.
    shots: HashMap<ShotId, Vec<(u8, Vec<u16>)>>,
}

impl ReadOuts {
    /// Decodes the equilibria of a message.
    pub fn rows(&mut self, equilibria: &Equilibria<'_>) -> Vec<Row> {
        let known = self.shots.entry(equilibria.shot).or_default();
        let mut rows = Vec::new();
        for (segment, row) in equilibria.iter().map(|row| row.expect("whole rows")) {
            // A device offers a shot again from its first equilibrium on.
            if known.last().is_some_and(|(last, _)| *last >= segment) {
                known.clear();
            }
            let (mut data, ordinal) = (Vec::new(), known.len());
            let words = known.first().map_or(row.data.0.len() / 2, |(_, free)| free.len());
            let earlier = |state: usize, index: usize| known[state].1[index];
            read_out::decode(row.data.0, ordinal, words, earlier, |word| data.push(word)).expect("a read-out");
            known.push((segment, data.clone()));
            rows.push(Row {
                shot: equilibria.shot,
                segment,
                generation: equilibria.generation,
                origin: equilibria.origin,
                flags: row.flags,
                settle_us: row.settle_us,
                residual_turn: row.residual_turn,
                moved_turn: row.moved_turn,
                data,
            });
        }
        rows
    }
}

/// Decodes a part of the contrast sums.
pub(crate) fn sums_of(contrast: &Contrast<'_>) -> Vec<i32> {
    let bytes = contrast.sums.0;
    let mut sums = Vec::new();
    match contrast.codec {
        Codec::Words => sums.extend(bytes.as_chunks::<4>().0.iter().map(|word| i32::from_le_bytes(*word))),
        Codec::Delta => {
            let take = |_, folded| sums.push(rice::unfold32(folded));
            rice::decode::<32>(bytes, contrast.count as usize, take).expect("sums");
        }
    }
    assert_eq!(sums.len(), contrast.count as usize);
    sums
}
