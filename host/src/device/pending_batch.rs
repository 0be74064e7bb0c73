//! The shots of a batch: which are with the device, which results are due, and whether what comes is what is due.
//!
//! Nothing here talks to a device. Every equilibrium is held against shot, segment, generation and origin before it
//! becomes part of a result, and every result is handed out once.

use std::{collections::VecDeque, time::Duration};

use xyloop_protocol::{
    message::{Bytes, Equilibria, Limits, Plan, ReadOut, Segment, Shot},
    origin::{Origin, PlanOrigin},
    units::{ShotId, Turn},
};

use super::{
    decode,
    error::DeviceError,
    holding::Beginning,
    shot::{Equilibrium, ShotOrder, ShotResult},
};

/// Longest wait for the next result, beside the time a shot takes.
const RESULT_TIMEOUT: Duration = Duration::from_mins(2);

/// Says what the equilibria of a message were.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Part of a shot, or of one whose result is known already.
    Taken,
    /// The last one of a shot that was due.
    Result(ShotResult),
    /// The last one of a shot that ran once more, for its sums.
    Again(ShotId),
    /// Of another run, other couplings, another plan or another sample.
    Foreign(String),
}

/// Follows a batch that is under way.
pub(super) struct PendingBatch {
    pub plan: Plan,
    orders: Vec<ShotOrder>,
    origins: Vec<Origin>,
    /// Segments that end in an equilibrium.
    expected: Vec<u8>,
    /// 16-bit words in the read-out of each.
    words: usize,
    /// How many of the shots are with the device.
    sent: usize,
    /// How many results were handed out.
    delivered: usize,
    /// Whose results come next: behind `delivered` while shots run once more for their sums.
    due: usize,
    partial: Vec<Equilibrium>,
    /// Shots in the device's slots, in order.
    held: VecDeque<ShotId>,
}

impl PendingBatch {
    /// Begins with nothing sent. The ids must ascend. `limits` says how many sites are read.
    pub fn new(plan: Plan, orders: Vec<ShotOrder>, limits: &Limits) -> Self {
        let of_plan = PlanOrigin::new(&plan);
        let origins = orders.iter().map(|order| of_plan.of(&Words::of(order).shot(order))).collect();
        let is_read = |segment: &Segment| !matches!(segment, Segment::End | Segment::Kick);
        let expected = (0..).zip(&plan.segments).filter(|(_, segment)| is_read(segment)).map(|(at, _)| at).collect();
        let (sent, delivered, due) = (0, 0, 0);
        let words = match plan.read_out {
            ReadOut::Phases => usize::from(limits.sites),
            ReadOut::Iq => 2 * usize::from(limits.sites),
            ReadOut::Outputs | ReadOut::Contrast => usize::from(limits.outputs),
        };
        let (partial, held) = (Vec::new(), VecDeque::new());
        Self { plan, orders, origins, expected, words, sent, delivered, due, partial, held }
    }

    /// Returns twice the longest a shot can take on a rig, and something for the line and a device that shares its time.
    pub fn timeout(&self) -> Duration {
        let plan = &self.plan;
        let equilibria = self.expected.len() as u64;
        let shot_us = u64::from(plan.kick.duration_us) + equilibria * u64::from(plan.settle.timeout_us);
        RESULT_TIMEOUT + Duration::from_micros(2 * shot_us)
    }

    /// Says if the device adds up sums over the whole batch.
    pub fn sums(&self) -> bool {
        self.plan.read_out == ReadOut::Contrast
    }

    /// Counts the shots that are with the device.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Says if any shot was sent.
    pub fn is_begun(&self) -> bool {
        self.sent > 0 || self.delivered > 0
    }

    /// Counts the shots in all.
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Says if every result was handed out.
    pub fn is_delivered(&self) -> bool {
        self.delivered == self.orders.len()
    }

    /// Says if every shot has run as far as this plan is concerned: nothing is to be awaited or sent.
    pub fn is_over(&self) -> bool {
        self.due == self.orders.len()
    }

    /// Names the last shot that the device still holds, if it holds any.
    pub fn unretired(&self) -> Option<ShotId> {
        self.held.back().copied()
    }

    /// Says if results are to be awaited.
    pub fn is_running(&self) -> bool {
        self.due < self.sent
    }

    /// Returns the next shot to send, if the device has a slot for it.
    pub fn next_order(&self, slots: usize) -> Option<&ShotOrder> {
        self.orders.get(self.sent).filter(|_| self.held.len() < slots)
    }

    /// Notes that the shot from [`Self::next_order`] is on its way.
    pub fn mark_sent(&mut self) {
        if let Some(order) = self.orders.get(self.sent) {
            self.held.push_back(order.id);
            self.sent += 1;
        }
    }

    /// Notes that the device frees the slots of shots up to and including this one.
    pub fn retire(&mut self, through: ShotId) {
        while self.held.pop_front_if(|id| *id <= through).is_some() {}
    }

