//! Promise 1 of the link: every message arrives exactly once, in order, in both directions, whatever the line does.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Harm, exchange, pair, pair_of};
use xyloop_protocol::fault::Faults;
use xyloop_protocol::link::{Config, Role};
use xyloop_testbench::{LinkSizes, link};

const MIDDLE: LinkSizes = LinkSizes { payload: 256, receive: 4096, send: 4096, flight: 64 };

#[test]
fn clean_line() {
    let mut world = pair(MIDDLE, MIDDLE, 115_200, 500, Faults::NONE, 1);
    (world.out, world.up.buffer_bytes, world.down.buffer_bytes) = (300, 512, 512);
    world.connect(0xABCD);
    exchange(&mut world, 300, 600_000_000);
    let (host, device) = (world.host.counters(), world.device.counters());
    assert_eq!((host.resends, device.resends), (0, 0), "{host:?}\n{device:?}");
    assert_eq!(host.framing.bad(), 0);
    assert_eq!(host.stream_out, device.stream_in);
    assert!(host.rtt_us > 0);
}

/// A deep queue in the operating system makes the first time-outs too short; that may cost a few frames, once.
#[test]
fn a_deep_queue_is_learned() {
    let mut world = pair(MIDDLE, MIDDLE, 115_200, 500, Faults::NONE, 1);
    world.connect(0xABCD);
    exchange(&mut world, 300, 600_000_000);
    let (host, device) = (world.host.counters(), world.device.counters());
    println!("deep queue: {} of {} and {} of {}", host.resends, host.frames_out, device.resends, device.frames_out);
    assert!(host.resends <= 6 && device.resends <= 6, "{host:?}\n{device:?}");
}

/// Rates × sizes × faults: the sum of it is the promise.
#[test]
fn every_message_exactly_once_whatever_the_line_does() {
    let sizes = [
        LinkSizes { payload: 1024, receive: 16_384, send: 16_384, flight: 64 },
        MIDDLE,
        LinkSizes { payload: 48, receive: 600, send: 600, flight: 64 },
        LinkSizes { payload: 1, receive: 40, send: 30, flight: 64 },
        LinkSizes { payload: 64, receive: 7, send: 5, flight: 64 },
        LinkSizes { payload: 1024, receive: 1500, send: 3, flight: 64 },
    ];
    let much = Faults { drop: 0.02, duplicate: 0.02, bit_error: 1e-5, truncate: 0.01, burst: 0.01, ..Faults::NONE };
    let more = Faults { drop: 0.1, duplicate: 0.1, bit_error: 3e-5, truncate: 0.05, burst: 0.05, ..Faults::NONE };
    let late = |faults, jitter_us, overtaking| Harm { faults, jitter_us, overtaking };
    let faults = [
        Faults::NONE.into(),
        Faults { drop: 0.2, ..Faults::NONE }.into(),
        Faults { duplicate: 0.3, ..Faults::NONE }.into(),
        Faults { bit_error: 1e-4, ..Faults::NONE }.into(),
        Faults { truncate: 0.1, burst: 0.1, ..Faults::NONE }.into(),
        late(Faults::NONE, 30_000, false),
        late(Faults::NONE, 10_000, true),
        late(much, 3_000, false),
        late(more, 20_000, true),
    ];
    let mut seed = 100;
    for &host in &sizes {
        for &device in &sizes[..=3] {
            for &fault in &faults {
                for (baud, delay) in [(9_600, 2_000), (921_600, 300), (12_000_000, 16_000)] {
                    seed += 1;
                    let mut world = pair(host, device, baud, delay, fault, seed);
                    world.out = [2048, 140, 700][seed as usize % 3];
                    world.up.buffer_bytes = [4096, 0, 100_000][seed as usize / 3 % 3];
                    if baud == 9_600 {
                        // One frame within 50 ms, as the design asks.
                        world.host.set_payload_limit(48);
                        world.device.set_payload_limit(48);
                    }
                    world.connect(seed as u32);
                    exchange(&mut world, 40, 36_000_000_000);
                }
            }
        }
    }
}

