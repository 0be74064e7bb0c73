//! A host without I/O and without a mind of its own: it says what a test tells it to and writes down what it hears.

use xyloop_protocol::{
    link::{Config, Link, Role},
    message::{self, BootCause, Command, Event, Report, Request, State},
};

use crate::{
    end::End,
    heard::{Answer, Row},
    memory::{LinkSizes, link},
    read_outs::{ReadOuts, sums_of},
};

/// Longest request, bytes.
const REQUEST_MAX: usize = 4096;

/// How long the results were on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResultBytes {
    /// All messages with equilibria, bytes.
    pub messages: usize,
    /// The read-outs in them, bytes.
    pub read_outs: usize,
}

/// The host's end. What it heard stays until a test takes it.
#[derive(Debug)]
pub struct ScriptedHost<'m> {
    /// Its link, for a test that does with it what it likes.
    pub link: Link<'m>,
    /// Equilibria, in the order in which they came.
    pub rows: Vec<Row>,
    /// States that the device told of unasked.
    pub states: Vec<State>,
    /// Why the device said that it started, and the note left behind before.
    pub boots: Vec<(BootCause, String)>,
    /// Answers that nobody has taken yet, with the tags of their requests.
    pub answers: Vec<(u16, Answer)>,
    /// Bytes of the results so far.
    pub result_bytes: ResultBytes,
    read_outs: ReadOuts,
    tag: u16,
}

impl<'m> ScriptedHost<'m> {
    /// Makes a host over this link, which has no session yet.
    pub fn over(link: Link<'m>) -> Self {
        Self {
            link,
            rows: Vec::new(),
            states: Vec::new(),
            boots: Vec::new(),
            answers: Vec::new(),
            result_bytes: ResultBytes::default(),
            read_outs: ReadOuts::default(),
            tag: 0,
        }
    }

    /// Sends a request if the session has room for it; returns its tag.
    pub fn try_tell(&mut self, command: Command<'_>) -> Option<u16> {
        let tag = self.tag.checked_add(1).unwrap_or(1);
        let mut buffer = [0; REQUEST_MAX];
        let bytes = message::encode(&Request { tag, command }, &mut buffer).expect("the request is short");
        self.try_tell_raw(bytes).then(|| {
            self.tag = tag;
            tag
        })
    }

    /// Sends a message that may be anything, if the session has room for it; returns whether it had.
    pub fn try_tell_raw(&mut self, bytes: &[u8]) -> bool {
        self.link.send(bytes).is_ok()
    }

    /// Takes the first answer to a request, if it is there.
    pub fn take_answer(&mut self, tag: u16) -> Option<Answer> {
        let place = self.answers.iter().position(|(of, _)| *of == tag)?;
        Some(self.answers.remove(place).1)
    }

    /// Returns whether an answer to a request is there.
    pub fn is_answered(&self, tag: u16) -> bool {
        self.answers.iter().any(|(of, _)| *of == tag)
    }

    /// Returns the contrast sums that were asked for with this request, as far as they have come.
    pub fn sums(&self, tag: u16) -> Vec<i32> {
        let mut all = Vec::new();
        for (_, answer) in self.answers.iter().filter(|(of, _)| *of == tag) {
            let Answer::Contrast { first, sums, .. } = answer else { panic!("{answer:?}") };
            assert_eq!(*first as usize, all.len(), "parts come in order");
            all.extend(sums);
        }
        all
    }

    /// Reads and writes down every message that is there.
    pub fn listen(&mut self) {
        while let Some(bytes) = self.link.front() {
            let event = message::decode::<Event<'_>>(bytes).expect("a message of the protocol");
            let answer = match event.report {
                Report::Done => Some(Answer::Done),
                Report::Refused(refusal) => Some(Answer::Refused(refusal)),
                Report::Identity(identity) => {
                    self.boots.push((identity.boot_cause, identity.boot_note.to_owned()));
                    Some(Answer::Identity(identity.limits))
                }
                Report::Status(status) => Some(Answer::Status(status)),
                Report::Contrast(part) => Some(Answer::Contrast {
                    shots: part.shots,
                    left_out: part.left_out,
                    saturated: part.saturated,
                    first: part.first,
                    sums: sums_of(&part),
                }),
                Report::State(state) => {
                    self.states.push(state);
                    None
                }
                Report::Equilibria(equilibria) => {
                    self.result_bytes.messages += bytes.len();
                    let read_outs = equilibria.iter().map(|row| row.expect("whole rows").1.data.0.len());
                    self.result_bytes.read_outs += read_outs.sum::<usize>();
                    self.rows.extend(self.read_outs.rows(&equilibria));
                    None
                }
            };
            self.answers.extend(answer.map(|answer| (event.tag, answer)));
            self.link.pop();
        }
    }
}

impl ScriptedHost<'static> {
    /// Makes a host over a link of these sizes, in leaked memory.
    pub fn new(sizes: LinkSizes) -> Self {
        Self::over(link(Role::Host, sizes, Config::host()))
    }
}

impl End for ScriptedHost<'_> {
    fn receive(&mut self, now_us: u64, bytes: &[u8]) {
        self.link.receive(now_us, bytes);
    }

    fn transmit(&mut self, now_us: u64, out: &mut [u8]) -> usize {
        self.link.transmit(now_us, out)
    }

    fn poll(&mut self, _now_us: u64) {
        self.listen();
    }

    fn next_wakeup_us(&self) -> Option<u64> {
        self.link.next_wakeup_us()
    }
}
