//! Target `link`: a script of what happens to two links and to the line between them, in virtual time.
//!
//! As long as no frame was forged: what an end reads in a session is a prefix of what its peer sent in that session,
//! and once the line behaves, all of it arrives. With forged frames nothing is promised but that nobody panics, hangs
//! or talks without end.

mod world;

use xyloop_protocol::frame::Role;
use xyloop_testbench::LinkSizes;

use crate::script::Script;
use world::{Fate, World};

/// Stream storages and payloads to choose from: small ones wrap and fill up soon.
pub const SIZES: [LinkSizes; 4] = [
    LinkSizes::new(16, 96, 96),
    LinkSizes::new(64, 300, 300),
    LinkSizes::new(1, 64, 200),
    LinkSizes::new(200, 2048, 700),
];

/// What a script can do; each is one byte (modulo their number), and what it needs follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// The host asks for a new session.
    Connect,
    /// A message: end, length.
    Send,
    /// Several messages: end, how many, length.
    SendMany,
    /// An end writes what is due, up to so many bytes: end, bytes / 16.
    Transmit,
    /// A chunk on the line arrives: towards which end, which one, where it is cut.
    Deliver,
    /// A chunk is lost: towards which end, which one.
    Drop,
    /// A chunk comes twice, the second time later: towards which end, which one.
    Duplicate,
    /// A bit falls over: towards which end, which chunk, which bit.
    Flip,
    /// A chunk is cut short: towards which end, which one, at what length.
    Truncate,
    /// Time passes: microseconds, exponent and mantissa.
    Wait,
    /// Time passes up to the next moment at which an end has something to say.
    Wake,
    /// An end reads so many messages: end, how many.
    Pop,
    /// An end leaves: end.
    Close,
    /// A good line for a while: how many steps.
    Run,
    /// Frames get another size: end, bytes.
    Limit,
    /// A forged frame: towards which end, then as in [`crate::wire::forged`], then its payload.
    Forge,
    /// Rubbish between the frames: towards which end, then the bytes.
    Noise,
}

/// All of them, by their numbers.
pub const OPS: [Op; 17] = [
    Op::Connect,
    Op::Send,
    Op::SendMany,
    Op::Transmit,
    Op::Deliver,
    Op::Drop,
    Op::Duplicate,
    Op::Flip,
    Op::Truncate,
    Op::Wait,
    Op::Wake,
    Op::Pop,
    Op::Close,
    Op::Run,
    Op::Limit,
    Op::Forge,
    Op::Noise,
];

/// Steps of a script at most: longer ones only make the fuzzer slow.
const MOST_STEPS: usize = 400;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let sizes = [SIZES[usize::from(script.below(4))], SIZES[usize::from(script.below(4))]];
    let mut memory = World::memory(sizes);
    let mut world = World::new(&mut memory);
    for _ in 0..MOST_STEPS {
        if script.is_empty() {
            break;
        }
        act(&mut world, &mut script);
        world.check();
    }
    world.finish();
}

fn act(world: &mut World<'_>, script: &mut Script<'_>) {
    let op = OPS[usize::from(script.byte()) % OPS.len()];
    let end = if matches!(op, Op::Connect | Op::Wait | Op::Wake | Op::Run) || script.flag() {
        Role::Host
    } else {
        Role::Device
    };
    match op {
        Op::Connect => world.connect(),
        Op::Send => world.send(end, script.u16().into()),
        Op::SendMany => {
            let (count, length) = (script.byte(), script.byte());
            (0..count).for_each(|_| world.send(end, length.into()));
        }
        Op::Transmit => world.transmit(end, 16 * usize::from(script.byte())),
        Op::Deliver => {
            let (which, cut) = (script.byte(), script.byte());
            world.chunk(end, which, Fate::Arrive { cut: cut.into() });
        }
        Op::Drop => world.chunk(end, script.byte(), Fate::Drop),
        Op::Duplicate => world.chunk(end, script.byte(), Fate::Duplicate),
        Op::Flip => {
            let which = script.byte();
            world.chunk(end, which, Fate::Flip { bit: script.u16().into() });
        }
        Op::Truncate => {
            let which = script.byte();
            world.chunk(end, which, Fate::Truncate { length: script.byte().into() });
        }
        Op::Wait => {
            let exponent = script.below(25);
            world.wait((u64::from(script.byte()) << exponent) >> 4);
        }
        Op::Wake => world.wake(),
        Op::Pop => (0..script.byte()).for_each(|_| world.pop(end)),
        Op::Close => world.close(end),
        Op::Run => (0..script.byte()).for_each(|_| world.step()),
        Op::Limit => world.limit(end, script.byte().into()),
        Op::Forge => world.forge(end, script),
        Op::Noise => world.noise(end, script.short_piece()),
    }
}
