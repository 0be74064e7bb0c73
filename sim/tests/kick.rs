//! The start made with codes: uniform phases on the XOR array with couplings of trained size, knowing nothing of the
//! inputs and nothing of the label.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::*;
use xyloop_firmware::keyed::Stream;
use xyloop_protocol::message::{Cost, Plan, Settle};
use xyloop_sim::{Description, noise};

const SHOTS: u64 = 60;

/// The array, read (almost) at the end of the kick: a hundredth of a time unit later.
fn just_kicked() -> (DrivenDevice, Plan) {
    let description = Description { tau_us: 1000.0, ..ideal(large(), 16) };
    let mut plan = plan(&[]);
    plan.kick.duration_us = 5000;
    plan.settle = Settle { min_us: 5, window_us: 5, reads_per_window: 1, tolerance_turn: 9, timeout_us: 10 };
    let codes = codes_of(&parameters(&large(), 4, 0.1), &CONVERTERS);
    let mut driven = DrivenDevice::with_codes(description, &codes);
    driven.plan(&plan);
    (driven, plan)
}

/// Shots with inputs anywhere on the circle.
fn anywhere(ids: std::ops::RangeInclusive<u64>) -> Vec<Order> {
    let phase = |id, input| (noise::uniform(5, Stream::Prior, id, input, 1) * 65536.0) as u16;
    ids.map(|id| Order { id, flip: false, inputs: vec![phase(id, 0), phase(id, 1)], targets: vec![0] }).collect()
}

/// |Σ e^{iφ}|² / n: exponentially distributed with mean 1 for n uniform phases.
fn concentration(phases: impl Iterator<Item = f64>) -> f64 {
    let (mut x, mut y, mut n) = (0.0, 0.0, 0.0);
    for phase in phases {
        (x, y, n) = (x + phase.cos(), y + phase.sin(), n + 1.0);
    }
    (x * x + y * y) / n
}

#[test]
fn a_kick_makes_uniform_phases_that_know_nothing_of_the_inputs() {
    let (mut driven, _) = just_kicked();
    let graph = large();
    let rows = driven.run(&anywhere(1..=SHOTS));
    let states: Vec<Vec<f64>> = rows.values().map(|rows| rows[0].phases()).collect();
    assert_eq!(states.len() as u64, SHOTS);
    let inputs: Vec<usize> = graph.inputs().iter().map(|site| *site as usize).collect();
    let free: Vec<usize> = (0..graph.len()).filter(|site| !inputs.contains(site)).collect();
    let mut octants = [0.0; 8];
    for state in &states {
        for site in &free {
            octants[((state[*site] / TAU * 8.0) as usize).min(7)] += 1.0;
        }
    }
    let mean = SHOTS as f64 * free.len() as f64 / 8.0;
    let chi_square: f64 = octants.iter().map(|n: &f64| (n - mean).powi(2) / mean).sum();
    // 7 degrees of freedom: above 26 once in two thousand seeds.
    assert!(chi_square < 26.0, "{chi_square} {octants:?}");
    // Each site over the shots, and relative to each input: e^-x is the chance of more than x. 669 looks.
    let mut looks: Vec<f64> = Vec::new();
    for site in &free {
        looks.push(concentration(states.iter().map(|state| state[*site])));
        for input in &inputs {
            looks.push(concentration(states.iter().map(|state| state[*site] - state[*input])));
        }
    }
    let largest = looks.iter().copied().fold(0.0, f64::max);
    let average = looks.iter().sum::<f64>() / looks.len() as f64;
    assert!(largest < 14.0 && (average - 1.0).abs() < 0.25, "{largest} {average}");
    // Sites of one state are independent of each other.
    for state in &states {
        assert!(concentration(free.iter().map(|site| state[*site])) < 12.0);
    }
}

#[test]
fn the_same_shot_starts_nearly_alike_whatever_its_inputs() {
    let (mut driven, _) = just_kicked();
    let a = driven.run(&anywhere(1..=8));
    let mut others = anywhere(1..=8);
    for order in &mut others {
        order.inputs = order.inputs.iter().map(|phase| phase.wrapping_add(0x8000)).collect();
    }
    let b = driven.run(&others);
    let inputs = large().inputs().to_vec();
    for (a, b) in a.values().zip(b.values()) {
        for (site, (a, b)) in a[0].data.iter().zip(&b[0].data).enumerate() {
            // A neighbour feels an input with W ~ 0.1 to 0.4 against a kick of 3.9: at most a fifth of a radian.
            assert!(inputs.contains(&(site as u32)) || distance(*a, *b) < 2100, "site {site}");
        }
    }
}

#[test]
fn kicks_of_different_shots_and_seeds_have_nothing_in_common() {
    let (mut driven, plan) = just_kicked();
    let a = driven.run(&xor_shots([4, 8]));
    let mut other = plan;
    other.kick.seed += 1;
    driven.plan(&other);
    let b = driven.run(&xor_shots([4]));
    for (a, b) in [(&a[&4], &a[&8]), (&a[&4], &b[&4])] {
        let differences = a[0].phases().into_iter().zip(b[0].phases()).map(|(a, b)| a - b);
        assert!(concentration(differences) < 12.0);
    }
}

#[test]
fn free_states_do_not_depend_on_labels() {
    let codes = codes_of(&parameters(&large(), 4, 0.1), &CONVERTERS);
    let mut driven = DrivenDevice::with_codes(ideal(large(), 8), &codes);
    driven.plan(&plan(&symmetric(0.05, Cost::Log { bound_q14: 1638 })));
    let shots = xor_shots(1..=8);
    let straight = driven.run(&shots);
    let mut other = shots.clone();
    for order in &mut other {
        (order.targets[0], order.flip) = (order.targets[0] ^ 0x8000, true);
    }
    let swapped = driven.run(&other);
    for (a, b) in straight.values().zip(swapped.values()) {
        assert_eq!(a[0].clone().without_origin(), b[0].clone().without_origin(), "byte for byte");
        assert_ne!(a[1].data, b[1].data, "the nudged ones do");
    }
}

#[test]
fn a_free_state_does_not_depend_on_what_the_array_was_in_before() {
    // The plant's seed draws the arbitrary state before the kick (and noise, of which there is none here).
    let run = |seed| {
        let codes = codes_of(&parameters(&large(), 4, 0.1), &CONVERTERS);
        let mut driven = DrivenDevice::with_codes(Description { seed, ..ideal(large(), 8) }, &codes);
        driven.plan(&plan(&[]));
        driven.run(&xor_shots(1..=16))
    };
    for (one, other) in run(1).values().zip(run(2).values()) {
        let apart = one[0].data.iter().zip(&other[0].data).map(|(a, b)| distance(*a, *b)).max();
        assert!(apart <= Some(1), "rounding at most: {apart:?}");
    }
}
