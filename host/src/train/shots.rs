//! Running shots: batches no larger than asked, every equilibrium into the log, then (and only then) retired.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use xyloop_protocol::{
    message::{Generation, Plan},
    units::ShotId,
};

use super::{TrainError, plan::Role};
use crate::{
    device::{Client, DeviceError, ShotOrder, ShotResult, Sums},
    run::{EquilibriumRow, RunLog, SegmentKind, Stream},
};

/// A request to stop, set by Ctrl-C, looked at between shots.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Asks for a stop.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One shot with what it is for.
#[derive(Clone, Debug)]
pub struct Order {
    /// For the device.
    pub shot: ShotOrder,
    /// Index of the sample in its list (not of the data set's row).
    pub sample: usize,
    /// The data set's row, for the log.
    pub row: u32,
    /// Which of the sample's starts.
    pub start: u32,
}

/// What the log has to know beside what was measured.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    /// From 1; 0 in an evaluation.
    pub epoch: u32,
    /// Optimiser steps so far.
    pub step: u32,
    /// Training or evaluation.
    pub stream: Stream,
    /// What each equilibrium is.
    pub roles: &'c [Role],
    /// Nudge strength, model units.
    pub beta: f64,
}

/// Where shots are run and logged.
pub struct Bench<'b> {
    /// The device.
    pub client: &'b mut Client,
    /// The log; without one, nothing is kept.
    pub log: Option<&'b RunLog>,
    /// Shots in a batch, 0 for no limit.
    pub batch_shots: usize,
    /// Asked between shots.
    pub stop: StopFlag,
}

impl Bench<'_> {
    /// Runs shots and hands out their results, in order. `false` if a stop was asked for: then the rest was dropped at
    /// a shot boundary. With a plan that asks for contrast, `sums` gets the device's sums of each batch.
    ///
    /// # Errors
    /// If the device or the log fails.
    pub async fn run(
        &mut self,
        plan: &Plan,
        orders: &[Order],
        context: Context<'_>,
        mut take: impl FnMut(&Order, &ShotResult),
        mut sums: impl FnMut(&Sums),
    ) -> Result<bool, TrainError> {
        let most = if self.batch_shots == 0 { orders.len().max(1) } else { self.batch_shots };
        for piece in orders.chunks(most) {
            if !self.run_batch(plan, piece, context, &mut take).await? {
                self.client.abort().await?;
                return Ok(false);
            }
            if plan.read_out == xyloop_protocol::message::ReadOut::Contrast {
                sums(&self.client.collect().await?);
            }
        }
        Ok(true)
    }

    async fn run_batch(
        &mut self,
        plan: &Plan,
        orders: &[Order],
        context: Context<'_>,
        take: &mut impl FnMut(&Order, &ShotResult),
    ) -> Result<bool, TrainError> {
        let shots = orders.iter().map(|order| order.shot.clone()).collect();
        let mut batch = self.client.batch(*plan, shots).await?;
        let most = batch.most_unretired();
        let (mut rows, mut held, mut last) = (Vec::new(), 0, 0);
        let mut orders = orders.iter();
        while let Some(result) = batch.next().await? {
            let Some(order) = orders.next() else { break };
            take(order, &result);
            last = result.id;
            held += 1;
            rows_of(order, result, plan.generation, context, &mut rows);
            if held >= most {
                batch.retire(keep(self.log, std::mem::take(&mut rows), last).await?).await?;
                held = 0;
            }
            if self.stop.is_set() {
                batch.retire(keep(self.log, rows, last).await?).await?;
                return Ok(false);
            }
        }
        if let Some(order) = orders.next() {
            let what = format!("no results came for shot {}", order.shot.id);
            return Err(DeviceError::Protocol { what }.into());
        }
        if held > 0 {
            batch.retire(keep(self.log, rows, last).await?).await?;
        }
        Ok(true)
    }
}

/// Puts rows into the log; returns the shot up to which the device may forget.
async fn keep(log: Option<&RunLog>, rows: Vec<EquilibriumRow>, last: ShotId) -> Result<ShotId, TrainError> {
    if let Some(log) = log {
        log.append(rows).await?;
    }
    Ok(last)
}

fn rows_of(
    order: &Order,
    result: ShotResult,
    generation: Generation,
    context: Context<'_>,
    rows: &mut Vec<EquilibriumRow>,
) {
    let sign = if order.shot.flip { -1.0 } else { 1.0 };
    for (equilibrium, role) in result.equilibria.into_iter().zip(context.roles) {
        let (kind, beta) = match role {
            Role::Free => (SegmentKind::Free, 0.0),
            Role::Nudged(direction) => (SegmentKind::Nudge, sign * direction * context.beta),
            Role::Released => (SegmentKind::Release, 0.0),
        };
        rows.push(EquilibriumRow {
            epoch: context.epoch,
            step: context.step,
            shot: result.id,
            sample: order.row,
            start: order.start,
            stream: context.stream,
            segment: equilibrium.segment,
            kind,
            beta,
            generation: equilibrium.generation,
            crc: generation.crc,
            flags: equilibrium.flags.0,
            settle_us: equilibrium.settle_us,
            residual_turn: equilibrium.residual_turn,
            moved_turn: equilibrium.moved_turn,
            phases: equilibrium.phases.into_iter().map(|turn| turn.0).collect(),
        });
    }
}
