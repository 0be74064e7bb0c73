//! Questions and answers over one connection: tags, and what comes in between kept for whoever asks next.
//!
//! An order may be sent *ahead*: its "done" is taken when something is awaited next. So a whole step is sent in one breath,
//! and costs one round trip.

use std::{collections::VecDeque, time::Duration};

use xyloop_protocol::message::{
    self, CodeArray, Command, Event, Generation, Reason, Refusal, Report, Request, SafeCause, State,
};

use super::{
    connection::Connection,
    error::DeviceError,
    figures::LinkFigures,
    holding::{Beginning, Holding},
    liveness::Liveness,
    outcome::{Cause, End},
};

/// Longest wait for an answer, in time in which the device is heard.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Names those orders that are answered when the codes are latched.
pub(super) const COMMIT: &str = "commit";
const ARM: &str = "arm";
/// Room for a message's head beside its codes.
pub(super) const HEAD: usize = 64;

/// Says why something could not be done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection ended: it can be made again.
    Lost(End),
    /// An order that was sent ahead was refused: what was sent behind it is to be dropped.
    RefusedAhead(DeviceError),
    /// Anything else.
    Other(DeviceError),
}

impl From<DeviceError> for Trouble {
    fn from(error: DeviceError) -> Self {
        Self::Other(error)
    }
}

/// Holds a message that answers no question.
pub(super) enum Unasked {
    /// Equilibria of a shot, still encoded.
    Equilibria(Vec<u8>),
    /// The state changed; what follows from it has been noted.
    State,
}

/// Asks questions and gives orders over one connection after the other.
pub(super) struct Session {
    connection: Connection,
    place: String,
    tag: u16,
    /// Messages that came together with the last one, not looked at yet.
    came: VecDeque<Vec<u8>>,
    /// Messages that came while something else was waited for.
    early: VecDeque<Vec<u8>>,
    /// Orders that were sent ahead and not answered yet, in their order: tag, and what was asked.
    ahead: VecDeque<(u16, &'static str)>,
    /// Tag of a question whose answer may come while shots run, and what came of it.
    late: Option<(u16, VecDeque<Vec<u8>>)>,
    /// Follows what the device is known to hold, over all its connections.
    pub holding: Holding,
    pub beginning: Beginning,
    /// Notes that the device has said something in this session: it was the session in force.
    pub answered: bool,
    pub liveness: Liveness,
    /// Of the connections before this one.
    earlier: LinkFigures,
}

impl Session {
    pub fn new(connection: Connection, place: String) -> Self {
        Self {
            liveness: Liveness::new(place.clone()),
            connection,
            place,
            tag: 0,
            came: VecDeque::new(),
            early: VecDeque::new(),
            ahead: VecDeque::new(),
            late: None,
            holding: Holding::Nothing,
            beginning: Beginning::Afresh,
            answered: false,
            earlier: LinkFigures::default(),
        }
    }

    /// Goes on over another connection; nothing of the old one is under way any more.
    pub fn renew(&mut self, connection: Connection) {
        self.earlier = self.figures();
        self.connection = connection;
        self.came.clear();
        self.forget();
        self.holding.armed();
        (self.beginning, self.answered) = (Beginning::Afresh, false);
        self.liveness.renew();
    }

    /// Returns the link's figures over all connections, as of a moment ago.
    pub fn figures(&self) -> LinkFigures {
        self.connection.gauge.read().after(self.earlier)
    }

    /// Says if the connection is up and the device was heard just now.
    pub fn is_heard(&self) -> bool {
        !self.connection.outgoing.is_closed() && !self.liveness.is_quiet(&self.connection.gauge)
    }

    /// Forgets what came and was not awaited, and awaits no answer any more.
    pub fn forget(&mut self) {
        self.early.clear();
        self.ahead.clear();
        self.late = None;
    }

    /// Leaves the device after everything sent has arrived.
    pub async fn close(self) {
        self.connection.close().await;
    }

    /// Says if a command would be taken at once; a connection that ended takes it, to say so.
    pub fn takes_more(&self) -> bool {
        let outgoing = &self.connection.outgoing;
        outgoing.is_closed() || outgoing.capacity() > 0
    }

