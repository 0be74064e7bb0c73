//! Promise 2: from reset until the first committed generation nothing but safe codes leaves a DAC, and the outputs go
//! safe when the host vanishes or the board fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::float_cmp)]

use xyloop_firmware::BoardError;
use xyloop_protocol::message::{
    Block, Bytes, CodeArray, Command, Cost, Fault, Generation, Reason, SafeCause, Shot, Stage, State, Status,
};
use xyloop_testbench::{Answer, Codes, bytes_of, refused, scripted::*};

fn status(rig: &mut ScriptedRig) -> Status {
    match rig.ask(Command::Status) {
        Answer::Status(status) => status,
        other => panic!("{other:?}"),
    }
}

fn shot(id: u64) -> Command<'static> {
    Command::Shot(Shot { id, flip: false, inputs: Bytes(&[1, 2, 3, 4]), targets: Bytes(&[5, 6, 7, 8]) })
}

#[test]
fn from_reset_to_the_first_commit_only_safe_codes_leave_the_board() {
    let mut rig = ScriptedRig::at_reset(&[1, 1], SLOTS);
    assert!(rig.device.script.is_safe(), "before the first poll");
    assert_eq!(rig.device.state(), State::Boot);
    rig.connect(1);
    assert_eq!(rig.device.state(), State::Safe(SafeCause::Reset));
    let codes = Codes::scripted(1);
    let good = codes.generation(1);
    let none = Generation::default();
    for (command, want) in [
        (Command::Commit(good), refused(Reason::NotStaged, 0)),
        (Command::Commit(none), refused(Reason::NotStaged, 0)),
        (Command::Arm(good), refused(Reason::WrongGeneration, 0)),
        (Command::Arm(none), refused(Reason::WrongGeneration, 0)),
        (Command::Plan(plan(good, Cost::Cosine)), refused(Reason::WrongGeneration, 0)),
        (Command::Plan(plan(none, Cost::Cosine)), refused(Reason::WrongGeneration, 0)),
        (shot(1), refused(Reason::NotReady, 0)),
        (Command::Abort, Answer::Done),
        (Command::Clear, Answer::Done),
    ] {
        assert_eq!(rig.ask(command), want, "{command:?}");
        rig.run_for(20_000);
        assert_eq!(rig.device.state(), State::Safe(SafeCause::Reset), "{command:?}");
    }
    rig.stage(1, &codes);
    let bad = Generation { crc: good.crc ^ 1, ..good };
    assert_eq!(rig.ask(Command::Commit(bad)), refused(Reason::CrcMismatch, good.crc.into()));
    assert_eq!(rig.ask(Command::Arm(bad)), refused(Reason::WrongGeneration, 0));
    rig.run_for(400_000);
    assert_eq!(rig.device.script.unsafe_acts(0), [], "a staged generation is not in force");
    assert!(rig.device.script.is_safe());
    assert_eq!(rig.ask(Command::Commit(good)), Answer::Done);
    assert_eq!(*rig.device.script.couplings.borrow(), codes.couplings);
    assert!(rig.device.script.fields.borrow().iter().all(|fields| *fields == codes.fields), "on every replica");
}

#[test]
fn what_was_never_staged_is_committed_as_safe() {
    let mut rig = ScriptedRig::connected(&[1]);
    let codes = Codes { fields: safe_fields(), ..Codes::scripted(1) };
    let bytes = bytes_of(&codes.couplings);
    let stage = Stage { generation: 1, block: Block::Couplings, first: 0, codes: CodeArray::Words(Bytes(&bytes)) };
    assert_eq!(rig.ask(Command::Stage(stage)), Answer::Done);
    assert_eq!(rig.ask(Command::Commit(codes.generation(1))), Answer::Done);
}

#[test]
fn safe_stays_safe_until_a_commit_or_an_arm() {
    let mut rig = ScriptedRig::planned(&[1, 1], Cost::Cosine);
    let generation = Codes::scripted(1).generation(1);
    for id in 1..=4 {
        rig.shoot(id, false);
    }
    rig.run_for(3000);
    assert_eq!(rig.device.state(), State::Running);
    let from = rig.log_length();
    assert_eq!(rig.ask(Command::Safe), Answer::Done);
    assert!(rig.device.script.is_safe());
    assert_eq!(rig.device.state(), State::Safe(SafeCause::Asked));
    assert_eq!(rig.ask(shot(9)), refused(Reason::NotReady, 0));
    assert_eq!(rig.ask(Command::Commit(generation)), refused(Reason::Busy, 4));
    rig.stage(2, &Codes::scripted(2));
    rig.run_for(500_000);
    assert_eq!(rig.device.script.unsafe_acts(from), []);
    assert_eq!(
        (rig.host.rows.len(), rig.host.states.len()),
        (0, 0),
        "nothing ran, nothing was told that was not asked for"
    );
    assert_eq!(rig.ask(Command::Arm(generation)), Answer::Done);
    rig.run_until(100_000, |rig| rig.host.rows.len() == 16);
    assert_eq!(status(&mut rig).counts.shots_discarded, 2);
}

