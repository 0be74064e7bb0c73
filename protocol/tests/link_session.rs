//! Sessions: connecting, rebooted devices, restarted hosts, stale and replayed bytes, other versions, errors.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{LinkPair, Rng, pair, pair_of};
use xyloop_protocol::fault::{Faults, Line};
use xyloop_protocol::frame::{self, Header, Kind, WIRE_VERSION};
use xyloop_protocol::link::{Config, Fault, GREETING_MAX, Link, Role, SendError, State, TRANSMIT_MIN};
use xyloop_testbench::{LinkSizes, link};

const SIZES: LinkSizes = LinkSizes { payload: 128, receive: 1024, send: 1024, flight: 64 };

fn world(seed: u64) -> LinkPair {
    pair(SIZES, SIZES, 921_600, 300, Faults::NONE, seed)
}

/// Returns what the host wrote and what arrived there while it was recorded.
fn recorded(world: &mut LinkPair) -> [Vec<u8>; 2] {
    let records = world.end_recording();
    [Role::Host, Role::Device].map(|sender| {
        records.iter().filter(|record| record.sender == sender).flat_map(|record| record.bytes.clone()).collect()
    })
}

/// Everything the link wants to send now.
fn output(link: &mut Link<'_>, now_us: u64) -> Vec<u8> {
    let mut out = vec![0; 4096];
    let mut all = Vec::new();
    loop {
        let n = link.transmit(now_us, &mut out);
        if n == 0 {
            return all;
        }
        all.extend_from_slice(&out[..n]);
    }
}

fn raw(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; frame::encoded_len(payload.len())];
    let n = frame::encode(header, &[payload], &mut out).unwrap();
    out.truncate(n);
    out
}

#[test]
fn greetings_travel_and_the_open_is_repeated_until_answered() {
    let mut world = world(1);
    let long = [7; GREETING_MAX];
    world.device.set_greeting(&long).unwrap();
    assert!(world.device.set_greeting(&[0; GREETING_MAX + 1]).is_err());
    world.up.unplugged = true;
    world.host.connect(42, b"it is me", world.now_us).unwrap();
    assert_eq!(world.host.send(b"x"), Err(SendError::NotConnected));
    world.run_for(1_050_000);
    assert_eq!(world.host.counters().frames_out, 11);
    assert_eq!(world.host.state(), State::Connecting { session: 42 });
    world.up.unplugged = false;
    world.run_for(200_000);
    assert_eq!(world.host.state(), State::Connected { session: 42 });
    assert_eq!(world.device.state(), State::Connected { session: 42 });
    assert_eq!(world.host.peer_greeting(), long);
    assert_eq!(world.device.peer_greeting(), b"it is me");
    assert_eq!(world.host.payload(), 128);
}

#[test]
fn a_repeated_open_is_answered_and_resets_nothing() {
    let mut world = world(2);
    world.record();
    world.connect(42);
    let [opening, _] = recorded(&mut world);
    world.host.send(b"one").unwrap();
    world.device.send(b"two").unwrap();
    world.run_for(100_000);
    let frames = world.device.counters().frames_out;
    world.device.receive(world.now_us, &opening);
    world.run_for(100_000);
    assert!(world.device.counters().frames_out > frames);
    assert_eq!((world.device.front(), world.host.front()), (Some(&b"one"[..]), Some(&b"two"[..])));
    assert_eq!(world.device.counters().sessions, 1);
    world.host.send(b"three").unwrap();
    world.run_for(100_000);
    assert!(world.device.pop());
    assert_eq!(world.device.front(), Some(&b"three"[..]));
}

#[test]
fn a_rebooted_device_is_noticed() {
    let mut world = world(3);
    world.connect(42);
    world.host.send(b"before").unwrap();
    world.run_for(10_000);
    world.device = link(Role::Device, SIZES, Config { salt: 2, ..Config::device() });
    // The keep-alive is enough to notice.
    world.run_for(60_000);
    assert_eq!(world.host.state(), State::Reset { session: 42 });
    assert_eq!(world.host.send(b"x"), Err(SendError::NotConnected));
    assert_eq!(world.device.front(), None);
    world.connect(43);
    world.host.send(b"after").unwrap();
    world.run_for(10_000);
    assert_eq!(world.device.front(), Some(&b"after"[..]));
}

