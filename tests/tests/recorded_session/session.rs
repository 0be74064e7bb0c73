//! A host and a simulated device with a bad line between them, in virtual time; what the host's end sees is recorded.

use std::{ops::RangeInclusive, sync::Arc};

use xyloop_lattice::{Geometry, Graph, Preset};
use xyloop_protocol::{
    codec::{Codec, rice},
    fault::Line,
    greeting::Greeting,
    link::Role,
    message::{
        Block, Bytes, CodeArray, Command, Cost, Differences, Generation, Kick, MAX_SEGMENTS, Nudge, Plan, ReadOut,
        Reason, Segment, Settle, Stage, State, Status,
    },
    trace::Tracer,
    units::{Flags, ShotId},
};
use xyloop_sim::{Description, Device, Memory, Solver, board::Workers};
use xyloop_testbench::{Answer, CONVERTERS, Codes, End, LinkSizes, Order, Pair, ScriptedHost};

/// Delay of the line.
const STEP_US: u64 = 500;
/// The device looks at its link more seldom than bytes come, so that shots are under way when something happens to the
/// line.
const POLL_US: u64 = 2000;

/// An equilibrium as the host got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub shot: ShotId,
    pub segment: u8,
    pub generation: u32,
    pub data: Vec<u16>,
}

/// A device that is polled at most so often.
struct SeldomPolled {
    device: Device<'static>,
    next_us: u64,
}

impl End for SeldomPolled {
    fn receive(&mut self, now_us: u64, bytes: &[u8]) {
        self.device.receive(now_us, bytes);
    }

    fn transmit(&mut self, now_us: u64, out: &mut [u8]) -> usize {
        self.device.transmit(now_us, out)
    }

    fn poll(&mut self, now_us: u64) {
        if now_us >= self.next_us {
            self.next_us = now_us + POLL_US;
            self.device.poll(now_us);
        }
    }

    fn next_wakeup_us(&self) -> Option<u64> {
        self.device.next_wakeup_us().map(|at_us| at_us.max(self.next_us))
    }
}

pub struct RecordedSession {
    pair: Pair<ScriptedHost<'static>, SeldomPolled>,
    sites: usize,
    couplings: usize,
}

impl RecordedSession {
    pub fn new(faults: &str) -> Self {
        let graph = Graph::new(&Geometry::preset(Preset::UpToFourthShell, 5, 5))
            .unwrap()
            .with_terminals(&[5, 9], &[12])
            .unwrap();
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
        let mut host = ScriptedHost::new(LinkSizes { flight: 128, ..LinkSizes::new(256, 1 << 15, 1 << 15) });
        host.link.set_payload_limit(64);
        let device = SeldomPolled { device: memory.device(Workers::Inline).unwrap(), next_us: 0 };
        let faults = faults.parse().unwrap();
        let line = |sender| Line::new(Line::INSTANT, STEP_US, &faults, sender);
        let mut pair = Pair::over(host, device, (line(Role::Host), line(Role::Device)), 1_000_000);
        pair.look_us = STEP_US;
        pair.record();
        Self { pair, sites, couplings }
    }

    /// Returns the recording, and every equilibrium that came, in order.
    pub fn end(mut self) -> (Vec<u8>, Vec<Row>) {
        let mut tracer = Tracer::new(Vec::new()).unwrap();
        for record in self.pair.end_recording() {
            tracer.record(record.time_us, record.sender, &record.bytes).unwrap();
        }
        let rows = self.pair.host.rows.into_iter().map(|row| Row {
            shot: row.shot,
            segment: row.segment,
            generation: row.generation,
            data: row.data,
        });
        (tracer.into_inner(), rows.collect())
    }

    pub fn faults(&self) -> String {
        format!("{}; {}", self.pair.up.faults(), self.pair.down.faults())
    }

