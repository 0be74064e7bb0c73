//! Recordings of a line: written, read back, and told in words.
//!
//! [`Tracer`] writes a capture file, [`LineRecorder`] does so from a thread of its own, [`Trace`] reads such a file,
//! [`FrameFinder`] tells what frames are in it, and [`MessageFinder`] what they say. Everything but the line recorder takes
//! the time as an argument, and does no I/O beyond the `Read` or `Write` it is given.

mod messages;
mod pcap;
mod recorder;
mod rendering;

pub use messages::MessageFinder;
pub use pcap::{LINKTYPE_USER0, Record, Trace, TraceError, Tracer};
pub use recorder::LineRecorder;
pub use rendering::{BadFrame, Content, FrameFinder, TracedFrame};
