//! A result is a pure function of (codes, inputs, shot, plan, seed): threads, replicas, order, cuts and re-runs leave
//! every byte as it is, with noise as well as without.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::*;
use xyloop_protocol::message::{Command, Cost, Plan, ReadOut};
use xyloop_sim::{Description, Solver};

/// The imperfections under which results are compared.
fn devices() -> Vec<(&'static str, Description, Plan)> {
    let plan = plan(&symmetric(0.05, Cost::Log { bound_q14: 1638 }));
    // Noise never settles: short stretches up to the time-out.
    let mut short = plan;
    (short.settle.min_us, short.settle.window_us, short.settle.timeout_us) = (40, 20, 80);
    short.read_out = ReadOut::Iq;
    let ideal = ideal(small(), 1);
    vec![
        ("ideal", ideal.clone(), plan),
        ("flow", Description { solver: Solver::Flow, ..ideal.clone() }, short),
        ("read noise", Description { iq_noise: 0.01, ..ideal.clone() }, short),
        ("diffusion", Description { phase_diffusion_rad2_per_s: 300.0, ..ideal }, short),
    ]
}

fn codes() -> Codes {
    codes_of(&parameters(&small(), 21, 0.3), &CONVERTERS)
}

fn driven(description: Description, plan: &Plan) -> DrivenDevice {
    let mut driven = DrivenDevice::with_codes(description, &codes());
    driven.plan(plan);
    driven
}

#[test]
fn replicas_change_no_byte() {
    for (name, description, plan) in devices() {
        let shots = xor_shots(1..=20);
        let want = driven(description.clone(), &plan).run(&shots);
        assert_eq!(want.len(), 20);
        for replicas in [3, 8, 16] {
            let have = driven(Description { replicas, ..description.clone() }, &plan).run(&shots);
            assert!(have == want, "{name}, {replicas} replicas");
        }
    }
}

#[test]
fn threads_change_no_byte() {
    for (name, description, plan) in devices() {
        let shots = xor_shots(1..=20);
        let want = driven(description.clone(), &plan).run(&shots);
        for threads in [1, 2] {
            let mut driven = DrivenDevice::threaded(Description { replicas: 16, threads, ..description.clone() });
            driven.commit(&codes());
            driven.plan(&plan);
            assert!(driven.run(&shots) == want, "{name}, {threads} threads");
        }
    }
}

#[test]
fn order_and_cuts_of_the_batch_change_no_byte() {
    for (name, description, plan) in devices() {
        let want = driven(description.clone(), &plan).run(&xor_shots(1..=12));
        let mut driven = driven(Description { replicas: 5, ..description }, &plan);
        let mut have = Rows::new();
        for ids in [vec![9, 10, 11, 12], vec![2], vec![1, 3, 5, 7], vec![4, 6, 8]] {
            have.append(&mut driven.run(&xor_shots(ids)));
            // What ran in between must not matter.
            driven.run(&xor_shots(500..503));
        }
        assert!(have == want, "{name}");
    }
}

#[test]
fn shots_that_were_cut_short_run_again_to_the_same_bytes() {
    for (name, description, plan) in devices() {
        let want = driven(description.clone(), &plan).run(&xor_shots(1..=12));
        let mut driven = driven(Description { replicas: 5, ..description }, &plan);
        driven.queue(&xor_shots(1..=12));
        driven.wait(3);
        driven.pair.device.hang_up();
        let already = driven.rows().values().map(Vec::len).sum::<usize>() / 4;
        driven.order(Command::Arm(driven.generation));
        driven.wait(12 - already);
        let counts = driven.pair.device.counts();
        assert!(counts.shots_discarded > 0 && already < 12, "or nothing was cut short");
        assert!(driven.rows() == want, "{name}");
    }
}

#[test]
fn seeds_and_ids_do_change_noise() {
    for (name, description, plan) in devices() {
        let row = |seed, id| {
            let rows = driven(Description { seed, ..description.clone() }, &plan).run(&xor_shots([id]));
            rows[&id][0].data.clone()
        };
        let noisy = description.iq_noise + description.phase_diffusion_rad2_per_s > 0.0;
        assert_eq!(row(1, 4) != row(2, 4), noisy, "{name}: the seed");
        if noisy {
            // 4 and 8 are the same sample.
            assert_ne!(row(1, 4), row(1, 8), "{name}: the shot");
        }
    }
}

#[test]
fn the_controllers_counts_are_the_boards_and_the_hosts() {
    let plan = Plan { reads: 3, ..plan(&symmetric(0.05, Cost::Cosine)) };
    for replicas in [1, 7] {
        let mut driven = driven(ideal(small(), replicas), &plan);
        let rows = driven.run(&xor_shots(1..=30));
        let of_board = driven.pair.device.board().counts();
        let counts = driven.pair.device.counts();
        assert_eq!((counts.shots_begun, counts.shots_finished, counts.shots_discarded), (30, 30, 0));
        assert_eq!(of_board.shots, 30);
        assert_eq!((counts.equilibria, rows.values().map(Vec::len).sum()), (120, 120));
        assert_eq!(counts.reads, of_board.reads);
        // One start per kick and per window.
        let windows: u64 = rows.values().flatten().map(|row| u64::from((row.settle_us - 3000) / 1000)).sum();
        assert_eq!(of_board.starts, 30 + 120 + windows);
        assert_eq!(counts.reads, 120 + windows + 3 * 120);
    }
}

#[test]
fn a_settle_policy_without_a_minimum_time_works() {
    let mut plan = plan(&[]);
    plan.settle.min_us = 0;
    let mut driven = driven(ideal(small(), 2), &plan);
    let rows = driven.run(&xor_shots(1..=4));
    assert!(rows.values().flatten().all(|row| row.settle_us >= 1000));
}
