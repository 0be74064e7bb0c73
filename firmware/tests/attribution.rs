//! Attribution: every result says which plan, couplings and shot it was measured under, and a host that comes back is
//! told how far the device had got.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use xyloop_protocol::{
    greeting::Greeting,
    message::{BootCause, Bytes, Command, Cost, Plan, Shot, Status},
    origin::{Origin, PlanOrigin},
};
use xyloop_testbench::{Answer, Codes, Row, bytes_of, scripted::*};

fn origin_under(plan: &Plan, id: u64, flip: bool) -> Origin {
    let (inputs, targets) = (bytes_of(&inputs_of(id)), bytes_of(&targets_of(id)));
    PlanOrigin::new(plan).of(&Shot { id, flip, inputs: Bytes(&inputs), targets: Bytes(&targets) })
}

fn usual() -> Plan {
    plan(Codes::scripted(1).generation(1), Cost::Cosine)
}

fn origins(rows: &[Row]) -> Vec<(u64, Origin)> {
    rows.iter().map(|row| (row.shot, row.origin)).collect()
}

fn status(rig: &mut ScriptedRig) -> Status {
    let Answer::Status(status) = rig.ask(Command::Status) else { panic!("no status") };
    status
}

#[test]
fn a_result_carries_the_origin_that_the_host_computes() {
    let mut rig = ScriptedRig::planned(&[1, 3], Cost::Cosine);
    for row in rig.run_shots(1..=6) {
        assert_eq!(row.origin, origin_under(&usual(), row.shot, false), "shot {} segment {}", row.shot, row.segment);
    }
}

#[test]
fn the_same_shot_under_anything_else_has_another_origin() {
    let row_of = |change: &dyn Fn(&mut Plan), generation: u32, flip: bool, id: u64| {
        let mut rig = ScriptedRig::connected(&[1]);
        let held = rig.commit(generation, &Codes::scripted(generation as u16));
        let mut plan = Plan { generation: held, ..usual() };
        change(&mut plan);
        assert_eq!(rig.ask(Command::Plan(plan)), Answer::Done);
        rig.shoot(id, flip);
        rig.run_until(10_000_000, |rig| !rig.host.rows.is_empty());
        rig.host.rows[0].origin
    };
    let base = row_of(&|_| {}, 1, false, 7);
    assert_eq!(base, row_of(&|_| {}, 1, false, 7), "it depends on nothing else");
    let others = [
        ("run", row_of(&|plan| plan.run += 1, 1, false, 7)),
        ("couplings", row_of(&|_| {}, 2, false, 7)),
        ("nudge", row_of(&|plan| plan.segments[2] = plan.segments[4], 1, false, 7)),
        ("policy", row_of(&|plan| plan.settle.min_us += 1, 1, false, 7)),
        ("kick", row_of(&|plan| plan.kick.seed += 1, 1, false, 7)),
        ("order of the signs", row_of(&|_| {}, 1, true, 7)),
        ("sample and id", row_of(&|_| {}, 1, false, 8)),
    ];
    for (what, other) in others {
        assert_ne!(base, other, "{what}");
    }
}

#[test]
fn another_sample_under_the_same_id_has_another_origin() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    let mut of_inputs = |inputs: [u16; 2]| {
        let (inputs, targets) = (bytes_of(&inputs), bytes_of(&targets_of(7)));
        rig.tell(Command::Shot(Shot { id: 7, flip: false, inputs: Bytes(&inputs), targets: Bytes(&targets) }));
        let before = rig.host.rows.len();
        rig.run_until(10_000_000, |rig| rig.host.rows.len() == before + 4);
        rig.tell(Command::Retire(7));
        rig.host.rows[before].origin
    };
    assert_ne!(of_inputs([1, 2]), of_inputs([1, 3]));
}

