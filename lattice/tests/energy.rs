//! Forces, costs and their derivatives, symmetry under rotation, polar fields.
// Exact results are compared exactly.
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::needless_range_loop, clippy::doc_markdown)]

mod common;

use common::{normal, parameters, phases, rng};
use xyloop_lattice::{Cost, Geometry, Graph, LANES, Parameters, Preset, energy, flow};

fn graphs() -> Vec<Graph> {
    vec![
        Graph::new(&Geometry::preset(Preset::UpToFourthShell, 5, 6)).unwrap().with_terminals(&[3, 17], &[20]).unwrap(),
        Graph::new(&Geometry::AllToAll { rows: 4, columns: 4 }).unwrap().with_terminals(&[0], &[5]).unwrap(),
        Graph::new(&Geometry::Layered { widths: vec![3, 5, 2] }).unwrap(),
    ]
}

#[test]
fn force_is_minus_the_gradient_of_the_energy() {
    for (seed, graph) in graphs().iter().enumerate() {
        let mut rng = rng(seed as u64);
        let parameters = parameters(&mut rng, graph, 0.5);
        let mut state = phases(&mut rng, graph.len());
        let mut force = vec![0.0; graph.len()];
        energy::force(graph, &parameters, &state, &mut force);
        for site in 0..graph.len() {
            if graph.inputs().contains(&(site as u32)) {
                assert_eq!(force[site], 0.0);
                continue;
            }
            let at = state[site];
            let mut value = |phase| {
                state[site] = phase;
                energy::energy(graph, &parameters, &state)
            };
            let slope = (value(at + 1e-5) - value(at - 1e-5)) / 2e-5;
            value(at);
            assert!((force[site] + slope).abs() < 1e-9, "site {site}: {} against {}", force[site], -slope);
        }
    }
}

#[test]
fn solver_reports_the_reference_residual() {
    for (seed, graph) in graphs().iter().enumerate() {
        let mut rng = rng(seed as u64);
        let parameters = parameters(&mut rng, graph, 0.5);
        let network = common::network(graph, &parameters);
        let mut ensemble = common::cold_ensemble(&mut rng, graph, &network, &parameters);
        let reports = flow::advance(&network, &mut ensemble, &[0.7; LANES], &flow::FlowTolerance::default());
        for lane in 0..LANES {
            let mut force = vec![0.0; graph.len()];
            energy::force(graph, &parameters, &common::state(&ensemble, graph.len(), lane), &mut force);
            let largest = force.iter().fold(0.0_f64, |largest, force| largest.max(force.abs()));
            assert!(largest > 0.0 && (largest - reports[lane].residual).abs() < 1e-13);
        }
    }
}

#[test]
fn a_common_rotation_changes_nothing() {
    for (seed, graph) in graphs().iter().enumerate() {
        let mut rng = rng(100 + seed as u64);
        let couplings = normal(&mut rng, 0.5, graph.couplings().len());
        let amplitude: Vec<f64> = normal(&mut rng, 0.5, graph.len()).iter().map(|h| h.abs()).collect();
        let (direction, state) = (phases(&mut rng, graph.len()), phases(&mut rng, graph.len()));
        let targets = phases(&mut rng, graph.outputs().len());
        let turned = |values: &[f64]| values.iter().map(|value| value + 2.1).collect::<Vec<_>>();
        let evaluate = |direction: &[f64], state: &[f64], targets: &[f64]| {
            let parameters = Parameters::from_polar(couplings.clone(), &amplitude, direction);
            [
                energy::energy(graph, &parameters, state),
                Cost::Log.total(graph, state, targets),
                Cost::Cosine.total(graph, state, targets),
                energy::distance(graph, state, targets),
            ]
        };
        let before = evaluate(&direction, &state, &targets);
        let after = evaluate(&turned(&direction), &turned(&state), &turned(&targets));
        for (a, b) in before.iter().zip(after) {
            assert!((a - b).abs() < 1e-12 * a.abs().max(1.0));
        }
        // And only the common rotation: turning the fields alone does change the energy.
        assert!((evaluate(&turned(&direction), &state, &targets)[0] - before[0]).abs() > 1e-3);
    }
}

#[test]
fn nudges_are_minus_beta_times_the_slope_of_the_cost() {
    let (beta, target) = (0.3, 0.4);
    for cost in [Cost::Log, Cost::Cosine] {
        for phase in [-2.0, -0.3, 0.4, 1.0, 3.0] {
            let slope = (cost.value(phase + 1e-5, target) - cost.value(phase - 1e-5, target)) / 2e-5;
            assert!((cost.nudge_torque(beta, phase, target) + beta * slope).abs() < 1e-8);
            // The static field gives the same torque as the cosine nudge, and the frozen one as the log nudge.
            let amplitude = match cost {
                Cost::Cosine => beta,
                Cost::Log => energy::frozen_amplitude(beta, phase, target, 1e-3).amplitude,
            };
            let [x, y] = cost.nudge_field(amplitude, target);
            let torque = y * phase.cos() - x * phase.sin();
            assert!((torque - cost.nudge_torque(beta, phase, target)).abs() < 1e-14);
        }
    }
    let clipped = energy::frozen_amplitude(0.1, std::f64::consts::PI, 0.0, 0.1);
    assert!(clipped.clipped && (clipped.amplitude - 1.0).abs() < 1e-12);
    assert!(!energy::frozen_amplitude(0.1, 0.0, 0.0, 0.1).clipped);
    assert_eq!(Cost::Log.value(0.2, 0.2), -(2.0_f64.ln()));
}

#[test]
fn polar_and_cartesian_fields_agree() {
    let mut rng = rng(9);
    let amplitude: Vec<f64> = normal(&mut rng, 1.0, 200).iter().map(|h| h.abs()).collect();
    let direction = phases(&mut rng, 200);
    let (h, psi) = Parameters::from_polar(Vec::new(), &amplitude, &direction).polar();
    for k in 0..200 {
        assert!((h[k] - amplitude[k]).abs() < 1e-14 && (psi[k] - direction[k]).abs() < 1e-14);
    }
}
