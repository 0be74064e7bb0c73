//! Conversations in which one rule is broken, as recordings.

use xyloop_protocol::{
    codec::{Codec, Codecs},
    crc::crc32c,
    frame::{self, Header, Kind, WIRE_VERSION},
    greeting::Greeting,
    link::{Config, Link, Role},
    message::{
        self, Block, BootCause, Bytes, CodeArray, Command, Equilibria, EquilibriaWriter, Equilibrium, Event,
        Generation, Identity, Kick, Limits, MAX_SEGMENTS, Plan, ReadOut, Report, Request, Segment, Settle, Shot, Stage,
    },
    origin::{Origin, PlanOrigin},
    trace::Tracer,
    units::Flags,
};
use xyloop_testbench::{LinkSizes, link};

const SESSION: u32 = 0x0f0f_0f0f;
const CODES: [u8; 6] = [1, 0, 2, 0, 3, 0];
const SHOT: Shot<'_> = Shot { id: 4, flip: true, inputs: Bytes(&[]), targets: Bytes(&[]) };
const LIMITS: Limits = Limits {
    sites: 1,
    couplings: 1,
    inputs: 0,
    outputs: 0,
    shot_slots: 4,
    result_bytes: 4,
    replicas: 1,
    max_message: 576,
    deadman_ms: 250,
    codecs: Codecs::ALL,
};

/// Makes an end whose stream is about to begin anew at 0.
fn end(role: Role) -> Link<'static> {
    let start_offset = Some(if role == Role::Host { u32::MAX - 20 } else { u32::MAX - 5 });
    link(role, LinkSizes { flight: 16, ..LinkSizes::new(1024, 4096, 4096) }, Config { start_offset, ..Config::host() })
}

/// A host and a device that say what they are told to.
struct Forger {
    ends: [Link<'static>; 2],
    tracer: Tracer<Vec<u8>>,
    now_us: u64,
}

impl Forger {
    fn new() -> Self {
        let mut forger =
            Self { ends: [end(Role::Host), end(Role::Device)], tracer: Tracer::new(Vec::new()).unwrap(), now_us: 0 };
        let mut buffer = [0; Greeting::MAX];
        let greeting = Greeting { serial: "forged", ..Greeting::new(1, 2) }.encode(&mut buffer).unwrap();
        forger.ends[1].set_greeting(greeting).unwrap();
        forger.ends[0].connect(SESSION, &[], 0).unwrap();
        for _ in 0..3 {
            forger.carry();
        }
        forger
    }

    fn carry(&mut self) {
        self.now_us += 1000;
        let mut buffer = [0; 4096];
        for (from, role) in [Role::Host, Role::Device].into_iter().enumerate() {
            let length = self.ends[from].transmit(self.now_us, &mut buffer);
            // Cut anywhere.
            for piece in buffer[..length].chunks(7) {
                self.tracer.record(self.now_us, role, piece).unwrap();
            }
            self.ends[1 - from].receive(self.now_us, &buffer[..length]);
            while self.ends[1 - from].pop() {}
        }
    }

    fn ask(&mut self, tag: u16, command: Command<'_>) {
        let mut buffer = [0; 512];
        self.ends[0].send(message::encode(&Request { tag, command }, &mut buffer).unwrap()).unwrap();
        self.carry();
    }

    fn say(&mut self, tag: u16, report: Report<'_>) {
        let mut buffer = [0; 512];
        self.ends[1].send(message::encode(&Event { tag, report }, &mut buffer).unwrap()).unwrap();
        self.carry();
    }

    /// One bare frame of the host's.
    fn frame(&mut self, seq: u32, ack: u32, payload: &[u8]) {
        let header = Header {
            version: WIRE_VERSION,
            sender: Role::Host,
            kind: Kind::Data,
            session: SESSION,
            seq,
            ack,
            credit: 9,
        };
        let mut out = [0; 256];
        let length = frame::encode(&header, &[payload], &mut out).unwrap();
        self.tracer.record(self.now_us, Role::Host, &out[..length]).unwrap();
    }

    fn identify(&mut self) {
        self.ask(1, Command::Identify);
        let identity = Identity {
            vendor: "",
            model: "",
            serial: "forged",
            firmware: "",
            boot_id: 2,
            boot_cause: BootCause::Unknown,
            boot_note: "",
            wiring_hash: 1,
            calibration_id: 0,
            limits: LIMITS,
        };
        self.say(1, Report::Identity(identity));
    }

