//! Puts [`Faults`] on one direction of a line. What each fault does and in which order is told there.
//!
//! *Determinism.* Frames are put together again from chunks cut anywhere and numbered; what happens to a frame follows
//! from the seed, the direction and that number. The caller's clock matters in three places only: a stall ends by it, and
//! so do the wait of a reordered frame that no other one follows and a burst that reaches beyond its frame.

use core::fmt;
use std::vec::Vec;

use super::{Faults, random::Random};
use crate::{frame::Assembler, link::Role};

/// How long a reordered frame waits for another one to pass, in microseconds.
pub const REORDER_US: u64 = 20_000;
/// How long a burst lasts at most, in microseconds: what comes later is not hit by the rest of it.
pub const BURST_US: u64 = 20_000;
/// Most bytes that wait for the end of a stall; a frame beyond that is lost, and counted as such.
pub const HELD_MAX: usize = 1 << 20;

/// Names a fault's own stream of draws. The numbers must not change: they are part of what a seed means.
#[derive(Clone, Copy)]
enum Fault {
    BitError = 0,
    Drop = 1,
    Insert = 2,
    Duplicate = 3,
    Reorder = 4,
    Truncate = 5,
    Burst = 6,
    Stall = 7,
    Disconnect = 8,
}

/// Counts the faults that an injector has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FaultCounts {
    /// Frames that came in, whatever became of them.
    pub frames: u64,
    /// Bits inverted.
    pub bit_errors: u64,
    /// Frames dropped.
    pub drops: u64,
    /// Frames into which bytes were put.
    pub inserts: u64,
    /// Frames that passed twice.
    pub duplicates: u64,
    /// Frames held for the next one to pass.
    pub reorders: u64,
    /// Frames cut short.
    pub truncates: u64,
    /// Runs of random bytes begun.
    pub bursts: u64,
    /// Stalls begun.
    pub stalls: u64,
    /// Times the line was cut.
    pub disconnects: u64,
    /// Frames lost because more than [`HELD_MAX`] bytes waited for the end of a stall.
    pub overflows: u64,
}

impl fmt::Display for FaultCounts {
    /// In words: `1200 frames: 96 drops, 4 bit errors`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} frames: ", self.frames)?;
        let counts = [
            ("bit errors", self.bit_errors),
            ("drops", self.drops),
            ("inserts", self.inserts),
            ("duplicates", self.duplicates),
            ("reorders", self.reorders),
            ("truncates", self.truncates),
            ("bursts", self.bursts),
            ("stalls", self.stalls),
            ("disconnects", self.disconnects),
            ("lost in stalls", self.overflows),
        ];
        let mut separator = "";
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            write!(f, "{separator}{count} {name}")?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("no faults") } else { Ok(()) }
    }
}

/// A burst at work.
#[derive(Debug, Clone)]
struct Burst {
    /// Bytes still to come.
    left: usize,
    /// When it is over in any case.
    until_us: u64,
    random: Random,
}

/// One direction of a line that does harm.
///
/// Bytes go in by [`push`](Self::push) and come out by [`pull`](Self::pull), which is to be called after every `push`
/// and at [`next_release_us`](Self::next_release_us). Without any rate above zero every byte comes out as it went in,
/// at once. With one, bytes come out as whole frames: the beginning of a frame waits for its end (of at most
/// [`FRAME_MAX`](crate::frame::FRAME_MAX) bytes).
///
/// Memory is bounded by one frame in the making, one held for reordering, [`HELD_MAX`] bytes in a stall, and what was
/// pushed since the last `pull`, at most twice.
#[derive(Debug, Clone)]
pub struct FaultInjector {
    faults: Faults,
    harmless: bool,
    sender: Role,
    assembler: Assembler,
    /// What leaves next, in this order; all of it waits while the line is stalled.
    ready: Vec<u8>,
    /// The reordered frame, and when it leaves even if no other one passes.
    held: Option<(u64, Vec<u8>)>,
    stalled_until_us: Option<u64>,
    /// The rest of a burst that was longer than its frame.
    burst: Option<Burst>,
    cut: bool,
    counts: FaultCounts,
}

impl FaultInjector {
    /// The direction in which `sender` writes. Both directions of a line take the same `faults` and differ in their draws.
    pub fn new(faults: &Faults, sender: Role) -> Self {
        Self {
            faults: *faults,
            harmless: faults.is_none(),
            sender,
            assembler: Assembler::default(),
            ready: Vec::new(),
            held: None,
            stalled_until_us: None,
            burst: None,
            cut: false,
            counts: FaultCounts::default(),
        }
    }

    /// Takes what the sender wrote, cut anywhere. `now_us` counts microseconds from any origin and does not go back.
    /// While the line is cut everything is lost.
    pub fn push(&mut self, now_us: u64, bytes: &[u8]) {
        if self.harmless {
            self.ready.extend_from_slice(bytes);
            return;
        }
        self.expire(now_us);
        let mut rest = bytes;
        while !self.cut
            && let Some(frame) = self.assembler.next_frame(&mut rest)
        {
            self.pass(now_us, frame);
        }
    }

    /// Appends what leaves now to `out`; how many bytes that were. What had left before a cut still comes out.
    pub fn pull(&mut self, now_us: u64, out: &mut Vec<u8>) -> usize {
        self.expire(now_us);
        if self.stalled_until_us.is_some() {
            return 0;
        }
        let length = self.ready.len();
        out.append(&mut self.ready);
        length
    }