    /// Sends a command; returns its tag.
    pub async fn send(&mut self, command: Command<'_>) -> Result<u16, Trouble> {
        self.tag = if self.tag == u16::MAX { 1 } else { self.tag + 1 };
        let request = Request { tag: self.tag, command };
        let codes = match command {
            Command::Stage(stage) => match stage.codes {
                CodeArray::Words(words) => words.0.len(),
                CodeArray::Differences(differences) => differences.coded.0.len(),
            },
            Command::Shot(shot) => shot.inputs.0.len() + shot.targets.0.len(),
            _ => 128,
        };
        let mut buffer = vec![0; codes + HEAD];
        let too_long = || DeviceError::Protocol { what: "a request does not fit its buffer".into() };
        let length = message::encode(&request, &mut buffer).ok_or_else(too_long)?.len();
        buffer.truncate(length);
        let Connection { outgoing, gauge, .. } = &self.connection;
        match self.liveness.over(gauge, outgoing.send(buffer), None).await? {
            Ok(()) => Ok(self.tag),
            Err(_) => Err(self.lost().await),
        }
    }

    /// Sends a command whose "done" is taken by whoever waits next, and whose refusal is the error of that.
    pub async fn order_ahead(&mut self, asked: &'static str, command: Command<'_>) -> Result<(), Trouble> {
        let tag = self.send(command).await?;
        self.ahead.push_back((tag, asked));
        Ok(())
    }

    /// Waits until everything that was ordered ahead is done.
    pub async fn settle(&mut self) -> Result<(), Trouble> {
        while let Some((tag, asked)) = self.ahead.pop_front() {
            let answer = self.answer(asked, tag, done).await;
            if !self.went_safe_instead(&answer) {
                answer.map_err(|trouble| match trouble {
                    Trouble::Other(refused @ DeviceError::Refused { .. }) => Trouble::RefusedAhead(refused),
                    trouble => trouble,
                })?;
            }
        }
        Ok(())
    }

    /// Recognises the answer of a device that went safe while it latched. It has what it was to latch, and is to be armed
    /// as if it had gone safe later.
    fn went_safe_instead(&mut self, answer: &Result<(), Trouble>) -> bool {
        let not_ready = Refusal { reason: Reason::NotReady, detail: 0 };
        let instead = matches!(
            answer,
            Err(Trouble::Other(DeviceError::Refused { asked: COMMIT | ARM, refused, .. })) if *refused == not_ready
        );
        if instead {
            self.holding.went_safe();
        }
        instead
    }

    /// Arms a generation. If the device goes safe once more, it is to be armed again.
    pub async fn arm(&mut self, generation: Generation) -> Result<(), Trouble> {
        let answer = self.order(ARM, Command::Arm(generation)).await;
        // Whatever it told of before it latched is over.
        if answer.is_ok() {
            self.holding.armed();
        }
        if self.went_safe_instead(&answer) { Ok(()) } else { answer }
    }

    /// Sends a question whose answer, in any number of messages, may come while shots run.
    pub async fn ask_late(&mut self, command: Command<'_>) -> Result<(), Trouble> {
        let tag = self.send(command).await?;
        self.late = Some((tag, VecDeque::new()));
        Ok(())
    }

    /// Says if such a question was asked and is not over.
    pub fn asked_late(&self) -> bool {
        self.late.is_some()
    }

    /// Expects no more of that answer.
    pub fn late_is_over(&mut self) {
        self.late = None;
    }

