//! What is measured: a small array, its codes, plans and shots, drawn from numbers.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use xyloop::{
    calibration::Codes,
    device::{Client, DeviceError, ShotOrder, ShotResult},
};
use xyloop_lattice::{Geometry, Graph, Preset};
use xyloop_protocol::{
    codec::Codec,
    message::{Cost, Generation, Kick, MAX_SEGMENTS, Nudge, Plan, ReadOut, Segment, Settle},
    units::{DacCode, Flags, ShotId, Turn},
};
use xyloop_sim::{Description, Solver};
use xyloop_testbench::CONVERTERS;

/// Nine sites, two inputs, one output.
pub fn graph(preset: Preset) -> Graph {
    Graph::new(&Geometry::preset(preset, 3, 3)).unwrap().with_terminals(&[3, 5], &[4]).unwrap()
}

/// A device with few replicas: what is asked of it takes a while.
pub fn nine_sites() -> Description {
    Description {
        graph: graph(Preset::Square),
        converters: CONVERTERS,
        tau_us: 10.0,
        deadman_ms: 250,
        seed: 3,
        threads: 1,
        replicas: 3,
        phase_diffusion_rad2_per_s: 0.0,
        iq_noise: 0.001,
        realtime: false,
        solver: Solver::Twin,
        serial: "nine".into(),
    }
}

/// Other codes for every number.
pub fn codes(number: u64) -> Codes {
    let mut rng = ChaCha8Rng::seed_from_u64(number);
    let graph = nine_sites().graph;
    let mut draw = |count: usize| (0..count).map(|_| DacCode(rng.random_range(20_000..45_000))).collect();
    Codes { couplings: draw(graph.couplings().len()), fields: draw(2 * graph.len()), clipped: 0 }
}

/// Kick, free, and these nudges with a release between two of them. All take the same time, so that shots finish in their
/// order: a device whose line is cut keeps every shot that it has finished, and none runs twice.
pub fn plan(generation: Generation, betas_q8: &[i32], read_out: ReadOut) -> Plan {
    let nudge = |&beta_q8: &i32| Segment::Nudge(Nudge { beta_q8, cost: Cost::Cosine });
    let nudges = betas_q8.iter().flat_map(|beta| [Segment::Release, nudge(beta)]).skip(1);
    let mut segments = [Segment::End; MAX_SEGMENTS];
    for (place, segment) in segments.iter_mut().zip([Segment::Kick, Segment::Free].into_iter().chain(nudges)) {
        *place = segment;
    }
    Plan {
        run: 0,
        generation,
        segments,
        kick: Kick { seed: 9, range_steps: 8000, duration_us: 100 },
        settle: Settle { min_us: 500, window_us: 50, reads_per_window: 1, tolerance_turn: u16::MAX, timeout_us: 2000 },
        reads: 2,
        read_out,
        basin_tolerance_turn: 2000,
        leave_out: Flags::default(),
        codec: Codec::Words,
    }
}

/// The shots of these names in one of several tasks: other samples in each.
pub fn orders(task: u64, ids: impl IntoIterator<Item = ShotId>) -> Vec<ShotOrder> {
    ids.into_iter().map(|id| order(task, id)).collect()
}

fn order(task: u64, id: ShotId) -> ShotOrder {
    let mut rng = ChaCha8Rng::seed_from_u64(id << 8 | task);
    let mut turns = |count| (0..count).map(|_| Turn(rng.random())).collect();
    ShotOrder { id, flip: id % 2 == 1, inputs: turns(2), targets: turns(1) }
}

/// Runs one batch and retires so many shots at a time, as rows would be (fewer if the device has not the room); `seen`
/// gets every result as it comes.
pub async fn run_batch(
    client: &mut Client,
    plan: Plan,
    orders: Vec<ShotOrder>,
    at_a_time: usize,
    mut seen: impl FnMut(ShotResult),
) -> Result<(), DeviceError> {
    let mut batch = client.batch(plan, orders).await?;
    let at_a_time = at_a_time.min(batch.most_unretired());
    let (mut held, mut last) = (0, 0);
    while let Some(result) = batch.next().await? {
        (held, last) = (held + 1, result.id);
        seen(result);
        if held == at_a_time {
            batch.retire(last).await?;
            held = 0;
        }
    }
    if held > 0 {
        batch.retire(last).await?;
    }
    Ok(())
}
