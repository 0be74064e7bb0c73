//! Coordinate relaxation: its equilibria and energies against the scalar reference, the single turn, layers in one
//! sweep, lanes on their own.
// Exact results are compared exactly.
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::needless_range_loop, clippy::doc_markdown)]

mod common;

use common::{bits, cold_ensemble, difference, network, normal, parameters, phases, rng, state, xor_graph};
use rand::RngExt;
use std::f64::consts::PI;
use xyloop_lattice::relax::Relax;
use xyloop_lattice::solver::Solver;
use xyloop_lattice::{
    Ensemble, Geometry, Graph, Isa, LANES, LaneReport, Network, Parameters, Preset, energy, flow, twin,
};

const ALL: [bool; LANES] = [true; LANES];

fn with(over_relaxation: f64) -> Relax {
    Relax { over_relaxation, ..Relax::default() }
}

/// Largest force on any free site by the scalar reference.
fn residual(graph: &Graph, parameters: &Parameters, phases: &[f64]) -> f64 {
    let mut force = vec![0.0; graph.len()];
    energy::force(graph, parameters, phases, &mut force);
    force.iter().fold(0.0, |largest, force| force.abs().max(largest))
}

/// A network of strong random couplings and eight cold samples.
fn setting(preset: Preset, seed: u64) -> (Graph, Parameters, Network, Ensemble) {
    let graph = xor_graph(preset);
    let mut rng = rng(seed);
    let parameters = parameters(&mut rng, &graph, 0.145);
    let network = network(&graph, &parameters);
    let ensemble = cold_ensemble(&mut rng, &graph, &network, &parameters);
    (graph, parameters, network, ensemble)
}

#[test]
fn ends_at_equilibria_of_the_reference_force() {
    for (preset, kappa) in
        [(Preset::Square, 1.0), (Preset::UpToFourthShell, 1.0), (Preset::Square, 0.6), (Preset::UpToFourthShell, 1.6)]
    {
        let (graph, parameters, network, start) = setting(preset, 31);
        let mut ensemble = start.clone();
        let reports = with(kappa).settle(&network, &mut ensemble, ALL);
        for l in 0..LANES {
            let (ended, began, report) = (state(&ensemble, graph.len(), l), state(&start, graph.len(), l), reports[l]);
            assert!(report.at_rest && !report.failed && ensemble.at_rest(l), "{kappa}: {report:?}");
            assert!(report.residual <= 1e-10 && residual(&graph, &parameters, &ended) <= 1e-10, "{kappa}: {report:?}");
            assert!((report.residual - residual(&graph, &parameters, &ended)).abs() < 1e-13);
            assert_eq!((report.rest_after, report.time, report.steps), (None, 0.0, 0));
            assert!(report.passes > 1 && report.rate_bound == 0.0);
            // Each phase next to the one it came from.
            assert!(began.iter().zip(&ended).all(|(a, b)| (a - b).abs() <= PI + 1e-12));
        }
        // At rest nothing is left to do.
        let before = state(&ensemble, graph.len(), 3);
        let again = with(kappa).settle(&network, &mut ensemble, ALL);
        assert!(again.iter().all(|report| report.at_rest && report.passes == 0));
        assert_eq!(bits(&before), bits(&state(&ensemble, graph.len(), 3)));
    }
}

#[test]
fn the_flow_from_the_same_states_ends_elsewhere() {
    let (graph, _, network, start) = setting(Preset::UpToFourthShell, 32);
    let (mut relaxed, mut flowed) = (start.clone(), start);
    let reports = Relax::default().settle(&network, &mut relaxed, ALL);
    let twins = twin::Twin::default().settle(&network, &mut flowed, ALL);
    assert!(reports.iter().chain(&twins).all(|report| report.at_rest));
    let other = (0..LANES)
        .filter(|&l| difference(&state(&relaxed, graph.len(), l), &state(&flowed, graph.len(), l)) > 0.1)
        .count();
    println!("{other} of {LANES} lanes differ");
    assert!(other >= LANES / 2, "{other}");
}

