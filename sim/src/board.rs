//! The simulated board: many replicas of the plant below the shot, eight to a SIMD block, blocks on worker threads.
//!
//! The Controller's calls never wait for a computation: they note what a replica is to do, [`Board::poll`] hands whole
//! blocks to the workers, and finished blocks come back over a channel. What a replica computes depends on its own
//! shot only, so results do not depend on threads, replicas or on what ran beside or before.

use std::sync::{
    Arc,
    mpsc::{Receiver, Sender, channel},
};

use xyloop_firmware::{Board, BoardError, ReadKey, SafeTable, keyed::Stream};
use xyloop_lattice::{
    Ensemble, LANES, LaneReport, Network,
    diffuse::{self, Diffusion, Scheme},
    flow, twin,
};
use xyloop_protocol::units::{DacCode, IqCode, ShotId, Turn};

use crate::{
    noise,
    plant::{Description, NOISY_STEP, Solver},
};

/// Called by a worker when a block is done, from the worker's thread: wakes whoever polls the Controller.
pub type Notify = Arc<dyn Fn() + Send + Sync>;

/// Where the plant is computed.
pub enum Workers {
    /// In [`Board::poll`]: deterministic in time as well, for tests on a virtual clock.
    Inline,
    /// On threads ([`Description::threads`] of them), which call this when they have finished something.
    Threads(Notify),
}

/// What a replica is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    Idle,
    /// Has a duration to run, waits for its block.
    Asked,
    /// On a worker.
    Computing,
    /// Computed; its time is over at this moment of the device's clock.
    Due(u64),
    /// Its time is over.
    Ready,
}

/// One replica as the Controller sees it.
struct Replica {
    activity: Activity,
    duration_us: u32,
    segment: u8,
    shot: ShotId,
    /// Integration steps of the noisy flow since the segment's first start: they name its noise.
    steps: u64,
    fresh: bool,
    fields_changed: bool,
    field_x: Vec<f64>,
    field_y: Vec<f64>,
    inputs: Vec<f64>,
    phases: Vec<f64>,
}

/// Up to eight replicas and their solver state; travels to a worker and back.
struct Block {
    index: usize,
    noisy_step: f64,
    network: Arc<Network>,
    ensemble: Ensemble,
    lanes: Vec<Lane>,
}

/// A replica's work order, and the result.
#[derive(Clone, Debug, Default)]
struct Lane {
    duration: f64,
    shot: ShotId,
    segment: u8,
    /// Steps of the noisy flow before this stretch, and after it.
    steps: u64,
    failed: bool,
    phases: Vec<f64>,
}

/// Counters of what was asked of the plant, to be compared with the Controller's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoardCounts {
    /// Shots begun.
    pub shots: u64,
    /// Stretches of time the plant was started for.
    pub starts: u64,
    /// Reads of all sites.
    pub reads: u64,
}

/// The simulated converters and plant.
pub struct SimulatedBoard {
    description: Arc<Description>,
    network: Arc<Network>,
    noisy_step: f64,
    blocks: Vec<Option<Box<Block>>>,
    replicas: Vec<Replica>,
    /// Coupling codes to come, and whether any were handed over since the last latch.
    staged: (Vec<DacCode>, bool),
    workers: Option<(rayon::ThreadPool, Notify)>,
    done: (Sender<Box<Block>>, Receiver<Box<Block>>),
    counts: BoardCounts,
}

/// No mode changes by more than this part in a step of the noisy flow.
const NOISY_STEP_CHANGE: f64 = 0.5;

