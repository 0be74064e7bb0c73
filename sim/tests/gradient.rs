//! Promise 5: the EP gradient measured through the device points along finite differences of the settled cost.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::*;
use xyloop_lattice::{
    Cost, Ensemble, Graph, LANES, Network, Parameters,
    ep::{Contrast, Nudging},
    twin,
};
use xyloop_protocol::message;

const SAMPLES: usize = 8;

/// Cost summed over the samples at the equilibria next to `starts` (one state and target per lane).
fn cost(graph: &Graph, p: &Parameters, starts: &[Vec<f64>], targets: &[f64]) -> f64 {
    let mut network = Network::new(graph);
    network.set_couplings(&p.couplings);
    let mut ensemble = Ensemble::new(&network);
    for (lane, start) in starts.iter().enumerate() {
        ensemble.set_fields(lane, &p.field_x, &p.field_y);
        ensemble.set_phases(lane, start);
        for (input, site) in graph.inputs().iter().enumerate() {
            ensemble.clamp(lane, input, start[*site as usize]);
        }
    }
    let reports = twin::advance(&network, &mut ensemble, &[1e4; LANES], &twin::TwinTolerance::default());
    assert!(reports.iter().all(|report| report.at_rest));
    let mut phases = vec![0.0; graph.len()];
    let of_lane = |(lane, target): (usize, &f64)| {
        ensemble.phases(lane, &mut phases);
        Cost::Cosine.total(graph, &phases, &[*target])
    };
    targets.iter().enumerate().map(of_lane).sum()
}

fn flat(p: &Parameters) -> Vec<f64> {
    [&p.couplings[..], &p.field_x, &p.field_y].concat()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Central differences with respect to every coupling and every field component.
fn finite_differences(graph: &Graph, p: &Parameters, starts: &[Vec<f64>], targets: &[f64]) -> Vec<f64> {
    let step = 1e-4;
    let change = |place: fn(&mut Parameters, usize) -> &mut f64, index| {
        let at = |by: f64| {
            let mut changed = p.clone();
            *place(&mut changed, index) += by;
            cost(graph, &changed, starts, targets)
        };
        (at(step) - at(-step)) / (2.0 * step)
    };
    let couplings = (0..p.couplings.len()).map(|i| change(|p, i| &mut p.couplings[i], i)).collect::<Vec<_>>();
    let field_x = (0..graph.len()).map(|i| change(|p, i| &mut p.field_x[i], i)).collect::<Vec<_>>();
    let field_y = (0..graph.len()).map(|i| change(|p, i| &mut p.field_y[i], i)).collect::<Vec<_>>();
    [couplings, field_x, field_y].concat()
}

#[test]
fn the_gradient_measured_through_the_device_is_the_gradient_of_the_settled_cost() {
    let graph = small();
    let codes = codes_of(&parameters(&graph, 5, 0.3), &CONVERTERS);
    let meant = meaning_of(&codes, &CONVERTERS);
    let shots = xor_shots(1..=SAMPLES as u64);
    let targets: Vec<f64> = shots.iter().map(|shot| radians(shot.targets[0])).collect();
    let mut want = Vec::new();
    for beta in [0.01, 0.02, 0.03] {
        let mut driven = DrivenDevice::with_codes(ideal(graph.clone(), 8), &codes);
        driven.plan(&plan(&symmetric(beta, message::Cost::Cosine)));
        let rows = driven.run(&shots);
        let mut contrast = Contrast::zeros(&graph);
        for rows in rows.values() {
            assert!(rows.iter().all(|row| row.flags.0 == 0), "settled, and in one basin");
            contrast.add(&graph, &rows[1].phases(), &rows[3].phases());
        }
        if want.is_empty() {
            let starts: Vec<Vec<f64>> = rows.values().map(|rows| rows[0].phases()).collect();
            want = finite_differences(&graph, &meant, &starts, &targets);
        }
        let realised = f64::from(beta_q8(beta, &CONVERTERS)) / 256.0 * 4.0 / 32768.0;
        let gradient = contrast.gradient(Nudging::Symmetric { beta: realised });
        let have: Vec<f64> = flat(&gradient).iter().map(|x| x * SAMPLES as f64).collect();
        assert!(cosine(&have, &want) >= 0.99, "β {beta}: {}", cosine(&have, &want));
        let couplings = graph.couplings().len();
        assert!(cosine(&have[..couplings], &want[..couplings]) >= 0.99, "couplings alone");
        assert!(cosine(&have[couplings..], &want[couplings..]) >= 0.99, "fields alone");
        let size = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        let length = size(&have) / size(&want);
        // The bias of a finite symmetric nudge is of order β².
        assert!((length - 1.0).abs() < 500.0 * beta * beta, "β {beta}: and has its length, {length}");
    }
}
