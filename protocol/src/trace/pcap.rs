//! Recordings of a line as capture files that common tools open: classic pcap, link type 147 (`LINKTYPE_USER0`).
//!
//! A file header of 24 bytes, then records of 16 bytes of header and their data, all little endian:
//!
//! ```text
//! a1b2c3d4 | version 2.4 | 0 | 0 | snap length | 147        seconds | microseconds | length | length | data
//! ```
//!
//! The data of a record is one byte for the direction (0 host → device, 1 device → host) and the bytes that went over
//! the line at that moment, cut anywhere.

use core::fmt;
use std::{
    io::{self, Read, Write},
    vec,
    vec::Vec,
};

use crate::link::Role;

/// The link type of the recordings: one of those set aside for private use.
pub const LINKTYPE_USER0: u32 = 147;

const MAGIC: u32 = 0xa1b2_c3d4;
/// Largest record, as tcpdump has it.
const SNAP_LENGTH: u32 = 262_144;
/// The largest record that is believed when a file is read.
const RECORD_MAX: u32 = 1 << 24;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// Writes what goes over a line into a capture file.
#[derive(Debug)]
pub struct Tracer<W> {
    sink: W,
}

impl<W: Write> Tracer<W> {
    /// A recording of nothing yet; writes the file's header.
    ///
    /// # Errors
    /// If the sink does not take it.
    pub fn new(mut sink: W) -> io::Result<Self> {
        let mut header = Vec::with_capacity(FILE_HEADER);
        header.extend(MAGIC.to_le_bytes());
        header.extend(2_u16.to_le_bytes());
        header.extend(4_u16.to_le_bytes());
        header.extend([0; 8]);
        header.extend(SNAP_LENGTH.to_le_bytes());
        header.extend(LINKTYPE_USER0.to_le_bytes());
        sink.write_all(&header)?;
        Ok(Self { sink })
    }

    /// Writes down bytes that `sender` sent. `time_us` counts microseconds from any origin; tools take it for Unix time.
    /// No bytes make no record, more than fit one make several.
    ///
    /// # Errors
    /// If the sink does not take it.
    pub fn record(&mut self, time_us: u64, sender: Role, bytes: &[u8]) -> io::Result<()> {
        let seconds = u32::try_from(time_us / 1_000_000).unwrap_or(u32::MAX);
        let micros = (time_us % 1_000_000) as u32;
        for piece in bytes.chunks(SNAP_LENGTH as usize - 1) {
            let length = 1 + piece.len() as u32;
            let mut header = [0; RECORD_HEADER + 1];
            for (place, word) in header.chunks_exact_mut(4).zip([seconds, micros, length, length]) {
                place.copy_from_slice(&word.to_le_bytes());
            }
            header[RECORD_HEADER] = match sender {
                Role::Host => 0,
                Role::Device => 1,
            };
            self.sink.write_all(&header)?;
            self.sink.write_all(piece)?;
        }
        Ok(())
    }

    /// Sees to it that everything recorded so far is in the file.
    ///
    /// # Errors
    /// If the sink does not take it.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    /// The sink, not flushed.
    pub fn into_inner(self) -> W {
        self.sink
    }
}

/// One record of a capture file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When, in microseconds, as it was given to [`Tracer::record`].
    pub time_us: u64,
    /// Which end sent the bytes.
    pub sender: Role,
    /// What went over the line, cut anywhere.
    pub bytes: Vec<u8>,
}

