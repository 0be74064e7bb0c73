//! Results: in the order of the shots, the same on any number of replicas, kept until retired; and the read-outs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::f64::consts::TAU;

use xyloop_protocol::{
    codec::Codec,
    message::{Command, Cost, Plan, ReadOut, Reason, SafeCause, Segment, State},
    origin::Origin,
    units::Flags,
};
use xyloop_testbench::{Answer, Codes, Row, refused, scripted::*};

const LOG: Cost = Cost::Log { bound_q14: 1638 };

fn replan(rig: &mut ScriptedRig, change: impl FnOnce(&mut Plan)) {
    let mut plan = plan(Codes::scripted(1).generation(1), LOG);
    change(&mut plan);
    assert_eq!(rig.ask(Command::Plan(plan)), Answer::Done);
}

fn keys(rows: &[Row]) -> Vec<(u64, u8)> {
    rows.iter().map(|row| (row.shot, row.segment)).collect()
}

fn in_order(ids: impl Iterator<Item = u64>) -> Vec<(u64, u8)> {
    ids.flat_map(|id| (1..=4).map(move |segment| (id, segment))).collect()
}

#[test]
fn results_are_in_order_and_the_same_on_any_number_of_replicas() {
    let want = ScriptedRig::planned(&[1], LOG).run_shots(1..=12);
    assert_eq!(keys(&want), in_order(1..=12));
    assert!(want.iter().all(|row| row.generation == 1));
    for slowness in [&[9, 1][..], &[7, 1, 3], &[1; 8], &[8, 7, 6, 5, 4, 3, 2, 1]] {
        let mut rig = ScriptedRig::planned(slowness, LOG);
        assert_eq!(rig.run_shots(1..=12), want, "{slowness:?}");
        let counts = rig.device.counts();
        assert_eq!((counts.shots_begun, counts.shots_finished, counts.equilibria), (12, 12, 48));
        assert_eq!(rig.device.script.count(|act| matches!(act, Act::Begin { .. })), 12);
    }
}

#[test]
fn a_result_does_not_depend_on_how_the_batch_was_cut() {
    let want = ScriptedRig::planned(&[1, 2], LOG).run_shots(1..=10);
    let mut rig = ScriptedRig::planned(&[2, 1], LOG);
    let mut have = rig.run_shots([1, 2, 3]);
    rig.tell(Command::Retire(3));
    have.extend(rig.run_shots([4]));
    replan(&mut rig, |_| {});
    have.extend(rig.run_shots(5..=10));
    assert_eq!(have, want);
}

#[test]
fn the_inputs_of_a_shot_reach_its_replica() {
    let mut rig = ScriptedRig::planned(&[1, 5], LOG);
    let rows = rig.run_shots(1..=6);
    for (_, act) in rig.device.script.log.borrow().iter() {
        if let Act::Begin { shot, inputs, .. } = act {
            assert_eq!(*inputs, inputs_of(*shot));
        }
    }
    for row in rows {
        let [a, b] = inputs_of(row.shot);
        assert!(row.data[0].abs_diff(a) <= 1 && row.data[5].abs_diff(b) <= 1, "clamped inputs read as given");
    }
}

#[test]
fn a_replica_takes_the_next_shot_in_the_poll_in_which_it_finished_one() {
    // The slow one holds back the results of the other, so that no traffic on the line gives it an extra poll.
    let mut rig = ScriptedRig::planned(&[20, 1], LOG);
    for id in 1..=10 {
        rig.shoot(id, false);
    }
    rig.run_for(9 * SHOT_US - 1);
    assert_eq!(rig.device.counts().shots_finished, 8);
    rig.run_for(1);
    assert_eq!(rig.device.counts().shots_finished, 9);
}

