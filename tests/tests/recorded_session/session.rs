//! A host's link and a simulated device with a bad line between them, in virtual time; what the host sees is recorded.

use std::{ops::RangeInclusive, sync::Arc};

use xyloop_lattice::{Geometry, Graph, Preset};
use xyloop_protocol::{
    codec::{Codec, read_out, rice},
    crc::crc32c,
    fault::FaultInjector,
    frame,
    greeting::Greeting,
    link::{self, Link, Role},
    message::{
        self, Block, Bytes, CodeArray, Command, Cost, Differences, Event, Generation, Kick, MAX_SEGMENTS, Nudge, Plan,
        ReadOut, Reason, Report, Request, Segment, Settle, Shot, Stage, State, Status,
    },
    trace::Tracer,
    units::{Flags, ShotId},
    wiring::Converters,
};
use xyloop_sim::{Description, Device, Memory, Solver, board::Workers};

const CONVERTERS: Converters = Converters {
    coupling_bits: 16,
    coupling_range_micro: 2_000_000,
    field_bits: 16,
    field_range_micro: 4_000_000,
    input_bits: 16,
    iq_bits: 16,
};
const STEP_US: u64 = 500;

/// An equilibrium as the host got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub shot: ShotId,
    pub segment: u8,
    pub generation: u32,
    pub data: Vec<u16>,
}

pub struct Bench {
    device: Device<'static>,
    host: Link<'static>,
    lines: [FaultInjector; 2],
    cut: bool,
    tracer: Tracer<Vec<u8>>,
    now_us: u64,
    sites: usize,
    couplings: usize,
    tag: u16,
    answered: Option<u16>,
    status: Option<Status>,
    rows: Vec<Row>,
    pub states: Vec<State>,
    pub refused: Vec<Reason>,
}

