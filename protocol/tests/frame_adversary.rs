//! Nothing wrong is ever accepted: 10⁹ random bytes, 10⁷ damaged frames.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    Rng,
    frames::{cobs_encode, encode, header, payload},
};
use xyloop_protocol::frame::{self, Deframer};

/// A billion random bytes, in four parts that can run side by side.
fn random_bytes_hold_no_frame(seed: u64) {
    let mut rng = Rng(seed);
    let mut storage = [0; 300];
    let mut deframer = Deframer::new(&mut storage);
    let mut chunk = vec![0; 10_000];
    for round in 0..25_000 {
        rng.fill(&mut chunk);
        if round % 2 == 1 {
            // More delimiters, so that there are frames of every length.
            for byte in &mut chunk {
                *byte = if *byte < 6 { 0 } else { *byte };
            }
        }
        assert_eq!(deframer.feed(&mut &chunk[..]), None);
    }
    // And fifty million bytes of random content in right COBS, so that only the CRC stands in the way.
    let mut out = [0; 80];
    for _ in 0..1_250_000 {
        let length = 15 + rng.below(50);
        let n = cobs_encode(&rng.bytes(length), &mut out);
        out[n] = 0;
        assert_eq!(deframer.feed(&mut &out[..=n]), None);
    }
    let counters = deframer.counters();
    println!("{counters:?}");
    assert!(
        counters.bad_crc > 40_000
            && counters.bad_cobs > 100_000
            && counters.oversized > 1_000
            && counters.short > 1_000
    );
}

/// Ten million damaged frames, in four parts: 1–8 bits flipped, bytes put in, bytes lost, spans repeated. None may pass as something else.
fn no_wrong_frame_is_accepted(seed: u64) {
    let mut rng = Rng(seed);
    let (mut wrong, mut passed, mut damaged_count) = (0u32, 0u32, 0u32);
    let mut storage = vec![0; frame::storage_len(256)];
    let mut deframer = Deframer::new(&mut storage);
    for _ in 0..2_500_000 {
        let most = [16, 64, 200][rng.below(3)];
        let (head, body) = (header(&mut rng), payload(&mut rng, most));
        let clean = encode(&head, &body);
        let mut wire = clean.clone();
        for _ in 0..=rng.below(8) {
            let at = rng.below(wire.len());
            if wire.len() < 3 {
                break;
            }
            match rng.below(10) {
                0..=5 => wire[at] ^= 1 << rng.below(8),
                6 | 7 => wire.insert(at, if rng.chance(0.3) { 0 } else { rng.next() as u8 }),
                8 => drop(wire.remove(at)),
                _ => wire.truncate(at.max(1)),
            }
        }
        damaged_count += u32::from(wire != clean);
        wire.push(0);
        let mut rest = &wire[..];
        while let Some(frame) = deframer.feed(&mut rest) {
            if frame.header == head && frame.payload == body {
                passed += 1;
            } else {
                wrong += 1;
            }
        }
    }
    println!("{damaged_count} damaged, {passed} still whole, {wrong} wrong; {:?}", deframer.counters());
    assert_eq!(wrong, 0);
    assert!(damaged_count > 2_400_000);
}

#[test]
fn a_quarter_of_a_billion_random_bytes_hold_no_frame_0() {
    random_bytes_hold_no_frame(50);
}

#[test]
fn no_wrong_frame_in_two_and_a_half_million_faults_0() {
    no_wrong_frame_is_accepted(60);
}

#[test]
fn a_quarter_of_a_billion_random_bytes_hold_no_frame_1() {
    random_bytes_hold_no_frame(51);
}

#[test]
fn no_wrong_frame_in_two_and_a_half_million_faults_1() {
    no_wrong_frame_is_accepted(61);
}

#[test]
fn a_quarter_of_a_billion_random_bytes_hold_no_frame_2() {
    random_bytes_hold_no_frame(52);
}

#[test]
fn no_wrong_frame_in_two_and_a_half_million_faults_2() {
    no_wrong_frame_is_accepted(62);
}

#[test]
fn a_quarter_of_a_billion_random_bytes_hold_no_frame_3() {
    random_bytes_hold_no_frame(53);
}

#[test]
fn no_wrong_frame_in_two_and_a_half_million_faults_3() {
    no_wrong_frame_is_accepted(63);
}
