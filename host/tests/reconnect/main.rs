//! Lost lines, restarted devices, suspended hosts: nothing is lost or doubled, and the run goes on by itself. On a virtual
//! clock.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
mod others;
mod slow;

use std::time::Duration;

use common::{VirtualRig, cable::Cut, workload::*};
use tokio::time::Instant;
use xyloop::device::{Client, DeviceError, ShotResult, Sums, boot_in_words};
use xyloop_protocol::{
    codec::Codec,
    link::Role,
    message::{BootCause, ReadOut, SafeCause, State},
};

/// Shots of [`script`].
const SHOTS: u64 = 28;
/// Its nudges.
const BOTH_WAYS: [i32; 2] = [200_000, -200_000];

/// Four generations, six batches, retired as rows would be: the results in the order in which they were handed out.
async fn script(client: &mut Client, results: &mut Vec<ShotResult>) -> Result<(), DeviceError> {
    let mut generation = client.commit(&codes(1)).await?;
    let batches =
        [(None, 1..=5), (None, 6..=9), (Some(2), 10..=14), (None, 15..=19), (Some(3), 20..=23), (Some(4), 24..=SHOTS)];
    for (variant, ids) in batches {
        if let Some(variant) = variant {
            generation = client.commit(&codes(variant)).await?;
        }
        let plan = plan(generation, &BOTH_WAYS, ReadOut::Phases);
        run_batch(client, plan, orders(0, ids), 2, |result| results.push(result)).await?;
    }
    Ok(())
}

/// The script on a device to which this happens; and the device.
async fn run(codec: Codec, cuts: &[(usize, Cut)]) -> (Vec<ShotResult>, VirtualRig) {
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    client.use_codec(codec).unwrap();
    bench.cut_after(cuts);
    let mut results = Vec::new();
    script(&mut client, &mut results).await.unwrap_or_else(|error| panic!("{cuts:?}: {error}"));
    client.close().await;
    (results, bench)
}

/// The script undisturbed: its results, and how many frames it takes.
async fn undisturbed() -> (Vec<ShotResult>, usize) {
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    let before = bench.frames();
    let mut results = Vec::new();
    script(&mut client, &mut results).await.unwrap();
    let frames = bench.frames() - before;
    assert_eq!(results.iter().map(|result| result.id).collect::<Vec<_>>(), (1..=SHOTS).collect::<Vec<_>>());
    assert_eq!(bench.counts().shots_finished, SHOTS);
    assert!(frames > 30, "{frames} frames: every one is a place to cut");
    (results, frames)
}

