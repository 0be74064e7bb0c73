//! The late-reply adversary: holds everything that ever went over the line, all of it valid once, and plays it to both
//! ends again and again after a reset, a restarted host, a new generation, other shots under the same numbers. Nothing of
//! it may be taken for a result.

use xyloop::device::ShotResult;
use xyloop_protocol::link::Role;

use crate::{
    common::{
        cable::Cut,
        workload::{codes, orders},
    },
    plan, run_batch, start_bench,
};

/// Shots of each batch.
const SHOTS: u64 = 20;

/// What lies between the batch that is recorded and the one during which the record is played.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Between {
    Nothing,
    NewGeneration,
    Lost(Cut),
    /// A host that is killed, and another one on the same start of the device with other shots of the same numbers.
    OtherHost,
    /// The same on a device that was restarted as well.
    OtherHostAndReboot,
}

/// The results of the second batch, and how many frames of other sessions the host has seen in it.
async fn second_batch(between: Between, plays: bool) -> (Vec<ShotResult>, u64) {
    let bench = start_bench();
    let (mut client, _) = bench.client().await;
    bench.record();
    client.commit(&codes(1)).await.unwrap();
    let first = run_batch(&mut client, 1, 1..=SHOTS, |_| {}).await;
    assert_eq!(first.len() as u64, SHOTS);
    let play = || {
        for sender in [Role::Host, Role::Device].into_iter().filter(|_| plays) {
            bench.play(sender, &bench.recorded(sender));
        }
    };
    let other_host = matches!(between, Between::OtherHost | Between::OtherHostAndReboot);
    match between {
        Between::Nothing | Between::NewGeneration => {}
        Between::Lost(cut) => bench.cut_now(cut),
        Between::OtherHost | Between::OtherHostAndReboot => {
            // Killed in the middle of a batch: its results wait on the device.
            let plan = plan(client.generation());
            let mut left_alone = client.batch(plan, orders(1, SHOTS + 1..=3 * SHOTS)).await.unwrap();
            assert!(left_alone.next().await.unwrap().is_some());
            bench.cut_now(if between == Between::OtherHost { Cut::Unplug } else { Cut::PowerCycle });
            drop(client);
            play();
            (client, _) = bench.client().await;
        }
    }
    play();
    if between != Between::Nothing {
        client.commit(&codes(2)).await.unwrap();
    }
    play();
    // Another host begins its numbers where the one before did; the same host goes on.
    let ids = if other_host { 1..=SHOTS } else { SHOTS + 1..=2 * SHOTS };
    let results = run_batch(&mut client, 2, ids, |_| play()).await;
    (results, client.figures().bad_frames)
}

#[tokio::test(start_paused = true)]
async fn what_was_valid_once_is_never_taken_for_a_result() {
    let others = [Between::Nothing, Between::NewGeneration, Between::OtherHost, Between::OtherHostAndReboot];
    for between in others.into_iter().chain(Cut::ALL.map(Between::Lost)) {
        let (want, _) = second_batch(between, false).await;
        assert_eq!(want.len() as u64, SHOTS);
        let (have, foreign) = second_batch(between, true).await;
        assert_eq!(have, want, "{between:?}");
        let new_session = !matches!(between, Between::Nothing | Between::NewGeneration);
        assert!(foreign > 0 || !new_session, "{between:?}: the record reached nobody");
    }
}
