//! Each fault does what it says, as often as it says, whatever the chunking.

use proptest::prelude::*;
use xyloop_protocol::{
    fault::{BURST_US, FaultCounts, FaultInjector, Faults, HELD_MAX, REORDER_US},
    frame::{self, Deframer, FRAME_MAX, Role},
    trace::Trace,
};

use super::{frames, one_frame};

/// The sequence numbers of the good frames in these bytes.
fn good(bytes: &[u8]) -> Vec<u32> {
    let mut storage = vec![0; frame::storage_len(100)];
    let mut deframer = Deframer::new(&mut storage);
    let (mut rest, mut found) = (bytes, Vec::new());
    while let Some(frame) = deframer.feed(&mut rest) {
        found.push(frame.header.seq);
    }
    found
}

fn faults(text: &str) -> Faults {
    text.parse().unwrap()
}

/// Everything at once through a new injector, and what it did; long after, so that nothing waits.
fn through(text: &str, input: &[Vec<u8>]) -> (Vec<u8>, FaultCounts) {
    let mut injector = FaultInjector::new(&faults(text), Role::Host);
    let mut out = Vec::new();
    for frame in input {
        injector.push(1000, frame);
        injector.pull(1000, &mut out);
    }
    injector.pull(u64::MAX, &mut out);
    assert_eq!(injector.next_release_us(), None);
    (out, injector.counts())
}

/// Within five standard deviations of a binomial.
fn expect_rate(hits: u64, of: u64, rate: f64) {
    let (mean, deviation) = (of as f64 * rate, (of as f64 * rate * (1.0 - rate)).sqrt());
    assert!((hits as f64 - mean).abs() <= 5.0 * deviation, "{hits} of {of} at {rate}");
}

#[test]
fn no_faults_pass_everything_at_once() {
    let mut injector = FaultInjector::new(&Faults::default(), Role::Device);
    let mut out = Vec::new();
    for piece in [&b"half a fr"[..], b"ame\0\0", b"", &vec![9; 3 * FRAME_MAX]] {
        injector.push(0, piece);
        assert_eq!(injector.next_release_us().is_some(), !piece.is_empty());
        out.clear();
        assert_eq!(injector.pull(0, &mut out), piece.len());
        assert_eq!(out, piece);
    }
    assert_eq!(injector.counts(), FaultCounts::default());
}

#[test]
fn faults_that_never_hit_pass_everything_in_whole_frames() {
    let input = frames(50);
    let never = "bit-error=1e-18,drop=1e-18,insert=1e-18,burst=1e-18,stall=1e-18,disconnect=1e-18";
    let (out, counts) = through(never, &input);
    assert_eq!(out, input.concat());
    assert_eq!(counts.to_string(), "50 frames: no faults");

    let mut injector = FaultInjector::new(&faults(never), Role::Host);
    injector.push(0, &input[9][..10]);
    assert_eq!((injector.pull(0, &mut Vec::new()), injector.next_release_us()), (0, None), "it waits for its end");
    injector.push(0, &input[9][10..]);
    let mut out = Vec::new();
    injector.pull(0, &mut out);
    assert_eq!(out, input[9]);
}

#[test]
fn what_never_ends_is_passed_on() {
    for byte in [0, 5] {
        let mut injector = FaultInjector::new(&faults("drop=1e-18"), Role::Host);
        let mut out = Vec::new();
        for _ in 0..10 {
            injector.push(0, &vec![byte; FRAME_MAX / 4]);
            injector.pull(0, &mut out);
        }
        assert_eq!(out, vec![byte; 2 * FRAME_MAX]);
        assert_eq!(injector.counts().frames, 2);
    }
}

#[test]
fn drop_loses_whole_frames() {
    let input = frames(400);
    let (out, counts) = through("drop=0.25,seed=3", &input);
    let kept = good(&out);
    assert_eq!((kept.len() as u64, counts.frames), (400 - counts.drops, 400));
    assert_eq!(out, kept.iter().flat_map(|&seq| input[seq as usize].clone()).collect::<Vec<u8>>());
    expect_rate(counts.drops, 400, 0.25);
    assert!(through("drop=1", &input).0.is_empty());
}

