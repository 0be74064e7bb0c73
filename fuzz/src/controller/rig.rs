//! The device, a host's link and the line between them on one virtual clock; and what must hold after every moment.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use xyloop_firmware::Controller;
use xyloop_protocol::{
    frame::{Deframer, Header, Role, WIRE_VERSION},
    link::{self, Link},
    message::{self, BootCause, Command, Event, Report, Request, State},
    units::ShotId,
};
use xyloop_testbench::{
    LinkMemory, LinkSizes,
    scripted::{Act, BoardScript, Boot, DEADMAN_US, ScriptedBoard, ScriptedMemory},
};

use crate::{
    script::Script,
    wire::{forged, framed, plain_header},
};

/// Slots of the device: few, so that they fill up.
const SLOTS: usize = 5;
/// Bytes handed over at once.
const CHUNK: usize = 700;
/// Moments a run may have: a plan can ask for a look every microsecond.
const MOMENTS: u32 = 1_500;
/// What a board of a pace can do at once takes so long: slow enough for a deadman in the middle of a latch.
const WORK_US: u64 = 40_000;
/// Rounds at one moment after which host and device are taken to talk without end.
const ROUNDS: u32 = 3_000;

/// Owns what a rig borrows.
pub struct Memory {
    device: ScriptedMemory,
    host: LinkMemory,
    watch: Vec<u8>,
}

impl Memory {
    /// For a device of so many replicas.
    pub fn new(replicas: usize) -> Self {
        Self {
            device: ScriptedMemory::new(replicas, SLOTS, LinkSizes::new(256, 2048, 2048)),
            host: LinkMemory::new(LinkSizes::new(256, 4096, 4096)),
            watch: vec![0; 600],
        }
    }
}

/// Requests, and the events that came back.
pub type Conversation = (Vec<Vec<u8>>, Vec<Vec<u8>>);

/// What happens to the bytes of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direction {
    /// Nothing arrives.
    pub cut: bool,
    /// The next chunk arrives with this bit fallen over.
    pub flip: Option<u16>,
    /// The next chunk is lost.
    pub lose: bool,
}

impl Direction {
    fn carry<'c>(&mut self, chunk: &'c mut [u8]) -> &'c [u8] {
        if let Some(bit) = self.flip.take() {
            let bit = usize::from(bit) % (8 * chunk.len());
            chunk[bit / 8] ^= 1 << (bit % 8);
        }
        let lost = std::mem::take(&mut self.lose) || self.cut;
        if lost { &[] } else { chunk }
    }
}

/// All of it.
pub struct FuzzedRig<'m> {
    pub device: Controller<'m, ScriptedBoard>,
    pub board: Rc<BoardScript>,
    pub up: Direction,
    pub down: Direction,
    host: Link<'m>,
    /// Reads along what the device gets.
    watch: Deframer<'m>,
    /// When the device last got a frame that could be the host's, and its header.
    heard_us: u64,
    said: Header,
    sessions: u32,
    tag: u16,
    /// Tags of all requests, and 0 for what nobody asked for.
    tags: HashSet<u16>,
    /// Shots asked for at any time.
    asked: HashSet<ShotId>,
    /// (session, shot, segment) of every result.
    got: HashMap<u32, HashSet<(ShotId, u8)>>,
    /// Somebody asked for a commit.
    committing: bool,
    /// The device was given stream bytes that the host's link did not write.
    forged: bool,
    moments_left: u32,
    /// Every message that went down and up, if somebody wants them.
    pub record: Option<Conversation>,
}

impl<'m> FuzzedRig<'m> {
    /// A device at reset and a host that is not connected.
    pub fn new(memory: &'m mut Memory, board: Rc<BoardScript>) -> Self {
        let Memory { device, host, watch } = memory;
        let now = board.now_us.get();
        Self {
            device: device.controller(&board, Boot { cause: BootCause::Watchdog, ..Boot::POWER_ON }),
            board,
            up: Direction::default(),
            down: Direction::default(),
            host: Link::new(Role::Host, host.storage(), link::Config::host()),
            watch: Deframer::new(watch),
            heard_us: now,
            said: plain_header(Role::Host, 1),
            sessions: 0,
            tag: 0,
            tags: HashSet::from([0]),
            asked: HashSet::new(),
            got: HashMap::new(),
            committing: false,
            forged: false,
            moments_left: MOMENTS,
            record: None,
        }
    }

    fn now(&self) -> u64 {
        self.board.now_us.get()
    }

    /// The host asks for another session.
    pub fn connect(&mut self) {
        self.sessions += 1;
        self.host.connect(self.sessions, &[], self.now()).expect("no greeting at all");
    }

    /// The host leaves its session.
    pub fn close(&mut self) {
        self.host.close();
    }

    /// Sends a request, if there is a session and room.
    pub fn tell(&mut self, command: Command<'_>) {
        self.tag = self.tag.checked_add(1).unwrap_or(1);
        let mut buffer = [0; 1024];
        let request = Request { tag: self.tag, command };
        let bytes = message::encode(&request, &mut buffer).expect("the request is short");
        self.tell_raw(bytes);
    }

    /// Sends a message that may be anything, if there is a session and room.
    pub fn tell_raw(&mut self, bytes: &[u8]) {
        if self.host.send(bytes).is_ok() {
            if let Some((requests, _)) = &mut self.record {
                requests.push(bytes.to_vec());
            }
            let Some(request) = message::decode::<Request<'_>>(bytes) else { return };
            self.tags.insert(request.tag);
            match request.command {
                Command::Shot(shot) => drop(self.asked.insert(shot.id)),
                Command::Commit(_) => self.committing = true,
                _ => {}
            }
        }
    }

