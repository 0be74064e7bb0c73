//! Exclusive or: bits are phases of ±π/2, and so is the answer.

use std::f64::consts::FRAC_PI_2;

use super::data::{Provenance, Sample, Task};

pub(super) fn task() -> Task {
    let phase = |bit: bool| if bit { FRAC_PI_2 } else { -FRAC_PI_2 };
    let samples: Vec<Sample> = [(false, false), (false, true), (true, false), (true, true)]
        .into_iter()
        .zip(0..)
        .map(|((a, b), index)| Sample {
            inputs_rad: vec![phase(a), phase(b)],
            targets_rad: vec![phase(a != b)],
            label: usize::from(a != b),
            index,
        })
        .collect();
    Task {
        name: "xor".to_owned(),
        train: samples.clone(),
        test: samples,
        classes: vec!["equal".to_owned(), "different".to_owned()],
        provenance: Provenance {
            source: "computed: the four patterns of exclusive or, bits and targets as ±π/2".to_owned(),
            sha256: None,
            split: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_patterns() {
        let task = task();
        let rows: Vec<(i32, i32, i32, usize)> = task
            .train
            .iter()
            .map(|s| {
                let sign = |x: f64| x.signum() as i32;
                (sign(s.inputs_rad[0]), sign(s.inputs_rad[1]), sign(s.targets_rad[0]), s.label)
            })
            .collect();
        assert_eq!(rows, [(-1, -1, -1, 0), (-1, 1, 1, 1), (1, -1, 1, 1), (1, 1, -1, 0)]);
        assert_eq!(task.train, task.test);
    }
}
