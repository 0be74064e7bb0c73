//! Other devices and other hosts at the same place: refused, or left alone; nothing of theirs is taken for ours.

use std::time::Duration;

use xyloop::device::{Client, DeviceError, ShotResult, Wanted};
use xyloop_lattice::Preset;
use xyloop_protocol::{
    link::{Config, Role},
    message::{Generation, ReadOut, SafeCause, State},
};
use xyloop_sim::Description;
use xyloop_testbench::{LinkSizes, link};

use crate::{
    BOTH_WAYS,
    common::{VirtualRig, cable::Cut, workload::*},
    script,
};

#[tokio::test(start_paused = true)]
async fn another_device_at_the_same_place_is_refused() {
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    bench.cut_after(&[(30, Cut::PowerCycle)]);
    bench.replace(Description { serial: "ten".into(), ..nine_sites() });
    let error = script(&mut client, &mut Vec::new()).await.unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, DeviceError::OtherDevice { .. }), "{said}");
    assert!(said.contains("`nine`") && said.contains("`ten`"), "{said}");
    assert!(error.advice().next.contains("device.serial_number"), "{:?}", error.advice());
    assert_eq!(bench.state(), State::Safe(SafeCause::Reset), "it was asked nothing");
}

#[tokio::test(start_paused = true)]
async fn a_pinned_serial_number_is_required_from_the_first_exchange_on() {
    let bench = VirtualRig::start(nine_sites());
    for (serial, fits) in [("nine", true), ("ten", false)] {
        let wanted = Wanted { serial_number: Some(serial.into()), ..bench.wanted() };
        match Client::connect(bench.route(), wanted).await {
            Ok(client) => {
                assert!(fits);
                client.leave().await;
            }
            Err(error) => {
                let said = error.to_string();
                assert!(!fits && said.contains("`nine`") && said.contains("`ten`"), "{said}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_comes_back_wired_otherwise_is_refused() {
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    let ours = bench.wanted().wiring_hash;
    bench.cut_after(&[(30, Cut::PowerCycle)]);
    bench.replace(Description { graph: graph(Preset::UpToFourthShell), ..nine_sites() });
    let said = script(&mut client, &mut Vec::new()).await.unwrap_err().to_string();
    let theirs = bench.wanted().wiring_hash;
    for word in [&format!("{ours:016x}"), &format!("{theirs:016x}"), "rig `nine`"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_another_host_took_over_is_left_to_it() {
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    client.commit(&codes(1)).await.unwrap();
    // Another host on the same line, as on a port that is not locked.
    let mut other = link(Role::Host, LinkSizes::new(1024, 1 << 14, 1 << 14), Config::host());
    bench.record();
    let mut heard = 0;
    other.connect(77, &[], 0).unwrap();
    let mut buffer = vec![0; 4096];
    for now_us in [0, 1000] {
        let length = other.transmit(now_us, &mut buffer);
        bench.play(Role::Host, &buffer[..length]);
        while other.session().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let said = bench.recorded(Role::Device);
            other.receive(now_us, &said[heard..]);
            heard = said.len();
        }
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let error = script(&mut client, &mut Vec::new()).await.unwrap_err();
    assert!(matches!(error, DeviceError::TakenOver { .. }), "{error}");
    assert!(error.to_string().contains("another host took rig over"), "{error}");
    assert_eq!(bench.opened(), 1);
    // The other host's session is the one in force.
    let length = other.transmit(2_000_000, &mut buffer);
    bench.play(Role::Host, &buffer[..length]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    other.receive(2_000_000, &bench.recorded(Role::Device)[heard..]);
    assert_eq!(other.session(), Some(77));
}

#[tokio::test(start_paused = true)]
async fn results_of_another_run_under_the_same_ids_and_couplings_are_not_taken() {
    let want = {
        let bench = VirtualRig::start(nine_sites());
        let (mut client, _stop) = bench.client().await;
        let generation = client.commit(&codes(1)).await.unwrap();
        results_of(&mut client, generation).await.unwrap()
    };
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    let generation = client.commit(&codes(1)).await.unwrap();
    let other = bench.clone();
    tokio::spawn(async move {
        while other.counts().shots_begun == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        other.set_away(true);
        other.cut_now(Cut::HangUp);
        tokio::time::sleep(Duration::from_secs(10)).await;
        other.set_away(false);
        // Another host runs other samples under the same ids, with the same codes under the same number, and leaves.
        let mut second = Client::connect(other.route(), other.wanted()).await.unwrap();
        let same = second.commit(&codes(1)).await.unwrap();
        assert_eq!(same, generation);
        second.abort().await.unwrap();
        second.retire(u64::MAX).await.unwrap();
        let plan = plan(same, &BOTH_WAYS, ReadOut::Phases);
        let mut batch = second.batch(plan, orders(1, 1..=4)).await.unwrap();
        while batch.next().await.unwrap().is_some() {}
        other.set_away(true);
        second.leave().await;
        other.cut_now(Cut::HangUp);
        tokio::time::sleep(Duration::from_secs(10)).await;
        other.set_away(false);
    });
    // The shots are with the device when the line goes; when it is back, as many shots of the same names are.
    let results = results_of(&mut client, generation).await.unwrap();
    assert_eq!(results, want);
    assert_eq!((bench.opened(), bench.boots()), (3, 1));
}

async fn results_of(client: &mut Client, generation: Generation) -> Result<Vec<ShotResult>, DeviceError> {
    let plan = plan(generation, &BOTH_WAYS, ReadOut::Phases);
    let mut results = Vec::new();
    run_batch(client, plan, orders(0, 1..=6), usize::MAX, |result| results.push(result)).await?;
    Ok(results)
}

#[tokio::test(start_paused = true)]
async fn without_being_told_to_reconnect_a_lost_line_is_an_error() {
    let bench = VirtualRig::start(nine_sites());
    let mut client = Client::connect(bench.route(), bench.wanted()).await.unwrap();
    bench.cut_now(Cut::HangUp);
    let error = client.status().await.unwrap_err();
    assert!(matches!(error, DeviceError::Lost { .. }), "{error}");
    assert_eq!(bench.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn ids_that_do_not_ascend_are_refused() {
    let bench = VirtualRig::start(nine_sites());
    let (mut client, _stop) = bench.client().await;
    let generation = client.commit(&codes(1)).await.unwrap();
    results_of(&mut client, generation).await.unwrap();
    for ids in [vec![7, 7], vec![6, 7], vec![9, 8]] {
        let refused = client.batch(plan(generation, &BOTH_WAYS, ReadOut::Phases), orders(0, ids.clone())).await.err();
        assert!(matches!(refused, Some(DeviceError::ShotIds { .. })), "{ids:?}");
    }
}
