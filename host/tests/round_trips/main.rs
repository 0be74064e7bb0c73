//! A training step is said in one breath and costs one round trip, however long the line; and what is said behind an order
//! that is refused does nothing. On a virtual clock.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "the tests of reconnecting use all of it")]
mod common;

use std::time::Duration;

use common::{VirtualRig, cable::Speed, workload::*};
use tokio::time::Instant;
use xyloop::{
    calibration::Codes,
    device::{Client, DeviceError},
};
use xyloop_protocol::{
    message::{Plan, ReadOut, Reason},
    units::{DacCode, ShotId},
    wiring::Converters,
};
use xyloop_sim::Description;

const BOTH_WAYS: [i32; 2] = [200_000, -200_000];
const SHOTS: u64 = 16;
const DELAY: Duration = Duration::from_millis(200);
const ROUND_TRIP: Duration = Duration::from_millis(400);

/// Through a satellite, say: any number of bytes, late.
const FAR_AWAY: Speed = Speed { baud: 1_000_000_000, delay_us: DELAY.as_micros() as u64 };
const AT_HAND: Speed = Speed { delay_us: 1, ..FAR_AWAY };

/// Everything between two optimiser steps: other codes, a batch, its sums; its results are retired, as they are before
/// the next one.
async fn step(client: &mut Client, number: u64, read_out: ReadOut) -> Result<Duration, DeviceError> {
    let began = Instant::now();
    let generation = client.commit(&codes(number)).await?;
    let plan = plan(generation, &BOTH_WAYS, read_out);
    let ids = number * SHOTS + 1..=(number + 1) * SHOTS;
    let mut results = 0;
    run_batch(client, plan, orders(0, ids), usize::MAX, |_| results += 1).await?;
    assert_eq!(results, SHOTS);
    if read_out == ReadOut::Contrast {
        assert_eq!(u64::from(client.collect().await?.shots), SHOTS);
    }
    Ok(began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_training_step_takes_one_round_trip() {
    for read_out in [ReadOut::Phases, ReadOut::Contrast] {
        let bench = VirtualRig::start_on(Description { replicas: SHOTS as usize, ..nine_sites() }, FAR_AWAY);
        let (mut client, _stop) = bench.client().await;
        for number in 0..4 {
            let took = step(&mut client, number, read_out).await.unwrap();
            assert!(took >= ROUND_TRIP, "or the line is not what it should be: {took:?}");
            assert!(took < ROUND_TRIP + ROUND_TRIP / 2, "{read_out:?}, step {number}: {took:?}");
        }
    }
}

/// How long a batch takes that the device has not the slots for at once.
async fn long_batch(speed: Speed, read_out: ReadOut) -> Duration {
    let bench = VirtualRig::start_on(Description { replicas: 1, realtime: true, ..nine_sites() }, speed);
    let (mut client, _stop) = bench.client().await;
    let slots = u64::from(client.identity().limits.shot_slots);
    let shots = 2 * slots + 100;
    let generation = client.commit(&codes(1)).await.unwrap();
    let began = Instant::now();
    let mut results: ShotId = 0;
    let plan = plan(generation, &[], read_out);
    run_batch(&mut client, plan, orders(0, 1..=shots), usize::MAX, |_| results += 1).await.unwrap();
    if read_out == ReadOut::Contrast {
        assert_eq!(u64::from(client.collect().await.unwrap().shots), shots);
    }
    assert_eq!(results, shots);
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_the_device_has_no_slots_for_is_streamed() {
    for read_out in [ReadOut::Phases, ReadOut::Contrast] {
        let at_hand = long_batch(AT_HAND, read_out).await;
        let far_away = long_batch(FAR_AWAY, read_out).await;
        // The device is never without a shot: half of its slots take it longer than a round trip.
        assert!(at_hand > 4 * ROUND_TRIP, "{at_hand:?}");
        assert!(far_away < at_hand + ROUND_TRIP + ROUND_TRIP / 2, "{read_out:?}: {far_away:?}, {at_hand:?}");
    }
}

/// Couplings of 14 bits: the usual codes are beyond them.
fn coarse() -> Description {
    let fine = nine_sites();
    Description { converters: Converters { coupling_bits: 14, ..fine.converters }, ..fine }
}

fn coarse_codes(number: u64) -> Codes {
    let usual = codes(number);
    Codes { couplings: usual.couplings.iter().map(|code| DacCode(code.0 / 4)).collect(), ..usual }
}

async fn refused(client: &mut Client, plan: Plan, ids: std::ops::RangeInclusive<ShotId>) -> (&'static str, Reason) {
    match run_batch(client, plan, orders(0, ids), 2, |result| panic!("{result:?}")).await {
        Err(DeviceError::Refused { asked, refused, .. }) => (asked, refused.reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_behind_a_refused_order_does_nothing_and_the_next_step_is_as_if_it_had_not_been_said() {
    for read_out in [ReadOut::Phases, ReadOut::Contrast] {
        let mut results = Vec::new();
        for disturbed in [false, true] {
            let bench = VirtualRig::start(coarse());
            let (mut client, _stop) = bench.client().await;
            let mut of_run = Vec::new();
            let generation = client.commit(&coarse_codes(1)).await.unwrap();
            let good = plan(generation, &BOTH_WAYS, read_out);
            run_batch(&mut client, good, orders(0, 1..=5), 9, |result| of_run.push(result)).await.unwrap();
            if disturbed {
                // Codes that the converters do not have: what is behind them is refused or dropped, the plan before them
                // included.
                let bad = client.commit(&codes(2)).await.unwrap();
                let behind = plan(bad, &BOTH_WAYS, read_out);
                assert_eq!(refused(&mut client, behind, 6..=12).await, ("stage", Reason::OutOfRange));
                assert_eq!(client.generation(), generation);
                let no_reads = Plan { reads: 0, ..good };
                assert_eq!(refused(&mut client, no_reads, 6..=12).await, ("plan", Reason::BadPlan));
                // Whoever asks next is told, if it is not the batch; and nobody is told twice.
                client.commit(&codes(2)).await.unwrap();
                assert!(matches!(client.status().await, Err(DeviceError::Refused { asked: "stage", .. })));
                assert_eq!(client.status().await.unwrap().generation, generation);
                assert_eq!(bench.counts().shots_begun, 5);
            }
            let next = client.commit(&coarse_codes(3)).await.unwrap();
            assert_eq!(next.number, generation.number + 1);
            let good = plan(next, &BOTH_WAYS, read_out);
            run_batch(&mut client, good, orders(0, 6..=12), 3, |result| of_run.push(result)).await.unwrap();
            assert_eq!(bench.counts().shots_begun, 12, "none ran for nothing");
            if read_out == ReadOut::Contrast {
                assert_eq!(client.collect().await.unwrap().shots, 7);
            }
            results.push(of_run);
        }
        assert_eq!(results[0], results[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn codes_that_are_staged_and_never_committed_are_in_nobodys_way() {
    let bench = VirtualRig::start_on(nine_sites(), AT_HAND);
    let (mut client, _stop) = bench.client().await;
    let first = client.commit(&codes(1)).await.unwrap();
    // Under the number in force, and under the one that comes next.
    for ahead in [0, 1] {
        let in_force = client.generation();
        client.stage(in_force.number + ahead, &codes(77)).await.unwrap();
        assert_eq!(client.status().await.unwrap().generation, in_force, "what is in force stays");
        // The same codes once more: a code that was left from the other ones would spoil their CRC.
        let again = client.commit(&codes(1)).await.unwrap();
        assert_eq!((client.status().await.unwrap().generation, again.crc), (again, first.crc));
    }
    let other = Codes { couplings: Vec::new(), ..codes(1) };
    assert!(matches!(client.stage(1, &other).await, Err(DeviceError::Protocol { .. })));
}