    /// Awaits the next message of that answer.
    pub async fn late_answer<T>(
        &mut self,
        asked: &'static str,
        take: impl Fn(&Report<'_>) -> Option<T>,
    ) -> Result<T, Trouble> {
        self.settle().await?;
        match &mut self.late {
            Some((_, came)) if !came.is_empty() => {
                let bytes = came.pop_front().unwrap_or_default();
                Ok(answered(&self.place, asked, decode(&bytes)?.report, take)?)
            }
            Some((tag, _)) => {
                let tag = *tag;
                self.answer(asked, tag, take).await
            }
            None => Err(DeviceError::Protocol { what: format!("`{asked}` was not asked") }.into()),
        }
    }

    /// Sends a command and waits for "done".
    pub async fn order(&mut self, asked: &'static str, command: Command<'_>) -> Result<(), Trouble> {
        self.ask(asked, command, done).await
    }

    /// Sends a command and waits for its answer.
    pub async fn ask<T>(
        &mut self,
        asked: &'static str,
        command: Command<'_>,
        take: impl Fn(&Report<'_>) -> Option<T>,
    ) -> Result<T, Trouble> {
        let tag = self.send(command).await?;
        self.settle().await?;
        self.answer(asked, tag, take).await
    }

    /// Waits for the answer with this tag; what comes in between is kept for later.
    async fn answer<T>(
        &mut self,
        asked: &'static str,
        tag: u16,
        take: impl Fn(&Report<'_>) -> Option<T>,
    ) -> Result<T, Trouble> {
        loop {
            let bytes = self.next_message(asked, ANSWER_TIMEOUT).await?;
            let event = decode(&bytes)?;
            match event {
                // A message of ours that the device could not read: there will be no answer.
                Event { tag: 0, report: Report::Refused(refused) } => {
                    return Err(self.refused(asked, refused).into());
                }
                Event { report: Report::State(state), .. } if !matches!(state, State::Faulted(_)) => self.note(state),
                Event { tag: of, report } if of == tag => return Ok(answered(&self.place, asked, report, take)?),
                _ => self.keep(bytes),
            }
        }
    }

    /// Keeps a message that somebody else will want.
    fn keep(&mut self, bytes: Vec<u8>) {
        let tag = decode(&bytes).map_or(0, |event| event.tag);
        match &mut self.late {
            Some((late, came)) if *late == tag => came.push_back(bytes),
            _ => self.early.push_back(bytes),
        }
    }

    /// Awaits the next message that answers no question. What was ordered ahead must have been answered.
    pub async fn next_unasked(&mut self, wanted: &'static str, wait: Duration) -> Result<Unasked, Trouble> {
        let bytes = loop {
            let bytes = match self.early.pop_front() {
                Some(bytes) => bytes,
                None => self.next_message(wanted, wait).await?,
            };
            match decode(&bytes)? {
                Event { tag, .. } if self.late.as_ref().is_some_and(|(late, _)| *late == tag) => self.keep(bytes),
                // Of sums that nobody waits for any more.
                Event { report: Report::Contrast(_), .. } => {}
                _ => break bytes,
            }
        };
        match decode(&bytes)?.report {
            Report::Equilibria(_) => {}
            Report::State(state @ State::Faulted(_)) => return Err(self.faulted(state).into()),
            Report::State(state) => {
                self.note(state);
                return Ok(Unasked::State);
            }
            Report::Refused(refused) => return Err(self.refused(wanted, refused).into()),
            other => {
                return Err(DeviceError::Protocol { what: format!("{other:?} came while shots ran") }.into());
            }
        }
        Ok(Unasked::Equilibria(bytes))
    }

    /// Finds out how the connection ended.
    async fn lost(&mut self) -> Trouble {
        match self.connection.end().await {
            End { cause: Cause::Failed(what), .. } => DeviceError::Protocol { what }.into(),
            end => Trouble::Lost(end),
        }
    }

    fn note(&mut self, state: State) {
        if state == State::Safe(SafeCause::Deadman) {
            self.holding.went_safe();
        }
    }

    async fn next_message(&mut self, asked: &'static str, wait: Duration) -> Result<Vec<u8>, Trouble> {
        if let Some(bytes) = self.came.pop_front() {
            return Ok(bytes);
        }
        let Connection { incoming, gauge, .. } = &mut self.connection;
        match self.liveness.over(gauge, incoming.recv(), Some((asked, wait))).await? {
            Some(together) => {
                self.answered = true;
                self.came.extend(together);
                self.came.pop_front().ok_or_else(|| DeviceError::Protocol { what: "no message came".into() }.into())
            }
            None => Err(self.lost().await),
        }
    }

    /// Names the error that a trouble is where nothing is done about it.
    pub fn hopeless(&self, trouble: Trouble) -> DeviceError {
        match trouble {
            Trouble::Lost(end) => DeviceError::Lost { place: self.place.clone(), reason: end.cause.to_string() },
            Trouble::RefusedAhead(error) | Trouble::Other(error) => error,
        }
    }

    /// Names the error that a latched fault is.
    pub fn faulted(&self, state: State) -> DeviceError {
        DeviceError::Fault { place: self.place.clone(), state }
    }

    fn refused(&self, asked: &'static str, refused: Refusal) -> DeviceError {
        DeviceError::Refused { place: self.place.clone(), asked, refused }
    }
}

/// Takes from an answer what was asked for.
fn answered<T>(
    place: &str,
    asked: &'static str,
    report: Report<'_>,
    take: impl Fn(&Report<'_>) -> Option<T>,
) -> Result<T, DeviceError> {
    match report {
        Report::Refused(refused) => Err(DeviceError::Refused { place: place.to_owned(), asked, refused }),
        report => take(&report)
            .ok_or_else(|| DeviceError::Protocol { what: format!("`{asked}` was answered with {report:?}") }),
    }
}

fn done(report: &Report<'_>) -> Option<()> {
    matches!(report, Report::Done).then_some(())
}

pub(super) fn decode(bytes: &[u8]) -> Result<Event<'_>, DeviceError> {
    message::decode(bytes)
        .ok_or_else(|| DeviceError::Protocol { what: format!("a message of {} bytes cannot be decoded", bytes.len()) })
}
