//! The link: two reliable streams of messages over a line that loses, damages, repeats and delays bytes.
//!
//! One type, [`Link`], serves both ends; the [`Role`] is given at construction. Bytes and the time come in as
//! arguments, memory is handed over once. The owner's loop is always the same:
//!
//! ```text
//! link.receive(now, bytes from the line)
//! while let Some(message) = link.front() { …; link.pop(); }      link.send(message)?
//! write to the line: link.transmit(now, &mut out)                 sleep until link.next_wakeup_us() or new bytes
//! ```
//!
//! # Delivery semantics
//!
//! Within one session, in each direction:
//!
//! * A message that [`Link::send`] took arrives **complete, unchanged, exactly once and in the order of sending**, or
//!   the session ends. Lost, damaged, repeated, delayed or reordered frames cost time only; there is no retry limit:
//!   a dead line pauses the session, and it goes on when the line comes back.
//! * [`Link::all_acked`] says that the peer's *link* holds everything. It does not say that the peer's owner read it,
//!   let alone that it is on a disk: that needs a message of its own.
//! * A reader that does not call [`Link::pop`] stops its peer by credit; nothing is lost, [`SendError::Full`] reaches
//!   the sending owner.
//!
//! Across sessions: a new session starts both streams empty on both sides. What was sent in the old one and not
//! acknowledged **may or may not have arrived**; the owner settles that in its own terms. Bytes of an old session are
//! never taken for the new one, even if a whole recorded session, its Open included, is played to the device again:
//! the device follows an Open only when a frame confirms the stream start it drew for this very Accept.
//! [`Link::close`] drops what is unacknowledged; wait for [`Link::all_acked`] first if it matters.
//!
//! # How it works
//!
//! *Streams.* Each direction is a stream of bytes with 32-bit offsets, as in TCP, and a message is a two-byte length
//! and its bytes in that stream. A frame carries any piece of the stream, so the frame size may change at any time.
//!
//! *Sessions.* The host repeats Open until Accept comes (`seq` = where its own stream starts, `ack` = the Open's
//! `seq`). The host is connected then, and confirms at once; the device is connected with the first frame that
//! acknowledges its stream start. An Open that is repeated later is answered again and changes nothing. The device
//! answers frames of an unknown session with Reset, at most every 20 ms.
//!
//! *Repair.* Selective. The receiver holds bytes that come early at their place and answers with an Ack that names
//! every range it holds beyond `ack`, see [`early`](self). The sender keeps a record of every Data frame in flight, in
//! the order of sending; a frame that has not arrived although one sent after it has is lost, and only its bytes are
//! sent again, see [`send`](self). If nothing is heard for the resend time-out, only the *last* frame in flight is
//! repeated: its arrival shows what else was lost, and a time-out that was merely too short costs one frame. If that was
//! in vain, the first missing one is: the only one that a peer has a place for in any case.
//!
//! *Frame size.* From the largest that both ends take down to 32 bytes of payload, as the measured losses advise, see
//! [`sizer`](self); [`Link::set_payload_limit`] bounds it for slow lines.
//!
//! *Credit.* Each frame offers the free receive storage. At zero credit the sender asks with an empty Data frame at
//! the pace of its backed-off timer, so a lost update delays, but never stops, the stream.
//!
//! *Keep-alive.* After [`Config::keepalive_us`] of silence an Ack is sent. [`Link::last_heard_us`] is what a deadman
//! on the other end judges.

mod config;
mod counters;
mod early;
mod engine;
mod handshake;
mod receive;
mod rtt;
mod send;
mod session;
mod sizer;
mod transmit;

pub use config::{
    Config, FLIGHT_MIN, FRAME_STORAGE_MIN, Fault, GREETING_MAX, GreetingTooLong, MESSAGE_MAX, SendError, State,
    Storage, TRANSMIT_MIN,
};
pub use counters::Counters;
pub use send::InFlight;

use crate::frame::Deframer;
pub use crate::frame::Role;
use engine::Engine;
use session::Greeting;

/// One end of a line. See the [module's documentation](self) for what it promises.
#[derive(Debug)]
pub struct Link<'a> {
    deframer: Deframer<'a>,
    engine: Engine<'a>,
}

impl<'a> Link<'a> {
    /// A link without a session. No length of the storage makes it panic, but with less than [`FRAME_STORAGE_MIN`]
    /// an Open or Accept with a long greeting is dropped as oversized, and then no session comes about.
    pub fn new(role: Role, storage: Storage<'a>, config: Config) -> Self {
        let Storage { frame, receive, send, flight } = storage;
        let deframer = Deframer::new(frame);
        let most = u16::try_from(deframer.max_payload()).unwrap_or(u16::MAX);
        let engine = Engine::new(role, receive, (send, flight), config, most);
        Self { deframer, engine }
    }