/// The step of the noisy flow for these couplings: it follows from a generation's codes and the fields' range alone, so
/// that no result depends on what runs beside it. Rates are bounded by Gershgorin's circles: twice a site's couplings
/// and the longest field.
fn noisy_step(description: &Description, couplings: &[f64]) -> f64 {
    let mut sums = vec![0.0; description.graph.len()];
    for (&(a, b), coupling) in description.graph.couplings().iter().zip(couplings) {
        sums[a as usize] += coupling.abs();
        sums[b as usize] += coupling.abs();
    }
    let most = sums.iter().fold(0.0, |most: f64, sum| most.max(*sum));
    let field = f64::from(description.converters.field_range_micro) * 1e-6 * core::f64::consts::SQRT_2;
    NOISY_STEP.min(NOISY_STEP_CHANGE / (2.0 * most + field))
}

impl SimulatedBoard {
    /// A board at reset.
    ///
    /// # Errors
    /// If the worker threads cannot be started.
    pub fn new(description: Arc<Description>, workers: Workers) -> Result<Self, rayon::ThreadPoolBuildError> {
        let workers = match workers {
            Workers::Inline => None,
            Workers::Threads(notify) => {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(description.threads)
                    .thread_name(|index| format!("plant-{index}"))
                    .start_handler(|_| yield_to_the_link())
                    .build()?;
                Some((pool, notify))
            }
        };
        Ok(Self::with_pool(description, workers))
    }

    /// A board at reset that computes in [`Board::poll`].
    pub fn inline(description: Arc<Description>) -> Self {
        Self::with_pool(description, None)
    }

    fn with_pool(description: Arc<Description>, workers: Option<(rayon::ThreadPool, Notify)>) -> Self {
        let graph = &description.graph;
        let network = Arc::new(Network::new(graph));
        let blocks = description.replicas.div_ceil(LANES);
        let replica = || Replica {
            activity: Activity::Idle,
            duration_us: 0,
            segment: 0,
            shot: 0,
            steps: 0,
            fresh: false,
            fields_changed: false,
            field_x: vec![0.0; graph.len()],
            field_y: vec![0.0; graph.len()],
            inputs: vec![0.0; graph.inputs().len()],
            phases: vec![0.0; graph.len()],
        };
        let block = |index| Block {
            index,
            noisy_step: NOISY_STEP,
            network: Arc::clone(&network),
            ensemble: Ensemble::new(&network),
            lanes: vec![Lane { phases: vec![0.0; graph.len()], ..Lane::default() }; LANES],
        };
        Self {
            blocks: (0..blocks).map(|index| Some(Box::new(block(index)))).collect(),
            replicas: (0..description.replicas).map(|_| replica()).collect(),
            staged: (vec![DacCode::default(); graph.couplings().len()], false),
            workers,
            done: channel(),
            counts: BoardCounts::default(),
            network,
            noisy_step: NOISY_STEP,
            description,
        }
    }

    /// What was asked of the plant since reset.
    pub fn counts(&self) -> BoardCounts {
        self.counts
    }

    /// Puts the couplings that were staged in force, if there are any.
    fn latch_couplings(&mut self) {
        if !std::mem::take(&mut self.staged.1) {
            return;
        }
        let scaling = self.description.scaling();
        let couplings: Vec<f64> = self.staged.0.iter().map(|code| scaling.coupling(*code)).collect();
        self.noisy_step = noisy_step(&self.description, &couplings);
        Arc::make_mut(&mut self.network).set_couplings(&couplings);
    }

    /// Takes finished blocks back: phases to the replicas that are still waiting for them.
    fn collect(&mut self, now_us: u64) -> Result<(), BoardError> {
        let mut failed = false;
        while let Ok(block) = self.done.1.try_recv() {
            let first = block.index * LANES;
            for (replica, lane) in self.replicas.iter_mut().skip(first).zip(&block.lanes) {
                if lane.duration == 0.0 || replica.activity != Activity::Computing {
                    continue; // Not in this round, or stopped in the meantime.
                }
                failed |= lane.failed;
                replica.phases.copy_from_slice(&lane.phases);
                replica.steps = lane.steps;
                let wait_us = if self.description.realtime { u64::from(replica.duration_us) } else { 0 };
                replica.activity = Activity::Due(now_us + wait_us);
            }
            let index = block.index;
            self.blocks[index] = Some(block);
        }
        if failed { Err(BoardError::Plant) } else { Ok(()) }
    }

