//! Promise 7: whatever the wire says, the Controller neither panics nor hangs, and its outputs are safe unless it says
//! that they are not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use xyloop_firmware::{BoardError, Pace};
use xyloop_protocol::{
    message::{
        Block, Bytes, CodeArray, Command, Cost, Generation, Kick, Nudge, Plan, ReadOut, Segment, Settle, Shot, Stage,
        State,
    },
    units::Flags,
};
use xyloop_testbench::{Answer, Codes, Row, bytes_of, scripted::*};

const CALLS: [Call; 7] =
    [Call::StageCouplings, Call::LatchFields, Call::BeginShot, Call::Start, Call::Poll, Call::Read, Call::Recover];

/// One thing that happens. Numbers are drawn wide and folded into something that is often, not always, in range.
#[derive(Clone, Debug)]
struct Step {
    what: u8,
    a: u32,
    b: u64,
    bytes: Vec<u8>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = prop_oneof![6 => 0u32..8, 1 => any::<u32>()];
    let step = (0u8..40, number, any::<u64>(), prop::collection::vec(any::<u8>(), 0..40));
    prop::collection::vec(step.prop_map(|(what, a, b, bytes)| Step { what, a, b, bytes }), 1..40)
}

/// Pieces of what never was a frame.
fn chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..12)
}

fn generation_of(step: &Step) -> Generation {
    let right = Codes::scripted(1 + (step.a % 2) as u16).generation(step.a % 4);
    if step.b.is_multiple_of(7) { Generation { crc: step.b as u32, ..right } } else { right }
}

fn plan_of(step: &Step) -> Plan {
    let bits = step.b;
    let nudge = Segment::Nudge(Nudge {
        beta_q8: (bits as i32) >> (step.a % 32),
        cost: if bits & 1 == 0 { Cost::Cosine } else { Cost::Log { bound_q14: (bits >> 16) as u16 } },
    });
    let mut plan = plan(generation_of(step), Cost::Cosine);
    for (place, byte) in plan.segments.iter_mut().skip(2).zip(&step.bytes) {
        *place = [Segment::End, nudge, Segment::Release, nudge, Segment::Kick, Segment::Free][usize::from(byte % 6)];
    }
    if bits & 2 != 0 {
        plan.kick = Kick { seed: bits, range_steps: bits as u16, duration_us: step.a };
    }
    if bits & 4 != 0 {
        plan.settle = Settle {
            min_us: step.a,
            window_us: 1 + (bits >> 40) as u32 % 500,
            reads_per_window: (bits >> 20) as u8 % 70,
            tolerance_turn: (bits >> 30) as u16 % 9,
            timeout_us: (bits >> 32) as u32 >> (step.a % 32),
        };
    }
    plan.reads = (bits >> 8) as u8 % 66;
    plan.read_out = [ReadOut::Phases, ReadOut::Outputs, ReadOut::Iq, ReadOut::Contrast][(bits >> 12) as usize % 4];
    plan.leave_out = Flags((bits >> 50) as u16);
    plan
}

/// What a host would keep in mind.
struct Mind {
    session: u32,
    held: Generation,
    next_id: u64,
}

/// Does a step, if the host's link has room for it.
fn act(rig: &mut ScriptedRig, step: &Step, mind: &mut Mind) {
    let codes = Codes::scripted(1 + (step.a % 2) as u16);
    let (couplings, fields) = (bytes_of(&codes.couplings), bytes_of(&codes.fields));
    let (inputs, targets) = (bytes_of(&inputs_of(step.b)), bytes_of(&targets_of(step.b)));
    let stage = |block, first, codes| {
        Command::Stage(Stage { generation: step.a % 4, block, first, codes: CodeArray::Words(Bytes(codes)) })
    };
    let shot = |id, inputs, targets| {
        Command::Shot(Shot { id, flip: id % 2 == 1, inputs: Bytes(inputs), targets: Bytes(targets) })
    };
    let command = match step.what {
        0 => Command::Identify,
        1 => Command::Status,
        2 => stage(Block::Couplings, step.a, &step.bytes),
        3 => stage(Block::Fields, step.b as u32, &step.bytes),
        4..=7 => {
            rig.host.try_tell(stage(Block::Couplings, 0, &couplings));
            rig.host.try_tell(stage(Block::Fields, 0, &fields));
            mind.held = generation_of(step);
            Command::Commit(mind.held)
        }
        8 => Command::Arm(generation_of(step)),
        9 | 10 => Command::Arm(mind.held),
        11 | 12 => Command::Plan(plan_of(step)),
        13 => Command::Plan(Plan { generation: mind.held, ..plan_of(step) }),
        14..=16 => {
            let read_out = plan_of(step).read_out;
            Command::Plan(Plan { read_out, ..plan(mind.held, Cost::Log { bound_q14: 1 }) })
        }
        17 => shot(step.b, &step.bytes, &step.bytes),
        18..=23 => {
            for id in 0..u64::from(step.a % 16) {
                mind.next_id += 1 + id % 2;
                rig.host.try_tell(shot(mind.next_id, &inputs, &targets));
            }
            return;
        }
        24 => Command::Retire(step.b),
        25 => Command::Retire(mind.next_id.saturating_sub(step.a.into())),
        26 => Command::Collect(step.a),
        27 => Command::Abort,
        28 => Command::Safe,
        29 | 30 => Command::Clear,
        31 => {
            rig.host.try_tell_raw(&step.bytes);
            return;
        }
        32 => {
            let now = rig.now_us;
            rig.device.receive(now, &step.bytes);
            return;
        }
        33 => {
            rig.set_cut(!rig.up.unplugged);
            return;
        }
        34 => {
            mind.session += 1;
            rig.host.link.connect(mind.session, &[], rig.now_us).unwrap();
            return;
        }
        35 => {
            let call = CALLS[step.a as usize % CALLS.len()];
            let error = [BoardError::Converter, BoardError::Board, BoardError::Plant][step.b as usize % 3];
            rig.device.script.fail.set(Some((call, step.b as u32 % 40, error)));
            return;
        }
        36 => {
            rig.device.hang_up();
            return;
        }
        _ => return rig.run_for(step.b % if step.a < 7 { 9_000 } else { 400_000 }),
    };
    rig.host.try_tell(command);
}