#[test]
fn resets_are_rate_limited() {
    let mut device = link(Role::Device, SIZES, Config::device());
    let header =
        Header { version: WIRE_VERSION, sender: Role::Host, kind: Kind::Ack, session: 9, seq: 0, ack: 0, credit: 0 };
    let mut answered = 0;
    for ms in 0..1000 {
        device.receive(ms * 1000, &raw(&header, b""));
        answered += usize::from(!output(&mut device, ms * 1000).is_empty());
    }
    assert_eq!(answered, 50);
    assert_eq!(device.counters().foreign_session, 1000);
}

/// The whole of an old session, its Open included, played to the device: idle, rebooted, or in another session.
#[test]
fn a_replayed_session_is_harmless() {
    let mut world = world(4);
    world.record();
    world.connect(42);
    for i in 0..50u8 {
        world.host.send(&[i; 60]).unwrap();
        world.device.send(&[i; 60]).unwrap();
        world.run_for(5_000);
        assert!(world.device.pop() && world.host.pop());
    }
    let [up, down] = recorded(&mut world);
    assert!(up.len() > 3_000 && down.len() > 3_000);

    let rebooted = link(Role::Device, SIZES, Config { salt: 77, ..Config::device() });
    for mut device in [world.device, rebooted] {
        let mut host = link(Role::Host, SIZES, Config::host());
        for connect in [false, true] {
            let mut world = pair_of(host, device, 921_600, 300, Faults::NONE, 5);
            world.now_us = 20_000_000;
            if connect {
                world.connect(43);
                world.host.send(b"new").unwrap();
                world.run_for(10_000);
            } else {
                // The device may still be in session 42: a new host is not there yet.
                world.device.close();
                world.run_for(10_000);
            }
            let before = (world.device.state(), world.device.counters().stream_in, world.host.counters().stream_in);
            for (i, (up, down)) in up.chunks(100).zip(down.chunks(100)).enumerate() {
                world.device.receive(world.now_us, up);
                world.host.receive(world.now_us, down);
                world.run_for(1_000 * (i as u64 % 7));
            }
            let after = (world.device.state(), world.device.counters().stream_in, world.host.counters().stream_in);
            assert_eq!(before, after);
            if connect {
                assert_eq!(world.device.state(), State::Connected { session: 43 });
                assert_eq!(world.host.state(), State::Connected { session: 43 });
                assert_eq!(world.device.front(), Some(&b"new"[..]));
                assert!(world.device.pop() && world.device.front().is_none() && world.host.front().is_none());
                world.host.send(b"still works").unwrap();
                world.run_for(100_000);
                assert_eq!(world.device.front(), Some(&b"still works"[..]));
            }
            (host, device) = (world.host, world.device);
        }
    }
}

#[test]
fn a_restarted_host_takes_over_and_stale_output_is_ignored() {
    let mut world = world(6);
    world.connect(42);
    for _ in 0..8 {
        world.device.send(&[9; 100]).unwrap();
        world.host.send(&[8; 100]).unwrap();
    }
    // 16 kB of stale output may wait in a tty.
    let stale = output(&mut world.device, world.now_us);
    let mut accept = Vec::new();
    let mut old = link(Role::Device, SIZES, Config::device());
    let open =
        Header { version: WIRE_VERSION, sender: Role::Host, kind: Kind::Open, session: 42, seq: 5, ack: 0, credit: 9 };
    old.receive(0, &raw(&open, &[1, 64, 0, 64, 0, 0, 0]));
    accept.extend(output(&mut old, 0));
    assert!(!accept.is_empty());

    world.host = link(Role::Host, SIZES, Config::host());
    world.host.connect(43, b"", world.now_us).unwrap();
    world.host.receive(world.now_us, &stale);
    world.host.receive(world.now_us, &accept);
    assert_eq!(world.host.state(), State::Connecting { session: 43 });
    assert!(world.host.counters().foreign_session >= 2);
    world.run_for(50_000);
    assert_eq!(world.device.state(), State::Connected { session: 43 });
    assert_eq!((world.host.front(), world.device.front()), (None, None));
    assert!(world.device.all_acked());
}

