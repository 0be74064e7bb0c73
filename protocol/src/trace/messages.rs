//! What the frames of a recording say: the streams of a session put together again, and their messages by name.
//!
//! A stream is followed from the Open or Accept that says where it starts. Of a session whose beginning is not in the
//! recording nothing is named, and neither is what lies behind a piece that never came.

use core::fmt::{self, Write as _};
use std::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{Content, TracedFrame};
use crate::{
    frame::Kind,
    link::Role,
    message::{self, Command, Event, Report, Request},
};

/// Bytes that are kept behind a missing piece; more than any window.
const AHEAD_MAX: usize = 1 << 18;

/// One direction of a session.
#[derive(Debug, Default)]
struct Stream {
    session: Option<u32>,
    /// Offset of the first byte that is not in `bytes` yet.
    next: u32,
    /// In order, from a message's beginning on.
    bytes: Vec<u8>,
    /// Pieces that came before the ones in front of them, by their distance from where the stream began.
    ahead: BTreeMap<u32, Vec<u8>>,
    start: u32,
}

impl Stream {
    fn begin(&mut self, session: u32, start: u32) {
        // Opens and Accepts are repeated.
        if self.session != Some(session) || self.start != start {
            *self = Self { session: Some(session), next: start, start, ..Self::default() };
        }
    }

    fn take(&mut self, seq: u32, payload: &[u8]) {
        let ahead = seq.wrapping_sub(self.next);
        if ahead == 0 || ahead > u32::MAX / 2 {
            self.append(seq, payload);
            // What came early may fit now; distances order the pieces as they lie in the stream.
            while let Some(entry) = self.ahead.first_entry() {
                let seq = self.start.wrapping_add(*entry.key());
                if seq.wrapping_sub(self.next).wrapping_sub(1) < u32::MAX / 2 {
                    break;
                }
                let piece = entry.remove();
                self.append(seq, &piece);
            }
        } else if self.ahead.values().map(Vec::len).sum::<usize>() + payload.len() <= AHEAD_MAX {
            let piece = self.ahead.entry(seq.wrapping_sub(self.start)).or_default();
            if piece.len() < payload.len() {
                *piece = payload.to_vec();
            }
        }
    }

    /// Returns what is new of a piece that begins at `next` or before.
    fn append(&mut self, seq: u32, payload: &[u8]) {
        let known = self.next.wrapping_sub(seq) as usize;
        let new = payload.get(known..).unwrap_or_default();
        self.bytes.extend_from_slice(new);
        self.next = self.next.wrapping_add(new.len() as u32);
    }

    /// The next whole message.
    fn pop(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(u16::from_le_bytes(*self.bytes.first_chunk()?));
        let message = self.bytes.get(2..2 + length)?.to_vec();
        self.bytes.drain(..2 + length);
        Some(message)
    }
}

/// Names the messages that frames complete, both directions.
#[derive(Debug, Default)]
pub struct MessageFinder {
    /// Host's, device's.
    streams: [Stream; 2],
}

impl MessageFinder {
    /// One that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The messages that this frame completes, in their order, each in a few words: `#7 Commit`, `Equilibria shot 12/1,2`.
    pub fn messages(&mut self, frame: &TracedFrame) -> Vec<String> {
        let Content::Good { header, payload } = &frame.content else { return Vec::new() };
        // An echo is nobody's word.
        if header.sender != frame.sender {
            return Vec::new();
        }
        let [host, device] = &mut self.streams;
        let stream = match frame.sender {
            Role::Host => host,
            Role::Device => device,
        };
        let mut named = Vec::new();
        match header.kind {
            Kind::Open | Kind::Accept => stream.begin(header.session, header.seq),
            Kind::Data if stream.session == Some(header.session) => {
                stream.take(header.seq, payload);
                while let Some(message) = stream.pop() {
                    named.push(match frame.sender {
                        Role::Host => request(&message),
                        Role::Device => event(&message),
                    });
                }
            }
            _ => {}
        }
        named
    }
}

fn request(bytes: &[u8]) -> String {
    let Some(request) = message::decode::<Request<'_>>(bytes) else { return malformed(bytes) };
    let name = match &request.command {
        Command::Shot(shot) => format!("Shot {}", shot.id),
        Command::Retire(through) => format!("Retire {through}"),
        Command::Commit(generation) => format!("Commit {}", generation.number),
        Command::Stage(stage) => format!("Stage {} {:?} from {}", stage.generation, stage.block, stage.first),
        other => name(other),
    };
    tagged(request.tag, &name)
}

fn event(bytes: &[u8]) -> String {
    let Some(event) = message::decode::<Event<'_>>(bytes) else { return malformed(bytes) };
    let name = match &event.report {
        Report::Equilibria(equilibria) => {
            let segments: Vec<String> = equilibria
                .iter()
                .map(|row| row.map_or_else(|damaged| damaged.to_string(), |(segment, _)| segment.to_string()))
                .collect();
            format!("Equilibria shot {}/{}", equilibria.shot, segments.join(","))
        }
        Report::Refused(refusal) => format!("Refused {:?} {}", refusal.reason, refusal.detail),
        Report::State(state) => format!("State {state:?}"),
        other => name(other),
    };
    tagged(event.tag, &name)
}

fn malformed(bytes: &[u8]) -> String {
    format!("malformed, {} B", bytes.len())
}

fn tagged(tag: u16, name: &str) -> String {
    if tag == 0 { name.to_string() } else { format!("#{tag} {name}") }
}

/// The name of a variant: what its `Debug` output begins with.
fn name(variant: &impl fmt::Debug) -> String {
    let mut first = FirstWord(String::new());
    // Ends with an error at the end of the word: nothing behind it is formatted.
    let _ = write!(first, "{variant:?}");
    first.0
}

struct FirstWord(String);

impl fmt::Write for FirstWord {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let word = text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        self.0.push_str(word);
        if word.len() == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
