//! The twin ends where the accurate flow ends, and reads early what the flow reads early.
// Exact results are compared exactly.
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::needless_range_loop, clippy::doc_markdown)]

mod common;

use common::{bits, cold_ensemble, difference, network, parameters, rng, state, xor_graph};
use xyloop_lattice::flow::{self, FlowTolerance};
use xyloop_lattice::twin::{self, TwinTolerance};
use xyloop_lattice::{LANES, Preset};

const FOREVER: [f64; LANES] = [f64::INFINITY; LANES];

#[test]
fn cold_samples_end_in_the_basin_of_the_accurate_flow() {
    let graph = xor_graph(Preset::UpToFourthShell);
    let (mut samples, mut differing) = (0, 0);
    for seed in 0..10 {
        let mut rng = rng(1000 + seed);
        let parameters = parameters(&mut rng, &graph, 0.072);
        let network = network(&graph, &parameters);
        let mut quick = cold_ensemble(&mut rng, &graph, &network, &parameters);
        let mut exact = quick.clone();
        let reports = twin::advance(&network, &mut quick, &FOREVER, &TwinTolerance::default());
        let reference = flow::settle(&network, &mut exact, &FOREVER, &[1e-7; LANES], &FlowTolerance::REFERENCE);
        for l in 0..LANES {
            assert!(reports[l].at_rest && reports[l].residual <= 1e-10 && reference[l].at_rest);
            samples += 1;
            let apart = difference(&state(&quick, graph.len(), l), &state(&exact, graph.len(), l));
            // Within a basin 1e-7 of force is at most 1e-3 of phase at a rate of 1e-4.
            differing += usize::from(apart > 1e-2);
        }
    }
    println!("{differing} of {samples} cold samples end elsewhere than the flow at atol 1e-9");
    assert!(samples >= 64 && differing <= 1, "{differing} of {samples}");
}

#[test]
fn early_reads_are_those_of_the_flow() {
    let graph = xor_graph(Preset::UpToFourthShell);
    let mut rng = rng(31);
    let parameters = parameters(&mut rng, &graph, 0.072);
    let network = network(&graph, &parameters);
    let start = cold_ensemble(&mut rng, &graph, &network, &parameters);
    let (mut early, mut late) = (0, 0);
    for time in [2.0, 20.0, 100.0, 300.0, 600.0] {
        let (mut quick, mut exact) = (start.clone(), start.clone());
        let tolerance = TwinTolerance {
            flow: FlowTolerance { atol: 1e-7, ..FlowTolerance::default() },
            ..TwinTolerance::default()
        };
        let reports = twin::advance(&network, &mut quick, &[time; LANES], &tolerance);
        let reference = FlowTolerance { atol: 1e-10, ..FlowTolerance::REFERENCE };
        flow::advance(&network, &mut exact, &[time; LANES], &reference);
        for l in 0..LANES {
            assert_eq!(reports[l].time, time);
            let apart = difference(&state(&quick, graph.len(), l), &state(&exact, graph.len(), l));
            let (count, limit) = if reports[l].at_rest { (&mut late, 2e-5) } else { (&mut early, 2e-3) };
            *count += 1;
            assert!(apart < limit, "time {time}, lane {l}, at rest {}: {apart:e}", reports[l].at_rest);
        }
    }
    println!("{early} early reads, {late} at rest");
    assert!(early > 10 && late > 3);
}

#[test]
fn time_to_rest_is_that_of_the_flow() {
    let graph = xor_graph(Preset::UpToFourthShell);
    let mut rng = rng(32);
    let parameters = parameters(&mut rng, &graph, 0.072);
    let network = network(&graph, &parameters);
    let start = cold_ensemble(&mut rng, &graph, &network, &parameters);
    let mut quick = start.clone();
    let tolerance = TwinTolerance::default();
    let reports = twin::advance(&network, &mut quick, &FOREVER, &tolerance);
    // The real flow is within a few rest_rad of the equilibrium at that time, and was not at 80 % of it.
    for (part, near) in [(1.0, true), (0.8, false)] {
        let mut exact = start.clone();
        let duration = reports.map(|report| part * report.rest_after.unwrap());
        flow::advance(&network, &mut exact, &duration, &FlowTolerance { atol: 1e-7, ..FlowTolerance::REFERENCE });
        for l in 0..LANES {
            let apart = difference(&state(&quick, graph.len(), l), &state(&exact, graph.len(), l));
            assert_eq!(apart < 5.0 * tolerance.rest_rad, near, "lane {l} at {part} of rest: {apart:e}");
        }
    }
}