/// The same nonce by mistake: still a new session, and nothing of the old one in it.
#[test]
fn the_same_session_number_again_is_a_new_session() {
    let mut world = world(7);
    world.connect(42);
    world.host.send(b"old").unwrap();
    world.run_for(10_000);
    world.host.connect(42, b"again", world.now_us).unwrap();
    world.run_for(100_000);
    assert_eq!(world.host.state(), State::Connected { session: 42 });
    assert_eq!(world.device.counters().sessions, 2);
    assert_eq!(world.device.front(), None);
    world.host.send(b"new").unwrap();
    world.run_for(10_000);
    assert_eq!(world.device.front(), Some(&b"new"[..]));
}

#[test]
fn a_version_mismatch_is_named_both_ways() {
    for (host, device) in [(1, 2), (2, 1), (1, 17), (15, 3)] {
        let config = |version, config| Config { version, ..config };
        let mut world = pair_of(
            link(Role::Host, SIZES, config(host, Config::host())),
            link(Role::Device, SIZES, config(device, Config::device())),
            921_600,
            300,
            Faults::NONE,
            1,
        );
        world.host.connect(42, b"", world.now_us).unwrap();
        world.run_for(50_000);
        assert_eq!(world.host.state(), State::VersionMismatch { ours: host, theirs: device });
        assert_eq!(world.device.state(), State::VersionMismatch { ours: device, theirs: host });
        assert_eq!(world.host.next_wakeup_us(), None);
        // The device goes on listening.
        world.host = link(Role::Host, SIZES, config(device, Config::host()));
        world.connect(43);
    }
}

#[test]
fn a_device_in_session_is_not_disturbed_by_another_version() {
    let mut world = world(8);
    world.connect(42);
    let mut other = link(Role::Host, SIZES, Config { version: 1, ..Config::host() });
    other.connect(50, b"", world.now_us).unwrap();
    let open = output(&mut other, world.now_us);
    world.device.receive(world.now_us, &open);
    let answer = output(&mut world.device, world.now_us);
    other.receive(world.now_us, &answer);
    assert_eq!(other.state(), State::VersionMismatch { ours: 1, theirs: WIRE_VERSION });
    assert_eq!(world.device.state(), State::Connected { session: 42 });
}

#[test]
fn close_reaches_the_other_end_both_ways_even_if_the_first_one_is_lost() {
    for by_host in [true, false] {
        let mut world = world(9);
        world.connect(42);
        world.host.send(b"last words").unwrap();
        world.device.send(b"last words").unwrap();
        world.run_for(10_000);
        assert!(world.host.all_acked() && world.device.all_acked());
        if by_host {
            world.up.unplugged = true;
            world.host.close();
            world.run_for(10_000);
            world.up.unplugged = false;
            world.device.send(b"more").unwrap();
            world.run_for(1_000_000);
            assert_eq!(world.host.state(), State::Closed { session: 42, by_peer: false });
            assert_eq!(world.device.state(), State::Closed { session: 42, by_peer: true });
        } else {
            world.device.close();
            world.run_for(10_000);
            assert_eq!(world.host.state(), State::Closed { session: 42, by_peer: true });
            assert_eq!(world.device.state(), State::Closed { session: 42, by_peer: false });
        }
        assert_eq!(world.host.front(), Some(&b"last words"[..]));
        assert_eq!(world.device.front(), Some(&b"last words"[..]));
        assert_eq!(world.host.next_wakeup_us(), None);
        world.connect(43);
    }
}