/// Says why a capture file cannot be read (on).
#[derive(Debug)]
#[non_exhaustive]
pub enum TraceError {
    /// The file does not begin as a classic pcap with microseconds, little endian.
    NotPcap {
        /// Its first four bytes, or fewer if there are not as many.
        begins: Vec<u8>,
    },
    /// A capture of something else.
    OtherLinkType {
        /// Its link type.
        link_type: u32,
    },
    /// The file ends within a record, as after a crash of what wrote it. Everything before was read.
    Torn {
        /// Bytes of the record that are there.
        bytes: usize,
    },
    /// A record that is none of ours: its direction is neither 0 nor 1, or its length makes no sense.
    Damaged {
        /// Number of the record, from 0.
        record: u64,
        /// Its length in bytes, direction included.
        length: u32,
        /// Its first byte.
        direction: Option<u8>,
    },
    /// The file cannot be read.
    Io(io::Error),
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPcap { begins } if matches!(begins[..], [0x0a, 0x0d, 0x0d, 0x0a]) => {
                f.write_str("it is a pcapng file; `editcap -F pcap IN OUT` makes a pcap of it")
            }
            Self::NotPcap { begins } if is_other_pcap(begins) => {
                f.write_str("it is a pcap of another byte order or time unit than recordings have")
            }
            Self::NotPcap { begins } => {
                write!(f, "it is no pcap file (it begins with {begins:02x?}, not with [d4, c3, b2, a1])")
            }
            Self::OtherLinkType { link_type } => write!(
                f,
                "it is a capture of link type {link_type}; recordings of a device's line have {LINKTYPE_USER0} (USER0)"
            ),
            Self::Torn { bytes } => write!(f, "the file ends within a record: {bytes} bytes are torn off"),
            Self::Damaged { record, length, direction: Some(byte) } => {
                write!(f, "record {record} ({length} bytes) has direction {byte}, which is neither 0 nor 1")
            }
            Self::Damaged { record, length, direction: None } => {
                write!(f, "record {record} is said to have {length} bytes: the file is damaged")
            }
            Self::Io(error) => write!(f, "it cannot be read: {error}"),
        }
    }
}

impl core::error::Error for TraceError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Big endian, or with nanoseconds in either order.
fn is_other_pcap(begins: &[u8]) -> bool {
    [[0xa1, 0xb2, 0xc3, 0xd4], [0xa1, 0xb2, 0x3c, 0x4d], [0x4d, 0x3c, 0xb2, 0xa1]].iter().any(|magic| begins == magic)
}

/// The records of a capture file, in the order of the file. Ends after the first error.
#[derive(Debug)]
pub struct Trace<R> {
    source: R,
    records: u64,
    ended: bool,
}

impl<R: Read> Trace<R> {
    /// Reads the file's header. A source that is not buffered is read in small pieces.
    ///
    /// # Errors
    /// [`TraceError::NotPcap`], [`TraceError::OtherLinkType`], [`TraceError::Torn`] or [`TraceError::Io`].
    pub fn new(mut source: R) -> Result<Self, TraceError> {
        let mut header = [0; FILE_HEADER];
        let length = fill(&mut source, &mut header)?;
        if length < 4 || word(&header, 0) != MAGIC {
            return Err(TraceError::NotPcap { begins: header[..length.min(4)].to_vec() });
        }
        if length < FILE_HEADER {
            return Err(TraceError::Torn { bytes: length });
        }
        // The upper bits may hold the length of a frame check sequence.
        match word(&header, 20) & 0xffff {
            LINKTYPE_USER0 => Ok(Self { source, records: 0, ended: false }),
            link_type => Err(TraceError::OtherLinkType { link_type }),
        }
    }

    fn read(&mut self) -> Result<Option<Record>, TraceError> {
        let mut header = [0; RECORD_HEADER];
        match fill(&mut self.source, &mut header)? {
            0 => return Ok(None),
            RECORD_HEADER => {}
            bytes => return Err(TraceError::Torn { bytes }),
        }
        let [seconds, micros, length, _] = [0, 4, 8, 12].map(|at| word(&header, at));
        if !(1..=RECORD_MAX).contains(&length) {
            return Err(TraceError::Damaged { record: self.records, length, direction: None });
        }
        // A length is believed when the bytes are there.
        let mut bytes = vec![0; (length as usize).min(SNAP_LENGTH as usize)];
        let mut there = 0;
        loop {
            there += fill(&mut self.source, &mut bytes[there..])?;
            if there < bytes.len() {
                return Err(TraceError::Torn { bytes: RECORD_HEADER + there });
            }
            if there == length as usize {
                break;
            }
            bytes.resize((length as usize).min(2 * there), 0);
        }
        let sender = match bytes.remove(0) {
            0 => Role::Host,
            1 => Role::Device,
            other => return Err(TraceError::Damaged { record: self.records, length, direction: Some(other) }),
        };
        self.records += 1;
        Ok(Some(Record { time_us: u64::from(seconds) * 1_000_000 + u64::from(micros), sender, bytes }))
    }
}

impl<R: Read> Iterator for Trace<R> {
    type Item = Result<Record, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let record = self.read().transpose();
        self.ended = !matches!(record, Some(Ok(_)));
        record
    }
}

/// Reads until `buffer` is full or the source ends; how many bytes came.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize, TraceError> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(TraceError::Io(error)),
        }
    }
    Ok(length)
}

/// The little-endian word at `at`; 0 beyond the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}
