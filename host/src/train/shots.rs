//! Running shots: batches no larger than asked, every equilibrium into the log, then (and only then) retired.

use xyloop_protocol::message::{Generation, Plan};

use super::{error::TrainError, plan::Role};
use crate::{
    calibration::Codes,
    device::{Client, DeviceError, ShotOrder, ShotResult, StopFlag, Sums},
    folder::{EquilibriumRow, RunLog, SegmentKind, Stream},
};

/// Names one shot and what it is for.
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

/// Tells the log what it has to know beside what was measured.
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

/// Runs shots on a device and puts what was measured into a log.
pub struct ShotRunner<'b> {
    /// The device.
    pub client: &'b mut Client,
    /// The log; without one, nothing is kept.
    pub log: Option<&'b RunLog>,
    /// Shots in a batch, 0 for no limit.
    pub batch_shots: usize,
    /// Asked between shots.
    pub stop: StopFlag,
}

impl ShotRunner<'_> {
    /// Commits codes under the next generation. `None` if a stop was asked for while the device was waited for.
    ///
    /// # Errors
    /// If the device refuses them or is lost for good.
    pub async fn commit(&mut self, codes: &Codes) -> Result<Option<Generation>, TrainError> {
        unless_interrupted(self.client.commit(codes).await)
    }

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
                unless_interrupted(self.client.abort().await)?;
                return Ok(false);
            }
            if plan.read_out == xyloop_protocol::message::ReadOut::Contrast {
                let Some(of_batch) = unless_interrupted(self.client.collect().await)? else { return Ok(false) };
                sums(&of_batch);
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
        let mut rows = Vec::new();
        let ran = self.take_batch(plan, orders, context, take, &mut rows).await;
        // However it ended: what was measured is kept.
        keep(self.log, rows).await?;
        Ok(unless_interrupted(ran)?.unwrap_or(false))
    }

    /// Does what [`Self::run_batch`] does; `rows` are left with what is not in the log.
    async fn take_batch(
        &mut self,
        plan: &Plan,
        orders: &[Order],
        context: Context<'_>,
        take: &mut impl FnMut(&Order, &ShotResult),
        rows: &mut Vec<EquilibriumRow>,
    ) -> Result<bool, TrainError> {
        let shots = orders.iter().map(|order| order.shot.clone()).collect();
        let mut batch = self.client.batch(*plan, shots).await?;
        let most = batch.most_unretired();
        let (mut held, mut last) = (0, 0);
        let mut orders = orders.iter();
        while let Some(result) = batch.next().await? {
            let Some(order) = orders.next() else { break };
            take(order, &result);
            last = result.id;
            held += 1;
            rows_of(order, result, plan.generation, context, rows);
            let stops = self.stop.is_set();
            if held >= most || stops {
                keep(self.log, std::mem::take(rows)).await?;
                batch.retire(last).await?;
                held = 0;
            }
            if stops {
                return Ok(false);
            }
        }
        if let Some(order) = orders.next() {
            let what = format!("no results came for shot {}", order.shot.id);
            return Err(DeviceError::Protocol { what }.into());
        }
        if held > 0 {
            keep(self.log, std::mem::take(rows)).await?;
            batch.retire(last).await?;
        }
        Ok(true)
    }
}

/// Returns `None` where a stop was asked for while the device was waited for: no error.
fn unless_interrupted<T, E: Into<TrainError>>(done: Result<T, E>) -> Result<Option<T>, TrainError> {
    match done.map_err(Into::into) {
        Ok(done) => Ok(Some(done)),
        Err(TrainError::Device(DeviceError::Interrupted)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts rows into the log; afterwards the device may forget them.
async fn keep(log: Option<&RunLog>, rows: Vec<EquilibriumRow>) -> Result<(), TrainError> {
    if let Some(log) = log.filter(|_| !rows.is_empty()) {
        log.append(rows).await?;
    }
    Ok(())
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