/// Cuts the line; the outputs must be safe exactly one deadman after the last byte that got through, not earlier.
fn vanish(rig: &mut ScriptedRig) {
    let from = rig.log_length();
    let before = rig.device.script.safe_moments().len();
    rig.set_cut(true);
    let heard = rig.device.received_us;
    rig.run_for(heard + DEADMAN_US - 1 - rig.now_us);
    assert_eq!(rig.device.script.safe_moments().len(), before, "too early");
    rig.run_for(2 * DEADMAN_US);
    assert_eq!(rig.device.script.safe_moments()[before..], [heard + DEADMAN_US]);
    assert!(rig.device.script.is_safe());
    assert_eq!(rig.device.state(), State::Safe(SafeCause::Deadman));
    let log = rig.device.script.log.borrow();
    let safe = from + log[from..].iter().position(|(_, act)| matches!(act, Act::Safe { .. })).unwrap();
    assert_eq!(safe + 1, log.len(), "nothing happens on the board after it");
}

#[test]
fn the_deadman_acts_while_idle_and_is_no_fault() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    rig.run_for(3_000_000);
    assert_eq!(rig.device.state(), State::Ready, "keep-alives alone keep it");
    vanish(&mut rig);
    rig.set_cut(false);
    rig.run_for(2_000_000);
    assert_eq!(rig.device.state(), State::Safe(SafeCause::Deadman), "a host that is back does not arm by itself");
    assert_eq!(rig.host.states, [State::Safe(SafeCause::Deadman)], "told once");
    assert_eq!(status(&mut rig).counts.deadman, 1);
    let codes = Codes::scripted(2);
    rig.commit(2, &codes);
    assert_eq!(rig.device.state(), State::Ready, "no Clear is needed");
    assert_eq!(*rig.device.script.couplings.borrow(), codes.couplings);
}

#[test]
fn the_deadman_acts_in_the_middle_of_a_staged_write() {
    let mut rig = ScriptedRig::planned(&[1, 1, 1], Cost::Cosine);
    let (old, new) = (Codes::scripted(1), Codes::scripted(2));
    let bytes = bytes_of(&new.couplings);
    let stage = Stage { generation: 2, block: Block::Couplings, first: 0, codes: CodeArray::Words(Bytes(&bytes)) };
    assert_eq!(rig.ask(Command::Stage(stage)), Answer::Done);
    vanish(&mut rig);
    rig.set_cut(false);
    assert_eq!(rig.ask(Command::Arm(new.generation(2))), refused(Reason::WrongGeneration, 1));
    assert_eq!(rig.ask(Command::Arm(old.generation(1))), Answer::Done);
    assert_eq!(*rig.device.script.couplings.borrow(), old.couplings, "half of a generation is none of it");
    let half = Codes { fields: old.fields, ..new };
    assert_eq!(rig.ask(Command::Commit(half.generation(2))), Answer::Done, "what was staged is still there");
}

#[test]
fn shots_cut_by_the_deadman_run_again_under_their_ids_with_the_same_results() {
    let undisturbed = ScriptedRig::planned(&[1, 3], Cost::Log { bound_q14: 1638 }).run_shots(1..=10);
    let mut rig = ScriptedRig::planned(&[1, 3], Cost::Log { bound_q14: 1638 });
    for id in 1..=10 {
        rig.shoot(id, false);
    }
    rig.run_until(100_000, |rig| rig.host.rows.len() >= 12);
    let shots_so_far = rig.device.counts().shots_finished;
    rig.set_cut(true);
    rig.exchange();
    rig.device.hang_up();
    assert!(rig.device.script.is_safe(), "a closed socket needs no deadman");
    assert_eq!(rig.device.state(), State::Safe(SafeCause::Deadman));
    rig.set_cut(false);
    rig.run_for(100_000);
    assert_eq!(rig.device.counts().shots_finished, shots_so_far);
    assert_eq!(rig.ask(Command::Arm(Codes::scripted(1).generation(1))), Answer::Done);
    rig.run_until(1_000_000, |rig| rig.host.rows.len() == 40);
    assert_eq!(rig.host.rows, undisturbed);
    let counts = rig.device.counts();
    assert!(counts.shots_discarded > 0);
    assert_eq!(counts.shots_begun, counts.shots_finished + counts.shots_discarded);
}