#[test]
fn duplicate_passes_frames_twice() {
    let (out, counts) = through("duplicate=1", &frames(5));
    assert_eq!(good(&out), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    assert_eq!(counts.duplicates, 5);
}

#[test]
fn reorder_lets_the_next_frame_pass() {
    let (out, counts) = through("reorder=1", &frames(5));
    assert_eq!(good(&out), [1, 0, 3, 2, 4]);
    assert_eq!(counts.reorders, 3);
}

#[test]
fn a_reordered_frame_that_nothing_follows_leaves_by_itself() {
    let mut injector = FaultInjector::new(&faults("reorder=1"), Role::Host);
    injector.push(500, &frames(1)[0]);
    assert_eq!(injector.next_release_us(), Some(500 + REORDER_US));
    let mut out = Vec::new();
    assert_eq!(injector.pull(499 + REORDER_US, &mut out), 0);
    assert_eq!(injector.pull(500 + REORDER_US, &mut out), frames(1)[0].len());
    // What comes after that time does not overtake it any more.
    injector.push(100_000, &frames(2)[1]);
    injector.push(100_000 + REORDER_US, &frames(3)[2]);
    injector.pull(200_000, &mut out);
    assert_eq!(good(&out), [0, 1, 2]);
}

#[test]
fn truncate_loses_a_tail() {
    for input in frames(60) {
        let (out, counts) = through("truncate=1", std::slice::from_ref(&input));
        assert!(!out.is_empty() && out.len() < input.len() && input.starts_with(&out), "{} {}", out.len(), input.len());
        assert_eq!(counts.truncates, 1);
    }
    // The next one's first delimiter ends what is left: only the frames that are hit are lost.
    let (out, counts) = through("truncate=0.2,seed=5", &frames(200));
    let lost = 200 - good(&out).len() as u64;
    // One that loses nothing but its closing delimiter survives.
    assert!(lost <= counts.truncates && lost >= counts.truncates * 9 / 10, "{lost} of {}", counts.truncates);
}

#[test]
fn insert_puts_up_to_32_bytes_in() {
    let mut longest = 0;
    for input in frames(200) {
        let seq = good(&input)[0];
        let (out, counts) = through(&format!("insert=1,seed={seq}"), std::slice::from_ref(&input));
        let more = out.len() - input.len();
        assert!((1..=32).contains(&more));
        let place = input.iter().zip(&out).take_while(|(a, b)| a == b).count();
        assert_eq!(input[place..], out[place + more..], "the rest is as it was");
        assert_eq!(counts.inserts, 1);
        longest = longest.max(more);
    }
    assert!(longest > 24);
}

#[test]
fn burst_overwrites_a_run_and_reaches_into_the_next_frames() {
    let input: Vec<_> = (0..40).map(|seq| one_frame(seq, &[9; 60])).collect();
    let clean = input.concat();
    let mut reached = 0;
    for seed in 0..100 {
        // One burst in the whole stream: the frames behind it are pushed with the rate it has.
        let (out, counts) = through(&format!("burst=0.02,seed={seed}"), &input);
        assert_eq!(out.len(), clean.len());
        let hit: Vec<usize> = (0..clean.len()).filter(|&at| out[at] != clean[at]).collect();
        assert_eq!(counts.bursts > 0, !hit.is_empty(), "seed {seed}");
        if counts.bursts == 1 {
            let run = hit[hit.len() - 1] - hit[0] + 1;
            assert!(run <= 256 && hit.len() * 10 > run * 9, "seed {seed}: {} of {run}", hit.len());
            reached += usize::from(run > 82);
        }
    }
    assert!(reached > 5, "some are longer than a frame");
}

#[test]
fn a_burst_does_not_wait_for_the_next_frame() {
    let frame = one_frame(1, b"");
    let hit_at = |later_us: u64| {
        // With this seed the first frame has a burst that is longer than it, and the second one has none.
        let faults = faults("burst=0.5,seed=0");
        let mut injector = FaultInjector::new(&faults, Role::Host);
        let mut out = Vec::new();
        injector.push(7, &frame);
        injector.push(7 + later_us, &frame);
        injector.pull(7 + later_us, &mut out);
        assert_eq!(injector.counts().bursts, 1);
        (out[..frame.len()] != frame[..], out[frame.len()..] != frame[..])
    };
    assert_eq!(hit_at(BURST_US - 1), (true, true));
    assert_eq!(hit_at(BURST_US), (true, false));
}

#[test]
fn bit_errors_hit_each_bit_by_itself() {
    let input: Vec<_> = (0..200).map(|seq| one_frame(seq, &[0x55; 1000])).collect();
    let clean = input.concat();
    let (out, counts) = through("bit-error=1e-3,seed=11", &input);
    let flipped: Vec<u32> = clean.iter().zip(&out).map(|(a, b)| (a ^ b).count_ones()).collect();
    assert_eq!((out.len(), u64::from(flipped.iter().sum::<u32>())), (clean.len(), counts.bit_errors));
    expect_rate(counts.bit_errors, 8 * clean.len() as u64, 1e-3);
    for bit in 0..8 {
        let hits = clean.iter().zip(&out).filter(|(a, b)| (*a ^ *b) >> bit & 1 == 1).count();
        expect_rate(hits as u64, clean.len() as u64, 1e-3);
    }
    let (out, _) = through("bit-error=1", &input);
    assert!(clean.iter().zip(&out).all(|(a, b)| a ^ b == 0xff));
}

#[test]
fn a_stall_holds_everything_and_keeps_the_order() {
    let input = frames(300);
    let mut injector = FaultInjector::new(&faults("stall=1,stall-ms=30"), Role::Host);
    let mut out = Vec::new();
    for frame in &input[..100] {
        injector.push(5000, frame);
        assert_eq!(injector.pull(34_999, &mut out), 0);
        assert_eq!(injector.next_release_us(), Some(35_000));
    }
    assert_eq!(injector.counts().stalls, 1, "none within another one");
    injector.pull(35_000, &mut out);
    assert_eq!(out, input[..100].concat());
    injector.push(40_000, &input[100]);
    assert_eq!((injector.counts().stalls, injector.next_release_us()), (2, Some(70_000)));

    // What a stall holds is bounded; whole frames are lost beyond that, and counted.
    let long = one_frame(0, &vec![3; 60_000]);
    for _ in 0..100 {
        injector.push(45_000, &long);
    }
    let counts = injector.counts();
    out.clear();
    injector.pull(70_000, &mut out);
    assert!(out.len() <= HELD_MAX && out.len() > HELD_MAX - 2 * long.len());
    assert_eq!(out.len(), input[100].len() + (100 - counts.overflows as usize) * long.len());
}

#[test]
fn a_disconnect_cuts_the_line_until_it_is_mended() {
    let input = frames(500);
    // Frame 1 leaves; some later one is the cut.
    let mut injector = FaultInjector::new(&faults("disconnect=0.02,reorder=0.3,seed=9"), Role::Host);
    let mut out = Vec::new();
    injector.push(0, &input.concat());
    assert!(injector.is_cut());
    let cut_at = injector.counts().frames as usize - 1;
    injector.pull(0, &mut out);
    assert!(good(&out).iter().all(|&seq| (seq as usize) < cut_at), "what had passed before still comes out");
    assert!(good(&out).len() + 1 >= cut_at, "but for the one that was held");
    assert_eq!(injector.next_release_us(), None);
    injector.push(50_000, &input[0]);
    assert_eq!(injector.pull(100_000, &mut out), 0, "a line that is cut passes nothing");

    // The draws go on where they were: the frames behind the cut meet the fate they meet without the cut.
    injector.mend();
    assert!(!injector.is_cut());
    injector.push(200_000, &input.concat());
    let second = injector.counts().frames as usize;
    assert!(injector.is_cut() && second != 2 * (cut_at + 1), "the same frame is not hit again and again");

    let mut stalled = FaultInjector::new(&faults("disconnect=0.02,stall=1,seed=9"), Role::Host);
    stalled.push(0, &input.concat());
    assert_eq!(stalled.pull(u64::MAX, &mut out), 0, "what a stall held is lost with the line");
}

#[test]
fn a_new_connection_gets_nothing_of_the_old_one() {
    let mut injector = FaultInjector::new(&faults("reorder=1,stall=1"), Role::Host);
    injector.push(0, &frames(2).concat());
    injector.push(0, b"\0half a fra");
    injector.mend();
    injector.push(1, &frames(3)[2]);
    let mut out = Vec::new();
    injector.pull(10_000_000, &mut out);
    assert_eq!(out, frames(3)[2]);
}

#[test]
fn one_fault_does_not_move_another() {
    let input = frames(300);
    let alone = through("drop=0.2,seed=4", &input).1.drops;
    let (out, counts) = through("drop=0.2,duplicate=0.5,seed=4", &input);
    let mut kept = good(&out);
    kept.dedup();
    assert_eq!((counts.drops, kept.len() as u64), (alone, 300 - alone));
    assert_eq!(kept, good(&through("drop=0.2,seed=4", &input).0));
}

#[test]
fn directions_and_seeds_differ() {
    let input = frames(200).concat();
    let run = |seed: u64, sender| {
        let mut injector = FaultInjector::new(&Faults { seed, ..faults("drop=0.5") }, sender);
        injector.push(0, &input);
        let mut out = Vec::new();
        injector.pull(0, &mut out);
        out
    };
    assert_ne!(run(1, Role::Host), run(1, Role::Device));
    assert_ne!(run(1, Role::Host), run(2, Role::Host));
    assert_eq!(run(2, Role::Device), run(2, Role::Device));
}

const EVERYTHING: &str = "bit-error=1e-3,drop=0.1,insert=0.1,duplicate=0.1,reorder=0.1,truncate=0.1,burst=0.05";

#[test]
fn rates_are_those_asked_for() {
    let (_, counts) = through(&format!("{EVERYTHING},stall=1e-9,seed=21"), &frames(20_000));
    let passed = counts.frames - counts.drops;
    for (hits, of, rate) in [
        (counts.drops, counts.frames, 0.1),
        (counts.inserts, passed, 0.1),
        (counts.duplicates, passed, 0.1),
        (counts.truncates, passed, 0.1),
        (counts.bursts, passed, 0.05),
        // One of two in a row cannot be held: p / (1 + p) of all.
        (counts.reorders, passed, 0.1 / 1.1),
    ] {
        expect_rate(hits, of, rate);
    }
}

#[test]
fn a_seed_means_the_same_for_ever() {
    // A change of these numbers changes what every recorded `--fault` line does.
    let frame = |seq: usize| [&[0][..], &vec![1 + (seq % 250) as u8; 10 + seq % 50], &[0]].concat();
    let (out, counts) = through(&format!("{EVERYTHING},seed=7"), &(0..1000).map(frame).collect::<Vec<_>>());
    let said =
        "1000 frames: 260 bit errors, 114 drops, 86 inserts, 81 duplicates, 96 reorders, 92 truncates, 50 bursts";
    assert_eq!((xyloop_protocol::crc::crc32c(&out), counts.to_string().as_str()), (2_001_934_241, said));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_bytes_come_out_however_they_are_cut(seed: u64, cuts in prop::collection::vec(1_usize..200, 1..40)) {
        let input = frames(120).concat();
        let faults = Faults { seed, ..faults(EVERYTHING) };
        let mut whole = FaultInjector::new(&faults, Role::Device);
        let mut expected = Vec::new();
        whole.push(0, &input);
        whole.pull(u64::MAX, &mut expected);

        let mut cut = FaultInjector::new(&faults, Role::Device);
        let (mut rest, mut out) = (&input[..], Vec::new());
        for &length in cuts.iter().cycle() {
            let (piece, behind) = rest.split_at(length.min(rest.len()));
            cut.push(0, piece);
            cut.pull(0, &mut out);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        cut.pull(u64::MAX, &mut out);
        prop_assert_eq!(cut.counts(), whole.counts());
        prop_assert!(out == expected);
    }

    #[test]
    fn no_input_is_too_much(text in ".{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..400), now: u64) {
        let _ = text.parse::<Faults>();
        let all = faults("bit-error=1,insert=1,duplicate=1,reorder=1,truncate=1,burst=1,stall=1,stall-ms=600000");
        let mut injector = FaultInjector::new(&all, Role::Host);
        injector.push(now, &bytes);
        injector.pull(now, &mut Vec::new());
        injector.pull(u64::MAX, &mut Vec::new());
        prop_assert_eq!(injector.next_release_us(), None);
        if let Ok(trace) = Trace::new(&bytes[..]) {
            prop_assert!(trace.count() < 100);
        }
    }

    #[test]
    fn faults_are_read_as_they_are_printed(rates: [f64; 9], stall_ms in 1_u32..=600_000, seed: u64) {
        let [bit_error, drop, insert, duplicate, reorder, truncate, burst, stall, disconnect] =
            rates.map(|rate| if rate.is_finite() { rate.abs().fract() } else { 0.0 });
        let faults = Faults {
            bit_error, drop, insert, duplicate, reorder, truncate, burst, stall, stall_ms, disconnect, seed
        };
        prop_assert_eq!(faults.to_string().parse(), Ok(faults));
    }
}

#[test]
fn faults_print_what_differs() {
    assert_eq!(Faults::default().to_string(), "seed=1");
    let text = "bit-error=1e-4,drop=0.1,stall=0.02,stall-ms=300,seed=7";
    assert_eq!(faults(text).to_string(), text);
    assert_eq!(faults(" drop = 0.5 , seed=0 "), Faults { drop: 0.5, seed: 0, ..Faults::default() });
}

#[test]
fn faults_that_make_no_sense_are_refused_with_reasons() {
    for (text, words) in [
        ("", &["`` is not of the form name=value", "bit-error, drop, insert"][..]),
        ("drop", &["`drop` is not of the form", "seed=7"]),
        ("drop=0.1,", &["`` is not of the form"]),
        ("dorp=0.1", &["no fault `dorp`", "bit-error, drop", "stall-ms and seed"]),
        ("drop=0.1,seed=2,drop=0.2", &["`drop` is given twice"]),
        ("drop=1.5", &["`drop=1.5`", "probability from 0 to 1"]),
        ("drop=-0.1", &["`drop=-0.1`", "probability"]),
        ("bit-error=NaN", &["`bit-error=NaN`", "probability"]),
        ("drop=much", &["`drop=much`", "probability"]),
        ("stall-ms=0", &["`stall-ms=0`", "1 to 600000"]),
        ("stall-ms=600001", &["1 to 600000"]),
        ("seed=-1", &["`seed=-1`", "18446744073709551615"]),
    ] {
        let said = text.parse::<Faults>().unwrap_err().to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{text}: {said}");
    }
}
