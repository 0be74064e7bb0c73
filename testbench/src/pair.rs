//! Two ends of a line and the line between them, on one virtual clock.
//!
//! The clock jumps from event to event: to when an end wants to be looked at, to when bytes arrive, to when a line takes
//! more. At each moment both ends are looked at until neither has anything to say.

use xyloop_protocol::{
    fault::{Faults, Line},
    link::{Link, Role},
    message::{Block, Bytes, CodeArray, Command, Generation, Shot, Stage},
    trace::Record,
};

use crate::{
    end::End,
    heard::Answer,
    host::ScriptedHost,
    orders::{Codes, Order, bytes_of},
};

/// Rounds at one moment after which both ends are taken to talk without end.
const MOST_ROUNDS: u32 = 1_000_000;
/// How long a request waits for room in the host's link, microseconds.
const PATIENCE_US: u64 = 60_000_000;
/// How long a session may take to come about, microseconds.
const CONNECT_US: u64 = 600_000_000;

/// Both ends, with whatever stands there.
#[derive(Debug)]
pub struct Pair<H, D> {
    /// The time now, microseconds.
    pub now_us: u64,
    /// The host's end.
    pub host: H,
    /// The device's end.
    pub device: D,
    /// From host to device.
    pub up: Line,
    /// From device to host.
    pub down: Line,
    /// Bytes that an end writes at once, at most.
    pub out: usize,
    /// The clock jumps no further than this, microseconds: for a device whose plant wants to be looked at.
    pub look_us: u64,
    /// Bytes that the host and the device have written so far.
    pub written: [usize; 2],
    /// What the host's end of the line has seen since recording began.
    recording: Option<Vec<Record>>,
    /// What an end writes, kept for the next time.
    buffer: Vec<u8>,
}

/// Returns both directions of a line that takes no time and does no harm.
pub fn instant_lines() -> (Line, Line) {
    let line = |sender| Line::new(Line::INSTANT, 0, &Faults::NONE, sender);
    (line(Role::Host), line(Role::Device))
}

impl<H: End, D: End> Pair<H, D> {
    /// Makes a pair at time `now_us`, on an instant line.
    pub fn new(host: H, device: D, now_us: u64) -> Self {
        Self::over(host, device, instant_lines(), now_us)
    }

    /// Makes a pair on a line of its own: host to device, device to host.
    pub fn over(host: H, device: D, (up, down): (Line, Line), now_us: u64) -> Self {
        let (out, look_us) = (2048, u64::MAX);
        Self { now_us, host, device, up, down, out, look_us, written: [0; 2], recording: None, buffer: Vec::new() }
    }

    /// Carries nothing from now on, or does again.
    pub fn set_cut(&mut self, cut: bool) {
        (self.up.unplugged, self.down.unplugged) = (cut, cut);
    }

    /// Polls the device once.
    pub fn poll(&mut self) {
        self.device.poll(self.now_us);
    }

    /// Carries bytes and polls both ends until neither has anything to say at this moment.
    pub fn exchange(&mut self) {
        let rounds = (0..MOST_ROUNDS).take_while(|_| self.exchange_once()).count();
        assert!(rounds < MOST_ROUNDS as usize, "both ends talk without end");
    }

    /// Does so with a single poll of the device; returns whether anything moved.
    pub fn exchange_once(&mut self) -> bool {
        let mut moved = self.deliver(Role::Host) | self.deliver(Role::Device);
        self.host.poll(self.now_us);
        moved |= self.write(Role::Host) | self.deliver(Role::Host);
        self.device.poll(self.now_us);
        moved |= self.write(Role::Device) | self.deliver(Role::Device);
        self.host.poll(self.now_us);
        moved
    }

    /// Gives an end what has arrived from its peer.
    fn deliver(&mut self, sender: Role) -> bool {
        let mut moved = false;
        let line = if sender == Role::Host { &mut self.up } else { &mut self.down };
        while let Some(bytes) = line.take(self.now_us) {
            moved = true;
            match sender {
                Role::Host => self.device.receive(self.now_us, &bytes),
                Role::Device => {
                    note(&mut self.recording, self.now_us, sender, &bytes);
                    self.host.receive(self.now_us, &bytes);
                }
            }
        }
        moved
    }