#[tokio::test(start_paused = true)]
async fn a_line_cut_at_any_frame_costs_time_and_nothing_else() {
    let (want, frames) = undisturbed().await;
    for (codec, cut) in [(Codec::Words, Cut::HangUp), (Codec::Words, Cut::Unplug), (Codec::Delta, Cut::HangUp)] {
        for after in 0..frames {
            let (results, bench) = run(codec, &[(after, cut)]).await;
            assert_eq!(results, want, "{codec:?}, {cut:?} after {after} of {frames} frames");
            let counts = bench.counts();
            assert_eq!(counts.shots_finished, SHOTS, "{cut:?} after {after}: what was finished runs once");
            assert_eq!((bench.boots(), bench.opened()), (1, 2), "{cut:?} after {after}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_restarted_at_any_frame_costs_time_and_nothing_else() {
    let (want, frames) = undisturbed().await;
    for (codec, cut) in [(Codec::Words, Cut::Reboot), (Codec::Words, Cut::PowerCycle), (Codec::Delta, Cut::Reboot)] {
        for after in 0..frames {
            let (results, bench) = run(codec, &[(after, cut)]).await;
            assert_eq!(results, want, "{codec:?}, {cut:?} after {after} of {frames} frames");
            assert_eq!(bench.boots(), 2);
            // Reopening a port would reset some boards: a line that stays is not opened again.
            let opened = if cut == Cut::Reboot { 1 } else { 2 };
            assert_eq!(bench.opened(), opened, "{cut:?} after {after}");
            let again = bench.counts().shots_finished - SHOTS;
            assert!(again <= 5, "{cut:?} after {after}: {again} shots of a batch of at most 5 ran again");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restarted_device_says_why_and_the_client_knows() {
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    assert_eq!((client.identity().boot_cause, client.identity().boot_note.as_str()), (BootCause::PowerOn, ""));
    bench.boots_by(BootCause::Panic, "panicked at shot.rs:12");
    bench.cut_after(&[(20, Cut::Reboot)]);
    script(&mut client, &mut Vec::new()).await.unwrap();
    assert_eq!(bench.boots(), 2);
    let identity = client.identity();
    assert_eq!((identity.boot_cause, identity.boot_note.as_str()), (BootCause::Panic, "panicked at shot.rs:12"));
    let words = boot_in_words(identity.boot_cause, &identity.boot_note);
    assert_eq!(words, "panic: panicked at shot.rs:12");
}

#[tokio::test(start_paused = true)]
async fn only_what_was_not_handed_out_runs_again_on_a_restarted_device() {
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    let generation = client.commit(&codes(1)).await.unwrap();
    let mut batch = client.batch(plan(generation, &BOTH_WAYS, ReadOut::Phases), orders(0, 1..=8)).await.unwrap();
    let mut taken = 0;
    while taken < 6 {
        assert!(batch.next().await.unwrap().is_some());
        taken += 1;
    }
    // Everything is finished by now, and six results are with us, none of them retired.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.counts().shots_finished, 8);
    bench.cut_now(Cut::PowerCycle);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut ids = Vec::new();
    while let Some(result) = batch.next().await.unwrap() {
        ids.push(result.id);
    }
    assert_eq!(ids, [7, 8]);
    let again = bench.counts().shots_finished - 8;
    assert!(again <= 2, "{again}");
}

#[tokio::test(start_paused = true)]
async fn a_line_cut_again_while_it_is_made_anew_costs_time_and_nothing_else() {
    let (want, frames) = undisturbed().await;
    let kinds = Cut::ALL;
    for after in (0..frames).step_by(3) {
        for later in 0..14 {
            let (first, second) = (kinds[(after / 3) % 4], kinds[(later + after) % 4]);
            let codec = if later % 2 == 0 { Codec::Words } else { Codec::Delta };
            let (results, _) = run(codec, &[(after, first), (later, second)]).await;
            assert_eq!(results, want, "{first:?} after {after}, {second:?} {later} frames later");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cuts_and_restarts_on_a_bad_line_cost_time_and_nothing_else() {
    let (want, frames) = undisturbed().await;
    let kinds = Cut::ALL;
    for seed in 0..80_usize {
        let bench = VirtualRig::start(nine_sites());
        let (mut client, _stop) = bench.client().await;
        let faults =
            format!("bit-error=2e-5,drop=0.05,insert=0.02,duplicate=0.1,reorder=0.1,truncate=0.02,seed={seed}");
        bench.set_faults(&faults.parse().unwrap());
        let (first, second, third) = (seed * 13 % frames, seed * 7 % 40, seed * 11 % 60);
        bench.cut_after(&[(first, kinds[seed % 4]), (second, kinds[seed / 4 % 4]), (third, kinds[seed / 16 % 4])]);
        let mut results = Vec::new();
        script(&mut client, &mut results).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(results, want, "seed {seed}");
    }
}

/// Bytes of a commit that changes every code a little; what came back of a shot, and of its sums.
async fn cost_of_a_commit(codec: Codec) -> (u64, Vec<ShotResult>, Sums) {
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    client.use_codec(codec).unwrap();
    let mut codes = codes(1);
    client.commit(&codes).await.unwrap();
    codes.couplings.iter_mut().chain(&mut codes.fields).for_each(|code| code.0 += 3);
    bench.record();
    let generation = client.commit(&codes).await.unwrap();
    // A commit does not wait; what is asked behind it does.
    client.status().await.unwrap();
    let bytes = bench.recorded(Role::Host).len() as u64;
    let mut results = Vec::new();
    let plan = plan(generation, &BOTH_WAYS, ReadOut::Contrast);
    run_batch(&mut client, plan, orders(0, 1..=4), 2, |result| results.push(result)).await.unwrap();
    let sums = client.collect().await.unwrap();
    (bytes, results, sums)
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_small_changes_takes_fewer_bytes_as_differences() {
    let words = cost_of_a_commit(Codec::Words).await;
    let delta = cost_of_a_commit(Codec::Delta).await;
    // 12 couplings and 18 field codes: 60 bytes, or 30 times 4 bits and the name of their base, twice.
    assert!(delta.0 + 15 < words.0, "{} {}", delta.0, words.0);
    assert_eq!((delta.1, delta.2), (words.1, words.2));
}

/// A batch with sums, and its sums.
async fn with_sums(client: &mut Client) -> Result<(Vec<ShotResult>, Sums), DeviceError> {
    let generation = client.commit(&codes(3)).await?;
    let plan = plan(generation, &BOTH_WAYS, ReadOut::Contrast);
    let mut results = Vec::new();
    run_batch(client, plan, orders(0, 1..=7), 3, |result| results.push(result)).await?;
    let sums = client.collect().await?;
    Ok((results, sums))
}

#[tokio::test(start_paused = true)]
async fn sums_count_every_shot_once_wherever_the_line_is_cut() {
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    let before = bench.frames();
    let want = with_sums(&mut client).await.unwrap();
    let frames = bench.frames() - before;
    assert_eq!((want.1.shots, want.1.left_out), (7, 0));
    assert!(want.1.values.iter().any(|value| value.abs() > 1e-3), "or there is nothing to compare");
    for cut in Cut::ALL {
        for after in 0..frames {
            let bench = VirtualRig::start(nine_sites());
            let (mut client, _stop) = bench.client().await;
            client.use_codec(if after % 2 == 0 { Codec::Words } else { Codec::Delta }).unwrap();
            bench.cut_after(&[(after, cut)]);
            let have = with_sums(&mut client).await.unwrap_or_else(|error| panic!("{cut:?} after {after}: {error}"));
            assert_eq!(have, want, "{cut:?} after {after} of {frames} frames");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_ever_for_a_silent_device_and_goes_on() {
    let (want, _) = undisturbed().await;
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    let line = bench.clone();
    tokio::spawn(async move {
        while line.frames() < 40 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        line.set_deaf(true);
        tokio::time::sleep(Duration::from_mins(15)).await;
        assert_eq!(line.state(), State::Safe(SafeCause::Deadman));
        line.set_deaf(false);
    });
    let started = Instant::now();
    let mut results = Vec::new();
    script(&mut client, &mut results).await.unwrap();
    assert!(started.elapsed() > Duration::from_mins(15));
    assert_eq!(results, want);
    assert_eq!((bench.opened(), bench.boots()), (1, 1), "the connection outlived it");
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_ever_for_a_device_that_is_away_and_goes_on() {
    let (want, frames) = undisturbed().await;
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    bench.cut_after(&[(frames / 2, Cut::PowerCycle)]);
    let line = bench.clone();
    tokio::spawn(async move {
        while line.boots() < 2 {
            line.set_away(true);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_mins(30)).await;
        line.set_away(false);
    });
    let started = Instant::now();
    let mut results = Vec::new();
    script(&mut client, &mut results).await.unwrap();
    assert!(started.elapsed() > Duration::from_mins(30));
    assert!(started.elapsed() < Duration::from_mins(30) + Duration::from_secs(5), "it looks every two seconds");
    assert_eq!(results, want);
}

#[tokio::test(start_paused = true)]
async fn a_suspended_host_finds_the_outputs_safe_and_goes_on() {
    let (want, _) = undisturbed().await;
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    let line = bench.clone();
    tokio::spawn(async move {
        for frames in [15, 25, 35, 45] {
            while line.frames() < frames {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // Both ends see the clock jump, as after a laptop's sleep beside a device that runs on.
            tokio::time::advance(Duration::from_secs(5)).await;
        }
    });
    let mut results = Vec::new();
    script(&mut client, &mut results).await.unwrap();
    assert_eq!(results, want);
    assert!(bench.counts().deadman > 0 && client.rearmed() > 0, "{:?}", bench.counts());
    assert_eq!((bench.opened(), bench.boots()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_waiting_for_a_device_that_is_away_or_silent() {
    for silent in [false, true] {
        let bench = VirtualRig::start(nine_sites());
        let (mut client, stop) = bench.client().await;
        let line = bench.clone();
        tokio::spawn(async move {
            while line.frames() < 40 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if silent {
                line.set_deaf(true);
            } else {
                line.set_away(true);
                line.cut_now(Cut::Unplug);
            }
            tokio::time::sleep(Duration::from_mins(10)).await;
            stop.set();
        });
        let started = Instant::now();
        let mut results = Vec::new();
        let ended = script(&mut client, &mut results).await;
        assert!(matches!(ended, Err(DeviceError::Interrupted)), "{silent}: {ended:?}");
        let (took, limit) = (started.elapsed(), Duration::from_mins(10) + Duration::from_millis(1200));
        assert!(took < limit, "{silent}: {took:?}");
        assert!((results.len() as u64) < SHOTS);
        let before = Instant::now();
        client.close().await;
        assert!(before.elapsed() <= Duration::from_secs(5), "{silent}: leaving took {:?}", before.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_cut_in_the_first_contact_is_opened_again() {
    for after in 0..6 {
        for cut in [Cut::HangUp, Cut::PowerCycle] {
            let bench = VirtualRig::start(nine_sites());
            bench.cut_after(&[(after, cut)]);
            let client = Client::connect(bench.route(), bench.wanted()).await;
            assert!(client.is_ok(), "{cut:?} after {after}: {:?}", client.err());
        }
    }
    // But not for ever: there is no run yet.
    let bench = VirtualRig::start(nine_sites());
    bench.cut_after(&[(1, Cut::HangUp); 200]);
    let started = Instant::now();
    assert!(matches!(
        Client::connect(bench.route(), bench.wanted()).await,
        Err(DeviceError::Lost { .. } | DeviceError::TurnedAway { .. })
    ));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn results_are_retired_before_the_next_batch_and_only_what_was_handed_out() {
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    let generation = client.commit(&codes(1)).await.unwrap();
    let all_phases = plan(generation, &[], ReadOut::Phases);
    let mut batch = client.batch(all_phases, orders(0, 1..=6)).await.unwrap();
    for _ in 0..3 {
        assert!(batch.next().await.unwrap().is_some());
    }
    // An id beyond what was handed out must not cost the shots behind it.
    batch.retire(100).await.unwrap();
    bench.cut_now(Cut::HangUp);
    let mut ids = Vec::new();
    while let Some(result) = batch.next().await.unwrap() {
        ids.push(result.id);
    }
    assert_eq!(ids, [4, 5, 6]);
    let early = client.batch(all_phases, orders(0, 7..=8)).await.map(drop);
    assert!(matches!(early, Err(DeviceError::NotRetired { through: 6 })), "{early:?}");
    assert!(matches!(client.commit(&codes(2)).await, Err(DeviceError::NotRetired { through: 6 })));
    client.retire(6).await.unwrap();
    assert!(client.batch(all_phases, orders(0, 7..=8)).await.unwrap().next().await.unwrap().is_some());
}
