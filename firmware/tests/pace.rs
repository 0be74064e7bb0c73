//! Boards on slow buses: a latch and a read that are spread over polls give the same results, and half of a generation is
//! never on an output, whatever happens in between.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use xyloop_firmware::{BoardError, Pace};
use xyloop_protocol::message::{Command, Cost, Fault, Plan, ReadOut, Reason, SafeCause, State};
use xyloop_testbench::{Answer, Codes, Row, refused, scripted::*};

const SLOW: Pace = Pace { codes: 2, reads: 1 };

/// Connected, with a board of this pace.
fn slow(slowness: &[u64], pace: Pace) -> ScriptedRig {
    let rig = ScriptedRig::connected(slowness);
    rig.device.script.set_pace(pace);
    rig
}

/// A whole run: two generations with eight shots each, several reads in a window and in a read-out. What came of it.
fn run(mut rig: ScriptedRig, read_out: ReadOut) -> (Vec<Row>, Vec<Answer>) {
    let mut sums = Vec::new();
    for number in 1..=2 {
        let generation = rig.commit(number, &Codes::scripted(number as u16));
        let mut plan = Plan { read_out, reads: 5, ..plan(generation, Cost::Cosine) };
        plan.settle.reads_per_window = 3;
        assert_eq!(rig.ask(Command::Plan(plan)), Answer::Done);
        let first = 1 + 8 * u64::from(number - 1);
        rig.run_shots(first..first + 8);
        rig.tell(Command::Retire(first + 7));
        if read_out == ReadOut::Contrast {
            sums.push(rig.ask(Command::Collect(0)));
        }
    }
    (rig.host.rows, sums)
}

#[test]
fn results_are_the_same_at_every_pace() {
    for read_out in [ReadOut::Phases, ReadOut::Iq, ReadOut::Contrast] {
        for slowness in [&[1][..], &[1, 3, 0]] {
            let dithered = |pace| {
                let rig = slow(slowness, pace);
                // No two reads are alike: a read too few, too many or of another window would show.
                rig.device.script.dither.set(37);
                rig.device.script.drift.set(Some((1, 1e-4, 1700)));
                let script = std::rc::Rc::clone(&rig.device.script);
                (run(rig, read_out), script.most_work())
            };
            let (want, most) = dithered(Pace::UNBOUNDED);
            assert_eq!(most, (COUPLINGS.len(), 8), "a window and the read-out behind it in one go");
            assert_eq!(want.0.len(), 2 * 8 * 4);
            for (codes, reads) in [(1, 1), (2, 2), (4, 1), (5, 4), (6, 7), (usize::MAX, 3)] {
                let (have, most) = dithered(Pace { codes, reads });
                assert_eq!(have, want, "{codes} codes, {reads} reads, {read_out:?}");
                assert_eq!(most, (codes.min(COUPLINGS.len()), reads), "as much as allowed, and no more");
            }
        }
    }
}

#[test]
fn a_board_that_says_it_can_do_nothing_at_once_does_one_thing_at_a_time() {
    let (have, most) = {
        let rig = slow(&[1], Pace { codes: 0, reads: 0 });
        let script = std::rc::Rc::clone(&rig.device.script);
        (run(rig, ReadOut::Phases), script.most_work())
    };
    assert_eq!(have, run(ScriptedRig::connected(&[1]), ReadOut::Phases));
    assert_eq!(most, (1, 1));
}

#[test]
fn a_commit_is_answered_after_its_latch_and_what_comes_behind_it_waits() {
    let mut rig = slow(&[1, 1], SLOW);
    let (codes, generation) = (Codes::scripted(1), Codes::scripted(1).generation(1));
    rig.stage(1, &codes);
    let commit = rig.tell(Command::Commit(generation));
    let plan = rig.tell(Command::Plan(plan(generation, Cost::Cosine)));
    rig.shoot(1, false);
    let safe = rig.tell(Command::Safe);
    let status = rig.tell(Command::Status);
    for staged in [2, 4] {
        rig.exchange_once();
        assert_eq!(rig.device.script.count(|act| matches!(act, Act::Staged { .. })), staged / 2);
        assert_eq!(rig.host.answers, [], "{staged} codes of {}", COUPLINGS.len());
        assert_eq!(rig.device.script.unsafe_acts(0), [], "what is staged is on no output");
        assert_eq!(rig.device.state(), State::Safe(SafeCause::Reset));
        assert_eq!(rig.device.next_wakeup_us(), Some(0), "there is work left");
    }
    rig.exchange_once();
    assert!(!rig.device.is_working());
    let tags: Vec<u16> = rig.host.answers.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(tags, [commit, plan, safe, status], "in the order in which they came");
    for tag in [commit, plan, safe] {
        assert_eq!(rig.host.take_answer(tag), Some(Answer::Done));
    }
    let Some(Answer::Status(status)) = rig.host.take_answer(status) else { panic!("no status") };
    assert_eq!((status.state, status.shots_pending), (State::Safe(SafeCause::Asked), 1));
    let latched =
        rig.device.script.log.borrow().iter().position(|(_, act)| *act == Act::Couplings(codes.couplings.clone()));
    assert!(latched.is_some(), "it was latched before it was answered");
}

