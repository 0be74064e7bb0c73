//! What a training step costs beside the plant: client, protocol, link and Controller over a plant that costs nothing.
//!
//!     cargo bench -p xyloop --bench step_cost                 everything, about a minute
//!     cargo bench -p xyloop --bench step_cost -- xor embedded only rows with these words
//!
//! Every row is a step (other codes, plan, shots, results, sums), again and again. `of device` is what the Controller
//! takes of it for the shots themselves, reads, phases and sums: on a rig that is the microcontroller's work. Over a
//! line, `bound` is the time of the step's bytes down, then up, and one round trip.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use xyloop::{
    calibration::Codes,
    config::{Port, WiringLists},
    device::{Client, Route, ShotOrder, StopFlag, Wanted},
    train::{
        plan::Role,
        shots::{Context, Order, ShotRunner},
    },
};
use xyloop_firmware::{Board, BoardError, ReadKey, SafeTable};
use xyloop_lattice::{Geometry, Graph, Preset};
use xyloop_protocol::{
    codec::Codec,
    message::{Cost, Generation, Kick, MAX_SEGMENTS, Nudge, Plan, ReadOut, Segment, Settle},
    units::{AdcCode, DacCode, Flags, IqCode, ShotId, Turn},
};
use xyloop_sim::{Description, Embedded, Served, Solver, board::Notify};
use xyloop_testbench::CONVERTERS;

const REPLICAS: usize = 16;

/// A plant whose sites follow their bias fields at once.
struct Still {
    /// Each replica's codes as they will be read, and whether it was started.
    replicas: Vec<(Vec<IqCode>, Option<u32>)>,
    notify: Notify,
    /// Somebody knows that there is something to look at.
    notified: bool,
    /// The Controller looks at the shots between two polls of the board: since when it does, and nanoseconds in all.
    looking: Option<Instant>,
    looked_ns: Arc<AtomicU64>,
}

impl Still {
    fn new(sites: usize, notify: Notify, looked_ns: Arc<AtomicU64>) -> Self {
        let replicas = vec![(vec![IqCode::default(); sites], None); REPLICAS];
        Self { replicas, notify, notified: false, looking: None, looked_ns }
    }
}

impl Board for Still {
    fn replicas(&self) -> usize {
        REPLICAS
    }

    fn stage_couplings(&mut self, _: usize, _: &[DacCode]) -> Result<(), BoardError> {
        Ok(())
    }

    fn latch_fields(&mut self, replica: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        let adc = |code: DacCode| AdcCode((code.0 ^ 0x8000) as i16);
        for (site, [x, y]) in self.replicas[replica].0.iter_mut().zip(codes.as_chunks::<2>().0) {
            *site = IqCode { i: adc(*x), q: adc(*y) };
        }
        Ok(())
    }

    fn begin_shot(&mut self, _: usize, _: ShotId, _: &[Turn]) -> Result<(), BoardError> {
        Ok(())
    }

    fn start(&mut self, replica: usize, _: u8, duration_us: u32) -> Result<(), BoardError> {
        self.replicas[replica].1 = Some(duration_us);
        if !std::mem::replace(&mut self.notified, true) {
            (self.notify)();
        }
        Ok(())
    }

    fn poll(&mut self, _: u64) -> Result<(), BoardError> {
        self.notified = false;
        self.looking = match self.looking {
            Some(since) => {
                self.looked_ns.fetch_add(since.elapsed().as_nanos() as u64, Ordering::Relaxed);
                None
            }
            None => Some(Instant::now()),
        };
        Ok(())
    }

    fn ready(&mut self, replica: usize) -> Option<u32> {
        self.replicas[replica].1.take()
    }

    fn read(&mut self, replica: usize, _: ReadKey, codes: &mut [IqCode]) -> Result<(), BoardError> {
        codes.copy_from_slice(&self.replicas[replica].0);
        Ok(())
    }

    fn make_safe(&mut self, _: &SafeTable<'_>) {
        self.replicas.iter_mut().for_each(|replica| replica.1 = None);
    }
}

/// An array and the shots of a step on it.
struct Size {
    name: &'static str,
    graph: Graph,
    shots: usize,
}

