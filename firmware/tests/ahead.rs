//! What is said ahead of its time: commands behind one that is refused do no harm, and sums asked for while shots run come
//! when the last of them has, or are refused; never wrong ones, never none at all.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use xyloop_firmware::BoardError;
use xyloop_protocol::message::{Command, Cost, Fault, Generation, Plan, ReadOut, Reason, SafeCause, State};
use xyloop_testbench::{Answer, Codes, refused, scripted::*};

const LOG: Cost = Cost::Log { bound_q14: 1638 };
const SHOTS: u64 = 6;

fn summing() -> Plan {
    Plan { read_out: ReadOut::Contrast, ..plan(Codes::scripted(1).generation(1), LOG) }
}

/// A device with six shots under way whose sums were asked for behind them; the tag of that.
fn asked_ahead(slowness: &[u64]) -> (ScriptedRig, u16) {
    let mut rig = ScriptedRig::planned(slowness, LOG);
    assert_eq!(rig.ask(Command::Plan(summing())), Answer::Done);
    for id in 1..=SHOTS {
        rig.shoot(id, false);
    }
    let tag = rig.tell(Command::Collect(0));
    rig.exchange();
    assert_eq!(rig.host.take_answer(tag), None, "no part of the sums before all of them");
    (rig, tag)
}

/// The sums of those shots, asked for when they are over.
fn asked_afterwards() -> Answer {
    let mut rig = ScriptedRig::planned(&[1], LOG);
    assert_eq!(rig.ask(Command::Plan(summing())), Answer::Done);
    rig.run_shots(1..=SHOTS);
    rig.ask(Command::Collect(0))
}

fn rows_of_all(rig: &ScriptedRig) -> bool {
    rig.host.rows.len() as u64 == 4 * SHOTS
}

#[test]
fn nothing_behind_a_refused_commit_or_plan_runs() {
    let two = Codes::scripted(2).generation(2);
    let of = |generation| Command::Plan(Plan { generation, ..summing() });
    let damaged = Generation { crc: !two.crc, ..two };
    let bad = |generation| Command::Plan(Plan { generation, reads: 0, ..summing() });
    let one = Codes::scripted(1).generation(1);
    for (commands, answers) in [
        (
            &[Command::Commit(damaged), of(damaged)][..],
            &[refused(Reason::CrcMismatch, two.crc.into()), refused(Reason::WrongGeneration, 1)][..],
        ),
        (&[Command::Commit(two), bad(two)], &[Answer::Done, refused(Reason::BadPlan, 255)]),
        (&[bad(one)], &[refused(Reason::BadPlan, 255)]),
    ] {
        let mut rig = ScriptedRig::planned(&[1, 1], LOG);
        rig.stage(2, &Codes::scripted(2));
        let tags: Vec<u16> = commands.iter().map(|command| rig.tell(*command)).collect();
        let shots: Vec<u16> = (1..=SHOTS).map(|id| rig.shoot(id, false)).collect();
        let collect = rig.tell(Command::Collect(0));
        rig.run_for(100_000);
        for (tag, answer) in tags.iter().zip(answers) {
            assert_eq!(rig.host.take_answer(*tag).as_ref(), Some(answer), "{commands:?}");
        }
        for tag in shots {
            assert_eq!(rig.host.take_answer(tag), Some(refused(Reason::NoPlan, 0)), "{commands:?}");
        }
        assert!(
            matches!(rig.host.take_answer(collect), Some(Answer::Contrast { shots: 0, .. })),
            "nothing is in the sums"
        );
        assert_eq!((rig.device.counts().shots_begun, rig.host.rows.len()), (0, 0));
    }
}

#[test]
fn sums_asked_for_ahead_are_those_asked_for_afterwards_and_come_with_the_last_equilibrium() {
    let want = asked_afterwards();
    for slowness in [&[1][..], &[3, 1, 2]] {
        let (mut rig, tag) = asked_ahead(slowness);
        rig.run_until(1_000_000, rows_of_all);
        assert_eq!(rig.host.take_answer(tag).as_ref(), Some(&want), "in the same exchange");
        assert!(rig.host.answers.is_empty());
    }
}

#[test]
fn sums_wait_for_shots_that_run_again_after_the_deadman() {
    let (mut rig, tag) = asked_ahead(&[1, 5]);
    rig.run_until(1_000_000, |rig| rig.device.counts().shots_finished == 2);
    rig.device.hang_up();
    assert_eq!(rig.device.state(), State::Safe(SafeCause::Deadman));
    rig.run_for(100_000);
    assert_eq!(rig.host.take_answer(tag), None);
    assert_eq!(rig.ask(Command::Arm(Codes::scripted(1).generation(1))), Answer::Done, "it holds up no other command");
    assert!(matches!(rig.ask(Command::Status), Answer::Status(status) if status.shots_pending > 0));
    rig.run_until(1_000_000, rows_of_all);
    assert_eq!(rig.host.take_answer(tag), Some(asked_afterwards()));
}

#[test]
fn a_second_one_is_refused_while_one_waits() {
    let (mut rig, tag) = asked_ahead(&[1]);
    assert_eq!(rig.ask(Command::Collect(0)), refused(Reason::Busy, SHOTS));
    rig.run_until(1_000_000, rows_of_all);
    assert_eq!(rig.host.take_answer(tag), Some(asked_afterwards()));
    assert_eq!(rig.ask(Command::Collect(0)), asked_afterwards(), "they can be asked for again");
}

#[test]
fn an_abort_refuses_them_before_it_is_answered() {
    let (mut rig, tag) = asked_ahead(&[1]);
    rig.run_until(1_000_000, |rig| rig.device.counts().shots_finished == 2);
    let abort = rig.tell(Command::Abort);
    rig.exchange();
    let order: Vec<u16> = rig.host.answers.iter().map(|(of, _)| *of).collect();
    assert_eq!(order, [tag, abort]);
    assert_eq!(rig.host.take_answer(tag), Some(refused(Reason::NoPlan, 0)));
    assert_eq!(rig.host.take_answer(abort), Some(Answer::Done));
    rig.run_for(100_000);
    assert!(rig.host.answers.is_empty());
}

#[test]
fn a_fault_refuses_them() {
    let (mut rig, tag) = asked_ahead(&[1]);
    rig.device.script.fail.set(Some((Call::BeginShot, 1, BoardError::Plant)));
    rig.run_until(1_000_000, |rig| rig.device.state() == State::Faulted(Fault::Plant));
    assert_eq!(rig.host.take_answer(tag), Some(refused(Reason::Faulted, Fault::Plant as u64)));
    // Nor do they come when what the fault cut short has run again.
    assert_eq!(rig.ask(Command::Clear), Answer::Done);
    assert_eq!(rig.ask(Command::Arm(Codes::scripted(1).generation(1))), Answer::Done);
    rig.run_until(1_000_000, rows_of_all);
    rig.run_for(100_000);
    assert!(rig.host.answers.is_empty());
    assert_eq!(rig.ask(Command::Collect(0)), asked_afterwards(), "and they are right when asked for");
}

#[test]
fn another_session_is_not_given_the_answer() {
    let (mut rig, _) = asked_ahead(&[1]);
    rig.run_until(1_000_000, |rig| rig.device.counts().shots_finished == 2);
    rig.connect(2);
    rig.run_for(100_000);
    assert!(rig.host.answers.is_empty());
    assert_eq!(rig.ask(Command::Plan(summing())), Answer::Done);
    let tag = rig.tell(Command::Collect(0));
    rig.exchange();
    assert!(matches!(rig.host.take_answer(tag), Some(Answer::Contrast { shots: 0, .. })));
}
