//! Target `controller`: a script of what host, line and board do to a device, on a virtual clock.
//!
//! After every moment: outputs are safe unless the device says otherwise, and whenever the deadman time has passed since
//! the last frame that could be the host's; before anybody asked for a commit nothing but safe codes has left the board;
//! a result belongs to a shot that was asked for and comes once a session; neither end talks without end. At last a new
//! host is served.

mod commands;
mod rig;

use xyloop_firmware::{BoardError, Pace};
use xyloop_protocol::{
    codec::Codec,
    message::{Block, Bytes, CodeArray, Command, Cost, Differences, Plan, ReadOut, Stage},
};
use xyloop_testbench::scripted::{BoardScript, Call, plan};

use crate::script::Script;
use commands::{Mind, codes_of};
pub use rig::Conversation;
use rig::{FuzzedRig, Memory};

/// What a script can do; each is one byte (modulo their number), and what it needs follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// A request, see [`commands`].
    Ask,
    /// A whole generation, staged and committed: which codes.
    Commit,
    /// The usual plan for the generation that was committed last.
    Plan,
    /// Shots in a row: how many.
    Shoot,
    /// Any bytes as a message: length, bytes.
    Raw,
    /// Time passes: exponent, mantissa.
    Wait,
    /// Bytes go no further, or do again: which way.
    Cut,
    /// The next chunk is damaged: which way, which bit.
    Flip,
    /// The next chunk is lost: which way.
    Lose,
    /// Another session.
    Connect,
    /// The host leaves.
    Close,
    /// The socket is closed.
    HangUp,
    /// The board fails: which call, after how many, how.
    Fail,
    /// Bytes between the frames: length, bytes.
    Noise,
    /// A forged frame, see [`crate::wire::forged`]: header, length, payload.
    Forge,
    /// The plant changes: amplitude, drift.
    Plant,
}

/// All of them, by their numbers.
pub const OPS: [Op; 16] = [
    Op::Ask,
    Op::Commit,
    Op::Plan,
    Op::Shoot,
    Op::Raw,
    Op::Wait,
    Op::Cut,
    Op::Flip,
    Op::Lose,
    Op::Connect,
    Op::Close,
    Op::HangUp,
    Op::Fail,
    Op::Noise,
    Op::Forge,
    Op::Plant,
];

const CALLS: [Call; 7] =
    [Call::StageCouplings, Call::LatchFields, Call::BeginShot, Call::Start, Call::Poll, Call::Read, Call::Recover];
const ERRORS: [BoardError; 3] = [BoardError::Converter, BoardError::Board, BoardError::Plant];
/// A latch takes one poll, two, or all the time to the deadman.
const PACES: [Pace; 3] = [Pace::UNBOUNDED, Pace { codes: 4, reads: 1 }, Pace { codes: 1, reads: 3 }];
/// Steps of a script at most.
const MOST_STEPS: usize = 120;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let kind = usize::from(script.below(9));
    let slowness: &[u64] = [&[1][..], &[1, 3], &[0, 2]][kind % 3];
    let start = script.below(4);
    let mut memory = Memory::new(slowness.len());
    let mut rig = FuzzedRig::new(&mut memory, BoardScript::new(slowness));
    rig.board.set_pace(PACES[kind / 3]);
    let mut mind = Mind::default();
    // Some runs begin where a batch can.
    if start > 0 {
        rig.connect();
        rig.exchange();
    }
    if start > 1 {
        commit(&mut rig, &mut mind, 1);
        rig.tell(Command::Plan(plan(mind.held, Cost::Cosine)));
        rig.exchange();
    }
    for _ in 0..MOST_STEPS {
        if script.is_empty() || !rig.has_moments_left() {
            break;
        }
        act(&mut rig, &mut script, &mut mind);
    }
    rig.exchange();
    rig.is_usable();
}