    /// Sets what this end says in its next Open or Accept; at most [`GREETING_MAX`] bytes.
    pub fn set_greeting(&mut self, greeting: &[u8]) -> Result<(), GreetingTooLong> {
        self.engine.own_greeting = Greeting::new(greeting)?;
        Ok(())
    }

    /// Host: leaves any session and asks for a new one. `session` must not repeat within the life of the line: draw
    /// it at random. At a device this only sets the greeting.
    pub fn connect(&mut self, session: u32, greeting: &[u8], now_us: u64) -> Result<(), GreetingTooLong> {
        self.set_greeting(greeting)?;
        self.engine.connect(session, now_us);
        Ok(())
    }

    /// Takes everything that came from the line, cut anywhere. `now_us` counts microseconds from any origin.
    pub fn receive(&mut self, now_us: u64, bytes: &[u8]) {
        let mut rest = bytes;
        self.engine.begin_receive(now_us, bytes.len());
        while let Some(frame) = self.deframer.feed(&mut rest) {
            self.engine.on_frame(&frame);
        }
    }

    /// Writes whole frames that are due to the front of `out`, as many as fit; returns the bytes written.
    ///
    /// All of them must go to the line, in order. Call it again until it returns 0, or when the line takes more. With
    /// less than [`TRANSMIT_MIN`] bytes a frame may never fit, and a slice shorter than an earlier one may be too short
    /// for a frame that has to be sent again.
    pub fn transmit(&mut self, now_us: u64, out: &mut [u8]) -> usize {
        self.engine.transmit(now_us, out)
    }

    /// When [`Self::transmit`] has to be called if nothing else happens, on the caller's clock in microseconds; a
    /// time that is past already means now, `None` means never.
    pub fn next_wakeup_us(&self) -> Option<u64> {
        self.engine.next_wakeup_us()
    }

    /// Queues one message, all or nothing. An empty message is a message.
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.engine.send(message)
    }

    /// Longest message that [`Self::send`] would take now, in bytes; 0 also if there is no session.
    pub fn send_room(&self) -> usize {
        self.engine.send_room()
    }

    /// Longest message possible in this session, in bytes: send storage, peer's receive storage and prefix allow it.
    pub fn longest_message(&self) -> usize {
        self.engine.longest_message()
    }

    /// The next complete message that the peer sent, in one piece; stays until [`Self::pop`].
    pub fn front(&self) -> Option<&[u8]> {
        self.engine.receive.front()
    }

    /// Drops the message in front and gives its room back to the peer; `false` if there was none.
    pub fn pop(&mut self) -> bool {
        self.engine.pop()
    }

    /// Copies the next message to the front of `out`, drops it and returns its length. `None` if there is no complete
    /// message or if `out` is too small for it; it stays then.
    pub fn receive_message(&mut self, out: &mut [u8]) -> Option<usize> {
        let message = self.engine.receive.front()?;
        let length = message.len();
        out.get_mut(..length)?.copy_from_slice(message);
        self.pop();
        Some(length)
    }

    /// Stream bytes queued and not acknowledged by the peer, length prefixes included.
    pub fn unacked(&self) -> usize {
        self.engine.send.unacked()
    }

    /// Whether the peer's link holds everything that was sent in this session.
    pub fn all_acked(&self) -> bool {
        self.unacked() == 0
    }

    /// When the last valid frame of the current session was received, on the caller's clock in microseconds; `None`
    /// before the first.
    pub fn last_heard_us(&self) -> Option<u64> {
        self.engine.last_heard_us
    }

    /// What the peer said in the Open or Accept of this session.
    pub fn peer_greeting(&self) -> &[u8] {
        self.engine.peer_greeting.as_slice()
    }

    /// Where the link stands. A device's owner compares the session before it handles messages: a new one starts
    /// both streams afresh.
    pub fn state(&self) -> State {
        self.engine.state
    }

    /// The session, if there is one.
    pub fn session(&self) -> Option<u32> {
        match self.engine.state {
            State::Connected { session } => Some(session),
            _ => None,
        }
    }

    /// Bounds the payload of the Data frames sent from now on, in bytes, below what both ends announced; at least 1.
    /// For slow lines: one frame should not take longer than 50 ms.
    pub fn set_payload_limit(&mut self, bytes: usize) {
        self.engine.payload_limit = bytes.max(1);
    }

    /// Payload of a full Data frame sent now, in bytes: what both ends take, the limit set here and the line allow.
    pub fn payload(&self) -> usize {
        self.engine.payload()
    }

    /// Leaves the session: the peer is told once, without a guarantee; unacknowledged bytes are dropped. Messages
    /// that were received completely can still be read.
    pub fn close(&mut self) {
        self.engine.close();
    }

    /// Counts and gauges.
    pub fn counters(&self) -> Counters {
        Counters {
            framing: self.deframer.counters(),
            frames_in: self.deframer.counters().good,
            ..self.engine.counters()
        }
    }
}
