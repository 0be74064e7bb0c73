//! The link under a sweep of faults, as a table that is kept in the tree: bit errors × lost frames × largest frame ×
//! window. Messages with a content of their own go both ways; every one that arrives is compared with the one that is
//! due, so that a lost, doubled or misplaced one cannot pass.
//!
//! `XYLOOP_BLESS=1 cargo test -p xyloop-protocol --test sweep` writes the table anew.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fmt::Write as _;

use common::{message, pair};
use xyloop_protocol::{fault::Faults, frame, link::Link};
use xyloop_testbench::LinkSizes;

const BAUD: u64 = 921_600;
/// Virtual time that each row runs for.
const DURATION_US: u64 = 4_000_000;
const LONGEST: usize = 900;

/// What became of the messages of one direction.
#[derive(Default)]
struct Fate {
    sent: u64,
    arrived: u64,
    bytes: u64,
    /// Messages that were another one than the one that was due.
    doubled: u64,
    misattributed: u64,
}

impl Fate {
    fn feed(&mut self, link: &mut Link<'_>, direction: u64, longest: usize) {
        while link.send(&message(direction, self.sent, longest)).is_ok() {
            self.sent += 1;
        }
    }

    fn drain(&mut self, link: &mut Link<'_>, direction: u64, longest: usize) {
        while let Some(front) = link.front() {
            if front == message(direction, self.arrived, longest) {
                self.bytes += front.len() as u64;
                self.arrived += 1;
            } else if (0..self.arrived).rev().take(200).any(|old| front == message(direction, old, longest)) {
                self.doubled += 1;
            } else {
                self.misattributed += 1;
            }
            link.pop();
        }
    }
}

fn row(bit: f64, drop: f64, payload: usize, window: usize, seed: u64) -> String {
    let sizes = LinkSizes { payload, receive: window, send: window, flight: 256 };
    let faults = Faults { bit_error: bit, drop, ..Faults::NONE };
    let mut world = pair(sizes, sizes, BAUD, 500, faults, seed);
    world.out = frame::encoded_len(payload).max(frame::encoded_len(128));
    // A UART with little memory in front of it.
    (world.up.buffer_bytes, world.down.buffer_bytes) = (256, 256);
    world.connect(seed as u32);
    let longest = LONGEST.min(world.host.longest_message());
    let (mut up, mut down) = (Fate::default(), Fate::default());
    let (start, mut frames, mut looks) = (world.now_us, 0, 0);
    while world.now_us < start + DURATION_US {
        up.feed(&mut world.host, 1, longest);
        down.feed(&mut world.device, 2, longest);
        world.step(start + DURATION_US);
        up.drain(&mut world.device, 1, longest);
        down.drain(&mut world.host, 2, longest);
        frames += world.device.payload() as u64;
        looks += 1;
    }
    let share = |fate: &Fate| 100.0 * fate.bytes as f64 / (BAUD as f64 / 10.0 * DURATION_US as f64 * 1e-6);
    let (goodput_up, goodput_down) = (share(&up), share(&down));
    // What is still under way comes in: nothing may be missing then.
    let limit = world.now_us + 600_000_000;
    while (up.arrived, down.arrived) != (up.sent, down.sent) && world.now_us < limit {
        world.step(limit);
        up.drain(&mut world.device, 1, longest);
        down.drain(&mut world.host, 2, longest);
    }
    let counters = [world.host.counters(), world.device.counters()];
    let percent = |part: u32, of: u32| 100.0 * f64::from(part) / f64::from(of.max(1));
    let resent = percent(counters[0].resends + counters[1].resends, counters[0].data_out + counters[1].data_out);
    let lost = (up.sent - up.arrived) + (down.sent - down.arrived);
    format!(
        "{bit:>7.0e}  {drop:>5.2}  {payload:>7}  {window:>6}  {seed:>4} | {goodput_up:>5.1}  {goodput_down:>5.1}  {resent:>5.1}  {:>6}  {:>7} | {lost:>4}  {:>7}  {:>13}",
        frames / looks,
        up.arrived + down.arrived,
        up.doubled + down.doubled,
        up.misattributed + down.misattributed,
    )
}

#[test]
fn faults_cost_time_and_nothing_else() {
    let mut table = String::from(
        "Both directions busy, 921 600 baud, 0.5 ms delay, 4 s of virtual time a row; messages of 0 to 900 bytes.\n\
         frame: largest payload of a frame, bytes; up, down: message bytes that arrived, % of the line; resent: % of Data frames;\n\
         in force: mean payload of a frame, bytes; lost, doubled, misattributed: messages\n\n\
         bit err   drop    frame  window  seed |    up   down  resent  in force  messages | lost  doubled  misattributed\n",
    );
    let mut seed = 0;
    for bit in [0.0, 1e-5, 1e-4, 1e-3] {
        for drop in [0.0, 0.05, 0.2] {
            for payload in [48, 256, 1024] {
                for window in [2048, 16_384] {
                    seed += 1;
                    let row = row(bit, drop, payload, window, seed);
                    assert!(row.ends_with("|    0        0              0"), "{row}");
                    writeln!(table, "{row}").unwrap();
                }
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sweep.txt");
    if std::env::var_os("XYLOOP_BLESS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap();
    for (have, want) in table.lines().zip(kept.lines()) {
        assert_eq!(have, want, "XYLOOP_BLESS=1 writes the table anew");
    }
    assert_eq!(table, kept);
}
