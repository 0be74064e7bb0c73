//! What frames a recording holds, good ones and damaged ones, one line of text for each.

use core::fmt;
use std::{vec, vec::Vec};

use super::Record;
use crate::{
    frame::{self, Assembler, Deframer, FRAME_MAX, Header, Kind},
    link::Role,
};

/// Bytes of the payload (or of a damaged frame) that are shown.
const PREVIEW: usize = 12;

/// Says why a frame is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum BadFrame {
    /// The CRC is wrong.
    Crc,
    /// It ends within a COBS run.
    Cobs,
    /// Too short for a header and a CRC.
    Short,
    /// The CRC is right and the kind unknown.
    Kind,
    /// Longer than any frame.
    Long,
}

impl BadFrame {
    /// One word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc => "crc",
            Self::Cobs => "cobs",
            Self::Short => "short",
            Self::Kind => "kind",
            Self::Long => "long",
        }
    }
}

/// Holds what is between the ends of two frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A frame.
    Good {
        /// Its header.
        header: Header,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// Something damaged.
    Bad {
        /// What is wrong with it.
        reason: BadFrame,
        /// The bytes on the line, without delimiters.
        bytes: Vec<u8>,
    },
}

/// A frame of a recording, good or bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedFrame {
    /// When its last byte came, in microseconds.
    pub time_us: u64,
    /// The direction in which it went; the header may say otherwise, on a line that echoes.
    pub sender: Role,
    /// Bytes on the line, delimiters included.
    pub line_bytes: usize,
    /// What it is.
    pub content: Content,
}

impl fmt::Display for TracedFrame {
    /// One line without the end of the line: time in seconds, direction, kind, session, seq, ack, credit, payload length
    /// and its first bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = match self.sender {
            Role::Host => "host -> device",
            Role::Device => "host <- device",
        };
        write!(f, "{:5}.{:06}  {arrow}  ", self.time_us / 1_000_000, self.time_us % 1_000_000)?;
        let shown = match &self.content {
            Content::Good { header, payload } => {
                write!(
                    f,
                    "{:<6}  session {:08x}  seq {:>10}  ack {:>10}  credit {:>5}  {:>5} B",
                    kind_name(header.kind),
                    header.session,
                    header.seq,
                    header.ack,
                    header.credit,
                    payload.len()
                )?;
                if header.version != frame::WIRE_VERSION & 0x0f {
                    write!(f, "  version {}", header.version)?;
                }
                if header.sender != self.sender {
                    f.write_str("  echoed")?;
                }
                payload
            }
            Content::Bad { reason, bytes } => {
                write!(f, "BAD {:<5}  {} B", reason.name(), bytes.len())?;
                bytes
            }
        };
        for (index, byte) in shown.iter().take(PREVIEW).enumerate() {
            write!(f, "{}{byte:02x}", if index == 0 { "  " } else { " " })?;
        }
        if shown.len() > PREVIEW { f.write_str(" ...") } else { Ok(()) }
    }
}

/// The name of a kind of frame.
pub(super) const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Data => "Data",
        Kind::Ack => "Ack",
        Kind::Open => "Open",
        Kind::Accept => "Accept",
        Kind::Reset => "Reset",
        Kind::Close => "Close",
    }
}

impl TracedFrame {
    /// The kind's name, or nothing for a bad frame.
    pub fn kind_name(&self) -> Option<&'static str> {
        match &self.content {
            Content::Good { header, .. } => Some(kind_name(header.kind)),
            Content::Bad { .. } => None,
        }
    }
}

/// Finds the frames in the records of a line, both directions.
#[derive(Debug)]
pub struct FrameFinder {
    /// Host's, device's.
    lines: [Assembler; 2],
    storage: Vec<u8>,
}

impl Default for FrameFinder {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameFinder {
    /// One that has seen nothing yet.
    pub fn new() -> Self {
        Self { lines: [Assembler::default(), Assembler::default()], storage: vec![0; FRAME_MAX] }
    }

    /// The frames that this record completes, in their order.
    pub fn frames(&mut self, record: &Record) -> Vec<TracedFrame> {
        let line = &mut self.lines[index(record.sender)];
        let mut rest = &record.bytes[..];
        let mut found = Vec::new();
        while let Some(bytes) = line.next_frame(&mut rest) {
            let content = decode(&bytes, &mut self.storage);
            let (time_us, sender) = (record.time_us, record.sender);
            found.push(TracedFrame { time_us, sender, line_bytes: bytes.len(), content });
        }
        found
    }

    /// Bytes of a frame that `sender` has begun and not ended.
    pub fn unfinished(&self, sender: Role) -> usize {
        self.lines[index(sender)].waiting()
    }
}

const fn index(sender: Role) -> usize {
    match sender {
        Role::Host => 0,
        Role::Device => 1,
    }
}

/// Looks at one frame by itself: a deframer of its own tells what is wrong with it.
fn decode(bytes: &[u8], storage: &mut [u8]) -> Content {
    let mut deframer = Deframer::new(storage);
    let mut input = bytes;
    if let Some(good) = deframer.feed(&mut input) {
        return Content::Good { header: good.header, payload: good.payload.to_vec() };
    }
    let counters = deframer.counters();
    let reason = if counters.bad_crc > 0 {
        BadFrame::Crc
    } else if counters.bad_cobs > 0 {
        BadFrame::Cobs
    } else if counters.short > 0 {
        BadFrame::Short
    } else if counters.unknown_kind > 0 {
        BadFrame::Kind
    } else {
        // It did not even end.
        BadFrame::Long
    };
    let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
    let content = bytes.get(start..).unwrap_or_default();
    Content::Bad { reason, bytes: content.strip_suffix(&[0]).unwrap_or(content).to_vec() }
}
