//! Shared by the tests of the simulated device: a host that drives it over the link, on one virtual clock, and the way
//! from model parameters to codes and back.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod line;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use xyloop_firmware::{Board, Controller, generations::crc_of, keyed::Stream};
use xyloop_lattice::{Geometry, Graph, Parameters, Preset};
use xyloop_protocol::{
    codec::{Codec, read_out},
    frame,
    link::{self, Link, Role},
    message::{
        self, Block, Bytes, CodeArray, Command, Cost, Equilibria, Event, Generation, Kick, MAX_SEGMENTS, Nudge, Plan,
        ReadOut, Report, Request, Segment, Settle, Shot, Stage,
    },
    units::{DacCode, Flags, ShotId},
    wiring::Converters,
};
use xyloop_sim::{Description, Memory, SimulatedBoard, Solver, board::Workers, noise};

pub const TAU: f64 = std::f64::consts::TAU;

/// 16 bits everywhere; W within ±2, fields within ±4 per quadrature.
pub const CONVERTERS: Converters = Converters {
    coupling_bits: 16,
    coupling_range_micro: 2_000_000,
    field_bits: 16,
    field_range_micro: 4_000_000,
    input_bits: 16,
    iq_bits: 16,
};

pub fn lattice(side: usize, inputs: &[u32], outputs: &[u32]) -> Graph {
    Graph::new(&Geometry::preset(Preset::UpToFourthShell, side, side)).unwrap().with_terminals(inputs, outputs).unwrap()
}

/// The 5 × 5 array of most tests.
pub fn small() -> Graph {
    lattice(5, &[5, 9], &[12])
}

/// 2 × 2 sites, square lattice: 4 couplings, on a board one chip of each kind.
pub fn tiny() -> Description {
    let graph = Graph::new(&Geometry::preset(Preset::Square, 2, 2)).unwrap().with_terminals(&[0], &[3]).unwrap();
    ideal(graph, 1)
}

/// The XOR array of the examples.
pub fn large() -> Graph {
    lattice(15, &[80, 140], &[114])
}

/// The ideal device, settling in 10 µs per model time unit.
pub fn ideal(graph: Graph, replicas: usize) -> Description {
    Description {
        graph,
        converters: CONVERTERS,
        tau_us: 10.0,
        deadman_ms: 250,
        seed: 3,
        threads: 1,
        replicas,
        phase_diffusion_rad2_per_s: 0.0,
        iq_noise: 0.0,
        realtime: false,
        solver: Solver::Twin,
        serial: "test".into(),
    }
}

/// Seeded normal numbers.
pub fn normal(seed: u64, std: f64, count: usize) -> Vec<f64> {
    (0..count).map(|i| std * noise::normal_pair(seed, Stream::Prior, u64::MAX, i as u32, 9)[0]).collect()
}

pub fn parameters(graph: &Graph, seed: u64, coupling_std: f64) -> Parameters {
    Parameters {
        couplings: normal(seed, coupling_std, graph.couplings().len()),
        field_x: normal(seed + 1, 0.3, graph.len()),
        field_y: normal(seed + 2, 0.3, graph.len()),
    }
}

/// A generation's codes: couplings, then two per site.
#[derive(Clone, Debug, PartialEq)]
pub struct Codes {
    pub couplings: Vec<u16>,
    pub fields: Vec<u16>,
}

fn code(value: f64, bits: u8, range_micro: u32) -> u16 {
    let full = f64::from(1u32 << (bits - 1));
    DacCode::from_steps((value / (f64::from(range_micro) * 1e-6) * full).round() as i32, bits).0.0
}

fn value(code: u16, bits: u8, range_micro: u32) -> f64 {
    f64::from(DacCode(code).steps(bits)) * f64::from(range_micro) * 1e-6 / f64::from(1u32 << (bits - 1))
}

