//! Very many shots over a line that drops, doubles, reorders and damages frames, is cut, and loses the device to reboots.

use std::collections::VecDeque;

use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use xyloop_protocol::{adversary::Faults, units::ShotId};

use super::{
    bad_line::Rig,
    on_a_virtual_clock,
    work::{batch, codes, connect, description, order},
};

const BAUD: u64 = 3_000_000;
const SHOTS_A_BATCH: u64 = 250;
const BATCHES_A_GENERATION: u64 = 4;

/// What can happen while shots run.
#[derive(Clone, Copy)]
enum Event {
    Cut,
    Reboot,
}

async fn soak(shots: u64, faults: &str, cuts: u64, reboots: u64) {
    let faults: Faults = faults.parse().unwrap();
    let (clean, bad) =
        (Rig::start(description(), 100_000_000, &Faults::default()), Rig::start(description(), BAUD, &faults));
    let (mut reference, mut client) = (connect(&clean).await, connect(&bad).await);
    let mut rng = ChaCha8Rng::seed_from_u64(faults.seed);
    // Each event has its own stretch of shots, so that the one before is over.
    let stretch = shots / (cuts + reboots);
    let mut what: Vec<Event> = (0..cuts).map(|_| Event::Cut).chain((0..reboots).map(|_| Event::Reboot)).collect();
    what.shuffle(&mut rng);
    let mut events: VecDeque<(ShotId, Event)> = what
        .into_iter()
        .zip(0..)
        .map(|(event, place)| (place * stretch + rng.random_range(1..=stretch / 2), event))
        .collect();
    let (mut compared, started) = (0, tokio::time::Instant::now());
    let mut first = 1;
    for number in 0.. {
        if first > shots {
            break;
        }
        if number % BATCHES_A_GENERATION == 0 {
            let codes = codes(number);
            let (ours, theirs) = (reference.commit(&codes).await.unwrap(), client.commit(&codes).await.unwrap());
            assert_eq!(ours.crc, theirs.crc);
        }
        let ids = first..(first + SHOTS_A_BATCH).min(shots + 1);
        let want = batch(&mut reference, ids.clone().map(|id| order(0, id)).collect(), |_| {}).await;
        let have = batch(&mut client, ids.clone().map(|id| order(0, id)).collect(), |result| {
            if let Some((_, event)) = events.pop_front_if(|(shot, _)| *shot <= result.id) {
                match event {
                    Event::Cut => bad.cut(),
                    Event::Reboot => bad.reboot(),
                }
            }
        })
        .await;
        assert_eq!(have.len() as u64, ids.end - ids.start, "lost or doubled in {ids:?}");
        for (have, want) in have.iter().zip(&want) {
            assert_eq!(have, want, "shot {}", want.id);
            compared += 1;
        }
        first = ids.end;
    }
    let (connections, boots) = bad.connections_and_boots();
    println!(
        "{compared} shots, each once and right, in {:?} of virtual time: {connections} connections, {boots} boots; {:?}",
        started.elapsed(),
        client.figures()
    );
    assert_eq!(compared, shots);
    assert!(connections > cuts && u64::from(boots) == reboots + 1, "{connections} {boots}");
}

#[test]
fn every_shot_exactly_once_and_right_whatever_happens() {
    let shots = std::env::var("XYLOOP_SOAK_SHOTS").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    on_a_virtual_clock(soak(shots, "drop=0.1,duplicate=0.01,reorder=0.01,bit-error=1e-5,seed=1", 100, 20));
}