    /// Says if a device that holds this many shots, the last one `last` (0 for none), holds ours and no others. `retired`
    /// is the last one that was retired.
    pub fn is_ours(&self, last: ShotId, count: usize, retired: ShotId) -> bool {
        let known = &self.orders[..self.sent];
        let between = |id: ShotId| id > retired && id <= last;
        last == 0
            || (known.binary_search_by_key(&last, |order| order.id).is_ok()
                && known.iter().filter(|order| between(order.id)).count() == count)
    }

    /// Goes on over a new connection to a device that holds finished shots up to `last` and knows nothing of the others: they are to
    /// be sent again. The finished ones it offers by itself.
    pub fn resume(&mut self, last: ShotId, retired: ShotId) {
        self.partial.clear();
        let finished = self.orders.partition_point(|order| order.id <= last);
        self.sent = self.sent.min(finished).max(self.delivered);
        self.held = self.orders[..finished].iter().map(|order| order.id).filter(|id| *id > retired).collect();
    }

    /// Begins anew with a device that holds nothing of ours: what was not handed out is sent again, or everything where sums are added
    /// up.
    pub fn restart(&mut self) {
        self.partial.clear();
        self.held.clear();
        self.sent = if self.sums() { 0 } else { self.delivered };
        self.due = self.sent;
    }

    /// Judges equilibria of one shot, which came over a connection that began like this.
    ///
    /// # Errors
    /// If they do not follow from what was sent.
    pub fn take(&mut self, equilibria: &Equilibria<'_>, beginning: Beginning) -> Result<Verdict, DeviceError> {
        let protocol = |what: String| DeviceError::Protocol { what };
        let shot = equilibria.shot;
        let may_come_again = beginning == Beginning::Resumed;
        let Ok(index) = self.orders.binary_search_by_key(&shot, |order| order.id) else {
            return Ok(match self.orders.first() {
                // Of an earlier batch, and not retired before the connection was lost: it is in the log.
                Some(first) if may_come_again && shot < first.id => Verdict::Taken,
                _ => Verdict::Foreign(format!("it gave a result of shot {shot}, which is none of this batch")),
            });
        };
        let ours = self.plan.generation.number;
        if equilibria.generation != ours {
            let theirs = equilibria.generation;
            return Ok(Verdict::Foreign(format!("shot {shot} ran under generation {theirs}, not {ours}")));
        }
        if self.origins.get(index) != Some(&equilibria.origin) {
            let theirs = equilibria.origin;
            return Ok(Verdict::Foreign(format!(
                "shot {shot} is of another run, plan or sample (origin {theirs}) than asked for"
            )));
        }
        if index < self.due && may_come_again {
            return Ok(Verdict::Taken);
        }
        if index != self.due || index >= self.sent {
            let expected = self.orders.get(self.due).map_or(0, |order| order.id);
            return Err(DeviceError::Order { expected, got: shot });
        }
        for row in equilibria.iter() {
            let (segment, row) = row.map_err(|damaged| protocol(format!("shot {shot}: {damaged}")))?;
            if self.expected.get(self.partial.len()) != Some(&segment) {
                return Err(protocol(format!("shot {shot}: segment {segment} came out of turn")));
            }
            let phases = decode::phases(row.data.0, &self.partial, self.words, self.plan.codec).map_err(|_| {
                let (length, words) = (row.data.0.len(), self.words);
                protocol(format!("shot {shot}: a read-out of {length} bytes that is none of {words} words"))
            })?;
            self.partial.push(Equilibrium {
                segment,
                generation: equilibria.generation,
                flags: row.flags,
                settle_us: row.settle_us,
                residual_turn: row.residual_turn,
                moved_turn: row.moved_turn,
                phases,
            });
        }
        if self.partial.len() < self.expected.len() {
            return Ok(Verdict::Taken);
        }
        let result = ShotResult { id: shot, equilibria: std::mem::take(&mut self.partial) };
        self.due += 1;
        if index < self.delivered {
            // For the sums alone; the result itself was handed out. On a rig, whose noise is its own, the two differ.
            return Ok(Verdict::Again(shot));
        }
        self.delivered = self.due;
        Ok(Verdict::Result(result))
    }
}

/// Holds a shot's inputs and targets as they travel.
pub(super) struct Words {
    inputs: Vec<u8>,
    targets: Vec<u8>,
}

impl Words {
    pub fn of(order: &ShotOrder) -> Self {
        let words = |turns: &[Turn]| turns.iter().flat_map(|turn| turn.0.to_le_bytes()).collect();
        Self { inputs: words(&order.inputs), targets: words(&order.targets) }
    }

    pub fn shot(&self, order: &ShotOrder) -> Shot<'_> {
        Shot { id: order.id, flip: order.flip, inputs: Bytes(&self.inputs), targets: Bytes(&self.targets) }
    }
}

#[cfg(test)]
mod tests;