    /// When [`pull`](Self::pull) has something to give if nothing is pushed before, on the caller's clock in
    /// microseconds; a time that is past already means now, `None` means never.
    pub fn next_release_us(&self) -> Option<u64> {
        let ready = (!self.ready.is_empty()).then_some(0);
        let earliest = ready.or(self.held.as_ref().map(|(due_us, _)| *due_us))?;
        Some(earliest.max(self.stalled_until_us.unwrap_or(0)))
    }

    /// Says if a `disconnect` has cut the line. The caller is to cut its connection, and the other direction with it.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// A new connection: the line passes bytes again, and nothing of the old connection is left in it. The draws go on
    /// where they were. To be called at every new connection, also if it was not this injector that ended the last one.
    pub fn mend(&mut self) {
        self.empty();
        self.ready.clear();
        self.cut = false;
    }

    /// Counts what was done so far, over all connections.
    pub fn counts(&self) -> FaultCounts {
        self.counts
    }

    /// Ends what has lasted long enough.
    fn expire(&mut self, now_us: u64) {
        self.stalled_until_us = self.stalled_until_us.filter(|&until_us| now_us < until_us);
        self.burst.take_if(|burst| burst.until_us <= now_us);
        if let Some((_, frame)) = self.held.take_if(|(due_us, _)| *due_us <= now_us) {
            self.emit(&frame);
        }
    }

    /// Drops what is held, but not what has left already and was not pulled yet.
    fn empty(&mut self) {
        if self.stalled_until_us.take().is_some() {
            self.ready.clear();
        }
        self.held = None;
        self.burst = None;
        self.assembler.clear();
    }

    /// Draws whether a fault hits the present frame; if so, where its particulars are to be drawn from.
    fn hit(&self, fault: Fault, rate: f64) -> Option<Random> {
        let mut random = Random::keyed(self.faults.seed, self.sender, self.counts.frames, fault as u8);
        (rate > 0.0 && random.chance(rate)).then_some(random)
    }

    /// One frame on its way.
    fn pass(&mut self, now_us: u64, mut frame: Vec<u8>) {
        self.counts.frames += 1;
        let faults = self.faults;
        if self.hit(Fault::Disconnect, faults.disconnect).is_some() {
            self.counts.disconnects += 1;
            self.empty();
            self.cut = true;
            return;
        }
        if self.hit(Fault::Drop, faults.drop).is_some() {
            self.counts.drops += 1;
            return;
        }
        if self.stalled_until_us.is_none() && self.hit(Fault::Stall, faults.stall).is_some() {
            self.counts.stalls += 1;
            self.stalled_until_us = Some(now_us.saturating_add(u64::from(faults.stall_ms) * 1000));
        }
        self.damage(now_us, &mut frame);
        if self.hit(Fault::Duplicate, faults.duplicate).is_some() {
            self.counts.duplicates += 1;
            frame.extend_from_within(..);
        }
        if self.held.is_none() && self.hit(Fault::Reorder, faults.reorder).is_some() {
            self.counts.reorders += 1;
            self.held = Some((now_us.saturating_add(REORDER_US), frame));
            return;
        }
        self.emit(&frame);
        if let Some((_, overtaken)) = self.held.take() {
            self.emit(&overtaken);
        }
    }

    fn emit(&mut self, frame: &[u8]) {
        if self.stalled_until_us.is_some() && self.ready.len() + frame.len() > HELD_MAX {
            self.counts.overflows += 1;
        } else {
            self.ready.extend_from_slice(frame);
        }
    }

    /// Everything that changes a frame's bytes.
    fn damage(&mut self, now_us: u64, frame: &mut Vec<u8>) {
        let faults = self.faults;
        if let Some(mut random) = self.hit(Fault::Truncate, faults.truncate) {
            self.counts.truncates += 1;
            frame.truncate(1 + random.below(frame.len().saturating_sub(1)));
        }
        self.overwrite(frame, 0);
        if let Some(mut random) = self.hit(Fault::Burst, faults.burst) {
            self.counts.bursts += 1;
            let start = random.below(frame.len());
            self.burst = Some(Burst { left: 8 + random.below(249), until_us: now_us.saturating_add(BURST_US), random });
            self.overwrite(frame, start);
        }
        if let Some(mut random) = self.hit(Fault::Insert, faults.insert) {
            self.counts.inserts += 1;
            let place = random.below(frame.len() + 1);
            let count = 1 + random.below(32);
            frame.splice(place..place, core::iter::repeat_with(|| random.byte()).take(count));
        }
        if faults.bit_error > 0.0 {
            let mut random = Random::keyed(faults.seed, self.sender, self.counts.frames, Fault::BitError as u8);
            let mut bit = random.gap(faults.bit_error);
            while let Some(byte) = frame.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
                self.counts.bit_errors += 1;
                bit = bit.saturating_add(1).saturating_add(random.gap(faults.bit_error));
            }
        }
    }

    /// Goes on with the burst at hand, if there is one, from `start` on.
    fn overwrite(&mut self, frame: &mut [u8], start: usize) {
        let Some(burst) = &mut self.burst else { return };
        let hit = frame.iter_mut().skip(start).take(burst.left);
        burst.left -= hit.len();
        hit.for_each(|byte| *byte = burst.random.byte());
        self.burst.take_if(|burst| burst.left == 0);
    }
}
