//! The shot: what is latched in which order, when a state counts as settled, and which flags an equilibrium carries.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::f64::consts::TAU;

use xyloop_protocol::{
    message::{Command, Cost, Nudge, Plan, Segment},
    units::{DacCode, Flags},
};
use xyloop_testbench::{Answer, Codes, Row, scripted::*};

const LOG: Cost = Cost::Log { bound_q14: 1638 };

fn steps(code: u16) -> i32 {
    DacCode(code).steps(FIELD_BITS)
}

fn radians(turn: u16) -> f64 {
    f64::from(turn) / 65536.0 * TAU
}

/// What a segment added to the trained fields, in steps.
fn added(latched: &[u16], trained: &[u16]) -> Vec<i32> {
    latched.iter().zip(trained).map(|(a, b)| steps(*a) - steps(*b)).collect()
}

/// Fields latched on replica 0 in one shot, one vector per segment.
fn fields_of_shot(rig: &mut ScriptedRig, id: u64, flip: bool) -> Vec<Vec<u16>> {
    let (from, rows) = (rig.log_length(), rig.host.rows.len());
    rig.shoot(id, flip);
    rig.run_until(1_000_000, |rig| rig.host.rows.len() == rows + 4);
    rig.device.script.latched(0, from)
}

fn replan(rig: &mut ScriptedRig, change: impl FnOnce(&mut Plan)) {
    let mut plan = plan(Codes::scripted(1).generation(1), Cost::Cosine);
    change(&mut plan);
    assert_eq!(rig.ask(Command::Plan(plan)), Answer::Done);
}

#[test]
fn a_shot_latches_kick_trained_nudged_trained_the_opposite_nudge_and_trained() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    let trained = Codes::scripted(1).fields;
    let latched = fields_of_shot(&mut rig, 5, false);
    let [kick, free, plus, release, minus, after] = latched.as_slice() else { panic!("{} segments", latched.len()) };
    for pair in kick.as_chunks::<2>().0 {
        let [x, y] = pair.map(|code| f64::from(steps(code)));
        assert!((x.hypot(y) - 20_000.0).abs() < 1.5, "a kick has the length of the plan");
    }
    assert_eq!((free, release), (&trained, &trained));
    assert_eq!(after, &trained, "no nudge stays in force");
    let nudge = added(plus, &trained);
    for site in 0..SITES {
        let mut want = [0.0, 0.0];
        if let Some(output) = OUTPUTS.iter().position(|at| usize::from(*at) == site) {
            let target = radians(targets_of(5)[output]);
            want = [500.0 * target.cos(), 500.0 * target.sin()];
        }
        for (have, want) in nudge[2 * site..2 * site + 2].iter().zip(want) {
            assert!((f64::from(*have) - want).abs() <= 0.51, "site {site}: {have} {want}");
        }
    }
    assert_eq!(added(minus, &trained), nudge.iter().map(|x| -x).collect::<Vec<_>>());
}

#[test]
fn kicks_differ_from_shot_to_shot_and_not_from_run_to_run() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    let kick_of = |rig: &mut ScriptedRig, id| fields_of_shot(rig, id, false)[0].clone();
    let (first, second) = (kick_of(&mut rig, 1), kick_of(&mut rig, 2));
    assert_ne!(first, second);
    assert_ne!(first, kick_of(&mut rig, 1 + (1 << 32)), "all of an id counts");
    let mut again = ScriptedRig::planned(&[1, 1], LOG);
    assert_eq!(kick_of(&mut again, 1), first);
    replan(&mut rig, |plan| plan.kick.seed ^= 1 << 63);
    rig.tell(Command::Retire(u64::MAX));
    assert_ne!(kick_of(&mut rig, 1), first, "all of a seed counts");
}

#[test]
fn flip_takes_the_other_sign_first() {
    for cost in [Cost::Cosine, LOG] {
        let straight = fields_of_shot(&mut ScriptedRig::planned(&[1], cost), 8, false);
        let mut flipped = fields_of_shot(&mut ScriptedRig::planned(&[1], cost), 8, true);
        assert_ne!(straight[2], straight[4]);
        flipped.swap(2, 4);
        assert_eq!(straight, flipped);
    }
}