    /// Sends every block that is here and has something to do to a worker.
    fn dispatch(&mut self) {
        for index in 0..self.blocks.len() {
            let replicas = index * LANES..((index + 1) * LANES).min(self.replicas.len());
            let asked = self.replicas[replicas.clone()].iter().any(|replica| replica.activity == Activity::Asked);
            let Some(mut block) = self.blocks[index].take_if(|_| asked) else { continue };
            block.noisy_step = self.noisy_step;
            if !Arc::ptr_eq(&block.network, &self.network) {
                block.network = Arc::clone(&self.network);
            }
            for (lane, replica) in self.replicas[replicas].iter_mut().enumerate() {
                order(&self.description, &mut block, lane, replica);
            }
            let (description, sender) = (Arc::clone(&self.description), self.done.0.clone());
            let work = move || {
                block.advance(&description);
                // The board may be gone: then nobody wants the block back.
                let _ = sender.send(block);
            };
            match &self.workers {
                Some((pool, notify)) => {
                    let notify = Arc::clone(notify);
                    pool.spawn(move || {
                        work();
                        notify();
                    });
                }
                None => work(),
            }
        }
    }
}

/// Where the machine is short of cores, keep-alives and the deadman come before the plant. Only Linux lowers the one
/// thread; elsewhere the whole process would be lowered, the link with it.
fn yield_to_the_link() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(10);
}

/// Puts what a replica is asked to do into its lane.
fn order(description: &Description, block: &mut Block, lane: usize, replica: &mut Replica) {
    let place = &mut block.lanes[lane];
    place.duration = 0.0;
    if replica.activity != Activity::Asked {
        return;
    }
    replica.activity = Activity::Computing;
    if std::mem::take(&mut replica.fresh) {
        // Whatever state earlier shots left the array in is arbitrary: drawn anew, so that no result depends on it.
        for (site, phase) in place.phases.iter_mut().enumerate() {
            let turn = noise::uniform(description.seed, Stream::Prior, replica.shot, site as u32, 0);
            *phase = (turn - 0.5) * core::f64::consts::TAU;
        }
        block.ensemble.set_phases(lane, &place.phases);
        for (input, phase) in replica.inputs.iter().enumerate() {
            block.ensemble.clamp(lane, input, *phase);
        }
    }
    if std::mem::take(&mut replica.fields_changed) {
        block.ensemble.set_fields(lane, &replica.field_x, &replica.field_y);
    }
    place.duration = f64::from(replica.duration_us) / description.tau_us;
    place.shot = replica.shot;
    place.segment = replica.segment;
    place.steps = replica.steps;
}

impl Block {
    fn advance(&mut self, description: &Description) {
        let mut durations = [0.0; LANES];
        for (duration, lane) in durations.iter_mut().zip(&self.lanes) {
            *duration = lane.duration;
        }
        let diffusion = description.diffusion_per_time_unit();
        let reports = if diffusion > 0.0 {
            self.diffuse(&durations, diffusion, description.seed)
        } else {
            match description.solver {
                Solver::Twin => {
                    twin::advance(&self.network, &mut self.ensemble, &durations, &twin::TwinTolerance::default())
                }
                Solver::Flow => {
                    let tolerance = flow::FlowTolerance::REFERENCE;
                    flow::advance(&self.network, &mut self.ensemble, &durations, &tolerance)
                }
            }
        };
        for (index, (lane, report)) in self.lanes.iter_mut().zip(&reports).enumerate() {
            if lane.duration > 0.0 {
                lane.failed = report.failed;
                lane.steps += u64::from(report.steps);
                self.ensemble.phases(index, &mut lane.phases);
            }
        }
    }