#[test]
fn more_shots_than_slots_wait_for_a_retire() {
    let mut rig = ScriptedRig::planned(&[1, 1], LOG);
    for id in 1..=SLOTS as u64 {
        rig.shoot(id, false);
    }
    let full = refused(Reason::Full, SLOTS as u64);
    let tag = rig.shoot(13, false);
    rig.exchange();
    assert_eq!(rig.host.take_answer(tag), Some(full.clone()));
    rig.run_until(1_000_000, |rig| rig.host.rows.len() == 4 * SLOTS);
    let tag = rig.shoot(13, false);
    rig.exchange();
    assert_eq!(rig.host.take_answer(tag), Some(full), "finished is not retired");
    rig.tell(Command::Retire(2));
    rig.shoot(13, false);
    rig.shoot(14, false);
    let tag = rig.shoot(15, false);
    rig.run_until(1_000_000, |rig| rig.host.rows.len() == 4 * (SLOTS + 2));
    assert_eq!(rig.host.take_answer(tag), Some(refused(Reason::Full, SLOTS as u64)), "two were retired");
    // A long stream, retired as it arrives.
    rig.tell(Command::Retire(14));
    let mut next = 15;
    while rig.host.rows.len() < 4 * 60 {
        let finished = rig.host.rows.len() as u64 / 4;
        rig.tell(Command::Retire(finished));
        while next <= 60 && next <= finished + SLOTS as u64 {
            rig.shoot(next, false);
            next += 1;
        }
        rig.run_until(1_000_000, |rig| rig.host.rows.len() as u64 / 4 > finished);
    }
    assert_eq!(keys(&rig.host.rows), in_order(1..=60));
    assert!(rig.host.answers.is_empty(), "{:?}", rig.host.answers);
    assert_eq!(rig.host.rows, {
        let mut calm = ScriptedRig::planned(&[1], LOG);
        for id in 1..=60 {
            calm.run_shots([id]);
            calm.tell(Command::Retire(id));
        }
        calm.host.rows
    });
}

#[test]
fn results_are_offered_to_every_new_session_until_they_are_retired() {
    let mut rig = ScriptedRig::planned(&[1, 2], LOG);
    let rows = rig.run_shots(1..=5);
    rig.tell(Command::Retire(2));
    rig.exchange();
    for session in 2..4 {
        rig.host.rows.clear();
        rig.connect(session);
        rig.run_for(100_000);
        assert_eq!(rig.host.rows, rows[8..]);
    }
    rig.tell(Command::Retire(5));
    rig.exchange();
    rig.host.rows.clear();
    rig.connect(9);
    rig.run_for(100_000);
    assert_eq!(rig.host.rows, []);
}

/// A host that draws the number of a session that was.
#[test]
fn a_session_with_the_number_of_the_last_one_is_another_one() {
    let mut rig = ScriptedRig::planned(&[1, 2], LOG);
    let rows = rig.run_shots(1..=3);
    rig.host.rows.clear();
    rig.connect(1);
    rig.run_for(100_000);
    assert_eq!(rig.host.rows, rows, "what was not retired is offered again");
    rig.shoot(4, false);
    rig.exchange();
    assert!(rig.host.answers.iter().any(|(_, heard)| *heard == refused(Reason::NoPlan, 0)), "{:?}", rig.host.answers);
}

#[test]
fn the_last_words_of_a_host_that_leaves_at_once_count() {
    let mut rig = ScriptedRig::planned(&[1], LOG);
    rig.run_shots(1..=3);
    rig.say_and_leave(&[Command::Retire(2), Command::Safe]);
    assert_eq!(rig.device.state(), State::Safe(SafeCause::Asked));
    assert!(rig.device.script.is_safe());
    // But nothing that would drive an output, or run.
    rig.connect(2);
    let from = rig.log_length();
    let generation = Codes::scripted(1).generation(1);
    rig.say_and_leave(&[Command::Arm(generation), Command::Plan(plan(generation, LOG)), Command::Commit(generation)]);
    rig.run_for(100_000);
    assert_eq!((rig.device.script.unsafe_acts(from), rig.device.state()), (vec![], State::Safe(SafeCause::Asked)));
    rig.host.rows.clear();
    rig.connect(3);
    rig.run_for(100_000);
    assert!(!rig.host.rows.is_empty() && rig.host.rows.iter().all(|row| row.shot == 3), "{:?}", rig.host.rows);
}

