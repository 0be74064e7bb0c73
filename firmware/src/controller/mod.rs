//! The Controller: commands in, equilibria out, outputs safe whenever nobody answers for them.
//!
//! ```text
//! boot ─► safe ──commit, arm──► ready ◄──shots──► running
//!          ▲ ▲                    │ deadman, safe    │
//!          │ └────────────────────┴──────────────────┘
//!          └──clear── faulted ◄── (any state) a board error
//! ```
//! # Design
//! One `poll` drains the link, judges the deadman, lets the board work and hands results to the link. A command is
//! only taken when its answer fits into the link's send buffer, so answers are never lost. What the board cannot do
//! between two looks at the link (its [`Pace`](crate::board::Pace)) is spread over polls: a latch, and reads.
//! # Notes
//! A deadman is no fault: shots in progress go back to the queue and run again, under their ids, after `Arm`.

mod answers;
mod collect;
mod commands;
mod latching;

use xyloop_protocol::{
    codec::Codecs,
    greeting::Greeting,
    link::{self, Link},
    message::{BootCause, Counts, Fault, Plan, Reason, Report, SafeCause, State},
    origin::PlanOrigin,
    wiring::Wiring,
};

use self::{collect::Collecting, latching::Latching};
use crate::{
    board::{Board, BoardError, SafeTable},
    contrast::ContrastSums,
    generations::Generations,
    shot::{Frame, Shots},
    slots::Slots,
    storage::{Sizes, Storage},
};

/// Room the link's send buffer must have before a command is taken.
const REPLY_ROOM: usize = 256;

/// Longest vendor, model, serial and boot note together: an identity must fit the shortest message buffer.
const MOST_IDENTITY_BYTES: usize = 256;

/// Who the device is, what it is wired to and what it does when left alone.
#[derive(Clone, Copy, Debug)]
pub struct Identification<'a> {
    /// Who made it.
    pub vendor: &'a str,
    /// What it is.
    pub model: &'a str,
    /// Which one it is, at most [`Greeting::SERIAL_MAX`] bytes.
    pub serial: &'a str,
    /// Drawn anew at every start.
    pub boot_id: u32,
    /// Why this start of it.
    pub boot_cause: BootCause,
    /// What the firmware left behind before it; cut off where an identity has no room for it.
    pub boot_note: &'a str,
    /// What is connected to what.
    pub wiring: Wiring<'a>,
    /// Outputs go safe after this silence, milliseconds.
    pub deadman_ms: u16,
    /// Codecs it offers; words in any case.
    pub codecs: Codecs,
    /// What every output carries when nobody answers for it.
    pub safe: SafeTable<'a>,
}

/// What drives the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outputs {
    Safe(SafeCause),
    Latched,
}

/// The device logic over a board.
pub struct Controller<'a, B> {
    board: B,
    link: Link<'a>,
    who: Identification<'a>,
    sizes: Sizes,
    generations: Generations<'a>,
    shots: Shots<'a>,
    plan: Option<Plan>,
    /// Of the plan in force, or of the last one.
    origin: PlanOrigin,
    outputs: Outputs,
    fault: Option<Fault>,
    counts: Counts,
    message_in: &'a mut [u8],
    message_out: &'a mut [u8],
    started_us: Option<u64>,
    /// The session in force, and how many there were: a host may give two the same number.
    session: Option<(u32, u32)>,
    /// Last moment at which somebody answered for the outputs.
    alive_us: u64,
    /// The host has to be told of a state it did not ask for.
    announce: bool,
    collecting: Option<Collecting>,
    latching: Latching,
}