#[test]
fn no_sweep_raises_the_energy() {
    for kappa in [0.5, 1.0, 1.8] {
        let (graph, parameters, network, mut ensemble) = setting(Preset::UpToFourthShell, 33);
        let one = Relax { max_sweeps: 1, ..with(kappa) };
        let energies = |ensemble: &Ensemble| -> [f64; LANES] {
            std::array::from_fn(|l| energy::energy(&graph, &parameters, &state(ensemble, graph.len(), l)))
        };
        let began = energies(&ensemble);
        let mut before = began;
        for _ in 0..200 {
            one.settle(&network, &mut ensemble, ALL);
            let after = energies(&ensemble);
            for l in 0..LANES {
                // Energies are about −100: rounding of the sums.
                assert!(after[l] <= before[l] + 1e-12, "κ {kappa}, lane {l}: {} to {}", before[l], after[l]);
            }
            before = after;
        }
        assert!((0..LANES).all(|l| before[l] < began[l] - 1.0));
    }
}

#[test]
fn energies_are_those_of_the_reference_but_for_what_is_clamped() {
    // Inputs 0 and 1 are coupled to each other and to free sites, and have fields.
    let positions = (0..6).map(|k| [f64::from(k), 0.0]).collect();
    let pairs = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (4, 5), (2, 5)];
    let graph = Graph::from_couplings(positions, &pairs).unwrap().with_terminals(&[1, 0], &[5]).unwrap();
    let mut rng = rng(34);
    let parameters = parameters(&mut rng, &graph, 0.8);
    let network = network(&graph, &parameters);
    let mut ensemble = Ensemble::new(&network);
    let (theta_1, theta_0) = (0.7, -2.1);
    for lane in 0..LANES {
        ensemble.set_fields(lane, &parameters.field_x, &parameters.field_y);
        ensemble.set_phases(lane, &phases(&mut rng, graph.len()));
        ensemble.clamp(lane, 0, theta_1);
        ensemble.clamp(lane, 1, theta_0);
    }
    let constant = -parameters.couplings[0] * (theta_0 - theta_1).cos()
        - (0..2)
            .map(|i| {
                let theta = [theta_0, theta_1][i];
                parameters.field_x[i] * theta.cos() + parameters.field_y[i] * theta.sin()
            })
            .sum::<f64>();
    assert!(constant.abs() > 0.01);
    let energies = ensemble.energies(&network);
    for l in 0..LANES {
        let scalar = energy::energy(&graph, &parameters, &state(&ensemble, graph.len(), l));
        assert!((energies[l] + constant - scalar).abs() < 1e-13, "{} and {scalar}", energies[l]);
    }
    ensemble.set_phases(4, &[f64::NAN; 6]);
    let after = ensemble.energies(&network);
    assert!(after[4].is_nan() && (0..LANES).all(|l| l == 4 || after[l] == energies[l]));
}

#[test]
fn one_site_turns_by_the_stated_angle() {
    // One free site in a field of its own, from lags on both sides, next to π, and exactly there.
    let graph = Graph::from_couplings(vec![[0.0, 0.0], [1.0, 0.0]], &[(0, 1)]).unwrap();
    let network = Network::new(&graph);
    let (field, alpha) = (0.37_f64, 0.9_f64);
    let lags = [0.3, -0.3, 1.5, -1.6, 3.0, -3.0, PI - 1e-9, 1e-9 - PI];
    for kappa in [0.25, 0.5, 1.0, 1.5, 1.9] {
        let mut ensemble = Ensemble::new(&network);
        for (lane, lag) in lags.iter().enumerate() {
            ensemble.set_fields(lane, &[field * alpha.cos(), 0.0], &[field * alpha.sin(), 0.0]);
            ensemble.set_phases(lane, &[alpha - lag, 5.0]);
        }
        Relax { max_sweeps: 1, ..with(kappa) }.settle(&network, &mut ensemble, ALL);
        for (lane, lag) in lags.iter().enumerate() {
            let theta = 2.0 * (kappa * (lag / 2.0).tan()).atan();
            let ended = state(&ensemble, 2, lane);
            assert!((ended[0] - (alpha - lag + theta)).abs() < 1e-14, "κ {kappa}, lag {lag}: {ended:?}");
            // The other site has no field: not a bit changes.
            assert_eq!(ended[1], 5.0);
        }
    }
    // On its maximum the force is exactly zero; it is taken down all the same.
    for kappa in [0.5, 1.0, 1.8] {
        let mut ensemble = Ensemble::new(&network);
        ensemble.set_fields(0, &[-0.5, 0.0], &[0.0, 0.0]);
        Relax { max_sweeps: 1, ..with(kappa) }.settle(&network, &mut ensemble, ALL);
        assert!((state(&ensemble, 2, 0)[0].abs() - PI).abs() < 1e-15);
    }
}

