//! Devices that are as they should be, and such that are not.

use xyloop_protocol::{
    codec::Codecs,
    message::{Counts, Fault, Generation, LinkCounts},
};

use super::*;
use crate::{
    checkup::{RigFile, System, Verdict},
    config::Port,
    device::Wanted,
};

const GOOD: Limits = Limits {
    sites: 25,
    couplings: 150,
    inputs: 2,
    outputs: 1,
    shot_slots: 8,
    result_bytes: 200,
    replicas: 4,
    max_message: 1024,
    deadman_ms: 250,
    codecs: Codecs::ALL,
};

fn subject(serial_number: Option<&str>) -> Subject<'static> {
    let wanted = Wanted {
        rig: "table".into(),
        array: "25 sites, 150 couplings, 2 inputs, 1 outputs".into(),
        wiring_hash: 0xab,
        serial_number: serial_number.map(Into::into),
    };
    let rig = RigFile { file: "rigs/table.toml".into(), wanted, deadman_ms: 250 };
    Subject { port: &Port::Sim, baud: 0, rig: Some(rig), system: System::default() }
}

fn status(state: State) -> Status {
    Status {
        state,
        generation: Generation { number: 7, crc: 9 },
        uptime_us: 1,
        shots_pending: 0,
        shots_unretired: 0,
        last_shot: 0,
        counts: Counts::default(),
        link: LinkCounts::default(),
    }
}

/// The verdicts of all limits, by name.
fn verdicts(limits: &Limits) -> Vec<(&'static str, Verdict)> {
    super::limits(&subject(None), limits).into_iter().map(|finding| (finding.check, finding.verdict)).collect()
}

#[track_caller]
fn expect(finding: &Finding, verdict: Verdict, words: &[&str]) {
    assert_eq!(finding.verdict, verdict, "{finding:?}");
    assert_eq!(verdict == Verdict::Ok, finding.why.is_empty() && finding.next.is_empty(), "{finding:?}");
    let said = format!("{} | {} | {}", finding.found, finding.why, finding.next);
    for word in words {
        assert!(said.contains(word), "`{word}` is missing: {said}");
    }
}

#[test]
fn limits_that_are_just_enough_are_and_one_less_is_not() {
    assert!(verdicts(&GOOD).iter().all(|(_, verdict)| *verdict == Verdict::Ok), "{:?}", verdicts(&GOOD));
    let cases = [
        ("results", Limits { result_bytes: 199, ..GOOD }, Verdict::Warning),
        ("slots", Limits { shot_slots: 7, ..GOOD }, Verdict::Warning),
        ("slots", Limits { shot_slots: 0, ..GOOD }, Verdict::Failed),
        ("deadman", Limits { deadman_ms: 199, ..GOOD }, Verdict::Warning),
        ("deadman", Limits { deadman_ms: 251, ..GOOD }, Verdict::Warning),
    ];
    for (check, limits, verdict) in cases {
        let unwell: Vec<_> = verdicts(&limits).into_iter().filter(|(_, verdict)| *verdict != Verdict::Ok).collect();
        assert_eq!(unwell, [(check, verdict)]);
    }
    assert!(verdicts(&Limits { deadman_ms: 200, ..GOOD }).iter().all(|(_, verdict)| *verdict == Verdict::Ok));
    // Nothing on the wire is too large to be judged.
    let _ = verdicts(&Limits { sites: u16::MAX, replicas: u16::MAX, ..GOOD });
}

#[test]
fn wiring_and_serial_number_are_held_against_the_rig_file() {
    expect(&wiring(&subject(None), 0xab, &GOOD), Verdict::Ok, &["rigs/table.toml"]);
    let other = Limits { sites: 36, ..GOOD };
    expect(&wiring(&subject(None), 0xac, &other), Verdict::Failed, &["36 sites", "25 sites", "`table`", "[lattice]"]);
    // The same sizes: then it is something else.
    expect(&wiring(&subject(None), 0xac, &GOOD), Verdict::Failed, &["00000000000000ac", "converters"]);
    expect(&serial_number(&subject(None), "0042"), Verdict::Ok, &["serial_number = \"0042\""]);
    expect(&serial_number(&subject(Some("0042")), "0042"), Verdict::Ok, &["`0042`"]);
    expect(&serial_number(&subject(Some("0042")), "0043"), Verdict::Failed, &["`0042`", "`0043`", "rigs/table.toml"]);
    let alone = Subject { rig: None, ..subject(None) };
    let compared = wiring(&alone, 0xac, &GOOD);
    expect(&compared, Verdict::Ok, &["rig file"]);
    assert_eq!(compared.action, Some(Action::NameRig));
}

#[test]
fn a_latched_fault_fails_and_offers_to_clear_it() {
    let faulted = state("/dev/ttyACM0", &status(State::Faulted(Fault::Converter)));
    assert_eq!(faulted.len(), 1);
    expect(&faulted[0], Verdict::Failed, &["converter", "refused", "see to the cause"]);
    assert_eq!(faulted[0].action, Some(Action::ClearFault { place: "/dev/ttyACM0".into() }));
    for cause in [SafeCause::Reset, SafeCause::Asked, SafeCause::Deadman, SafeCause::Cleared] {
        expect(&state("x", &status(State::Safe(cause)))[0], Verdict::Ok, &["safe", "generation 7"]);
    }
    expect(&state("x", &status(State::Boot))[0], Verdict::Warning, &["booting"]);
}