#[test]
fn latches_in_a_row_share_what_fits_into_a_poll() {
    let mut rig = ScriptedRig::planned(&[1, 1], Cost::Cosine);
    rig.device.script.set_pace(Pace { codes: 4, reads: 1 });
    let from = rig.log_length();
    let tags = [(); 3].map(|()| rig.tell(Command::Abort));
    // 4, then 2 and 2, then 4, then 4, then 2: three times six couplings.
    for _ in 0..5 {
        rig.exchange_once();
    }
    assert_eq!(rig.host.answers, tags.map(|tag| (tag, Answer::Done)));
    assert_eq!(rig.device.script.most_work().0, 4);
    let pieces: Vec<(usize, usize)> = rig.device.script.log.borrow()[from..]
        .iter()
        .filter_map(|(_, act)| if let Act::Staged { first, codes } = act { Some((*first, codes.len())) } else { None })
        .collect();
    assert_eq!(pieces, [(0, 4), (4, 2), (0, 2), (2, 4), (0, 4), (4, 2)]);
}

/// Commits generation 2 with 2 of its 6 couplings handed to the converters; the tag of the commit.
fn half_staged(rig: &mut ScriptedRig) -> u16 {
    rig.stage(2, &Codes::scripted(2));
    let commit = rig.tell(Command::Commit(Codes::scripted(2).generation(2)));
    rig.exchange_once();
    assert!(rig.device.is_working());
    commit
}

/// Once from safe outputs, once with a generation in force that has run a shot.
fn from_both(test: impl Fn(&mut ScriptedRig)) {
    test(&mut slow(&[1, 1], SLOW));
    let mut rig = ScriptedRig::planned(&[1, 1], Cost::Cosine);
    rig.device.script.set_pace(SLOW);
    rig.run_shots([1]);
    test(&mut rig);
}

/// The next latch hands over everything.
fn is_latched_whole(rig: &mut ScriptedRig, generation: u32) {
    let codes = Codes::scripted(generation as u16);
    let from = rig.log_length();
    assert_eq!(rig.ask(Command::Arm(codes.generation(generation))), Answer::Done);
    assert_eq!(*rig.device.script.couplings.borrow(), codes.couplings);
    assert!(rig.device.script.fields.borrow().iter().all(|fields| *fields == codes.fields));
    let log = rig.device.script.log.borrow();
    let firsts: Vec<usize> = log[from..]
        .iter()
        .filter_map(|(_, act)| if let Act::Staged { first, .. } = act { Some(*first) } else { None })
        .collect();
    assert_eq!(firsts, [0, 2, 4]);
}

#[test]
fn a_deadman_in_the_middle_leaves_only_safe_codes() {
    from_both(|rig| {
        let commit = half_staged(rig);
        let (from, heard) = (rig.log_length(), rig.device.received_us);
        rig.set_cut(true);
        rig.now_us = heard + DEADMAN_US;
        rig.exchange();
        assert!(rig.device.script.is_safe());
        assert_eq!(rig.device.state(), State::Safe(SafeCause::Deadman));
        assert!(!rig.device.is_working());
        rig.run_for(2 * DEADMAN_US);
        assert_eq!(rig.device.script.unsafe_acts(from), []);
        assert_eq!(rig.device.counts().deadman, 1);
        rig.set_cut(false);
        rig.run_for(2 * DEADMAN_US);
        assert_eq!(rig.host.take_answer(commit), Some(refused(Reason::NotReady, 0)), "it is committed and not latched");
        is_latched_whole(rig, 2);
    });
}

#[test]
fn a_latch_does_not_put_the_deadman_off() {
    from_both(|rig| {
        half_staged(rig);
        rig.set_cut(true);
        let heard = rig.device.received_us;
        rig.now_us = heard + DEADMAN_US - 2;
        rig.poll();
        rig.now_us = heard + DEADMAN_US - 1;
        rig.poll();
        assert_eq!(rig.device.state(), State::Ready, "latched at the last moment");
        rig.run_for(1);
        assert!(rig.device.script.is_safe(), "a deadman after the host was heard of, not after the latch");
    });
}

/// Commands that waited behind a latch were said before it: they are no sign of life.
#[test]
fn what_waited_behind_a_latch_latches_nothing_after_the_deadman() {
    for late_us in [0, 1] {
        from_both(|rig| {
            half_staged(rig);
            rig.tell(Command::Safe);
            rig.tell(Command::Arm(Codes::scripted(2).generation(2)));
            rig.tell(Command::Commit(Codes::scripted(2).generation(2)));
            rig.exchange_once();
            rig.set_cut(true);
            // The last codes are staged just before the deadman, or would be at it.
            let end = rig.device.received_us + DEADMAN_US;
            rig.now_us = end - 1 + late_us;
            let before = rig.log_length();
            rig.poll();
            let from = if late_us > 0 { before } else { rig.log_length() };
            assert!(rig.device.script.is_safe(), "by the deadman or as asked");
            rig.device.script.set_pace(Pace::UNBOUNDED);
            rig.now_us = end;
            rig.run_for(2 * DEADMAN_US);
            assert_eq!(rig.device.script.unsafe_acts(from), []);
            assert_eq!(rig.device.state(), State::Safe(SafeCause::Deadman));
        });
    }
}

