//! The ring of shots: queued, running, finished, sent and retired, always in the order in which the host sent them.
//!
//! A finished shot stays in its slot until the host says that its rows are durable (`Retire`); results leave in the
//! order of the ring, whatever order the replicas finish in.

use xyloop_protocol::{
    codec::Codec,
    message::{MAX_SEGMENTS, ReadOut, Reason, Refusal, Shot},
    origin::Origin,
    units::{Flags, ShotId, Turn},
};

/// Where a shot is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for a replica.
    #[default]
    Queued,
    /// On a replica.
    Running,
    /// All its equilibria are in the slot.
    Finished,
    /// All its equilibria are with the link.
    Sent,
}

/// What is known of one equilibrium, besides its read-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Index of the segment in the plan.
    pub segment: u8,
    /// What was noticed.
    pub flags: Flags,
    /// Time from the segment's start until the read.
    pub settle_us: u32,
    /// Largest change between the last two windows.
    pub residual_turn: u16,
    /// Largest distance from the free state.
    pub moved_turn: u16,
}

/// One shot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub id: ShotId,
    /// Every β with the other sign.
    pub flip: bool,
    /// Plan and shot as they were when it was queued.
    pub origin: Origin,
    /// Where it is.
    pub stage: Stage,
    /// The generation it ran under.
    pub generation: u32,
    /// What is kept and sent of each equilibrium.
    pub read_out: ReadOut,
    /// How it is sent.
    pub codec: Codec,
    rows: [Row; MAX_SEGMENTS],
    filled: u8,
    sent: u8,
}

impl Slot {
    /// What storage is filled with, in a static too.
    pub const EMPTY: Self = Self {
        id: 0,
        flip: false,
        origin: Origin([0; 4]),
        stage: Stage::Queued,
        generation: 0,
        read_out: ReadOut::Phases,
        codec: Codec::Words,
        rows: [Row { segment: 0, flags: Flags(0), settle_us: 0, residual_turn: 0, moved_turn: 0 }; MAX_SEGMENTS],
        filled: 0,
        sent: 0,
    };

    /// Equilibria so far.
    pub fn rows(&self) -> &[Row] {
        self.rows.get(..usize::from(self.filled)).unwrap_or_default()
    }

    /// Notes an equilibrium; its ordinal.
    pub fn push(&mut self, row: Row) -> usize {
        let ordinal = usize::from(self.filled);
        if let Some(place) = self.rows.get_mut(ordinal) {
            *place = row;
            self.filled += 1;
        }
        ordinal
    }
}

/// The ring with each slot's inputs, targets and read-outs.
pub struct Slots<'a> {
    ring: &'a mut [Slot],
    inputs: &'a mut [Turn],
    targets: &'a mut [Turn],
    results: &'a mut [u8],
    inputs_each: usize,
    targets_each: usize,
    result_bytes: usize,
    first: usize,
    used: usize,
}

impl<'a> Slots<'a> {
    /// An empty ring. `each`: inputs, targets and read-out bytes of one slot.
    pub fn new(
        slots: &'a mut [Slot],
        inputs: &'a mut [Turn],
        targets: &'a mut [Turn],
        results: &'a mut [u8],
        each: (usize, usize, usize),
    ) -> Self {
        let (inputs_each, targets_each, result_bytes) = each;
        Self { ring: slots, inputs, targets, results, inputs_each, targets_each, result_bytes, first: 0, used: 0 }
    }

    /// Slots in all.
    pub fn capacity(&self) -> usize {
        self.ring.len()
    }

    /// Read-out bytes a slot holds.
    pub fn result_bytes(&self) -> usize {
        self.result_bytes
    }

    /// Takes a shot into the queue.
    pub fn push(&mut self, shot: &Shot<'_>, origin: Origin) -> Result<(), Refusal> {
        let refuse = |reason, detail: usize| Err(Refusal { reason, detail: detail as u64 });
        // Shots are numbered from 1: a last shot of 0 means that there is none.
        let last = self.last().unwrap_or(0);
        if last >= shot.id {
            return Err(Refusal { reason: Reason::OldShot, detail: last });
        }
        if self.used == self.ring.len() {
            return refuse(Reason::Full, self.ring.len());
        }
        let (Some(inputs), Some(targets)) = (shot.inputs.as_u16s(), shot.targets.as_u16s()) else {
            return refuse(Reason::OutOfRange, self.inputs_each);
        };
        if inputs.len() != self.inputs_each {
            return refuse(Reason::OutOfRange, self.inputs_each);
        }
        if targets.len() != self.targets_each {
            return refuse(Reason::OutOfRange, self.targets_each);
        }
        let index = self.wrap(self.first + self.used);
        for (place, turn) in chunk_mut(self.inputs, index, self.inputs_each).iter_mut().zip(inputs) {
            *place = Turn(turn);
        }
        for (place, turn) in chunk_mut(self.targets, index, self.targets_each).iter_mut().zip(targets) {
            *place = Turn(turn);
        }
        self.ring[index] = Slot { id: shot.id, flip: shot.flip, origin, ..Slot::default() };
        self.used += 1;
        Ok(())
    }

