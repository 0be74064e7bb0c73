//! Conjugate gradients on eight Hessians at once, without storing one: for networks whose factor would be too large.
//!
//! Source: Hestenes, Stiefel, J. Res. Natl. Bur. Stand. 49 (1952) 409; the coefficients are those of the Lanczos process,
//! whose tridiagonal matrix gives the slowest rate (Saad, "Iterative Methods for Sparse Linear Systems", §6.7). No
//! preconditioner: the diagonal of a lattice is nearly constant. A direction of negative curvature says that the state
//! lies in no basin.
#![allow(clippy::inline_always, clippy::struct_field_names)]

use super::isa::{Isa, Kernel};
use super::kernels::site_field;
use super::lanes::{LANES, Lanes, SinCos};
use super::network::Network;
use super::vector::Vector;

/// Iterations after which a solution is given up.
const MAX_ITERATIONS: usize = 4000;

/// Memory for one solution: vectors over the free sites, and the Hessians as local data of the state they belong to.
#[derive(Debug, Clone)]
pub(crate) struct Krylov {
    /// Sines and cosines of the state.
    at: Vec<SinCos>,
    diagonal: Vec<Lanes>,
    scaled: Vec<SinCos>,
    residual: Vec<Lanes>,
    direction: Vec<Lanes>,
    product: Vec<Lanes>,
}

/// What became of one lane's system.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Solved {
    pub(crate) converged: bool,
    /// Products with the Hessian, each about a force evaluation.
    pub(crate) passes: u32,
    /// Smallest Ritz value: the lowest eigenvalue that the right-hand side excites.
    pub(crate) smallest: f64,
}

impl Krylov {
    pub(crate) fn new(rows: usize) -> Self {
        let lanes = || vec![Lanes::ZERO; rows];
        let phasors = || vec![SinCos::ZERO; rows];
        Self {
            at: phasors(),
            diagonal: lanes(),
            scaled: phasors(),
            residual: lanes(),
            direction: lanes(),
            product: lanes(),
        }
    }

    /// Takes H + `shift` at a state: all lanes.
    pub(crate) fn take(&mut self, network: &Network, isa: Isa, at: &[SinCos], fields: [&[Lanes]; 2], shift: Lanes) {
        self.at.copy_from_slice(at);
        let [field_x, field_y] = fields;
        isa.run(Diagonal { network, at: &self.at, field_x, field_y, shift, diagonal: &mut self.diagonal });
    }

    /// Solves H x = b in the marked lanes until |H x − b| ≤ `relative` |b| (2-norm). `x`: b before, the solution after;
    /// lanes that are not marked or do not converge are undefined.
    pub(crate) fn solve(
        &mut self,
        network: &Network,
        isa: Isa,
        x: &mut [Lanes],
        lanes: [bool; LANES],
        relative: f64,
    ) -> [Solved; LANES] {
        self.residual.copy_from_slice(x);
        self.direction.copy_from_slice(x);
        x.fill(Lanes::ZERO);
        let mut square = isa.run(Square { of: &self.residual });
        let goal = square.0.map(|square| relative * relative * square);
        let mut solved = [Solved::default(); LANES];
        let mut history: [Vec<(f64, f64)>; LANES] = std::array::from_fn(|_| Vec::new());
        let mut running = lanes;
        for l in 0..LANES {
            // No force at all is its own solution; NaN is none.
            running[l] &= square.0[l] > 0.0 && square.0[l].is_finite();
            solved[l].converged = lanes[l] && square.0[l] == 0.0;
        }
        for _ in 0..MAX_ITERATIONS {
            if !running.contains(&true) {
                break;
            }
            let curvature = isa.run(Product {
                network,
                at: &self.at,
                diagonal: &self.diagonal,
                direction: &self.direction,
                scaled: &mut self.scaled,
                product: &mut self.product,
            });
            let mut alpha = Lanes::ZERO;
            for l in 0..LANES {
                if !running[l] {
                    continue;
                }
                solved[l].passes += 1;
                alpha.0[l] = square.0[l] / curvature.0[l];
                if !(curvature.0[l] > 0.0 && alpha.0[l].is_finite()) {
                    (running[l], alpha.0[l]) = (false, 0.0);
                }
            }
            let (residual, direction, product) = (&mut self.residual, &self.direction, &self.product);
            let next = isa.run(Advance { alpha, x, residual, direction, product });
            let mut beta = Lanes::ZERO;
            for l in 0..LANES {
                if !running[l] {
                    continue;
                }
                beta.0[l] = next.0[l] / square.0[l];
                history[l].push((alpha.0[l], beta.0[l]));
                solved[l].converged = next.0[l] <= goal[l];
                running[l] = !solved[l].converged && next.0[l].is_finite();
            }
            square = next;
            isa.run(Turn { beta, residual: &self.residual, direction: &mut self.direction });
        }
        for (solved, history) in solved.iter_mut().zip(&history) {
            solved.smallest = smallest_ritz(history);
        }
        solved
    }
}

