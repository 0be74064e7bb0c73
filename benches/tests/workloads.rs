//! The workloads are what their description says, the same on every run, and a step on them is solved and goes downhill.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::f64::consts::{FRAC_PI_2, PI};
use std::io::Write;
use std::process::{Command, Stdio};

use xyloop_benches::ours::{Ours, Start};
use xyloop_benches::workload::{MOVE, NAMES, Workload};
use xyloop_lattice::{Cost, Parameters, energy};

#[test]
fn sizes_are_those_described() {
    let expected = [(225, 1930, 4, 2, 1), (225, 420, 4, 2, 1), (140, 1113, 150, 4, 3), (1578, 27_308, 100, 784, 10)];
    for (name, (sites, couplings, batch, inputs, outputs)) in NAMES.into_iter().zip(expected) {
        let workload = Workload::named(name).unwrap();
        let graph = &workload.graph;
        assert_eq!((graph.len(), graph.couplings().len(), workload.batch), (sites, couplings, batch), "{name}");
        assert_eq!((graph.inputs().len(), graph.outputs().len()), (inputs, outputs), "{name}");
        assert_eq!((workload.clamps.len(), workload.targets.len()), (batch * inputs, batch * outputs), "{name}");
        assert!(workload.clamps.iter().all(|phase| phase.abs() <= FRAC_PI_2), "{name}");
    }
    let large = Workload::named("sq-256x256-b8").unwrap();
    assert_eq!((large.graph.len(), large.batch), (65_536, 8));
    for name in
        ["", "xor", "sq-64-b8", "sq-64x4-b8", "sq-64x64-b0", "sq-64x64-b8-x", "5nsq-9x9-b1", "sq-99999x99999-b1"]
    {
        assert!(Workload::named(name).is_err(), "{name}");
    }
}

#[test]
fn numbers_are_drawn_once_and_for_all() {
    let (one, two) = (Workload::named("iris").unwrap(), Workload::named("iris").unwrap());
    assert_eq!((one.parameters(3), one.starts(2), &one.clamps), (two.parameters(3), two.starts(2), &two.clamps));
    assert_ne!(one.starts(1), one.starts(2));
    let other = Workload::named("4nsq-7x20-b150").unwrap();
    assert_ne!(one.parameters(0).field_x, other.parameters(0).field_x);
    // A step moves every parameter by about MOVE, and the next one moves on from there.
    let [a, b, c] = [0, 1, 2].map(|step| one.parameters(step).couplings);
    for (from, to) in [(&a, &b), (&b, &c)] {
        let square: f64 = from.iter().zip(to).map(|(x, y)| (x - y).powi(2)).sum();
        let rms = (square / from.len() as f64).sqrt();
        assert!((rms / MOVE - 1.0).abs() < 0.1, "{rms}");
    }
    // Starts are clamped where inputs are, and reach all around elsewhere.
    let starts = one.starts(0);
    for (sample, state) in starts.chunks_exact(one.graph.len()).enumerate() {
        for (&site, clamp) in one.graph.inputs().iter().zip(one.clamps_of(sample)) {
            assert_eq!(state[site as usize], *clamp);
        }
    }
    assert!(starts.iter().all(|phase| phase.abs() <= PI) && starts.iter().any(|phase| *phase < -3.0));
}

#[test]
fn images_are_smooth_and_use_the_range() {
    let workload = Workload::named("mnist").unwrap();
    for sample in [0, 99] {
        let image = workload.clamps_of(sample);
        let largest = image.iter().fold(0.0_f64, |largest, phase| largest.max(phase.abs()));
        assert!((largest - FRAC_PI_2).abs() < 1e-12);
        let steps = image.chunks_exact(28).flat_map(|row| row.windows(2).map(|pair| (pair[0] - pair[1]).abs()));
        assert!(steps.fold(0.0, f64::max) < 0.8);
    }
    assert_ne!(workload.clamps_of(0), workload.clamps_of(1));
}