    /// Lets an end write as long as its line takes more.
    fn write(&mut self, sender: Role) -> bool {
        let (mut moved, mut out) = (false, std::mem::take(&mut self.buffer));
        out.resize(self.out, 0);
        let line = if sender == Role::Host { &mut self.up } else { &mut self.down };
        while line.writable_at_us() <= self.now_us {
            let length = match sender {
                Role::Host => self.host.transmit(self.now_us, &mut out),
                Role::Device => self.device.transmit(self.now_us, &mut out),
            };
            if length == 0 {
                break;
            }
            moved = true;
            self.written[usize::from(sender == Role::Device)] += length;
            if sender == Role::Host {
                note(&mut self.recording, self.now_us, sender, &out[..length]);
            }
            line.write(self.now_us, &out[..length]);
        }
        self.buffer = out;
        moved
    }

    /// Returns when something happens next.
    fn next_event_us(&self) -> Option<u64> {
        let events = [
            self.host.next_wakeup_us().map(|at_us| at_us.max(self.up.writable_at_us())),
            self.device.next_wakeup_us().map(|at_us| at_us.max(self.down.writable_at_us())),
            self.up.next_arrival_us(),
            self.down.next_arrival_us(),
        ];
        events.into_iter().flatten().min()
    }

    /// Does what is due now, and moves the clock to the next event, at most to `limit_us` and at least by a microsecond.
    pub fn step(&mut self, limit_us: u64) {
        self.exchange();
        let limit_us = limit_us.min(self.now_us.saturating_add(self.look_us));
        let next_us = self.next_event_us().unwrap_or(limit_us).min(limit_us);
        self.now_us = next_us.max(self.now_us + 1);
    }

    /// Does everything that happens in the next so many microseconds, at the moments at which it happens.
    pub fn run_for(&mut self, us: u64) {
        let end_us = self.now_us + us;
        while self.now_us < end_us {
            self.step(end_us);
        }
        self.exchange();
    }

    /// Runs until the condition is met; panics if that takes longer than `limit_us`.
    pub fn run_until(&mut self, limit_us: u64, done: impl Fn(&Self) -> bool) {
        let end_us = self.now_us + limit_us;
        self.exchange();
        while !done(self) {
            assert!(self.now_us < end_us, "not within {limit_us} us");
            self.step(end_us);
            self.exchange();
        }
    }

    /// Begins to record the line as the host's end sees it.
    pub fn record(&mut self) {
        self.recording = Some(Vec::new());
    }

    /// Ends the recording and returns it.
    pub fn end_recording(&mut self) -> Vec<Record> {
        self.recording.take().unwrap_or_default()
    }
}

impl Pair<Link<'_>, Link<'_>> {
    /// Gets both links a session of this number.
    pub fn connect(&mut self, session: u32) {
        self.host.connect(session, b"host", self.now_us).expect("a short greeting");
        let connected = (Some(session), Some(session));
        self.run_until(CONNECT_US, |pair| (pair.host.session(), pair.device.session()) == connected);
    }
}

fn note(recording: &mut Option<Vec<Record>>, time_us: u64, sender: Role, bytes: &[u8]) {
    if let Some(records) = recording {
        records.push(Record { time_us, sender, bytes: bytes.to_vec() });
    }
}

