//! The flow: order, energy, symmetry of time cuts, bad numbers.
// Exact results are compared exactly.
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::needless_range_loop, clippy::doc_markdown)]

mod common;

use common::{cold_ensemble, difference, network, parameters, rng, state, xor_graph};
use xyloop_lattice::flow::{self, FlowTolerance};
use xyloop_lattice::{Ensemble, Geometry, Graph, LANES, Network, Preset, energy, twin};

#[test]
fn converges_with_order_two() {
    let graph =
        Graph::new(&Geometry::preset(Preset::UpToFourthShell, 6, 6)).unwrap().with_terminals(&[0], &[35]).unwrap();
    let mut rng = rng(4);
    let parameters = parameters(&mut rng, &graph, 0.1);
    let network = network(&graph, &parameters);
    let start = cold_ensemble(&mut rng, &graph, &network, &parameters);
    let end = |tolerance: FlowTolerance| {
        let mut ensemble = start.clone();
        let reports = flow::advance(&network, &mut ensemble, &[8.0; LANES], &tolerance);
        assert!(reports.iter().all(|report| !report.failed && report.time == 8.0));
        ensemble
    };
    let exact = end(FlowTolerance { atol: 1e-12, ..FlowTolerance::REFERENCE });
    let error_of = |max_step: f64| {
        // No error control: equal steps, several of them with more than the least number of stages.
        let ensemble = end(FlowTolerance { atol: 1e9, relative: 1e9, max_step, max_passes: 1_000_000 });
        (0..LANES)
            .map(|l| difference(&state(&ensemble, graph.len(), l), &state(&exact, graph.len(), l)))
            .fold(0.0, f64::max)
    };
    let errors: Vec<f64> = [0.4, 0.2, 0.1, 0.05].into_iter().map(error_of).collect();
    let orders: Vec<f64> = errors.windows(2).map(|pair| (pair[0] / pair[1]).log2()).collect();
    println!("errors {errors:?}, orders {orders:?}");
    assert!(orders[1..].iter().all(|order| (order - 2.0).abs() < 0.25), "{orders:?}");
}

#[test]
fn tolerance_bounds_the_error() {
    let graph = xor_graph(Preset::UpToFourthShell);
    let mut rng = rng(5);
    let parameters = parameters(&mut rng, &graph, 0.072);
    let network = network(&graph, &parameters);
    let start = cold_ensemble(&mut rng, &graph, &network, &parameters);
    let end = |atol: f64| {
        let mut ensemble = start.clone();
        flow::advance(&network, &mut ensemble, &[5.0; LANES], &FlowTolerance { atol, ..FlowTolerance::REFERENCE });
        state(&ensemble, graph.len(), 2)
    };
    let reference = end(1e-11);
    let errors: Vec<f64> = [1e-4, 1e-6, 1e-8].map(|atol| difference(&end(atol), &reference)).to_vec();
    println!("global error at atol 1e-4, 1e-6, 1e-8: {errors:?}");
    assert!(errors[0] < 1e-2 && errors[1] < 1e-3 && errors[2] < 1e-5 && errors[0] > errors[1]);
}

#[test]
fn lowers_the_energy_until_the_forces_vanish() {
    let graph = xor_graph(Preset::Square);
    let mut rng = rng(6);
    let parameters = parameters(&mut rng, &graph, 0.145);
    let network = network(&graph, &parameters);
    let mut ensemble = cold_ensemble(&mut rng, &graph, &network, &parameters);
    let energies = |ensemble: &Ensemble| -> [f64; LANES] {
        std::array::from_fn(|l| energy::energy(&graph, &parameters, &state(ensemble, graph.len(), l)))
    };
    let mut before = energies(&ensemble);
    for _ in 0..40 {
        flow::advance(&network, &mut ensemble, &[1.0; LANES], &FlowTolerance::default());
        let after = energies(&ensemble);
        for l in 0..LANES {
            assert!(after[l] < before[l], "lane {l}: {} to {}", before[l], after[l]);
        }
        before = after;
    }
    let reports = flow::settle(&network, &mut ensemble, &[1e5; LANES], &[1e-10; LANES], &FlowTolerance::default());
    for report in reports {
        assert!(report.at_rest && report.residual < 1e-10 && report.time < 1e5);
    }
}