#[test]
fn offsets_wrap_at_two_to_the_32() {
    for start in [u32::MAX, u32::MAX - 1, u32::MAX - 3_000, 0x7FFF_FFFF, 0x8000_0000 - 5_000] {
        let near = |config: Config| Config { start_offset: Some(start), ..config };
        let fault = Faults { drop: 0.03, duplicate: 0.03, bit_error: 1e-5, ..Faults::NONE };
        let mut world = pair_of(
            link(Role::Host, MIDDLE, near(Config::host())),
            link(Role::Device, MIDDLE, near(Config::device())),
            921_600,
            300,
            fault,
            7,
        );
        world.connect(9);
        exchange(&mut world, 300, 600_000_000);
        assert!(world.host.counters().stream_in > 6_000);
    }
}

/// A dead line pauses the session; it goes on when the line comes back.
#[test]
fn an_unplugged_line_costs_time_only() {
    let mut world = pair(MIDDLE, MIDDLE, 921_600, 300, Faults::NONE, 3);
    world.connect(5);
    let longest = world.host.longest_message();
    let (mut sent, mut got) = (0, 0);
    for round in 0..6 {
        common::feed(&mut world.host, 1, &mut sent, 1_000, longest);
        (world.up.unplugged, world.down.unplugged) = (round % 2 == 0, round % 3 == 0);
        world.run_for(20_000_000);
        common::drain(&mut world.device, 1, &mut got, longest, usize::MAX);
    }
    (world.up.unplugged, world.down.unplugged) = (false, false);
    let back = world.now_us;
    while got < sent {
        world.step(back + 3_000_000);
        common::drain(&mut world.device, 1, &mut got, longest, usize::MAX);
        assert!(world.now_us < back + 3_000_000, "did not recover");
    }
    assert!(sent > 0);
}

/// A reader that rests for long neither loses a byte nor blocks for ever, whatever is lost meanwhile.
#[test]
fn back_pressure_neither_loses_nor_dead_locks() {
    for seed in 0..40 {
        let fault = if seed % 2 == 0 { Faults::NONE } else { Faults { drop: 0.3, bit_error: 1e-5, ..Faults::NONE } };
        let sizes = [MIDDLE, LinkSizes { payload: 100, receive: 90, send: 300, flight: 64 }][seed as usize / 2 % 2];
        let mut world = pair(sizes, sizes, 921_600, 300, fault, seed);
        world.connect(77);
        let longest = world.host.longest_message();
        let (mut sent, mut got) = (0, 0);
        for rest_ms in [5_000, 0, 60_000, 100, 0, 700, 20_000] {
            for _ in 0..20 {
                common::feed(&mut world.host, 1, &mut sent, u64::MAX, longest);
                world.run_for(rest_ms * 50);
            }
            let before = got;
            common::drain(&mut world.device, 1, &mut got, longest, 3);
            world.run_for(if seed % 2 == 0 { 2_500_000 } else { 20_000_000 });
            common::drain(&mut world.device, 1, &mut got, longest, 5);
            assert!(
                got > before,
                "nothing came through: {seed} {rest_ms} {sizes:?} {fault:?} {:?} {:?}",
                world.host.counters(),
                world.device.counters()
            );
        }
        let limit = world.now_us + 600_000_000;
        while got < sent {
            world.step(limit);
            common::drain(&mut world.device, 1, &mut got, longest, 1);
            assert!(
                world.now_us < limit,
                "stuck {got}/{sent} {:?} {:?}",
                world.host.counters(),
                world.device.counters()
            );
        }
        assert_eq!(world.device.counters().over_credit, 0);
    }
}

/// ≥ 92 % of the line carries messages, with 1024-byte payloads at 921 600 baud.
#[test]
fn goodput_on_a_clean_line() {
    let big = LinkSizes { payload: 1024, receive: 16_384, send: 16_384, flight: 64 };
    let mut world = pair(big, big, 921_600, 300, Faults::NONE, 1);
    world.connect(1);
    let body = vec![0x5A; 600];
    let (start, mut received) = (world.now_us, 0u64);
    while world.now_us < start + 5_000_000 {
        while world.device.send(&body).is_ok() {}
        world.step(start + 5_000_000);
        while let Some(front) = world.host.front() {
            received += front.len() as u64;
            world.host.pop();
        }
    }
    let share = received as f64 / (92_160.0 * 5.0);
    println!("goodput device -> host: {:.1} % of the line, {:?}", share * 100.0, world.device.counters());
    assert!(share >= 0.92, "{share}");
    assert_eq!(world.device.counters().resends, 0);
}