#[test]
fn lengths_that_cannot_fit_are_refused_at_both_ends() {
    let small = LinkSizes { payload: 64, receive: 50, send: 80, flight: 64 };
    let mut world = pair(SIZES, small, 921_600, 300, Faults::NONE, 1);
    world.connect(42);
    assert_eq!(world.host.longest_message(), 48);
    assert_eq!(world.host.send(&[0; 49]), Err(SendError::TooLong { length: 49, longest: 48 }));
    world.host.send(&[1; 48]).unwrap();
    world.host.send(b"").unwrap();
    world.run_for(10_000);
    let mut buffer = [0; 48];
    assert_eq!(world.device.receive_message(&mut buffer[..47]), None);
    assert_eq!(world.device.receive_message(&mut buffer), Some(48));
    world.run_for(10_000);
    assert_eq!(world.device.front(), Some(&b""[..]));
    assert!(world.device.pop());
    assert!(!world.device.pop());
    world.run_for(60_000);

    // A peer that announces too much all the same.
    let sent: u32 = 48 + 2 + 2;
    world.up = Line::new(921_600, 0, &Faults { seed: 1, ..Faults::NONE }, Role::Host);
    world.record();
    world.run_for(60_000);
    let [record, _] = recorded(&mut world);
    let mut storage = [0; 400];
    let mut deframer = frame::Deframer::new(&mut storage);
    let header = deframer.feed(&mut &record[..]).unwrap().header;
    assert_eq!(world.host.counters().stream_out, u64::from(sent));
    world.device.receive(world.now_us, &raw(&Header { kind: Kind::Data, ..header }, &[0xFF, 0xFF]));
    let fault = Fault::MessageTooLong { announced: 65_535, longest: 48 };
    assert_eq!(world.device.state(), State::Failed { session: 42, fault });
    assert_eq!(world.device.counters().too_long, 1);
    world.run_for(10_000);
    assert_eq!(world.host.state(), State::Closed { session: 42, by_peer: true });
}

#[test]
fn keep_alives_keep_coming_and_are_heard() {
    let mut world = world(10);
    world.connect(42);
    for _ in 0..100 {
        world.run_for(37_000);
        let heard = world.device.last_heard_us().unwrap();
        assert!(world.now_us - heard <= 51_500, "{}", world.now_us - heard);
    }
    let device = world.device.counters();
    assert!((70..80).contains(&(device.frames_in)), "{device:?}");
    assert!((16..22).contains(&device.frames_out), "{device:?}");
    world.up.unplugged = true;
    let heard = world.device.last_heard_us();
    world.run_for(300_000);
    assert!(world.device.last_heard_us() <= heard.map(|h| h + 51_500));
}

#[test]
fn an_echoing_line_is_no_device() {
    let mut host = link(Role::Host, SIZES, Config::host());
    host.connect(42, b"", 0).unwrap();
    for ms in 0..500 {
        let out = output(&mut host, ms * 1000);
        host.receive(ms * 1000, &out);
    }
    assert_eq!(host.state(), State::Connecting { session: 42 });
    assert_eq!(host.counters().echoed, 5);
}

/// Frames with a right CRC and any header, against both ends in any state: no panic, no hang, and the session of two
/// honest ends survives whatever does not carry its number.
#[test]
fn any_well_formed_frame_is_survived() {
    let mut rng = Rng(11);
    for round in 0..300 {
        let mut world = world(round);
        let connected = rng.chance(0.7);
        if connected {
            world.connect(42);
        }
        for _ in 0..200 {
            let kind = [Kind::Data, Kind::Ack, Kind::Open, Kind::Accept, Kind::Reset, Kind::Close][rng.below(6)];
            let near = |rng: &mut Rng| (rng.next() as u32).wrapping_shr(rng.below(32) as u32);
            let header = Header {
                version: if rng.chance(0.2) { rng.below(16) as u8 } else { 1 },
                sender: if rng.chance(0.5) { Role::Host } else { Role::Device },
                kind,
                session: if round % 2 == 0 { 42 } else { 100 + rng.below(3) as u32 },
                seq: near(&mut rng),
                ack: near(&mut rng),
                credit: rng.next() as u16,
            };
            let length = rng.below(128);
            let mut payload = rng.bytes(length);
            if kind == Kind::Open && rng.chance(0.7) && !payload.is_empty() {
                payload[0] = 1;
            }
            let bytes = raw(&header, &payload);
            if rng.chance(0.5) {
                world.host.receive(world.now_us, &bytes);
            } else {
                world.device.receive(world.now_us, &bytes);
            }
            let _ = world.host.send(&payload);
            let _ = world.device.send(&payload);
            world.host.pop();
            world.run_for(500);
        }
        if connected && round % 2 == 1 {
            assert_eq!(world.host.state(), State::Connected { session: 42 });
            assert_eq!(world.device.state(), State::Connected { session: 42 });
        }
    }
}