#[test]
fn the_log_nudge_is_frozen_at_this_shots_free_phase() {
    // Two replicas run shots with different inputs side by side, so that a mixed-up free state would show.
    let mut rig = ScriptedRig::planned(&[1, 1], LOG);
    let trained = Codes::scripted(1).fields;
    let from = rig.log_length();
    let rows = rig.run_shots([3, 4]);
    for (replica, id) in [(0, 3), (1, 4)] {
        let latched = rig.device.script.latched(replica, from);
        let (plus, minus) = (added(&latched[2], &trained), added(&latched[4], &trained));
        let free = rows.iter().find(|row| row.shot == id && row.segment == 1).unwrap();
        for (output, site) in OUTPUTS.map(usize::from).into_iter().enumerate() {
            let target = targets_of(id)[output];
            let cos = (radians(free.data[site]) - radians(target)).cos();
            let amplitude = 500.0 / (1.0 + cos).max(1638.0 / 16384.0);
            let want = [amplitude * radians(target).cos(), amplitude * radians(target).sin()];
            for (have, want) in plus[2 * site..2 * site + 2].iter().zip(want) {
                assert!((f64::from(*have) - want).abs() <= 0.6 + 2e-3 * amplitude, "shot {id}: {have} {want}");
            }
        }
        assert_eq!(minus, plus.iter().map(|x| -x).collect::<Vec<_>>(), "the same frozen amplitude on both sides");
    }
}

#[test]
fn a_bounded_log_nudge_is_flagged_on_its_row_alone() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    // 1 + cos Δ < 2 whatever Δ is.
    let nudge = |beta_q8| Segment::Nudge(Nudge { beta_q8, cost: Cost::Log { bound_q14: 32768 } });
    replan(&mut rig, |plan| (plan.segments[2], plan.segments[4]) = (nudge(256), nudge(-256)));
    let flags: Vec<Flags> = rig.run_shots([1]).iter().map(|row| row.flags).collect();
    let (clear, bounded) = (Flags::default(), Flags::NUDGE_BOUNDED);
    assert_eq!(flags, [clear, bounded, clear, bounded]);
}

#[test]
fn a_nudge_beyond_the_dac_is_clipped_and_flagged() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    let nudge = |beta_q8| Segment::Nudge(Nudge { beta_q8, cost: Cost::Cosine });
    replan(&mut rig, |plan| (plan.segments[2], plan.segments[4]) = (nudge(40_000 * 256), nudge(-256)));
    let from = rig.log_length();
    let flags: Vec<Flags> = rig.run_shots([1]).iter().map(|row| row.flags).collect();
    let (clear, clipped) = (Flags::default(), Flags::ACTUATOR_CLIPPED);
    assert_eq!(flags, [clear, clipped, clear, clear]);
    let latched = rig.device.script.latched(0, from);
    assert!(latched[2].iter().any(|code| [0, u16::MAX].contains(code)), "at the rail, not wrapped around");
}

#[test]
fn a_still_state_settles_after_the_minimum_and_one_window() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    replan(&mut rig, |plan| (plan.settle.reads_per_window, plan.reads) = (3, 5));
    for row in rig.run_shots([1, 2]) {
        assert_eq!((row.settle_us, row.residual_turn, row.flags), (1200, 0, Flags::default()));
    }
    assert_eq!(rig.device.counts().reads, 2 * 4 * (3 + 3 + 5));
    assert_eq!(rig.device.script.count(|act| matches!(act, Act::Read { .. })), 2 * 4 * (3 + 3 + 5));
}

#[test]
fn every_read_of_a_segment_has_a_name_of_its_own() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    replan(&mut rig, |plan| (plan.settle.reads_per_window, plan.reads) = (3, 5));
    rig.run_shots([1, 2]);
    let log = rig.device.script.log.borrow();
    let mut keys: Vec<_> = Vec::new();
    for (_, act) in log.iter() {
        if let Act::Read { key, .. } = act {
            assert!(!keys.contains(key), "{key:?}");
            keys.push(*key);
        }
    }
    assert_eq!(keys.len(), 88);
    assert_eq!((keys[0].shot, keys[0].segment, keys[0].read), (1, 1, 0));
    assert_eq!((keys[87].shot, keys[87].segment, keys[87].read), (2, 4, 10));
}