#[test]
fn a_layer_between_clamped_layers_is_exact_after_one_sweep() {
    let widths = vec![7, 11, 5];
    let inputs: Vec<u32> = (0..7).chain(18..23).collect();
    let graph = Graph::new(&Geometry::Layered { widths }).unwrap().with_terminals(&inputs, &[12]).unwrap();
    let mut rng = rng(35);
    let parameters = parameters(&mut rng, &graph, 0.4);
    let network = network(&graph, &parameters);
    let mut ensemble = Ensemble::new(&network);
    for lane in 0..LANES {
        ensemble.set_fields(lane, &parameters.field_x, &parameters.field_y);
        ensemble.set_phases(lane, &phases(&mut rng, graph.len()));
        for input in 0..inputs.len() {
            ensemble.clamp(lane, input, rng.random_range(-PI..PI));
        }
    }
    let reports = Relax { residual: 1e-14, max_sweeps: 1, over_relaxation: 1.0 }.settle(&network, &mut ensemble, ALL);
    for l in 0..LANES {
        assert!(reports[l].at_rest && reports[l].passes == 1, "{:?}", reports[l]);
        let mut ended = state(&ensemble, graph.len(), l);
        assert!(residual(&graph, &parameters, &ended) < 1e-14);
        // The joint minimum: each site lies along its field, so that turning any of them costs energy.
        let lowest = energy::energy(&graph, &parameters, &ended);
        for site in 7..18 {
            for turn in [0.01, 1.0, PI] {
                ended[site] += turn;
                assert!(energy::energy(&graph, &parameters, &ended) > lowest);
                ended[site] -= turn;
            }
        }
    }
}

#[test]
fn a_lane_that_did_not_converge_is_never_at_rest_and_goes_on_where_it_stopped() {
    let (graph, _, network, start) = setting(Preset::UpToFourthShell, 36);
    let mut whole = start.clone();
    let full = Relax::default().settle(&network, &mut whole, ALL);
    assert!(full.iter().all(|report| report.at_rest && report.passes > 12));

    let mut cut = start.clone();
    let short = Relax { max_sweeps: 10, ..Relax::default() };
    let reports = short.settle(&network, &mut cut, ALL);
    for l in 0..LANES {
        assert!(!reports[l].at_rest && reports[l].failed && !cut.at_rest(l));
        assert!(reports[l].passes == 10 && reports[l].residual > 1e-10);
    }
    let rest = Relax::default().settle(&network, &mut cut, ALL);
    for l in 0..LANES {
        assert!(rest[l].at_rest && rest[l].passes.abs_diff(full[l].passes - 10) <= 1);
        assert!(difference(&state(&cut, graph.len(), l), &state(&whole, graph.len(), l)) < 1e-6);
    }

    // Without a sweep the state is judged, not moved.
    let mut idle = start.clone();
    let none = Relax { max_sweeps: 0, ..Relax::default() }.settle(&network, &mut idle, ALL);
    assert!(none.iter().all(|report| report.failed && !report.at_rest && report.residual > 0.1));
    assert_eq!(bits(&state(&idle, graph.len(), 2)), bits(&state(&start, graph.len(), 2)));

    // A residual below rounding is not reached.
    let never = Relax { residual: 0.0, max_sweeps: 3000, ..Relax::default() };
    let reports = never.settle(&network, &mut start.clone(), ALL);
    assert!(reports.iter().all(|report| report.at_rest == (report.residual == 0.0) && report.residual < 1e-13));
}

