//! A device in this process, on tokio's paused clock, behind a line that can be cut at any frame.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
    time::Instant,
};
use xyloop::{
    calibration::Codes,
    device::{Client, DeviceError, Opener, ShotOrder, StopFlag, Transport, Wanted, Way},
};
use xyloop_lattice::{Geometry, Graph, Preset};
use xyloop_protocol::{
    adversary::{FaultInjector, Faults},
    link::Role,
    message::{Cost, Counts, Generation, Kick, MAX_SEGMENTS, Nudge, Plan, ReadOut, Segment, Settle, State},
    units::{DacCode, Flags, ShotId, Turn},
    wiring::Converters,
};
use xyloop_sim::{Description, Memory, Solver, board::Workers, plant::WiringLists};

pub const PLACE: &str = "bench";

const CONVERTERS: Converters = Converters {
    coupling_bits: 16,
    coupling_range_micro: 2_000_000,
    field_bits: 16,
    field_range_micro: 4_000_000,
    input_bits: 16,
    iq_bits: 16,
};

/// Nine sites, two inputs, one output.
pub fn nine_sites() -> Description {
    let graph = Graph::new(&Geometry::preset(Preset::FourthSq, 3, 3)).unwrap().with_terminals(&[3, 5], &[4]).unwrap();
    Description {
        graph,
        converters: CONVERTERS,
        tau_us: 10.0,
        deadman_ms: 250,
        seed: 3,
        threads: 1,
        replicas: 3,
        phase_diffusion_rad2_per_s: 0.0,
        iq_noise: 0.01,
        realtime: false,
        solver: Solver::Twin,
        serial: "nine".into(),
    }
}

/// What goes wrong at a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The connection ends, and the device notices (a socket).
    HangUp,
    /// The host's end goes, the device is told nothing (a USB adapter).
    Unplug,
    /// The device restarts, the line stays.
    Reboot,
    /// The device restarts, and the line ends.
    PowerCycle,
}

enum Event {
    Bytes(u64, Vec<u8>),
    HangUp,
    Reboot,
}

struct Shared {
    to_host: Option<mpsc::UnboundedSender<Vec<u8>>>,
    /// Names the line that is open.
    wire: u64,
    /// Whole frames that passed, both ways.
    frames: usize,
    inside: [bool; 2],
    cuts: VecDeque<(usize, Cut)>,
    /// From the host, from the device.
    faults: Option<[FaultInjector; 2]>,
    /// What the next boot is.
    description: Arc<Description>,
    /// Nothing passes, nobody notices.
    deaf: bool,
    /// Nobody can open the line.
    away: bool,
    /// What the device sends goes here as well.
    tap: Option<mpsc::UnboundedSender<Vec<u8>>>,
    /// Of all boots together, and of those before this one.
    counts: Counts,
    earlier: Counts,
    state: State,
    boots: u32,
    opened: u32,
}

/// The line and the device behind it.
#[derive(Clone)]
pub struct Bench {
    shared: Arc<Mutex<Shared>>,
    events: mpsc::UnboundedSender<Event>,
    started: Instant,
}

impl Bench {
    pub fn new(description: Description) -> Self {
        let (events, received) = mpsc::unbounded_channel();
        let shared = Shared {
            to_host: None,
            wire: 0,
            frames: 0,
            inside: [false; 2],
            cuts: VecDeque::new(),
            faults: None,
            description: Arc::new(description),
            deaf: false,
            away: false,
            tap: None,
            counts: Counts::default(),
            earlier: Counts::default(),
            state: State::Boot,
            boots: 0,
            opened: 0,
        };
        let bench = Self { shared: Arc::new(Mutex::new(shared)), events, started: Instant::now() };
        tokio::spawn(bench.clone().device(received));
        bench
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    pub fn frames(&self) -> usize {
        self.lock().frames
    }

    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// The device's state as of its last poll.
    pub fn state(&self) -> State {
        self.lock().state
    }

    pub fn boots(&self) -> u32 {
        self.lock().boots
    }

    /// How often a line was opened.
    pub fn opened(&self) -> u32 {
        self.lock().opened
    }

    /// Something goes wrong when so many more frames have passed, and again so many frames after that.
    pub fn cut_after(&self, cuts: &[(usize, Cut)]) {
        let mut shared = self.lock();
        let mut at = shared.frames;
        for (frames, cut) in cuts {
            at += frames;
            shared.cuts.push_back((at, *cut));
        }
    }

    pub fn cut_now(&self, cut: Cut) {
        self.cut(&mut self.lock(), cut);
    }

    /// From now on the line does harm in both directions.
    pub fn set_faults(&self, faults: &str) {
        let faults: Faults = faults.parse().unwrap();
        self.lock().faults = Some([Role::Host, Role::Device].map(|sender| FaultInjector::new(&faults, sender)));
    }

    pub fn set_deaf(&self, deaf: bool) {
        self.lock().deaf = deaf;
    }

    pub fn set_away(&self, away: bool) {
        self.lock().away = away;
    }

    /// The device is another one from its next boot on.
    pub fn replace(&self, description: Description) {
        self.lock().description = Arc::new(description);
    }

    /// A second host's ear and mouth on the line.
    pub fn tap(&self) -> mpsc::UnboundedReceiver<Vec<u8>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.lock().tap = Some(sender);
        receiver
    }

