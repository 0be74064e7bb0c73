//! Cholesky factorisation of eight symmetric matrices at once, inside the envelope (skyline) of their lower triangle.
//!
//! Rows are taken in pairs, and each pair keeps all columns from its first coupled one to the diagonal: for a lattice
//! that is the band, for a network whose last sites see everything it is far less. Pairs make 2 × 2 tiles: four
//! independent sums per four loads, which keeps the arithmetic units busy without overflowing any register file.
#![allow(clippy::inline_always)]

use super::isa::Kernel;
use super::lanes::{Lanes, Mask, SinCos};
use super::vector::Vector;

/// Two rows of one column.
pub(crate) type Tile = [Lanes; 2];

/// Which entries the factor of a network may have.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    /// First column kept by each pair of rows, even.
    first: Vec<usize>,
    /// Where each pair's columns start in the storage; one more than pairs.
    start: Vec<usize>,
    /// Rows, without the padding that makes them even.
    rows: usize,
}

impl Envelope {
    /// From the compressed rows of a structurally symmetric matrix.
    pub(crate) fn new(row_start: &[usize], column: &[u32]) -> Self {
        let rows = row_start.len() - 1;
        let mut envelope = Self { first: Vec::new(), start: vec![0], rows };
        let mut end = 0;
        for pair in 0..rows.div_ceil(2) {
            let last_row = (2 * pair + 2).min(rows);
            let entries = &column[row_start[2 * pair]..row_start[last_row]];
            let lowest = entries.iter().copied().min().unwrap_or(u32::MAX) as usize;
            let first = lowest.min(2 * pair) & !1;
            envelope.first.push(first);
            end += 2 * pair + 2 - first;
            envelope.start.push(end);
        }
        envelope
    }

    /// Tiles of storage a factor needs.
    pub(crate) fn tiles(&self) -> usize {
        self.start.last().copied().unwrap_or(0)
    }

    /// Multiplications of a factorisation, about.
    pub(crate) fn work(&self) -> usize {
        self.first.iter().enumerate().map(|(pair, first)| (2 * pair + 2 - first).pow(2)).sum()
    }

    /// Operations of a factorisation in one lane, exactly: two per multiply-add of the inner products.
    pub(crate) fn operations(&self) -> u64 {
        let mut multiply_adds = 0;
        for (i, &first) in self.first.iter().enumerate() {
            for j in first / 2..i {
                multiply_adds += 4 * (2 * j - first.max(self.first[j]));
            }
            multiply_adds += 3 * (2 * i - first);
        }
        2 * multiply_adds as u64
    }

    /// Rows including padding.
    pub(crate) fn padded(&self) -> usize {
        2 * self.first.len()
    }

    #[inline(always)]
    fn pair<'a>(&self, tiles: &'a [Tile], pair: usize) -> &'a [Tile] {
        &tiles[self.start[pair]..self.start[pair + 1]]
    }
}

/// Writes the Hessian of the energy at a state: H_ij = −W_ij cos(φ_i − φ_j), H_ii = cos φ_i A_i + sin φ_i B_i with the
/// local fields A = Σ W cos φ_j + b_x, B = Σ W sin φ_j + b_y. `shift` is added to the diagonal.
pub(crate) struct Assemble<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) row_start: &'a [usize],
    pub(crate) column: &'a [u32],
    pub(crate) weight: &'a [f64],
    /// Of couplings that differ in their two directions the mean makes the symmetric part.
    pub(crate) mean_weight: &'a [f64],
    pub(crate) at: &'a [SinCos],
    pub(crate) field_x: &'a [Lanes],
    pub(crate) field_y: &'a [Lanes],
    pub(crate) shift: Lanes,
    pub(crate) tiles: &'a mut [Tile],
}