    fn diffuse(&mut self, durations: &[f64; LANES], diffusion: f64, seed: u64) -> [LaneReport; LANES] {
        let lanes = &self.lanes;
        let mut first_steps = [0; LANES];
        for (first, lane) in first_steps.iter_mut().zip(lanes) {
            *first = lane.steps;
        }
        let mut normal = |lane: usize, step: u64, site: usize| {
            let lane = &lanes[lane];
            let index = u32::from(lane.segment) << 16 | site as u32;
            noise::normal_pair(seed, Stream::Diffusion, lane.shot, index, step as u32)[0]
        };
        let noisy = Diffusion { diffusion, dt: self.noisy_step, scheme: Scheme::Heun };
        diffuse::advance(&self.network, &mut self.ensemble, durations, &first_steps, &noisy, &mut normal)
    }
}

impl Board for SimulatedBoard {
    fn replicas(&self) -> usize {
        self.replicas.len()
    }

    fn stage_couplings(&mut self, first: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        for (place, code) in self.staged.0.iter_mut().skip(first).zip(codes) {
            *place = *code;
        }
        self.staged.1 = true;
        Ok(())
    }

    fn latch_fields(&mut self, replica: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        self.latch_couplings();
        let (replica, scaling) = (&mut self.replicas[replica], self.description.scaling());
        for (site, [x, y]) in codes.as_chunks::<2>().0.iter().enumerate() {
            replica.field_x[site] = scaling.field(*x);
            replica.field_y[site] = scaling.field(*y);
        }
        replica.fields_changed = true;
        Ok(())
    }

    fn begin_shot(&mut self, replica: usize, shot: ShotId, inputs: &[Turn]) -> Result<(), BoardError> {
        let replica = &mut self.replicas[replica];
        for (place, input) in replica.inputs.iter_mut().zip(inputs) {
            *place = self.description.scaling().input_rad(*input);
        }
        replica.shot = shot;
        replica.fresh = true;
        self.counts.shots += 1;
        Ok(())
    }

    fn start(&mut self, replica: usize, segment: u8, duration_us: u32) -> Result<(), BoardError> {
        let replica = &mut self.replicas[replica];
        if replica.segment != segment || replica.fresh {
            (replica.segment, replica.steps) = (segment, 0);
        }
        replica.duration_us = duration_us;
        // No time is over at once; there is nothing to compute.
        replica.activity = if duration_us == 0 { Activity::Ready } else { Activity::Asked };
        self.counts.starts += 1;
        Ok(())
    }

    fn poll(&mut self, now_us: u64) -> Result<(), BoardError> {
        self.collect(now_us)?;
        self.dispatch();
        // Without workers the results are there already.
        if self.workers.is_none() { self.collect(now_us) } else { Ok(()) }?;
        for replica in &mut self.replicas {
            if matches!(replica.activity, Activity::Due(at) if at <= now_us) {
                replica.activity = Activity::Ready;
            }
        }
        Ok(())
    }

    fn ready(&mut self, replica: usize) -> Option<u32> {
        let replica = &mut self.replicas[replica];
        (replica.activity == Activity::Ready).then(|| {
            replica.activity = Activity::Idle;
            replica.duration_us
        })
    }

    fn read(&mut self, replica: usize, key: ReadKey, codes: &mut [IqCode]) -> Result<(), BoardError> {
        self.counts.reads += 1;
        for (site, (code, phase)) in codes.iter_mut().zip(&self.replicas[replica].phases).enumerate() {
            *code = self.description.read(*phase, site as u32, key);
        }
        Ok(())
    }

    fn make_safe(&mut self, safe: &SafeTable<'_>) {
        // Simulated converters cannot refuse a code.
        let _ = self.stage_couplings(0, safe.couplings);
        for replica in 0..self.replicas.len() {
            let _ = self.latch_fields(replica, safe.fields);
            for (place, input) in self.replicas[replica].inputs.iter_mut().zip(safe.inputs) {
                *place = self.description.scaling().input_rad(*input);
            }
            self.replicas[replica].activity = Activity::Idle;
        }
    }
}
