//! Shared by the tests of the link: a seeded generator, a line that does harm, and messages that name themselves.
#![allow(dead_code, clippy::unwrap_used, clippy::should_implement_trait)]

pub mod frames;

use xyloop_protocol::{
    fault::{Faults, Line},
    link::{Config, Link, Role, State},
};
use xyloop_testbench::{LinkSizes, Pair, link};

/// `SplitMix64`: small, seeded, the same everywhere.
#[derive(Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub fn chance(&mut self, p: f64) -> bool {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64 <= p && p > 0.0
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut v = vec![0; n];
        self.fill(&mut v);
        v
    }
}

/// What a line does to what is written to it.
#[derive(Clone, Copy, Debug)]
pub struct Harm {
    pub faults: Faults,
    /// Up to that much extra delay, in microseconds; arrivals keep their order unless `overtaking`.
    pub jitter_us: u64,
    pub overtaking: bool,
}

impl From<Faults> for Harm {
    fn from(faults: Faults) -> Self {
        Self { faults, jitter_us: 0, overtaking: false }
    }
}

/// Two links and the line between them, in virtual time.
pub type LinkPair = Pair<Link<'static>, Link<'static>>;

/// Connects two links of these sizes by a line of `baud` bits per second and `delay_us` microseconds.
pub fn pair(
    host: LinkSizes,
    device: LinkSizes,
    baud: u64,
    delay_us: u64,
    harm: impl Into<Harm>,
    seed: u64,
) -> LinkPair {
    let (host, device) = (link(Role::Host, host, Config::host()), link(Role::Device, device, Config::device()));
    pair_of(host, device, baud, delay_us, harm, seed)
}

/// Connects these links by such a line.
pub fn pair_of(
    host: Link<'static>,
    device: Link<'static>,
    baud: u64,
    delay_us: u64,
    harm: impl Into<Harm>,
    seed: u64,
) -> LinkPair {
    let Harm { faults, jitter_us, overtaking } = harm.into();
    let line = |sender| {
        let mut line = Line::new(baud, delay_us, &Faults { seed, ..faults }, sender);
        (line.jitter_us, line.overtaking) = (jitter_us, overtaking);
        line
    };
    Pair::over(host, device, (line(Role::Host), line(Role::Device)), 1_000)
}

/// A message whose content follows from its direction, number and length alone.
pub fn message(direction: u64, number: u64, longest: usize) -> Vec<u8> {
    let mut rng = Rng(direction << 56 ^ number.wrapping_mul(0x1234_5677));
    let length = match rng.below(10) {
        0 => 0,
        1..=6 => rng.below(64.min(longest + 1)),
        7 | 8 => rng.below(longest / 4 + 1),
        _ => rng.below(longest + 1),
    };
    rng.bytes(length)
}

/// Sends as many test messages as fit, from `*sent` up to `count`.
pub fn feed(link: &mut Link<'_>, direction: u64, sent: &mut u64, count: u64, longest: usize) {
    while *sent < count && link.send(&message(direction, *sent, longest)).is_ok() {
        *sent += 1;
    }
}

/// Reads and checks all messages that are there, at most `most`.
pub fn drain(link: &mut Link<'_>, direction: u64, got: &mut u64, longest: usize, most: usize) {
    for _ in 0..most {
        let Some(front) = link.front() else { break };
        assert_eq!(front, message(direction, *got, longest), "message {got} of direction {direction}");
        *got += 1;
        assert!(link.pop());
    }
}

/// Moves `count` messages each way and returns the virtual time it took, in microseconds.
pub fn exchange(pair: &mut LinkPair, count: u64, limit_us: u64) -> u64 {
    let start = pair.now_us;
    let limit = start + limit_us;
    let up_longest = pair.host.longest_message();
    let down_longest = pair.device.longest_message();
    let (mut up_sent, mut up_got, mut down_sent, mut down_got) = (0, 0, 0, 0);
    while (up_got, down_got) != (count, count) || !pair.host.all_acked() || !pair.device.all_acked() {
        feed(&mut pair.host, 1, &mut up_sent, count, up_longest);
        feed(&mut pair.device, 2, &mut down_sent, count, down_longest);
        pair.step(limit);
        drain(&mut pair.device, 1, &mut up_got, up_longest, usize::MAX);
        drain(&mut pair.host, 2, &mut down_got, down_longest, usize::MAX);
        assert!(
            pair.now_us < limit && matches!(pair.host.state(), State::Connected { .. }),
            "stuck at {up_got}/{up_sent} up, {down_got}/{down_sent} down\n{:?}\n{:?}\n{:?}",
            pair.host.state(),
            pair.host.counters(),
            pair.device.counters()
        );
    }
    pair.now_us - start
}