#[test]
fn a_shot_that_a_deadman_cut_off_runs_again_under_its_origin() {
    let want = ScriptedRig::planned(&[1, 1], Cost::Cosine).run_shots(1..=5);
    let mut rig = ScriptedRig::planned(&[1, 1], Cost::Cosine);
    for id in 1..=5 {
        rig.shoot(id, false);
    }
    rig.run_for(SHOT_US / 2);
    assert_eq!(rig.device.counts().shots_finished, 0);
    rig.device.hang_up();
    rig.run_for(10_000);
    assert_eq!(rig.device.counts().shots_discarded, 2);
    assert_eq!(rig.ask(Command::Arm(Codes::scripted(1).generation(1))), Answer::Done);
    rig.run_until(10_000_000, |rig| rig.host.rows.len() == 20);
    assert_eq!(rig.host.rows, want);
}

#[test]
fn what_is_offered_to_a_new_session_keeps_its_origin_whatever_is_planned_then() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    let want = origins(&rig.run_shots(1..=3));
    rig.host.rows.clear();
    rig.connect(2);
    assert_eq!(rig.ask(Command::Plan(Plan { run: 99, ..usual() })), Answer::Done);
    rig.shoot(4, false);
    rig.run_until(10_000_000, |rig| rig.host.rows.len() == 16);
    let have = origins(&rig.host.rows);
    assert_eq!(have[..12], want);
    assert_eq!(have[12].1, origin_under(&Plan { run: 99, ..usual() }, 4, false));
}

#[test]
fn the_status_names_the_last_shot_still_held() {
    let mut rig = ScriptedRig::planned(&[1, 40], Cost::Cosine);
    assert_eq!(status(&mut rig).last_shot, 0);
    rig.run_shots([3, 5]);
    assert_eq!(status(&mut rig).last_shot, 5);
    for id in [8, 9] {
        rig.shoot(id, false);
    }
    assert_eq!(status(&mut rig).last_shot, 9, "queued is held");
    rig.run_until(10_000_000, |rig| rig.device.counts().shots_finished == 3);
    rig.connect(2);
    let status_now = status(&mut rig);
    assert_eq!((status_now.last_shot, status_now.shots_unretired), (8, 3), "what was not finished is asked for again");
    rig.tell(Command::Retire(5));
    assert_eq!(status(&mut rig).last_shot, 8);
    rig.tell(Command::Retire(8));
    assert_eq!(status(&mut rig).last_shot, 0);
}

#[test]
fn the_status_tells_of_round_trip_window_and_frame() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    rig.run_shots([1]);
    let link = status(&mut rig).link;
    assert!(link.window_bytes > 0 && (1..=1024).contains(&link.frame_bytes), "{link:?}");
}

#[test]
fn a_device_greets_with_its_serial_number() {
    let rig = ScriptedRig::connected(&[1]);
    let greeting = Greeting::from_bytes(rig.host.link.peer_greeting()).expect("a greeting");
    assert_eq!((greeting.serial, greeting.boot_id, greeting.wiring_hash), ("1", 5, WIRING.hash()));
}

#[test]
fn a_device_says_why_it_started_and_what_it_left_behind_as_far_as_there_is_room() {
    let note: &str = format!("panicked at controller.rs:12: {}", "ü".repeat(200)).leak();
    for (cause, note) in [(BootCause::PowerOn, ""), (BootCause::Panic, "index 7"), (BootCause::Panic, note)] {
        let mut rig = ScriptedRig::booted(Boot { cause, note, ..Boot::POWER_ON });
        rig.connect(1);
        assert!(matches!(rig.ask(Command::Identify), Answer::Identity(_)));
        let [(said, left)] = &rig.host.boots[..] else { panic!("{:?}", rig.host.boots) };
        assert_eq!(*said, cause);
        // Beside `xyloop`, `scripted` and `1`: 241 bytes, of which the last would be half a letter.
        let room = note.char_indices().map(|(at, letter)| at + letter.len_utf8()).take_while(|end| *end <= 241).last();
        assert_eq!(left, &note[..room.unwrap_or(0)]);
    }
}
