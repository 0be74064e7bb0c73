//! The shot: kick, free phase, nudges and releases of one sample, segment by segment, on each replica of a board.
//!
//! Every replica walks through its own shot at its own pace: latch codes, wait, compare two windows, read, next
//! segment. What a replica does depends on its shot alone, never on its neighbours, so results are the same on one
//! replica and on many.

use xyloop_protocol::{
    message::{Counts, Plan, ReadOut, Segment},
    units::{DacCode, Flags, IqCode, Turn},
};

use crate::{
    board::{Board, BoardError, ReadKey},
    contrast::ContrastSums,
    generations::Generations,
    nudge::{kick_codes, nudge_steps},
    phase::{self, IqSum},
    plan::{kept_bytes, nudge_sign},
    settle,
    slots::{Row, Slots, Stage},
};

/// What a replica waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wait {
    /// The end of a kick.
    #[default]
    Kick,
    /// The settle policy's minimum time, then the first window.
    Minimum,
    /// The next window.
    Window,
    /// Nothing but reads: the state has settled, or has not in time.
    ReadOut,
}

/// One replica's place in its shot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replica {
    slot: Option<u16>,
    segment: u8,
    wait: Wait,
    /// Reads in this segment so far, and those still to come before it can go on: the time it waited for is over.
    reads: u16,
    reads_left: u8,
    elapsed_us: u32,
    /// Between the last two windows.
    residual_turn: u16,
    /// Noticed in this segment.
    flags: Flags,
    basin_changed: bool,
}

/// What stays the same while shots run.
pub(crate) struct Frame<'f> {
    pub plan: &'f Plan,
    pub generations: &'f Generations<'f>,
    pub couplings: &'f [(u16, u16)],
    pub outputs: &'f [u16],
    pub field_bits: u8,
    pub iq_bits: u8,
    /// Reads of a replica that fit into one look at it.
    pub reads_at_once: u8,
}

/// One replica in its shot, and what a step of it touches beside the shots' own memory.
struct InShot<'s, B> {
    board: &'s mut B,
    frame: &'s Frame<'s>,
    counts: &'s mut Counts,
    replica: usize,
    /// Its shot's slot.
    index: usize,
}

/// All replicas, the ring of shots and the scratch memory between them.
pub(crate) struct Shots<'a> {
    pub slots: Slots<'a>,
    pub contrast: ContrastSums<'a>,
    pub replicas: &'a mut [Replica],
    pub fields: &'a mut [DacCode],
    pub codes: &'a mut [IqCode],
    pub sums: &'a mut [IqSum],
    pub phases: &'a mut [Turn],
    pub free: &'a mut [Turn],
    pub windows: &'a mut [Turn],
}

