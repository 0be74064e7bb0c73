//! Recorded sessions, decoded by a program that knows `docs/protocol.md` and not the source: it comes to the same
//! equilibria, and finds what breaks a rule.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod forged;
mod session;

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
    WorkFolder,
    python::{self, Said},
    small,
};

use session::{RecordedSession, Row};

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
    let mut session =
        RecordedSession::new("drop=0.05,bit-error=3e-5,duplicate=0.05,reorder=0.05,truncate=0.02,insert=0.02,seed=4");
    session.connect(0x1111_1111);
    session.ask(Command::Identify);
    session.commit(1, 1);
    session.plan(1, ReadOut::Phases, Codec::Delta);
    session.shots(1..=100);
    session.wait_for_rows(40);
    session.tell(Command::Retire(8));

    // Cut off in the middle; the device goes safe by itself. Another session goes on where the device says it is.
    session.line_is_cut(400_000);
    session.connect(0x2222_2222);
    let status = session.status();
    assert_eq!(status.state, State::Safe(SafeCause::Deadman));
    session.arm(1, 1);
    session.plan(1, ReadOut::Phases, Codec::Delta);
    let missing = status.last_shot.max(8) + 1;
    assert!(missing < 100, "everything was done before the line was cut");
    session.shots(missing..=100);
    session.wait_for_shot(100);
    session.tell(Command::Retire(100));

    // A deadman within a session: nothing is lost, the shots run again.
    session.shots(101..=200);
    session.wait_for_shot(103);
    session.line_is_cut(300_000);
    session.wait_for_state(State::Safe(SafeCause::Deadman));
    session.arm(1, 1);
    session.wait_for_shot(200);
    session.tell(Command::Retire(200));

    // What is refused, what cannot be read, a generation of which only a part is staged, another read-out, an abort.
    session.shots(201..=202);
    session.shots(202..=202);
    session.tell_raw(&[0xff; 9]);
    session.wait_for_refusals(&[Reason::OldShot, Reason::Malformed]);
    session.wait_for_shot(202);
    session.tell(Command::Retire(202));
    session.recommit(2, 1);
    session.plan(2, ReadOut::Outputs, Codec::Words);
    session.shots(203..=230);
    session.wait_for_shot(205);
    session.ask(Command::Abort);
    session.plan(2, ReadOut::Iq, Codec::Delta);
    session.shots(231..=234);
    session.wait_for_shot(234);
    session.ask(Command::Safe);
    session.close();

    let faults = session.faults();
    let (recording, rows) = session.end();
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
    let here = WorkFolder::new();
    let served = here.serve(&small(), &["--tcp", "--fault", FAULTS, "--trace", "line.pcap"]);
    let run = here.train(&["--device", &served.place]);
    served.process.interrupt();
    let served = served.process.finish().expect_code(0);
    let Some(said) = python::run("decode_session.py", &[here.path().join("line.pcap")]) else { return };
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