    /// The next shot that waits, now running: its slot.
    pub fn take_queued(&mut self, generation: u32, read_out: ReadOut, codec: Codec) -> Option<usize> {
        let index = (0..self.used)
            .map(|place| self.wrap(self.first + place))
            .find(|&index| self.ring[index].stage == Stage::Queued)?;
        let slot = &mut self.ring[index];
        slot.stage = Stage::Running;
        (slot.generation, slot.read_out, slot.codec) = (generation, read_out, codec);
        Some(index)
    }

    /// Shots in progress go back to the queue with nothing done; how many there were.
    pub fn requeue_running(&mut self) -> usize {
        let mut count = 0;
        for slot in self.ring.iter_mut().filter(|slot| slot.stage == Stage::Running) {
            *slot = Slot { id: slot.id, flip: slot.flip, origin: slot.origin, ..Slot::default() };
            count += 1;
        }
        count
    }

    /// Forgets every shot from the first unfinished one on (those in progress must have been put back before). Shots
    /// that finished behind it on a faster replica go too: nothing of them was sent, and only so can the host ask for
    /// all that it did not get in ascending order.
    pub fn drop_unfinished(&mut self) {
        let of_finished = |stage| matches!(stage, Stage::Finished | Stage::Sent);
        let keep =
            (0..self.used).take_while(|place| of_finished(self.ring[self.wrap(self.first + place)].stage)).count();
        for place in keep..self.used {
            let index = self.wrap(self.first + place);
            self.ring[index] = Slot::default();
        }
        self.used = keep;
    }

    /// Forgets finished shots up to and including `through`.
    pub fn retire(&mut self, through: ShotId) {
        while self.used > 0 {
            let slot = &mut self.ring[self.first];
            if slot.id > through || !matches!(slot.stage, Stage::Finished | Stage::Sent) {
                break;
            }
            *slot = Slot::default();
            self.first = self.wrap(self.first + 1);
            self.used -= 1;
        }
    }

    /// Everything finished is to be sent (again): a new connection does not know what the old one got.
    pub fn offer_again(&mut self) {
        for slot in self.ring.iter_mut().filter(|slot| matches!(slot.stage, Stage::Finished | Stage::Sent)) {
            slot.stage = Stage::Finished;
            slot.sent = 0;
        }
    }

    /// The next equilibrium to send: slot and ordinal. Only from the front: a shot that is not finished holds back
    /// the ones behind it.
    pub fn next_to_send(&self) -> Option<(usize, usize)> {
        for place in 0..self.used {
            let index = self.wrap(self.first + place);
            match self.ring[index].stage {
                Stage::Sent => {}
                Stage::Finished => return Some((index, usize::from(self.ring[index].sent))),
                Stage::Queued | Stage::Running => return None,
            }
        }
        None
    }

    /// So many equilibria from the one named by [`next_to_send`](Self::next_to_send) on are with the link.
    pub fn mark_sent(&mut self, index: usize, count: usize) {
        let slot = &mut self.ring[index];
        slot.sent += count as u8;
        if slot.sent >= slot.filled {
            slot.stage = Stage::Sent;
        }
    }

    /// Shots queued or running, and shots finished and not retired.
    pub fn counts(&self) -> (usize, usize) {
        let pending = (0..self.used)
            .map(|place| self.ring[self.wrap(self.first + place)].stage)
            .filter(|stage| matches!(stage, Stage::Queued | Stage::Running))
            .count();
        (pending, self.used - pending)
    }

    /// One slot.
    pub fn slot(&mut self, index: usize) -> &mut Slot {
        &mut self.ring[index]
    }

    /// A slot's inputs.
    pub fn inputs(&self, index: usize) -> &[Turn] {
        chunk(self.inputs, index, self.inputs_each)
    }

    /// A slot's targets.
    pub fn targets(&self, index: usize) -> &[Turn] {
        chunk(self.targets, index, self.targets_each)
    }

    /// A slot's read-outs.
    pub fn results(&self, index: usize) -> &[u8] {
        chunk(self.results, index, self.result_bytes)
    }