/// Requests and events of a short conversation in which each kind occurs: to begin fuzzing messages with.
pub fn conversation() -> Conversation {
    let mut memory = Memory::new(1);
    let mut rig = FuzzedRig::new(&mut memory, BoardScript::new(&[1]));
    let mut mind = Mind::default();
    rig.record = Some(Conversation::default());
    rig.connect();
    rig.exchange();
    rig.tell(Command::Identify);
    commit(&mut rig, &mut mind, 1);
    for (codec, read_out) in [(Codec::Words, ReadOut::Phases), (Codec::Delta, ReadOut::Contrast)] {
        rig.tell(Command::Plan(Plan { codec, read_out, ..plan(mind.held, Cost::Log { bound_q14: 1638 }) }));
        commands::shoot(&mut rig, 1, &mut mind);
        rig.run_for(20_000);
    }
    let none = CodeArray::Differences(Differences { base: mind.held, count: 3, coded: Bytes(&[14]) });
    rig.tell(Command::Stage(Stage { generation: 2, block: Block::Couplings, first: 0, codes: none }));
    for command in [
        Command::Status,
        Command::Collect(0),
        Command::Retire(1),
        Command::Abort,
        Command::Safe,
        Command::Arm(mind.held),
        Command::Clear,
    ] {
        rig.tell(command);
        rig.exchange();
    }
    rig.tell_raw(&[1, 2, 3]);
    rig.exchange();
    rig.board.fail.set(Some((Call::StageCouplings, 0, BoardError::Converter)));
    rig.tell(Command::Abort);
    rig.exchange();
    rig.record.take().unwrap_or_default()
}

fn commit(rig: &mut FuzzedRig<'_>, mind: &mut Mind, variant: u8) {
    let codes = codes_of(variant);
    mind.held = codes.generation(mind.held.number.wrapping_add(1));
    commands::stage_all(rig, mind.held.number, &codes);
    rig.tell(Command::Commit(mind.held));
}

fn act(rig: &mut FuzzedRig<'_>, script: &mut Script<'_>, mind: &mut Mind) {
    match OPS[usize::from(script.byte()) % OPS.len()] {
        Op::Ask => commands::ask(rig, script, mind),
        Op::Commit => commit(rig, mind, script.byte()),
        Op::Plan => rig.tell(Command::Plan(plan(mind.held, Cost::Log { bound_q14: 1638 }))),
        Op::Shoot => commands::shoot(rig, script.below(8), mind),
        Op::Raw => rig.tell_raw(script.short_piece()),
        Op::Wait => {
            let exponent = script.below(14);
            return rig.run_for(u64::from(script.byte()) << exponent);
        }
        Op::Cut => {
            let direction = if script.flag() { &mut rig.up } else { &mut rig.down };
            direction.cut = !direction.cut;
        }
        Op::Flip => {
            let direction = if script.flag() { &mut rig.up } else { &mut rig.down };
            direction.flip = Some(script.u16());
        }
        Op::Lose => {
            let direction = if script.flag() { &mut rig.up } else { &mut rig.down };
            direction.lose = true;
        }
        Op::Connect => rig.connect(),
        Op::Close => rig.close(),
        Op::HangUp => {
            rig.device.hang_up();
            assert!(rig.board.is_safe(), "a closed socket needs no deadman");
        }
        Op::Fail => {
            let call = CALLS[usize::from(script.below(7))];
            let after = script.byte();
            rig.board.fail.set(Some((call, after.into(), ERRORS[usize::from(script.below(3))])));
        }
        Op::Noise => rig.noise(script.short_piece()),
        Op::Forge => rig.forge(script),
        Op::Plant => {
            rig.board.amplitude.set(f64::from(script.byte()) / 200.0);
            let moving = script.byte();
            let rate = f64::from(moving) * 1e-5;
            rig.board.drift.set((moving & 1 == 1).then_some((usize::from(moving / 2) % 6, rate, 3_000)));
        }
    }
    // Some things happen at the same moment.
    if script.below(4) > 0 {
        rig.exchange();
    }
}