/// Ten shots on replicas of very different speed, stopped when later shots are finished and the first is not.
fn interrupted() -> ScriptedRig {
    let mut rig = ScriptedRig::planned(&[40, 1, 1], LOG);
    for id in 1..=10 {
        rig.shoot(id, false);
    }
    rig.run_until(10_000_000, |rig| rig.device.counts().shots_finished >= 5);
    assert_eq!(rig.host.rows, [], "the first shot holds back the others");
    rig
}

#[test]
fn a_new_session_in_the_middle_of_a_batch_can_ask_for_everything_it_did_not_get() {
    let want = ScriptedRig::planned(&[1], LOG).run_shots(1..=10);
    let mut rig = interrupted();
    rig.connect(2);
    rig.run_for(100_000);
    assert_eq!(rig.device.state(), State::Ready, "the old host's shots do not run on");
    replan(&mut rig, |_| {});
    assert_eq!(rig.run_shots(1..=10), want);
    assert_eq!(rig.host.rows, want, "and nothing else came");
}

#[test]
fn abort_drops_what_is_not_finished_and_leaves_the_trained_fields() {
    let want = ScriptedRig::planned(&[1], LOG).run_shots(1..=10);
    let mut rig = interrupted();
    assert_eq!(rig.ask(Command::Abort), Answer::Done);
    assert_eq!(rig.device.state(), State::Ready);
    assert!(rig.device.script.fields.borrow().iter().all(|fields| *fields == Codes::scripted(1).fields));
    assert_eq!(*rig.device.script.couplings.borrow(), Codes::scripted(1).couplings);
    rig.run_for(1_000_000);
    assert_eq!(rig.host.rows, []);
    replan(&mut rig, |_| {});
    assert_eq!(rig.run_shots(1..=10), want, "under the same ids");
}

#[test]
fn shots_that_a_deadman_overtook_out_of_order_run_again_in_order() {
    let want = ScriptedRig::planned(&[1], LOG).run_shots(1..=10);
    let mut rig = interrupted();
    let begun = rig.device.counts().shots_finished;
    rig.device.hang_up();
    assert_eq!(rig.device.state(), State::Safe(SafeCause::Deadman));
    assert_eq!(rig.ask(Command::Arm(Codes::scripted(1).generation(1))), Answer::Done);
    rig.run_until(10_000_000, |rig| rig.host.rows.len() == 40);
    assert_eq!(rig.host.rows, want);
    assert!(begun >= 5 && rig.device.counts().shots_finished == 10, "what was finished does not run again");
}

#[test]
fn read_outs_are_parts_of_the_same_equilibria() {
    let mut rig = ScriptedRig::planned(&[1, 2], LOG);
    rig.device.script.dither.set(40);
    let mut with = |read_out, reads| {
        replan(&mut rig, |plan| (plan.read_out, plan.reads) = (read_out, reads));
        let rows = rig.run_shots(1..=3);
        rig.tell(Command::Retire(3));
        rows
    };
    let phases = with(ReadOut::Phases, 4);
    let outputs = with(ReadOut::Outputs, 4);
    let iq = with(ReadOut::Iq, 4);
    let single = with(ReadOut::Iq, 1);
    for (((phases, outputs), iq), single) in phases.iter().zip(&outputs).zip(&iq).zip(&single) {
        assert_eq!((phases.data.len(), outputs.data.len(), iq.data.len()), (SITES, 2, 2 * SITES));
        assert_eq!(outputs.data, OUTPUTS.map(|site| phases.data[usize::from(site)]));
        for site in 0..SITES {
            let code = |row: &Row, quadrature: usize| f64::from(row.data[2 * site + quadrature] as i16);
            // Reads 2 … 5 of the segment carry 2 … 5 times the dither in I; the single one is read 2.
            // (Behind a free phase read otherwise the log nudge is another one.)
            if iq.segment == 1 {
                assert!((code(iq, 0) - code(single, 0) - 40.0 * (3.5 - 2.0)).abs() <= 1.0, "the mean of four reads");
                assert!((code(iq, 1) - code(single, 1)).abs() <= 1.0);
            }
            let turns = code(iq, 1).atan2(code(iq, 0)).rem_euclid(TAU) / TAU * 65536.0;
            let away = (turns - f64::from(phases.data[site]) + 32768.0).rem_euclid(65536.0) - 32768.0;
            assert!(away.abs() < 1.5, "the phase of the mean vector: {away}");
        }
    }
}