/// A plan whose shots take 0.4 s each, so that a batch is long against the deadman.
fn slow(rig: &mut ScriptedRig) {
    let mut slow = plan(Codes::scripted(1).generation(1), Cost::Cosine);
    (slow.settle.min_us, slow.settle.timeout_us) = (100_000, 110_000);
    assert_eq!(rig.ask(Command::Plan(slow)), Answer::Done);
}

#[test]
fn keep_alives_alone_keep_a_long_batch_alive() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    slow(&mut rig);
    rig.run_shots(1..=6);
    assert_eq!(rig.device.counts().deadman, 0);
    assert!(rig.now_us > 1_000_000 + 8 * DEADMAN_US, "long enough to tell");
}

#[test]
fn the_deadman_acts_in_the_middle_of_a_batch_and_the_batch_goes_on_after_arm() {
    let undisturbed = {
        let mut rig = ScriptedRig::planned(&[1, 2], Cost::Cosine);
        slow(&mut rig);
        rig.run_shots(1..=6)
    };
    let mut rig = ScriptedRig::planned(&[1, 2], Cost::Cosine);
    slow(&mut rig);
    for id in 1..=6 {
        rig.shoot(id, false);
    }
    rig.run_for(700_000);
    assert_eq!(rig.device.state(), State::Running);
    assert!(!rig.device.script.is_safe(), "or there is nothing to show");
    vanish(&mut rig);
    let discarded = rig.device.counts().shots_discarded;
    assert_eq!(discarded, 2, "one on each replica");
    rig.set_cut(false);
    assert_eq!(rig.ask(Command::Arm(Codes::scripted(1).generation(1))), Answer::Done);
    rig.run_until(5_000_000, |rig| rig.host.rows.len() == 24);
    assert_eq!(rig.host.rows, undisturbed);
}

#[test]
fn rubbish_and_foreign_frames_do_not_feed_the_deadman() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    rig.set_cut(true);
    let heard = rig.device.received_us;
    let foreign = foreign_frames();
    for step in 1..40 {
        rig.run_for(10_000);
        let now = rig.now_us;
        rig.device.receive(now, &[0, 1, 2, step, 0, 0, 9, 9, 0]);
        rig.device.receive(now, &foreign);
        rig.exchange();
    }
    assert_eq!(rig.device.script.safe_moments()[1..], [heard + DEADMAN_US]);
}

/// Well-formed keep-alives of a session the device is not in.
fn foreign_frames() -> Vec<u8> {
    use xyloop_protocol::frame::{self, Header, Kind, Role, WIRE_VERSION};
    let header = Header {
        version: WIRE_VERSION,
        sender: Role::Host,
        kind: Kind::Ack,
        session: 0xdead_beef,
        seq: 1,
        ack: 2,
        credit: 10,
    };
    let mut out = [0; 64];
    let length = frame::encode(&header, &[], &mut out).unwrap();
    out[..length].to_vec()
}

#[test]
fn a_failing_board_latches_a_fault_with_safe_outputs_until_it_is_cleared() {
    for (call, error, fault) in [
        (Call::Start, BoardError::Converter, Fault::Converter),
        (Call::BeginShot, BoardError::Board, Fault::Board),
        (Call::LatchFields, BoardError::Converter, Fault::Converter),
        (Call::Poll, BoardError::Plant, Fault::Plant),
        (Call::Read, BoardError::Converter, Fault::Converter),
    ] {
        let mut rig = ScriptedRig::planned(&[1, 2], Cost::Cosine);
        let generation = Codes::scripted(1).generation(1);
        let undisturbed = rig.run_shots(1..=2);
        rig.device.script.fail.set(Some((call, 4, error)));
        rig.tell(Command::Retire(1));
        for id in 3..=8 {
            rig.shoot(id, false);
        }
        rig.run_until(1_000_000, |rig| rig.device.state() == State::Faulted(fault));
        let from = rig.log_length();
        assert!(rig.device.script.is_safe(), "{call:?}");
        assert_eq!(rig.host.states, [State::Faulted(fault)], "told at once");
        let refusal = refused(Reason::Faulted, fault as u64);
        let bytes = bytes_of(&Codes::scripted(2).couplings);
        let stage = Stage { generation: 2, block: Block::Couplings, first: 0, codes: CodeArray::Words(Bytes(&bytes)) };
        for command in [
            Command::Arm(generation),
            Command::Commit(generation),
            Command::Plan(plan(generation, Cost::Cosine)),
            Command::Stage(stage),
            shot(20),
            Command::Collect(0),
            Command::Abort,
        ] {
            assert_eq!(rig.ask(command), refusal, "{command:?}");
        }
        assert_eq!(status(&mut rig).state, State::Faulted(fault));
        assert!(matches!(rig.ask(Command::Identify), Answer::Identity(_)));
        assert_eq!(rig.ask(Command::Safe), Answer::Done);
        assert_eq!(status(&mut rig).state, State::Faulted(fault), "Safe does not clear");
        rig.tell(Command::Retire(2));
        rig.run_for(2 * DEADMAN_US);
        assert_eq!(rig.device.script.unsafe_acts(from), []);
        assert_eq!(rig.ask(Command::Clear), Answer::Done);
        assert_eq!(rig.device.state(), State::Safe(SafeCause::Cleared));
        assert!(rig.device.script.is_safe());
        assert_eq!(rig.ask(Command::Arm(generation)), Answer::Done);
        rig.run_until(1_000_000, |rig| rig.host.rows.len() == 8 * 4);
        let ids: Vec<u64> = rig.host.rows.iter().step_by(4).map(|row| row.shot).collect();
        assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8], "what the fault cut short has run again");
        assert_eq!(rig.host.rows[..8], undisturbed);
        assert_eq!(status(&mut rig).counts.deadman, 0);
    }
}

