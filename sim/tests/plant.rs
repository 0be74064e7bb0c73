//! The plant behind the codes: its equilibria are those of the lattice crate for what the codes mean, whichever solver
//! finds them, and its noise has the size its knobs say.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::*;
use xyloop_lattice::{Ensemble, Graph, LANES, Network, Parameters, energy, math::wrap, twin};
use xyloop_protocol::{
    message::{Cost, Plan, ReadOut, Segment},
    units::Flags,
    wiring::Converters,
};
use xyloop_sim::{Description, Solver};

/// Where the lattice comes to rest from a state.
fn settle(graph: &Graph, p: &Parameters, start: &[f64]) -> Vec<f64> {
    let mut network = Network::new(graph);
    network.set_couplings(&p.couplings);
    let mut ensemble = Ensemble::new(&network);
    ensemble.set_fields(0, &p.field_x, &p.field_y);
    ensemble.set_phases(0, start);
    for (input, site) in graph.inputs().iter().enumerate() {
        ensemble.clamp(0, input, start[*site as usize]);
    }
    let mut duration = [0.0; LANES];
    duration[0] = 1e4;
    assert!(twin::advance(&network, &mut ensemble, &duration, &twin::TwinTolerance::default())[0].at_rest);
    let mut phases = vec![0.0; graph.len()];
    ensemble.phases(0, &mut phases);
    phases
}

fn largest_force(graph: &Graph, p: &Parameters, phases: &[f64]) -> f64 {
    let mut force = vec![0.0; graph.len()];
    energy::force(graph, p, phases, &mut force);
    force.iter().fold(0.0, |largest, f| largest.max(f.abs()))
}

#[test]
fn the_twin_and_the_flow_give_the_same_equilibria_through_codes() {
    let codes = codes_of(&parameters(&large(), 31, 0.072), &CONVERTERS);
    let shots = xor_shots(1..=64);
    let run = |solver| {
        let mut driven = DrivenDevice::threaded(Description { solver, threads: 2, ..ideal(large(), 64) });
        driven.commit(&codes);
        let mut plan = plan(&[]);
        (plan.settle.min_us, plan.settle.window_us) = (1000, 500);
        driven.plan(&plan);
        driven.run(&shots)
    };
    let (twin, flow) = (run(Solver::Twin), run(Solver::Flow));
    assert_eq!(twin.len(), 64);
    let mut distinct: Vec<&[u16]> = Vec::new();
    for (id, rows) in &twin {
        for (a, b) in rows.iter().zip(&flow[id]) {
            assert!(!a.flags.with(b.flags).any(Flags::UNSETTLED.with(Flags::CLIPPED)));
            let away = a.data.iter().zip(&b.data).map(|(a, b)| distance(*a, *b)).max();
            // The flow stops when nothing moves by two steps in a window: the slowest mode may have a little to go.
            assert!(away <= Some(12), "shot {id} segment {}: {away:?}", a.segment);
        }
        distinct.push(&rows[0].data);
    }
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() >= 4, "at least one state per sample");
}

#[test]
fn at_the_time_out_the_twin_is_where_the_flow_is_and_both_say_so() {
    let codes = codes_of(&parameters(&large(), 31, 0.072), &CONVERTERS);
    let shots = xor_shots(1..=16);
    for timeout_us in [100, 400, 1600] {
        let run = |solver| {
            let mut driven = DrivenDevice::threaded(Description { solver, threads: 2, ..ideal(large(), 16) });
            driven.commit(&codes);
            let mut plan = plan(&[]);
            (plan.settle.min_us, plan.settle.window_us, plan.settle.timeout_us) = (30, 20, timeout_us);
            plan.settle.tolerance_turn = 1;
            driven.plan(&plan);
            driven.run(&shots)
        };
        let (twin, flow) = (run(Solver::Twin), run(Solver::Flow));
        let (mut late, mut worst, mut off, mut sites) = (0, 0, 0, 0);
        for (id, rows) in &twin {
            for (a, b) in rows.iter().zip(&flow[id]) {
                for away in a.data.iter().zip(&b.data).map(|(a, b)| distance(*a, *b)) {
                    worst = worst.max(away);
                    off += usize::from(away > 10);
                    sites += 1;
                }
                if a.flags.any(Flags::UNSETTLED) && b.flags.any(Flags::UNSETTLED) {
                    assert_eq!(a.settle_us, b.settle_us);
                    late += 1;
                }
            }
        }
        println!(
            "time-out {timeout_us} us: {late} late, {off} of {sites} sites off by over 1e-3 rad, worst {worst} steps"
        );
        // The twin follows the flow to 1e-4 rad a step, one step of a turn; errors grow where the flow is just leaving a
        // saddle, so that a few sites of an early read are farther off.
        assert!(off * 20 < sites && worst < 1000, "{off} of {sites}, {worst}");
        assert!(late > 8, "{late} of 16 are late after {timeout_us} us");
    }
}