fn collect(rig: &mut ScriptedRig) -> (u32, u32, Vec<i32>) {
    let total = (COUPLINGS.len() + 2 * SITES) as u32;
    let Answer::Contrast { shots, left_out, saturated, first, sums } = rig.ask(Command::Collect(0)) else {
        panic!("no sums")
    };
    assert_eq!((first, saturated, sums.len() as u32), (0, false, total));
    // Any part of them can be asked for.
    for from in [1, COUPLINGS.len() as u32, total - 1, total, u32::MAX] {
        let Answer::Contrast { sums: part, first, .. } = rig.ask(Command::Collect(from)) else { panic!("no sums") };
        assert_eq!(first, from);
        assert_eq!(part, sums.get(from as usize..).unwrap_or_default());
    }
    (shots, left_out, sums)
}

/// Σ s·x(nudged) − (Σ s)·x(free) over the shots, in floating point, from a read-out of all phases. A row behind a basin
/// change does not count: its free state is another one.
fn contrast_of(rows: &[Row], signs: [i32; 4], flipped: impl Fn(u64) -> bool) -> Vec<f64> {
    let mut sums = vec![0.0; COUPLINGS.len() + 2 * SITES];
    for shot in rows.chunk_by(|a, b| a.shot == b.shot) {
        let flip = if flipped(shot[0].shot) { -1 } else { 1 };
        let sign = |row: &Row| {
            if row.flags.any(Flags::BASIN_CHANGED) { 0 } else { flip * signs[usize::from(row.segment) - 1] }
        };
        let total: i32 = shot.iter().map(sign).sum();
        for row in shot {
            let weight = f64::from(if row.segment == 1 { -total } else { sign(row) });
            add(&mut sums, weight, &row.data);
        }
    }
    sums
}

fn add(sums: &mut [f64], weight: f64, phases: &[u16]) {
    let angle = |site: usize| f64::from(phases[site]) / 65536.0 * TAU;
    let (of_couplings, of_sites) = sums.split_at_mut(COUPLINGS.len());
    for (sum, (a, b)) in of_couplings.iter_mut().zip(COUPLINGS) {
        *sum += weight * (angle(a.into()) - angle(b.into())).cos();
    }
    for (site, [x, y]) in of_sites.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        *x += weight * angle(site).cos();
        *y += weight * angle(site).sin();
    }
}

#[test]
fn contrast_sums_are_those_of_the_phases_read_in_the_same_shots() {
    for (keep, signs) in [(5, [0, 1, 0, -1]), (3, [0, 1, 0, 0])] {
        let mut rig = ScriptedRig::planned(&[3, 1, 2], LOG);
        let mut run = |read_out| {
            replan(&mut rig, |plan| {
                plan.read_out = read_out;
                plan.segments[keep..].fill(Segment::End);
            });
            let before = rig.host.rows.len();
            for id in 1..=12 {
                rig.shoot(id, id % 3 == 0);
            }
            rig.run_until(10_000_000, |rig| rig.host.rows.len() == before + 12 * (keep - 1));
            let sums = (read_out == ReadOut::Contrast).then(|| collect(&mut rig));
            rig.tell(Command::Retire(12));
            (rig.host.rows[before..].to_vec(), sums)
        };
        let (full, _) = run(ReadOut::Phases);
        let (short, sums) = run(ReadOut::Contrast);
        let (shots, left_out, sums) = sums.unwrap();
        assert_eq!((shots, left_out), (12, 0));
        let want = contrast_of(&full, signs, |id| id % 3 == 0);
        assert!(want.iter().any(|x| x.abs() > 0.1), "or there is nothing to compare");
        for (sum, want) in sums.iter().zip(want) {
            let have = f64::from(*sum) / f64::from(1 << 20);
            assert!((have - want).abs() < 24.0 * 2e-5, "{have} {want}");
        }
        for (short, full) in short.iter().zip(&full) {
            assert_eq!(short.data, OUTPUTS.map(|site| full.data[usize::from(site)]), "outputs travel beside the sums");
            assert_eq!((short.flags, short.moved_turn, short.settle_us), (full.flags, full.moved_turn, full.settle_us));
        }
    }
}