/// Mean log cost of free states.
fn cost(workload: &Workload, free: &[f64]) -> f64 {
    let states = free.chunks_exact(workload.graph.len()).enumerate();
    let sum: f64 = states.map(|(s, state)| Cost::Log.total(&workload.graph, state, workload.targets_of(s))).sum();
    sum / workload.batch as f64
}

#[test]
fn a_step_settles_every_sample_and_its_gradient_points_uphill() {
    // 12 samples: one full block and a half one.
    let mut workload = Workload::named("4nsq-7x9-b12").unwrap();
    let parameters = workload.parameters(0);
    // Targets 0.8 rad from where the outputs are: far from the clip, and a nudge that stays small.
    let starts = workload.starts(0);
    let mut ours = Ours::new(&workload);
    ours.settle(&parameters, Start::Cold(&starts));
    let free = ours.free();
    let output = workload.graph.outputs()[0] as usize;
    workload.targets = free.chunks_exact(workload.graph.len()).map(|state| state[output] + 0.8).collect();
    let graph = &workload.graph;
    let mut ours = Ours::new(&workload);
    let step = ours.step(&parameters, Start::Cold(&starts));
    assert_eq!((step.counted, step.left_out.len()), (12, 0));
    let free = ours.free();
    let mut force = vec![0.0; graph.len()];
    for (sample, state) in free.chunks_exact(graph.len()).enumerate() {
        energy::force(graph, &parameters, state, &mut force);
        let residual = force.iter().fold(0.0_f64, |largest, f| largest.max(f.abs()));
        assert!(residual < 5e-7, "sample {sample}: {residual}");
        assert_eq!(state[graph.inputs()[1] as usize], workload.clamps_of(sample)[1]);
    }
    // A small step against the gradient lowers the cost of the followed states by its length squared.
    let gradient = &step.gradient;
    let square = [&gradient.couplings, &gradient.field_x, &gradient.field_y].into_iter().flatten();
    let square: f64 = square.map(|g| g * g).sum();
    let length = 1e-3 / square.sqrt();
    let moved = |from: &[f64], by: &[f64]| from.iter().zip(by).map(|(p, g)| p - length * g).collect();
    let down = Parameters {
        couplings: moved(&parameters.couplings, &gradient.couplings),
        field_x: moved(&parameters.field_x, &gradient.field_x),
        field_y: moved(&parameters.field_y, &gradient.field_y),
    };
    ours.settle(&down, Start::Warm);
    let fell = cost(&workload, &free) - cost(&workload, &ours.free());
    assert!((fell / (length * square) - 1.0).abs() < 0.01, "fell by {fell}, expected {}", length * square);
}

#[test]
fn the_side_answers_a_script_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let commands = format!(
        "cold 0\nload 4nsq-5x5-b2 3 {0}\nwarm 1\norigin\nwarm 2\nwarm 1\nwarm 2\ncold 3\nreference 0 1\nsing\n\
         load none 1 {0}\nload sq-5x5-b1 1 {0}\nsettle-cold 0\n",
        folder.path().display()
    );
    let mut side = Command::new(env!("CARGO_BIN_EXE_side"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    side.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    let done = side.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let answers = String::from_utf8(done.stdout).unwrap();
    let expected = [
        "error: `cold 0` before `load",
        "ok sites=25 couplings=",
        "error: warm step 1 before `origin`",
        "ok passes=",
        "error: warm step 2 after step 0",
        "ok seconds=",
        "ok seconds=",
        "error: step 3 of 3",
        "ok seconds=",
        "error: unknown command `sing`",
        "error: no workload `none`",
        "ok sites=25 couplings=40",
        "ok seconds=",
    ];
    assert_eq!(answers.lines().count(), expected.len(), "{answers}");
    for (answer, start) in answers.lines().zip(expected) {
        assert!(answer.starts_with(start), "{answer}, expected {start}");
    }
    // Shape and length of what is written: a header of a multiple of 64 bytes, then 8 bytes a number.
    let bytes = std::fs::read(folder.path().join("ours-free.npy")).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY\x01\x00") && bytes.len() == 128 + 25 * 8, "{}", bytes.len());
    assert!(String::from_utf8_lossy(&bytes[..128]).contains("'shape': (1, 25,)"));
}
