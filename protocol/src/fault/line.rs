//! A serial line in virtual time: bytes take their time, a writer is stopped when the system's buffer is full, and faults
//! happen on the way. One direction each.

use std::{collections::VecDeque, vec::Vec};

use super::{FaultCounts, FaultInjector, Faults, random::Random};
use crate::link::Role;

/// Bits on the line for a byte: a start bit, eight of data, a stop bit.
const BITS_A_BYTE: u64 = 10;

/// One direction of a line, on the caller's clock in microseconds.
#[derive(Debug, Clone)]
pub struct Line {
    /// Line rate in bits per second; at least 1. [`Self::INSTANT`]: bytes take no time.
    pub baud: u64,
    /// From the last bit written to the reader, in microseconds.
    pub delay_us: u64,
    /// The operating system takes that much before it stops the writer, in bytes.
    pub buffer_bytes: u64,
    /// Up to that much more delay for each piece, in microseconds.
    pub jitter_us: u64,
    /// Whether a piece with little jitter overtakes one with more.
    pub overtaking: bool,
    /// While set, whatever is written is lost: the cable is out.
    pub unplugged: bool,
    injector: FaultInjector,
    random: Random,
    busy_until_us: u64,
    last_arrival_us: u64,
    under_way: VecDeque<(u64, Vec<u8>)>,
}

impl Line {
    /// The rate of a line on which bytes take no time.
    pub const INSTANT: u64 = u64::MAX;

    /// The direction in which `sender` writes; without jitter, with a buffer of 4 KiB.
    pub fn new(baud: u64, delay_us: u64, faults: &Faults, sender: Role) -> Self {
        Self {
            baud,
            delay_us,
            buffer_bytes: 4096,
            jitter_us: 0,
            overtaking: false,
            unplugged: false,
            injector: FaultInjector::new(faults, sender),
            random: Random::keyed(faults.seed, sender, u64::MAX, u8::MAX),
            busy_until_us: 0,
            last_arrival_us: 0,
            under_way: VecDeque::new(),
        }
    }

    /// Returns whether what is written arrives at the same moment, unless a fault holds it.
    pub fn is_instant(&self) -> bool {
        self.baud == Self::INSTANT && self.delay_us == 0
    }

    fn duration_us(&self, bytes: u64) -> u64 {
        if self.baud == Self::INSTANT {
            return 0;
        }
        (bytes * BITS_A_BYTE * 1_000_000).div_ceil(self.baud.max(1))
    }

    /// When the writer may write again.
    pub fn writable_at_us(&self) -> u64 {
        self.busy_until_us.saturating_sub(self.duration_us(self.buffer_bytes))
    }

    /// Takes bytes behind those that wait already. They arrive as one piece, when the last of them is over the line.
    pub fn write(&mut self, now_us: u64, bytes: &[u8]) {
        self.release(now_us);
        self.busy_until_us = self.busy_until_us.max(now_us) + self.duration_us(bytes.len() as u64);
        if !self.unplugged {
            self.injector.push(self.busy_until_us, bytes);
            self.release(self.busy_until_us);
        }
    }

    /// Starts on its way what the injector lets go at that time.
    fn release(&mut self, at_us: u64) {
        let mut piece = Vec::new();
        if self.injector.pull(at_us, &mut piece) == 0 {
            return;
        }
        let jitter_us = self.random.below(self.jitter_us as usize + 1) as u64;
        let mut arrival_us = at_us + self.delay_us + jitter_us;
        if !self.overtaking {
            arrival_us = arrival_us.max(self.last_arrival_us);
        }
        self.last_arrival_us = arrival_us;
        let place = self.under_way.iter().rposition(|(other, _)| *other <= arrival_us).map_or(0, |place| place + 1);
        self.under_way.insert(place, (arrival_us, piece));
    }

    /// When [`take`](Self::take) has something next.
    pub fn next_arrival_us(&self) -> Option<u64> {
        let held = self.injector.next_release_us().map(|at_us| at_us + self.delay_us);
        self.under_way.front().map(|(at_us, _)| *at_us).into_iter().chain(held).min()
    }

    /// The next piece that has arrived.
    pub fn take(&mut self, now_us: u64) -> Option<Vec<u8>> {
        while let Some(at_us) = self.injector.next_release_us().filter(|at_us| at_us + self.delay_us <= now_us) {
            self.release(at_us);
        }
        self.under_way.pop_front_if(|(at_us, _)| *at_us <= now_us).map(|(_, piece)| piece)
    }

    /// Says if a `disconnect` has cut the line.
    pub fn is_cut(&self) -> bool {
        self.injector.is_cut()
    }

    /// A new connection: nothing of the old one is left on the line.
    pub fn reconnect(&mut self) {
        self.injector.mend();
        self.under_way.clear();
        self.busy_until_us = 0;
    }

    /// Counts what went wrong so far.
    pub fn faults(&self) -> FaultCounts {
        self.injector.counts()
    }
}