    pub fn inject(&self, bytes: &[u8]) {
        let wire = self.lock().wire;
        let _ = self.events.send(Event::Bytes(wire, bytes.to_vec()));
    }

    pub fn way(&self) -> Way {
        Way::through(Door(self.clone()), PLACE)
    }

    pub fn wanted(&self) -> Wanted {
        let graph = &self.lock().description.graph;
        Wanted {
            rig: "nine".into(),
            array: "9 sites".into(),
            wiring_hash: WiringLists::new(graph).wiring(graph.len(), CONVERTERS).hash(),
            serial_number: None,
        }
    }

    /// Connected and taken over, to reconnect until the flag is set.
    pub async fn client(&self) -> (Client, StopFlag) {
        let mut client = Client::connect(self.way(), self.wanted()).await.unwrap();
        client.take_over().await.unwrap();
        let stop = StopFlag::default();
        client.reconnect_until(stop.clone());
        (client, stop)
    }

    fn cut(&self, shared: &mut Shared, cut: Cut) {
        if cut != Cut::Reboot {
            shared.to_host = None;
            shared.wire += 1;
            shared.inside = [false; 2];
        }
        let _ = match cut {
            Cut::HangUp => self.events.send(Event::HangUp),
            Cut::Unplug => Ok(()),
            Cut::Reboot | Cut::PowerCycle => self.events.send(Event::Reboot),
        };
    }

    /// As much of these bytes as passes.
    fn pass(&self, direction: usize, bytes: &[u8]) -> Vec<u8> {
        let mut shared = self.lock();
        if shared.deaf {
            return Vec::new();
        }
        let mut passed = Vec::new();
        for &byte in bytes {
            if let Some((_, cut)) = {
                let frames = shared.frames;
                shared.cuts.pop_front_if(|(at, _)| *at <= frames)
            } {
                self.cut(&mut shared, cut);
                break;
            }
            passed.push(byte);
            let ended = byte == 0 && shared.inside[direction];
            shared.inside[direction] = byte != 0;
            shared.frames += usize::from(ended);
        }
        let now_us = self.started.elapsed().as_micros() as u64;
        if let Some(faults) = &mut shared.faults {
            faults[direction].push(now_us, &passed);
            passed.clear();
            faults[direction].pull(now_us, &mut passed);
        }
        passed
    }

    /// Boots, runs until it restarts, and so on.
    async fn device(self, mut events: mpsc::UnboundedReceiver<Event>) {
        loop {
            let (description, boot) = {
                let mut shared = self.lock();
                shared.boots += 1;
                shared.earlier = shared.counts;
                (Arc::clone(&shared.description), shared.boots)
            };
            let mut memory = Memory::new(description, 1000 + boot);
            let mut device = memory.device(Workers::Inline).unwrap();
            let epoch = Instant::now();
            let now_us = || epoch.elapsed().as_micros() as u64;
            let mut buffer = vec![0; 1 << 14];
            'boot: loop {
                device.poll(now_us());
                loop {
                    let length = device.transmit(now_us(), &mut buffer);
                    if length == 0 {
                        break;
                    }
                    let line = self.lock().to_host.clone();
                    let passed = self.pass(1, &buffer[..length]);
                    if let Some(tap) = &self.lock().tap {
                        let _ = tap.send(passed.clone());
                    }
                    let _ = line.map(|line| line.send(passed));
                }
                {
                    let mut shared = self.lock();
                    shared.state = device.state();
                    shared.counts = sum(shared.earlier, device.counts());
                }
                let due_us = device.next_wakeup_us().map_or(20_000, |at| at.saturating_sub(now_us()).min(20_000));
                let due_us = if device.state() == State::Running { 1000 } else { due_us };
                tokio::select! {
                    biased;
                    event = events.recv() => match event {
                        None => return,
                        Some(Event::Bytes(wire, bytes)) if wire == self.lock().wire => {
                            device.receive(now_us(), &bytes);
                        }
                        Some(Event::Bytes(..)) => {}
                        Some(Event::HangUp) => device.hang_up(),
                        Some(Event::Reboot) => break 'boot,
                    },
                    () = tokio::time::sleep(Duration::from_micros(due_us)) => {}
                }
            }
        }
    }
}