impl Kernel for Assemble<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        self.tiles.fill([Lanes::ZERO; 2]);
        let envelope = self.envelope;
        for i in 0..envelope.rows {
            let (sin, cos) = (V::load(&self.at[i].sin), V::load(&self.at[i].cos));
            let (mut a, mut b) = (V::load(&self.field_x[i]), V::load(&self.field_y[i]));
            let (pair, r) = (i / 2, i % 2);
            let base = envelope.start[pair];
            let first = envelope.first[pair];
            for entry in self.row_start[i]..self.row_start[i + 1] {
                let j = self.column[entry] as usize;
                let w = self.weight[entry];
                let (sin_j, cos_j) = (V::load(&self.at[j].sin), V::load(&self.at[j].cos));
                a = V::splat(w).mul_add(cos_j, a);
                b = V::splat(w).mul_add(sin_j, b);
                if j < i {
                    let cosine = cos.mul_add(cos_j, sin * sin_j);
                    (V::splat(-self.mean_weight[entry]) * cosine).store(&mut self.tiles[base + j - first][r]);
                }
            }
            cos.mul_add(a, sin.mul_add(b, V::load(&self.shift))).store(&mut self.tiles[base + i - first][r]);
        }
        if envelope.rows % 2 == 1 {
            // The padding row is the unit row.
            let last = self.tiles.len() - 1;
            self.tiles[last][1] = Lanes::splat(1.0);
        }
    }
}

/// Replaces a matrix by its factor L (reciprocals on the diagonal) and returns the lanes' smallest and largest pivots, the
/// smallest NaN where one is not finite.
pub(crate) struct Factor<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) tiles: &'a mut [Tile],
}

impl Kernel for Factor<'_> {
    type Output = (Lanes, Lanes);

    #[inline(always)]
    fn run<V: Vector>(self) -> (Lanes, Lanes) {
        let envelope = self.envelope;
        let mut pivots = Pivots { smallest: V::splat(f64::INFINITY), largest: V::splat(0.0), check: V::splat(0.0) };
        let pairs = envelope.first.len();
        let mut i = 0;
        while i < pairs {
            let (done, rest) = self.tiles.split_at_mut(envelope.start[i]);
            let (upper, rest) = rest.split_at_mut(envelope.start[i + 1] - envelope.start[i]);
            // Where there are registers enough, two pairs go together: what lies above is then read once for both.
            let together = V::WIDE && i + 1 < pairs;
            let lower = if together { &mut rest[..envelope.start[i + 2] - envelope.start[i + 1]] } else { &mut [] };
            let (first, next) = (envelope.first[i], if together { envelope.first[i + 1] } else { 2 * i });
            for j in first.min(next) / 2..i {
                let above = Above { tiles: envelope.pair(done, j), first: envelope.first[j], pair: j };
                if 2 * j < next {
                    above.eliminate::<V>(upper, first);
                } else if 2 * j < first {
                    above.eliminate::<V>(lower, next);
                } else {
                    above.eliminate_both::<V>(upper, first, lower, next);
                }
            }
            pivots.finish(upper);
            if together {
                if next <= 2 * i {
                    Above { tiles: upper, first, pair: i }.eliminate::<V>(lower, next);
                }
                pivots.finish(lower);
            }
            i += if together { 2 } else { 1 };
        }
        let Pivots { smallest, largest, check } = pivots;
        // The minimum drops a NaN; the sum keeps it.
        let mut out = (Lanes::ZERO, Lanes::ZERO);
        (smallest + check * V::splat(0.0)).store(&mut out.0);
        largest.store(&mut out.1);
        out
    }
}

/// A finished pair of rows, above those that are being worked on.
struct Above<'a> {
    tiles: &'a [Tile],
    first: usize,
    pair: usize,
}

/// The 2 × 2 sums of one pair of rows against another.
type Square<V> = [[V; 2]; 2];

