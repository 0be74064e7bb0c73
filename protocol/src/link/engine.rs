//! The state of a link and what arriving frames and the owner's calls do to it; the handshake
//! lives in [`super::handshake`], the way out in [`super::transmit`].

use super::config::{Config, Fault, SendError, State};
use super::counters::{Counters, bump};
use super::receive::{Arrival, PREFIX_LEN, ReceiveStream};
use super::rtt::RttEstimator;
use super::send::{InFlight, SendStream};
use super::session::{Answer, Greeting, Opening, Pending};
use super::sizer::FrameSizer;
use crate::frame::{Frame, Header, Kind, Role};

#[derive(Debug)]
pub(super) struct Engine<'a> {
    pub role: Role,
    pub config: Config,
    /// Latest time heard of.
    pub now_us: u64,
    pub state: State,
    /// Current or last session.
    pub session: u32,
    /// Where the two streams of the session started.
    pub own_start: u32,
    pub peer_start: u32,
    pub own_greeting: Greeting,
    pub peer_greeting: Greeting,
    pub send: SendStream<'a>,
    pub receive: ReceiveStream<'a>,
    pub rtt: RttEstimator,
    /// When bytes in flight, or a peer without credit, have to be asked after.
    pub timer: Option<u64>,
    pub probe_due: bool,
    pub ack_due: bool,
    pub close_due: bool,
    /// Host: when the next Open is due.
    pub open_at_us: Option<u64>,
    pub pending: Option<Pending>,
    pub answer: Option<Answer>,
    /// Session to refuse.
    pub reset: Option<u32>,
    pub refuse_from_us: u64,
    pub last_heard_us: Option<u64>,
    pub last_sent_us: u64,
    /// Largest payload this end takes.
    pub own_max_payload: u16,
    /// Largest payload both ends take, and what of it pays on this line.
    pub sizer: FrameSizer,
    pub payload_limit: usize,
    /// The peer's receive storage, in bytes.
    pub peer_window: usize,
    pub counters: Counters,
}

impl<'a> Engine<'a> {
    pub fn new(
        role: Role,
        receive: &'a mut [u8],
        (send, flight): (&'a mut [u8], &'a mut [InFlight]),
        config: Config,
        max_payload: u16,
    ) -> Self {
        Self {
            role,
            config,
            now_us: 0,
            state: State::Idle,
            session: 0,
            own_start: 0,
            peer_start: 0,
            own_greeting: Greeting::empty(),
            peer_greeting: Greeting::empty(),
            send: SendStream::new(send, flight),
            receive: ReceiveStream::new(receive),
            rtt: RttEstimator::new(&config),
            timer: None,
            probe_due: false,
            ack_due: false,
            close_due: false,
            open_at_us: None,
            pending: None,
            answer: None,
            reset: None,
            refuse_from_us: 0,
            last_heard_us: None,
            last_sent_us: 0,
            own_max_payload: config.max_payload.min(max_payload),
            sizer: FrameSizer::new(1),
            payload_limit: usize::MAX,
            peer_window: 0,
            counters: Counters::default(),
        }
    }

    pub fn connected(&self) -> bool {
        matches!(self.state, State::Connected { .. })
    }

    pub fn payload(&self) -> usize {
        self.sizer.payload().min(self.payload_limit)
    }

    /// What this end says in Open and Accept.
    pub fn opening(&self) -> Opening {
        Opening {
            version: self.config.version,
            max_payload: self.own_max_payload,
            window: u32::try_from(self.receive.capacity()).unwrap_or(u32::MAX),
        }
    }

    pub fn close(&mut self) {
        if let State::Connected { session } | State::Connecting { session } = self.state {
            self.end(State::Closed { session, by_peer: false });
            self.close_due = true;
        }
    }

    pub fn longest_message(&self) -> usize {
        let longest = self.send.capacity().min(self.peer_window).saturating_sub(PREFIX_LEN);
        longest.min(usize::from(u16::MAX))
    }

