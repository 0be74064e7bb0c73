//! For benchmarks: the two kernels that solving is made of, alone, and what the machine's arithmetic could do at best.
//! Nothing here is needed to solve anything.
#![allow(clippy::inline_always)]

use super::ensemble::Ensemble;
use super::envelope::{Assemble, Factor};
use super::isa::{Isa, Kernel};
use super::lanes::{LANES, Lanes};
use super::network::Network;
use super::vector::Vector;

/// Runs this many rounds of independent multiply-adds in registers; the floating-point operations done (two each).
pub fn multiply_adds(isa: Isa, rounds: usize) -> (f64, u64) {
    let sum = isa.run(Peak { rounds });
    (sum, (rounds * CHAINS * LANES * 2) as u64)
}

/// Evaluates all forces of an ensemble's lanes this often, phasors left as they are; the operations done: four per
/// directed coupling and lane.
///
/// # Panics
/// If the ensemble was made for a network of another shape.
pub fn fields(network: &Network, ensemble: &mut Ensemble, rounds: usize) -> u64 {
    ensemble.refresh(network);
    ensemble.work.trial.copy_from_slice(&ensemble.phase);
    ensemble.force_at_trial(network);
    let work = &mut ensemble.work;
    for _ in 0..rounds {
        ensemble.isa.run(super::kernels::Force {
            row_start: &network.row_start,
            column: &network.column,
            weight: &network.weight,
            static_x: &ensemble.static_x,
            static_y: &ensemble.static_y,
            torque: &ensemble.torque,
            phasors: &work.phasors,
            force: &mut work.force,
        });
    }
    (rounds * network.column.len() * LANES * 4) as u64
}

/// Assembles and factors the Hessians of an ensemble's lanes this often; the operations done in the factorisations.
///
/// # Panics
/// If the ensemble was made for a network of another shape.
pub fn factorisations(network: &Network, ensemble: &mut Ensemble, rounds: usize) -> u64 {
    ensemble.refresh(network);
    ensemble.work.trial.copy_from_slice(&ensemble.phase);
    ensemble.force_at_trial(network);
    let work = &mut ensemble.work;
    work.fresh_tiles.resize(network.envelope.tiles(), [Lanes::ZERO; 2]);
    for _ in 0..rounds {
        ensemble.isa.run(Assemble {
            envelope: &network.envelope,
            row_start: &network.row_start,
            column: &network.column,
            weight: &network.weight,
            mean_weight: &network.mean_weight,
            at: &work.phasors,
            field_x: &ensemble.static_x,
            field_y: &ensemble.static_y,
            shift: Lanes::splat(1.0),
            tiles: &mut work.fresh_tiles,
        });
        ensemble.isa.run(Factor { envelope: &network.envelope, tiles: &mut work.fresh_tiles });
    }
    rounds as u64 * network.envelope.operations() * LANES as u64
}

/// Chains that hide an addition's latency.
const CHAINS: usize = 12;

struct Peak {
    rounds: usize,
}

impl Kernel for Peak {
    type Output = f64;

    #[inline(always)]
    fn run<V: Vector>(self) -> f64 {
        let (factor, addend) = (V::splat(0.999_999), V::splat(1e-6));
        // All different, and unknown to the compiler.
        let mut start = [Lanes::ZERO; CHAINS];
        for (k, start) in start.iter_mut().enumerate() {
            *start = Lanes::splat(std::hint::black_box(k as f64));
        }
        let mut chains = [V::splat(0.0); CHAINS];
        for k in 0..CHAINS {
            chains[k] = V::load(&start[k]);
        }
        for _ in 0..self.rounds {
            for k in 0..CHAINS {
                chains[k] = chains[k].mul_add(factor, addend);
            }
        }
        let mut sum = Lanes::ZERO;
        for chain in chains {
            let mut lanes = Lanes::ZERO;
            chain.store(&mut lanes);
            sum += lanes;
        }
        sum.0.iter().sum()
    }
}
