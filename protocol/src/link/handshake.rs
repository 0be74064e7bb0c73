//! How sessions begin and end: Open, Accept, the confirmation, Reset and Close. See *Sessions* in [`crate::link`].

use super::config::State;
use super::counters::bump;
use super::engine::Engine;
use super::rtt::RttEstimator;
use super::session::{Answer, Greeting, Opening, Pending, draw_start};
use super::sizer::FrameSizer;
use crate::frame::{Frame, Header, Kind, Role};

/// Least time between two Resets (or repeated Closes), in microseconds.
const REFUSAL_INTERVAL_US: u64 = 20_000;

impl Engine<'_> {
    pub fn connect(&mut self, session: u32, now_us: u64) {
        self.advance(now_us);
        if self.role == Role::Device {
            return;
        }
        let start = self.draw_start(session);
        self.begin(session, start, 0, 0);
        self.receive.restart(0);
        self.peer_greeting = Greeting::empty();
        self.state = State::Connecting { session };
        self.open_at_us = Some(self.now_us);
    }

    pub fn on_open(&mut self, frame: &Frame<'_>) {
        let Frame { header, payload } = frame;
        let Some((opening, greeting)) = Opening::parse(payload) else {
            return bump(&mut self.counters.malformed);
        };
        if header.version != self.config.version & 0x0F || opening.version != self.config.version {
            bump(&mut self.counters.other_version);
            if !self.connected() {
                self.state = State::VersionMismatch { ours: self.config.version, theirs: opening.version };
            }
            self.answer = Some(Answer { session: header.session, seq: 0, ack: header.seq });
            return;
        }
        let Ok(greeting) = Greeting::new(greeting) else {
            return bump(&mut self.counters.malformed);
        };
        let (session, peer_start) = (header.session, header.seq);
        let current = self.connected() && self.session == session && self.peer_start == peer_start;
        let pending = self.pending.as_ref().filter(|p| p.session == session && p.peer_start == peer_start);
        let seq = if current {
            self.last_heard_us = Some(self.now_us);
            self.own_start
        } else if let Some(pending) = pending {
            pending.own_start
        } else {
            let own_start = self.draw_start(session);
            let credit = header.credit;
            self.pending = Some(Pending { session, own_start, peer_start, credit, opening, greeting });
            own_start
        };
        self.answer = Some(Answer { session, seq, ack: peer_start });
    }

    pub fn on_accept(&mut self, frame: &Frame<'_>) {
        let Frame { header, payload } = frame;
        let Some((opening, greeting)) = Opening::parse(payload) else {
            return bump(&mut self.counters.malformed);
        };
        if header.session != self.session || header.ack != self.own_start {
            return bump(&mut self.counters.foreign_session);
        }
        let other_version = header.version != self.config.version & 0x0F || opening.version != self.config.version;
        match self.state {
            State::Connecting { .. } if other_version => {
                bump(&mut self.counters.other_version);
                self.end(State::VersionMismatch { ours: self.config.version, theirs: opening.version });
            }
            State::Connecting { session } => {
                let Ok(greeting) = Greeting::new(greeting) else {
                    return bump(&mut self.counters.malformed);
                };
                self.begin(session, self.own_start, header.seq, header.credit);
                self.agree(opening, greeting);
                self.last_heard_us = Some(self.now_us);
                self.ack_due = true;
            }
            // Repeated because the device has not heard the confirmation.
            State::Connected { .. } if header.seq == self.peer_start && !other_version => {
                self.last_heard_us = Some(self.now_us);
                self.ack_due = true;
            }
            _ => bump(&mut self.counters.foreign_session),
        }
    }

    pub fn on_reset(&mut self, header: &Header) {
        match self.state {
            State::Connected { session } if session == header.session => {
                self.end(State::Reset { session });
            }
            _ => bump(&mut self.counters.foreign_session),
        }
    }

    /// Device: the first frame that acknowledges the stream start drawn for a pending session makes it the current.
    pub fn adopt_if_confirmed(&mut self, header: &Header) {
        let window = self.receive.capacity();
        let confirmed = |p: &mut Pending| {
            p.session == header.session
                && p.own_start == header.ack
                && header.seq.wrapping_sub(p.peer_start) as usize <= window
        };
        if let Some(pending) = self.pending.take_if(confirmed) {
            self.begin(pending.session, pending.own_start, pending.peer_start, pending.credit);
            self.agree(pending.opening, pending.greeting);
        }
    }

    /// A frame of a session that is not in force.
    pub fn refuse(&mut self, header: &Header) {
        bump(&mut self.counters.foreign_session);
        if header.kind == Kind::Close {
            self.pending.take_if(|p| p.session == header.session && p.own_start == header.ack);
            return;
        }
        if self.now_us < self.refuse_from_us {
            return;
        }
        match (self.role, self.state) {
            (Role::Device, _) => self.reset = Some(header.session),
            // Our Close was lost: the device still talks to us.
            (Role::Host, State::Closed { session, .. } | State::Failed { session, .. })
                if session == header.session =>
            {
                self.close_due = true;
            }
            _ => return,
        }
        self.refuse_from_us = self.now_us.saturating_add(REFUSAL_INTERVAL_US);
    }

    /// Starts both streams afresh; the state becomes connected.
    fn begin(&mut self, session: u32, own_start: u32, peer_start: u32, credit: u16) {
        self.end(State::Connected { session });
        self.session = session;
        (self.own_start, self.peer_start) = (own_start, peer_start);
        self.send.restart(own_start, usize::from(credit));
        self.receive.restart(peer_start);
        self.rtt = RttEstimator::new(&self.config);
        self.last_sent_us = self.now_us;
        self.last_heard_us = None;
    }

    /// Settles what both ends can take.
    fn agree(&mut self, peer: Opening, greeting: Greeting) {
        self.peer_window = usize::try_from(peer.window).unwrap_or(usize::MAX);
        // With fewer than four frames in a window, a lost one stops the line until a timer runs out.
        let quarter = (self.send.capacity().min(self.peer_window) / 4).max(1);
        self.sizer = FrameSizer::new(usize::from(self.own_max_payload.min(peer.max_payload)).min(quarter));
        self.peer_greeting = greeting;
        bump(&mut self.counters.sessions);
    }

    fn draw_start(&self, session: u32) -> u32 {
        let drawn = draw_start(session, self.config.salt, self.now_us);
        self.config.start_offset.unwrap_or(drawn)
    }
}