#[test]
fn shots_that_another_host_left_are_told_of() {
    let left = Status { shots_unretired: 3, last_shot: 42, ..status(State::Safe(SafeCause::Deadman)) };
    let findings = state("x", &left);
    expect(&findings[1], Verdict::Warning, &["3 shots whose results", "the last one 42", "drops them"]);
    let queued = Status { shots_pending: 1, ..status(State::Running) };
    expect(&state("x", &queued)[1], Verdict::Warning, &["1 under way"]);
}

const QUICK: Quantiles = Quantiles { count: 200, p50_us: 900, p99_us: 2_000, worst_us: 4_000 };
const QUIET: Traffic = Traffic { frames: (200, 200), bad: [0, 0], resent: [0, 0] };

#[test]
fn a_line_is_judged_by_what_both_ends_count() {
    let judged = |traffic: Traffic| link(200, &QUICK, &traffic, 250);
    expect(&judged(QUIET), Verdict::Ok, &["p50 0.90 ms", "p99 2.00 ms", "worst 4.00 ms"]);
    expect(&judged(Traffic { bad: [1, 1], resent: [1, 19], ..QUIET }), Verdict::Ok, &["1 bad frames here, 1 there"]);
    for bad in [[3, 0], [0, 2]] {
        expect(&judged(Traffic { bad, ..QUIET }), Verdict::Warning, &["damaged", "ground", "baud"]);
    }
    for resent in [[20, 0], [0, 20]] {
        expect(&judged(Traffic { resent, ..QUIET }), Verdict::Warning, &["vanish"]);
    }
    let figures = judged(Traffic { bad: [3, 4], resent: [5, 6], ..QUIET }).figures.unwrap_or_default();
    let names = ["bad_frames_here", "bad_frames_there", "resent_here", "resent_there"];
    assert_eq!(names.map(|name| figures[name].as_u64()), [3, 4, 5, 6].map(Some));
}

#[test]
fn pauses_that_come_near_the_deadman_and_a_line_that_crawls_are_warned_of() {
    let slow = Quantiles { worst_us: 125_900, ..QUICK };
    expect(&link(200, &slow, &QUIET, 250), Verdict::Warning, &["250 ms"]);
    expect(&link(200, &slow, &QUIET, 251), Verdict::Ok, &[]);
    let far = Quantiles { p50_us: 400_000, p99_us: 410_000, worst_us: 420_000, ..QUICK };
    expect(&link(200, &far, &QUIET, 250), Verdict::Ok, &[]);
    let crawls = Quantiles { count: 40, ..QUICK };
    expect(&link(200, &crawls, &QUIET, 250), Verdict::Warning, &["40 round trips", "200 were to be made"]);
}

#[test]
fn counts_are_those_of_the_time_in_between() {
    let figures = |frames, bad_frames, resends| LinkFigures { frames, bad_frames, resends, ..LinkFigures::default() };
    let there = |bad_frames, resends| Status {
        link: LinkCounts { bad_frames, resends, ..LinkCounts::default() },
        ..status(State::Ready)
    };
    let before = (&figures((10, 20), 1, 2), &there(50, 60));
    let after = (&figures((110, 220), 4, 9), &there(55, 61));
    let Traffic { frames, bad, resent } = Traffic::between(before, after);
    assert_eq!((frames, bad, resent), ((100, 200), [3, 5], [7, 1]));
}

/// A second of questions, each answered after 2 ms by a clock of this rate.
fn second(rate: f64) -> Vec<Trip> {
    let at = |asked_us: u64| Trip {
        asked_us,
        answered_us: asked_us + 2_000,
        uptime_us: 9_000_000 + (rate * (asked_us + 1_000) as f64) as u64,
    };
    (0..=100).map(|index| at(10_000 * index)).collect()
}

#[test]
fn a_clock_more_than_two_percent_off_is_a_warning_in_either_direction() {
    for (rate, verdict) in [
        (1.0, Verdict::Ok),
        (1.015, Verdict::Ok),
        (0.985, Verdict::Ok),
        (1.03, Verdict::Warning),
        (0.97, Verdict::Warning),
        (0.5, Verdict::Warning),
    ] {
        expect(&clock(&second(rate)), verdict, &["of this computer's clock"]);
    }
    let mut back = second(1.0);
    back[60].uptime_us = 5;
    expect(&clock(&back), Verdict::Failed, &["went back"]);
    expect(&clock(&second(1.0)[..1]), Verdict::Ok, &["too little"]);
}

#[test]
fn a_firmware_that_ended_by_itself_is_a_warning_with_its_last_words() {
    for cause in [BootCause::Watchdog, BootCause::Panic, BootCause::HardFault, BootCause::BrownOut] {
        let finding = boot(cause, "shot.rs:7: index out of range");
        assert_eq!(finding.verdict, Verdict::Warning, "{cause:?}");
        assert!(finding.found.contains("shot.rs:7: index out of range"), "{}", finding.found);
    }
    for cause in [BootCause::PowerOn, BootCause::Pin, BootCause::Asked, BootCause::Unknown] {
        assert_eq!(boot(cause, "").verdict, Verdict::Ok, "{cause:?}");
    }
}
