//! What the Controller makes of commands: which it takes, which it refuses and why.

use xyloop_protocol::{
    codec::Codec,
    message::{self, CodeArray, Command, Generation, Plan, ReadOut, Reason, Refusal, Request, SafeCause},
    origin::PlanOrigin,
    units::DacCode,
};

use super::{Controller, Outputs, REPLY_ROOM, answers::Answer};
use crate::{
    board::Board,
    plan::{equilibria_of, kept_bytes},
    settle,
};

impl<B: Board> Controller<'_, B> {
    pub(super) fn take_commands(&mut self, now_us: u64) {
        let buffer = core::mem::take(&mut self.message_in);
        // Of a host that has left, its last words count; nobody waits for an answer.
        let has_left = self.link.session().is_none();
        while has_left || self.may_take_another() {
            let Some(length) = self.link.front().map(<[u8]>::len) else { break };
            if self.link.receive_message(buffer).is_none() {
                // Longer than was announced: it would block everything behind it.
                self.link.pop();
                self.answer(0, &Answer::refused(Reason::Malformed, length as u64), now_us);
                continue;
            }
            let bytes = buffer.get(..length).unwrap_or_default();
            let (tag, answer) = match message::decode::<Request<'_>>(bytes) {
                Some(Request { command, .. }) if has_left && !is_farewell(&command) => continue,
                Some(request) => (request.tag, self.handle(request.tag, &request.command, now_us)),
                None => (0, Answer::refused(Reason::Malformed, length as u64)),
            };
            self.answer(tag, &answer, now_us);
        }
        self.message_in = buffer;
    }

    /// Whether another command may be taken: none waits for its latch or for its answer to leave, and an answer fits.
    fn may_take_another(&mut self) -> bool {
        !self.latching.holds_commands()
            && self.send_collected()
            && self.link.send_room() >= REPLY_ROOM.max(self.sizes.message())
    }

    fn handle(&mut self, tag: u16, command: &Command<'_>, now_us: u64) -> Answer {
        let refuse_if_busy = |pending: usize| {
            if pending > 0 { Err(Refusal { reason: Reason::Busy, detail: pending as u64 }) } else { Ok(()) }
        };
        let pending = self.shots.slots.counts().0;
        if let Some(fault) = self.fault {
            let allowed = [Command::Identify, Command::Status, Command::Clear, Command::Safe].contains(command)
                || matches!(command, Command::Retire(_));
            if !allowed {
                return Answer::refused(Reason::Faulted, fault as u64);
            }
        }
        let done = |()| Answer::Done;
        let answer: Result<Answer, Refusal> = match command {
            Command::Identify => Ok(Answer::Identity),
            Command::Status => Ok(Answer::Status),
            Command::Collect(first) => self.collect(tag, *first).map(|()| Answer::Nothing),
            Command::Retire(through) => {
                self.shots.slots.retire(*through);
                Ok(Answer::Nothing)
            }
            Command::Shot(shot) => self.queue(shot).map(|()| Answer::Nothing),
            Command::Stage(stage) => self.stage(stage).map(done),
            Command::Commit(generation) => {
                refuse_if_busy(pending).and_then(|()| self.generations.commit(*generation)).map(|()| {
                    // A plan names the generation its shots are for.
                    self.plan = self.plan.filter(|plan| plan.generation == *generation);
                    self.latch_for(tag, now_us)
                })
            }
            Command::Arm(generation) => self.check_armed(*generation).map(|()| match self.outputs {
                Outputs::Latched => Answer::Done,
                Outputs::Safe(_) => self.latch_for(tag, now_us),
            }),
            Command::Plan(plan) => refuse_if_busy(pending).and_then(|()| {
                // Shots that were sent behind a plan which is refused must not run under the one before.
                self.plan = None;
                self.check(plan)?;
                self.plan = Some(*plan);
                self.origin = PlanOrigin::new(plan);
                self.shots.contrast.reset(plan.codec);
                Ok(Answer::Done)
            }),
            Command::Abort => {
                self.shots.discard(&mut self.counts);
                self.shots.slots.drop_unfinished();
                // Shots that were dropped may be in the contrast sums: only a new plan starts them again.
                self.plan = None;
                self.refuse_collect(Reason::NoPlan, 0);
                Ok(match self.outputs {
                    // Puts the trained fields back; what a replica was started for is not asked for any more.
                    Outputs::Latched => self.latch_for(tag, now_us),
                    Outputs::Safe(_) => Answer::Done,
                })
            }
            Command::Safe => {
                self.go_safe(SafeCause::Asked);
                self.announce = false;
                Ok(Answer::Done)
            }
            Command::Clear => self.clear().map(done),
        };
        answer.unwrap_or_else(Answer::Refused)
    }

    /// Ends a fault, once the board is set up anew. One that cannot be is faulted by that.
    fn clear(&mut self) -> Result<(), Refusal> {
        if self.fault.is_none() {
            return Ok(());
        }
        if let Err(error) = self.board.recover(&self.who.safe) {
            return Err(Refusal { reason: Reason::Faulted, detail: self.latch_fault(error) as u64 });
        }
        self.fault = None;
        self.outputs = Outputs::Safe(SafeCause::Cleared);
        Ok(())
    }

    fn queue(&mut self, shot: &message::Shot<'_>) -> Result<(), Refusal> {
        // Shots that were on their way when the deadman came wait in the queue until the host arms the device again.
        if !matches!(self.outputs, Outputs::Latched | Outputs::Safe(SafeCause::Deadman)) {
            return Err(Refusal { reason: Reason::NotReady, detail: 0 });
        }
        if self.plan.is_none() {
            return Err(Refusal { reason: Reason::NoPlan, detail: 0 });
        }
        self.shots.slots.push(shot, self.origin.of(shot))
    }

    fn check_armed(&self, generation: Generation) -> Result<(), Refusal> {
        match self.generations.current() {
            Some(current) if current == generation => Ok(()),
            current => {
                let detail = u64::from(current.map_or(0, |current| current.number));
                Err(Refusal { reason: Reason::WrongGeneration, detail })
            }
        }
    }

    fn stage(&mut self, stage: &message::Stage<'_>) -> Result<(), Refusal> {
        if matches!(stage.codes, CodeArray::Differences(_)) {
            self.check_codec(Codec::Delta)?;
        }
        let converters = &self.who.wiring.converters;
        let bits = match stage.block {
            message::Block::Couplings => converters.coupling_bits,
            message::Block::Fields => converters.field_bits,
        };
        // A code beyond its converter's range would mean something else on every board.
        self.generations.stage(stage, DacCode::max(bits).0)
    }

    fn check_codec(&self, codec: Codec) -> Result<(), Refusal> {
        let offered = self.who.codecs;
        let refusal = Refusal { reason: Reason::NoCodec, detail: offered.0.into() };
        if offered.offers(codec) { Ok(()) } else { Err(refusal) }
    }

    fn check(&self, plan: &Plan) -> Result<(), Refusal> {
        let bad = |detail: usize| Refusal { reason: Reason::BadPlan, detail: detail as u64 };
        let current = self.generations.current();
        if current != Some(plan.generation) {
            let detail = u64::from(current.unwrap_or_default().number);
            return Err(Refusal { reason: Reason::WrongGeneration, detail });
        }
        self.check_codec(plan.codec)?;
        let equilibria = equilibria_of(&plan.segments).map_err(bad)?;
        // A longer kick vector would be clipped per quadrature, and its direction with it.
        let longest_kick =
            DacCode::max(self.who.wiring.converters.field_bits).steps(self.who.wiring.converters.field_bits);
        let kick_fits = plan.kick.duration_us > 0 && i32::from(plan.kick.range_steps) <= longest_kick;
        if !settle::is_valid(&plan.settle) || !(1..=64).contains(&plan.reads) || !kick_fits {
            return Err(bad(255));
        }
        if plan.read_out == ReadOut::Contrast && !self.shots.contrast.is_offered() {
            return Err(bad(255));
        }
        let bytes = equilibria * kept_bytes(plan.read_out, self.sizes.sites, self.sizes.outputs);
        if bytes > self.shots.slots.result_bytes() {
            let detail = self.shots.slots.result_bytes() as u64;
            return Err(Refusal { reason: Reason::OutOfRange, detail });
        }
        Ok(())
    }
}

/// What a host may say and leave without waiting for the answer. Nothing that would drive an output.
fn is_farewell(command: &Command<'_>) -> bool {
    matches!(command, Command::Safe | Command::Retire(_))
}
