//! Questions and answers over one connection: tags, and what comes in between kept for whoever asks next.

use std::{collections::VecDeque, time::Duration};

use xyloop_protocol::message::{self, CodeArray, Command, Event, Report, Request, SafeCause, State};

use super::{
    DeviceError, LinkFigures,
    connection::{Cause, Connection, End},
    watch::Watch,
};

/// Longest wait for an answer, in time in which the device is heard.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Room for a message's head beside its codes.
pub(super) const HEAD: usize = 64;

/// Why something could not be done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection ended: it can be made again.
    Lost(End),
    /// Anything else.
    Other(DeviceError),
}

impl From<DeviceError> for Trouble {
    fn from(error: DeviceError) -> Self {
        Self::Other(error)
    }
}

/// A message that answers no question.
pub(super) enum Unasked {
    /// Equilibria of a shot, still encoded.
    Equilibria(Vec<u8>),
    /// The state changed; what follows from it has been noted.
    State,
}

/// A connection over which questions are asked.
pub(super) struct Session {
    connection: Connection,
    place: String,
    tag: u16,
    /// Messages that came while something else was waited for.
    early: VecDeque<Vec<u8>>,
    /// The device went safe by itself and was not armed since.
    pub went_safe: bool,
    /// The device has said something in this session: it was the session in force.
    pub answered: bool,
    pub watch: Watch,
    /// Of the connections before this one.
    earlier: LinkFigures,
}

impl Session {
    pub fn new(connection: Connection, place: String) -> Self {
        Self {
            watch: Watch::new(place.clone()),
            connection,
            place,
            tag: 0,
            early: VecDeque::new(),
            went_safe: false,
            answered: false,
            earlier: LinkFigures::default(),
        }
    }

    /// Goes on over another connection; nothing of the old one is under way any more.
    pub fn renew(&mut self, connection: Connection) {
        self.earlier = self.figures();
        self.connection = connection;
        self.early.clear();
        (self.went_safe, self.answered) = (false, false);
        self.watch.renew();
    }

    /// The link's figures over all connections, as of a moment ago.
    pub fn figures(&self) -> LinkFigures {
        self.connection.gauge.read().after(self.earlier)
    }

    /// Whether the connection is up and the device was heard just now.
    pub fn is_heard(&self) -> bool {
        !self.connection.outgoing.is_closed() && !self.watch.is_quiet(&self.connection.gauge)
    }

    /// Forgets what came and was not asked for.
    pub fn forget_early(&mut self) {
        self.early.clear();
    }

    /// Leaves the device after everything sent has arrived.
    pub async fn close(self) {
        self.connection.close().await;
    }

    /// Whether a command would be taken at once; a connection that ended takes it, to say so.
    pub fn takes_more(&self) -> bool {
        let outgoing = &self.connection.outgoing;
        outgoing.is_closed() || outgoing.capacity() > 0
    }

    /// Sends a command; its tag.
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
        match self.watch.over(gauge, outgoing.send(buffer), None).await? {
            Ok(()) => Ok(self.tag),
            Err(_) => Err(self.lost().await),
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
        self.answer(asked, tag, take).await
    }

    /// Waits for the answer with this tag; what comes in between is kept for later.
    pub async fn answer<T>(
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
                    return Err(DeviceError::Refused { asked, refused }.into());
                }
                Event { report: Report::State(state), .. } if !matches!(state, State::Faulted(_)) => self.note(state),
                Event { tag: of, report } if of == tag => {
                    return match report {
                        Report::Refused(refused) => Err(DeviceError::Refused { asked, refused }.into()),
                        report => take(&report).ok_or_else(|| {
                            DeviceError::Protocol { what: format!("`{asked}` was answered with {report:?}") }.into()
                        }),
                    };
                }
                _ => self.early.push_back(bytes),
            }
        }
    }

    /// Waits for "done" to what was asked under this tag.
    pub async fn done(&mut self, asked: &'static str, tag: u16) -> Result<(), Trouble> {
        self.answer(asked, tag, done).await
    }

    /// The next message that answers no question.
    pub async fn next_unasked(&mut self, wanted: &'static str, wait: Duration) -> Result<Unasked, Trouble> {
        let bytes = match self.early.pop_front() {
            Some(bytes) => bytes,
            None => self.next_message(wanted, wait).await?,
        };
        match decode(&bytes)?.report {
            Report::Equilibria(_) => {}
            Report::State(state @ State::Faulted(_)) => return Err(DeviceError::Fault(state).into()),
            Report::State(state) => {
                self.note(state);
                return Ok(Unasked::State);
            }
            Report::Refused(refused) => return Err(DeviceError::Refused { asked: wanted, refused }.into()),
            other => {
                return Err(DeviceError::Protocol { what: format!("{other:?} came while shots ran") }.into());
            }
        }
        Ok(Unasked::Equilibria(bytes))
    }

    /// How the connection ended.
    async fn lost(&mut self) -> Trouble {
        match self.connection.end().await {
            End { cause: Cause::Failed(what), .. } => DeviceError::Protocol { what }.into(),
            end => Trouble::Lost(end),
        }
    }

    fn note(&mut self, state: State) {
        self.went_safe |= state == State::Safe(SafeCause::Deadman);
    }

    async fn next_message(&mut self, asked: &'static str, wait: Duration) -> Result<Vec<u8>, Trouble> {
        let Connection { incoming, gauge, .. } = &mut self.connection;
        match self.watch.over(gauge, incoming.recv(), Some((asked, wait))).await? {
            Some(bytes) => {
                self.answered = true;
                Ok(bytes)
            }
            None => Err(self.lost().await),
        }
    }

    /// An ended connection in words, where nothing is done about it.
    pub fn gone(&self, end: &End) -> DeviceError {
        DeviceError::Lost { place: self.place.clone(), reason: end.cause.to_string() }
    }
}

fn done(report: &Report<'_>) -> Option<()> {
    matches!(report, Report::Done).then_some(())
}

pub(super) fn decode(bytes: &[u8]) -> Result<Event<'_>, DeviceError> {
    message::decode(bytes)
        .ok_or_else(|| DeviceError::Protocol { what: format!("a message of {} bytes cannot be decoded", bytes.len()) })
}
