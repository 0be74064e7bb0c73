//! Every reason for which a command is refused, with the number that says where; a refused command changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use xyloop_firmware::BoardError;
use xyloop_protocol::{
    codec::{Codec, Codecs, rice},
    message::{
        Block, Bytes, CodeArray, Command, Cost, Differences, Fault, Generation, Nudge, Plan, ReadOut, Reason, Segment,
        Shot, Stage, State,
    },
};
use xyloop_testbench::{Answer, Codes, bytes_of, refused, scripted::*};

const NUDGE: Segment = Segment::Nudge(Nudge { beta_q8: 256, cost: Cost::Cosine });

fn ready() -> ScriptedRig {
    ScriptedRig::planned(&[1], Cost::Cosine)
}

fn good() -> Plan {
    plan(Codes::scripted(1).generation(1), Cost::Cosine)
}

fn with_segments(segments: &[Segment]) -> Plan {
    let mut plan = good();
    plan.segments.fill(Segment::End);
    plan.segments[..segments.len()].copy_from_slice(segments);
    plan
}

fn shot<'a>(id: u64, inputs: &'a [u8], targets: &'a [u8]) -> Command<'a> {
    Command::Shot(Shot { id, flip: false, inputs: Bytes(inputs), targets: Bytes(targets) })
}

#[test]
fn malformed_messages_are_answered_with_their_length() {
    let mut rig = ready();
    // Longer than the longest message announced as well: it must not block what comes behind it.
    let Answer::Identity(limits) = rig.ask(Command::Identify) else { panic!("no identity") };
    let too_long = usize::from(limits.max_message) + 1;
    for length in [0, 1, 7, 300, too_long, 2000] {
        assert!(rig.host.try_tell_raw(&vec![0xff; length]));
        rig.exchange();
        assert_eq!(rig.host.take_answer(0), Some(refused(Reason::Malformed, length as u64)));
    }
    // A good request (Identify, tag 1) with a byte behind it.
    assert!(rig.host.try_tell_raw(&[1, 0, 0]));
    rig.exchange();
    assert_eq!(rig.host.take_answer(0), Some(refused(Reason::Malformed, 3)));
    assert!(matches!(rig.ask(Command::Status), Answer::Status(_)));
}

#[test]
fn indices_codes_and_lengths_beyond_the_device_are_out_of_range() {
    let mut rig = ready();
    let stage = |block, first, codes| {
        Command::Stage(Stage { generation: 2, block, first, codes: CodeArray::Words(Bytes(codes)) })
    };
    let (couplings, fields) = (COUPLINGS.len() as u64, 2 * SITES as u64);
    for (command, limit) in [
        (stage(Block::Couplings, 6, &[1, 0]), couplings),
        (stage(Block::Couplings, 5, &[1, 0, 1, 0]), couplings),
        (stage(Block::Couplings, u32::MAX, &[1, 0]), couplings),
        (stage(Block::Couplings, 0, &[1]), couplings),
        (stage(Block::Fields, 12, &[1, 0]), fields),
        (stage(Block::Couplings, 0, &[0, 0x10]), 4095),
        (stage(Block::Couplings, 0, &[0, 0, 0xff, 0xff]), 4095),
        (shot(1, &[1, 0], &[0; 4]), 2),
        (shot(1, &[0; 6], &[0; 4]), 2),
        (shot(1, &[0; 3], &[0; 4]), 2),
        (shot(1, &[0; 4], &[0; 2]), 2),
        (shot(1, &[0; 4], &[0; 6]), 2),
    ] {
        assert_eq!(rig.ask(command), refused(Reason::OutOfRange, limit), "{command:?}");
    }
    assert_eq!(rig.ask(stage(Block::Couplings, 0, &[0xff, 0x0f])), Answer::Done, "the largest code");
    assert_eq!(rig.ask(stage(Block::Fields, 0, &[0xff, 0xff])), Answer::Done);
    assert_eq!(rig.ask(stage(Block::Fields, 12, &[])), Answer::Done);
    let mut long =
        with_segments(&[Segment::Kick, Segment::Free, NUDGE, Segment::Release, NUDGE, Segment::Release, NUDGE]);
    assert_eq!(rig.ask(Command::Plan(long)), Answer::Done, "six times 12 bytes fit");
    long.read_out = ReadOut::Iq;
    assert_eq!(rig.ask(Command::Plan(long)), refused(Reason::OutOfRange, RESULT_BYTES as u64));
}