    /// A slot's read-outs, to be written.
    pub fn results_mut(&mut self, index: usize) -> &mut [u8] {
        chunk_mut(self.results, index, self.result_bytes)
    }

    /// The last shot held.
    pub fn last(&self) -> Option<ShotId> {
        let place = self.used.checked_sub(1)?;
        Some(self.ring[self.wrap(self.first + place)].id)
    }

    fn wrap(&self, index: usize) -> usize {
        if index >= self.ring.len() { index - self.ring.len() } else { index }
    }
}

fn chunk<T>(all: &[T], index: usize, each: usize) -> &[T] {
    all.get(index * each..(index + 1) * each).unwrap_or_default()
}

fn chunk_mut<T>(all: &mut [T], index: usize, each: usize) -> &mut [T] {
    all.get_mut(index * each..(index + 1) * each).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use xyloop_protocol::message::Bytes;

    fn shot(id: ShotId) -> Shot<'static> {
        Shot { id, flip: false, inputs: Bytes(&[1, 0]), targets: Bytes(&[]) }
    }

    fn with_ring(test: impl FnOnce(&mut Slots<'_>)) {
        let (mut slots, mut inputs, mut results) = ([Slot::default(); 3], [Turn(0); 3], [0; 12]);
        test(&mut Slots::new(&mut slots, &mut inputs, &mut [], &mut results, (1, 0, 4)));
    }

    fn finish(ring: &mut Slots<'_>, index: usize) {
        ring.slot(index).push(Row::default());
        ring.slot(index).stage = Stage::Finished;
    }

    #[test]
    fn results_leave_in_the_order_of_the_shots_not_of_finishing() {
        with_ring(|ring| {
            for id in [3, 5] {
                assert_eq!(ring.push(&shot(id), Origin::default()), Ok(()));
            }
            let (a, b) = (
                ring.take_queued(1, ReadOut::Phases, Codec::Words).unwrap_or(9),
                ring.take_queued(1, ReadOut::Phases, Codec::Words).unwrap_or(9),
            );
            finish(ring, b);
            assert_eq!(ring.next_to_send(), None);
            finish(ring, a);
            assert_eq!(ring.next_to_send(), Some((a, 0)));
            ring.mark_sent(a, 1);
            assert_eq!(ring.next_to_send(), Some((b, 0)));
        });
    }

    #[test]
    fn a_slot_is_free_again_only_when_retired() {
        with_ring(|ring| {
            for id in 1..=3 {
                assert_eq!(ring.push(&shot(id), Origin::default()), Ok(()));
            }
            assert_eq!(ring.push(&shot(4), Origin::default()).err().map(|r| r.reason), Some(Reason::Full));
            let index = ring.take_queued(1, ReadOut::Phases, Codec::Words).unwrap_or(9);
            ring.retire(1);
            assert_eq!(ring.counts(), (3, 0), "a running shot cannot be retired");
            finish(ring, index);
            ring.mark_sent(index, 1);
            assert_eq!(ring.push(&shot(4), Origin::default()).err().map(|r| r.reason), Some(Reason::Full));
            ring.retire(1);
            assert_eq!(ring.push(&shot(4), Origin::default()), Ok(()));
            assert_eq!(ring.push(&shot(4), Origin::default()).err().map(|r| r.reason), Some(Reason::OldShot));
        });
    }

    #[test]
    fn what_was_sent_and_not_retired_is_offered_again() {
        with_ring(|ring| {
            assert_eq!(ring.push(&shot(1), Origin::default()), Ok(()));
            assert_eq!(ring.push(&shot(2), Origin::default()), Ok(()));
            let index = ring.take_queued(1, ReadOut::Phases, Codec::Words).unwrap_or(9);
            finish(ring, index);
            ring.mark_sent(index, 1);
            ring.requeue_running();
            ring.drop_unfinished();
            assert_eq!(ring.counts(), (0, 1));
            ring.offer_again();
            assert_eq!(ring.next_to_send(), Some((index, 0)));
        });
    }

    #[test]
    fn shots_with_the_wrong_number_of_inputs_are_refused() {
        with_ring(|ring| {
            let bad = Shot { inputs: Bytes(&[1, 0, 2, 0]), ..shot(1) };
            assert_eq!(ring.push(&bad, Origin::default()).err().map(|r| r.reason), Some(Reason::OutOfRange));
            let odd = Shot { inputs: Bytes(&[1]), ..shot(1) };
            assert_eq!(ring.push(&odd, Origin::default()).err().map(|r| r.reason), Some(Reason::OutOfRange));
        });
    }
}
