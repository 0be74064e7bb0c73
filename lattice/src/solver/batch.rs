//! [`Batch`]: any number of samples on one network, in blocks of [`LANES`], computed by any number of threads.
//!
//! A sample's result depends on its own values and history only: not on the number of threads, nor on what else is in the
//! batch. Work is handed out block by block, and whatever is summed over blocks is summed in their order.

use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, PoisonError, atomic::AtomicUsize, atomic::Ordering};

use super::Solver;
use super::ensemble::{Ensemble, LaneReport};
use super::lanes::LANES;
use super::network::Network;

/// Samples on one network, each with its own fields, clamped phases and state; all zero at first.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) blocks: Vec<Ensemble>,
    samples: usize,
}

impl Batch {
    /// Room for this many samples, with the fastest instruction set of this machine.
    pub fn new(network: &Network, samples: usize) -> Self {
        let mut blocks = vec![Ensemble::new(network); samples.div_ceil(LANES)];
        for (number, block) in blocks.iter_mut().enumerate() {
            block.number = number;
        }
        Self { blocks, samples }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.samples
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.samples == 0
    }

    /// Sets a sample's bias fields, see [`Ensemble::set_fields`].
    ///
    /// # Panics
    /// If there is no such sample or a length is not the number of sites.
    pub fn set_fields(&mut self, sample: usize, field_x: &[f64], field_y: &[f64]) {
        self.blocks[sample / LANES].set_fields(sample % LANES, field_x, field_y);
    }

    /// Sets a sample's state, see [`Ensemble::set_phases`].
    ///
    /// # Panics
    /// If there is no such sample or the length is not the number of sites.
    pub fn set_phases(&mut self, sample: usize, phases: &[f64]) {
        self.blocks[sample / LANES].set_phases(sample % LANES, phases);
    }

    /// Clamps an input of a sample to a phase in radians, see [`Ensemble::clamp`].
    ///
    /// # Panics
    /// If there is no such sample or input.
    pub fn clamp(&mut self, sample: usize, input: usize, phase: f64) {
        self.blocks[sample / LANES].clamp(sample % LANES, input, phase);
    }

    /// Reads a sample's state, see [`Ensemble::phases`].
    ///
    /// # Panics
    /// If there is no such sample or the length is not the number of sites.
    pub fn phases(&self, sample: usize, phases: &mut [f64]) {
        self.blocks[sample / LANES].phases(sample % LANES, phases);
    }

    /// Brings all samples to rest; a report for each.
    ///
    /// # Panics
    /// If the batch was made for a network of another shape.
    pub fn settle(&mut self, network: &Network, solver: &dyn Solver, threads: NonZeroUsize) -> Vec<LaneReport> {
        let mut reports = Vec::with_capacity(self.samples);
        let samples = self.samples;
        self.each_block(
            threads,
            || (),
            |(), block, count| {
                let lanes = std::array::from_fn(|l| l < count);
                solver.settle(network, block, lanes)
            },
            |(), of_block| reports.extend(of_block),
        );
        reports.truncate(samples);
        reports
    }

    /// Runs `work` on every block with the number of samples in it, `scratch` being made once per thread, and hands the
    /// results to `take` in the order of the blocks.
    pub(crate) fn each_block<S, R: Send>(
        &mut self,
        threads: NonZeroUsize,
        scratch: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, &mut Ensemble, usize) -> R + Sync,
        mut take: impl FnMut(&mut S, R) + Send,
    ) {
        let samples = self.samples;
        let count = |index: usize| (samples - index * LANES).min(LANES);
        let threads = threads.get().min(self.blocks.len());
        if threads <= 1 {
            let mut own = scratch();
            for (index, block) in self.blocks.iter_mut().enumerate() {
                let result = work(&mut own, block, count(index));
                take(&mut own, result);
            }
            return;
        }
        let blocks: Vec<_> = self.blocks.iter_mut().map(Mutex::new).collect();
        let (next, turn, came) = (AtomicUsize::new(0), Mutex::new((Turn::Of(0), take)), Condvar::new());
        // Whoever panics takes its turn with it: the others must not wait for it.
        let give_up = || {
            turn.lock().unwrap_or_else(PoisonError::into_inner).0 = Turn::Nobody;
            came.notify_all();
        };
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let alarm = Alarm(&give_up);
                    let mut own = scratch();
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(block) = blocks.get(index) else { break };
                        // Each block is locked once, by whoever drew its number.
                        let mut block = block.lock().unwrap_or_else(PoisonError::into_inner);
                        let result = work(&mut own, &mut block, count(index));
                        let mut turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                        while turn.0 != Turn::Of(index) {
                            if turn.0 == Turn::Nobody {
                                return;
                            }
                            turn = came.wait(turn).unwrap_or_else(PoisonError::into_inner);
                        }
                        (turn.1)(&mut own, result);
                        turn.0 = Turn::Of(index + 1);
                        came.notify_all();
                    }
                    drop(alarm);
                });
            }
        });
    }
}

/// Whose result is taken next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Of(usize),
    /// A thread has panicked; the scope will tell.
    Nobody,
}

/// Calls for help when its thread panics.
struct Alarm<'a, F: Fn()>(&'a F);

impl<F: Fn()> Drop for Alarm<'_, F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)();
        }
    }
}
