//! The late-reply adversary: holds everything that ever went over the line, all of it valid once, and plays it to both
//! ends again and again after a reset, a restarted host, a new generation, other shots under the same numbers. Nothing of
//! it may be taken for a result.

use xyloop::device::ShotResult;
use xyloop_protocol::{adversary::Faults, message::Plan};

use super::{
    bad_line::Rig,
    on_a_virtual_clock,
    work::{batch, codes, connect, description, order, plan},
};

/// Shots of each batch.
const SHOTS: u64 = 20;

/// What lies between the batch that is recorded and the one during which the record is played.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Between {
    Nothing,
    NewGeneration,
    Cut,
    Reboot,
    /// A host that is killed, and another one on the same start of the device with other shots of the same numbers.
    OtherHost,
    /// The same on a device that was restarted as well.
    OtherHostAndReboot,
}

/// The results of the second batch, and how many frames of other sessions the host has seen in it.
async fn second_batch(between: Between, plays: bool) -> (Vec<ShotResult>, u64) {
    let rig = Rig::start(description(), 10_000_000, &Faults::default());
    let mut client = connect(&rig).await;
    rig.record();
    client.commit(&codes(1)).await.unwrap();
    let first = batch(&mut client, (1..=SHOTS).map(|id| order(1, id)).collect(), |_| {}).await;
    assert_eq!(first.len() as u64, SHOTS);
    let play = || {
        if plays {
            rig.replay();
        }
    };
    let other_host = matches!(between, Between::OtherHost | Between::OtherHostAndReboot);
    match between {
        Between::Nothing | Between::NewGeneration => {}
        Between::Cut => rig.cut(),
        Between::Reboot => rig.reboot(),
        Between::OtherHost | Between::OtherHostAndReboot => {
            // Killed in the middle of a batch: its results wait on the device.
            let plan = Plan { generation: client.generation(), ..plan() };
            let orders = (SHOTS + 1..=3 * SHOTS).map(|id| order(1, id)).collect();
            let mut left_alone = client.batch(plan, orders).await.unwrap();
            assert!(left_alone.next().await.unwrap().is_some());
            rig.cut();
            drop(client);
            if between == Between::OtherHostAndReboot {
                rig.reboot();
            }
            play();
            client = connect(&rig).await;
        }
    }
    play();
    if between != Between::Nothing {
        client.commit(&codes(2)).await.unwrap();
    }
    play();
    // Another host begins its numbers where the one before did; the same host goes on.
    let ids = if other_host { 1..=SHOTS } else { SHOTS + 1..=2 * SHOTS };
    let results = batch(&mut client, ids.map(|id| order(2, id)).collect(), |_| play()).await;
    (results, client.figures().bad_frames)
}

#[test]
fn what_was_valid_once_is_never_taken_for_a_result() {
    on_a_virtual_clock(async {
        for between in [
            Between::Nothing,
            Between::NewGeneration,
            Between::Cut,
            Between::Reboot,
            Between::OtherHost,
            Between::OtherHostAndReboot,
        ] {
            let (want, _) = second_batch(between, false).await;
            assert_eq!(want.len() as u64, SHOTS);
            let (have, foreign) = second_batch(between, true).await;
            assert_eq!(have, want, "{between:?}");
            let new_session = !matches!(between, Between::Nothing | Between::NewGeneration);
            assert!(foreign > 0 || !new_session, "{between:?}: the record reached nobody");
        }
    });
}