    fn commit(&mut self, crc: u32) {
        for (tag, block, codes) in [(2, Block::Couplings, &CODES[..2]), (3, Block::Fields, &CODES[2..])] {
            self.ask(
                tag,
                Command::Stage(Stage { generation: 1, block, first: 0, codes: CodeArray::Words(Bytes(codes)) }),
            );
        }
        self.ask(4, Command::Commit(Generation { number: 1, crc }));
        for tag in 2..=4 {
            self.say(tag, Report::Done);
        }
    }

    /// Up to a shot that was asked for.
    fn shot() -> Self {
        let mut forger = Self::new();
        forger.identify();
        forger.commit(crc32c(&CODES));
        forger.ask(5, Command::Plan(plan()));
        forger.ask(6, Command::Shot(SHOT));
        forger.say(5, Report::Done);
        forger
    }

    fn row(&mut self, segment: u8, generation: u32, origin: Origin, data: &[u8]) {
        let mut buffer = [0; 256];
        let mut writer = EquilibriaWriter::new(&mut buffer);
        let row = Equilibrium { settle_us: 1, ..Equilibrium::default() };
        assert!(writer.push(&row, data.len(), |place| {
            place.copy_from_slice(data);
            Some(data.len())
        }));
        let head = Equilibria { shot: 4, generation, origin, first: segment, ..Equilibria::default() };
        let message = writer.finish(head).unwrap();
        self.ends[1].send(message).unwrap();
        self.carry();
    }
}

fn plan() -> Plan {
    let mut segments = [Segment::End; MAX_SEGMENTS];
    segments[..3].copy_from_slice(&[Segment::Kick, Segment::Free, Segment::Release]);
    Plan {
        run: 1,
        generation: Generation { number: 1, crc: crc32c(&CODES) },
        segments,
        kick: Kick { seed: 1, range_steps: 1, duration_us: 1 },
        settle: Settle { min_us: 1, window_us: 1, reads_per_window: 1, tolerance_turn: 1, timeout_us: 9 },
        reads: 1,
        read_out: ReadOut::Phases,
        basin_tolerance_turn: 1,
        leave_out: Flags::default(),
        codec: Codec::Words,
    }
}

/// Each with words of what is wrong; `None`: nothing.
pub fn recordings() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let origin = PlanOrigin::new(&plan()).of(&SHOT);
    let other = Origin([1, 2, 3, 4]);
    let of_rows = |rows: &[(u8, u32, Origin, &[u8])]| {
        let mut forger = Forger::shot();
        for (segment, generation, origin, data) in rows {
            forger.row(*segment, *generation, *origin, data);
        }
        forger
    };
    let with = |change: &dyn Fn(&mut Forger)| {
        let mut forger = Forger::new();
        change(&mut forger);
        forger
    };
    let phases = &[7, 0][..];
    let start = u32::MAX - 20;
    let cases = vec![
        (of_rows(&[(1, 1, origin, phases), (2, 1, origin, phases)]), None),
        (of_rows(&[(1, 1, other, phases)]), Some("origin 04030201 is not that of plan and shot")),
        (of_rows(&[(1, 2, origin, phases)]), Some("under another generation")),
        (of_rows(&[(0, 1, origin, phases)]), Some("the plan has no such equilibrium")),
        (of_rows(&[(2, 1, origin, phases)]), Some("segment 2 out of turn")),
        (of_rows(&[(1, 1, origin, phases), (1, 1, origin, phases)]), Some("segment 1 out of turn, or twice")),
        (of_rows(&[(1, 1, origin, &[7, 0, 8, 0])]), Some("4 bytes, not 2")),
        (with(&|forger| forger.say(9, Report::Done)), Some("tag 9 was answered and never asked")),
        (
            with(&|forger| {
                forger.ask(1, Command::Abort);
                forger.ask(2, Command::Safe);
                forger.say(2, Report::Done);
            }),
            Some("the next answer due is that of 1"),
        ),
        (
            with(&|forger| {
                forger.ask(1, Command::Status);
                forger.say(1, Report::Done);
            }),
            Some("Status was answered with Done"),
        ),
        (
            with(&|forger| {
                forger.identify();
                forger.commit(crc32c(&CODES) ^ 1);
            }),
            Some("generation 1 has another CRC"),
        ),
        (
            with(&|forger| {
                forger.identify();
                // The first message again, with another tag.
                forger.frame(start, u32::MAX - 5, &[2, 0, 9, 0]);
            }),
            Some("sent again with another value"),
        ),
        (
            with(&|forger| forger.frame(start.wrapping_add(4090), u32::MAX - 5, &[0; 9])),
            Some("the credit ends at 4096"),
        ),
        (with(&|forger| forger.frame(start, 3, &[])), Some("an ack of stream byte")),
    ];
    cases.into_iter().map(|(forger, words)| (forger.tracer.into_inner(), words)).collect()
}
