//! The search for states of low energy by coordinate relaxation.
// Exact results are compared exactly.
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::needless_range_loop, clippy::doc_markdown)]

mod common;

use common::{bits, cold_ensemble, network, parameters, phases, rng, state, xor_graph};
use xyloop_lattice::relax::{self, Relax};
use xyloop_lattice::solver::Solver;
use xyloop_lattice::{Ensemble, Graph, LANES, Network, Preset};

const ALL: [bool; LANES] = [true; LANES];

/// A lattice of strong random couplings and eight cold samples.
fn setting(preset: Preset, seed: u64) -> (Graph, Network, Ensemble) {
    let graph = xor_graph(preset);
    let mut rng = rng(seed);
    let parameters = parameters(&mut rng, &graph, 0.145);
    let network = network(&graph, &parameters);
    let ensemble = cold_ensemble(&mut rng, &graph, &network, &parameters);
    (graph, network, ensemble)
}

#[test]
fn the_search_keeps_the_lowest_of_its_starts() {
    let (graph, network, start) = setting(Preset::UpToFourthShell, 43);
    let relax = Relax::default();
    let count = 12;
    let write = |start: usize, lane: usize, out: &mut [f64]| {
        out.copy_from_slice(&phases(&mut rng((start * LANES + lane) as u64), out.len()));
    };
    let mut ensemble = start.clone();
    let found = relax::search(&network, &mut ensemble, write, count, &relax);
    let energies = ensemble.energies(&network);

    let mut lowest = [f64::INFINITY; LANES];
    let mut sizes = [0; LANES];
    for k in 0..count {
        let mut single = start.clone();
        for lane in 0..LANES {
            let mut begun = vec![0.0; graph.len()];
            write(k, lane, &mut begun);
            single.set_phases(lane, &begun);
        }
        let reports = relax.settle(&network, &mut single, ALL);
        let each = single.energies(&network);
        for l in 0..LANES {
            assert!(reports[l].at_rest && found[l].unwrap() <= each[l], "start {k}, lane {l}");
            sizes[l] += usize::from(each[l] > found[l].unwrap() + 1e-3);
            lowest[l] = lowest[l].min(each[l]);
        }
    }
    for l in 0..LANES {
        assert!(found[l] == Some(lowest[l]) && energies[l] == lowest[l] && ensemble.at_rest(l));
        // The starts do end in different states, so that there was something to choose.
        assert!(sizes[l] > 0, "lane {l}");
    }

    // More starts are never worse, and the same search finds the same bits.
    let mut again = start.clone();
    assert_eq!(relax::search(&network, &mut again, write, count, &relax), found);
    assert!((0..LANES).all(|l| bits(&state(&again, graph.len(), l)) == bits(&state(&ensemble, graph.len(), l))));
    let more = relax::search(&network, &mut again, write, 2 * count, &relax);
    assert!((0..LANES).all(|l| more[l] <= found[l]));
}

#[test]
fn a_search_without_success_leaves_the_state() {
    let (graph, network, mut start) = setting(Preset::Square, 44);
    let mut torque = vec![0.0; graph.len()];
    torque[7] = 0.1;
    start.set_torques(2, &torque);
    let mut seen = Vec::new();
    let write = |index: usize, lane: usize, out: &mut [f64]| {
        seen.push((index, lane, out[30].to_bits()));
        out[30] = if lane == 5 { f64::NAN } else { 1.0 };
    };
    let mut ensemble = start.clone();
    let found = relax::search(&network, &mut ensemble, write, 2, &Relax::default());
    for l in 0..LANES {
        let before = state(&start, graph.len(), l);
        let fails = l == 2 || l == 5;
        assert_eq!(found[l].is_none(), fails, "lane {l}");
        assert_eq!(ensemble.at_rest(l), !fails);
        assert_eq!(bits(&state(&ensemble, graph.len(), l)) == bits(&before), fails);
        // Both starts were offered the state of before.
        assert!([0, 1].iter().all(|&start| seen.contains(&(start, l, before[30].to_bits()))));
    }
    let mut idle = start.clone();
    let none = relax::search(&network, &mut idle, |_, _, _| {}, 0, &Relax::default());
    assert!(none == [None; LANES]);
    assert_eq!(bits(&state(&idle, graph.len(), 0)), bits(&state(&start, graph.len(), 0)));
}