#[test]
fn a_state_is_unsettled_as_long_as_one_site_of_many_moves() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    // 0.06 rad a window until 2.5 ms: the first two windows without motion are 2.6 and 2.8 ms.
    rig.device.script.drift.set(Some((3, 3e-4, 2500)));
    for row in rig.run_shots([1]) {
        assert_eq!((row.settle_us, row.residual_turn, row.flags), (2800, 0, Flags::default()));
    }
    // Just below and just at the tolerance of 4 steps a window.
    for (moved, settle_us, flags) in [(3.0, 1200, Flags::default()), (4.0, 8000, Flags::UNSETTLED)] {
        rig.device.script.drift.set(Some((3, moved / 200.0 / 65536.0 * TAU, u32::MAX)));
        let row = rig.run_shots([2 + moved as u64])[0].clone();
        assert_eq!((row.settle_us, row.residual_turn, row.flags), (settle_us, moved as u16, flags));
    }
}

#[test]
fn at_the_time_out_a_state_is_read_flagged_and_the_shot_goes_on() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    rig.device.script.drift.set(Some((1, 3e-4, u32::MAX)));
    replan(&mut rig, |plan| plan.settle.timeout_us = 2399);
    for row in rig.run_shots([1]) {
        // Windows at 1000, 1200, … 2200; 2400 would be too late.
        assert_eq!((row.settle_us, row.flags), (2200, Flags::UNSETTLED));
        assert!(row.residual_turn.abs_diff(626) <= 1, "0.06 rad: {}", row.residual_turn);
    }
    replan(&mut rig, |plan| plan.settle.timeout_us = 2400);
    assert!(rig.run_shots([2]).iter().all(|row| row.settle_us == 2400));
    replan(&mut rig, |plan| plan.settle.timeout_us = 1200);
    assert!(rig.run_shots([3]).iter().all(|row| row.settle_us == 1200), "the least there can be");
}

#[test]
fn a_release_away_from_the_free_state_marks_that_and_later_rows() {
    let mut rig = ScriptedRig::planned(&[1, 1], Cost::Cosine);
    rig.device.script.hysteresis.set(|id| id == 2);
    let flags = |rows: &[Row]| rows.iter().map(|row| row.flags).collect::<Vec<_>>();
    let (clear, changed) = (Flags::default(), Flags::BASIN_CHANGED);
    let rows = rig.run_shots(1..=3);
    assert_eq!(flags(&rows[..4]), [clear; 4]);
    assert_eq!(flags(&rows[4..8]), [clear, clear, changed, changed]);
    assert_eq!(flags(&rows[8..]), [clear; 4], "the next shot on the replica starts clean");
    // 0.2 rad of 2^16 steps a turn.
    assert!(rows[6].moved_turn.abs_diff(2086) <= 1, "{}", rows[6].moved_turn);
    assert!(rows.iter().step_by(4).all(|free| free.moved_turn == 0));
    for (tolerance, want) in [(rows[6].moved_turn, clear), (rows[6].moved_turn - 1, changed)] {
        replan(&mut rig, |plan| plan.basin_tolerance_turn = tolerance);
        rig.tell(Command::Retire(u64::MAX));
        assert_eq!(rig.run_shots([2])[2].flags, want, "further than the tolerance is a change");
    }
}

#[test]
fn codes_at_the_rail_and_weak_sites_are_flagged() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    rig.device.script.amplitude.set(1.3);
    assert!(rig.run_shots([1]).iter().all(|row| row.flags == Flags::CLIPPED));
    rig.device.script.amplitude.set(0.1);
    assert!(rig.run_shots([2]).iter().all(|row| row.flags == Flags::WEAK));
    rig.device.script.amplitude.set(0.9);
    assert!(rig.run_shots([3]).iter().all(|row| row.flags == Flags::default()));
}

#[test]
fn a_plan_may_be_shorter() {
    let mut rig = ScriptedRig::planned(&[1], Cost::Cosine);
    replan(&mut rig, |plan| plan.segments[2..].fill(Segment::End));
    for id in 1..=3 {
        rig.shoot(id, false);
    }
    rig.run_until(1_000_000, |rig| rig.device.counts().shots_finished == 3);
    let rows: Vec<(u64, u8)> = rig.host.rows.iter().map(|row| (row.shot, row.segment)).collect();
    assert_eq!(rows, [(1, 1), (2, 1), (3, 1)]);
    assert_eq!(rig.device.counts().equilibria, 3);
}
