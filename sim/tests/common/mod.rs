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

use xyloop_firmware::{Board, Controller, keyed::Stream};
use xyloop_lattice::{Geometry, Graph, Parameters, Preset};
use xyloop_protocol::{
    codec::Codec,
    message::{Command, Cost, Generation, Kick, MAX_SEGMENTS, Nudge, Plan, ReadOut, Segment, Settle},
    units::{DacCode, Flags, ShotId},
    wiring::Converters,
};
use xyloop_sim::{Description, Memory, SimulatedBoard, Solver, board::Workers, noise};
use xyloop_testbench::{Answer, LinkSizes, Pair, Row, ScriptedHost};
pub use xyloop_testbench::{CONVERTERS, Codes, Order};

pub const TAU: f64 = std::f64::consts::TAU;

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

fn code(value: f64, bits: u8, range_micro: u32) -> u16 {
    let full = f64::from(1u32 << (bits - 1));
    DacCode::from_steps((value / (f64::from(range_micro) * 1e-6) * full).round() as i32, bits).0.0
}

fn value(code: u16, bits: u8, range_micro: u32) -> f64 {
    f64::from(DacCode(code).steps(bits)) * f64::from(range_micro) * 1e-6 / f64::from(1u32 << (bits - 1))
}

/// Returns the codes of these parameters.
pub fn codes_of(p: &Parameters, c: &Converters) -> Codes {
    let of_field = |x: &f64| code(*x, c.field_bits, c.field_range_micro);
    Codes {
        couplings: p.couplings.iter().map(|w| code(*w, c.coupling_bits, c.coupling_range_micro)).collect(),
        fields: p.field_x.iter().zip(&p.field_y).flat_map(|(x, y)| [of_field(x), of_field(y)]).collect(),
    }
}

/// Returns what codes mean: the parameters the plant really has.
pub fn meaning_of(codes: &Codes, c: &Converters) -> Parameters {
    let of_field = |code: u16| value(code, c.field_bits, c.field_range_micro);
    let pairs = codes.fields.as_chunks::<2>().0;
    Parameters {
        couplings: codes.couplings.iter().map(|w| value(*w, c.coupling_bits, c.coupling_range_micro)).collect(),
        field_x: pairs.iter().map(|[x, _]| of_field(*x)).collect(),
        field_y: pairs.iter().map(|[_, y]| of_field(*y)).collect(),
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

/// Shots with the four XOR patterns in turn (bits are phases of ±90°), targets to match.
pub fn xor_shots(ids: impl IntoIterator<Item = ShotId>) -> Vec<Order> {
    let quarter = |positive: bool| if positive { 0x4000 } else { 0xc000 };
    let order = |id: ShotId| {
        let (a, b) = (id & 1 == 1, id & 2 == 2);
        Order { id, flip: false, inputs: vec![quarter(a), quarter(b)], targets: vec![quarter(a != b)] }
    };
    ids.into_iter().map(order).collect()
}

/// Equilibria by their shots, in the order of the plan.
pub type Rows = BTreeMap<ShotId, Vec<Row>>;

/// Sorts equilibria by their shots.
pub fn by_shot(rows: impl IntoIterator<Item = Row>) -> Rows {
    let mut shots = Rows::new();
    for row in rows {
        shots.entry(row.shot).or_default().push(row);
    }
    shots
}

/// A device, simulated as a whole or over another board, and the host that drives it.
pub struct DrivenDevice<B = SimulatedBoard> {
    pub pair: Pair<ScriptedHost<'static>, Controller<'static, B>>,
    pub converters: Converters,
    pub generation: Generation,
    wake: Option<Receiver<()>>,
    segments: usize,
}

impl DrivenDevice {
    /// Connects to a device whose plant is computed in poll.
    pub fn new(description: Description) -> Self {
        Self::with_workers(description, Workers::Inline, None)
    }

    /// Connects to a device whose plant is computed on threads.
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

    /// Connects and puts these codes into force.
    pub fn with_codes(description: Description, codes: &Codes) -> Self {
        let mut driven = Self::new(description);
        driven.commit(codes);
        driven
    }
}

impl<B: Board> DrivenDevice<B> {
    /// Connects to a device over another board of one replica.
    pub fn over(description: Description, board: B) -> Self {
        let converters = description.converters;
        let memory = Box::leak(Box::new(Memory::new(Arc::new(description), 1)));
        Self::connected(memory.controller(board).unwrap(), converters, None)
    }

    fn connected(device: Controller<'static, B>, converters: Converters, wake: Option<Receiver<()>>) -> Self {
        let host = ScriptedHost::new(LinkSizes { flight: 128, ..LinkSizes::new(1024, 1 << 17, 1 << 17) });
        let mut pair = Pair::new(host, device, 0);
        pair.connect(1);
        Self { pair, converters, generation: Generation::default(), wake, segments: 0 }
    }

    /// Lets both say all there is to say; time passes by a microsecond.
    fn exchange(&mut self) {
        self.pair.now_us += 1;
        self.pair.exchange();
        let answers = &self.pair.host.answers;
        assert!(!answers.iter().any(|(_, answer)| matches!(answer, Answer::Refused(_))), "{answers:?}");
    }

    /// Sends a request that must be answered with Done, at once.
    pub fn order(&mut self, command: Command<'_>) {
        self.exchange();
        self.pair.order(command);
    }

    /// Commits codes under the next number.
    pub fn commit(&mut self, codes: &Codes) {
        self.exchange();
        self.generation = self.pair.commit(self.generation.number + 1, codes);
    }

    /// Puts a plan for the generation in force into force.
    pub fn plan(&mut self, plan: &Plan) {
        self.segments = plan.segments.iter().filter(|s| !matches!(s, Segment::End | Segment::Kick)).count();
        self.order(Command::Plan(Plan { generation: self.generation, ..*plan }));
    }

    /// Queues shots and waits for nothing.
    pub fn queue(&mut self, shots: &[Order]) {
        for shot in shots {
            self.pair.queue(shot);
        }
    }

    /// Waits until so many more shots are finished and here.
    pub fn wait(&mut self, shots: usize) {
        let want = self.pair.host.rows.len() + shots * self.segments;
        self.exchange();
        let start_us = self.pair.now_us;
        while self.pair.host.rows.len() < want {
            if let Some(wake) = &self.wake {
                // Not a sleep: a worker's message, and an end if there is none.
                wake.recv_timeout(Duration::from_mins(1)).expect("the plant is computed");
            }
            self.exchange();
            assert!(self.pair.now_us < start_us + 1_000_000, "the device does not get on");
        }
    }

    /// Returns the equilibria that have come since the last run.
    pub fn rows(&self) -> Rows {
        by_shot(self.pair.host.rows.iter().cloned())
    }

    /// Runs shots under the plan in force; returns their rows.
    pub fn run(&mut self, shots: &[Order]) -> Rows {
        self.pair.host.rows.clear();
        for part in shots.chunks(xyloop_sim::device::SLOTS) {
            self.queue(part);
            self.wait(part.len());
            self.pair.tell(Command::Retire(u64::MAX));
        }
        by_shot(std::mem::take(&mut self.pair.host.rows))
    }
}