#[test]
fn a_board_that_cannot_be_set_up_anew_stays_faulted() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    let generation = Codes::scripted(1).generation(1);
    assert_eq!(rig.ask(Command::Clear), Answer::Done);
    assert_eq!(
        rig.device.script.count(|act| *act == Act::Recover),
        1,
        "at reset; without a fault there is nothing to recover from"
    );
    rig.device.script.fail.set(Some((Call::Start, 0, BoardError::Converter)));
    rig.shoot(1, false);
    rig.run_until(10_000, |rig| rig.device.state() == State::Faulted(Fault::Converter));
    let from = rig.log_length();
    rig.device.script.fail.set(Some((Call::Recover, 0, BoardError::Board)));
    assert_eq!(rig.ask(Command::Clear), refused(Reason::Faulted, Fault::Board as u64));
    assert_eq!(rig.device.state(), State::Faulted(Fault::Board), "the cause is what recovery found");
    assert_eq!(rig.ask(Command::Arm(generation)), refused(Reason::Faulted, Fault::Board as u64));
    assert_eq!(rig.device.script.unsafe_acts(from), []);
    assert!(rig.device.script.is_safe());
    assert_eq!(rig.ask(Command::Clear), Answer::Done);
    assert_eq!(rig.device.script.count(|act| *act == Act::Recover), 2);
    assert_eq!(rig.device.state(), State::Safe(SafeCause::Cleared));
    assert_eq!(rig.ask(Command::Arm(generation)), Answer::Done);
    rig.run_until(100_000, |rig| rig.host.rows.len() == 4);
}

#[test]
fn a_board_that_cannot_be_set_up_at_reset_is_a_device_with_a_fault() {
    let mut rig = ScriptedRig::failing_at_reset(BoardError::Converter);
    rig.connect(1);
    assert_eq!(rig.device.state(), State::Faulted(Fault::Converter));
    let commit = Command::Commit(Codes::scripted(1).generation(1));
    assert_eq!(rig.ask(commit), refused(Reason::Faulted, Fault::Converter as u64));
    assert!(rig.device.script.is_safe());
    assert_eq!(rig.device.script.unsafe_acts(0), []);
    assert_eq!(rig.ask(Command::Clear), Answer::Done);
    assert_eq!(rig.device.state(), State::Safe(SafeCause::Cleared));
    assert!(rig.device.script.is_safe());
}

#[test]
fn a_commit_the_board_cannot_latch_is_not_answered_with_done() {
    for (call, after) in [(Call::StageCouplings, 0), (Call::LatchFields, 1)] {
        let mut rig = ScriptedRig::connected(&[1, 1]);
        rig.stage(1, &Codes::scripted(1));
        rig.device.script.fail.set(Some((call, after, BoardError::Converter)));
        let answer = rig.ask(Command::Commit(Codes::scripted(1).generation(1)));
        assert_eq!(answer, refused(Reason::Faulted, Fault::Converter as u64));
        assert!(rig.device.script.is_safe());
        assert_eq!(rig.device.state(), State::Faulted(Fault::Converter));
    }
}

#[test]
fn another_session_does_not_start_anything_by_itself() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    rig.shoot(1, false);
    rig.run_for(1000);
    vanish(&mut rig);
    let from = rig.log_length();
    rig.set_cut(false);
    rig.connect(2);
    rig.run_for(100_000);
    assert_eq!(rig.device.script.unsafe_acts(from), []);
    assert_eq!(rig.device.state(), State::Safe(SafeCause::Deadman));
    assert_eq!(rig.ask(Command::Arm(Codes::scripted(1).generation(1))), Answer::Done);
    assert_eq!(rig.device.state(), State::Ready, "the old host's shots are forgotten");
}