impl Shots<'_> {
    /// Takes every replica that is ready one step further, and starts waiting shots on those that are idle then.
    pub fn poll<B: Board>(&mut self, board: &mut B, frame: &Frame<'_>, counts: &mut Counts) -> Result<(), BoardError> {
        for replica in 0..self.replicas.len() {
            if let Some(index) = self.replicas[replica].slot.map(usize::from) {
                let elapsed = if self.replicas[replica].reads_left == 0 { board.ready(replica) } else { None };
                let mut at = InShot { board, frame, counts, replica, index };
                if let Some(elapsed_us) = elapsed {
                    self.arrive(&mut at, elapsed_us)?;
                }
                self.read_on(&mut at)?;
            }
            if self.replicas[replica].slot.is_none() {
                self.begin(board, frame, replica, counts)?;
            }
        }
        Ok(())
    }

    /// Whether a replica has reads left that wait for nothing but the next look at it.
    pub fn are_reading(&self) -> bool {
        self.replicas.iter().any(|replica| replica.reads_left > 0)
    }

    /// Takes every replica off its shot; the shots are to be run again from their start.
    pub fn discard(&mut self, counts: &mut Counts) {
        self.replicas.fill(Replica::default());
        counts.shots_discarded += self.slots.requeue_running() as u64;
    }

    fn begin<B: Board>(
        &mut self,
        board: &mut B,
        frame: &Frame<'_>,
        replica: usize,
        counts: &mut Counts,
    ) -> Result<(), BoardError> {
        let Some(index) = self.slots.take_queued(frame.plan.generation.number, frame.plan.read_out, frame.plan.codec)
        else {
            return Ok(());
        };
        counts.shots_begun += 1;
        self.replicas[replica] = Replica { slot: Some(index as u16), ..Replica::default() };
        let id = self.slots.slot(index).id;
        board.begin_shot(replica, id, self.slots.inputs(index))?;
        self.enter(&mut InShot { board, frame, counts, replica, index })
    }

    /// Latches a segment's codes and starts its first wait; past the last segment, finishes the shot.
    fn enter<B: Board>(&mut self, at: &mut InShot<'_, B>) -> Result<(), BoardError> {
        let InShot { board, frame, replica, index, .. } = at;
        let (frame, replica, index) = (*frame, *replica, *index);
        let ordinal = self.replicas[replica].segment;
        let plan = frame.plan;
        let segment = plan.segments.get(usize::from(ordinal)).copied().unwrap_or_default();
        let mut flags = Flags::default();
        let bits = frame.field_bits;
        self.fields.copy_from_slice(frame.generations.fields());
        let (slot_id, flip) = (self.slots.slot(index).id, self.slots.slot(index).flip);
        match segment {
            Segment::End => {
                // No nudge stays in force when nobody measures.
                board.latch_fields(replica, self.fields)?;
                self.finish(at);
                return Ok(());
            }
            Segment::Kick => {
                for (site, pair) in self.fields.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                    *pair = kick_codes(&plan.kick, slot_id, site as u16, bits);
                }
            }
            Segment::Free | Segment::Release => {}
            Segment::Nudge(nudge) => {
                let free = &self.free[replica * self.phases.len()..];
                let pairs = self.fields.as_chunks_mut::<2>().0;
                for (&site, &target) in frame.outputs.iter().zip(self.slots.targets(index)) {
                    let site = usize::from(site);
                    let (Some(pair), Some(&free)) = (pairs.get_mut(site), free.get(site)) else { continue };
                    let (steps, bounded) = nudge_steps(&nudge, flip, free, target);
                    flags.set(bounded);
                    for (code, steps) in pair.iter_mut().zip(steps) {
                        let (nudged, clipped) = DacCode::from_steps(code.steps(bits) + steps, bits);
                        *code = nudged;
                        if clipped {
                            flags.set(Flags::ACTUATOR_CLIPPED);
                        }
                    }
                }
            }
        }
        board.latch_fields(replica, self.fields)?;
        let (wait, duration_us) = match segment {
            Segment::Kick => (Wait::Kick, plan.kick.duration_us),
            _ => (Wait::Minimum, plan.settle.min_us),
        };
        let state = &mut self.replicas[replica];
        (state.wait, state.flags, state.elapsed_us, state.reads) = (wait, flags, 0, 0);
        board.start(replica, ordinal, duration_us)?;
        // A kick must not last longer than it should because codes travel, nor a nudge that is over.
        match plan.segments.get(usize::from(ordinal) + 1) {
            Some(Segment::Nudge(_) | Segment::Kick) => Ok(()),
            _ => board.prepare_fields(replica, frame.generations.fields()),
        }
    }

    /// The time a replica was started for is over.
    fn arrive<B: Board>(&mut self, at: &mut InShot<'_, B>, elapsed_us: u32) -> Result<(), BoardError> {
        let state = &mut self.replicas[at.replica];
        state.elapsed_us = state.elapsed_us.saturating_add(elapsed_us);
        if state.wait == Wait::Kick {
            state.segment += 1;
            return self.enter(at);
        }
        self.begin_reads(at.replica, at.frame.plan.settle.reads_per_window);
        Ok(())
    }

    fn begin_reads(&mut self, replica: usize, reads: u8) {
        self.replicas[replica].reads_left = reads;
        let sites = self.phases.len();
        self.sums[replica * sites..(replica + 1) * sites].fill(IqSum::default());
    }

    /// Reads as often as the board's pace allows, and goes on with what the last read of a window or a read-out decides.
    fn read_on<B: Board>(&mut self, at: &mut InShot<'_, B>) -> Result<(), BoardError> {
        let (frame, replica) = (at.frame, at.replica);
        let policy = &frame.plan.settle;
        let sites = self.phases.len();
        let window = replica * sites..(replica + 1) * sites;
        let mut at_once = frame.reads_at_once.max(1);
        while self.replicas[replica].reads_left > 0 {
            let reads = self.replicas[replica].reads_left.min(at_once);
            if reads == 0 {
                return Ok(());
            }
            at_once -= reads;
            self.read(at, reads)?;
            let state = &mut self.replicas[replica];
            if state.reads_left > 0 {
                return Ok(());
            }
            for (turn, sum) in self.phases.iter_mut().zip(&self.sums[window.clone()]) {
                *turn = sum.turn();
            }
            match state.wait {
                Wait::Kick | Wait::Minimum => state.wait = Wait::Window,
                Wait::Window => {
                    let verdict = settle::verdict(&self.windows[window.clone()], self.phases, policy);
                    let out_of_time = state.elapsed_us.saturating_add(policy.window_us) > policy.timeout_us;
                    if verdict.settled || out_of_time {
                        if !verdict.settled {
                            state.flags.set(Flags::UNSETTLED);
                        }
                        (state.wait, state.residual_turn) = (Wait::ReadOut, verdict.residual_turn);
                        self.begin_reads(replica, frame.plan.reads);
                        continue;
                    }
                }
                Wait::ReadOut => {
                    self.record(frame, replica, at.index);
                    at.counts.equilibria += 1;
                    self.replicas[replica].segment += 1;
                    return self.enter(at);
                }
            }
            self.windows[window.clone()].copy_from_slice(self.phases);
            at.board.start(replica, self.replicas[replica].segment, policy.window_us)?;
        }
        Ok(())
    }

    /// Reads every site so many times and adds the codes up.
    fn read<B: Board>(&mut self, at: &mut InShot<'_, B>, reads: u8) -> Result<(), BoardError> {
        let InShot { board, frame, counts, replica, index } = at;
        let (replica, index) = (*replica, *index);
        let shot = self.slots.slot(index).id;
        let sites = self.phases.len();
        let state = &mut self.replicas[replica];
        for _ in 0..reads {
            let key = ReadKey { shot, segment: state.segment, read: state.reads };
            board.read(replica, key, self.codes)?;
            state.reads = state.reads.wrapping_add(1);
            state.reads_left -= 1;
            counts.reads += 1;
            for (sum, code) in self.sums[replica * sites..].iter_mut().zip(self.codes.iter()) {
                sum.add(*code);
                state.flags.set(phase::flags_of(*code, frame.iq_bits));
            }
        }
        Ok(())
    }

    /// Writes the equilibrium that was just read into the shot's slot.
    fn record(&mut self, frame: &Frame<'_>, replica: usize, index: usize) {
        let sites = self.phases.len();
        let plan = frame.plan;
        let state = &mut self.replicas[replica];
        let segment = plan.segments.get(usize::from(state.segment)).copied().unwrap_or_default();
        let free = &mut self.free[replica * sites..(replica + 1) * sites];
        if segment == Segment::Free {
            free.copy_from_slice(self.phases);
        }
        let moved_turn = free.iter().zip(self.phases.iter()).map(|(a, b)| b.distance(*a)).max().unwrap_or(0);
        if segment == Segment::Release && moved_turn > plan.basin_tolerance_turn {
            state.basin_changed = true;
        }
        let mut flags = state.flags;
        if state.basin_changed {
            flags.set(Flags::BASIN_CHANGED);
        }
        let (settle_us, residual_turn) = (state.elapsed_us, state.residual_turn);
        let row = Row { segment: state.segment, flags, settle_us, residual_turn, moved_turn };
        let ordinal = self.slots.slot(index).push(row);
        let bytes = kept_bytes(plan.read_out, sites, frame.outputs.len());
        let Some(place) = self.slots.results_mut(index).get_mut(ordinal * bytes..(ordinal + 1) * bytes) else {
            return; // The plan was refused if its results do not fit.
        };
        let words = place.as_chunks_mut::<2>().0.iter_mut();
        let sums = &self.sums[replica * sites..(replica + 1) * sites];
        match plan.read_out {
            ReadOut::Phases | ReadOut::Contrast => {
                for (word, turn) in words.zip(self.phases.iter()) {
                    *word = turn.0.to_le_bytes();
                }
            }
            ReadOut::Outputs => {
                for (word, site) in words.zip(frame.outputs) {
                    let turn = self.phases.get(usize::from(*site)).copied().unwrap_or_default();
                    *word = turn.0.to_le_bytes();
                }
            }
            ReadOut::Iq => {
                let codes = sums.iter().map(|sum| sum.mean(plan.reads)).flat_map(|code| [code.i, code.q]);
                for (word, code) in words.zip(codes) {
                    *word = code.0.to_le_bytes();
                }
            }
        }
    }

    fn finish<B>(&mut self, at: &mut InShot<'_, B>) {
        self.replicas[at.replica] = Replica::default();
        let slot = self.slots.slot(at.index);
        slot.stage = Stage::Finished;
        at.counts.shots_finished += 1;
        if at.frame.plan.read_out == ReadOut::Contrast {
            self.add_contrast(at.frame, at.index);
        }
    }

    fn add_contrast(&mut self, frame: &Frame<'_>, index: usize) {
        let plan = frame.plan;
        let slot = *self.slots.slot(index);
        let all = slot.rows().iter().fold(Flags::default(), |flags, row| flags.with(row.flags));
        if all.any(plan.leave_out) {
            self.contrast.left_out += 1;
            return;
        }
        // What was nudged after a basin change belongs to another basin than the free state.
        let sign = |row: &Row| {
            if row.flags.any(Flags::BASIN_CHANGED) { 0 } else { nudge_sign(plan, row.segment, slot.flip) }
        };
        let of_free = -slot.rows().iter().map(sign).sum::<i32>();
        let bytes = 2 * self.phases.len();
        for (ordinal, row) in slot.rows().iter().enumerate() {
            let is_free = plan.segments.get(usize::from(row.segment)) == Some(&Segment::Free);
            let weight = if is_free { of_free } else { sign(row) };
            let words = self.slots.results(index).chunks_exact(bytes.max(1)).nth(ordinal).unwrap_or_default();
            let phases = words.as_chunks::<2>().0.iter().map(|word| Turn(u16::from_le_bytes(*word)));
            self.contrast.add(weight, phases, frame.couplings);
        }
        self.contrast.shots += 1;
    }
}
