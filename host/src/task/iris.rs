//! Fisher's irises (host/data/iris.csv): parsing, split per class, scaling fitted on the training rows.
//!
//! Features become phases linearly, the smallest training value −π/2 and the largest +π/2. Test values beyond are clamped to
//! that range, since a phase further out would come back round the circle, and the clamped ones are counted.

use std::f64::consts::FRAC_PI_2;

use super::data::{Provenance, Sample, SplitRecord, Task, TaskError};
use super::split::{PROCEDURE, Parts, stratified};

/// The committed file; see host/data/README.md for its origin and licence.
pub(super) const CSV: &str = include_str!("../../data/iris.csv");
const FILE: &str = "iris.csv";
const SHA256: &str = "f13ffa8fdd56fd8e6c8d16d4081a3fbd3114bcd0aae4256c43205169cd9d1449";

/// Holds the file's rows.
#[derive(Debug)]
struct Rows {
    features: Vec<Vec<f64>>,
    labels: Vec<usize>,
    classes: Vec<String>,
}

/// Divides the rows as `seed` says.
pub(super) fn task(csv: &str, test_fraction: f64, seed: u64) -> Result<Task, TaskError> {
    let rows = parse(csv)?;
    let parts =
        stratified(&rows.labels, rows.classes.len(), test_fraction, seed).map_err(|class| TaskError::Split {
            class: rows.classes[class].clone(),
            rows: rows.labels.iter().filter(|label| **label == class).count(),
            fraction: test_fraction.to_string(),
        })?;
    Ok(divided(rows, &parts, seed, test_fraction, PROCEDURE))
}

/// Divides the rows as a record says that they were.
pub(super) fn as_recorded(csv: &str, split: &SplitRecord) -> Result<Task, TaskError> {
    let rows = parse(csv)?;
    let SplitRecord { seed, test_fraction, procedure, train_rows, test_rows, .. } = split;
    let wide = |rows: &[u32]| rows.iter().map(|row| *row as usize).collect();
    let parts = Parts { train: wide(train_rows), test: wide(test_rows) };
    let mut all: Vec<usize> = parts.train.iter().chain(&parts.test).copied().collect();
    all.sort_unstable();
    let refused = |reason: &str| TaskError::OtherSplit {
        task: "iris".to_owned(),
        rows: rows.labels.len(),
        reason: reason.to_owned(),
    };
    if parts.train.is_empty() || parts.test.is_empty() {
        return Err(refused("one part is empty"));
    }
    if all.windows(2).any(|pair| pair[0] == pair[1]) || all.last().is_some_and(|last| *last >= rows.labels.len()) {
        return Err(refused("a row is named twice, or does not exist"));
    }
    Ok(divided(rows, &parts, *seed, *test_fraction, procedure))
}

/// Encodes the rows, scaled by the training rows.
fn divided(rows: Rows, parts: &Parts, seed: u64, test_fraction: f64, procedure: &str) -> Task {
    let feature_ranges: Vec<(f64, f64)> = (0..rows.features[0].len())
        .map(|feature| {
            let values = parts.train.iter().map(|row| rows.features[*row][feature]);
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
        })
        .collect();
    let mut clamped = 0;
    let mut sample = |row: usize| {
        let inputs_rad = rows.features[row].iter().zip(&feature_ranges).map(|(value, (low, high))| {
            if value < low || value > high {
                clamped += 1;
            }
            // A feature that never varies says nothing: the middle.
            if low < high { ((value.clamp(*low, *high) - low) / (high - low) * 2.0 - 1.0) * FRAC_PI_2 } else { 0.0 }
        });
        let inputs_rad = inputs_rad.collect();
        let label = rows.labels[row];
        let target = |class| {
            if class == label { FRAC_PI_2 } else { -FRAC_PI_2 }
        };
        Sample { inputs_rad, targets_rad: (0..rows.classes.len()).map(target).collect(), label, index: row as u32 }
    };
    let train: Vec<Sample> = parts.train.iter().map(|row| sample(*row)).collect();
    let test: Vec<Sample> = parts.test.iter().map(|row| sample(*row)).collect();

    let numbers = |rows: &[usize]| {
        let mut rows: Vec<u32> = rows.iter().map(|row| *row as u32).collect();
        rows.sort_unstable();
        rows
    };
    let split = SplitRecord {
        seed,
        test_fraction,
        procedure: procedure.to_owned(),
        train_rows: numbers(&parts.train),
        test_rows: numbers(&parts.test),
        feature_ranges,
        test_values_clamped: clamped,
    };
    let source =
        "Iris, R. A. Fisher 1936, Fisher's variant as in scikit-learn; UCI Machine Learning Repository, CC BY 4.0";
    Task {
        name: "iris".to_owned(),
        train,
        test,
        classes: rows.classes,
        provenance: Provenance { source: source.to_owned(), sha256: Some(SHA256.to_owned()), split: Some(split) },
    }
}

