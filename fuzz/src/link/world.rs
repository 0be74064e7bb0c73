//! Two links, the chunks on their way between them, a clock, and what was sent and read.

use std::collections::HashMap;

use xyloop_protocol::{
    frame::{Deframer, Header, Role},
    link::{Config, Link, State, TRANSMIT_MIN},
};
use xyloop_testbench::{LinkMemory, LinkSizes};

use crate::{
    script::Script,
    wire::{forged, framed, plain_header},
};

/// Chunks that can be on their way in one direction; what is more is lost.
const MOST_CHUNKS: usize = 24;
/// Calls after which an end that still has something to say is taken to be stuck.
const MOST_CALLS: usize = 3_000;
/// Good time after a script in which everything must arrive: many times the largest resend time-out.
const GRACE_US: u64 = 120_000_000;

/// What happens to a chunk.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It comes, in two parts if `cut` lies inside it.
    Arrive {
        /// Where, in bytes.
        cut: usize,
    },
    /// It is lost.
    Drop,
    /// A copy goes to the end of the line.
    Duplicate,
    /// One bit falls over.
    Flip {
        /// Which, modulo the chunk's length.
        bit: usize,
    },
    /// Only its front is left.
    Truncate {
        /// How much of it, in bytes.
        length: usize,
    },
}

/// One end and what comes towards it.
struct End<'m> {
    link: Link<'m>,
    /// Chunks on their way to this end, oldest first.
    incoming: Vec<Vec<u8>>,
    /// Lengths of the messages sent, by session.
    sent: HashMap<u32, Vec<usize>>,
    /// Messages read, by session.
    read: HashMap<u32, usize>,
    /// The last header this end wrote.
    said: Header,
}

/// Both ends.
pub struct World<'m> {
    now_us: u64,
    host: End<'m>,
    device: End<'m>,
    sessions: u32,
    /// A frame was forged: streams are not what the ends made them.
    forged: bool,
}

impl<'m> World<'m> {
    /// What both ends need.
    pub fn memory(sizes: [LinkSizes; 2]) -> [LinkMemory; 2] {
        sizes.map(LinkMemory::new)
    }

