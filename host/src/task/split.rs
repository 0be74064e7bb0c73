//! Stratified splits that come out the same everywhere and for ever.
//!
//! Generator (`ChaCha8`, seed laid out by hand) and shuffle (Fisher–Yates, rejection) are spelt out here: what a library calls
//! "shuffle" may change with its next version, and a recorded seed would then name another split.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// What [`stratified`] does, for the record.
pub(super) const PROCEDURE: &str = "per class: rows shuffled (ChaCha8, seed in the first 8 bytes little-endian; Fisher-Yates \
                                    from the top with rejection), the first round(fraction * rows) test; then training rows shuffled";

/// Rows of both parts: training rows in the order of training, test rows ascending.
#[derive(Debug)]
pub(super) struct Parts {
    pub train: Vec<usize>,
    pub test: Vec<usize>,
}

/// Splits rows by label, `fraction` of each class into the test part. `Err(class)` if a class would be left without rows in
/// one of them.
pub(super) fn stratified(labels: &[usize], classes: usize, fraction: f64, seed: u64) -> Result<Parts, usize> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut generator = ChaCha8Rng::from_seed(bytes);
    let mut parts = Parts { train: Vec::new(), test: Vec::new() };
    for class in 0..classes {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|row| labels[*row] == class).collect();
        let test = (rows.len() as f64 * fraction).round() as usize;
        if test == 0 || test >= rows.len() {
            return Err(class);
        }
        shuffle(&mut rows, &mut generator);
        parts.train.extend_from_slice(&rows[test..]);
        parts.test.extend_from_slice(&rows[..test]);
    }
    shuffle(&mut parts.train, &mut generator);
    parts.test.sort_unstable();
    Ok(parts)
}

fn shuffle(rows: &mut [usize], generator: &mut ChaCha8Rng) {
    for top in (1..rows.len()).rev() {
        rows.swap(top, below(top as u64 + 1, generator) as usize);
    }
}

/// Uniform in 0..n, by rejection of the incomplete last stretch.
fn below(n: u64, generator: &mut ChaCha8Rng) -> u64 {
    let last = u64::MAX - (u64::MAX % n + 1) % n;
    loop {
        let drawn = generator.next_u64();
        if drawn <= last {
            return drawn % n;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_recorded_seed_names_this_split_for_ever() {
        let labels = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1];
        let parts = stratified(&labels, 2, 0.5, 7).unwrap();
        assert_eq!((parts.train, parts.test), (vec![0, 3, 9, 8, 4], vec![1, 2, 5, 6, 7]));
    }

    #[test]
    fn every_row_is_in_exactly_one_part() {
        let labels: Vec<usize> = (0..90).map(|row| row % 3).collect();
        for seed in 0..50 {
            let parts = stratified(&labels, 3, 0.2, seed).unwrap();
            let mut all: Vec<usize> = parts.train.iter().chain(&parts.test).copied().collect();
            all.sort_unstable();
            assert_eq!(all, (0..90).collect::<Vec<_>>());
            for class in 0..3 {
                assert_eq!(parts.test.iter().filter(|row| labels[**row] == class).count(), 6);
            }
        }
    }

    #[test]
    fn an_empty_part_is_refused() {
        assert_eq!(stratified(&[0, 0, 0], 1, 0.01, 1).unwrap_err(), 0);
        assert_eq!(stratified(&[0, 0, 0], 1, 0.99, 1).unwrap_err(), 0);
        assert_eq!(stratified(&[0, 0, 0], 2, 0.4, 1).unwrap_err(), 1);
    }
}
