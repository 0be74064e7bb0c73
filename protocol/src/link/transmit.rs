//! Which frames are due, in which order they go out, and when to look again.

use super::config::State;
use super::counters::bump;
use super::engine::Engine;
use super::send::Segment;
use crate::frame::{self, Header, Kind};

/// No smaller probes are sent, in bytes of payload.
const LEAST_PROBE: usize = 16;

/// The caller's output slice and how much of it is filled.
struct Writer<'o> {
    out: &'o mut [u8],
    used: usize,
    frames: u32,
}

impl Writer<'_> {
    /// Writes one frame if it fits.
    fn frame(&mut self, header: &Header, payload: &[&[u8]]) -> bool {
        let room = self.out.get_mut(self.used..).unwrap_or(&mut []);
        match frame::encode(header, payload, room) {
            Ok(written) => {
                self.used += written;
                self.frames = self.frames.wrapping_add(1);
                true
            }
            Err(_) => false,
        }
    }

    /// Payload bytes that surely still fit.
    fn fitting(&self) -> usize {
        frame::payload_fitting(self.out.len() - self.used)
    }

    /// The largest payload to ask for: frames are cut only for a slice that is small as a whole.
    fn most(&self, payload: usize) -> usize {
        if self.used == 0 { payload.min(self.fitting()) } else { payload }
    }
}