    /// Both ends, not connected.
    pub fn new(memory: &'m mut [LinkMemory; 2]) -> Self {
        let [host, device] = memory;
        let end = |role, memory: &'m mut LinkMemory, config| End {
            link: Link::new(role, memory.storage(), config),
            incoming: Vec::new(),
            sent: HashMap::new(),
            read: HashMap::new(),
            said: plain_header(role, 0),
        };
        Self {
            now_us: 1_000,
            host: end(Role::Host, host, Config::host()),
            device: end(Role::Device, device, Config { salt: 5, ..Config::device() }),
            sessions: 0,
            forged: false,
        }
    }

    fn end(&mut self, role: Role) -> &mut End<'m> {
        match role {
            Role::Host => &mut self.host,
            Role::Device => &mut self.device,
        }
    }

    pub fn connect(&mut self) {
        self.sessions += 1;
        self.host.link.connect(self.sessions, b"fuzz", self.now_us).expect("a short greeting");
    }

    pub fn send(&mut self, role: Role, length: usize) {
        let end = self.end(role);
        let Some(session) = end.link.session() else {
            assert!(end.link.send(&[]).is_err(), "a message is taken without a session");
            return;
        };
        let sent = end.sent.entry(session).or_default();
        let length = length % (end.link.longest_message() + 2);
        let room = end.link.send_room();
        let taken = end.link.send(&message(role, session, sent.len(), length)).is_ok();
        assert!(taken || length >= room, "a message of {length} bytes is refused, {room} were offered");
        if taken {
            sent.push(length);
        }
    }

    pub fn pop(&mut self, role: Role) {
        let end = self.end(role);
        if end.link.front().is_none() {
            assert!(!end.link.pop(), "something is dropped where there was nothing");
            return;
        }
        if !self.forged {
            let end = self.end(role);
            let session = session_of(end.link.state()).expect("a message comes from a session");
            let number = *end.read.entry(session).and_modify(|read| *read += 1).or_insert(1) - 1;
            let length = self.end(role.peer()).sent.get(&session).and_then(|sent| sent.get(number)).copied();
            let length = length.unwrap_or_else(|| panic!("message {number} was never sent in session {session}"));
            let expected = message(role.peer(), session, number, length);
            assert_eq!(self.end(role).link.front(), Some(&expected[..]), "message {number}");
        }
        assert!(self.end(role).link.pop());
    }

    /// Everything that is due, in chunks of at most `room` bytes.
    pub fn transmit(&mut self, role: Role, room: usize) {
        let now = self.now_us;
        let mut out = vec![0; room];
        let end = self.end(role);
        let mut chunks = Vec::new();
        loop {
            let length = end.link.transmit(now, &mut out);
            if length == 0 {
                break;
            }
            end.said = last_header(&out[..length]);
            chunks.push(out[..length].to_vec());
            assert!(chunks.len() < MOST_CALLS, "an end that never stops talking");
        }
        if room >= TRANSMIT_MIN {
            let wakeup = end.link.next_wakeup_us();
            assert!(wakeup.is_none_or(|at| at > now), "{wakeup:?} at {now}, and nothing to say: {:?}", end.link);
        }
        let line = &mut self.end(role.peer()).incoming;
        line.extend(chunks);
        line.truncate(MOST_CHUNKS);
    }

    pub fn chunk(&mut self, towards: Role, which: u8, fate: Fate) {
        let now = self.now_us;
        let end = self.end(towards);
        if end.incoming.is_empty() {
            return;
        }
        let which = usize::from(which) % end.incoming.len();
        match fate {
            Fate::Arrive { cut } => {
                let chunk = end.incoming.remove(which);
                let (front, back) = chunk.split_at(cut.min(chunk.len()));
                end.link.receive(now, front);
                end.link.receive(now, back);
            }
            Fate::Drop => drop(end.incoming.remove(which)),
            Fate::Duplicate => {
                let copy = end.incoming[which].clone();
                end.incoming.push(copy);
                end.incoming.truncate(MOST_CHUNKS);
            }
            Fate::Flip { bit } => {
                let chunk = &mut end.incoming[which];
                let bit = bit % (8 * chunk.len().max(1));
                if let Some(byte) = chunk.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Fate::Truncate { length } => end.incoming[which].truncate(length),
        }
    }

    pub fn wait(&mut self, us: u64) {
        self.now_us += us;
    }

    pub fn wake(&mut self) {
        let wakeups = [self.host.link.next_wakeup_us(), self.device.link.next_wakeup_us()];
        if let Some(at) = wakeups.into_iter().flatten().min() {
            self.now_us = self.now_us.max(at);
        }
    }

    pub fn close(&mut self, role: Role) {
        self.end(role).link.close();
    }

    pub fn limit(&mut self, role: Role, bytes: usize) {
        self.end(role).link.set_payload_limit(bytes);
    }

    pub fn noise(&mut self, towards: Role, bytes: &[u8]) {
        // This much behind a delimiter cannot be a frame of its own, only spoil the next one.
        self.forged |= bytes.len() > 16;
        let now = self.now_us;
        self.end(towards).link.receive(now, &[0]);
        self.end(towards).link.receive(now, bytes);
    }

    /// A frame that the peer did not write, but could have.
    pub fn forge(&mut self, towards: Role, script: &mut Script<'_>) {
        self.forged = true;
        let now = self.now_us;
        let header = forged(script, &self.end(towards.peer()).said);
        let frame = framed(&header, script.short_piece());
        self.end(towards).link.receive(now, &frame);
    }

    /// Everything that is on its way arrives, everybody reads and answers, and the clock goes to what comes next.
    pub fn step(&mut self) {
        for role in [Role::Host, Role::Device] {
            while !self.end(role).incoming.is_empty() {
                self.chunk(role, 0, Fate::Arrive { cut: 0 });
            }
            while self.end(role).link.front().is_some() {
                self.pop(role);
            }
        }
        for role in [Role::Host, Role::Device] {
            self.transmit(role, 1024);
        }
        if self.host.incoming.is_empty() && self.device.incoming.is_empty() {
            self.wake();
        }
        self.now_us += 100;
    }

    /// What must hold at any time.
    pub fn check(&mut self) {
        for end in [&self.host, &self.device] {
            assert!(end.link.send_room() <= end.link.longest_message());
            assert_eq!(end.link.all_acked(), end.link.unacked() == 0);
            assert!(end.link.payload() > 0);
            assert!(end.link.last_heard_us().is_none_or(|at| at <= self.now_us));
            assert!(!matches!(end.link.state(), State::VersionMismatch { .. }) || self.forged);
        }
    }

    /// The line is good from now on: in a session that both ends are in, everything arrives. A host that is still asking
    /// gets its session.
    pub fn finish(&mut self) {
        let end = self.now_us + GRACE_US;
        let forged = self.forged;
        for _ in 0..MOST_CALLS {
            self.step();
            self.check();
            if self.is_done() || self.now_us > end {
                break;
            }
        }
        assert!(forged || self.is_done(), "not everything arrives: {:?} {:?}", self.host.link, self.device.link);
    }

    fn is_done(&self) -> bool {
        match (self.host.link.state(), self.device.link.state()) {
            (State::Connected { session: host }, State::Connected { session: device }) if host == device => {
                let all = |from: &End<'_>, to: &End<'_>| {
                    let sent = from.sent.get(&host).map_or(0, Vec::len);
                    from.link.all_acked() && to.read.get(&host).copied().unwrap_or(0) == sent
                };
                all(&self.host, &self.device) && all(&self.device, &self.host)
            }
            // The device will answer, or say that it knows nothing of it.
            (State::Connecting { .. } | State::Connected { .. }, _) => false,
            _ => true,
        }
    }
}

/// A message whose content follows from who sent it, where and which it is.
fn message(sender: Role, session: u32, number: usize, length: usize) -> Vec<u8> {
    let mut x = u64::from(session) << 32 | (number as u64) << 1 | u64::from(sender == Role::Host);
    (0..length)
        .map(|at| {
            x = (x ^ at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
            x as u8
        })
        .collect()
}

/// The session in force, or the last one if its messages can still be read.
fn session_of(state: State) -> Option<u32> {
    match state {
        State::Connected { session }
        | State::Closed { session, .. }
        | State::Reset { session }
        | State::Failed { session, .. } => Some(session),
        _ => None,
    }
}

/// The header of the last frame in what a link wrote, which is nothing but good frames.
fn last_header(bytes: &[u8]) -> Header {
    let (mut storage, mut rest, mut header) = ([0; 4096], bytes, None);
    let mut deframer = Deframer::new(&mut storage);
    while let Some(frame) = deframer.feed(&mut rest) {
        header = Some(frame.header);
    }
    assert_eq!(deframer.counters().bad(), 0, "a bad frame is written");
    header.expect("only whole frames are written")
}