impl Codes {
    pub fn new(p: &Parameters, c: &Converters) -> Self {
        let of_field = |x: &f64| code(*x, c.field_bits, c.field_range_micro);
        Self {
            couplings: p.couplings.iter().map(|w| code(*w, c.coupling_bits, c.coupling_range_micro)).collect(),
            fields: p.field_x.iter().zip(&p.field_y).flat_map(|(x, y)| [of_field(x), of_field(y)]).collect(),
        }
    }

    /// What these codes mean: the parameters the plant really has.
    pub fn meaning(&self, c: &Converters) -> Parameters {
        let of_field = |code: u16| value(code, c.field_bits, c.field_range_micro);
        let pairs = self.fields.as_chunks::<2>().0;
        Parameters {
            couplings: self.couplings.iter().map(|w| value(*w, c.coupling_bits, c.coupling_range_micro)).collect(),
            field_x: pairs.iter().map(|[x, _]| of_field(*x)).collect(),
            field_y: pairs.iter().map(|[_, y]| of_field(*y)).collect(),
        }
    }

    pub fn generation(&self, number: u32) -> Generation {
        let all: Vec<DacCode> = self.couplings.iter().chain(&self.fields).map(|code| DacCode(*code)).collect();
        Generation { number, crc: crc_of(&all) }
    }
}

pub fn turn(angle: f64) -> u16 {
    (angle / TAU * 65536.0).round() as i64 as u16
}

pub fn radians(turn: u16) -> f64 {
    f64::from(turn) / 65536.0 * TAU
}

/// Distance of two phases in 2^-16 turns.
pub fn distance(a: u16, b: u16) -> u16 {
    (a.wrapping_sub(b) as i16).unsigned_abs()
}

/// β (model units) in 1/256 steps of a field DAC.
pub fn beta_q8(beta: f64, c: &Converters) -> i32 {
    let step = f64::from(c.field_range_micro) * 1e-6 / f64::from(1u32 << (c.field_bits - 1));
    (beta / step * 256.0).round() as i32
}

/// Kick, free and these segments; settled after 3 ms, by tolerance zero point one milliradian.
pub fn plan(rest: &[Segment]) -> Plan {
    let mut segments = [Segment::End; MAX_SEGMENTS];
    segments[..2].copy_from_slice(&[Segment::Kick, Segment::Free]);
    segments[2..2 + rest.len()].copy_from_slice(rest);
    Plan {
        run: 1,
        generation: Generation::default(),
        segments,
        kick: Kick { seed: 11, range_steps: 32_000, duration_us: 50 },
        settle: Settle { min_us: 3000, window_us: 1000, reads_per_window: 1, tolerance_turn: 2, timeout_us: 60_000 },
        reads: 1,
        read_out: ReadOut::Phases,
        basin_tolerance_turn: 100,
        leave_out: Flags::default(),
        codec: Codec::Words,
    }
}

/// +β, release, −β.
pub fn symmetric(beta: f64, cost: Cost) -> [Segment; 3] {
    let nudge = |beta| Segment::Nudge(Nudge { beta_q8: beta_q8(beta, &CONVERTERS), cost });
    [nudge(beta), Segment::Release, nudge(-beta)]
}

/// A shot to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: ShotId,
    pub flip: bool,
    pub inputs: Vec<u16>,
    pub targets: Vec<u16>,
}

/// Shots with the four XOR patterns in turn (bits are phases of ±90°), targets to match.
pub fn xor_shots(ids: impl IntoIterator<Item = ShotId>) -> Vec<Order> {
    let quarter = |positive: bool| if positive { 0x4000 } else { 0xc000 };
    let order = |id: ShotId| {
        let (a, b) = (id & 1 == 1, id & 2 == 2);
        Order { id, flip: false, inputs: vec![quarter(a), quarter(b)], targets: vec![quarter(a != b)] }
    };
    ids.into_iter().map(order).collect()
}