#[test]
fn what_cannot_be_relaxed_is_refused_untouched_and_alone() {
    let (graph, parameters, network, start) = setting(Preset::Square, 37);
    let mut reference = start.clone();
    Relax::default().settle(&network, &mut reference, ALL);

    let mut ensemble = start.clone();
    let mut bad = parameters.clone();
    bad.field_x[50] = f64::NAN;
    ensemble.set_fields(0, &bad.field_x, &bad.field_y);
    let mut broken = state(&start, graph.len(), 1);
    broken[9] = f64::INFINITY;
    ensemble.set_phases(1, &broken);
    ensemble.clamp(2, 0, f64::INFINITY);
    let mut torque = vec![0.0; graph.len()];
    torque[3] = 1e-3;
    ensemble.set_torques(3, &torque);
    bad.field_x[50] = 1e200;
    ensemble.set_fields(4, &bad.field_x, &bad.field_y);
    let before: Vec<_> = (0..LANES).map(|l| bits(&state(&ensemble, graph.len(), l))).collect();
    let mut marked = ALL;
    marked[5] = false;
    for _ in 0..2 {
        let reports = Relax::default().settle(&network, &mut ensemble, marked);
        for l in 0..5 {
            assert!(reports[l].failed && !reports[l].at_rest && !ensemble.at_rest(l), "lane {l}");
        }
        for l in 0..6 {
            assert!(before[l] == bits(&state(&ensemble, graph.len(), l)), "lane {l}");
        }
        assert_eq!(reports[5], LaneReport::default());
        for l in 6..LANES {
            assert!(reports[l].at_rest);
            assert_eq!(bits(&state(&ensemble, graph.len(), l)), bits(&state(&reference, graph.len(), l)));
        }
    }
    // Out of range: κ, and couplings whose squares are.
    let mut huge = network.clone();
    huge.set_couplings(&vec![1e200; graph.couplings().len()]);
    for (network, kappa) in
        [(&network, 0.0), (&network, -1.0), (&network, 2.0), (&network, f64::NAN), (&huge, 1.0), (&huge, 1.6)]
    {
        let mut ensemble = start.clone();
        let reports = with(kappa).settle(network, &mut ensemble, ALL);
        assert!(reports.iter().all(|report| report.failed && !report.at_rest && report.passes <= 1));
        assert_eq!(bits(&state(&ensemble, graph.len(), 0)), bits(&state(&start, graph.len(), 0)));
    }
}

#[test]
fn directed_couplings_are_relaxed_to_zero_force() {
    let (graph, parameters, mut network, mut ensemble) = setting(Preset::Square, 38);
    let off = normal(&mut rng(39), 0.01, graph.couplings().len());
    let into_j: Vec<f64> = parameters.couplings.iter().zip(&off).map(|(w, off)| w + off).collect();
    network.set_directed_couplings(&parameters.couplings, &into_j);
    let reports = Relax::default().settle(&network, &mut ensemble, ALL);
    assert!(reports.iter().all(|report| report.at_rest));
    // The flow, which has the forces of both directions, agrees that nothing moves.
    let after = flow::advance(&network, &mut ensemble, &[1.0; LANES], &flow::FlowTolerance::default());
    assert!(after.iter().all(|report| report.residual < 1e-9));
    assert!(residual(&graph, &parameters, &state(&ensemble, graph.len(), 0)) > 1e-4);
}