fn sizes() -> [Size; 2] {
    let xor = Graph::new(&Geometry::preset(Preset::UpToFourthShell, 15, 15)).unwrap();
    // 40 × 40, 17 neighbours to each side: 784 inputs, 806 hidden, 10 outputs, 25 786 couplings.
    let half = |row: i32, column: i32| row > 0 || (row == 0 && column > 0);
    let mut offsets: Vec<(i32, i32)> =
        (0..=4).flat_map(|row| (-4..=4).map(move |column| (row, column))).filter(|&(r, c)| half(r, c)).collect();
    offsets.sort_by_key(|(row, column)| row * row + column * column);
    offsets.truncate(17);
    let mnist = Graph::new(&Geometry::Lattice { rows: 40, columns: 40, offsets }).unwrap();
    let inputs: Vec<u32> = (0..784).collect();
    let outputs: Vec<u32> = (1590..1600).collect();
    [
        Size { name: "xor 15 x 15", graph: xor.with_terminals(&[80, 140], &[114]).unwrap(), shots: 16 },
        Size { name: "mnist-sized", graph: mnist.with_terminals(&inputs, &outputs).unwrap(), shots: 100 },
    ]
}

fn description(size: &Size) -> Description {
    Description {
        graph: size.graph.clone(),
        converters: CONVERTERS,
        tau_us: 10.0,
        deadman_ms: 1000,
        seed: 1,
        threads: 1,
        replicas: REPLICAS,
        phase_diffusion_rad2_per_s: 0.0,
        iq_noise: 0.0,
        realtime: false,
        solver: Solver::Twin,
        serial: "still".into(),
    }
}

fn plan(generation: Generation, read_out: ReadOut) -> Plan {
    let nudge = |beta_q8| Segment::Nudge(Nudge { beta_q8, cost: Cost::Cosine });
    let mut segments = [Segment::End; MAX_SEGMENTS];
    segments[..5].copy_from_slice(&[Segment::Kick, Segment::Free, nudge(60_000), Segment::Release, nudge(-60_000)]);
    Plan {
        run: 0,
        codec: Codec::Words,
        generation,
        segments,
        kick: Kick { seed: 1, range_steps: 30_000, duration_us: 50 },
        settle: Settle { min_us: 4000, window_us: 1000, reads_per_window: 1, tolerance_turn: 10, timeout_us: 40_000 },
        reads: 1,
        read_out,
        basin_tolerance_turn: 1000,
        leave_out: Flags::default(),
    }
}

const ROLES: [Role; 4] = [Role::Free, Role::Nudged(1.0), Role::Released, Role::Nudged(-1.0)];

/// Steps of a training that does not think.
struct Steps {
    read_out: ReadOut,
    codes: Codes,
    orders: Vec<Order>,
    random: ChaCha8Rng,
    next_shot: ShotId,
}

impl Steps {
    fn new(size: &Size, read_out: ReadOut) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut draw = |count: usize| (0..count).map(|_| DacCode(random.random_range(20_000..45_000))).collect();
        let (couplings, fields) = (size.graph.couplings().len(), 2 * size.graph.len());
        let codes = Codes { couplings: draw(couplings), fields: draw(fields), clipped: 0 };
        let mut turns = |count| (0..count).map(|_| Turn(random.random())).collect::<Vec<_>>();
        let orders = (0..size.shots).map(|sample| {
            let (inputs, targets) = (turns(size.graph.inputs().len()), turns(size.graph.outputs().len()));
            Order { shot: ShotOrder { id: 0, flip: sample % 2 == 1, inputs, targets }, sample, row: 0, start: 0 }
        });
        let orders = orders.collect();
        Self { read_out, codes, orders, random, next_shot: 1 }
    }

    async fn step(&mut self, bench: &mut ShotRunner<'_>) {
        // As an optimiser does: everything a little.
        for code in self.codes.couplings.iter_mut().chain(&mut self.codes.fields) {
            code.0 = (code.0 + self.random.random_range(0..40)).clamp(1000, 64_000) - 20;
        }
        for order in &mut self.orders {
            order.shot.id = self.next_shot;
            self.next_shot += 1;
        }
        let generation = bench.commit(&self.codes).await.unwrap().unwrap();
        let context = Context { epoch: 1, step: 1, stream: xyloop::folder::Stream::Train, roles: &ROLES, beta: 0.03 };
        let (mut results, mut sums) = (0, 0);
        let plan = plan(generation, self.read_out);
        let done = bench.run(&plan, &self.orders, context, |_, _| results += 1, |part| sums += part.shots).await;
        assert!(done.unwrap());
        assert_eq!(results, self.orders.len());
        assert!(self.read_out != ReadOut::Contrast || sums as usize == self.orders.len());
    }
}

