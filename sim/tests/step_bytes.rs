//! What a training step of the XOR array costs on a serial line, both directions together and everything counted: frames,
//! acknowledgements, codes, commit, plan, shots, results, sums and retire. The codes are those of Adam on the sums that the
//! simulated plant gives.
//!
//! The first steps cost more than those that follow: with couplings just drawn, shots change basin under the nudge, and
//! what they add to the sums is large.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{line::*, *};
use xyloop_lattice::Parameters;
use xyloop_protocol::{
    codec::Codec,
    message::{Block, Command, Cost, Generation, Plan, ReadOut},
};
use xyloop_testbench::{Answer, Row, ScriptedHost};

/// Sums in a piece: as many as a message of this device takes as words.
const SHOTS: u64 = 16;
const STEPS: usize = 20;
/// Steps after which the first basin changes are over.
const FIRST: usize = 10;
/// Steps that are done with words, too.
const COMPARED: usize = 4;

/// Adam with the usual constants; only the sign of the gradient's scale matters to it.
struct Adam {
    parameters: Parameters,
    first: Vec<f64>,
    second: Vec<f64>,
    steps: i32,
}

impl Adam {
    fn new() -> Self {
        let parameters = parameters(&large(), 7, 0.072);
        let count = parameters.couplings.len() + 2 * parameters.field_x.len();
        Self { parameters, first: vec![0.0; count], second: vec![0.0; count], steps: 0 }
    }

    fn codes(&self) -> Codes {
        codes_of(&self.parameters, &CONVERTERS)
    }

    fn step(&mut self, sums: &[i32]) {
        self.steps += 1;
        let Self { parameters: p, first, second, steps } = self;
        let fields = p.field_x.iter_mut().zip(&mut p.field_y).flat_map(|(x, y)| [x, y]);
        let values = p.couplings.iter_mut().chain(fields);
        for (((value, m), v), sum) in values.zip(first).zip(second).zip(sums) {
            let gradient = -f64::from(*sum) / f64::from(1 << 20);
            *m = 0.9 * *m + 0.1 * gradient;
            *v = 0.999 * *v + 0.001 * gradient * gradient;
            let (mean, square) = (*m / (1.0 - 0.9f64.powi(*steps)), *v / (1.0 - 0.999f64.powi(*steps)));
            *value -= 0.001 * mean / (square.sqrt() + 1e-8);
        }
    }
}

/// One step over the line: its bytes, and the sums it measured.
fn step(
    device: &mut DeviceOnLine,
    held: &mut Option<(Generation, Codes)>,
    codes: &Codes,
    plan: &Plan,
) -> (usize, Vec<i32>) {
    let number = held.as_ref().map_or(1, |(held, _)| held.number + 1);
    let (generation, before) = (codes.generation(number), device.line_bytes());
    let wanted = device.host.rows.len() + 4 * SHOTS as usize;
    for (block, codes, base) in [
        (Block::Couplings, &codes.couplings, held.as_ref().map(|(base, held)| (*base, held.couplings.clone()))),
        (Block::Fields, &codes.fields, held.as_ref().map(|(base, held)| (*base, held.fields.clone()))),
    ] {
        match base {
            Some((base, held)) if plan.codec == Codec::Delta => {
                device.stage_differences(number, block, codes, &held, base);
            }
            _ => {
                device.tell_stage(number, block, codes, CODES);
            }
        }
    }
    device.tell(Command::Commit(generation));
    device.tell(Command::Plan(Plan { generation, ..*plan }));
    let last = u64::from(number) * SHOTS;
    for shot in xor_shots(last - SHOTS + 1..=last) {
        device.queue(&shot);
    }
    let total = if plan.read_out == ReadOut::Contrast { codes.couplings.len() + codes.fields.len() } else { 0 };
    let collect = if total > 0 { device.tell(Command::Collect(0)) } else { 0 };
    let all_here = |host: &ScriptedHost<'_>| host.rows.len() == wanted && host.sums(collect).len() == total;
    device.run_until(5_000_000, |pair| all_here(&pair.host));
    let sums = device.host.sums(collect);
    let mut answers = device.host.answers.drain(..);
    assert!(answers.all(|(tag, answer)| tag == collect || answer == Answer::Done));
    drop(answers);
    device.tell(Command::Retire(last));
    device.run_for(5_000);
    *held = Some((generation, codes.clone()));
    (device.line_bytes() - before, sums)
}

#[test]
fn a_step_with_contrast_sums_fits_7600_bytes_and_one_with_all_phases_18000() {
    let segments = symmetric(0.03, Cost::Log { bound_q14: 1638 });
    let of = |read_out, codec| Plan { read_out, codec, ..plan(&segments) };
    let (mut adam, mut generations, mut sums) = (Adam::new(), Vec::new(), Vec::new());
    let mut device = DeviceOnLine::new();
    let (mut held, mut with_sums) = (None, Vec::new());
    for _ in 0..STEPS {
        generations.push(adam.codes());
        let codes = generations.last().unwrap();
        let (bytes, measured) = step(&mut device, &mut held, codes, &of(ReadOut::Contrast, Codec::Delta));
        adam.step(&measured);
        with_sums.push(bytes);
        sums.push(measured);
    }
    let mut device = DeviceOnLine::new();
    let (mut held, mut with_phases) = (None, Vec::new());
    for codes in &generations {
        with_phases.push(step(&mut device, &mut held, codes, &of(ReadOut::Phases, Codec::Delta)).0);
    }
    // The same in words, for a few steps.
    let (mut phases, mut contrast) = (DeviceOnLine::new(), DeviceOnLine::new());
    let (mut plain, mut plain_sums, mut held, mut held_too) = (Vec::new(), Vec::new(), None, None);
    for (codes, sums) in generations.iter().zip(&sums).take(COMPARED) {
        plain.push(step(&mut phases, &mut held, codes, &of(ReadOut::Phases, Codec::Words)).0);
        let (bytes, measured) = step(&mut contrast, &mut held_too, codes, &of(ReadOut::Contrast, Codec::Words));
        plain_sums.push(bytes);
        assert_eq!(measured, *sums);
    }
    let rows_of = |device: DeviceOnLine| by_shot(device.into_rows().into_iter().map(Row::without_origin));
    let coded = rows_of(device);
    for (shot, rows) in rows_of(phases) {
        assert!(coded[&shot] == rows, "shot {shot} is the same in either codec");
    }
    println!("bytes a step, the first with all codes as words:");
    println!("contrast, delta: {with_sums:?}\ncontrast, words: {plain_sums:?}");
    println!("phases, delta:   {with_phases:?}\nphases, words:   {plain:?}");
    assert!(with_sums[FIRST..].iter().all(|bytes| *bytes <= 7_600), "{with_sums:?}");
    assert!(with_phases[1..].iter().all(|bytes| *bytes <= 18_000), "{with_phases:?}");
    let total = |bytes: &[usize]| bytes[1..COMPARED].iter().sum::<usize>();
    assert!(total(&with_sums) * 100 < total(&plain_sums) * 60 && total(&with_phases) * 100 < total(&plain) * 50);
}