#[test]
fn while_shots_wait_the_device_is_busy() {
    let mut rig = ready();
    for id in 1..=3 {
        rig.shoot(id, false);
    }
    rig.stage(2, &Codes::scripted(2));
    for command in [Command::Commit(Codes::scripted(2).generation(2)), Command::Plan(good())] {
        assert_eq!(rig.ask(command), refused(Reason::Busy, 3), "{command:?}");
    }
    rig.run_until(100_000, |rig| rig.host.rows.len() == 4);
    assert_eq!(rig.ask(Command::Plan(good())), refused(Reason::Busy, 2));
    rig.run_until(100_000, |rig| rig.host.rows.len() == 12);
    assert!(rig.host.rows.iter().all(|row| row.generation == 1));
    assert_eq!(
        rig.ask(Command::Commit(Codes::scripted(2).generation(2))),
        Answer::Done,
        "unretired results do not matter"
    );
}

#[test]
fn a_commit_needs_what_was_staged_under_its_number() {
    let mut rig = ready();
    let (old, new) = (Codes::scripted(1).generation(1), Codes::scripted(2).generation(2));
    assert_eq!(rig.ask(Command::Commit(new)), refused(Reason::NotStaged, 0));
    assert_eq!(rig.ask(Command::Commit(old)), Answer::Done, "a commit can be repeated");
    rig.stage(2, &Codes::scripted(2));
    let other = Generation { number: 3, ..new };
    assert_eq!(rig.ask(Command::Commit(other)), refused(Reason::NotStaged, 2));
    let wrong = Generation { crc: !new.crc, ..new };
    assert_eq!(rig.ask(Command::Commit(wrong)), refused(Reason::CrcMismatch, new.crc.into()));
    assert_eq!(*rig.device.script.couplings.borrow(), Codes::scripted(1).couplings, "nothing has changed");
    rig.run_shots([1]);
    assert_eq!(rig.ask(Command::Commit(new)), Answer::Done);
    assert_eq!(*rig.device.script.couplings.borrow(), Codes::scripted(2).couplings);
}

#[test]
fn plans_and_arms_of_another_generation_are_refused() {
    let mut rig = ready();
    let held = Codes::scripted(1).generation(1);
    for other in [Generation { number: 2, ..held }, Generation { crc: held.crc ^ 1, ..held }, Generation::default()] {
        assert_eq!(rig.ask(Command::Arm(other)), refused(Reason::WrongGeneration, 1));
        assert_eq!(rig.ask(Command::Plan(Plan { generation: other, ..good() })), refused(Reason::WrongGeneration, 1));
    }
    assert_eq!(rig.ask(Command::Arm(held)), Answer::Done, "arming what is armed is no error");
    assert_eq!(rig.ask(Command::Plan(good())), Answer::Done);
    assert_eq!(rig.run_shots([1]).len(), 4);
}

#[test]
fn a_plan_does_not_outlive_its_generation() {
    let mut rig = ready();
    let new = rig.commit(2, &Codes::scripted(2));
    let tag = rig.shoot(1, false);
    rig.exchange();
    assert_eq!(rig.host.take_answer(tag), Some(refused(Reason::NoPlan, 0)));
    assert_eq!(rig.ask(Command::Plan(plan(new, Cost::Cosine))), Answer::Done);
    assert!(rig.run_shots([1]).iter().all(|row| row.generation == 2));
    assert_eq!(rig.ask(Command::Commit(new)), Answer::Done);
    assert_eq!(rig.run_shots([2]).len(), 4, "a commit that is repeated changes nothing");
}

