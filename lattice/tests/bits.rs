//! Bit for bit: a lane does not depend on its neighbours or its place, nor the result on the instruction set, as long as
//! it fuses; one that does not ends in the same equilibria.
// Exact results are compared exactly.
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::needless_range_loop, clippy::doc_markdown)]

mod common;

use common::{bits, normal, parameters, phases, rng, state, xor_graph};
use xyloop_lattice::{Ensemble, Graph, Isa, LANES, LaneReport, Network, Preset, diffuse, flow, twin};

#[derive(Clone)]
struct Sample {
    field_x: Vec<f64>,
    field_y: Vec<f64>,
    phases: Vec<f64>,
    inputs: [f64; 2],
    duration: f64,
}

fn samples(graph: &Graph, seed: u64) -> Vec<Sample> {
    let mut rng = rng(seed);
    (0..LANES)
        .map(|k| Sample {
            field_x: normal(&mut rng, 0.3, graph.len()),
            field_y: normal(&mut rng, 0.3, graph.len()),
            phases: phases(&mut rng, graph.len()),
            inputs: [0.3 * k as f64, -1.0],
            // Some read early, some at rest.
            duration: [3.0, 40.0, 150.0, 1e4, 1e4, 0.5, 60.0, 1e4][k],
        })
        .collect()
}

/// What every solver in turn makes of the samples put into these lanes.
fn trace(graph: &Graph, network: &Network, placed: &[(usize, Sample)], isa: Isa) -> Vec<Vec<(Vec<u64>, LaneReport)>> {
    let mut ensemble = Ensemble::new(network);
    ensemble.set_isa(isa);
    let mut duration = [0.0; LANES];
    for (lane, sample) in placed {
        ensemble.set_fields(*lane, &sample.field_x, &sample.field_y);
        ensemble.set_phases(*lane, &sample.phases);
        ensemble.clamp(*lane, 0, sample.inputs[0]);
        ensemble.clamp(*lane, 1, sample.inputs[1]);
        duration[*lane] = sample.duration;
    }
    let mut out: Vec<Vec<(Vec<u64>, LaneReport)>> = vec![Vec::new(); placed.len()];
    let mut note = |ensemble: &Ensemble, reports: [LaneReport; LANES]| {
        for (k, (lane, _)) in placed.iter().enumerate() {
            out[k].push((bits(&state(ensemble, graph.len(), *lane)), reports[*lane]));
        }
    };
    let short = duration.map(|time| time.min(5.0));
    let reports = flow::advance(network, &mut ensemble, &short, &flow::FlowTolerance::default());
    note(&ensemble, reports);
    let noise = diffuse::Diffusion { diffusion: 1e-3, dt: 0.05, scheme: diffuse::Scheme::Heun };
    let mut source = |_: usize, step: u64, site: usize| ((step * 31 + site as u64 * 7) % 13) as f64 / 6.0 - 1.0;
    let reports = diffuse::advance(network, &mut ensemble, &short, &[0; LANES], &noise, &mut source);
    note(&ensemble, reports);
    for _ in 0..2 {
        let reports = twin::advance(network, &mut ensemble, &duration, &twin::TwinTolerance::default());
        note(&ensemble, reports);
    }
    for (lane, sample) in placed {
        let mut field_x = sample.field_x.clone();
        field_x[112] += 0.1;
        ensemble.set_fields(*lane, &field_x, &sample.field_y);
    }
    let reports = twin::advance(network, &mut ensemble, &duration, &twin::TwinTolerance::default());
    note(&ensemble, reports);
    out
}

fn setting(preset: Preset) -> (Graph, Network, Vec<(usize, Sample)>) {
    let graph = xor_graph(preset);
    let parameters = parameters(&mut rng(5), &graph, 0.09);
    let network = common::network(&graph, &parameters);
    let placed = samples(&graph, 17).into_iter().enumerate().collect();
    (graph, network, placed)
}

#[test]
fn a_lane_depends_on_itself_alone() {
    let (graph, network, placed) = setting(Preset::UpToFourthShell);
    let reference = trace(&graph, &network, &placed, Isa::best());
    assert!(reference.iter().any(|lane| lane[2].1.at_rest) && reference.iter().any(|lane| !lane[2].1.at_rest));

    let permuted: Vec<_> = placed.iter().map(|(lane, sample)| ((lane * 3 + 5) % LANES, sample.clone())).collect();
    assert!(trace(&graph, &network, &permuted, Isa::best()) == reference, "permuted lanes");

    for k in [0, 2, 3, 7] {
        let lone = [(6, placed[k].1.clone())];
        assert!(trace(&graph, &network, &lone, Isa::best())[0] == reference[k], "lane {k} alone");
    }

    let mut others = placed.clone();
    for (lane, sample) in &mut others {
        if *lane % 2 == 1 {
            sample.duration *= 1.7;
            sample.phases.reverse();
        }
    }
    others[1].1.phases[40] = f64::NAN;
    others[5].1.field_x[40] = f64::INFINITY;
    let changed = trace(&graph, &network, &others, Isa::best());
    for k in [0, 2, 4, 6] {
        assert!(changed[k] == reference[k], "lane {k} among others");
    }
    assert!(changed[1].iter().chain(&changed[5]).all(|(_, report)| report.failed && !report.at_rest));
}

#[test]
fn every_fused_instruction_set_gives_the_same_bits_and_any_other_the_same_equilibria() {
    for preset in [Preset::UpToFourthShell, Preset::Square] {
        let (graph, network, placed) = setting(preset);
        let all: Vec<_> =
            Isa::available().into_iter().map(|isa| (isa, trace(&graph, &network, &placed, isa))).collect();
        let Some((_, fused)) = all.iter().find(|(isa, _)| isa.is_fused()) else { return };
        for (isa, traced) in &all {
            if isa.is_fused() {
                assert!(traced == fused, "{}", isa.name());
                continue;
            }
            for (ours, theirs) in traced.iter().flatten().zip(fused.iter().flatten()) {
                assert_eq!(ours.1.at_rest, theirs.1.at_rest);
                for (a, b) in ours.0.iter().zip(&theirs.0) {
                    let apart = (f64::from_bits(*a) - f64::from_bits(*b)).abs();
                    assert!(apart < 1e-8, "{}: {apart}", isa.name());
                }
            }
        }
    }
}

/// Pins the bits across platforms and releases: a change here changes every recorded run.
#[test]
fn bits_are_pinned() {
    if !Isa::best().is_fused() {
        println!("skipped: this machine has no fused multiply-add");
        return;
    }
    let (graph, network, placed) = setting(Preset::UpToFourthShell);
    // FNV-1a over all states.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for (states, _) in trace(&graph, &network, &placed, Isa::best()).iter().flatten() {
        for word in states {
            hash = (hash ^ word).wrapping_mul(0x0100_0000_01b3);
        }
    }
    assert_eq!(hash, PINNED, "{hash:#x}");
}

const PINNED: u64 = 0x816a_ff53_ff46_a4f9;