    pub fn send_room(&self) -> usize {
        if !self.connected() {
            return 0;
        }
        self.send.free().saturating_sub(PREFIX_LEN).min(self.longest_message())
    }

    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        if !self.connected() {
            return Err(SendError::NotConnected);
        }
        let (length, longest) = (message.len(), self.longest_message());
        let prefix = u16::try_from(length).ok().filter(|_| length <= longest);
        // A storage below the prefix holds no message at all, though `longest` is 0 then as well.
        let Some(prefix) = prefix.filter(|_| self.send.capacity().min(self.peer_window) >= PREFIX_LEN) else {
            return Err(SendError::TooLong { length, longest });
        };
        if self.send.free() < PREFIX_LEN + length {
            return Err(SendError::Full);
        }
        self.send.push(&prefix.to_le_bytes());
        self.send.push(message);
        self.arm();
        Ok(())
    }

    pub fn pop(&mut self) -> bool {
        let popped = self.receive.pop();
        if popped && self.connected() {
            self.check_length();
            self.ack_due |= self.receive.should_announce();
        }
        popped
    }

    pub fn counters(&self) -> Counters {
        Counters {
            rtt_us: self.rtt.smoothed_us().unwrap_or(0),
            rto_us: u32::try_from(self.rtt.timeout_us()).unwrap_or(u32::MAX),
            window: u32::try_from(self.send.window()).unwrap_or(u32::MAX),
            payload: u32::try_from(self.payload()).unwrap_or(u32::MAX),
            ..self.counters
        }
    }

    pub fn begin_receive(&mut self, now_us: u64, bytes: usize) {
        self.advance(now_us);
        self.counters.bytes_in = self.counters.bytes_in.wrapping_add(bytes as u64);
    }

    pub fn advance(&mut self, now_us: u64) {
        self.now_us = self.now_us.max(now_us);
    }

    pub fn on_frame(&mut self, frame: &Frame<'_>) {
        let header = &frame.header;
        if header.sender == self.role {
            bump(&mut self.counters.echoed);
            return;
        }
        match (self.role, header.kind) {
            (Role::Device, Kind::Open) => self.on_open(frame),
            (Role::Host, Kind::Accept) => self.on_accept(frame),
            _ if header.version != self.config.version & 0x0F => {
                bump(&mut self.counters.other_version);
            }
            (Role::Host, Kind::Reset) => self.on_reset(header),
            (_, Kind::Data | Kind::Ack | Kind::Close) => self.on_stream_frame(frame),
            _ => bump(&mut self.counters.malformed),
        }
    }

    fn on_stream_frame(&mut self, frame: &Frame<'_>) {
        let header = &frame.header;
        if header.kind != Kind::Close {
            self.adopt_if_confirmed(header);
        }
        if !self.connected() || header.session != self.session {
            self.refuse(header);
            return;
        }
        self.last_heard_us = Some(self.now_us);
        match header.kind {
            Kind::Close => {
                let session = self.session;
                return self.end(State::Closed { session, by_peer: true });
            }
            Kind::Data => {
                self.on_acknowledgement(header, &[]);
                self.on_data(header.seq, frame.payload);
            }
            _ => self.on_acknowledgement(header, frame.payload),
        }
        self.arm();
    }

    fn on_acknowledgement(&mut self, header: &Header, report: &[u8]) {
        let was_blocked = self.send.blocked();
        let sizer = &mut self.sizer;
        let outcome = |payload: usize, arrived: bool| sizer.note(payload, arrived);
        let Some(progress) = self.send.acknowledge((header.ack, header.credit, report), self.now_us, outcome) else {
            return;
        };
        if was_blocked && !self.send.blocked() {
            self.rtt.forget_backoff();
        }
        self.counters.stream_out = self.counters.stream_out.wrapping_add(progress.bytes as u64);
        self.counters.lost = self.counters.lost.wrapping_add(progress.lost);
        if let Some(rtt) = progress.rtt_us {
            self.rtt.sample(rtt);
        } else if progress.bytes > 0 || progress.arrived > 0 {
            self.rtt.progress();
        }
        if progress.bytes > 0 || progress.arrived > 0 {
            self.probe_due = false;
            self.timer = None;
        }
    }

    fn on_data(&mut self, seq: u32, payload: &[u8]) {
        self.ack_due = true;
        match self.receive.accept(seq, payload) {
            Arrival::New { bytes, cut } => {
                self.counters.stream_in = self.counters.stream_in.wrapping_add(bytes as u64);
                if cut {
                    bump(&mut self.counters.over_credit);
                }
                self.check_length();
            }
            Arrival::Known if payload.is_empty() => {}
            Arrival::Known => bump(&mut self.counters.duplicates),
            Arrival::Early { bytes } => {
                bump(&mut self.counters.early);
                if bytes == 0 && !payload.is_empty() {
                    bump(&mut self.counters.early_dropped);
                }
            }
        }
    }

    /// Gives up when the message in front can never be complete.
    fn check_length(&mut self) {
        if let Some(announced) = self.receive.too_long() {
            bump(&mut self.counters.too_long);
            let (session, longest) = (self.session, self.receive.longest());
            self.end(State::Failed { session, fault: Fault::MessageTooLong { announced, longest } });
            self.close_due = true;
        }
    }

    /// Goes to `state` with nothing left to do for the old one.
    pub fn end(&mut self, state: State) {
        self.state = state;
        (self.timer, self.open_at_us) = (None, None);
        (self.probe_due, self.ack_due, self.close_due) = (false, false, false);
        self.receive.mark_reported();
    }

    /// Sets or clears the timer after something changed.
    pub fn arm(&mut self) {
        if self.send.outstanding() == 0 && !self.send.blocked() {
            self.timer = None;
            self.probe_due = false;
        } else if self.timer.is_none() {
            self.timer = Some(self.now_us.saturating_add(self.rtt.timeout_us()));
        }
    }
}
