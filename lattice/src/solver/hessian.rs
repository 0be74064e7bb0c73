//! The linear systems of the Newton iterations: Hessians of marked lanes taken at a state, solved, and their slowest
//! rates. By envelope Cholesky where its factor is affordable, by conjugate gradients where it is not.

use super::conjugate::Krylov;
use super::ensemble::Ensemble;
use super::envelope::{Assemble, Blend, Factor, Solve, Tile};
use super::lanes::{LANES, Lanes, Mask};
use super::network::Network;

/// Inverse iterations for the slowest rate, from the way still to go. No more: a slower mode that the way hardly contains
/// does not hold up the arrival.
const INVERSE_ITERATIONS: usize = 4;
/// Smallest pivot accepted, as a part of the largest: below it the matrix is singular to rounding.
const SMALLEST_PIVOT: f64 = 1e-11;
/// A factorisation may cost as many multiplications as this many force evaluations: about what the products of one
/// solution by conjugate gradients come to. 64 × 64 sites of `4nsq` are factored, 256 × 256 are not.
const MAX_FACTOR_PASSES: usize = 500;
/// What conjugate gradients leave of the right-hand side.
const STEP_ACCURACY: f64 = 1e-3;
const RATE_ACCURACY: f64 = 1e-5;

/// How a network's systems are solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Factor,
    Iterate,
}

impl Method {
    /// A property of the topology alone, so that no result depends on the machine.
    pub(crate) fn of(network: &Network, max_factor_bytes: usize) -> Self {
        let bytes = network.envelope.tiles().saturating_mul(2 * size_of::<Tile>());
        // A site's sine and cosine weigh about as much as sixteen couplings.
        let pass = 2 * network.column.len() + 32 * network.free.len();
        let affordable = network.envelope.work() <= MAX_FACTOR_PASSES.saturating_mul(pass);
        if bytes <= max_factor_bytes && affordable { Self::Factor } else { Self::Iterate }
    }
}

/// What taking or solving cost one lane.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Effort {
    pub(crate) passes: u32,
    pub(crate) factorisations: u32,
}

/// Takes H + σ of the marked lanes at the state in `work.phasors`; whether each is positive definite as far as can be
/// told without solving. The other lanes keep the factors they have; without factors all lanes are taken.
pub(crate) fn take(
    network: &Network,
    ensemble: &mut Ensemble,
    marked: [bool; LANES],
    method: Method,
    shift: Lanes,
    efforts: &mut [Effort; LANES],
) -> [bool; LANES] {
    let Ensemble { isa, work, static_x, static_y, .. } = ensemble;
    let rows = work.force.len();
    match method {
        Method::Iterate => {
            let krylov = work.krylov.get_or_insert_with(|| Box::new(Krylov::new(rows)));
            krylov.take(network, *isa, &work.phasors, [static_x, static_y], shift);
            marked
        }
        Method::Factor => {
            let tiles = network.envelope.tiles();
            work.fresh_tiles.resize(tiles, [Lanes::ZERO; 2]);
            isa.run(Assemble {
                envelope: &network.envelope,
                row_start: &network.row_start,
                column: &network.column,
                weight: &network.weight,
                mean_weight: &network.mean_weight,
                at: &work.phasors,
                field_x: static_x,
                field_y: static_y,
                shift,
                tiles: &mut work.fresh_tiles,
            });
            let (smallest, largest) = isa.run(Factor { envelope: &network.envelope, tiles: &mut work.fresh_tiles });
            let mut sound = [false; LANES];
            for l in (0..LANES).filter(|&l| marked[l]) {
                efforts[l].factorisations += 1;
                sound[l] = smallest.0[l] > SMALLEST_PIVOT * largest.0[l];
            }
            let others = (0..LANES).any(|l| !marked[l] && work.factored[l]) && work.tiles.len() == tiles;
            if others {
                isa.run(Blend { marked: Mask::new(marked), from: &work.fresh_tiles, into: &mut work.tiles });
            } else {
                std::mem::swap(&mut work.tiles, &mut work.fresh_tiles);
            }
            for l in (0..LANES).filter(|&l| marked[l]) {
                work.factored[l] = sound[l];
            }
            sound
        }
    }
}

/// Solves H x = b in `work.right`, in the marked lanes; which succeeded. The others are undefined.
pub(crate) fn solve(
    network: &Network,
    ensemble: &mut Ensemble,
    marked: [bool; LANES],
    method: Method,
    relative: Option<f64>,
    efforts: &mut [Effort; LANES],
) -> [bool; LANES] {
    let Ensemble { isa, work, .. } = ensemble;
    let rows = work.force.len();
    match method {
        Method::Factor => {
            work.right[rows..].fill(Lanes::ZERO);
            isa.run(Solve { envelope: &network.envelope, tiles: &work.tiles, x: &mut work.right });
            marked
        }
        Method::Iterate => {
            let Some(krylov) = &mut work.krylov else { return [false; LANES] };
            let relative = relative.unwrap_or(STEP_ACCURACY);
            let solved = krylov.solve(network, *isa, &mut work.right[..rows], marked, relative);
            for (effort, solved) in efforts.iter_mut().zip(&solved) {
                effort.passes += solved.passes;
            }
            solved.map(|solved| solved.converged)
        }
    }
}

/// The slowest rates of the marked lanes' Hessians, as far as the way still to go to the equilibrium in `star` shows
/// them: the flow has left it mostly in the slowest modes. A little of everything else is added. NaN where they cannot be
/// told. `work.phasors` must be those of that equilibrium.
pub(crate) fn slowest_rates(
    network: &Network,
    ensemble: &mut Ensemble,
    marked: [bool; LANES],
    method: Method,
    efforts: &mut [Effort; LANES],
) -> Lanes {
    let Ensemble { isa, work, star, phase, static_x, static_y, .. } = ensemble;
    let rows = work.force.len();
    let mut scale = Lanes::splat(1e-300);
    for (star, phase) in star.iter().zip(phase.iter()) {
        scale = scale.max((*star - *phase).abs());
    }
    work.right[rows..].fill(Lanes::ZERO);
    for i in 0..rows {
        let pattern = f64::from((i as u32).wrapping_mul(2_654_435_761) >> 16) / 65_536.0 - 0.5;
        work.right[i] = (star[i] - phase[i]) / scale + Lanes::splat(0.05 * pattern);
    }
    if method == Method::Iterate {
        let Some(krylov) = &mut work.krylov else { return Lanes::splat(f64::NAN) };
        // Those it holds are of wherever the last lane that ran took them.
        krylov.take(network, *isa, &work.phasors, [static_x, static_y], Lanes::ZERO);
        let solved = krylov.solve(network, *isa, &mut work.right[..rows], marked, RATE_ACCURACY);
        for (effort, solved) in efforts.iter_mut().zip(&solved) {
            effort.passes += solved.passes;
        }
        return Lanes(solved.map(|solved| if solved.converged { solved.smallest } else { f64::NAN }));
    }
    let mut rate = Lanes::ZERO;
    for _ in 0..INVERSE_ITERATIONS {
        work.stage.copy_from_slice(&work.right[..rows]);
        isa.run(Solve { envelope: &network.envelope, tiles: &work.tiles, x: &mut work.right });
        let (mut energy, mut norm) = (Lanes::ZERO, Lanes::ZERO);
        for (x, y) in work.stage.iter().zip(&work.right) {
            energy += *x * *y;
            norm += *y * *y;
        }
        rate = energy / norm;
        let factor = Lanes::splat(1.0) / norm.sqrt();
        for y in &mut work.right[..rows] {
            *y = *y * factor;
        }
    }
    rate
}