#[test]
fn a_socket_that_closes_or_a_host_that_leaves_in_the_middle_leaves_only_safe_codes() {
    for leaves in [false, true] {
        from_both(|rig| {
            let commit = half_staged(rig);
            let from = rig.log_length();
            if leaves {
                rig.say_and_leave(&[]);
            } else {
                rig.device.hang_up();
            }
            assert!(rig.device.script.is_safe());
            assert!(!rig.device.is_working());
            assert_eq!(rig.device.state(), State::Safe(SafeCause::Deadman));
            rig.run_for(100_000);
            assert_eq!(rig.device.script.unsafe_acts(from), []);
            rig.connect(2);
            let told = rig.host.answers.iter().filter(|(tag, _)| *tag == commit).count();
            assert_eq!(told, usize::from(!leaves), "a host that has left is not told, nor the one that comes");
            is_latched_whole(rig, 2);
        });
    }
}

#[test]
fn a_board_that_fails_in_the_middle_is_faulted_and_the_commit_refused() {
    for (call, after) in [(Call::StageCouplings, 1), (Call::LatchFields, 1)] {
        from_both(|rig| {
            rig.stage(2, &Codes::scripted(2));
            rig.device.script.fail.set(Some((call, after, BoardError::Converter)));
            let answer = rig.ask(Command::Commit(Codes::scripted(2).generation(2)));
            assert_eq!(answer, refused(Reason::Faulted, Fault::Converter as u64));
            assert!(rig.device.script.is_safe());
            assert_eq!(rig.device.state(), State::Faulted(Fault::Converter));
            assert_eq!(rig.ask(Command::Clear), Answer::Done);
            is_latched_whole(rig, 2);
        });
    }
}

#[test]
fn another_session_in_the_middle_drops_what_was_staged_or_stages_it_again() {
    let mut rig = slow(&[1, 1], SLOW);
    half_staged(&mut rig);
    let safe = rig.device.script.safe_moments().len();
    rig.connect(2);
    rig.run_for(1000);
    assert_eq!(rig.device.script.safe_moments().len(), safe + 1, "the converters are not left with half of it");
    assert_eq!(rig.device.script.unsafe_acts(0), [], "it was not in force, and nobody has asked for it since");
    assert_eq!((rig.device.state(), rig.host.answers.len()), (State::Safe(SafeCause::Reset), 0));
    is_latched_whole(&mut rig, 2);

    let mut rig = ScriptedRig::planned(&[1, 1], Cost::Cosine);
    rig.device.script.set_pace(SLOW);
    rig.shoot(1, false);
    rig.run_for(500);
    assert!(!rig.device.script.is_safe());
    rig.tell(Command::Abort);
    rig.exchange_once();
    assert!(rig.device.is_working(), "the trained fields are on their way back");
    let from = rig.log_length();
    rig.connect(2);
    rig.run_for(1000);
    assert_eq!(rig.host.answers, []);
    assert_eq!(rig.device.state(), State::Ready);
    let codes = Codes::scripted(1);
    assert_eq!(*rig.device.script.couplings.borrow(), codes.couplings);
    assert!(rig.device.script.fields.borrow().iter().all(|fields| *fields == codes.fields), "no kick is in force");
    let of = |act: &Act| matches!(act, Act::Couplings(_));
    let latches = rig.device.script.log.borrow()[from..].iter().filter(|(_, act)| of(act)).count();
    assert_eq!(latches, 1, "once, whole");
}

#[test]
fn a_deadman_in_the_middle_of_a_read_out_runs_the_shot_again() {
    let reads = |rig: &mut ScriptedRig| {
        let plan = Plan { reads: 8, ..plan(Codes::scripted(1).generation(1), Cost::Cosine) };
        assert_eq!(rig.ask(Command::Plan(plan)), Answer::Done);
    };
    let mut undisturbed = ScriptedRig::planned(&[1], Cost::Cosine);
    undisturbed.device.script.dither.set(37);
    reads(&mut undisturbed);
    let want = undisturbed.run_shots(1..=3);
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    rig.device.script.set_pace(SLOW);
    rig.device.script.dither.set(37);
    reads(&mut rig);
    for id in 1..=3 {
        rig.shoot(id, false);
    }
    rig.run_until(100_000, |rig| rig.device.is_working() && rig.device.counts().reads > 3);
    rig.set_cut(true);
    rig.poll();
    assert!(rig.device.is_working(), "in the middle of eight reads");
    rig.device.hang_up();
    assert!(rig.device.script.is_safe());
    assert!(!rig.device.is_working(), "nothing is read any more");
    rig.set_cut(false);
    assert_eq!(rig.ask(Command::Arm(Codes::scripted(1).generation(1))), Answer::Done);
    rig.run_until(1_000_000, |rig| rig.host.rows.len() == 12);
    assert_eq!(rig.host.rows, want);
}