/// The smallest eigenvalue of the Lanczos matrix of these coefficients (α, β), by bisection on its inertia; NaN without
/// any.
fn smallest_ritz(history: &[(f64, f64)]) -> f64 {
    let mut before = (1.0, 0.0);
    let entries: Vec<(f64, f64)> = history
        .iter()
        .map(|&(alpha, beta)| {
            // Diagonal entry, and the square of the entry that couples it to the one before.
            let entry = (1.0 / alpha + before.1 / before.0, before.1 / (before.0 * before.0));
            before = (alpha, beta);
            entry
        })
        .collect();
    let below = |x: f64| {
        let mut pivot = 1.0_f64;
        entries.iter().any(|&(diagonal, square)| {
            pivot = diagonal - x - square / pivot;
            pivot < 0.0
        })
    };
    let (mut low, mut high) = (0.0, entries.iter().map(|entry| entry.0).fold(f64::NAN, f64::min));
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if below(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// H_ii = cos φ_i A_i + sin φ_i B_i with the local fields A, B; plus a shift.
struct Diagonal<'a> {
    network: &'a Network,
    at: &'a [SinCos],
    field_x: &'a [Lanes],
    field_y: &'a [Lanes],
    shift: Lanes,
    diagonal: &'a mut [Lanes],
}

impl Kernel for Diagonal<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let n = self.network;
        for (i, diagonal) in self.diagonal.iter_mut().enumerate() {
            let local = [V::load(&self.field_x[i]), V::load(&self.field_y[i])];
            let (a, b) = site_field(i, &n.row_start, &n.column, &n.weight, local, self.at);
            let sine = V::load(&self.at[i].sin).mul_add(b, V::load(&self.shift));
            V::load(&self.at[i].cos).mul_add(a, sine).store(diagonal);
        }
    }
}

/// y = H p, and p·y. H_ij = −W_ij cos(φ_i − φ_j), with the mean of both directions of a coupling.
struct Product<'a> {
    network: &'a Network,
    at: &'a [SinCos],
    diagonal: &'a [Lanes],
    direction: &'a [Lanes],
    scaled: &'a mut [SinCos],
    product: &'a mut [Lanes],
}

impl Kernel for Product<'_> {
    type Output = Lanes;

    #[inline(always)]
    fn run<V: Vector>(self) -> Lanes {
        let n = self.network;
        for ((scaled, at), p) in self.scaled.iter_mut().zip(self.at).zip(self.direction) {
            let p = V::load(p);
            scaled.set((V::load(&at.sin) * p, V::load(&at.cos) * p));
        }
        let zero = V::splat(0.0);
        let mut sum = zero;
        for (i, product) in self.product.iter_mut().enumerate() {
            let (a, b) = site_field(i, &n.row_start, &n.column, &n.mean_weight, [zero, zero], self.scaled);
            let p = V::load(&self.direction[i]);
            let own = V::load(&self.diagonal[i]) * p;
            let y = V::load(&self.at[i].cos).mul_sub_from(a, V::load(&self.at[i].sin).mul_sub_from(b, own));
            sum = p.mul_add(y, sum);
            y.store(product);
        }
        stored(sum)
    }
}

/// x += α p, r −= α y; r·r.
struct Advance<'a> {
    alpha: Lanes,
    x: &'a mut [Lanes],
    residual: &'a mut [Lanes],
    direction: &'a [Lanes],
    product: &'a [Lanes],
}

impl Kernel for Advance<'_> {
    type Output = Lanes;

    #[inline(always)]
    fn run<V: Vector>(self) -> Lanes {
        let alpha = V::load(&self.alpha);
        let mut sum = V::splat(0.0);
        for i in 0..self.x.len() {
            alpha.mul_add(V::load(&self.direction[i]), V::load(&self.x[i])).store(&mut self.x[i]);
            let residual = alpha.mul_sub_from(V::load(&self.product[i]), V::load(&self.residual[i]));
            sum = residual.mul_add(residual, sum);
            residual.store(&mut self.residual[i]);
        }
        stored(sum)
    }
}

/// p = r + β p.
struct Turn<'a> {
    beta: Lanes,
    residual: &'a [Lanes],
    direction: &'a mut [Lanes],
}

impl Kernel for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let beta = V::load(&self.beta);
        for (direction, residual) in self.direction.iter_mut().zip(self.residual) {
            beta.mul_add(V::load(direction), V::load(residual)).store(direction);
        }
    }
}

/// Σ x².
struct Square<'a> {
    of: &'a [Lanes],
}

impl Kernel for Square<'_> {
    type Output = Lanes;

    #[inline(always)]
    fn run<V: Vector>(self) -> Lanes {
        let mut sum = V::splat(0.0);
        for x in self.of {
            let x = V::load(x);
            sum = x.mul_add(x, sum);
        }
        stored(sum)
    }
}

#[inline(always)]
fn stored<V: Vector>(value: V) -> Lanes {
    let mut out = Lanes::ZERO;
    value.store(&mut out);
    out
}
