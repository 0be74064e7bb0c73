//! Shared by the tests of the link: a seeded generator, a line that does harm, and two ends in virtual time.
#![allow(dead_code, clippy::unwrap_used, clippy::should_implement_trait)]

pub mod frames;

use xyloop_protocol::fault::{self, Faults};
use xyloop_protocol::link::{Config, InFlight, Link, Role, State, Storage};

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

/// One direction of a line, with what was written to it if that is asked for.
pub struct Line {
    pub line: fault::Line,
    pub record: Option<Vec<u8>>,
}

impl Line {
    pub fn new(sender: Role, baud: u64, delay_us: u64, harm: impl Into<Harm>, seed: u64) -> Self {
        let Harm { faults, jitter_us, overtaking } = harm.into();
        let mut line = fault::Line::new(baud, delay_us, &Faults { seed, ..faults }, sender);
        (line.jitter_us, line.overtaking) = (jitter_us, overtaking);
        Self { line, record: None }
    }

    pub fn write(&mut self, now_us: u64, bytes: &[u8]) {
        if let Some(record) = &mut self.record {
            record.extend_from_slice(bytes);
        }
        self.line.write(now_us, bytes);
    }
}

impl std::ops::Deref for Line {
    type Target = fault::Line;

    fn deref(&self) -> &Self::Target {
        &self.line
    }
}

impl std::ops::DerefMut for Line {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.line
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub payload: usize,
    pub receive: usize,
    pub send: usize,
    /// Data frames in flight at most, and one.
    pub flight: usize,
}

/// A link over leaked memory: tests are short.
pub fn link(role: Role, sizes: Sizes, config: Config) -> Link<'static> {
    let leak = |n: usize| -> &'static mut [u8] { Box::leak(vec![0; n].into_boxed_slice()) };
    let frame = xyloop_protocol::frame::storage_len(sizes.payload).max(xyloop_protocol::link::FRAME_STORAGE_MIN);
    let flight = Box::leak(vec![InFlight::default(); sizes.flight].into_boxed_slice());
    let storage = Storage { frame: leak(frame), receive: leak(sizes.receive), send: leak(sizes.send), flight };
    let max_payload = u16::try_from(sizes.payload).unwrap();
    Link::new(role, storage, Config { max_payload, ..config })
}

/// Both ends and the line between them, in virtual time.
pub struct World {
    pub now_us: u64,
    pub host: Link<'static>,
    pub device: Link<'static>,
    pub up: Line,
    pub down: Line,
    pub out: usize,
}

impl World {
    pub fn new(host: Sizes, device: Sizes, baud: u64, delay_us: u64, harm: impl Into<Harm>, seed: u64) -> Self {
        Self::with(
            link(Role::Host, host, Config::host()),
            link(Role::Device, device, Config::device()),
            baud,
            delay_us,
            harm,
            seed,
        )
    }

    pub fn with(
        host: Link<'static>,
        device: Link<'static>,
        baud: u64,
        delay_us: u64,
        harm: impl Into<Harm>,
        seed: u64,
    ) -> Self {
        let harm = harm.into();
        Self {
            now_us: 1_000,
            host,
            device,
            up: Line::new(Role::Host, baud, delay_us, harm, seed),
            down: Line::new(Role::Device, baud, delay_us, harm, seed),
            out: 2048,
        }
    }

    /// Delivers and transmits what is due now; then moves the clock to the next event, at most to `limit_us`.
    pub fn step(&mut self, limit_us: u64) {
        while let Some(bytes) = self.up.take(self.now_us) {
            self.device.receive(self.now_us, &bytes);
        }
        while let Some(bytes) = self.down.take(self.now_us) {
            self.host.receive(self.now_us, &bytes);
        }
        let mut next = limit_us;
        for (link, line) in [(&mut self.host, &mut self.up), (&mut self.device, &mut self.down)] {
            let mut out = vec![0; self.out];
            while line.writable_at_us() <= self.now_us {
                let n = link.transmit(self.now_us, &mut out);
                assert!(n <= out.len());
                if n == 0 {
                    break;
                }
                line.write(self.now_us, &out[..n]);
            }
            if let Some(at) = link.next_wakeup_us() {
                next = next.min(at.max(line.writable_at_us()));
            }
        }
        for line in [&self.up, &self.down] {
            if let Some(at) = line.next_arrival_us() {
                next = next.min(at);
            }
        }
        self.now_us = next.max(self.now_us + 1);
    }

    pub fn run_until(&mut self, limit_us: u64) {
        while self.now_us < limit_us {
            self.step(limit_us);
        }
    }

    pub fn connect(&mut self, session: u32) {
        self.host.connect(session, b"host", self.now_us).unwrap();
        let limit = self.now_us + 600_000_000;
        while (self.host.session(), self.device.session()) != (Some(session), Some(session)) {
            self.step(limit);
            assert!(self.now_us < limit, "no connection: {:?} {:?}", self.host.state(), self.device.state());
        }
    }
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
pub fn exchange(world: &mut World, count: u64, limit_us: u64) -> u64 {
    let start = world.now_us;
    let limit = start + limit_us;
    let up_longest = world.host.longest_message();
    let down_longest = world.device.longest_message();
    let (mut up_sent, mut up_got, mut down_sent, mut down_got) = (0, 0, 0, 0);
    while (up_got, down_got) != (count, count) || !world.host.all_acked() || !world.device.all_acked() {
        feed(&mut world.host, 1, &mut up_sent, count, up_longest);
        feed(&mut world.device, 2, &mut down_sent, count, down_longest);
        world.step(limit);
        drain(&mut world.device, 1, &mut up_got, up_longest, usize::MAX);
        drain(&mut world.host, 2, &mut down_got, down_longest, usize::MAX);
        assert!(
            world.now_us < limit && matches!(world.host.state(), State::Connected { .. }),
            "stuck at {up_got}/{up_sent} up, {down_got}/{down_sent} down\n{:?}\n{:?}\n{:?}",
            world.host.state(),
            world.host.counters(),
            world.device.counters()
        );
    }
    world.now_us - start
}
