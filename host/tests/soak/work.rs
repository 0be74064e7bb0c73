//! What is measured: a small array, its codes, plans and shots, drawn from numbers.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use xyloop::{
    calibration::Codes,
    device::{Client, ShotOrder, ShotResult, StopFlag, Wanted, Way},
};
use xyloop_lattice::{Geometry, Graph, Preset};
use xyloop_protocol::{
    message::{Cost, Kick, MAX_SEGMENTS, Nudge, Plan, ReadOut, Segment, Settle},
    units::{DacCode, Flags, ShotId, Turn},
    wiring::Converters,
};
use xyloop_sim::{Description, Solver, plant::WiringLists};

use super::bad_line::Rig;

const CONVERTERS: Converters = Converters {
    coupling_bits: 16,
    coupling_range_micro: 2_000_000,
    field_bits: 16,
    field_range_micro: 4_000_000,
    input_bits: 16,
    iq_bits: 16,
};

pub fn description() -> Description {
    let graph = Graph::new(&Geometry::preset(Preset::Sq, 3, 3)).unwrap().with_terminals(&[0, 2], &[7]).unwrap();
    Description {
        graph,
        converters: CONVERTERS,
        tau_us: 10.0,
        deadman_ms: 250,
        seed: 3,
        threads: 1,
        replicas: 32,
        phase_diffusion_rad2_per_s: 0.0,
        iq_noise: 0.001,
        realtime: false,
        solver: Solver::Twin,
        serial: "soak".into(),
    }
}

pub fn wanted(description: &Description) -> Wanted {
    let wiring = WiringLists::new(&description.graph);
    let wiring_hash = wiring.wiring(description.graph.len(), description.converters).hash();
    Wanted { rig: "soak".into(), array: "9 sites".into(), wiring_hash, serial_number: None }
}

pub async fn connect(rig: &Rig) -> Client {
    let mut client = Client::connect(Way::through(rig.clone(), "rig"), wanted(&description())).await.unwrap();
    client.reconnect_until(StopFlag::default());
    client.take_over().await.unwrap();
    client
}

/// Kick, free, +β.
pub fn plan() -> Plan {
    let mut segments = [Segment::End; MAX_SEGMENTS];
    let nudge = Nudge { beta_q8: 40_000, cost: Cost::Cosine };
    segments[..3].copy_from_slice(&[Segment::Kick, Segment::Free, Segment::Nudge(nudge)]);
    Plan {
        generation: xyloop_protocol::message::Generation::default(),
        segments,
        kick: Kick { seed: 11, range_steps: 32_000, duration_us: 50 },
        settle: Settle { min_us: 300, window_us: 100, reads_per_window: 1, tolerance_turn: 20, timeout_us: 1000 },
        reads: 1,
        read_out: ReadOut::Phases,
        basin_tolerance_turn: 100,
        leave_out: Flags::default(),
        run: 0,
    }
}

pub fn codes(generation: u64) -> Codes {
    let mut rng = ChaCha8Rng::seed_from_u64(generation);
    let graph = description().graph;
    let mut draw = |count: usize| (0..count).map(|_| DacCode(rng.random_range(20_000..45_000))).collect();
    Codes { couplings: draw(graph.couplings().len()), fields: draw(2 * graph.len()), clipped: 0 }
}

/// The shot of that number in one of several tasks: another sample in each.
pub fn order(task: u64, id: ShotId) -> ShotOrder {
    let mut rng = ChaCha8Rng::seed_from_u64(id << 8 | task);
    let mut turns = |count| (0..count).map(|_| Turn(rng.random())).collect();
    ShotOrder { id, flip: id % 2 == 1, inputs: turns(2), targets: turns(1) }
}

/// Runs one batch; `seen` is told of each result as it comes.
pub async fn batch(client: &mut Client, orders: Vec<ShotOrder>, mut seen: impl FnMut(&ShotResult)) -> Vec<ShotResult> {
    let plan = Plan { generation: client.generation(), ..plan() };
    let mut batch = client.batch(plan, orders).await.unwrap();
    let most = batch.most_unretired();
    let mut results: Vec<ShotResult> = Vec::new();
    while let Some(result) = batch.next().await.unwrap() {
        seen(&result);
        results.push(result);
        if results.len().is_multiple_of(most) {
            batch.retire(results.last().unwrap().id).await.unwrap();
        }
    }
    if let Some(last) = results.last() {
        batch.retire(last.id).await.unwrap();
    }
    results
}