    fn wait_for(&mut self, done: impl Fn(&ScriptedHost<'_>) -> bool) {
        self.pair.run_until(60_000_000, |pair| done(&pair.host));
    }

    pub fn wait_for_rows(&mut self, count: usize) {
        self.wait_for(|host| host.rows.len() >= count);
    }

    /// Waits until the last equilibrium of a shot is here.
    pub fn wait_for_shot(&mut self, shot: ShotId) {
        self.wait_for(|host| host.rows.iter().any(|row| row.shot == shot && row.segment == 4));
    }

    /// Waits until the device says unasked that it is in this state.
    pub fn wait_for_state(&mut self, state: State) {
        self.pair.host.states.clear();
        self.wait_for(|host| host.states.contains(&state));
    }

    /// Waits until something was refused for each of these reasons.
    pub fn wait_for_refusals(&mut self, reasons: &[Reason]) {
        let refused = |host: &ScriptedHost<'_>, reason: Reason| {
            host.answers
                .iter()
                .any(|(_, answer)| matches!(answer, Answer::Refused(refusal) if refusal.reason == reason))
        };
        self.wait_for(|host| reasons.iter().all(|reason| refused(host, *reason)));
    }

    /// Carries nothing for so long.
    pub fn line_is_cut(&mut self, us: u64) {
        self.pair.set_cut(true);
        self.pair.run_for(us);
        self.pair.set_cut(false);
    }

    pub fn connect(&mut self, session: u32) {
        let mut buffer = [0; Greeting::MAX];
        let greeting = Greeting::new(1, 0).encode(&mut buffer).unwrap();
        self.pair.connect_with(session, greeting);
    }

    pub fn close(&mut self) {
        self.wait_for(|host| host.link.all_acked());
        self.pair.host.link.close();
        self.pair.run_for(STEP_US);
    }

    pub fn tell_raw(&mut self, bytes: &[u8]) {
        while !self.pair.host.try_tell_raw(bytes) {
            self.pair.run_for(STEP_US);
        }
    }

    pub fn tell(&mut self, command: Command<'_>) -> u16 {
        self.pair.tell(command)
    }

    /// Asks, and gets an answer that is no refusal.
    pub fn ask(&mut self, command: Command<'_>) -> Answer {
        let answer = self.pair.ask(command);
        assert!(!matches!(answer, Answer::Refused(_)), "{command:?}: {answer:?}");
        answer
    }

    pub fn status(&mut self) -> Status {
        let answer = self.ask(Command::Status);
        let Answer::Status(status) = answer else { panic!("{answer:?}") };
        status
    }

    /// Returns small couplings, fields around zero; another variant differs in the first coupling.
    fn codes(&self, variant: u16) -> Codes {
        let words = |count: usize, step: usize| -> Vec<u16> {
            (0..count).map(|index| 0x8000 + (index * step % 4001) as u16).collect()
        };
        let mut codes = Codes { couplings: words(self.couplings, 1237), fields: words(2 * self.sites, 911) };
        codes.couplings[0] = 0x9000 + variant;
        codes
    }

    fn generation(&self, number: u32, variant: u16) -> Generation {
        self.codes(variant).generation(number)
    }

    pub fn commit(&mut self, number: u32, variant: u16) {
        let codes = self.codes(variant);
        self.pair.tell_stage_all(number, &codes, 60);
        self.ask(Command::Commit(codes.generation(number)));
    }

    /// Commits a generation that differs from the one in force, `variant`, in one code; the couplings are staged as differences,
    /// the fields not at all.
    pub fn recommit(&mut self, number: u32, variant: u16) {
        let [held, codes] = [variant, variant + 1].map(|variant| self.codes(variant).couplings);
        let differences: Vec<u32> =
            codes.iter().zip(held).map(|(code, held)| rice::fold16(code.wrapping_sub(held))).collect();
        let mut out = [0; 400];
        let (count, length) = rice::encode_part::<16>(differences, &mut out);
        assert_eq!(count, codes.len());
        let base = self.generation(number - 1, variant);
        let coded = Differences { base, count: count as u32, coded: Bytes(&out[..length]) };
        let codes = CodeArray::Differences(coded);
        self.tell(Command::Stage(Stage { generation: number, block: Block::Couplings, first: 0, codes }));
        self.ask(Command::Commit(self.generation(number, variant + 1)));
    }

    pub fn arm(&mut self, number: u32, variant: u16) {
        self.ask(Command::Arm(self.generation(number, variant)));
    }

    /// Puts a plan into force: kick, free, +β, release, −β; generation n has variant n.
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
            let word = |factor: u64| id.wrapping_mul(factor) as u16;
            let (inputs, targets) = (vec![word(977), word(31_013)], vec![word(5003)]);
            self.pair.queue(&Order { id, flip: id % 3 == 0, inputs, targets });
        }
    }
}
