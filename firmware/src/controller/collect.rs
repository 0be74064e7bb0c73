//! The answer to `Collect`: it is asked for ahead, waits until no shot is queued or running, and goes out in as many
//! messages as the sums take.
//!
//! So the sums are on their way as soon as a batch is over, without a round trip. While they leave, no other command is
//! taken: none can change them.

use xyloop_protocol::message::{Reason, Refusal, Report};

use super::Controller;
use crate::board::Board;

/// A `Collect` that is not answered, or not in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Collecting {
    tag: u16,
    /// The next sum to send.
    next: u32,
    /// What it is answered with instead of sums.
    refusal: Option<Refusal>,
}

impl<B: Board> Controller<'_, B> {
    /// Takes a `Collect`. One waits at a time.
    pub(super) fn collect(&mut self, tag: u16, first: u32) -> Result<(), Refusal> {
        if self.collecting.is_some() {
            return Err(Refusal { reason: Reason::Busy, detail: self.shots.slots.counts().0 as u64 });
        }
        self.collecting = Some(Collecting { tag, next: first, refusal: None });
        Ok(())
    }

    /// There will be no sums for a `Collect` that waits.
    pub(super) fn refuse_collect(&mut self, reason: Reason, detail: u64) {
        if let Some(collecting) = &mut self.collecting {
            collecting.refusal.get_or_insert(Refusal { reason, detail });
        }
        self.send_collected();
    }

    /// Sends what is due of an answer, as far as the link has room. `false` if some of it must wait for room.
    pub(super) fn send_collected(&mut self) -> bool {
        while let Some(Collecting { tag, next, refusal }) = self.collecting {
            if refusal.is_none() {
                if self.shots.slots.counts().0 > 0 {
                    return true;
                }
                // Equilibria come first, so that a host has them all when the sums come.
                self.send_results();
            }
            let must_wait = refusal.is_none() && self.shots.slots.next_to_send().is_some();
            if must_wait || self.link.send_room() < self.sizes.message() {
                return false;
            }
            if let Some(refusal) = refusal {
                self.collecting = None;
                self.send(tag, &Report::Refused(refusal));
                return true;
            }
            let sent = self.send_contrast(tag, next);
            let next = next.saturating_add(sent);
            let is_over = sent == 0 || next as usize >= self.shots.contrast.sums().len();
            self.collecting = (!is_over).then_some(Collecting { tag, next, refusal: None });
        }
        true
    }
}
