//! The rig: a Controller over the scripted board, a host's link, and the line between them.

use std::rc::Rc;

use xyloop_firmware::{BoardError, Controller, Identification, SafeTable, Sizes, Storage, phase::IqSum};
use xyloop_protocol::{
    codec::{Codec, Codecs, read_out, rice},
    frame,
    link::{self, Link, Role},
    message::{
        self, Block, BootCause, Bytes, CodeArray, Command, Contrast, Cost, Event, Generation, Report, Request, Shot,
        Stage, State,
    },
    units::{DacCode, IqCode, ShotId, Turn},
};

use super::{
    board::{Bench, COUPLINGS, Call, INPUTS, OUTPUTS, SITES, ScriptedBoard, safe_couplings, safe_fields, safe_inputs},
    words::{Codes, DEADMAN_US, Heard, RESULT_BYTES, Row, SLOTS, WIRING, bytes_of, inputs_of, plan, targets_of},
};

fn leak<T: Clone>(value: T, length: usize) -> &'static mut [T] {
    vec![value; length].leak()
}

/// The device in memory of exactly the size it asks for.
pub fn device(
    bench: &Rc<Bench>,
    slots: usize,
    codecs: Codecs,
    (boot_cause, boot_note): (BootCause, &'static str),
) -> Controller<'static, ScriptedBoard> {
    let replicas = bench.slowness.len();
    let s = Sizes {
        sites: SITES,
        couplings: COUPLINGS.len(),
        inputs: INPUTS.len(),
        outputs: OUTPUTS.len(),
        replicas,
        slots,
        result_bytes: RESULT_BYTES,
    };
    let codes = |codes: Vec<u16>| -> &'static [DacCode] { codes.into_iter().map(DacCode).collect::<Vec<_>>().leak() };
    let who = Identification {
        vendor: "xyloop",
        model: "scripted",
        serial: "1",
        boot_id: 5,
        boot_cause,
        boot_note,
        wiring: WIRING,
        deadman_ms: (DEADMAN_US / 1000) as u16,
        codecs,
        safe: SafeTable {
            couplings: codes(safe_couplings()),
            fields: codes(safe_fields()),
            inputs: safe_inputs().into_iter().map(Turn).collect::<Vec<_>>().leak(),
        },
    };
    let storage = Storage {
        link: link::Storage {
            frame: leak(0, frame::storage_len(1024)),
            receive: leak(0, 4096),
            send: leak(0, 4096),
            flight: leak(link::InFlight::default(), 32),
        },
        message_in: leak(0, s.message()),
        message_out: leak(0, s.message()),
        committed: leak(DacCode(0), s.generation()),
        staged: leak(DacCode(0), s.generation()),
        fields: leak(DacCode(0), 2 * SITES),
        codes: leak(IqCode::default(), SITES),
        sums: leak(IqSum::default(), replicas * SITES),
        phases: leak(Turn(0), SITES),
        free: leak(Turn(0), replicas * SITES),
        windows: leak(Turn(0), replicas * SITES),
        replicas: leak(xyloop_firmware::Replica::default(), replicas),
        slots: leak(xyloop_firmware::slots::Slot::default(), slots),
        inputs: leak(Turn(0), slots * INPUTS.len()),
        targets: leak(Turn(0), slots * OUTPUTS.len()),
        results: leak(0, slots * RESULT_BYTES),
        contrast: leak(0, s.generation()),
        trigonometry: leak((0, 0), SITES),
    };
    let board = ScriptedBoard::new(Rc::clone(bench));
    Controller::new(board, who, (slots, RESULT_BYTES), storage, link::Config { salt: 5, ..link::Config::device() })
        .expect("the memory is long enough")
}

pub struct Rig {
    pub device: Controller<'static, ScriptedBoard>,
    pub bench: Rc<Bench>,
    /// The line carries nothing, either way.
    pub cut: bool,
    /// When bytes of the host last reached the device.
    pub delivered_us: u64,
    pub rows: Vec<Row>,
    /// States the device told of unasked.
    pub states: Vec<State>,
    /// Why the device said that it started.
    pub boots: Vec<(BootCause, String)>,
    /// Answers nobody waited for (refused shots).
    pub others: Vec<(u16, Heard)>,
    host: Link<'static>,
    tag: u16,
}