#[test]
fn equilibria_are_those_of_what_the_codes_mean() {
    // Coarse converters, so that what was asked for and what the codes mean are far apart.
    let coarse = Converters { coupling_bits: 7, field_bits: 8, input_bits: 4, ..CONVERTERS };
    let graph = small();
    let asked = parameters(&graph, 8, 0.25);
    let codes = codes_of(&asked, &coarse);
    let meant = meaning_of(&codes, &coarse);
    let mut driven = DrivenDevice::with_codes(Description { converters: coarse, ..ideal(graph.clone(), 3) }, &codes);
    let nudge = beta_q8(0.5, &coarse);
    let segment = Segment::Nudge(xyloop_protocol::message::Nudge { beta_q8: nudge, cost: Cost::Cosine });
    let mut plan = plan(&[segment, Segment::Release]);
    plan.kick.range_steps = 120;
    driven.plan(&plan);
    let mut shots = xor_shots(1..=8);
    for shot in &mut shots {
        shot.inputs[0] = shot.inputs[0].wrapping_add(0x0fff); // A 4-bit converter drops this.
    }
    let output = graph.outputs()[0] as usize;
    let mut seen = 0;
    for (shot, rows) in shots.iter().zip(driven.run(&shots).values()) {
        let free = rows[0].phases();
        assert!(largest_force(&graph, &meant, &free) < 1e-3, "a turn's step is 1e-4 rad, rates are below 10");
        assert!(largest_force(&graph, &asked, &free) > 1e-2, "the codes count, not what they were made from");
        for (site, input) in graph.inputs().iter().zip(&shot.inputs) {
            assert!(distance(rows[0].data[*site as usize], input & 0xf000) <= 1, "clamped to the code");
        }
        let settled = settle(&graph, &meant, &free);
        assert!(free.iter().zip(&settled).all(|(a, b)| wrap(a - b).abs() < 2e-4));
        // The nudge by its own formula, in whole codes of the DAC.
        let mut nudged = meant.clone();
        let step = 4.0 / 128.0;
        let (sin, cos) = radians(shot.targets[0]).sin_cos();
        nudged.field_x[output] += (f64::from(nudge) / 256.0 * cos).round() * step;
        nudged.field_y[output] += (f64::from(nudge) / 256.0 * sin).round() * step;
        assert!(largest_force(&graph, &nudged, &rows[1].phases()) < 1e-3);
        seen += usize::from(largest_force(&graph, &meant, &rows[1].phases()) > 1e-2);
    }
    assert!(seen >= 4, "or the nudge did nothing: {seen}");
}

#[test]
fn one_step_of_one_code_moves_the_state_as_the_lattice_predicts() {
    let coarse = Converters { coupling_bits: 7, field_bits: 8, ..CONVERTERS };
    let graph = small();
    let codes = codes_of(&parameters(&graph, 8, 0.25), &coarse);
    let mut driven = DrivenDevice::with_codes(Description { converters: coarse, ..ideal(graph.clone(), 3) }, &codes);
    let mut plan = plan(&[]);
    plan.kick.range_steps = 120;
    let mut run = |codes: &Codes| {
        driven.commit(codes);
        driven.plan(&plan);
        driven.run(&xor_shots([1]))[&1][0].phases()
    };
    let before = run(&codes);
    let couplings = (0..codes.couplings.len()).step_by(9).map(|index| (Some(index), None));
    let fields = (0..codes.fields.len()).step_by(5).map(|index| (None, Some(index)));
    let (mut looks, mut seen) = (0, 0);
    for (coupling, field) in couplings.chain(fields) {
        let mut changed = codes.clone();
        if let Some(index) = coupling {
            changed.couplings[index] += 1;
        }
        if let Some(index) = field {
            changed.fields[index] -= 1;
        }
        let after = run(&changed);
        let predicted = settle(&graph, &meaning_of(&changed, &coarse), &before);
        let moved = before.iter().zip(&predicted).map(|(a, b)| wrap(a - b).abs()).fold(0.0, f64::max);
        looks += 1;
        seen += usize::from(moved > 2e-3);
        for (after, predicted) in after.iter().zip(&predicted) {
            assert!(wrap(after - predicted).abs() < 2e-4, "{coupling:?} {field:?}: {after} {predicted}");
        }
    }
    assert!(2 * seen > looks, "or there is nothing to see: {seen} of {looks}");
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
}