/// Two settled states of each sample put into these lanes, with their reports and energies.
fn trace(
    graph: &Graph,
    network: &Network,
    placed: &[(usize, Vec<f64>, f64)],
    isa: Isa,
) -> Vec<Vec<(Vec<u64>, LaneReport, u64)>> {
    let mut ensemble = Ensemble::new(network);
    ensemble.set_isa(isa);
    let mut marked = [false; LANES];
    let field = normal(&mut rng(40), 0.3, graph.len());
    for (lane, phases, input) in placed {
        ensemble.set_fields(*lane, &field, &phases.iter().map(|phase| 0.1 * phase).collect::<Vec<_>>());
        ensemble.set_phases(*lane, phases);
        ensemble.clamp(*lane, 0, *input);
        marked[*lane] = true;
    }
    let mut out = vec![Vec::new(); placed.len()];
    for relax in [Relax { max_sweeps: 7, ..with(1.7) }, Relax::default()] {
        let reports = relax.settle(network, &mut ensemble, marked);
        let energies = ensemble.energies(network);
        for (k, (lane, ..)) in placed.iter().enumerate() {
            let state = bits(&state(&ensemble, graph.len(), *lane));
            out[k].push((state, reports[*lane], energies[*lane].to_bits()));
        }
    }
    out
}

#[test]
fn a_lane_depends_on_itself_alone_and_not_on_the_instruction_set() {
    let (graph, _, network, _) = setting(Preset::UpToFourthShell, 41);
    let mut rng = rng(42);
    let placed: Vec<_> = (0..LANES).map(|lane| (lane, phases(&mut rng, graph.len()), 0.3 * lane as f64)).collect();
    let reference = trace(&graph, &network, &placed, Isa::best());
    assert!(reference.iter().all(|lane| lane[0].1.failed && lane[1].1.at_rest));
    // Lanes end after different numbers of sweeps.
    assert!(reference.iter().any(|lane| lane[1].1.passes != reference[0][1].1.passes));

    let permuted: Vec<_> = placed.iter().cloned().map(|(lane, p, i)| ((lane * 3 + 5) % LANES, p, i)).collect();
    assert!(trace(&graph, &network, &permuted, Isa::best()) == reference, "permuted lanes");
    for k in [0, 3, 7] {
        let lone = [(6, placed[k].1.clone(), placed[k].2)];
        assert!(trace(&graph, &network, &lone, Isa::best())[0] == reference[k], "lane {k} alone");
    }
    let mut others = placed.clone();
    others[1].1[40] = f64::NAN;
    others[3].1.reverse();
    others[5].2 = f64::INFINITY;
    let changed = trace(&graph, &network, &others, Isa::best());
    for k in [0, 2, 4, 6, 7] {
        assert!(changed[k] == reference[k], "lane {k} among others");
    }
    assert!(changed[1].iter().chain(&changed[5]).all(|(_, report, _)| report.failed && !report.at_rest));

    let all: Vec<_> = Isa::available().into_iter().filter(|isa| isa.is_fused()).collect();
    for isa in all {
        assert!(trace(&graph, &network, &placed, isa) == reference, "{}", isa.name());
    }
}

#[test]
fn a_sweep_that_met_no_force_is_not_taken_at_its_word() {
    // Site 1 is held by next to nothing and lies across it: a quarter turn at a force of 1e-11. Site 0, visited before,
    // was at rest with the old direction.
    let graph = Graph::from_couplings(vec![[0.0, 0.0], [1.0, 0.0]], &[(0, 1)]).unwrap();
    let mut network = Network::new(&graph);
    network.set_couplings(&[0.3]);
    let mut ensemble = Ensemble::new(&network);
    let mut lanes = [false; LANES];
    lanes[2] = true;
    ensemble.set_fields(2, &[0.5, 1e-11 - 0.3], &[-0.3, 0.0]);
    ensemble.set_phases(2, &[0.0, 0.5 * PI]);
    let one = Relax { max_sweeps: 1, ..with(1.0) }.settle(&network, &mut ensemble.clone(), lanes)[2];
    assert!(!one.at_rest && one.failed && (one.residual - 0.3).abs() < 1e-9, "{one:?}");
    let report = with(1.0).settle(&network, &mut ensemble, lanes)[2];
    assert!(report.at_rest && report.passes > 1 && report.residual <= 1e-10, "{report:?}");
}
