//! Runs the first shot: connects to a device, asks who it is, commits codes, runs one shot and prints what it measured.
//!
//!     cargo run -p xyloop --example first_shot
//!     cargo run -p xyloop --example first_shot -- --device tcp://127.0.0.1:5555
//!
//! Without an address the example serves a simulated device itself, on a free TCP port. To the code below that device is
//! what any other one is: it is reached only through the protocol.

use xyloop::{
    calibration::{Calibration, Rounding, radians},
    config::{self, Port},
    device::{Client, Route, ShotOrder, fresh_number},
    rig::{simulated, wanted},
};
use xyloop_lattice::Parameters;
use xyloop_protocol::{
    codec::Codec,
    message::{Cost, Kick, MAX_SEGMENTS, Nudge, Plan, ReadOut, Segment, Settle},
    units::Flags,
};
use xyloop_sim::Served;

/// Five times five oscillators, each coupled to its 20 nearest; two inputs, one output.
const RIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../hil-config/rigs/xor-5x5-4nsq.toml");

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What is connected to what, and what a code means.
    let (rig, _) = config::load_rig(RIG, &[])?;
    let array = rig.array()?;
    let calibration = Calibration::ideal(array.converters);

    let asked = std::env::args().skip_while(|argument| argument != "--device").nth(1);
    let address = if let Some(address) = asked {
        address
    } else {
        let served = Served::on_tcp(simulated(&rig, &array), fresh_number(), "127.0.0.1:0", None)?;
        let address = served.place().to_owned();
        // It is served until the program ends.
        std::thread::spawn(move || served.run());
        address
    };

    // Hello: host and device compare wire version, messages and wiring, and refuse each other if they differ.
    let port: Port = address.parse()?;
    let route = Route::new(&port, rig.device.serial.baud)?;
    let mut client = Client::connect(route, wanted(&rig, &array)).await?;
    client.take_over().await?;
    let identity = client.identity();
    println!("connected to {} {}, serial number {}, at {address}", identity.vendor, identity.model, identity.serial);
    println!("  it has {} sites and holds {} shots", identity.limits.sites, identity.limits.shot_slots);

    // A generation: weak equal couplings, and bias fields that point along x.
    let (couplings, sites) = (array.graph.couplings().len(), array.graph.len());
    let parameters =
        Parameters { couplings: vec![0.05; couplings], field_x: vec![0.2; sites], field_y: vec![0.0; sites] };
    let codes = calibration.encode(&parameters, &Rounding::Nearest);
    let generation = client.commit(&codes).await?;
    println!("committed generation {}: {couplings} couplings, {sites} bias fields", generation.number);

    // A plan: kicked, left free, pulled towards its target; read when no site moves by a thousandth of a turn any more.
    let mut segments = [Segment::End; MAX_SEGMENTS];
    let nudge = Nudge { beta_q8: calibration.beta_q8(0.05), cost: Cost::Cosine };
    segments[..3].copy_from_slice(&[Segment::Kick, Segment::Free, Segment::Nudge(nudge)]);
    let plan = Plan {
        run: 0,
        generation,
        segments,
        kick: Kick { seed: 1, range_steps: calibration.field_steps(1.0), duration_us: 50 },
        settle: Settle { min_us: 200, window_us: 100, reads_per_window: 1, tolerance_turn: 64, timeout_us: 20_000 },
        reads: 1,
        read_out: ReadOut::Phases,
        basin_tolerance_turn: 2000,
        leave_out: Flags::default(),
        codec: Codec::Words,
    };
    let quarter_turn = std::f64::consts::FRAC_PI_2;
    let shot = ShotOrder {
        id: 1,
        flip: false,
        inputs: vec![calibration.input(quarter_turn), calibration.input(-quarter_turn)],
        targets: vec![calibration.input(quarter_turn)],
    };

    let output = array.graph.outputs()[0] as usize;
    let mut batch = client.batch(plan, vec![shot]).await?;
    while let Some(result) = batch.next().await? {
        for equilibrium in &result.equilibria {
            println!(
                "shot {}, segment {}: settled after {} us, the output's phase is {:+.4} rad",
                result.id,
                equilibrium.segment,
                equilibrium.settle_us,
                radians(equilibrium.phases[output]),
            );
        }
        let [free, nudged] = &result.equilibria[..] else { return Err("two equilibria were planned".into()) };
        let moved = radians(nudged.phases[output]) - radians(free.phases[output]);
        assert!(moved > 0.0, "the nudge pulls the output towards its target");
        // The device forgets a shot only when it is told that its results are safe.
        batch.retire(result.id).await?;
    }
    client.leave().await;
    Ok(())
}