#[test]
fn shots_need_outputs_in_force_and_a_plan() {
    let mut rig = ScriptedRig::connected(&[1]);
    let refusal = |rig: &mut ScriptedRig| {
        let tag = rig.shoot(1, false);
        rig.exchange();
        rig.host.take_answer(tag)
    };
    assert_eq!(refusal(&mut rig), Some(refused(Reason::NotReady, 0)));
    rig.commit(1, &Codes::scripted(1));
    assert_eq!(refusal(&mut rig), Some(refused(Reason::NoPlan, 0)));
    assert_eq!(rig.ask(Command::Plan(good())), Answer::Done);
    assert_eq!(rig.ask(Command::Safe), Answer::Done);
    assert_eq!(refusal(&mut rig), Some(refused(Reason::NotReady, 0)));
    assert_eq!(rig.ask(Command::Arm(Codes::scripted(1).generation(1))), Answer::Done);
    rig.connect(2);
    assert_eq!(refusal(&mut rig), Some(refused(Reason::NoPlan, 0)), "another host has another plan");
    assert_eq!(rig.device.counts().shots_begun, 0);
}

#[test]
fn plans_that_make_no_sense_are_refused_with_the_place() {
    use Segment::{End, Free, Kick, Release};
    let mut rig = ready();
    for (segments, place) in [
        (&[][..], 0),
        (&[Kick][..], 0),
        (&[Free], 0),
        (&[Free, NUDGE], 0),
        (&[Kick, Kick, Free], 1),
        (&[Kick, NUDGE], 1),
        (&[Kick, Release], 1),
        (&[Kick, Free, Free], 2),
        (&[Kick, Free, NUDGE, Kick], 3),
        (&[Kick, End, Free], 2),
        (&[Kick, Free, End, NUDGE], 3),
        (&[Kick, Free, NUDGE, Release, NUDGE, End, End, Release], 7),
    ] {
        assert_eq!(rig.ask(Command::Plan(with_segments(segments))), refused(Reason::BadPlan, place), "{segments:?}");
    }
    let policy: [fn(&mut Plan); 9] = [
        |plan| plan.reads = 0,
        |plan| plan.reads = 65,
        |plan| plan.kick.duration_us = 0,
        |plan| plan.settle.reads_per_window = 0,
        |plan| plan.settle.reads_per_window = 65,
        |plan| plan.settle.window_us = 0,
        |plan| plan.settle.tolerance_turn = 0,
        |plan| plan.settle.timeout_us = plan.settle.min_us + plan.settle.window_us - 1,
        |plan| plan.settle.min_us = u32::MAX,
    ];
    for (index, change) in policy.into_iter().enumerate() {
        let mut plan = good();
        change(&mut plan);
        assert_eq!(rig.ask(Command::Plan(plan)), refused(Reason::BadPlan, 255), "{index}");
    }
    let tag = rig.shoot(1, false);
    rig.exchange();
    assert_eq!(rig.host.take_answer(tag), Some(refused(Reason::NoPlan, 0)), "the plan before is not in force any more");
    assert_eq!(rig.ask(Command::Plan(good())), Answer::Done);
    assert_eq!(rig.run_shots([1]).len(), 4);
}

#[test]
fn shot_ids_ascend_and_slots_are_limited() {
    let mut rig = ready();
    rig.shoot(100, false);
    for id in [100, 99, 0] {
        let tag = rig.shoot(id, false);
        rig.exchange();
        assert_eq!(rig.host.take_answer(tag), Some(refused(Reason::OldShot, 100)), "{id}");
    }
    for id in 101..100 + SLOTS as u64 {
        rig.shoot(id, false);
    }
    let tag = rig.shoot(u64::MAX, false);
    rig.exchange();
    assert_eq!(rig.host.take_answer(tag), Some(refused(Reason::Full, SLOTS as u64)));
    rig.run_until(1_000_000, |rig| rig.host.rows.len() == 4 * SLOTS);
    assert!(rig.host.answers.is_empty(), "each of them ran once");
}