impl Bench {
    pub fn new(faults: &str) -> Self {
        let graph =
            Graph::new(&Geometry::preset(Preset::FourthSq, 5, 5)).unwrap().with_terminals(&[5, 9], &[12]).unwrap();
        let (sites, couplings) = (graph.len(), graph.couplings().len());
        let description = Description {
            graph,
            converters: CONVERTERS,
            tau_us: 10.0,
            deadman_ms: 250,
            seed: 3,
            threads: 1,
            replicas: 2,
            phase_diffusion_rad2_per_s: 0.0,
            iq_noise: 0.0,
            realtime: false,
            solver: Solver::Twin,
            serial: "recorded µ".into(),
        };
        let memory = Box::leak(Box::new(Memory::new(Arc::new(description), 77)));
        let storage = link::Storage {
            frame: vec![0; frame::storage_len(1024)].leak(),
            receive: vec![0; 1 << 15].leak(),
            send: vec![0; 1 << 15].leak(),
            flight: vec![link::InFlight::default(); 128].leak(),
        };
        let faults = faults.parse().unwrap();
        let mut host = Link::new(Role::Host, storage, link::Config { max_payload: 256, ..link::Config::host() });
        host.set_payload_limit(64);
        Self {
            device: memory.device(Workers::Inline).unwrap(),
            host,
            lines: [Role::Host, Role::Device].map(|sender| FaultInjector::new(&faults, sender)),
            cut: false,
            tracer: Tracer::new(Vec::new()).unwrap(),
            now_us: 1_000_000,
            sites,
            couplings,
            tag: 0,
            answered: None,
            status: None,
            rows: Vec::new(),
            states: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The recording, and every equilibrium that came, in order.
    pub fn end(self) -> (Vec<u8>, Vec<Row>) {
        (self.tracer.into_inner(), self.rows)
    }

    pub fn faults(&self) -> String {
        format!("{}; {}", self.lines[0].counts(), self.lines[1].counts())
    }

    fn step(&mut self) {
        self.now_us += STEP_US;
        let (now_us, mut buffer, mut arrived) = (self.now_us, [0; 4096], Vec::new());
        loop {
            let length = self.host.transmit(now_us, &mut buffer);
            if length == 0 {
                break;
            }
            self.tracer.record(now_us, Role::Host, &buffer[..length]).unwrap();
            if !self.cut {
                self.lines[0].push(now_us, &buffer[..length]);
            }
        }
        self.lines[0].pull(now_us, &mut arrived);
        self.device.receive(now_us, &arrived);
        // Slower than the line, so that shots are under way when something happens to it.
        if (now_us / STEP_US).is_multiple_of(4) {
            self.device.poll(now_us);
        }
        arrived.clear();
        loop {
            let length = self.device.transmit(now_us, &mut buffer);
            if length == 0 {
                break;
            }
            if !self.cut {
                self.lines[1].push(now_us, &buffer[..length]);
            }
        }
        self.lines[1].pull(now_us, &mut arrived);
        self.tracer.record(now_us, Role::Device, &arrived).unwrap();
        self.host.receive(now_us, &arrived);
        while let Some(bytes) = self.host.front() {
            let event = message::decode::<Event<'_>>(bytes).expect("a message of the protocol");
            match event.report {
                Report::Equilibria(e) => {
                    for (segment, row) in e.iter().map(|row| row.expect("whole rows")) {
                        let (mut data, ordinal) = (Vec::new(), usize::from(segment) - 1);
                        let shot = &self.rows[self.rows.len() - ordinal..];
                        let words = shot.first().map_or(row.data.0.len() / 2, |free| free.data.len());
                        let earlier = |state: usize, index: usize| shot[state].data[index];
                        let read = read_out::decode(row.data.0, ordinal, words, earlier, |word| data.push(word));
                        assert_eq!(read, Ok(()));
                        self.rows.push(Row { shot: e.shot, segment, generation: e.generation, data });
                    }
                }
                Report::State(state) => self.states.push(state),
                Report::Refused(refusal) => self.refused.push(refusal.reason),
                report => {
                    if let Report::Status(status) = report {
                        self.status = Some(status);
                    }
                    self.answered = Some(event.tag);
                }
            }
            self.host.pop();
        }
    }

    pub fn wait_for(&mut self, done: impl Fn(&Self) -> bool) {
        let end = self.now_us + 60_000_000;
        while !done(self) {
            assert!(self.now_us < end, "{:?} {:?} {:?}", self.host.state(), self.refused, self.rows.last());
            self.step();
        }
    }

    pub fn wait_for_rows(&mut self, count: usize) {
        self.wait_for(|bench| bench.rows.len() >= count);
    }

    /// Until the last equilibrium of a shot is here.
    pub fn wait_for_shot(&mut self, shot: ShotId) {
        self.wait_for(|bench| bench.rows.iter().any(|row| row.shot == shot && row.segment == 4));
    }

    /// Nothing passes for so long.
    pub fn line_is_cut(&mut self, us: u64) {
        let end = self.now_us + us;
        self.cut = true;
        while self.now_us < end {
            self.step();
        }
        self.cut = false;
    }

    pub fn connect(&mut self, session: u32) {
        let mut buffer = [0; Greeting::MAX];
        let greeting = Greeting::new(1, 0).encode(&mut buffer).unwrap();
        self.host.connect(session, greeting, self.now_us).unwrap();
        self.wait_for(|bench| bench.host.session() == Some(session));
    }

    pub fn close(&mut self) {
        self.wait_for(|bench| bench.host.all_acked());
        self.host.close();
        self.step();
    }

    pub fn tell_raw(&mut self, bytes: &[u8]) {
        while self.host.send(bytes).is_err() {
            self.step();
        }
    }

    pub fn tell(&mut self, command: Command<'_>) -> u16 {
        self.tag += 1;
        let mut buffer = [0; 1024];
        let bytes = message::encode(&Request { tag: self.tag, command }, &mut buffer).expect("the request is short");
        self.tell_raw(bytes);
        self.tag
    }

    /// Until it is answered, and not refused.
    pub fn ask(&mut self, command: Command<'_>) {
        let tag = self.tell(command);
        self.wait_for(|bench| bench.answered == Some(tag));
    }

    pub fn status(&mut self) -> Option<Status> {
        self.ask(Command::Status);
        self.status
    }

    /// Small couplings, fields around zero; another variant differs in the first coupling.
    fn codes(&self, variant: u16) -> [Vec<u8>; 2] {
        let words = |count: usize, step: usize| -> Vec<u8> {
            (0..count).flat_map(|index| (0x8000 + (index * step % 4001) as u16).to_le_bytes()).collect()
        };
        let mut codes = [words(self.couplings, 1237), words(2 * self.sites, 911)];
        codes[0][..2].copy_from_slice(&(0x9000 + variant).to_le_bytes());
        codes
    }

    fn generation(&self, number: u32, variant: u16) -> Generation {
        Generation { number, crc: crc32c(&self.codes(variant).concat()) }
    }

    pub fn commit(&mut self, number: u32, variant: u16) {
        let codes = self.codes(variant);
        for (block, bytes) in [Block::Couplings, Block::Fields].into_iter().zip(&codes) {
            for (index, piece) in bytes.chunks(120).enumerate() {
                let first = 60 * index as u32;
                self.tell(Command::Stage(Stage {
                    generation: number,
                    block,
                    first,
                    codes: CodeArray::Words(Bytes(piece)),
                }));
            }
        }
        self.ask(Command::Commit(self.generation(number, variant)));
    }

    /// A generation that differs from the one in force, `variant`, in one code; the couplings are staged as differences,
    /// the fields not at all.
    pub fn recommit(&mut self, number: u32, variant: u16) {
        let [held, codes] = [variant, variant + 1].map(|variant| self.codes(variant)[0].clone());
        let words = |bytes: &[u8]| Bytes(bytes).as_u16s().unwrap().collect::<Vec<_>>();
        let differences: Vec<u32> =
            words(&codes).iter().zip(words(&held)).map(|(code, held)| rice::fold16(code.wrapping_sub(held))).collect();
        let mut out = [0; 400];
        let (count, length) = rice::encode_part::<16>(differences, &mut out);
        assert_eq!(2 * count, codes.len());
        let base = self.generation(number - 1, variant);
        let coded = Differences { base, count: count as u32, coded: Bytes(&out[..length]) };
        let codes = CodeArray::Differences(coded);
        self.tell(Command::Stage(Stage { generation: number, block: Block::Couplings, first: 0, codes }));
        self.ask(Command::Commit(self.generation(number, variant + 1)));
    }

    pub fn arm(&mut self, number: u32, variant: u16) {
        self.ask(Command::Arm(self.generation(number, variant)));
    }

    /// Kick, free, +β, release; generation n has variant n.
    pub fn plan(&mut self, number: u32, read_out: ReadOut, codec: Codec) {
        let nudge = |beta_q8| Segment::Nudge(Nudge { beta_q8, cost: Cost::Cosine });
        let mut segments = [Segment::End; MAX_SEGMENTS];
        segments[..5].copy_from_slice(&[
            Segment::Kick,
            Segment::Free,
            nudge(300_000),
            Segment::Release,
            nudge(-300_000),
        ]);
        self.ask(Command::Plan(Plan {
            run: 0xabcd,
            generation: self.generation(number, number as u16),
            segments,
            kick: Kick { seed: 11, range_steps: 32_000, duration_us: 50 },
            settle: Settle {
                min_us: 3000,
                window_us: 1000,
                reads_per_window: 1,
                tolerance_turn: 2,
                timeout_us: 60_000,
            },
            reads: 1,
            read_out,
            basin_tolerance_turn: 100,
            leave_out: Flags::default(),
            codec,
        }));
    }

    pub fn shots(&mut self, ids: RangeInclusive<ShotId>) {
        for id in ids {
            let word = |factor: u64| (id.wrapping_mul(factor) as u16).to_le_bytes();
            let (inputs, targets) = ([word(977), word(31_013)].concat(), word(5003));
            self.tell(Command::Shot(Shot { id, flip: id % 3 == 0, inputs: Bytes(&inputs), targets: Bytes(&targets) }));
        }
    }
}