/// An equilibrium as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub segment: u8,
    pub generation: u32,
    pub flags: Flags,
    pub settle_us: u32,
    pub residual_turn: u16,
    pub moved_turn: u16,
    pub data: Vec<u16>,
}

impl Row {
    pub fn phases(&self) -> Vec<f64> {
        self.data.iter().map(|word| radians(*word)).collect()
    }
}

pub type Rows = BTreeMap<ShotId, Vec<Row>>;

/// Puts the equilibria of a message behind those that are known of their shot; how many they are.
pub fn take_rows(equilibria: &Equilibria<'_>, shot: &mut Vec<Row>) -> usize {
    let before = shot.len();
    for (segment, row) in equilibria.iter().map(|row| row.expect("whole rows")) {
        let (mut data, ordinal) = (Vec::new(), shot.len());
        let words = shot.first().map_or(row.data.0.len() / 2, |free: &Row| free.data.len());
        let earlier = |state: usize, index: usize| shot[state].data[index];
        read_out::decode(row.data.0, ordinal, words, earlier, |word| data.push(word)).expect("a read-out");
        shot.push(Row {
            segment,
            generation: equilibria.generation,
            flags: row.flags,
            settle_us: row.settle_us,
            residual_turn: row.residual_turn,
            moved_turn: row.moved_turn,
            data,
        });
    }
    shot.len() - before
}

/// A device, simulated as a whole or over another board, and its host.
pub struct Bench<B = SimulatedBoard> {
    pub device: Controller<'static, B>,
    pub converters: Converters,
    pub generation: Generation,
    pub rows: Rows,
    host: Link<'static>,
    wake: Option<Receiver<()>>,
    now_us: u64,
    done: u32,
    arrived: usize,
    segments: usize,
}

impl Bench {
    /// Connected; the plant computed in poll.
    pub fn new(description: Description) -> Self {
        Self::with_workers(description, Workers::Inline, None)
    }

    /// Connected; the plant computed on threads.
    pub fn threaded(description: Description) -> Self {
        let (sender, wake) = channel();
        let sender = Mutex::new(sender);
        let notify = Arc::new(move || sender.lock().unwrap().send(()).unwrap_or_default());
        Self::with_workers(description, Workers::Threads(notify), Some(wake))
    }

    fn with_workers(description: Description, workers: Workers, wake: Option<Receiver<()>>) -> Self {
        let converters = description.converters;
        let memory = Box::leak(Box::new(Memory::new(Arc::new(description), 1)));
        Self::connected(memory.device(workers).unwrap(), converters, wake)
    }

    /// With these codes in force.
    pub fn with_codes(description: Description, codes: &Codes) -> Self {
        let mut bench = Self::new(description);
        bench.commit(codes);
        bench
    }
}

impl<B: Board> Bench<B> {
    /// Connected; over another board of one replica.
    pub fn over(description: Description, board: B) -> Self {
        let converters = description.converters;
        let memory = Box::leak(Box::new(Memory::new(Arc::new(description), 1)));
        Self::connected(memory.controller(board).unwrap(), converters, None)
    }

    fn connected(device: Controller<'static, B>, converters: Converters, wake: Option<Receiver<()>>) -> Self {
        let storage = link::Storage {
            frame: vec![0; frame::storage_len(1024)].leak(),
            receive: vec![0; 1 << 17].leak(),
            send: vec![0; 1 << 17].leak(),
            flight: vec![link::InFlight::default(); 128].leak(),
        };
        let mut bench = Self {
            device,
            converters,
            generation: Generation::default(),
            rows: Rows::new(),
            host: Link::new(Role::Host, storage, link::Config::host()),
            wake,
            now_us: 0,
            done: 0,
            arrived: 0,
            segments: 0,
        };
        bench.host.connect(1, &[], 0).unwrap();
        bench.exchange();
        assert_eq!(bench.host.session(), Some(1));
        bench
    }

