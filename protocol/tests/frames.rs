//! Frames: round trips, any cut of the stream, faults of every kind, and nothing wrong ever accepted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    Rng,
    frames::{cobs_encode, encode, header, payload},
};
use proptest::prelude::*;
use xyloop_protocol::crc::{Crc32c, crc32c};
use xyloop_protocol::frame::{self, Deframer, DeframerCounters, EncodeError, Header, Kind, Role};

/// All frames in `bytes`, fed in one piece.
fn deframe(bytes: &[u8], storage: usize) -> (Vec<(Header, Vec<u8>)>, DeframerCounters) {
    let mut storage = vec![0; storage];
    let mut deframer = Deframer::new(&mut storage);
    let (mut rest, mut frames) = (bytes, Vec::new());
    while let Some(frame) = deframer.feed(&mut rest) {
        frames.push((frame.header, frame.payload.to_vec()));
    }
    assert!(rest.is_empty());
    (frames, deframer.counters())
}

#[test]
fn crc_is_castagnoli_and_takes_parts() {
    assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    let mut crc = Crc32c::new();
    crc.update(b"1234");
    crc.update(b"");
    crc.update(b"56789");
    assert_eq!(crc.finish(), 0xE306_9283);
}

#[test]
fn the_wire_form_is_as_documented() {
    let header = Header {
        version: 1,
        sender: Role::Device,
        kind: Kind::Accept,
        session: 0x0403_0201,
        seq: 0x0807_0605,
        ack: 0x0C0B_0A09,
        credit: 0x0E0D,
    };
    let content = [0x1B, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xAA];
    let mut expected = vec![0, 21];
    expected.extend(content);
    expected.extend(crc32c(&content).to_le_bytes());
    expected.push(0);
    assert!(!crc32c(&content).to_le_bytes().contains(&0));
    assert_eq!(encode(&header, &[0xAA]), expected);
}

#[test]
fn every_length_round_trips_and_fits_what_is_promised() {
    let mut rng = Rng(1);
    for n in 0..1500 {
        for bytes in [vec![0; n], vec![1; n], rng.bytes(n)] {
            let header = header(&mut rng);
            let wire = encode(&header, &bytes);
            assert!(!wire[1..wire.len() - 1].contains(&0));
            assert!(frame::payload_fitting(frame::encoded_len(n)) >= n);
            assert!(frame::encoded_len(frame::payload_fitting(n)) <= n.max(frame::encoded_len(0)));
            let (frames, counters) = deframe(&wire, frame::storage_len(n));
            assert_eq!(frames, [(header, bytes)]);
            assert_eq!((counters.good, counters.bad()), (1, 0));
        }
    }
}

#[test]
fn an_output_too_small_is_an_error_and_no_panic() {
    let mut rng = Rng(2);
    for n in [0, 1, 200, 233, 234, 235, 236, 488, 489, 490] {
        let (header, bytes) = (header(&mut rng), vec![7; n]);
        let full = encode(&header, &bytes);
        for room in 0..full.len() {
            let mut out = vec![0; room];
            assert_eq!(frame::encode(&header, &[&bytes], &mut out), Err(EncodeError::OutputTooSmall), "{n} {room}");
        }
        let mut out = vec![0; full.len()];
        assert_eq!(frame::encode(&header, &[&bytes], &mut out), Ok(full.len()));
    }
}

#[test]
fn oversized_short_and_unknown_frames_are_counted_and_skipped() {
    let mut rng = Rng(3);
    let good = encode(&header(&mut rng), b"good");
    let big = encode(&header(&mut rng), &[1; 65]);
    let mut wire = [good.clone(), big, good.clone()].concat();
    wire.extend([3, 1, 1, 0]); // three bytes of content: short
    wire.extend([9, 1, 0]); // cut off
    let mut content = vec![0x17; 15]; // kind 7
    content.extend(crc32c(&content).to_le_bytes());
    let mut cobs = vec![0; 64];
    let n = cobs_encode(&content, &mut cobs);
    wire.extend(&cobs[..n]);
    wire.push(0);
    wire.extend(&good);
    let (frames, counters) = deframe(&wire, frame::storage_len(64));
    assert_eq!(frames.len(), 3);
    assert!(frames.iter().all(|f| f.1 == b"good"));
    assert_eq!((counters.good, counters.oversized, counters.short), (3, 1, 1));
    assert_eq!((counters.bad_cobs, counters.unknown_kind, counters.bad_crc), (1, 1, 0));
    // No storage at all is no reason to panic.
    for n in 0..23 {
        let (frames, counters) = deframe(&wire, n);
        assert!(frames.len() <= 3 && counters.oversized > 0);
    }
}