#[test]
fn rows_and_sums_are_the_same_in_either_codec() {
    for read_out in [ReadOut::Phases, ReadOut::Outputs, ReadOut::Iq, ReadOut::Contrast] {
        let mut rig = ScriptedRig::planned(&[2, 1], LOG);
        rig.device.script.dither.set(40);
        let [words, delta] = [Codec::Words, Codec::Delta].map(|codec| {
            replan(&mut rig, |plan| (plan.read_out, plan.codec) = (read_out, codec));
            let rows = rig.run_shots(1..=6);
            // A new session gets them in the codec they were asked for in.
            rig.host.rows.clear();
            rig.connect(7 + codec as u32);
            rig.run_for(100_000);
            assert_eq!(rig.host.rows, rows);
            let sums = (read_out == ReadOut::Contrast).then(|| collect(&mut rig));
            rig.tell(Command::Retire(6));
            // Under another plan, and so of another origin.
            let rows: Vec<Row> = rows.into_iter().map(|row| Row { origin: Origin::default(), ..row }).collect();
            (rows, sums)
        });
        assert_eq!(words, delta, "{read_out:?}");
    }
}

#[test]
fn shots_with_a_flag_of_the_plan_are_left_out_of_the_sums_and_counted() {
    let mut rig = ScriptedRig::planned(&[1, 2], LOG);
    rig.device.script.hysteresis.set(|id| id % 4 == 0);
    let full = rig.run_shots(1..=10);
    rig.tell(Command::Retire(10));
    for (leave_out, left) in [(Flags::BASIN_CHANGED, 2), (Flags::UNSETTLED, 0)] {
        replan(&mut rig, |plan| (plan.read_out, plan.leave_out) = (ReadOut::Contrast, leave_out));
        rig.run_shots(1..=10);
        let (shots, left_out, sums) = collect(&mut rig);
        assert_eq!((shots, left_out), (10 - left, left));
        let kept: Vec<Row> = full.iter().filter(|row| left == 0 || row.shot % 4 != 0).cloned().collect();
        for (sum, want) in sums.iter().zip(contrast_of(&kept, [0, 1, 0, -1], |_| false)) {
            let have = f64::from(*sum) / f64::from(1 << 20);
            assert!((have - want).abs() < 24.0 * 2e-5, "{left} {have} {want}");
        }
        rig.tell(Command::Retire(10));
    }
    replan(&mut rig, |plan| plan.read_out = ReadOut::Contrast);
    assert_eq!(collect(&mut rig), (0, 0, vec![0; COUPLINGS.len() + 2 * SITES]), "a plan starts new sums");
}

#[test]
fn contrast_sums_do_not_count_a_shot_twice_that_was_cut_and_run_again() {
    let with_contrast = |cut: bool| {
        let mut rig = ScriptedRig::planned(&[1, 5], LOG);
        replan(&mut rig, |plan| plan.read_out = ReadOut::Contrast);
        for id in 1..=8 {
            rig.shoot(id, false);
        }
        if cut {
            rig.run_until(1_000_000, |rig| rig.device.counts().shots_finished == 3);
            rig.device.hang_up();
            rig.run_for(10_000);
            assert_eq!(rig.ask(Command::Arm(Codes::scripted(1).generation(1))), Answer::Done);
        }
        rig.run_until(1_000_000, |rig| rig.host.rows.len() == 32);
        collect(&mut rig)
    };
    assert_eq!(with_contrast(true), with_contrast(false));
}
