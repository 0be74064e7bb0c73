//! Putting the committed codes on the outputs: staged over as many polls as the board's pace asks for, latched at once.
//!
//! ```text
//! commit, arm, abort, new session ─► staging ──last code: fields, latch──► latched, answered with Done
//!                                      │ deadman, hang-up, fault, new session
//!                                      └─► what was staged is dropped, outputs safe (or staged again for the new host)
//! ```
//! While codes are staged no command is taken and no shot runs; the link and the deadman go on. Half of a generation is
//! never on an output: whatever ends the staging makes the outputs safe or starts it again from the first code.

use xyloop_protocol::message::{Reason, Refusal, Report};

use super::{Controller, Outputs, REPLY_ROOM, answers::Answer};
use crate::board::Board;

/// Codes on their way to the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Staging {
    /// Couplings handed over so far.
    staged: usize,
    /// Request that is answered when they are latched; `None` if nobody asked.
    tag: Option<u16>,
}

/// What the Controller keeps of a latch that is not done or not answered.
#[derive(Debug, Default)]
pub(super) struct Latching {
    staging: Option<Staging>,
    /// An answer that waits for room in the link.
    owed: Option<(u16, Result<(), Refusal>)>,
    /// Codes that may still be staged in this poll.
    codes_left: usize,
    /// Commands that are taken in this poll may have come long ago: they say nothing about the host now.
    kept_waiting: bool,
}

impl Latching {
    /// Whether codes are staged and not latched.
    pub fn is_under_way(&self) -> bool {
        self.staging.is_some()
    }

    /// Whether commands have to wait.
    pub fn holds_commands(&self) -> bool {
        self.staging.is_some() || self.owed.is_some()
    }

    /// A poll begins, on a board of which so many codes may be staged in it.
    pub fn begin_poll(&mut self, codes: usize) {
        self.codes_left = codes.max(1);
        self.kept_waiting = self.holds_commands();
    }

    /// Whoever asked is gone.
    fn forget(&mut self) {
        (self.staging, self.owed) = (None, None);
    }

    /// What was staged is not to be latched, which is the answer to who asked for it.
    pub fn refuse(&mut self, reason: Reason, detail: u64) {
        if let Some(Staging { tag: Some(tag), .. }) = self.staging.take() {
            self.owed = Some((tag, Err(Refusal { reason, detail })));
        }
    }
}

impl<B: Board> Controller<'_, B> {
    /// Goes on where the last poll stopped.
    pub(super) fn continue_latching(&mut self, now_us: u64) {
        if !self.latching.holds_commands() {
            return;
        }
        // The new codes must not come into force when nobody answers for them any more.
        self.judge_deadman(now_us);
        self.stage_on();
        self.send_owed();
    }

    /// Begins to put the committed codes on the outputs, for a request with this tag; what was staged before and not
    /// latched is staged again.
    pub(super) fn latch(&mut self, tag: Option<u16>, now_us: u64) {
        if !self.latching.kept_waiting {
            self.alive_us = now_us;
        }
        self.latching.staging = Some(Staging { staged: 0, tag });
        self.judge_deadman(now_us);
        self.stage_on();
    }

    /// The same for a command, which is answered when it is done.
    pub(super) fn latch_for(&mut self, tag: u16, now_us: u64) -> Answer {
        self.latch(Some(tag), now_us);
        self.send_owed();
        Answer::Nothing
    }

    /// Whoever asked is gone. What is staged and not latched is dropped; without another host, outputs go safe with it.
    pub(super) fn drop_staged(&mut self) {
        if self.latching.is_under_way() {
            match self.outputs {
                _ if self.session.is_none() => self.die(),
                Outputs::Safe(_) => self.board.make_safe(&self.who.safe),
                // What is on the outputs stays; it is staged anew for the next host.
                Outputs::Latched => {}
            }
        }
        self.latching.forget();
    }

    /// Stages as many codes as this poll has left, and latches with the last of them. A board that cannot is a fault, and
    /// the refusal says so.
    fn stage_on(&mut self) {
        let Some(Staging { staged, tag }) = self.latching.staging else { return };
        let rest = self.generations.couplings().get(staged..).unwrap_or_default();
        let piece = rest.get(..self.latching.codes_left).unwrap_or(rest);
        let (count, is_last) = (piece.len(), piece.len() == rest.len());
        let mut done = if count > 0 { self.board.stage_couplings(staged, piece) } else { Ok(()) };
        self.latching.codes_left -= count;
        if is_last {
            for replica in 0..self.sizes.replicas {
                done = done.and_then(|()| self.board.latch_fields(replica, self.generations.fields()));
            }
        }
        match done {
            Ok(()) if is_last => {
                self.outputs = Outputs::Latched;
                self.latching.staging = None;
                self.latching.owed = tag.map(|tag| (tag, Ok(())));
            }
            Ok(()) => self.latching.staging = Some(Staging { staged: staged + count, tag }),
            Err(error) => {
                self.latch_fault(error);
            }
        }
    }

    /// Answers as soon as there is room: commands are taken only after that.
    pub(super) fn send_owed(&mut self) {
        if let Some((tag, answer)) = self.latching.owed
            && self.link.send_room() >= REPLY_ROOM
        {
            self.latching.owed = None;
            self.send(tag, &answer.map_or_else(Report::Refused, |()| Report::Done));
        }
    }
}