fn sum(a: Counts, b: Counts) -> Counts {
    Counts {
        shots_begun: a.shots_begun + b.shots_begun,
        shots_finished: a.shots_finished + b.shots_finished,
        shots_discarded: a.shots_discarded + b.shots_discarded,
        equilibria: a.equilibria + b.equilibria,
        reads: a.reads + b.reads,
        deadman: a.deadman + b.deadman,
    }
}

struct Door(Bench);

impl Opener for Door {
    fn open(&self) -> Pin<Box<dyn Future<Output = Result<Transport, DeviceError>> + Send + '_>> {
        Box::pin(async {
            let mut shared = self.0.lock();
            if shared.away {
                return Err(DeviceError::NoListener { place: PLACE.into(), reason: "nobody is there".into() });
            }
            let (to_host, received) = mpsc::unbounded_channel();
            shared.to_host = Some(to_host);
            shared.wire += 1;
            shared.opened += 1;
            shared.inside = [false; 2];
            let wire = Wire { bench: self.0.clone(), number: shared.wire, received, rest: Vec::new() };
            Ok(Transport::over(wire, PLACE, None))
        })
    }
}

/// The host's end of a line.
struct Wire {
    bench: Bench,
    number: u64,
    received: mpsc::UnboundedReceiver<Vec<u8>>,
    rest: Vec<u8>,
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.received.poll_recv(cx)) {
                Some(bytes) => self.rest = bytes,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest[..length]);
        self.rest.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.bench.lock().wire != self.number {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let passed = self.bench.pass(0, bytes);
        let _ = self.bench.events.send(Event::Bytes(self.number, passed));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Codes that differ from `variant` to `variant`.
pub fn codes(variant: u16) -> Codes {
    let graph = nine_sites().graph;
    let code = |index: usize, spread: u16| DacCode(32_768 + (index as u16 * 977 + variant * 131) % spread);
    Codes {
        couplings: (0..graph.couplings().len()).map(|index| code(index, 6000)).collect(),
        fields: (0..2 * graph.len()).map(|index| code(index, 3000)).collect(),
        clipped: 0,
    }
}

/// Kick, free, +β, release, −β.
pub fn plan(generation: Generation, read_out: ReadOut) -> Plan {
    let mut segments = [Segment::End; MAX_SEGMENTS];
    let nudge = |beta_q8| Segment::Nudge(Nudge { beta_q8, cost: Cost::Cosine });
    segments[..5].copy_from_slice(&[Segment::Kick, Segment::Free, nudge(200_000), Segment::Release, nudge(-200_000)]);
    Plan {
        run: 0,
        generation,
        segments,
        kick: Kick { seed: 9, range_steps: 8000, duration_us: 100 },
        settle: Settle { min_us: 500, window_us: 50, reads_per_window: 1, tolerance_turn: 400, timeout_us: 2000 },
        reads: 2,
        read_out,
        basin_tolerance_turn: 2000,
        leave_out: Flags::default(),
    }
}

pub fn orders(ids: impl IntoIterator<Item = ShotId>) -> Vec<ShotOrder> {
    let turn = |id: ShotId, factor: u64| Turn(id.wrapping_mul(factor) as u16);
    ids.into_iter()
        .map(|id| ShotOrder {
            id,
            flip: id % 2 == 1,
            inputs: vec![turn(id, 7001), turn(id, 13_001)],
            targets: vec![turn(id, 30_011)],
        })
        .collect()
}
