//! Requests from a script: numbers are drawn so that they are often, not always, in range.
//!
//! Messages start from the testbench's and have single fields changed, so that a new field of a message
//! needs nothing here.

use xyloop_protocol::{
    codec::Codec,
    message::{
        Block, Bytes, CodeArray, Command, Cost, Differences, Generation, Kick, Nudge, Plan, ReadOut, Segment, Settle,
        Shot, Stage,
    },
    units::{Flags, ShotId},
};
use xyloop_testbench::{
    Codes, bytes_of,
    scripted::{inputs_of, plan, targets_of},
};

use super::rig::FuzzedRig;
use crate::script::Script;

/// What a host would keep in mind.
#[derive(Debug, Default)]
pub struct Mind {
    /// The generation it asked to commit last.
    pub held: Generation,
    next_id: ShotId,
}

/// One of a few generations.
pub fn codes_of(variant: u8) -> Codes {
    Codes::scripted(1 + u16::from(variant % 3))
}

/// Stages all codes of a generation.
pub fn stage_all(rig: &mut FuzzedRig<'_>, number: u32, codes: &Codes) {
    for (block, words) in [(Block::Couplings, &codes.couplings), (Block::Fields, &codes.fields)] {
        let bytes = bytes_of(words);
        rig.tell(Command::Stage(Stage { generation: number, block, first: 0, codes: CodeArray::Words(Bytes(&bytes)) }));
    }
}

/// Queues shots with ascending ids.
pub fn shoot(rig: &mut FuzzedRig<'_>, count: u8, mind: &mut Mind) {
    for _ in 0..count {
        mind.next_id += 1;
        let id = mind.next_id;
        let (inputs, targets) = (bytes_of(&inputs_of(id)), bytes_of(&targets_of(id)));
        rig.tell(Command::Shot(Shot { id, flip: id % 2 == 1, inputs: Bytes(&inputs), targets: Bytes(&targets) }));
    }
}

/// Sends the request that the script asks for.
pub fn ask(rig: &mut FuzzedRig<'_>, script: &mut Script<'_>, mind: &mut Mind) {
    let command = match script.below(13) {
        0 => Command::Identify,
        1 => Command::Status,
        2 => {
            let block = if script.flag() { Block::Couplings } else { Block::Fields };
            let (generation, first) = (near(script, mind.held.number), near(script, 0));
            let codes = if script.flag() {
                CodeArray::Words(Bytes(script.short_piece()))
            } else {
                let (base, count) = (self::generation(script, mind), near(script, 2));
                CodeArray::Differences(Differences { base, count, coded: Bytes(script.short_piece()) })
            };
            Command::Stage(Stage { generation, block, first, codes })
        }
        3 => Command::Commit(generation(script, mind)),
        4 => Command::Arm(generation(script, mind)),
        5 => {
            let generation = generation(script, mind);
            Command::Plan(changed(script, plan(generation, Cost::Cosine)))
        }
        6 => {
            let id = u64::from(near(script, mind.next_id as u32));
            mind.next_id = mind.next_id.max(id);
            let (flip, inputs, targets) = (script.flag(), script.short_piece(), script.short_piece());
            Command::Shot(Shot { id, flip, inputs: Bytes(inputs), targets: Bytes(targets) })
        }
        7 => Command::Retire(near(script, mind.next_id as u32).into()),
        8 => Command::Retire(script.u64()),
        9 => Command::Collect(near(script, 0)),
        10 => Command::Abort,
        11 => Command::Safe,
        _ => Command::Clear,
    };
    rig.tell(command);
}

/// A number close to `value`, or any.
fn near(script: &mut Script<'_>, value: u32) -> u32 {
    match script.byte() {
        255 => script.u32(),
        offset => value.wrapping_add_signed(i32::from(offset as i8)),
    }
}

fn generation(script: &mut Script<'_>, mind: &Mind) -> Generation {
    match script.below(4) {
        0 => codes_of(script.byte()).generation(near(script, mind.held.number)),
        1 => Generation { crc: script.u32(), ..mind.held },
        _ => mind.held,
    }
}

fn changed(script: &mut Script<'_>, mut plan: Plan) -> Plan {
    for _ in 0..script.below(6) {
        match script.below(9) {
            0 => plan.segments[usize::from(script.below(8))] = segment(script),
            1 => plan.kick = Kick { seed: script.u64(), range_steps: script.u16(), duration_us: near(script, 2000) },
            2 => {
                plan.settle = Settle {
                    min_us: near(script, 100),
                    window_us: near(script, 100),
                    reads_per_window: script.below(70),
                    tolerance_turn: script.u16(),
                    timeout_us: near(script, 1000),
                }
            }
            3 => plan.reads = script.below(70),
            4 => {
                let read_outs = [ReadOut::Phases, ReadOut::Outputs, ReadOut::Iq, ReadOut::Contrast];
                plan.read_out = read_outs[usize::from(script.below(4))];
            }
            5 => plan.basin_tolerance_turn = script.u16(),
            6 => plan.leave_out = Flags(script.u16()),
            7 => plan.codec = if script.flag() { Codec::Delta } else { Codec::Words },
            _ => plan.settle.timeout_us = near(script, plan.settle.timeout_us),
        }
    }
    plan
}

fn segment(script: &mut Script<'_>) -> Segment {
    match script.below(6) {
        0 => Segment::End,
        1 => Segment::Kick,
        2 => Segment::Free,
        3 => Segment::Release,
        what => {
            let cost = if what == 4 { Cost::Cosine } else { Cost::Log { bound_q14: script.u16() } };
            let beta = script.u32() as i32 >> script.below(32);
            Segment::Nudge(Nudge { beta_q8: beta, cost })
        }
    }
}