#[test]
fn what_is_known_about_rest_is_used_and_forgotten_in_time() {
    let graph = xor_graph(Preset::UpToFourthShell);
    let mut rng = rng(33);
    let parameters = parameters(&mut rng, &graph, 0.072);
    let mut network = network(&graph, &parameters);
    let mut ensemble = cold_ensemble(&mut rng, &graph, &network, &parameters);
    let tolerance = TwinTolerance::default();
    let start = ensemble.clone();
    let rest = twin::advance(&network, &mut ensemble, &FOREVER, &tolerance);

    // In two parts, cut shortly before rest: the second part needs no new search.
    let mut parts = start.clone();
    let cut = std::array::from_fn(|l| rest[l].rest_after.unwrap() * 0.98);
    let first = twin::advance(&network, &mut parts, &cut, &tolerance);
    let second = twin::advance(&network, &mut parts, &FOREVER, &tolerance);
    for l in 0..LANES {
        assert!(!first[l].at_rest && second[l].at_rest);
        assert_eq!((second[l].passes, second[l].factorisations), (0, 0), "lane {l} searched again");
        let total = cut[l] + second[l].rest_after.unwrap();
        assert!((total - rest[l].rest_after.unwrap()).abs() < 1e-6 * total);
        assert_eq!(bits(&state(&parts, graph.len(), l)), bits(&state(&ensemble, graph.len(), l)));
    }

    // At rest further time is free; setting the same again keeps that, any change forgets it.
    ensemble.set_fields(0, &parameters.field_x, &parameters.field_y);
    let mut field_x = parameters.field_x.clone();
    field_x[112] += 0.05;
    ensemble.set_fields(1, &field_x, &parameters.field_y);
    ensemble.clamp(2, 1, 0.3);
    let phases = state(&ensemble, graph.len(), 3);
    ensemble.set_phases(3, &phases);
    let known: [bool; LANES] = std::array::from_fn(|l| ensemble.at_rest(l));
    assert_eq!(known, [true, false, false, false, true, true, true, true]);
    let again = twin::advance(&network, &mut ensemble, &[1e6; LANES], &tolerance);
    for l in 0..LANES {
        assert!(again[l].at_rest && again[l].time == 1e6 && (again[l].passes == 0) == known[l], "lane {l}");
    }
    network.set_couplings(&parameters.couplings);
    let after = twin::advance(&network, &mut ensemble, &[1e6; LANES], &tolerance);
    assert!(after.iter().all(|report| report.passes > 0 && report.at_rest));
}

#[test]
fn a_small_nudge_moves_the_output_towards_its_target_and_back() {
    let graph = xor_graph(Preset::UpToFourthShell);
    let mut rng = rng(34);
    let parameters = parameters(&mut rng, &graph, 0.072);
    let network = network(&graph, &parameters);
    let mut ensemble = cold_ensemble(&mut rng, &graph, &network, &parameters);
    let tolerance = TwinTolerance::default();
    twin::advance(&network, &mut ensemble, &FOREVER, &tolerance);
    for l in 0..LANES {
        let free = state(&ensemble, graph.len(), l);
        // At a right angle to the output, so that the nudge is all torque.
        let target = free[112] + std::f64::consts::FRAC_PI_2;
        let [x, y] = xyloop_lattice::Cost::Cosine.nudge_field(0.01, target);
        let (mut field_x, mut field_y) = (parameters.field_x.clone(), parameters.field_y.clone());
        field_x[112] += x;
        field_y[112] += y;
        ensemble.set_fields(l, &field_x, &field_y);
        let mut duration = [0.0; LANES];
        duration[l] = f64::INFINITY;
        assert!(twin::advance(&network, &mut ensemble, &duration, &tolerance)[l].at_rest);
        let nudged = state(&ensemble, graph.len(), l);
        assert!(nudged[112] > free[112] + 1e-3);
        ensemble.set_fields(l, &parameters.field_x, &parameters.field_y);
        twin::advance(&network, &mut ensemble, &duration, &tolerance);
        assert!(difference(&state(&ensemble, graph.len(), l), &free) < 1e-6);
    }
}

#[test]
fn without_newton_the_flow_alone_comes_to_rest() {
    let graph = xor_graph(Preset::Square);
    let mut rng = rng(35);
    let parameters = parameters(&mut rng, &graph, 0.145);
    let network = network(&graph, &parameters);
    let mut ensemble = cold_ensemble(&mut rng, &graph, &network, &parameters);
    let mut other = ensemble.clone();
    let tolerance = TwinTolerance { max_factor_bytes: 0, ..TwinTolerance::default() };
    let reports = twin::advance(&network, &mut ensemble, &FOREVER, &tolerance);
    twin::advance(&network, &mut other, &FOREVER, &TwinTolerance::default());
    for l in 0..LANES {
        assert!(reports[l].at_rest && reports[l].factorisations == 0);
        assert!(difference(&state(&ensemble, graph.len(), l), &state(&other, graph.len(), l)) < 1e-5);
    }
}

#[test]
fn a_way_past_a_saddle_is_flagged() {
    // One site in a field along x: at rest at 0, a saddle at π.
    let graph = xyloop_lattice::Graph::from_couplings(vec![[0.0, 0.0]], &[]).unwrap();
    let network = xyloop_lattice::Network::new(&graph);
    let mut ensemble = xyloop_lattice::Ensemble::new(&network);
    for (lane, phase) in [std::f64::consts::PI - 1e-5, std::f64::consts::PI - 0.1, 1.0].into_iter().enumerate() {
        ensemble.set_fields(lane, &[1.0], &[0.0]);
        ensemble.set_phases(lane, &[phase]);
    }
    let duration = std::array::from_fn(|lane| if lane < 3 { 100.0 } else { 0.0 });
    let flow = flow::advance(&network, &mut ensemble.clone(), &duration, &FlowTolerance::default());
    let twin = twin::advance(&network, &mut ensemble, &duration, &TwinTolerance::default());
    assert_eq!([0, 1, 2].map(|lane| twin[lane].near_saddle), [true, false, false]);
    assert_eq!([0, 1, 2].map(|lane| flow[lane].near_saddle), [true, false, false]);
    assert!((0..3).all(|lane| twin[lane].at_rest && state(&ensemble, 1, lane)[0].abs() < 1e-6));
}
