//! Linear response against differences of the settled cost, steps in the model against it and against the scalar
//! contrast, and what may not count.
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::needless_range_loop, clippy::doc_markdown)]

mod common;

use std::f64::consts::FRAC_PI_2;
use std::num::NonZeroUsize;

use common::{cold_ensemble, network, normal, parameters, phases, rng, state, xor_graph};
use xyloop_lattice::step::{Nudge, Outcome};
use xyloop_lattice::twin::{Twin, TwinTolerance};
use xyloop_lattice::{
    Batch, Cost, Ensemble, Follow, Geometry, Graph, LANES, Lanes, Network, Parameters, Preset, Solver, Step, ep,
    response,
};

const ALL: [bool; LANES] = [true; LANES];
const ONE: NonZeroUsize = NonZeroUsize::MIN;

fn exact() -> Follow {
    Follow { residual: 1e-13, ..Follow::default() }
}

/// Graphs with terminals: a lattice, layers, and locally connected planes.
fn graphs() -> Vec<(&'static str, Graph)> {
    let lattice = Graph::new(&Geometry::preset(Preset::UpToFourthShell, 6, 7)).unwrap();
    vec![
        ("4nsq", lattice.with_terminals(&[14, 20], &[17, 40]).unwrap()),
        ("layered", Graph::new(&Geometry::Layered { widths: vec![3, 9, 2] }).unwrap()),
    ]
}

/// Cost of the states a block settles in, one per lane, all with these targets.
fn cost(graph: &Graph, ensemble: &Ensemble, targets: &[f64], cost: Cost) -> Vec<f64> {
    (0..LANES).map(|lane| cost.total(graph, &state(ensemble, graph.len(), lane), targets)).collect()
}

#[test]
fn the_gradient_is_that_of_the_settled_cost() {
    for (name, graph) in graphs() {
        let mut rng = rng(11);
        let parameters = parameters(&mut rng, &graph, 0.25);
        let mut network = network(&graph, &parameters);
        let mut ensemble = cold_ensemble(&mut rng, &graph, &network, &parameters);
        assert!(Twin::default().settle(&network, &mut ensemble, ALL).iter().all(|report| report.at_rest), "{name}");
        assert!(exact().settle(&network, &mut ensemble, ALL).iter().all(|report| report.at_rest), "{name}");
        let targets = [0.7, -1.1];
        let drive: Vec<(u32, Lanes)> = (graph.outputs().iter().zip(targets))
            .map(|(&site, target)| {
                let of = |lane: usize| (state(&ensemble, graph.len(), lane)[site as usize] - target).sin();
                (site, Lanes(std::array::from_fn(of)))
            })
            .collect();
        let given = response::respond(&network, &mut ensemble, ALL, &drive, usize::MAX);
        let gradients: Vec<Parameters> = (0..LANES)
            .map(|lane| {
                assert!(given.is_found(lane));
                let (mut lambda, mut gradient) = (vec![0.0; graph.len()], Parameters::zeros(&graph));
                given.read(lane, &mut lambda);
                response::add_gradient(&graph, &state(&ensemble, graph.len(), lane), &lambda, &mut gradient);
                gradient
            })
            .collect();

        // Fourth-order central differences, each settled anew from the equilibrium.
        let h = 2e-4;
        let mut costs_at = |parameter: &mut dyn FnMut(&mut Parameters, f64), by: f64| {
            let mut moved = parameters.clone();
            parameter(&mut moved, by);
            network.set_couplings(&moved.couplings);
            let mut there = ensemble.clone();
            for lane in 0..LANES {
                there.set_fields(lane, &moved.field_x, &moved.field_y);
            }
            assert!(exact().settle(&network, &mut there, ALL).iter().all(|report| report.at_rest));
            cost(&graph, &there, &targets, Cost::Cosine)
        };
        let mut differences = |parameter: &mut dyn FnMut(&mut Parameters, f64)| -> Vec<f64> {
            let [a, b, c, d] = [-2.0, -1.0, 1.0, 2.0].map(|k| costs_at(parameter, k * h));
            (0..LANES).map(|l| (a[l] - 8.0 * b[l] + 8.0 * c[l] - d[l]) / (12.0 * h)).collect()
        };
        let (mut error, mut size) = ([0.0; LANES], [0.0; LANES]);
        let mut compare = |differences: Vec<f64>, given: &dyn Fn(&Parameters) -> f64| {
            for lane in 0..LANES {
                error[lane] += (differences[lane] - given(&gradients[lane])).powi(2);
                size[lane] += differences[lane].powi(2);
            }
        };
        for k in 0..graph.couplings().len() {
            compare(differences(&mut |p, by| p.couplings[k] += by), &|g| g.couplings[k]);
        }
        for site in 0..graph.len() {
            compare(differences(&mut |p, by| p.field_x[site] += by), &|g| g.field_x[site]);
            compare(differences(&mut |p, by| p.field_y[site] += by), &|g| g.field_y[site]);
        }
        for lane in 0..LANES {
            let relative = (error[lane] / size[lane]).sqrt();
            println!("{name}, lane {lane}: {relative:e} relative");
            assert!(relative <= 1e-6, "{name}, lane {lane}: {relative:e}");
        }
    }
}