    /// Carries bytes both ways and polls the device until all is said; time passes by a microsecond.
    fn exchange(&mut self) {
        let mut buffer = vec![0; 1 << 16];
        self.now_us += 1;
        loop {
            let mut moved = false;
            loop {
                let length = self.host.transmit(self.now_us, &mut buffer);
                if length == 0 {
                    break;
                }
                moved = true;
                self.device.receive(self.now_us, &buffer[..length]);
            }
            self.device.poll(self.now_us);
            loop {
                let length = self.device.transmit(self.now_us, &mut buffer);
                if length == 0 {
                    break;
                }
                moved = true;
                self.host.receive(self.now_us, &buffer[..length]);
            }
            while let Some(message) = self.host.front() {
                moved = true;
                match message::decode::<Event<'_>>(message).expect("a message of the protocol").report {
                    Report::Done => self.done += 1,
                    Report::Equilibria(e) => self.arrived += take_rows(&e, self.rows.entry(e.shot).or_default()),
                    Report::State(_) => {}
                    other => panic!("{other:?}"),
                }
                self.host.pop();
            }
            if !moved {
                return;
            }
        }
    }

    pub fn tell(&mut self, command: Command<'_>) {
        let mut buffer = [0; 4096];
        let bytes = message::encode(&Request { tag: 1, command }, &mut buffer).expect("the request is short");
        while self.host.send(bytes).is_err() {
            self.exchange();
        }
    }

    /// Must be answered with Done, at once.
    pub fn order(&mut self, command: Command<'_>) {
        let done = self.done;
        self.tell(command);
        self.exchange();
        assert_eq!(self.done, done + 1, "{command:?}");
    }

    pub fn commit(&mut self, codes: &Codes) {
        let generation = codes.generation(self.generation.number + 1);
        for (block, words) in [(Block::Couplings, &codes.couplings), (Block::Fields, &codes.fields)] {
            for (index, piece) in words.chunks(200).enumerate() {
                let bytes: Vec<u8> = piece.iter().flat_map(|word| word.to_le_bytes()).collect();
                let first = 200 * index as u32;
                let stage =
                    Stage { generation: generation.number, block, first, codes: CodeArray::Words(Bytes(&bytes)) };
                self.order(Command::Stage(stage));
            }
        }
        self.order(Command::Commit(generation));
        self.generation = generation;
    }

    pub fn plan(&mut self, plan: &Plan) {
        self.segments = plan.segments.iter().filter(|s| !matches!(s, Segment::End | Segment::Kick)).count();
        self.order(Command::Plan(Plan { generation: self.generation, ..*plan }));
    }

    pub fn queue(&mut self, shots: &[Order]) {
        for shot in shots {
            let bytes = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
            let (inputs, targets) = (bytes(&shot.inputs), bytes(&shot.targets));
            let (inputs, targets) = (Bytes(&inputs), Bytes(&targets));
            self.tell(Command::Shot(Shot { id: shot.id, flip: shot.flip, inputs, targets }));
        }
    }

    /// Until so many more shots are finished and here.
    pub fn wait(&mut self, shots: usize) {
        let want = self.arrived + shots * self.segments;
        self.exchange();
        while self.arrived < want {
            if let Some(wake) = &self.wake {
                // Not a sleep: a worker's message, and an end if there is none.
                wake.recv_timeout(Duration::from_mins(1)).expect("the plant is computed");
            }
            self.exchange();
            assert!(self.now_us < 1_000_000, "the device does not get on");
        }
    }

    /// Runs shots under the plan in force; their rows.
    pub fn run(&mut self, shots: &[Order]) -> Rows {
        self.rows.clear();
        for part in shots.chunks(xyloop_sim::device::SLOTS) {
            self.queue(part);
            self.wait(part.len());
            self.tell(Command::Retire(u64::MAX));
        }
        std::mem::take(&mut self.rows)
    }
}
