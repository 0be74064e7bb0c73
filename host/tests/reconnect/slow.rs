//! Devices on slow buses: a latch takes as long as a deadman, a read-out many looks at the link.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use xyloop::device::{Client, Route, ShotResult};
use xyloop_firmware::Pace;
use xyloop_protocol::message::ReadOut;
use xyloop_sim::{Description, Embedded, SimulatedBoard, board::Workers};

use super::{
    BOTH_WAYS, SHOTS,
    common::{
        VirtualRig,
        cable::{Cut, Speed},
        device::{Buses, OnBuses},
        virtual_rig::wanted,
        workload::*,
    },
    script, undisturbed,
};

/// Twelve couplings take three looks at the link, each read one.
const BUSES: Buses = Buses { pace: Pace { codes: 5, reads: 1 }, step: Duration::from_millis(2) };

#[tokio::test(start_paused = true)]
async fn slow_buses_and_lines_cut_at_any_frame_cost_time_and_nothing_else() {
    let began = Instant::now();
    let (want, frames) = undisturbed().await;
    let quick = began.elapsed();
    let cuts = (0..frames).map(|after| (after, [Cut::HangUp, Cut::Reboot, Cut::Unplug][after % 3]));
    for cut in std::iter::once(None).chain(cuts.map(Some)) {
        let bench = VirtualRig::start_with(nine_sites(), Speed::BENCH, BUSES);
        let (mut client, _stop) = bench.client().await;
        bench.cut_after(cut.as_slice());
        let (mut results, began) = (Vec::new(), Instant::now());
        script(&mut client, &mut results).await.unwrap_or_else(|error| panic!("{cut:?}: {error}"));
        assert_eq!(results, want, "{cut:?}");
        assert!(began.elapsed() > quick, "or the buses are not slow");
        assert!(cut.is_some() || bench.counts().shots_finished == SHOTS);
    }
}

async fn until(done: impl Fn() -> bool) {
    while !done() {
        sleep(Duration::from_millis(1)).await;
    }
}

/// The deadman comes while the commit is latched, and again while the arm is.
#[tokio::test(start_paused = true)]
async fn a_device_that_goes_safe_before_it_has_latched_is_armed_until_it_has() {
    let (want, _) = undisturbed().await;
    let buses = Buses { pace: Pace { codes: 1, reads: 1 }, step: Duration::from_millis(30) };
    let bench = VirtualRig::start_with(nine_sites(), Speed::BENCH, buses);
    let (mut client, _stop) = bench.client().await;
    let generation = client.commit(&codes(1)).await.unwrap();
    let silences = async {
        for deadmen in 1..=2 {
            // Until it has begun to latch, which takes 360 ms; the deadman 250.
            until(|| bench.is_working()).await;
            bench.set_deaf(true);
            until(|| bench.counts().deadman == deadmen).await;
            bench.set_deaf(false);
        }
    };
    let mut results = Vec::new();
    let plan = plan(generation, &BOTH_WAYS, ReadOut::Phases);
    let run = run_batch(&mut client, plan, orders(0, 1..=5), 2, |result| results.push(result));
    let ((), done) = tokio::join!(silences, run);
    done.unwrap();
    assert_eq!(results, want[..5]);
    assert_eq!((bench.counts().deadman, client.rearmed()), (2, 1));
}

/// The script on a served device, on the clock of this machine.
async fn served(pace: Pace) -> Vec<ShotResult> {
    let description = Description { deadman_ms: 60_000, ..nine_sites() };
    let (of_board, wanted) = (Arc::new(description.clone()), wanted(&description));
    let device = Embedded::start_over(description, 1, move |notify| OnBuses {
        board: SimulatedBoard::new(Arc::clone(&of_board), Workers::Threads(notify)).unwrap(),
        pace,
    });
    let mut client = Client::connect(Route::embedded(device.unwrap(), "served"), wanted).await.unwrap();
    client.take_over().await.unwrap();
    let mut results = Vec::new();
    script(&mut client, &mut results).await.unwrap();
    client.close().await;
    results
}

#[tokio::test]
async fn a_served_device_on_slow_buses_measures_the_same() {
    let want = served(Pace::UNBOUNDED).await;
    assert_eq!(want.len() as u64, SHOTS);
    assert_eq!(served(Pace { codes: 7, reads: 1 }).await, want);
    assert_eq!(served(Pace { codes: 1, reads: 3 }).await, want);
}