#[test]
fn a_free_site_follows_the_closed_solution() {
    // φ' = −h sin φ has tan(φ/2) = tan(φ₀/2) e^{−h t}.
    let graph = Graph::from_couplings(vec![[0.0, 0.0], [1.0, 0.0]], &[(0, 1)]).unwrap();
    let network = Network::new(&graph);
    let mut ensemble = Ensemble::new(&network);
    ensemble.set_fields(3, &[0.7, 0.0], &[0.0, 0.0]);
    ensemble.set_phases(3, &[2.9, 1.0]);
    let mut duration = [0.0; LANES];
    duration[3] = 4.0;
    flow::advance(&network, &mut ensemble, &duration, &FlowTolerance { atol: 1e-10, ..FlowTolerance::REFERENCE });
    let exact = 2.0 * ((2.9_f64 / 2.0).tan() * (-0.7_f64 * 4.0).exp()).atan();
    let phases = state(&ensemble, 2, 3);
    assert!((phases[0] - exact).abs() < 1e-6 && phases[1] == 1.0, "{phases:?} against {exact}");
}

#[test]
fn bad_numbers_fail_their_lane_and_no_other() {
    let graph = xor_graph(Preset::Square);
    let mut rng = rng(7);
    let parameters = parameters(&mut rng, &graph, 0.145);
    let network = network(&graph, &parameters);
    let mut ensemble = cold_ensemble(&mut rng, &graph, &network, &parameters);
    let mut bad = parameters.clone();
    bad.field_x[50] = f64::NAN;
    ensemble.set_fields(0, &bad.field_x, &bad.field_y);
    let mut phases = state(&ensemble, graph.len(), 1);
    phases[9] = f64::NAN;
    ensemble.set_phases(1, &phases);
    ensemble.clamp(2, 0, f64::INFINITY);
    let mut torque = vec![0.0; graph.len()];
    torque[3] = f64::NEG_INFINITY;
    ensemble.set_torques(3, &torque);
    let mut duration = [2000.0; LANES];
    duration[4] = f64::NAN;
    duration[5] = -1.0;
    for _ in 0..2 {
        let twin = twin::advance(&network, &mut ensemble.clone(), &duration, &twin::TwinTolerance::default());
        let flow = flow::advance(&network, &mut ensemble, &duration, &FlowTolerance::default());
        for l in 0..LANES {
            assert_eq!(twin[l].failed, l < 6, "twin lane {l}");
            assert_eq!(twin[l].at_rest, l >= 6, "twin lane {l}");
            assert_eq!(flow[l].failed, l < 6, "flow lane {l}");
            assert!(l >= 6 || !flow[l].at_rest && twin[l].rest_after.is_none());
        }
    }
    let mut network = network;
    let mut couplings = parameters.couplings.clone();
    couplings[0] = f64::NAN;
    network.set_couplings(&couplings);
    let reports = twin::advance(&network, &mut ensemble, &[10.0; LANES], &twin::TwinTolerance::default());
    assert!(reports.iter().all(|report| report.failed && !report.at_rest));
}

#[test]
fn an_idle_lane_is_not_touched() {
    let graph = xor_graph(Preset::Square);
    let mut rng = rng(8);
    let parameters = parameters(&mut rng, &graph, 0.145);
    let network = network(&graph, &parameters);
    let mut ensemble = cold_ensemble(&mut rng, &graph, &network, &parameters);
    let before = state(&ensemble, graph.len(), 4);
    let mut duration = [3.0; LANES];
    duration[4] = 0.0;
    let reports = flow::advance(&network, &mut ensemble, &duration, &FlowTolerance::default());
    assert_eq!(common::bits(&before), common::bits(&state(&ensemble, graph.len(), 4)));
    assert_eq!((reports[4].passes, reports[4].time), (0, 0.0));
}

#[test]
fn directed_couplings_and_torques_enter_the_forces() {
    let graph = Graph::from_couplings(vec![[0.0, 0.0], [1.0, 0.0]], &[(0, 1)]).unwrap();
    let mut network = Network::new(&graph);
    network.set_directed_couplings(&[0.5], &[0.0]);
    let mut ensemble = Ensemble::new(&network);
    ensemble.set_phases(0, &[1.0, 0.0]);
    ensemble.set_torques(0, &[0.0, 0.01]);
    let mut duration = [0.0; LANES];
    duration[0] = 2.0;
    flow::advance(&network, &mut ensemble, &duration, &FlowTolerance::REFERENCE);
    let phases = state(&ensemble, 2, 0);
    // Site 1 feels its torque only; site 0 is drawn towards site 1.
    assert!((phases[1] - 0.02).abs() < 1e-12 && phases[0] < 0.5, "{phases:?}");
}