/// Reads the file. First line: rows, features, class names. Then per line the features and the class's number.
fn parse(csv: &str) -> Result<Rows, TaskError> {
    let refused = |line: usize, reason: String| TaskError::Row { file: FILE.to_owned(), line, reason };
    let mut lines = csv.lines().zip(1..);
    let head: Vec<&str> = lines.next().map(|(head, _)| head.split(',').map(str::trim).collect()).unwrap_or_default();
    let count = |nth: usize| head.get(nth).and_then(|word| word.parse::<usize>().ok()).filter(|n| *n > 0);
    let (Some(count), Some(width), true) = (count(0), count(1), head.len() > 2) else {
        return Err(refused(1, "expected `rows,features,class names …`".to_owned()));
    };
    let classes: Vec<String> = head[2..].iter().map(|name| (*name).to_owned()).collect();
    let mut rows = Rows { features: Vec::new(), labels: Vec::new(), classes };
    for (text, line) in lines {
        let words: Vec<&str> = text.split(',').map(str::trim).collect();
        let Some((label, features)) = words.split_last().filter(|(_, features)| features.len() == width) else {
            return Err(refused(line, format!("{} values, expected {width} features and a class", words.len())));
        };
        let number = |word: &&str| {
            let value = word.parse::<f64>().ok().filter(|value| value.is_finite());
            value.ok_or_else(|| refused(line, format!("`{word}` is not a finite number")))
        };
        rows.features.push(features.iter().map(number).collect::<Result<_, _>>()?);
        match label.parse::<usize>() {
            Ok(label) if label < rows.classes.len() => rows.labels.push(label),
            _ => {
                let last = rows.classes.len() - 1;
                return Err(refused(line, format!("class `{label}`: classes are 0..={last}")));
            }
        }
    }
    if rows.labels.len() != count {
        let line = rows.labels.len() + 1;
        return Err(refused(
            line,
            format!("the file ends after {} rows, its first line says {count}", rows.labels.len()),
        ));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn reason(csv: &str) -> String {
        task(csv, 0.3, 1).unwrap_err().to_string()
    }

    #[test]
    fn fifteen_of_fifty_are_kept_for_testing() {
        let task = task(CSV, 0.3, 1).unwrap();
        assert_eq!((task.train.len(), task.test.len()), (105, 45));
        for class in 0..3 {
            assert_eq!(task.train.iter().filter(|s| s.label == class).count(), 35);
            assert_eq!(task.test.iter().filter(|s| s.label == class).count(), 15);
        }
        let mut rows: Vec<u32> = task.train.iter().chain(&task.test).map(|s| s.index).collect();
        rows.sort_unstable();
        assert_eq!(rows, (0..150).collect::<Vec<_>>());
        let split = task.provenance.split.unwrap();
        assert_eq!(split.test_rows, task.test.iter().map(|s| s.index).collect::<Vec<_>>());
        // The training order mixes the classes.
        // In the order of the file: the order of training is drawn anew for every epoch.
        assert!(task.train.is_sorted_by_key(|s| s.index) && task.test.is_sorted_by_key(|s| s.index));
    }

    #[test]
    fn test_rows_influence_nothing() {
        let before = task(CSV, 0.3, 1).unwrap();
        let test_rows = before.provenance.split.clone().unwrap().test_rows;
        let changed: Vec<String> = CSV
            .lines()
            .enumerate()
            .map(|(line, text)| match line.checked_sub(1) {
                Some(row) if test_rows.contains(&(row as u32)) => {
                    format!("99.0,-99.0,0.0,1e6,{}", text.rsplit(',').next().unwrap())
                }
                _ => text.to_owned(),
            })
            .collect();
        let after = task(&changed.join("\n"), 0.3, 1).unwrap();
        assert_eq!(before.train, after.train);
        assert_ne!(before.test, after.test);
        let (before, after) = (before.provenance.split.unwrap(), after.provenance.split.unwrap());
        assert_eq!(before.feature_ranges, after.feature_ranges);
        assert_eq!(after.test_values_clamped, 45 * 4);
    }

    #[test]
    fn phases_fill_the_half_circle_and_do_not_leave_it() {
        for seed in 0..20 {
            let task = task(CSV, 0.3, seed).unwrap();
            for sample in task.train.iter().chain(&task.test) {
                assert!(sample.inputs_rad.iter().all(|phase| phase.abs() <= FRAC_PI_2 + 1e-12));
                assert!(sample.targets_rad.iter().all(|phase| (phase.abs() - FRAC_PI_2).abs() < 1e-15));
            }
            for feature in 0..4 {
                let of = |pick: fn(f64, f64) -> f64| task.train.iter().map(|s| s.inputs_rad[feature]).reduce(pick);
                assert!((of(f64::min).unwrap() + FRAC_PI_2).abs() < 1e-12);
                assert!((of(f64::max).unwrap() - FRAC_PI_2).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn seeds_differ_and_repeat() {
        assert_eq!(task(CSV, 0.3, 5).unwrap(), task(CSV, 0.3, 5).unwrap());
        assert_ne!(task(CSV, 0.3, 5).unwrap().train, task(CSV, 0.3, 6).unwrap().train);
    }

    #[test]
    fn a_task_as_recorded_is_the_one_that_was_recorded() {
        let made = task(CSV, 0.3, 5).unwrap();
        let split = made.provenance.split.as_ref().unwrap();
        assert_eq!(as_recorded(CSV, split).unwrap(), made);
        let damaged = |change: fn(&mut SplitRecord)| {
            let mut split = split.clone();
            change(&mut split);
            as_recorded(CSV, &split).unwrap_err().to_string()
        };
        assert!(damaged(|split| split.test_rows[0] = split.train_rows[3]).contains("named twice"));
        assert!(damaged(|split| split.test_rows[0] = 150).contains("does not exist"));
        assert!(damaged(|split| split.train_rows.clear()).contains("empty"));
    }

    #[test]
    fn the_recorded_hash_belongs_to_this_file_and_variant() {
        use sha2::{Digest, Sha256};
        let recorded: Vec<u8> =
            (0..32).map(|byte| u8::from_str_radix(&SHA256[2 * byte..2 * byte + 2], 16).unwrap()).collect();
        assert_eq!(Sha256::digest(CSV.as_bytes())[..], recorded);
        assert_eq!(CSV.lines().nth(35), Some("4.9,3.1,1.5,0.2,0"));
        assert_eq!(CSV.lines().nth(38), Some("4.9,3.6,1.4,0.1,0"));
    }

    #[test]
    fn bad_rows_are_refused_with_their_line() {
        assert_eq!(reason(""), "iris.csv, line 1: expected `rows,features,class names …`");
        assert_eq!(reason("x,4,a\n"), "iris.csv, line 1: expected `rows,features,class names …`");
        assert_eq!(reason("2,1,a\n1.0,0\n1.0\n"), "iris.csv, line 3: 1 values, expected 1 features and a class");
        assert_eq!(reason("2,1,a\n1.0,0\nfoo,0\n"), "iris.csv, line 3: `foo` is not a finite number");
        assert_eq!(reason("2,1,a\n1.0,0\nnan,0\n"), "iris.csv, line 3: `nan` is not a finite number");
        assert_eq!(reason("2,1,a\n1.0,0\n1.0,1\n"), "iris.csv, line 3: class `1`: classes are 0..=0");
        assert_eq!(reason("2,1,a\n1.0,0\n1.0,-1\n"), "iris.csv, line 3: class `-1`: classes are 0..=0");
        assert_eq!(
            reason("3,1,a\n1.0,0\n1.0,0\n"),
            "iris.csv, line 3: the file ends after 2 rows, its first line says 3"
        );
        assert_eq!(reason("2,1,a\n1.0,0\n\n1.0,0\n"), "iris.csv, line 3: 1 values, expected 1 features and a class");
        let split = "class `a` has 1 rows: a test fraction of 0.3 leaves none to train or none to test";
        assert_eq!(reason("1,1,a\n1.0,0\n"), split);
    }

    #[test]
    fn a_feature_that_never_varies_is_the_middle() {
        let csv = "4,2,a\n1,5,0\n2,5,0\n3,5,0\n4,5,0\n";
        let task = task(csv, 0.25, 1).unwrap();
        assert!(task.train.iter().chain(&task.test).all(|s| s.inputs_rad[1] == 0.0));
    }
}