impl Rig {
    /// A device at reset and a host that is not connected. One replica per entry of `slowness`.
    pub fn at_reset(slowness: &[u64], slots: usize) -> Self {
        Self::with_codecs(slowness, slots, Codecs::ALL)
    }

    /// The same with a device that started for this reason.
    pub fn booted_by(cause: BootCause, note: &'static str) -> Self {
        Self::of(&[1], SLOTS, Codecs::ALL, (cause, note))
    }

    /// The same with a device that offers only some codecs.
    pub fn with_codecs(slowness: &[u64], slots: usize, codecs: Codecs) -> Self {
        Self::of(slowness, slots, codecs, (BootCause::PowerOn, ""))
    }

    /// A device whose board cannot be set up the first time.
    pub fn failing_at_reset(error: BoardError) -> Self {
        let bench = Bench::new(&[1]);
        bench.fail.set(Some((Call::Recover, 0, error)));
        Self::over(bench, SLOTS, Codecs::ALL, (BootCause::PowerOn, ""))
    }

    fn of(slowness: &[u64], slots: usize, codecs: Codecs, boot: (BootCause, &'static str)) -> Self {
        Self::over(Bench::new(slowness), slots, codecs, boot)
    }

    fn over(bench: Rc<Bench>, slots: usize, codecs: Codecs, boot: (BootCause, &'static str)) -> Self {
        let storage = link::Storage {
            frame: leak(0, frame::storage_len(1024)),
            receive: leak(0, 1 << 15),
            send: leak(0, 1 << 15),
            flight: leak(link::InFlight::default(), 64),
        };
        Self {
            device: device(&bench, slots, codecs, boot),
            bench,
            cut: false,
            delivered_us: 0,
            rows: Vec::new(),
            states: Vec::new(),
            boots: Vec::new(),
            others: Vec::new(),
            host: Link::new(Role::Host, storage, link::Config::host()),
            tag: 0,
        }
    }

    pub fn connected(slowness: &[u64]) -> Self {
        let mut rig = Self::at_reset(slowness, SLOTS);
        rig.connect(1);
        rig
    }

    /// Connected, with generation 1 (of [`Codes::new`]`(1)`) in force and the usual plan.
    pub fn planned(slowness: &[u64], cost: Cost) -> Self {
        let mut rig = Self::connected(slowness);
        let generation = rig.commit(1, &Codes::new(1));
        assert_eq!(rig.ask(Command::Plan(plan(generation, cost))), Heard::Done);
        rig
    }

    pub fn now(&self) -> u64 {
        self.bench.now_us.get()
    }

    pub fn log_length(&self) -> usize {
        self.bench.log.borrow().len()
    }

    pub fn connect(&mut self, session: u32) {
        let now = self.now();
        self.host.connect(session, &[], now).unwrap();
        self.run_until(1_000_000, |rig| rig.host.session() == Some(session));
    }

    /// What the device said in the first exchange.
    pub fn peer_greeting(&self) -> &[u8] {
        self.host.peer_greeting()
    }

    /// Carries bytes and polls the device until neither end has anything to say at this moment.
    pub fn exchange(&mut self) {
        while self.exchange_once() {}
    }

    /// The same with a single poll. Whether anything was said.
    pub fn exchange_once(&mut self) -> bool {
        let (now, mut buffer, mut moved) = (self.now(), [0; 4096], false);
        loop {
            let length = self.host.transmit(now, &mut buffer);
            if length == 0 {
                break;
            }
            moved = true;
            if !self.cut {
                self.device.receive(now, &buffer[..length]);
                self.delivered_us = now;
            }
        }
        self.poll();
        loop {
            let length = self.device.transmit(now, &mut buffer);
            if length == 0 {
                break;
            }
            moved = true;
            if !self.cut {
                self.host.receive(now, &buffer[..length]);
            }
        }
        while let Some(message) = self.host.front() {
            let event = message::decode::<Event<'_>>(message).expect("a message of the protocol");
            if let Report::Identity(identity) = event.report {
                self.boots.push((identity.boot_cause, identity.boot_note.to_owned()));
            }
            match own(&event, &self.rows) {
                Owned::Answer(heard) => self.others.push((event.tag, heard)),
                Owned::Rows(rows) => self.rows.extend(rows),
                Owned::State(state) => self.states.push(state),
            }
            self.host.pop();
            moved = true;
        }
        moved
    }

    /// Everything that happens up to `until`, at the moments at which it happens.
    pub fn step(&mut self, until: u64) {
        self.exchange();
        let wakeups = [self.host.next_wakeup_us(), self.device.next_wakeup_us(), self.bench.next_due_us()];
        let next = wakeups.into_iter().flatten().min().unwrap_or(until);
        self.bench.now_us.set(next.max(self.now() + 1).min(until));
    }

    /// Panics if the condition is not met in time.
    pub fn run_until(&mut self, limit_us: u64, done: impl Fn(&Self) -> bool) {
        let end = self.now() + limit_us;
        self.exchange();
        while !done(self) {
            assert!(self.now() < end, "not within {limit_us} us");
            self.step(end);
            self.exchange();
        }
    }

    pub fn run_for(&mut self, us: u64) {
        let end = self.now() + us;
        while self.now() < end {
            self.step(end);
        }
        self.exchange();
    }

    /// Sends a request; its tag.
    pub fn tell(&mut self, command: Command<'_>) -> u16 {
        self.tag = self.tag.checked_add(1).unwrap_or(1);
        let mut buffer = [0; 2048];
        let request = Request { tag: self.tag, command };
        let bytes = message::encode(&request, &mut buffer).expect("the request is short");
        self.tell_raw(bytes);
        self.tag
    }

    pub fn tell_raw(&mut self, bytes: &[u8]) {
        self.host.send(bytes).expect("the host's link has room");
    }

    pub fn try_tell_raw(&mut self, bytes: &[u8]) {
        let _ = self.host.send(bytes);
    }

    /// Says these and leaves in the same breath: the device gets all of it at once, the farewell included.
    pub fn say_and_leave(&mut self, commands: &[Command<'_>]) {
        let (now, mut buffer) = (self.now(), [0; 4096]);
        for command in commands {
            self.tell(*command);
        }
        let mut length = self.host.transmit(now, &mut buffer);
        self.host.close();
        length += self.host.transmit(now, &mut buffer[length..]);
        self.device.receive(now, &buffer[..length]);
        self.poll();
    }

    /// Polls the device once.
    pub fn poll(&mut self) {
        self.bench.begin_poll();
        self.device.poll(self.bench.now_us.get());
    }

    /// Asks for a session without waiting for it.
    pub fn reconnect(&mut self, session: u32) {
        self.host.connect(session, &[], self.bench.now_us.get()).unwrap();
    }

    /// As [`Self::tell`], if there is a session and room.
    pub fn try_tell(&mut self, command: Command<'_>) {
        if self.host.send_room() > 2048 {
            self.tell(command);
        }
    }

    /// The answer to a request, which must come as soon as the device has worked it off: commands take no plant time.
    pub fn ask(&mut self, command: Command<'_>) -> Heard {
        let tag = self.tell(command);
        self.exchange();
        while self.device.is_working() && self.others.iter().all(|(of, _)| *of != tag) {
            let now = self.now();
            self.step(now + 1);
            self.exchange();
        }
        self.answer(tag).unwrap_or_else(|| panic!("no answer to {command:?}"))
    }

    pub fn answer(&mut self, tag: u16) -> Option<Heard> {
        let place = self.others.iter().position(|(of, _)| *of == tag)?;
        Some(self.others.remove(place).1)
    }

    pub fn stage(&mut self, number: u32, codes: &Codes) {
        for (block, words) in [(Block::Couplings, &codes.couplings), (Block::Fields, &codes.fields)] {
            let bytes = bytes_of(words);
            let stage = Stage { generation: number, block, first: 0, codes: CodeArray::Words(Bytes(&bytes)) };
            assert_eq!(self.ask(Command::Stage(stage)), Heard::Done);
        }
    }

    pub fn commit(&mut self, number: u32, codes: &Codes) -> Generation {
        self.stage(number, codes);
        let generation = codes.generation(number);
        assert_eq!(self.ask(Command::Commit(generation)), Heard::Done);
        generation
    }

    /// Queues a shot with the inputs and targets that go with its id; its tag.
    pub fn shoot(&mut self, id: ShotId, flip: bool) -> u16 {
        let (inputs, targets) = (bytes_of(&inputs_of(id)), bytes_of(&targets_of(id)));
        self.tell(Command::Shot(Shot { id, flip, inputs: Bytes(&inputs), targets: Bytes(&targets) }))
    }

    /// Runs shots to their end under the plan in force; their rows.
    pub fn run_shots(&mut self, ids: impl IntoIterator<Item = ShotId>) -> Vec<Row> {
        let before = self.rows.len();
        let count = ids.into_iter().map(|id| self.shoot(id, false)).count();
        self.run_until(60_000_000, |rig| rig.rows.len() == before + 4 * count || !rig.others.is_empty());
        assert!(self.others.is_empty(), "{:?}", self.others);
        self.rows[before..].to_vec()
    }
}

enum Owned {
    Answer(Heard),
    Rows(Vec<Row>),
    State(State),
}

fn own(event: &Event<'_>, before: &[Row]) -> Owned {
    let answer = match event.report {
        Report::Done => Heard::Done,
        Report::Refused(refusal) => Heard::Refused(refusal),
        Report::Identity(identity) => Heard::Identity(identity.limits),
        Report::Status(status) => Heard::Status(status),
        Report::Contrast(c) => Heard::Contrast {
            shots: c.shots,
            left_out: c.left_out,
            saturated: c.saturated,
            first: c.first,
            sums: sums_of(&c),
        },
        Report::State(state) => return Owned::State(state),
        Report::Equilibria(e) => {
            let mut rows = Vec::new();
            for (segment, row) in e.iter().map(|row| row.expect("whole rows")) {
                let shot: Vec<&Row> = before.iter().chain(&rows).rev().take(usize::from(segment) - 1).collect();
                let data = words_of(row.data.0, &shot);
                rows.push(Row {
                    shot: e.shot,
                    segment,
                    generation: e.generation,
                    origin: e.origin,
                    flags: row.flags,
                    settle_us: row.settle_us,
                    residual_turn: row.residual_turn,
                    moved_turn: row.moved_turn,
                    data,
                });
            }
            return Owned::Rows(rows);
        }
    };
    Owned::Answer(answer)
}

/// A read-out's words. `shot`: the equilibria of the same shot in front of it, the last one first.
fn words_of(data: &[u8], shot: &[&Row]) -> Vec<u16> {
    let (mut words, ordinal) = (Vec::new(), shot.len());
    let count = shot.last().map_or(data.len() / 2, |free| free.data.len());
    let earlier = |state: usize, index: usize| shot[ordinal - 1 - state].data[index];
    read_out::decode(data, ordinal, count, earlier, |word| words.push(word)).expect("a read-out");
    words
}

fn sums_of(contrast: &Contrast<'_>) -> Vec<i32> {
    let bytes = contrast.sums.0;
    let mut sums = Vec::new();
    match contrast.codec {
        Codec::Words => sums.extend(bytes.as_chunks::<4>().0.iter().map(|word| i32::from_le_bytes(*word))),
        Codec::Delta => {
            let take = |_, folded| sums.push(rice::unfold32(folded));
            rice::decode::<32>(bytes, contrast.count as usize, take).expect("sums");
        }
    }
    assert_eq!(sums.len(), contrast.count as usize);
    sums
}