fn check(frames: &[(Header, Vec<u8>)], contents: &[(Header, Vec<u8>)]) {
    assert_eq!(frames.first(), contents.first());
    assert_eq!(frames.last(), contents.last());
    assert!(frames.len() >= 2 && frames.iter().all(|f| contents.contains(f)));
}

/// Whatever one byte turns into, wherever it stands: that frame at most is lost, and the frame behind it arrives.
#[test]
fn a_fault_of_one_byte_costs_at_most_its_frame() {
    let mut rng = Rng(4);
    for round in 0..3 {
        let contents: Vec<_> =
            (0..3).map(|i| (header(&mut rng), payload(&mut rng, [20, 300, 40][(i + round) % 3]))).collect();
        let wires: Vec<_> = contents.iter().map(|(h, p)| encode(h, p)).collect();
        let wire = wires.concat();
        let middle = wires[0].len()..wires[0].len() + wires[1].len();
        let storage = frame::storage_len(300);
        for at in middle.clone() {
            for value in 0..=255 {
                let mut damaged = wire.clone();
                damaged[at] = value;
                let (frames, _) = deframe(&damaged, storage);
                check(&frames, &contents);
            }
            // The byte is lost, or one is added.
            let mut damaged = wire.clone();
            damaged.remove(at);
            check(&deframe(&damaged, storage).0, &contents);
            for value in [0, 1, 0x55, 0xFF] {
                let mut damaged = wire.clone();
                damaged.insert(at, value);
                check(&deframe(&damaged, storage).0, &contents);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_121), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_the_stream_gives_the_same_frames(
        seed: u64,
        count in 1usize..12,
        cuts in proptest::collection::vec(1usize..60, 1..40),
        noise in proptest::collection::vec(any::<u8>(), 0..40),
        shared_delimiters: bool,
    ) {
        let mut rng = Rng(seed);
        let contents: Vec<_> = (0..count).map(|_| (header(&mut rng), payload(&mut rng, 300))).collect();
        let mut wire = noise;
        for (head, body) in &contents {
            let bytes = encode(head, body);
            let skip = usize::from(shared_delimiters && wire.last() == Some(&0));
            wire.extend(&bytes[skip..]);
        }
        let mut storage = vec![0; frame::storage_len(300)];
        let mut deframer = Deframer::new(&mut storage);
        let (mut rest, mut frames, mut cut) = (&wire[..], Vec::new(), cuts.iter().cycle());
        while !rest.is_empty() {
            let n = cut.next().copied().unwrap_or(1).min(rest.len());
            let mut chunk = &rest[..n];
            rest = &rest[n..];
            while let Some(frame) = deframer.feed(&mut chunk) {
                frames.push((frame.header, frame.payload.to_vec()));
            }
            prop_assert!(chunk.is_empty());
        }
        prop_assert_eq!(frames, contents);
    }

    #[test]
    fn parts_make_no_difference(seed: u64, cut_a: prop::sample::Index, cut_b: prop::sample::Index) {
        let mut rng = Rng(seed);
        let (head, body) = (header(&mut rng), payload(&mut rng, 600));
        let (a, b) = (cut_a.index(body.len() + 1), cut_b.index(body.len() + 1));
        let (a, b) = (a.min(b), a.max(b));
        let mut out = vec![0; frame::encoded_len(body.len())];
        let n = frame::encode(&head, &[&body[..a], &body[a..b], &body[b..]], &mut out).unwrap();
        prop_assert_eq!(&out[..n], &encode(&head, &body)[..]);
    }

    /// Arbitrary bytes to both ends of a link, cut anywhere, at any time: no panic, no message.
    #[test]
    fn a_link_survives_arbitrary_bytes(
        chunks in proptest::collection::vec((any::<u64>(), proptest::collection::vec(any::<u8>(), 0..200)), 0..30),
    ) {
        use xyloop_protocol::link::Config;
        let sizes = xyloop_testbench::LinkSizes { payload: 64, receive: 100, send: 100, flight: 64 };
        for role in [Role::Host, Role::Device] {
            let mut link = xyloop_testbench::link(role, sizes, Config::host());
            link.connect(1, b"x", 0).unwrap();
            let mut out = [0; 200];
            for (now, bytes) in &chunks {
                link.receive(*now, bytes);
                for _ in 0..3 {
                    let _ = link.transmit(*now, &mut out);
                }
                prop_assert!(link.front().is_none());
                let _ = link.next_wakeup_us();
            }
        }
    }
}
