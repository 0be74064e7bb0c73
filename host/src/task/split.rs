//! Stratified splits that come out the same everywhere and for ever: the layout of their draws is in [`crate::draws`].

use crate::draws::Draws;

/// Says for the record what [`stratified`] does.
pub(super) const PROCEDURE: &str = "per class: rows sorted by keyed draws (Philox 4x32-10, purpose `split`, step = class, \
                                    index = row), the first round(fraction * rows) test; both parts ascending";

/// Rows of both parts, ascending.
#[derive(Debug)]
pub(super) struct Parts {
    pub train: Vec<usize>,
    pub test: Vec<usize>,
}

/// Splits rows by label, `fraction` of each class into the test part. `Err(class)` if a class would be left without rows in
/// one of them.
pub(super) fn stratified(labels: &[usize], classes: usize, fraction: f64, seed: u64) -> Result<Parts, usize> {
    let draws = Draws::new(seed, "split");
    let mut parts = Parts { train: Vec::new(), test: Vec::new() };
    for class in 0..classes {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|row| labels[*row] == class).collect();
        let test = (rows.len() as f64 * fraction).round() as usize;
        if test == 0 || test >= rows.len() {
            return Err(class);
        }
        draws.shuffle(class as u64, &mut rows);
        parts.train.extend_from_slice(&rows[test..]);
        parts.test.extend_from_slice(&rows[..test]);
    }
    parts.train.sort_unstable();
    parts.test.sort_unstable();
    Ok(parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_recorded_seed_names_this_split_for_ever() {
        let labels = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1];
        let parts = stratified(&labels, 2, 0.5, 7).unwrap();
        assert_eq!((parts.train, parts.test), (vec![0, 1, 7, 8, 9], vec![2, 3, 4, 5, 6]));
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