impl Engine<'_> {
    pub fn transmit(&mut self, now_us: u64, out: &mut [u8]) -> usize {
        self.advance(now_us);
        self.run_timer();
        let mut writer = Writer { out, used: 0, frames: 0 };
        self.write_refusals(&mut writer);
        match self.state {
            State::Connecting { .. } => self.write_open(&mut writer),
            State::Connected { .. } => self.write_streams(&mut writer),
            _ => {}
        }
        if writer.frames > 0 {
            self.last_sent_us = self.now_us;
            self.counters.frames_out = self.counters.frames_out.wrapping_add(writer.frames);
            self.counters.bytes_out = self.counters.bytes_out.wrapping_add(writer.used as u64);
        }
        writer.used
    }

    pub fn next_wakeup_us(&self) -> Option<u64> {
        let refusals = self.reset.is_some() || self.answer.is_some() || self.close_due;
        if refusals || (self.connected() && self.stream_frame_due()) {
            return Some(self.now_us);
        }
        [self.timer, self.open_at_us, self.keepalive_at_us()].into_iter().flatten().min()
    }

    fn stream_frame_due(&self) -> bool {
        self.ack_due || self.probe_due || self.send.next(self.payload(), self.least_piece()).is_some()
    }

    fn keepalive_at_us(&self) -> Option<u64> {
        let due = self.connected() && self.config.keepalive_us > 0;
        due.then(|| self.last_sent_us.saturating_add(u64::from(self.config.keepalive_us)))
    }

    /// Smallest piece worth a Data frame while others are in flight, in bytes.
    fn least_piece(&self) -> usize {
        self.payload().min(self.send.window() / 4)
    }

    /// Payload of a probe, in bytes: halved with every time-out in a row but the first. On a line on which no large frame
    /// survives, nothing is heard that would tell so; a small one gets through.
    fn probe_payload(&self) -> usize {
        (self.payload() >> self.rtt.time_outs().saturating_sub(1)).max(LEAST_PROBE.min(self.payload()))
    }

    fn run_timer(&mut self) {
        if !self.connected() || self.timer.is_none_or(|at| self.now_us < at) {
            return;
        }
        self.timer = None;
        if !self.send.resending() && (self.send.outstanding() > 0 || self.send.blocked()) {
            bump(&mut self.counters.timeouts);
            self.rtt.back_off();
            // A peer that is only out of room says nothing about the line.
            if self.rtt.time_outs() > 1 && self.send.outstanding() > 0 {
                self.sizer.shrink();
            }
            self.probe_due = true;
        }
        self.arm();
    }

    fn header(&self, kind: Kind, session: u32) -> Header {
        let version = self.config.version & 0x0F;
        Header { version, sender: self.role, kind, session, seq: 0, ack: 0, credit: 0 }
    }

    /// A header of the current session with acknowledgement and credit.
    fn stream_header(&self, kind: Kind, seq: u32) -> Header {
        Header {
            seq,
            ack: self.receive.next_offset(),
            credit: self.receive.credit(),
            ..self.header(kind, self.session)
        }
    }

    /// Reset, Accept and Close: answers that are due in any state.
    fn write_refusals(&mut self, writer: &mut Writer<'_>) {
        if let Some(session) = self.reset
            && writer.frame(&self.header(Kind::Reset, session), &[])
        {
            self.reset = None;
        }
        if let Some(answer) = self.answer {
            // Not the free room of the running session: this is for one that would begin with an empty storage.
            let credit = u16::try_from(self.receive.capacity()).unwrap_or(u16::MAX);
            let header = self.header(Kind::Accept, answer.session);
            let header = Header { seq: answer.seq, ack: answer.ack, credit, ..header };
            if writer.frame(&header, &[&self.opening().to_bytes(), self.own_greeting.as_slice()]) {
                self.answer = None;
            }
        }
        if self.close_due && writer.frame(&self.stream_header(Kind::Close, self.send.next_offset()), &[]) {
            self.close_due = false;
        }
    }

    fn write_open(&mut self, writer: &mut Writer<'_>) {
        if self.open_at_us.is_none_or(|at| self.now_us < at) {
            return;
        }
        let header = Header { seq: self.own_start, ack: 0, ..self.stream_header(Kind::Open, 0) };
        if writer.frame(&header, &[&self.opening().to_bytes(), self.own_greeting.as_slice()]) {
            self.open_at_us = Some(self.now_us.saturating_add(u64::from(self.config.open_interval_us.max(1))));
        }
    }

    fn write_streams(&mut self, writer: &mut Writer<'_>) {
        if let Some((report, len)) = self.receive.report() {
            let header = self.stream_header(Kind::Ack, self.send.next_offset());
            if writer.frame(&header, &[report.get(..len).unwrap_or(&[])]) {
                self.receive.mark_reported();
                self.mark_acked();
            }
        }
        if self.probe_due {
            // With nothing to repeat (the peer has no room, say) an empty frame asks for an acknowledgement.
            let probe = self.send.probe(writer.most(self.probe_payload()), self.rtt.time_outs() > 1);
            if self.write_data(writer, probe) {
                self.probe_due = false;
                if let Some(probe) = probe {
                    // Nothing was heard of it for so long that it counts as lost.
                    self.sizer.note(probe.len, false);
                }
                bump(&mut self.counters.resends);
            }
        }
        while let Some(next) = self.send.next(writer.most(self.payload()), self.least_piece()) {
            if !self.write_data(writer, Some(next)) {
                break;
            }
            if next.repeats() {
                bump(&mut self.counters.resends);
                self.timer = None;
            }
            self.arm();
        }
        let keepalive = writer.frames == 0 && self.keepalive_at_us().is_some_and(|at| at <= self.now_us);
        if (self.ack_due || keepalive) && writer.frame(&self.stream_header(Kind::Ack, self.send.next_offset()), &[]) {
            self.mark_acked();
        }
    }

    fn write_data(&mut self, writer: &mut Writer<'_>, segment: Option<Segment>) -> bool {
        let at = segment.map_or(self.send.outstanding(), |segment| segment.at);
        let header = self.stream_header(Kind::Data, self.send.offset(at));
        let parts = segment.map_or([&[][..]; 2], |segment| self.send.parts(segment));
        let fits = segment.is_none_or(|segment| segment.len > 0 && segment.len <= writer.fitting());
        let written = fits && writer.frame(&header, &parts);
        if written {
            if let Some(segment) = segment {
                self.send.mark_sent(segment, self.now_us);
            }
            bump(&mut self.counters.data_out);
            self.mark_acked();
        }
        written
    }

    /// Acknowledgement and credit just went out.
    fn mark_acked(&mut self) {
        self.ack_due = false;
        self.receive.mark_announced();
    }
}
