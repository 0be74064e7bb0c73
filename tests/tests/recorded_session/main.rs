//! Recorded sessions, decoded by a program that knows `docs/protocol.md` and not the source: it comes to the same
//! equilibria, and finds what breaks a rule.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
mod forged;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;
use xyloop_protocol::{
    codec::Codec,
    message::{Command, ReadOut, Reason, SafeCause, State},
};
use xyloop_tests::{
    python::{self, Said},
    small,
};

use bench::{Bench, Row};

/// What the decoder says of a recording, if there is a Python.
fn decode(recording: &[u8]) -> Option<Said> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session.pcap");
    std::fs::write(&path, recording).unwrap();
    python::run::<&Path>("decode_session.py", &[&path])
}

fn lines(said: &Said) -> Vec<Value> {
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn row_of(body: &Value) -> Row {
    let number = |key: &str| body[key].as_u64().unwrap();
    Row {
        shot: number("shot"),
        segment: number("segment") as u8,
        generation: number("generation") as u32,
        data: body["data"].as_array().unwrap().iter().map(|word| word.as_u64().unwrap() as u16).collect(),
    }
}

#[test]
fn another_program_reads_the_same_from_a_bad_line() {
    let mut bench = Bench::new("drop=0.05,bit-error=3e-5,duplicate=0.05,reorder=0.05,truncate=0.02,insert=0.02,seed=4");
    bench.connect(0x1111_1111);
    bench.ask(Command::Identify);
    bench.commit(1, 1);
    bench.plan(1, ReadOut::Phases, Codec::Delta);
    bench.shots(1..=100);
    bench.wait_for_rows(40);
    bench.tell(Command::Retire(8));

    // Cut off in the middle; the device goes safe by itself. Another session goes on where the device says it is.
    bench.line_is_cut(400_000);
    bench.connect(0x2222_2222);
    let Some(status) = bench.status() else { panic!("no status") };
    assert_eq!(status.state, State::Safe(SafeCause::Deadman));
    bench.arm(1, 1);
    bench.plan(1, ReadOut::Phases, Codec::Delta);
    let missing = status.last_shot.max(8) + 1;
    assert!(missing < 100, "everything was done before the line was cut");
    bench.shots(missing..=100);
    bench.wait_for_shot(100);
    bench.tell(Command::Retire(100));

    // A deadman within a session: nothing is lost, the shots run again.
    bench.shots(101..=200);
    bench.wait_for_shot(103);
    bench.states.clear();
    bench.line_is_cut(300_000);
    bench.wait_for(|bench| bench.states.contains(&State::Safe(SafeCause::Deadman)));
    bench.arm(1, 1);
    bench.wait_for_shot(200);
    bench.tell(Command::Retire(200));

    // What is refused, what cannot be read, a generation of which only a part is staged, another read-out, an abort.
    bench.shots(201..=202);
    bench.shots(202..=202);
    bench.tell_raw(&[0xff; 9]);
    bench.wait_for(|bench| bench.refused.contains(&Reason::OldShot) && bench.refused.contains(&Reason::Malformed));
    bench.wait_for_shot(202);
    bench.tell(Command::Retire(202));
    bench.recommit(2, 1);
    bench.plan(2, ReadOut::Outputs, Codec::Words);
    bench.shots(203..=230);
    bench.wait_for_shot(205);
    bench.ask(Command::Abort);
    bench.plan(2, ReadOut::Iq, Codec::Delta);
    bench.shots(231..=234);
    bench.wait_for_shot(234);
    bench.ask(Command::Safe);
    bench.close();

    let faults = bench.faults();
    let (recording, rows) = bench.end();
    let Some(said) = decode(&recording) else { return };
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let lines = lines(&said);
    let decoded: Vec<Row> = lines
        .iter()
        .filter(|line| line["is"] == "Equilibrium")
        .inspect(|line| assert_eq!(line["body"]["known"], true, "{line}"))
        .map(|line| row_of(&line["body"]))
        .collect();
    assert_eq!(decoded, rows);
    let distinct: BTreeSet<(u64, u8)> = rows.iter().map(|row| (row.shot, row.segment)).collect();
    let all = (1..=202).chain(231..=234).flat_map(|shot| (1..=4).map(move |segment| (shot, segment)));
    assert!(all.clone().all(|row| distinct.contains(&row)), "a shot is missing");
    assert!(distinct.len() < rows.len(), "nothing was offered again");
    let summary = &lines.last().unwrap()["summary"];
    let count = |pointer: &str| summary.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    assert_eq!((count("/sessions"), count("/checks/equilibria")), (2, rows.len() as u64));
    assert_eq!((count("/checks/generations checked"), count("/checks/generations not checked")), (2, 0));
    assert!(count("/checks/codes from differences") >= 150 && count("/checks/read-outs coded") > 100, "{summary}");
    println!("{summary}\n{faults}");
    assert!(count("/checks/stream bytes repeated") > 0 && count("/checks/acks with ranges") > 0, "{summary}");
    assert!(count("/frames/device/bad CRC") > 0, "{summary} {faults}");
}

/// What a host has to put up with, the end of its connection now and then included.
const FAULTS: &str = "bit-error=2e-6,drop=0.03,insert=0.02,duplicate=0.05,reorder=0.05,truncate=0.02,burst=0.02,\
                      disconnect=0.01,seed=11";

#[test]
fn a_training_over_a_bad_line_is_read_from_its_recording() {
    let bench = xyloop_tests::Bench::new();
    let served = bench.serve(&small(), &["--tcp", "--fault", FAULTS, "--trace", "line.pcap"]);
    let run = bench.train(&["--device", &served.place]);
    served.process.interrupt();
    let served = served.process.finish().expect_code(0);
    let Some(said) = python::run("decode_session.py", &[bench.path().join("line.pcap")]) else { return };
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let lines = lines(&said);

    // Everything that was logged was said, with the same phases; what came twice was the same both times.
    let mut decoded: BTreeMap<(u64, u8), Row> = BTreeMap::new();
    for line in lines.iter().filter(|line| line["is"] == "Equilibrium") {
        let row = row_of(&line["body"]);
        let known = decoded.entry((row.shot, row.segment)).or_insert_with(|| row.clone());
        assert_eq!((known.generation, &known.data), (row.generation, &row.data), "{served}");
    }
    let logged = run.rows();
    assert!(logged.len() > 400, "{}", logged.len());
    for row in &logged {
        assert_eq!(decoded[&(row.shot, row.segment)].data, row.phases, "shot {} segment {}", row.shot, row.segment);
    }
    assert_eq!(decoded.len(), logged.len());
    let summary = &lines.last().unwrap()["summary"];
    assert!(summary["sessions"].as_u64() > Some(1), "{summary}\n{served}");
    assert_eq!(summary["checks"]["equilibria of unknown shots"], Value::Null, "{summary}");
}

#[test]
fn the_decoder_finds_what_breaks_a_rule() {
    for (recording, words) in forged::recordings() {
        let Some(said) = decode(&recording) else { return };
        match words {
            None => assert_eq!(said.code, Some(0), "{}", said.stderr),
            Some(words) => {
                assert!(
                    said.code == Some(1) && said.stderr.contains(words),
                    "{words}: {:?} {}",
                    said.code,
                    said.stderr
                );
            }
        }
    }
    for rubbish in [&b""[..], b"no capture at all, whatever it is called"] {
        let Some(said) = decode(rubbish) else { return };
        assert_eq!(said.code, Some(2), "{}", said.stderr);
    }
}