/// What steps came to.
struct Measured {
    /// Of a step: the middle one.
    step: Duration,
    /// Of it, the Controller's looks at its shots, on the mean.
    device: Duration,
    down: u64,
    up: u64,
    round_trip: Duration,
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Steps for about so long.
async fn measure(route: Route, looked_ns: &AtomicU64, size: &Size, how: (ReadOut, Codec), long: Duration) -> Measured {
    let (read_out, codec) = how;
    let graph = &size.graph;
    let wanted = Wanted {
        rig: size.name.into(),
        array: size.name.into(),
        wiring_hash: WiringLists::new(graph).wiring(graph.len(), CONVERTERS).hash(),
        serial_number: None,
    };
    let mut client = Client::connect(route, wanted).await.unwrap();
    client.take_over().await.unwrap();
    client.use_codec(codec).unwrap();
    let mut steps = Steps::new(size, read_out);
    let mut bench = ShotRunner { client: &mut client, log: None, batch_shots: 0, stop: StopFlag::default() };
    for _ in 0..3 {
        steps.step(&mut bench).await;
    }
    let before = bench.client.figures().bytes;
    let looked_before = looked_ns.load(Ordering::Relaxed);
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < long || times.len() < 5 {
        let begun = Instant::now();
        steps.step(&mut bench).await;
        times.push(begun.elapsed());
    }
    let after = client.figures().bytes;
    let looked = looked_ns.load(Ordering::Relaxed) - looked_before;
    let mut round_trips = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        client.status().await.unwrap();
        round_trips.push(begun.elapsed());
    }
    client.close().await;
    let each = |bytes: u64| bytes / times.len() as u64;
    let (up, down) = (each(after.0 - before.0), each(after.1 - before.1));
    let device = Duration::from_nanos(each(looked));
    Measured { step: middle(times), device, down, up, round_trip: middle(round_trips) }
}

/// Where the device is.
#[derive(Clone, Copy)]
enum Place {
    Embedded,
    Pty(u32),
}

fn run(place: Place, size: &Size, how: (ReadOut, Codec)) -> Measured {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (description, sites) = (description(size), size.graph.len());
    let looked_ns = Arc::new(AtomicU64::new(0));
    let of_board = Arc::clone(&looked_ns);
    match place {
        Place::Embedded => {
            let device =
                Embedded::start_over(description, 1, move |notify| Still::new(sites, notify, Arc::clone(&of_board)))
                    .unwrap();
            runtime.block_on(measure(
                Route::embedded(device, "embedded"),
                &looked_ns,
                size,
                how,
                Duration::from_secs(2),
            ))
        }
        Place::Pty(baud) => {
            let served = Served::on_pty(description, 1, Some(baud)).unwrap();
            let (port, stop) = (Port::Serial(served.place().into()), served.stopper());
            let device = std::thread::spawn(move || {
                served.run_over(move |notify| Still::new(sites, notify, Arc::clone(&of_board)))
            });
            let route = Route::new(&port, baud).unwrap();
            let measured = runtime.block_on(measure(route, &looked_ns, size, how, Duration::from_secs(3)));
            stop();
            device.join().unwrap().unwrap();
            measured
        }
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    println!(
        "{:<12} {:<9} {:<6} {:<12} {:>10} {:>10} {:>9} {:>9} {:>9} {:>9} {:>6}",
        "array", "read-out", "codec", "device", "step", "of device", "shots/s", "down B", "up B", "bound", "share"
    );
    for size in sizes() {
        let ways = [ReadOut::Phases, ReadOut::Contrast];
        for how in ways.into_iter().flat_map(|read_out| [(read_out, Codec::Words), (read_out, Codec::Delta)]) {
            for place in [Place::Embedded, Place::Pty(921_600), Place::Pty(3_000_000)] {
                let where_it_is = match place {
                    Place::Embedded => "embedded".into(),
                    Place::Pty(baud) => format!("pty {baud}"),
                };
                let [read_out, codec] =
                    [format!("{:?}", how.0), format!("{:?}", how.1)].map(|name| name.to_lowercase());
                let name = format!("{:<12} {read_out:<9} {codec:<6} {where_it_is:<12}", size.name);
                if !words.iter().all(|word| name.contains(word.as_str())) {
                    continue;
                }
                let Measured { step, device, down, up, round_trip } = run(place, &size, how);
                let rate = size.shots as f64 / step.as_secs_f64();
                let [step_ms, device_ms] = [step, device].map(|time| time.as_secs_f64() * 1e3);
                print!("{name} {step_ms:>7.2} ms {device_ms:>7.2} ms {rate:>9.0} {down:>9} {up:>9}");
                if let Place::Pty(baud) = place {
                    let bound = (down + up) as f64 * 10.0 / f64::from(baud) + round_trip.as_secs_f64();
                    print!(" {:>6.1} ms {:>4.0} %", bound * 1e3, 100.0 * bound / step.as_secs_f64());
                }
                println!();
            }
        }
    }
}