#[test]
fn storage_and_output_of_any_length_are_survived() {
    for n in 0..24 {
        let sizes = LinkSizes { payload: n, receive: n, send: n, flight: 64 };
        for out in [0, 1, 2, 3, 22, 23, 30, TRANSMIT_MIN] {
            let mut world = pair(sizes, sizes, 921_600, 300, Faults::NONE, 1);
            world.out = out;
            world.host.connect(1, b"hello", 0).unwrap();
            for _ in 0..500 {
                let _ = world.host.send(&vec![1; n.saturating_sub(2)]);
                let _ = world.device.send(b"");
                world.step(u64::MAX);
                world.device.pop();
            }
            if out == TRANSMIT_MIN {
                assert_eq!(world.host.state(), State::Connected { session: 1 }, "{n}");
                assert!(n < 2 || world.device.counters().stream_in > 3, "{n} {:?}", world.device.counters());
            }
        }
    }
}

/// The first Open reached the device, its answer did not reach the host, and the host begins again with its number.
#[test]
fn a_second_attempt_with_the_same_number_replaces_the_first() {
    let mut world = world(12);
    world.down.unplugged = true;
    world.host.connect(42, b"first", world.now_us).unwrap();
    world.run_for(50_000);
    world.down.unplugged = false;
    world.connect(42);
    assert_eq!(world.device.peer_greeting(), b"host");
}

/// Splits what a link sends now into its frames.
fn frames(link: &mut Link<'_>, now_us: u64) -> Vec<Vec<u8>> {
    let mut out = vec![0; 4096];
    let mut frames = Vec::new();
    loop {
        // With a slice for one frame only, one frame comes.
        let n = link.transmit(now_us, &mut out[..frame::encoded_len(SIZES.payload)]);
        if n == 0 {
            return frames;
        }
        frames.push(out[..n].to_vec());
    }
}

/// Only what did not arrive is sent again, also when the repeat is hit: none of it waits for a timer.
#[test]
fn a_gap_and_a_hit_repeat_are_mended_without_a_timer() {
    let mut world = world(13);
    world.connect(42);
    world.run_for(10_000);
    let now = world.now_us;
    for i in 0..6 {
        world.host.send(&[i; 126]).unwrap();
    }
    let answer = |world: &mut LinkPair, frames: &[&Vec<u8>]| {
        for frame in frames {
            world.device.receive(now, frame);
        }
        let report = output(&mut world.device, now);
        world.host.receive(now, &report);
    };
    // The first and the fourth are lost.
    let flight = frames(&mut world.host, now);
    assert_eq!(flight.len(), 6);
    answer(&mut world, &[&flight[1], &flight[2], &flight[4]]);
    assert_eq!(world.host.counters().lost, 2);
    assert_eq!((world.host.unacked(), world.device.front()), (6 * 128, None));
    // The first is lost again, and again; the last frame of the old flight tells of it, then the repeat of the fourth.
    let repeats = frames(&mut world.host, now);
    assert_eq!(repeats.len(), 2);
    answer(&mut world, &[&flight[5]]);
    assert_eq!(world.host.counters().lost, 2, "what was sent before the repeats tells nothing of them");
    answer(&mut world, &[&repeats[1]]);
    assert_eq!(world.host.counters().lost, 3);
    let again = frames(&mut world.host, now);
    assert_eq!(again.len(), 1, "one frame is missing, one frame is sent");
    answer(&mut world, &[&again[0]]);
    assert!(world.host.all_acked());
    assert_eq!((world.host.counters().resends, world.host.counters().timeouts), (3, 0));
    for i in 0..6 {
        assert_eq!(world.device.front(), Some(&[i; 126][..]));
        world.device.pop();
    }
}