#[test]
fn without_a_factor_the_same_equilibria_and_responses() {
    let graph = xor_graph(Preset::UpToFourthShell);
    let mut rng = rng(3);
    let parameters = parameters(&mut rng, &graph, 0.072);
    let network = network(&graph, &parameters);
    let mut factored = cold_ensemble(&mut rng, &graph, &network, &parameters);
    let mut iterated = factored.clone();
    let a = Twin::default().settle(&network, &mut factored, ALL);
    let b =
        Twin(TwinTolerance { max_factor_bytes: 0, ..TwinTolerance::default() }).settle(&network, &mut iterated, ALL);
    let drive = [(112, Lanes::splat(1.0))];
    let responses = [
        response::respond(&network, &mut factored, ALL, &drive, usize::MAX),
        response::respond(&network, &mut iterated, ALL, &drive, 0),
    ];
    for lane in 0..LANES {
        assert!(b[lane].at_rest && b[lane].residual <= 1e-10 && b[lane].factorisations == 0, "{:?}", b[lane]);
        let apart = common::difference(&state(&factored, 225, lane), &state(&iterated, 225, lane));
        assert!(apart < 1e-6, "lane {lane}: {apart:e}");
        let (fast, slow) = (a[lane].slowest_rate.unwrap(), b[lane].slowest_rate.unwrap());
        // Four inverse iterations see what slows this lane, the Lanczos process the slowest mode there is.
        assert!((0.95..1.4).contains(&(fast / slow)), "slowest rates {fast:e} and {slow:e}");
        let values = responses.each_ref().map(|response| {
            let mut values = vec![0.0; 225];
            response.read(lane, &mut values);
            values
        });
        let largest = values[0].iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let apart = values[0].iter().zip(&values[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-5 * largest, "lane {lane}: {apart:e} of {largest:e}");
    }
}

#[test]
fn only_a_stable_equilibrium_responds() {
    // Two antiferromagnetic sites at the same phase: no force, and no minimum. A free site far from rest.
    let graph = Graph::from_couplings(vec![[0.0, 0.0], [1.0, 0.0]], &[(0, 1)]).unwrap();
    let mut network = Network::new(&graph);
    network.set_couplings(&[-1.0]);
    let mut ensemble = Ensemble::new(&network);
    ensemble.set_fields(0, &[0.1, 0.0], &[0.0, 0.0]);
    let reports = Twin::default().settle(&network, &mut ensemble, std::array::from_fn(|l| l == 0));
    assert!(reports[0].at_rest, "on the saddle the flow stays");
    ensemble.set_phases(1, &[1.0, 0.5]);
    let drive = [(1, Lanes::splat(1.0))];
    let response = response::respond(&network, &mut ensemble, std::array::from_fn(|l| l < 2), &drive, usize::MAX);
    assert!(!response.is_found(0) && !response.is_found(1) && !response.is_found(2));
    ensemble.set_phases(0, &[0.1, 3.3]);
    assert!(Twin::default().settle(&network, &mut ensemble, std::array::from_fn(|l| l == 0))[0].at_rest);
    assert!(response::respond(&network, &mut ensemble, ALL, &drive, usize::MAX).is_found(0));
}

/// `samples` XOR patterns from random starts, with targets.
fn batch(graph: &Graph, network: &Network, parameters: &Parameters, samples: usize) -> (Batch, Vec<f64>) {
    let mut batch = Batch::new(network, samples);
    let mut targets = Vec::new();
    for k in 0..samples {
        let mut own = rng(900 + k as u64);
        batch.set_fields(k, &parameters.field_x, &parameters.field_y);
        batch.set_phases(k, &phases(&mut own, graph.len()));
        for input in 0..2 {
            batch.clamp(k, input, if k >> input & 1 == 0 { -FRAC_PI_2 } else { FRAC_PI_2 });
        }
        targets.push(if (k ^ k >> 1) & 1 == 0 { -FRAC_PI_2 } else { FRAC_PI_2 });
    }
    (batch, targets)
}

fn step(nudge: Nudge, cost: Cost) -> Step {
    Step { nudge, cost, clip: 0.1, follow: Follow::default() }
}

fn system() -> (Graph, Parameters, Network) {
    let graph = xor_graph(Preset::UpToFourthShell);
    let parameters = parameters(&mut rng(5), &graph, 0.072);
    let network = network(&graph, &parameters);
    (graph, parameters, network)
}

fn relative(a: &[f64], b: &[f64]) -> f64 {
    let size: f64 = b.iter().map(|x| x * x).sum();
    let apart: f64 = a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum();
    (apart / size).sqrt()
}

fn parts(gradient: &Parameters) -> [&[f64]; 3] {
    [&gradient.couplings, &gradient.field_x, &gradient.field_y]
}

#[test]
fn a_step_is_the_contrast_of_its_states() {
    let (graph, parameters, network) = system();
    // One sample at a time against the scalar contrast of states that the flow and Newton find with the nudge as a field.
    let (beta, sample) = (1e-3, 2);
    let (mut one, targets) = batch(&graph, &network, &parameters, sample + 1);
    let mut free = vec![0.0; graph.len()];
    one.settle(&network, &Twin::default(), ONE);
    one.phases(sample, &mut free);
    let mut ensemble = Ensemble::new(&network);
    let mut nudged = [1.0, -1.0].map(|sign| {
        let target = targets[sample];
        let amplitude = xyloop_lattice::energy::frozen_amplitude(sign * beta, free[112], target, 0.1).amplitude;
        let (mut x, mut y) = (parameters.field_x.clone(), parameters.field_y.clone());
        x[112] += amplitude * target.cos();
        y[112] += amplitude * target.sin();
        ensemble.set_fields(0, &x, &y);
        ensemble.set_phases(0, &free);
        for input in 0..2 {
            ensemble.clamp(0, input, if sample >> input & 1 == 0 { -FRAC_PI_2 } else { FRAC_PI_2 });
        }
        assert!(Twin::default().settle(&network, &mut ensemble, std::array::from_fn(|l| l == 0))[0].at_rest);
        state(&ensemble, graph.len(), 0)
    });
    for phase in nudged.iter_mut().flatten() {
        *phase = xyloop_lattice::math::wrap(*phase);
    }
    let mut contrast = ep::Contrast::zeros(&graph);
    contrast.add(&graph, &nudged[0], &nudged[1]);
    let wanted = contrast.gradient(ep::Nudging::Symmetric { beta });

    let mut alone = Batch::new(&network, 1);
    alone.set_fields(0, &parameters.field_x, &parameters.field_y);
    alone.set_phases(0, &free);
    for input in 0..2 {
        alone.clamp(0, input, if sample >> input & 1 == 0 { -FRAC_PI_2 } else { FRAC_PI_2 });
    }
    let outcome = step(Nudge::Symmetric { beta }, Cost::Log).run(
        &network,
        &mut alone,
        &Follow::default(),
        &targets[sample..=sample],
        ONE,
    );
    assert_eq!((outcome.counted, outcome.left_out.len()), (1, 0));
    let mut after = vec![0.0; graph.len()];
    alone.phases(0, &mut after);
    assert!(common::difference(&after, &free) < 1e-9, "the batch keeps its free states");
    for (have, want) in parts(&outcome.gradient).into_iter().zip(parts(&wanted)) {
        assert!(relative(have, want) < 1e-4, "{:e}", relative(have, want));
    }
}

#[test]
fn weak_nudges_tend_to_the_linear_response() {
    let (graph, parameters, network) = system();
    let (settled, targets) = {
        let (mut batch, targets) = batch(&graph, &network, &parameters, 12);
        batch.settle(&network, &Twin::default(), ONE);
        (batch, targets)
    };
    for cost in [Cost::Log, Cost::Cosine] {
        let run = |nudge| step(nudge, cost).run(&network, &mut settled.clone(), &exact(), &targets, ONE);
        let limit = run(Nudge::LinearResponse);
        assert_eq!(limit.counted, 12);
        let apart = |nudge| relative(&run(nudge).gradient.couplings, &limit.gradient.couplings);
        let symmetric = [1e-4, 1e-5].map(|beta| apart(Nudge::Symmetric { beta }));
        let one_sided = [1e-4, 1e-5].map(|beta| apart(Nudge::OneSided { beta }));
        println!("{cost:?}: symmetric {symmetric:?}, one-sided {one_sided:?}");
        assert!(symmetric[1] < 1e-3 && one_sided[1] < 1e-2);
        assert!(one_sided[1] < 0.2 * one_sided[0], "one-sided nudges are off in first order of beta");
    }
}

#[test]
fn nothing_depends_on_threads_or_on_the_rest_of_the_batch() {
    let (graph, parameters, mut network) = system();
    let mut run = |samples: usize, threads: usize, nudge| -> (Outcome, Vec<f64>) {
        let (mut batch, targets) = batch(&graph, &network, &parameters, samples);
        let threads = NonZeroUsize::new(threads).unwrap();
        let step = step(nudge, Cost::Log);
        step.run(&network, &mut batch, &Twin::default(), &targets, threads);
        // A second step, warm, with other couplings.
        let mut moved = parameters.clone();
        for (w, by) in moved.couplings.iter_mut().zip(normal(&mut rng(6), 0.003, graph.couplings().len())) {
            *w += by;
        }
        network.set_couplings(&moved.couplings);
        let outcome = step.run(&network, &mut batch, &Follow::default(), &targets, threads);
        network.set_couplings(&parameters.couplings);
        let mut states = Vec::new();
        for sample in 0..samples.min(3) {
            let mut phases = vec![0.0; graph.len()];
            batch.phases(sample, &mut phases);
            states.extend(phases);
        }
        (outcome, states)
    };
    for nudge in [Nudge::Symmetric { beta: 0.01 }, Nudge::LinearResponse] {
        let reference = run(21, 1, nudge);
        for threads in [2, 5] {
            assert!(run(21, threads, nudge) == reference, "{threads} threads");
        }
        for samples in [3, 8] {
            assert!(run(samples, 1, nudge).1 == reference.1, "{samples} samples");
        }
    }
}

#[test]
fn a_sample_that_is_no_number_is_left_out_and_nothing_else() {
    let (graph, parameters, network) = system();
    for nudge in [Nudge::Symmetric { beta: 0.01 }, Nudge::OneSided { beta: 0.01 }, Nudge::LinearResponse] {
        let step = step(nudge, Cost::Log);
        let (mut batch, targets) = self::batch(&graph, &network, &parameters, 10);
        let mut bad = parameters.field_x.clone();
        bad[7] = f64::NAN;
        batch.set_fields(9, &bad, &parameters.field_y);
        let with = step.run(&network, &mut batch, &Twin::default(), &targets, ONE);
        assert_eq!((with.left_out.as_slice(), with.counted), ([9].as_slice(), 9));
        let (mut batch, targets) = self::batch(&graph, &network, &parameters, 9);
        let without = step.run(&network, &mut batch, &Twin::default(), &targets, ONE);
        assert!(with.gradient == without.gradient && with.distance == without.distance, "{nudge:?}");
        assert!(with.gradient.couplings.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn without_a_factor_a_lane_depends_on_itself_alone_too() {
    let (graph, parameters, network) = system();
    let tolerance = TwinTolerance { max_factor_bytes: 0, ..TwinTolerance::default() };
    let start = cold_ensemble(&mut rng(8), &graph, &network, &parameters);
    let mut all = start.clone();
    let reports = Twin(tolerance).settle(&network, &mut all, ALL);
    for lane in 0..LANES {
        let mut alone = start.clone();
        let report = Twin(tolerance).settle(&network, &mut alone, std::array::from_fn(|l| l == lane))[lane];
        assert_eq!(report, reports[lane]);
        assert_eq!(common::bits(&state(&alone, 225, lane)), common::bits(&state(&all, 225, lane)));
    }
}

#[test]
fn a_step_takes_any_solvers_word_for_rest() {
    let (graph, parameters, network) = system();
    let (mut batch, targets) = self::batch(&graph, &network, &parameters, 3);
    let free = xyloop_lattice::flow::Flow::REFERENCE;
    let outcome = step(Nudge::LinearResponse, Cost::Log).run(&network, &mut batch, &free, &targets, ONE);
    assert_eq!((outcome.counted, outcome.factorisations), (3, 3));
    let (mut batch, targets) = self::batch(&graph, &network, &parameters, 3);
    let twin = step(Nudge::LinearResponse, Cost::Log).run(&network, &mut batch, &Twin::default(), &targets, ONE);
    assert!(relative(&outcome.gradient.couplings, &twin.gradient.couplings) < 1e-3);
}
