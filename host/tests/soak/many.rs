//! Very many shots over a line that drops, doubles, reorders and damages frames, is cut, and loses the device to reboots.

use std::collections::VecDeque;

use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use xyloop_protocol::{fault::Faults, units::ShotId};

use crate::{
    common::{cable::Cut, workload::codes},
    run_batch, start_bench,
};

const SHOTS_A_BATCH: u64 = 250;
const BATCHES_A_GENERATION: u64 = 4;

async fn soak(shots: u64, faults: &str, cuts: u64, reboots: u64) {
    let faults: Faults = faults.parse().unwrap();
    let (clean, bad) = (start_bench(), start_bench());
    bad.set_faults(&faults);
    let ((mut reference, _), (mut client, _)) = (clean.client().await, bad.client().await);
    let mut rng = ChaCha8Rng::seed_from_u64(faults.seed);
    // Each cut has its own stretch of shots, so that the one before is over.
    let stretch = shots / (cuts + reboots);
    let of_line = (0..cuts).map(|nth| if nth % 2 == 0 { Cut::Unplug } else { Cut::HangUp });
    let of_device = (0..reboots).map(|nth| if nth % 2 == 0 { Cut::Reboot } else { Cut::PowerCycle });
    let mut what: Vec<Cut> = of_line.chain(of_device).collect();
    what.shuffle(&mut rng);
    let lines_lost = what.iter().filter(|cut| **cut != Cut::Reboot).count() as u64;
    let mut due: VecDeque<(ShotId, Cut)> = what
        .into_iter()
        .zip(0..)
        .map(|(cut, place)| (place * stretch + rng.random_range(1..=stretch / 2), cut))
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
        let want = run_batch(&mut reference, 0, ids.clone(), |_| {}).await;
        let have = run_batch(&mut client, 0, ids.clone(), |result| {
            if let Some((_, cut)) = due.pop_front_if(|(shot, _)| *shot <= result.id) {
                bad.cut_now(cut);
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
    let (connections, boots) = (bad.opened(), bad.boots());
    println!(
        "{compared} shots, each once and right, in {:?} of virtual time: {connections} connections, {boots} boots; {:?}",
        started.elapsed(),
        client.figures()
    );
    assert_eq!(compared, shots);
    assert!(connections > lines_lost && u64::from(boots) == reboots + 1, "{connections} {boots}");
}

#[tokio::test(start_paused = true)]
async fn every_shot_exactly_once_and_right_whatever_happens() {
    let shots = std::env::var("XYLOOP_SOAK_SHOTS").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    soak(shots, "drop=0.1,duplicate=0.01,reorder=0.01,bit-error=1e-5,seed=1", 100, 20).await;
}