impl<'a, B: Board> Controller<'a, B> {
    /// A device at reset: its converters are set up and its outputs safe before this returns. A board that cannot be set up
    /// is a device with a fault, not none at all. The error names the slice that is too short.
    pub fn new(
        mut board: B,
        mut who: Identification<'a>,
        slots_of: (usize, usize),
        storage: Storage<'a>,
        link: link::Config,
    ) -> Result<Self, &'static str> {
        let (slots, result_bytes) = slots_of;
        let sizes = Sizes {
            sites: usize::from(who.wiring.sites),
            couplings: who.wiring.couplings.len(),
            inputs: who.wiring.inputs.len(),
            outputs: who.wiring.outputs.len(),
            replicas: board.replicas(),
            slots,
            result_bytes,
        };
        storage.check(&sizes)?;
        who.codecs = Codecs(who.codecs.0 | Codecs::WORDS.0);
        if who.safe.couplings.len() != sizes.couplings {
            return Err("safe.couplings");
        }
        if who.safe.fields.len() != 2 * sizes.sites {
            return Err("safe.fields");
        }
        if who.safe.inputs.len() != sizes.inputs {
            return Err("safe.inputs");
        }
        let fault = board.recover(&who.safe).err().map(fault_of);
        if fault.is_some() {
            board.make_safe(&who.safe);
        }
        if sizes.message() > link::MESSAGE_MAX {
            return Err("message: too many sites for one read-out");
        }
        let names = who.vendor.len() + who.model.len() + who.serial.len();
        let of_note = MOST_IDENTITY_BYTES.checked_sub(names).ok_or("vendor, model and serial")?;
        who.boot_note = &who.boot_note[..who.boot_note.floor_char_boundary(of_note)];
        // A message travels with its length; an answer must fit beside it.
        let room = sizes.message().max(REPLY_ROOM) + 2;
        if storage.link.send.len() < room || storage.link.receive.len() < room {
            return Err("link");
        }
        let mut link = Link::new(link::Role::Device, storage.link, link);
        let mut greeting = [0; Greeting::MAX];
        let greeting = Greeting { serial: who.serial, ..Greeting::new(who.wiring.hash(), who.boot_id) }
            .encode(&mut greeting)
            .ok_or("serial")?;
        link.set_greeting(greeting).map_err(|_| "greeting")?;
        let s = sizes;
        let with_contrast = if storage.contrast.is_empty() { 0 } else { s.generation() };
        let trigonometry = if with_contrast == 0 { 0 } else { s.sites };
        let committed = &mut storage.committed[..s.generation()];
        let staged = &mut storage.staged[..s.generation()];
        // What was never staged is safe.
        committed[..s.couplings].copy_from_slice(who.safe.couplings);
        committed[s.couplings..].copy_from_slice(who.safe.fields);
        Ok(Self {
            board,
            link,
            who,
            sizes,
            generations: Generations::new(s.couplings, committed, staged),
            shots: Shots {
                slots: Slots::new(
                    &mut storage.slots[..s.slots],
                    storage.inputs,
                    storage.targets,
                    storage.results,
                    (s.inputs, s.outputs, s.result_bytes),
                ),
                contrast: ContrastSums::new(
                    &mut storage.contrast[..with_contrast],
                    &mut storage.trigonometry[..trigonometry],
                ),
                replicas: &mut storage.replicas[..s.replicas],
                fields: &mut storage.fields[..2 * s.sites],
                codes: &mut storage.codes[..s.sites],
                sums: &mut storage.sums[..s.replicas * s.sites],
                phases: &mut storage.phases[..s.sites],
                free: &mut storage.free[..s.replicas * s.sites],
                windows: &mut storage.windows[..s.replicas * s.sites],
            },
            plan: None,
            origin: PlanOrigin::default(),
            outputs: Outputs::Safe(SafeCause::Reset),
            fault,
            counts: Counts::default(),
            message_in: storage.message_in,
            message_out: storage.message_out,
            started_us: None,
            session: None,
            alive_us: 0,
            announce: false,
            collecting: None,
            latching: Latching::default(),
        })
    }

    /// Bytes that came from the host, any number of them.
    pub fn receive(&mut self, now_us: u64, bytes: &[u8]) {
        self.link.receive(now_us, bytes);
    }

    /// Writes frames that are due into `out` and returns their length; call until it is 0.
    pub fn transmit(&mut self, now_us: u64, out: &mut [u8]) -> usize {
        self.link.transmit(now_us, out)
    }

    /// Does whatever can be done now. Call after [`receive`](Self::receive), when the board has finished something,
    /// and at [`next_wakeup_us`](Self::next_wakeup_us); at least every 20 ms while shots run.
    pub fn poll(&mut self, now_us: u64) {
        self.started_us.get_or_insert(now_us);
        self.latching.begin_poll(self.board.pace().codes);
        self.note_session(now_us);
        self.continue_latching(now_us);
        self.take_commands(now_us);
        self.judge_deadman(now_us);
        if self.outputs == Outputs::Latched
            && !self.latching.is_under_way()
            && let Err(error) = self.run_shots(now_us)
        {
            self.latch_fault(error);
        }
        self.send_owed();
        self.tell_state();
        self.send_results();
        self.send_collected();
    }

    /// Whether [`poll`](Self::poll) stopped in the middle of something because the board's pace allows no more between two
    /// looks at the link, and is to be called again at once, whether the line takes bytes or not.
    pub fn is_working(&self) -> bool {
        self.latching.is_under_way() || (self.outputs == Outputs::Latched && self.shots.are_reading())
    }

    /// When [`poll`](Self::poll) and [`transmit`](Self::transmit) have something to do without any input: 0, a moment that
    /// is over, while [`poll`](Self::poll) [has work left](Self::is_working).
    pub fn next_wakeup_us(&self) -> Option<u64> {
        if self.is_working() {
            return Some(0);
        }
        match (self.link.next_wakeup_us(), self.next_deadman_us()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// When the deadman has to be judged: with [`is_working`](Self::is_working), what is left of
    /// [`next_wakeup_us`](Self::next_wakeup_us) while the line takes nothing.
    pub fn next_deadman_us(&self) -> Option<u64> {
        self.is_answered_for().then(|| self.deadman_at_us())
    }

    /// The device's state.
    pub fn state(&self) -> State {
        match (self.fault, self.outputs) {
            _ if self.started_us.is_none() => State::Boot,
            (Some(fault), _) => State::Faulted(fault),
            (None, Outputs::Safe(cause)) => State::Safe(cause),
            (None, Outputs::Latched) if self.shots.slots.counts().0 > 0 => State::Running,
            (None, Outputs::Latched) => State::Ready,
        }
    }

    /// What was done since start.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// When the last valid frame of the current session came, on the clock that is passed in, microseconds; `None`
    /// before the first. Who serves several hosts in turn tells by it whether the present one is still there.
    pub fn last_heard_us(&self) -> Option<u64> {
        self.link.last_heard_us()
    }

    /// The board, to look at or to tell about its own events.
    pub fn board(&mut self) -> &mut B {
        &mut self.board
    }

    /// The connection was cut (a socket closed): nobody answers for the outputs any more. Commands that came before and
    /// were not taken yet are dropped: they must not latch anything afterwards.
    pub fn hang_up(&mut self) {
        while self.link.pop() {}
        if self.is_answered_for() {
            self.die();
        }
    }

    /// Whether somebody has to answer for the outputs: they are not safe, or will soon not be.
    fn is_answered_for(&self) -> bool {
        self.outputs == Outputs::Latched || self.latching.is_under_way()
    }

    fn note_session(&mut self, now_us: u64) {
        let session = self.link.session().map(|number| (number, self.link.counters().sessions));
        if session == self.session {
            return;
        }
        self.session = session;
        // Who asked is gone.
        self.collecting = None;
        self.drop_staged();
        if session.is_some() {
            // Another connection does not know what the old one asked for or got: it asks anew, under the same shot
            // ids, and is offered every finished shot that was not retired.
            self.alive_us = now_us;
            self.shots.discard(&mut self.counts);
            self.shots.slots.drop_unfinished();
            self.shots.slots.offer_again();
            self.plan = None;
            if self.outputs == Outputs::Latched {
                // A kick or a nudge of a shot in progress must not stay in force. A board that fails is faulted by this.
                self.latch(None, now_us);
            }
        }
    }

    /// Tells of a state the host did not ask for, in the poll in which it came about.
    fn tell_state(&mut self) {
        if self.announce && self.link.send_room() >= REPLY_ROOM {
            self.announce = false;
            let state = self.state();
            self.send(0, &Report::State(state));
        }
    }

    fn deadman_at_us(&self) -> u64 {
        let heard = self.link.last_heard_us().unwrap_or(0).max(self.alive_us);
        heard.saturating_add(u64::from(self.who.deadman_ms) * 1000)
    }

    fn judge_deadman(&mut self, now_us: u64) {
        if self.is_answered_for() && now_us >= self.deadman_at_us() {
            self.die();
        }
    }

    /// Nobody answers for the outputs any more.
    fn die(&mut self) {
        self.go_safe(SafeCause::Deadman);
        self.counts.deadman += 1;
    }

    /// Shots in progress go back to the queue, outputs to the safe table.
    fn go_safe(&mut self, cause: SafeCause) {
        self.shots.discard(&mut self.counts);
        self.board.make_safe(&self.who.safe);
        self.outputs = Outputs::Safe(cause);
        self.latching.refuse(Reason::NotReady, 0);
        self.announce = true;
    }

    fn latch_fault(&mut self, error: BoardError) -> Fault {
        let fault = fault_of(error);
        self.latching.refuse(Reason::Faulted, fault as u64);
        // The fault is told, not the cause, until it is cleared.
        self.go_safe(SafeCause::Cleared);
        // What is queued does not run any more.
        self.refuse_collect(Reason::Faulted, fault as u64);
        *self.fault.insert(fault)
    }

    fn run_shots(&mut self, now_us: u64) -> Result<(), BoardError> {
        let Some(plan) = &self.plan else { return Ok(()) };
        if self.shots.slots.counts().0 == 0 {
            return Ok(());
        }
        let converters = &self.who.wiring.converters;
        let frame = Frame {
            plan,
            generations: &self.generations,
            couplings: self.who.wiring.couplings,
            outputs: self.who.wiring.outputs,
            field_bits: converters.field_bits,
            iq_bits: converters.iq_bits,
            reads_at_once: self.board.pace().reads,
        };
        self.board.poll(now_us)?;
        self.shots.poll(&mut self.board, &frame, &mut self.counts)?;
        // What was just started should not wait for the next look.
        self.board.poll(now_us)
    }
}

fn fault_of(error: BoardError) -> Fault {
    match error {
        BoardError::Converter => Fault::Converter,
        BoardError::Board => Fault::Board,
        BoardError::Plant => Fault::Plant,
    }
}