impl Above<'_> {
    /// Computes the two columns of this pair in a pair of rows that starts at column `first`.
    #[inline(always)]
    fn eliminate<V: Vector>(&self, mine: &mut [Tile], first: usize) {
        let mut sum = self.begin::<V>(mine, first);
        self.accumulate(mine, first, first.max(self.first), 2 * self.pair, &mut sum);
        self.end(mine, first, sum);
    }

    /// As [`eliminate`](Self::eliminate) in two pairs of rows, with the same operations in the same order for each.
    #[inline(always)]
    fn eliminate_both<V: Vector>(&self, mine: &mut [Tile], first: usize, next: &mut [Tile], next_first: usize) {
        let (mut sum, mut next_sum) = (self.begin::<V>(mine, first), self.begin::<V>(next, next_first));
        let (low, next_low) = (first.max(self.first), next_first.max(self.first));
        let (end, common) = (2 * self.pair, low.max(next_low));
        self.accumulate(mine, first, low, common, &mut sum);
        self.accumulate(next, next_first, next_low, common, &mut next_sum);
        let rows = mine[common - first..end - first].iter().zip(&next[common - next_first..end - next_first]);
        for ((x, z), y) in rows.zip(&self.tiles[common - self.first..]) {
            let (x0, x1, z0, z1) = (V::load(&x[0]), V::load(&x[1]), V::load(&z[0]), V::load(&z[1]));
            let (y0, y1) = (V::load(&y[0]), V::load(&y[1]));
            subtract(&mut sum, [x0, x1], [y0, y1]);
            subtract(&mut next_sum, [z0, z1], [y0, y1]);
        }
        self.end(mine, first, sum);
        self.end(next, next_first, next_sum);
    }

    #[inline(always)]
    fn begin<V: Vector>(&self, mine: &[Tile], first: usize) -> Square<V> {
        let at = 2 * self.pair - first;
        // Written out: a closure would not be compiled for the instruction set.
        let (tile, next) = (&mine[at], &mine[at + 1]);
        [[V::load(&tile[0]), V::load(&tile[1])], [V::load(&next[0]), V::load(&next[1])]]
    }

    /// Subtracts the products of the columns `from .. to`.
    #[inline(always)]
    fn accumulate<V: Vector>(&self, mine: &[Tile], first: usize, from: usize, to: usize, sum: &mut Square<V>) {
        let (left, right) = (&mine[from - first..to - first], &self.tiles[from - self.first..to - self.first]);
        for (x, y) in left.iter().zip(right) {
            subtract(sum, [V::load(&x[0]), V::load(&x[1])], [V::load(&y[0]), V::load(&y[1])]);
        }
    }

    #[inline(always)]
    fn end<V: Vector>(&self, mine: &mut [Tile], first: usize, sum: Square<V>) {
        let (at, own) = (2 * self.pair - first, 2 * self.pair - self.first);
        let (inverse, next) = (V::load(&self.tiles[own][0]), V::load(&self.tiles[own + 1][1]));
        let below = V::load(&self.tiles[own][1]);
        for r in 0..2 {
            let x = sum[0][r] * inverse;
            x.store(&mut mine[at][r]);
            (x.mul_sub_from(below, sum[1][r]) * next).store(&mut mine[at + 1][r]);
        }
    }
}

#[inline(always)]
fn subtract<V: Vector>(sum: &mut Square<V>, x: [V; 2], y: [V; 2]) {
    sum[0][0] = x[0].mul_sub_from(y[0], sum[0][0]);
    sum[0][1] = x[1].mul_sub_from(y[0], sum[0][1]);
    sum[1][0] = x[0].mul_sub_from(y[1], sum[1][0]);
    sum[1][1] = x[1].mul_sub_from(y[1], sum[1][1]);
}

/// What the pivots were so far.
struct Pivots<V> {
    smallest: V,
    largest: V,
    check: V,
}