#[test]
fn read_noise_has_the_stated_size_per_quadrature_and_averages_out() {
    let codes = codes_of(&parameters(&small(), 8, 0.25), &CONVERTERS);
    let run = |iq_noise, reads| {
        let mut driven = DrivenDevice::with_codes(Description { iq_noise, ..ideal(small(), 8) }, &codes);
        let mut plan = Plan { read_out: ReadOut::Iq, reads, ..plan(&[]) };
        (plan.settle.tolerance_turn, plan.settle.timeout_us) = (u16::MAX, 4000);
        driven.plan(&plan);
        driven.run(&xor_shots(1..=80)).into_values().flatten().flat_map(|row| row.data).collect::<Vec<u16>>()
    };
    let clean = run(0.0, 1);
    for (reads, sigma) in [(1, 0.01 * 32768.0), (16, 0.01 * 32768.0 / 4.0)] {
        let noise: Vec<f64> =
            run(0.01, reads).iter().zip(&clean).map(|(a, b)| f64::from(a.wrapping_sub(*b) as i16)).collect();
        let (mean, std) = moments(&noise);
        // 4 000 draws: 1.1 % of the deviation, 1.6 % of a deviation of the mean (1 σ).
        assert!(mean.abs() < 0.065 * sigma && (std / sigma - 1.0).abs() < 0.05, "{reads}: {mean} {std} {sigma}");
        let i_and_q: f64 = noise.as_chunks::<2>().0.iter().map(|[i, q]| i * q).sum::<f64>() / 2000.0;
        assert!(i_and_q.abs() < 0.1 * sigma * sigma, "both quadratures on their own: {i_and_q}");
    }
}

#[test]
fn a_free_site_diffuses_with_variance_2_d_t() {
    let graph = small();
    let zero = codes_of(&Parameters::zeros(&graph), &CONVERTERS);
    let diffusion = 450.0;
    let description = Description { phase_diffusion_rad2_per_s: diffusion, ..ideal(graph.clone(), 8) };
    let mut driven = DrivenDevice::with_codes(description, &zero);
    for duration_us in [30u32, 120] {
        let mut plan = plan(&[Segment::Release, Segment::Release]);
        (plan.settle.min_us, plan.settle.window_us, plan.settle.timeout_us) = (duration_us - 10, 10, duration_us);
        driven.plan(&plan);
        let rows = driven.run(&xor_shots(1..=80));
        let (mut steps, mut product) = (Vec::new(), 0.0);
        for rows in rows.values() {
            let [a, b, c] = [0, 1, 2].map(|index| rows[index].phases());
            for site in (0..graph.len()).filter(|site| !graph.inputs().contains(&(*site as u32))) {
                let (first, second) = (wrap(b[site] - a[site]), wrap(c[site] - b[site]));
                steps.extend([first, second]);
                product += first * second;
            }
        }
        let want = 2.0 * diffusion * f64::from(duration_us) * 1e-6;
        let (mean, std) = moments(&steps);
        // 3 680 steps: 2.3 % of the variance (1 σ).
        assert!((std * std / want - 1.0).abs() < 0.1, "{duration_us}: {} {want}", std * std);
        assert!(mean.abs() < 0.07 * std, "no drift: {mean}");
        assert!((product / 1840.0).abs() < 0.1 * want, "segments draw their own noise");
    }
}

#[test]
fn a_lattice_that_the_wire_cannot_number_makes_no_device() {
    use std::sync::Arc;
    use xyloop_lattice::{Geometry, Preset};
    use xyloop_sim::{board::Workers, device::Memory};

    let start = |rows, columns| {
        let graph = Graph::new(&Geometry::preset(Preset::Square, rows, columns)).unwrap();
        let graph = graph.with_terminals(&[0], &[1]).unwrap();
        let mut memory = Memory::new(Arc::new(ideal(graph, 1)), 1);
        memory.device(Workers::Inline).map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(start(256, 256).unwrap_err().contains("65536 sites; the wire numbers at most 65535"));
    assert_eq!(start(20, 20), Ok(()));
}