#[test]
fn a_faulted_device_says_so() {
    let mut rig = ready();
    rig.device.script.fail.set(Some((Call::BeginShot, 0, BoardError::Plant)));
    rig.shoot(1, false);
    rig.run_until(10_000, |rig| rig.device.state() == State::Faulted(Fault::Plant));
    assert_eq!(rig.ask(Command::Collect(0)), refused(Reason::Faulted, Fault::Plant as u64));
}

#[test]
fn a_codec_that_is_not_offered_is_refused() {
    let mut rig = ScriptedRig::booted(Boot { codecs: Codecs::default(), ..Boot::POWER_ON });
    rig.connect(1);
    let generation = rig.commit(1, &Codes::scripted(1));
    let Answer::Identity(limits) = rig.ask(Command::Identify) else { panic!("no identity") };
    assert_eq!(limits.codecs, Codecs::WORDS, "words in any case");
    let plan = |codec| Command::Plan(Plan { codec, ..plan(generation, Cost::Cosine) });
    assert_eq!(rig.ask(plan(Codec::Delta)), refused(Reason::NoCodec, 1));
    assert_eq!(rig.ask(plan(Codec::Words)), Answer::Done);
    let none = CodeArray::Differences(Differences { base: generation, count: 0, coded: Bytes(&[]) });
    let stage = Stage { generation: 2, block: Block::Couplings, first: 0, codes: none };
    assert_eq!(rig.ask(Command::Stage(stage)), refused(Reason::NoCodec, 1));
}

/// The same piece in another session, and after a first attempt that came through in part.
#[test]
fn differences_that_come_twice_count_once_and_those_to_other_codes_not_at_all() {
    let (old, new) = (Codes::scripted(1), Codes::scripted(2));
    let mut rig = ScriptedRig::connected(&[1]);
    let base = rig.commit(1, &old);
    let mut out = [0; 64];
    let mut piece = |rig: &mut ScriptedRig, base: Generation| {
        let pairs = new.couplings.iter().zip(&old.couplings);
        let length =
            rice::encode::<16>(pairs.map(|(new, old)| rice::fold16(new.wrapping_sub(*old))), &mut out).unwrap();
        let count = new.couplings.len() as u32;
        let codes = CodeArray::Differences(Differences { base, count, coded: Bytes(&out[..length]) });
        rig.ask(Command::Stage(Stage { generation: 2, block: Block::Couplings, first: 0, codes }))
    };
    assert_eq!(piece(&mut rig, base), Answer::Done);
    rig.connect(2);
    for _ in 0..2 {
        assert_eq!(piece(&mut rig, base), Answer::Done);
    }
    assert_eq!(piece(&mut rig, Generation { number: 7, ..base }), refused(Reason::WrongGeneration, 1));
    let other = Generation { crc: !base.crc, ..base };
    assert_eq!(piece(&mut rig, other), refused(Reason::CrcMismatch, base.crc.into()));
    let bytes = bytes_of(&new.fields);
    let fields = Stage { generation: 2, block: Block::Fields, first: 0, codes: CodeArray::Words(Bytes(&bytes)) };
    assert_eq!(rig.ask(Command::Stage(fields)), Answer::Done);
    assert_eq!(rig.ask(Command::Commit(new.generation(2))), Answer::Done, "the whole set's CRC");
    assert_eq!(*rig.device.script.couplings.borrow(), new.couplings);
    assert_eq!(piece(&mut rig, base), refused(Reason::WrongGeneration, 2), "what they were to is no more");
}