impl<V: Vector> Pivots<V> {
    /// Factors the diagonal square of a pair of rows whose other columns are done.
    #[inline(always)]
    fn finish(&mut self, mine: &mut [Tile]) {
        let diagonal = mine.len() - 2;
        let one = V::splat(1.0);
        let mut pivot = V::load(&mine[diagonal][0]);
        let mut below = V::load(&mine[diagonal][1]);
        let mut second = V::load(&mine[diagonal + 1][1]);
        for x in &mine[..diagonal] {
            let (x0, x1) = (V::load(&x[0]), V::load(&x[1]));
            pivot = x0.mul_sub_from(x0, pivot);
            below = x0.mul_sub_from(x1, below);
            second = x1.mul_sub_from(x1, second);
        }
        let inverse = one / pivot.sqrt();
        below = below * inverse;
        second = below.mul_sub_from(below, second);
        self.smallest = self.smallest.min(pivot).min(second);
        self.largest = self.largest.max(pivot).max(second);
        self.check = self.check + (pivot + second);
        inverse.store(&mut mine[diagonal][0]);
        below.store(&mut mine[diagonal][1]);
        mine[diagonal + 1][0] = Lanes::ZERO;
        (one / second.sqrt()).store(&mut mine[diagonal + 1][1]);
    }
}

/// Takes the marked lanes over from one factor into another.
pub(crate) struct Blend<'a> {
    pub(crate) marked: Mask,
    pub(crate) from: &'a [Tile],
    pub(crate) into: &'a mut [Tile],
}

impl Kernel for Blend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        for (into, from) in self.into.iter_mut().zip(self.from) {
            V::select(&self.marked, V::load(&from[0]), V::load(&into[0])).store(&mut into[0]);
            V::select(&self.marked, V::load(&from[1]), V::load(&into[1])).store(&mut into[1]);
        }
    }
}

/// Solves L Lᵀ x = b in place; `x` has the padded length.
pub(crate) struct Solve<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) tiles: &'a [Tile],
    pub(crate) x: &'a mut [Lanes],
}