    /// A frame that the host did not write, but could have.
    pub fn forge(&mut self, script: &mut Script<'_>) {
        let header = forged(script, &self.said);
        let payload = script.short_piece();
        self.forged = true;
        let frame = framed(&header, payload);
        self.deliver(&frame);
    }

    /// Bytes that reach the device.
    pub fn deliver(&mut self, bytes: &[u8]) {
        let (now, mut rest) = (self.now(), bytes);
        while let Some(frame) = self.watch.feed(&mut rest) {
            if frame.header.sender == Role::Host && frame.header.version == WIRE_VERSION & 0x0F {
                (self.heard_us, self.said) = (now, frame.header);
            }
        }
        self.device.receive(now, bytes);
    }

    /// Bytes that are no frames.
    pub fn noise(&mut self, bytes: &[u8]) {
        // A right CRC is found sooner or later.
        self.forged |= bytes.len() > 16;
        self.deliver(&[0]);
        self.deliver(bytes);
    }

    /// Carries bytes and polls the device until neither end has anything to say at this moment.
    pub fn exchange(&mut self) {
        let (now, mut buffer) = (self.now(), [0; CHUNK]);
        for _ in 0..ROUNDS {
            let mut moved = false;
            let length = self.host.transmit(now, &mut buffer);
            if length > 0 {
                moved = true;
                let mut up = self.up;
                self.deliver(up.carry(&mut buffer[..length]));
                self.up = up;
            }
            self.board.begin_poll();
            self.device.poll(now);
            let length = self.device.transmit(now, &mut buffer);
            if length > 0 {
                moved = true;
                let chunk = self.down.carry(&mut buffer[..length]);
                self.host.receive(now, chunk);
            }
            moved |= self.read();
            if !moved {
                self.check();
                return;
            }
        }
        panic!("host and device talk without end");
    }

    /// Reads what the device sent.
    fn read(&mut self) -> bool {
        let mut any = false;
        while let Some(bytes) = self.host.front() {
            any = true;
            if let Some((_, events)) = &mut self.record {
                events.push(bytes.to_vec());
            }
            let event = message::decode::<Event<'_>>(bytes).expect("a message of the protocol");
            if let Report::Equilibria(equilibria) = event.report {
                let shot = equilibria.shot;
                assert!(self.forged || self.asked.contains(&shot), "nobody asked for shot {shot}");
                let got = self.got.entry(self.sessions).or_default();
                for (segment, row) in equilibria.iter().map(|row| row.expect("whole rows")) {
                    assert!(got.insert((shot, segment)), "{row:?} of shot {shot} came twice in a session");
                }
            }
            assert!(self.forged || self.tags.contains(&event.tag), "an answer to what was not asked");
            self.host.pop();
        }
        any
    }

    /// What must hold whenever host and device have nothing to say.
    fn check(&mut self) {
        let (now, state) = (self.now(), self.device.state());
        let silent = now >= self.heard_us + DEADMAN_US;
        if silent || !matches!(state, State::Ready | State::Running) {
            let last = self.heard_us;
            assert!(self.is_safe(), "outputs are not safe in {state:?} at {now} us, last heard of at {last} us");
        }
        assert!(self.committing || self.forged || self.board.unsafe_acts(0).is_empty(), "unsafe before any commit");
        let (pace, (codes, reads)) = (self.board.pace(), self.board.most_work());
        assert!(codes <= pace.codes && reads <= pace.reads, "{codes} codes, {reads} reads in a poll");
        let counts = self.device.counts();
        assert!(counts.shots_begun >= counts.shots_finished + counts.shots_discarded);
        let at_rest = self.device.is_working() || self.device.next_wakeup_us().is_none_or(|at| at > now);
        assert!(at_rest, "nothing is due, and yet it is");
        assert!(self.host.next_wakeup_us().is_none_or(|at| at > now), "the host is never at rest");
    }

    /// Whether every output, inputs included, carries its safe code: nothing else was put there since the last time that
    /// all were made safe.
    fn is_safe(&self) -> bool {
        let last = self.board.log.borrow().iter().rposition(|(_, act)| matches!(act, Act::Safe { .. }));
        self.board.unsafe_acts(last.expect("outputs are made safe at reset")).is_empty() && self.board.is_safe()
    }

    /// Everything that happens in the next so many microseconds, at the moments at which it happens.
    pub fn run_for(&mut self, us: u64) {
        let end = self.now() + us;
        self.exchange();
        while self.now() < end && self.moments_left > 0 {
            self.moments_left -= 1;
            let device =
                if self.device.is_working() { Some(self.now() + WORK_US) } else { self.device.next_wakeup_us() };
            let wakeups = [self.host.next_wakeup_us(), device, self.board.next_due_us()];
            let next = wakeups.into_iter().flatten().min().unwrap_or(end);
            self.board.now_us.set(next.max(self.now() + 1).min(end));
            self.exchange();
        }
    }

    /// After anything at all: a board that works and a line that is good, and a new host is served.
    pub fn is_usable(&mut self) {
        (self.up, self.down) = (Direction::default(), Direction::default());
        self.board.fail.set(None);
        self.moments_left = self.moments_left.max(200);
        self.connect();
        self.run_for(1_000_000);
        assert_eq!(self.host.session(), Some(self.sessions), "no session any more");
    }

    /// Whether the run may go on.
    pub fn has_moments_left(&self) -> bool {
        self.moments_left > 0
    }
}