fn check(rig: &mut ScriptedRig) {
    match rig.device.state() {
        State::Ready | State::Running => {}
        _ => assert!(rig.device.script.is_safe(), "{:?}", rig.device.state()),
    }
    let counts = rig.device.counts();
    assert!(counts.shots_begun >= counts.shots_finished + counts.shots_discarded);
}

/// After anything at all, a new host can take the device over and gets what it asks for.
fn is_usable(rig: &mut ScriptedRig, session: u32) {
    rig.set_cut(false);
    rig.device.script.fail.set(None);
    rig.connect(session);
    rig.run_for(100_000);
    rig.tell(Command::Retire(u64::MAX));
    rig.host.answers.clear();
    assert_eq!(rig.ask(Command::Clear), Answer::Done);
    assert_eq!(rig.ask(Command::Abort), Answer::Done);
    let generation = rig.commit(1000, &Codes::scripted(3));
    assert_eq!(rig.ask(Command::Plan(plan(generation, Cost::Cosine))), Answer::Done);
    rig.host.rows.clear();
    let rows = rig.run_shots(1..=5);
    assert!(rows.iter().all(|row| row.generation == 1000));
    assert_eq!(rows, usual());
}

/// Those five shots on a fresh device.
fn usual() -> Vec<Row> {
    thread_local! { static ROWS: std::cell::OnceCell<Vec<Row>> = const { std::cell::OnceCell::new() }; }
    let run = || {
        let mut rig = ScriptedRig::connected(&[1]);
        let generation = rig.commit(1000, &Codes::scripted(3));
        assert_eq!(rig.ask(Command::Plan(plan(generation, Cost::Cosine))), Answer::Done);
        rig.run_shots(1..=5)
    };
    ROWS.with(|rows| rows.get_or_init(run).clone())
}

fn config(cases: u32) -> ProptestConfig {
    let rng_seed = proptest::test_runner::RngSeed::Fixed(20_260_101);
    ProptestConfig { cases, failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn any_bytes_on_the_line_are_survived(chunks in chunks(), connect in any::<bool>()) {
        let mut rig = ScriptedRig::at_reset(&[1], SLOTS);
        if connect {
            rig.connect(1);
        }
        for chunk in &chunks {
            let now = rig.now_us;
            rig.device.receive(now, chunk);
            rig.run_for(1000);
            check(&mut rig);
        }
        prop_assert_eq!(rig.device.script.unsafe_acts(0), []);
        is_usable(&mut rig, 7);
    }

    #[test]
    fn any_requests_in_any_order_are_survived(steps in steps(), planned in 0..4, codes in 1..9_usize) {
        // Three times in four from where a batch can start.
        let mut rig = if planned > 0 { ScriptedRig::planned(&[1, 3], Cost::Cosine) } else { ScriptedRig::connected(&[1, 3]) };
        // Two times in three a latch takes more than a poll.
        let pace = Pace { codes, reads: 1 };
        rig.device.script.set_pace(pace);
        let mut mind = Mind { session: 1, held: Codes::scripted(1).generation(1), next_id: 0 };
        for step in &steps {
            act(&mut rig, step, &mut mind);
            if step.b & 1 << 60 == 0 {
                rig.exchange();
            }
            check(&mut rig);
        }
        rig.run_for(5_000);
        check(&mut rig);
        is_usable(&mut rig, 1_000_000);
        let (codes, reads) = rig.device.script.most_work();
        prop_assert!(codes <= pace.codes && reads <= pace.reads, "{codes} codes, {reads} reads in a poll");
    }
}