impl Kernel for Solve<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let envelope = self.envelope;
        for i in 0..envelope.first.len() {
            let first = envelope.first[i];
            let row = envelope.pair(self.tiles, i);
            let (done, rest) = self.x.split_at_mut(2 * i);
            let (mut a, mut b) = (V::load(&rest[0]), V::load(&rest[1]));
            for (tile, x) in row.iter().zip(&done[first..]) {
                let x = V::load(x);
                a = V::load(&tile[0]).mul_sub_from(x, a);
                b = V::load(&tile[1]).mul_sub_from(x, b);
            }
            let diagonal = 2 * i - first;
            a = a * V::load(&row[diagonal][0]);
            a.store(&mut rest[0]);
            (V::load(&row[diagonal][1]).mul_sub_from(a, b) * V::load(&row[diagonal + 1][1])).store(&mut rest[1]);
        }
        for i in (0..envelope.first.len()).rev() {
            let first = envelope.first[i];
            let row = envelope.pair(self.tiles, i);
            let (before, rest) = self.x.split_at_mut(2 * i);
            let diagonal = 2 * i - first;
            let b = V::load(&rest[1]) * V::load(&row[diagonal + 1][1]);
            let a = V::load(&row[diagonal][1]).mul_sub_from(b, V::load(&rest[0])) * V::load(&row[diagonal][0]);
            a.store(&mut rest[0]);
            b.store(&mut rest[1]);
            for (tile, x) in row.iter().zip(&mut before[first..]) {
                V::load(&tile[0]).mul_sub_from(a, V::load(&tile[1]).mul_sub_from(b, V::load(x))).store(x);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Assemble, Factor, Solve};
    use crate::solver::isa::Isa;
    use crate::solver::lanes::{LANES, Lanes, SinCos};
    use crate::{Geometry, Graph, Network, Preset, math};
    use rand::{RngExt, SeedableRng};

    /// Solves a dense system by Gaussian elimination with pivoting.
    fn dense_solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
        let n = b.len();
        for k in 0..n {
            let pivot = (k..n).max_by(|&p, &q| a[p][k].abs().total_cmp(&a[q][k].abs())).unwrap();
            a.swap(k, pivot);
            b.swap(k, pivot);
            for i in k + 1..n {
                let factor = a[i][k] / a[k][k];
                for j in k..n {
                    a[i][j] -= factor * a[k][j];
                }
                b[i] -= factor * b[k];
            }
        }
        for k in (0..n).rev() {
            for j in k + 1..n {
                b[k] -= a[k][j] * b[j];
            }
            b[k] /= a[k][k];
        }
        b
    }

    #[test]
    fn factor_and_solve_agree_with_a_dense_solver() {
        let shapes = [
            (Geometry::preset(Preset::UpToFourthShell, 7, 6), vec![3_u32, 11]),
            (Geometry::preset(Preset::Square, 5, 5), vec![]),
            (Geometry::AllToAll { rows: 3, columns: 5 }, vec![2]),
            (Geometry::Layered { widths: vec![4, 9, 3] }, vec![0, 1, 2, 3]),
        ];
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        for (geometry, inputs) in shapes {
            let graph = Graph::new(&geometry).unwrap().with_terminals(&inputs, &[]).unwrap();
            let mut network = Network::new(&graph);
            let couplings: Vec<f64> = graph.couplings().iter().map(|_| rng.random_range(-0.3..0.3)).collect();
            network.set_couplings(&couplings);
            let n = network.free.len();
            let mut lanes = |low: f64, high: f64| -> Vec<Lanes> {
                (0..n).map(|_| Lanes(std::array::from_fn(|_| rng.random_range(low..high)))).collect()
            };
            // Lane 0 gets fields that make it indefinite, the others strong fields along their phases.
            let (phase, mut field, right) = (lanes(-3.0, 3.0), lanes(4.0, 6.0), lanes(-1.0, 1.0));
            for field in &mut field {
                field.0[0] -= 5.0;
            }
            let phasor = |f: fn(f64) -> f64| phase.iter().map(move |p| Lanes(p.0.map(f))).collect::<Vec<_>>();
            let (sin, cos) = (phasor(math::sin), phasor(math::cos));
            let at: Vec<SinCos> = sin.iter().zip(&cos).map(|(&sin, &cos)| SinCos { sin, cos }).collect();
            let field_x: Vec<Lanes> = field.iter().zip(&cos).map(|(&f, &c)| f * c).collect();
            let field_y: Vec<Lanes> = field.iter().zip(&sin).map(|(&f, &s)| f * s).collect();

            for isa in Isa::available() {
                let mut tiles = vec![[Lanes::ZERO; 2]; network.envelope.tiles()];
                isa.run(Assemble {
                    envelope: &network.envelope,
                    row_start: &network.row_start,
                    column: &network.column,
                    weight: &network.weight,
                    mean_weight: &network.mean_weight,
                    at: &at,
                    field_x: &field_x,
                    field_y: &field_y,
                    shift: Lanes::ZERO,
                    tiles: &mut tiles,
                });
                let (pivot, _) = isa.run(Factor { envelope: &network.envelope, tiles: &mut tiles });
                let mut x = right.clone();
                x.resize(network.envelope.padded(), Lanes::ZERO);
                isa.run(Solve { envelope: &network.envelope, tiles: &tiles, x: &mut x });
                assert!(pivot.0[0] <= 0.0 || pivot.0[0].is_nan(), "an indefinite matrix has no positive pivots");
                for l in 1..LANES {
                    assert!(pivot.0[l] > 0.0);
                    let mut hessian = vec![vec![0.0; n]; n];
                    for i in 0..n {
                        hessian[i][i] += field[i].0[l];
                    }
                    let index = |site: u32| network.free.iter().position(|&free| free == site);
                    for (&(i, j), w) in graph.couplings().iter().zip(&couplings) {
                        if let (Some(i), Some(j)) = (index(i), index(j)) {
                            let curvature = w * (phase[i].0[l] - phase[j].0[l]).cos();
                            hessian[i][i] += curvature;
                            hessian[j][j] += curvature;
                            hessian[i][j] -= curvature;
                            hessian[j][i] -= curvature;
                        }
                    }
                    let exact = dense_solve(hessian, right.iter().map(|r| r.0[l]).collect());
                    for i in 0..n {
                        assert!((x[i].0[l] - exact[i]).abs() < 1e-12, "{} lane {l} row {i}", isa.name());
                    }
                }
            }
        }
    }
}