impl<D: End> Pair<ScriptedHost<'_>, D> {
    /// Gets the host a session of this number.
    pub fn connect(&mut self, session: u32) {
        self.connect_with(session, &[]);
    }

    /// Gets the host a session in which it says this greeting.
    pub fn connect_with(&mut self, session: u32, greeting: &[u8]) {
        self.host.link.connect(session, greeting, self.now_us).expect("a short greeting");
        self.run_until(CONNECT_US, |pair| pair.host.link.session() == Some(session));
    }

    /// Sends a request, as soon as there is room for it; returns its tag.
    pub fn tell(&mut self, command: Command<'_>) -> u16 {
        let mut tag = self.host.try_tell(command);
        let limit_us = self.now_us + PATIENCE_US;
        while tag.is_none() {
            assert!(self.now_us < limit_us, "no room for a request: {:?}", self.host.link.state());
            self.step(limit_us);
            tag = self.host.try_tell(command);
        }
        tag.unwrap_or_default()
    }

    /// Sends a request and returns its answer. On an instant line it must come at once, or as soon as the device has
    /// worked the request off: commands take no plant time.
    pub fn ask(&mut self, command: Command<'_>) -> Answer {
        let tag = self.tell(command);
        self.exchange();
        let limit_us = self.now_us + PATIENCE_US;
        while !self.host.is_answered(tag) {
            let late = self.now_us >= limit_us || (self.up.is_instant() && !self.device.is_working());
            assert!(!late, "no answer to {command:?}");
            self.step(if self.device.is_working() { self.now_us + 1 } else { limit_us });
            self.exchange();
        }
        self.host.take_answer(tag).expect("it is there")
    }

    /// Sends a request that must be answered with Done.
    pub fn order(&mut self, command: Command<'_>) {
        let answer = self.ask(command);
        assert_eq!(answer, Answer::Done, "{command:?}");
    }

    /// Sends codes to be staged, so many in a message, and waits for no answer; returns the requests' tags.
    pub fn tell_stage(&mut self, generation: u32, block: Block, codes: &[u16], per_message: usize) -> Vec<u16> {
        let pieces = codes.chunks(per_message).enumerate();
        pieces
            .map(|(index, piece)| {
                let (bytes, first) = (bytes_of(piece), (index * per_message) as u32);
                self.tell(Command::Stage(Stage { generation, block, first, codes: CodeArray::Words(Bytes(&bytes)) }))
            })
            .collect()
    }

    /// Sends all codes of a generation to be staged, so many in a message, and waits for no answer.
    pub fn tell_stage_all(&mut self, generation: u32, codes: &Codes, per_message: usize) -> Vec<u16> {
        let mut tags = self.tell_stage(generation, Block::Couplings, &codes.couplings, per_message);
        tags.extend(self.tell_stage(generation, Block::Fields, &codes.fields, per_message));
        tags
    }

    /// Stages all codes of a generation, 200 in a message.
    pub fn stage(&mut self, number: u32, codes: &Codes) {
        for (block, words) in [(Block::Couplings, &codes.couplings), (Block::Fields, &codes.fields)] {
            for (index, piece) in words.chunks(200).enumerate() {
                let (bytes, first) = (bytes_of(piece), 200 * index as u32);
                let codes = CodeArray::Words(Bytes(&bytes));
                self.order(Command::Stage(Stage { generation: number, block, first, codes }));
            }
        }
    }

    /// Stages and commits a generation.
    pub fn commit(&mut self, number: u32, codes: &Codes) -> Generation {
        self.stage(number, codes);
        let generation = codes.generation(number);
        self.order(Command::Commit(generation));
        generation
    }

    /// Queues a shot and waits for nothing; returns the request's tag.
    pub fn queue(&mut self, order: &Order) -> u16 {
        let (inputs, targets) = (bytes_of(&order.inputs), bytes_of(&order.targets));
        let (inputs, targets) = (Bytes(&inputs), Bytes(&targets));
        self.tell(Command::Shot(Shot { id: order.id, flip: order.flip, inputs, targets }))
    }

    /// Says these and leaves in the same breath: the device gets all of it at once, the farewell included.
    pub fn say_and_leave(&mut self, commands: &[Command<'_>]) {
        let (now_us, mut out) = (self.now_us, [0; 4096]);
        for command in commands {
            self.tell(*command);
        }
        let mut length = self.host.transmit(now_us, &mut out);
        self.host.link.close();
        length += self.host.transmit(now_us, &mut out[length..]);
        self.device.receive(now_us, &out[..length]);
        self.poll();
    }
}
