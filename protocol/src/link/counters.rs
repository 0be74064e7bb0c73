//! What a link counts. A rising rate of bad frames or resends warns before a line fails.

use crate::frame::DeframerCounters;

/// Counts since the link was made, over all sessions, and gauges of the current one. Counts wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Bytes received from the line.
    pub bytes_in: u64,
    /// Bytes written to the line.
    pub bytes_out: u64,
    /// Frames received with a right CRC.
    pub frames_in: u32,
    /// Frames written.
    pub frames_out: u32,
    /// Stream bytes (messages and their length prefixes) taken in, each counted once.
    pub stream_in: u64,
    /// Stream bytes acknowledged by the peer.
    pub stream_out: u64,
    /// Frames dropped by the deframer, by reason.
    pub framing: DeframerCounters,
    /// Frames of another session.
    pub foreign_session: u32,
    /// Frames of another wire version.
    pub other_version: u32,
    /// Frames that carry this end's own direction bit: an echoing line.
    pub echoed: u32,
    /// Frames with a right CRC that make no sense here.
    pub malformed: u32,
    /// Data frames written, repeats included.
    pub data_out: u32,
    /// Data frames written that repeat bytes sent before, probes after a time-out included.
    pub resends: u32,
    /// Times the resend or credit timer ran out.
    pub timeouts: u32,
    /// Data frames that did not arrive, as the peer's acknowledgements tell.
    pub lost: u32,
    /// Data frames received that brought only bytes known already.
    pub duplicates: u32,
    /// Data frames received before bytes in front of them: held until those come, or dropped if there was no place.
    pub early: u32,
    /// Of these, dropped.
    pub early_dropped: u32,
    /// Data frames of which a part was dropped because the peer did not respect the credit.
    pub over_credit: u32,
    /// Messages announced that can never fit the receive storage.
    pub too_long: u32,
    /// Sessions begun.
    pub sessions: u32,
    /// Gauge: smoothed round trip in microseconds, 0 before the first measurement.
    pub rtt_us: u32,
    /// Gauge: resend time-out in force, in microseconds.
    pub rto_us: u32,
    /// Gauge: bytes that may be in flight just now, min(send storage, peer's credit).
    pub window: u32,
    /// Gauge: payload of a full Data frame sent now, in bytes.
    pub payload: u32,
}

/// Counts one more, wrapping.
pub(super) fn bump(counter: &mut u32) {
    *counter = counter.wrapping_add(1);
}
