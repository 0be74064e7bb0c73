//! Target `deframer`: any bytes, cut anywhere.
//!
//! The first byte chooses the storage, the second whether the rest is the line as it is or a script of pieces: raw,
//! framed with a right CRC, framed with a wrong one, framed without its opening delimiter.

use xyloop_protocol::frame::{self, Deframer, DeframerCounters, Header};

use crate::{
    script::Script,
    wire::{frame_around, framed},
};

/// Storage lengths: none, too short for any frame, just an empty payload, and more.
const STORAGE: [usize; 6] = [0, 18, 19, 64, 300, 1200];

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let storage = STORAGE[usize::from(script.byte()) % STORAGE.len()];
    let cuts = script.u16();
    let line = if script.flag() { composed(&mut script) } else { script.rest().to_vec() };

    let (whole, counters) = frames(storage, &line, |_| usize::MAX);
    let (cut, same) = frames(storage, &line, |at| 1 + (at.wrapping_mul(usize::from(cuts) | 1) >> 3) % 97);
    assert_eq!(whole, cut, "chunks change what is accepted");
    assert_eq!(counters, same, "chunks change what is counted");

    assert_eq!(counters.good as usize, whole.len());
    let delimiters = line.iter().filter(|byte| **byte == 0).count();
    // A frame that is too long is counted before its delimiter.
    assert!((counters.good + counters.bad - counters.oversized) as usize <= delimiters);
    assert!(counters.oversized as usize <= delimiters + 1);

    for (header, payload) in &whole {
        let mut out = vec![0xAA; frame::encoded_len(payload.len())];
        let (front, back) = payload.split_at(payload.len() / 3);
        let written = frame::encode(header, &[front, back], &mut out).expect("this length always suffices");
        assert_eq!(out[..written], framed(header, payload), "two implementations differ");
        let (again, _) = frames(storage, &out[..written], |_| 7);
        assert_eq!(again, [(*header, payload.clone())], "a frame does not survive");
    }
}

fn composed(script: &mut Script<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    while !script.is_empty() {
        let how = script.below(4);
        let piece = script.short_piece();
        match how {
            0 => line.extend_from_slice(piece),
            1 => line.extend(frame_around(piece, 0)),
            2 => line.extend(frame_around(piece, 1)),
            _ => line.extend(&frame_around(piece, 0)[1..]),
        }
    }
    line
}

/// What a deframer did with a line.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    good: u32,
    bad: u32,
    oversized: u32,
    all: DeframerCounters,
}

fn frames(storage: usize, line: &[u8], cut: impl Fn(usize) -> usize) -> (Vec<(Header, Vec<u8>)>, Counted) {
    let mut storage = vec![0x55; storage];
    let mut deframer = Deframer::new(&mut storage);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < line.len() {
        let end = at.saturating_add(cut(at)).min(line.len());
        let mut chunk = &line[at..end];
        while let Some(frame) = deframer.feed(&mut chunk) {
            found.push((frame.header, frame.payload.to_vec()));
        }
        assert!(chunk.is_empty(), "bytes were left");
        at = end;
    }
    let most = deframer.max_payload();
    assert!(found.iter().all(|(_, payload)| payload.len() <= most));
    let all = deframer.counters();
    (found, Counted { good: all.good, bad: all.bad(), oversized: all.oversized, all })
}
