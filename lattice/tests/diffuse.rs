//! The noisy flow: its noiseless limit, its variance, its keys.
// Exact results are compared exactly.
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::needless_range_loop, clippy::doc_markdown)]

mod common;

use common::{cold_ensemble, difference, network, parameters, rng, state, xor_graph};
use rand_distr::{Distribution, StandardNormal};
use xyloop_lattice::diffuse::{self, Diffusion, Scheme};
use xyloop_lattice::flow::{self, FlowTolerance};
use xyloop_lattice::{Ensemble, Graph, LANES, Network, Preset};

#[test]
fn without_noise_it_is_the_flow_to_first_and_second_order() {
    let graph = xor_graph(Preset::UpToFourthShell);
    let mut rng = rng(1);
    let parameters = parameters(&mut rng, &graph, 0.072);
    let network = network(&graph, &parameters);
    let start = cold_ensemble(&mut rng, &graph, &network, &parameters);
    let mut exact = start.clone();
    flow::advance(&network, &mut exact, &[2.03; LANES], &FlowTolerance::REFERENCE);
    let error = |scheme, dt| {
        let mut ensemble = start.clone();
        let settings = Diffusion { diffusion: 0.0, dt, scheme };
        let reports =
            diffuse::advance(&network, &mut ensemble, &[2.03; LANES], &[0; LANES], &settings, &mut |_, _, _| 1.0);
        assert!(reports.iter().all(|report| report.time == 2.03 && !report.failed && !report.at_rest));
        difference(&state(&ensemble, graph.len(), 5), &state(&exact, graph.len(), 5))
    };
    for (scheme, order) in [(Scheme::EulerMaruyama, 1.0), (Scheme::Heun, 2.0)] {
        let (coarse, fine) = (error(scheme, 0.02), error(scheme, 0.01));
        assert!(((coarse / fine).log2() - order).abs() < 0.2, "{scheme:?}: {coarse:e} {fine:e}");
    }
}

#[test]
fn a_free_phase_spreads_by_two_d_t() {
    let sites = 500;
    let graph = Graph::from_couplings((0..sites).map(|k| [f64::from(k), 0.0]).collect(), &[]).unwrap();
    let network = Network::new(&graph);
    let mut ensemble = Ensemble::new(&network);
    let settings = Diffusion { diffusion: 0.02, dt: 0.1, scheme: Scheme::Heun };
    let mut rng = rng(2);
    diffuse::advance(&network, &mut ensemble, &[3.0; LANES], &[0; LANES], &settings, &mut |_, _, _| {
        StandardNormal.sample(&mut rng)
    });
    let mut sum = 0.0;
    for l in 0..LANES {
        sum += state(&ensemble, sites as usize, l).iter().map(|phase| phase * phase).sum::<f64>();
    }
    let variance = sum / f64::from(sites * LANES as i32);
    assert!((variance / (2.0 * 0.02 * 3.0) - 1.0).abs() < 0.08, "variance {variance}");
}

#[test]
fn noise_is_keyed_by_absolute_step_and_site() {
    let graph = xor_graph(Preset::Square);
    let mut rng = rng(3);
    let parameters = parameters(&mut rng, &graph, 0.145);
    let network = network(&graph, &parameters);
    let start = cold_ensemble(&mut rng, &graph, &network, &parameters);
    let settings = Diffusion { diffusion: 0.01, dt: 0.125, scheme: Scheme::EulerMaruyama };
    let mut source = |lane: usize, step: u64, site: usize| {
        assert!(lane == 3 && site != 110 && site != 114, "clamped sites take no noise");
        (((step * 977 + site as u64) * 2_654_435_761) % 1009) as f64 / 504.0 - 1.0
    };
    let mut duration = [0.0; LANES];
    let mut whole = start.clone();
    duration[3] = 4.0;
    let report = diffuse::advance(&network, &mut whole, &duration, &[7; LANES], &settings, &mut source)[3];
    assert_eq!((report.steps, report.passes), (32, 32));
    let mut cut = start.clone();
    duration[3] = 1.5;
    let first = diffuse::advance(&network, &mut cut, &duration, &[7; LANES], &settings, &mut source)[3];
    duration[3] = 2.5;
    diffuse::advance(&network, &mut cut, &duration, &[7 + u64::from(first.steps); LANES], &settings, &mut source);
    assert_eq!(common::bits(&state(&whole, graph.len(), 3)), common::bits(&state(&cut, graph.len(), 3)));
    assert_eq!(common::bits(&state(&whole, graph.len(), 2)), common::bits(&state(&start, graph.len(), 2)));
}
