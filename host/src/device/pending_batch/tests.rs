//! Shots 11 to 14 of a made-up batch: what is taken of what comes, and what is due after a reconnect.

use xyloop_protocol::{
    codec::Codec,
    message::{Generation, Kick, MAX_SEGMENTS, Settle},
    units::Flags,
};

use super::*;

fn plan(read_out: ReadOut) -> Plan {
    let mut segments = [Segment::End; MAX_SEGMENTS];
    segments[..3].copy_from_slice(&[Segment::Kick, Segment::Free, Segment::Release]);
    Plan {
        run: 5,
        generation: Generation { number: 3, crc: 9 },
        segments,
        kick: Kick::default(),
        settle: Settle::default(),
        reads: 1,
        read_out,
        basin_tolerance_turn: 1,
        leave_out: Flags::default(),
        codec: Codec::Words,
    }
}

fn order(id: ShotId) -> ShotOrder {
    ShotOrder { id, flip: false, inputs: vec![Turn(id as u16)], targets: vec![Turn(7)] }
}

/// Shots 11 to 14, all of them sent.
fn begun(read_out: ReadOut) -> PendingBatch {
    let limits = Limits { sites: 1, outputs: 1, ..Limits::default() };
    let mut batch = PendingBatch::new(plan(read_out), (11..=14).map(order).collect(), &limits);
    while batch.next_order(99).is_some() {
        batch.mark_sent();
    }
    batch
}

fn origin(plan: &Plan, order: &ShotOrder) -> Origin {
    PlanOrigin::new(plan).of(&Words::of(order).shot(order))
}

/// Flags, settle time, residual, distance; a read-out of two bytes.
const ROW: [u8; 7] = [0, 0, 0, 0, 2, 1, 2];

fn equilibrium(id: ShotId, first: u8) -> Equilibria<'static> {
    let origin = origin(&plan(ReadOut::Phases), &order(id));
    Equilibria { shot: id, generation: 3, origin, first, rows: Bytes(&ROW) }
}

/// Gives it both equilibria of a shot; what the last one was.
fn run(batch: &mut PendingBatch, id: ShotId, beginning: Beginning) -> Result<Verdict, DeviceError> {
    let of_plan = |segment| Equilibria { origin: origin(&batch.plan, &order(id)), ..equilibrium(id, segment) };
    let (free, release) = (of_plan(1), of_plan(2));
    batch.take(&free, beginning)?;
    batch.take(&release, beginning)
}

#[test]
fn results_come_once_and_in_order() {
    let mut batch = begun(ReadOut::Phases);
    for id in 11..=14 {
        assert!(matches!(run(&mut batch, id, Beginning::Afresh), Ok(Verdict::Result(result)) if result.id == id));
        assert!(matches!(run(&mut batch, id, Beginning::Afresh), Err(DeviceError::Order { .. })), "a second time");
    }
    assert!(batch.is_over() && batch.is_delivered());
    let mut batch = begun(ReadOut::Phases);
    assert!(matches!(run(&mut batch, 12, Beginning::Afresh), Err(DeviceError::Order { expected: 11, got: 12 })));
    assert!(
        matches!(batch.take(&equilibrium(11, 2), Beginning::Afresh), Err(DeviceError::Protocol { .. })),
        "segment 2 first"
    );
}

#[test]
fn a_read_out_of_another_length_is_none() {
    for data in [&[0][..], &[1, 1], &[3, 1, 2, 3], &[4, 1, 2, 3, 4], &[2, 1]] {
        let (mut batch, rows) = (begun(ReadOut::Phases), [&[0; 4], data].concat());
        let bad = Equilibria { rows: Bytes(&rows), ..equilibrium(11, 1) };
        assert!(matches!(batch.take(&bad, Beginning::Afresh), Err(DeviceError::Protocol { .. })), "{data:?}");
    }
    let mut batch = begun(ReadOut::Phases);
    let none = Equilibria { rows: Bytes(&[]), ..equilibrium(11, 1) };
    assert!(matches!(batch.take(&none, Beginning::Afresh), Err(DeviceError::Protocol { .. })), "no rows at all");
}

#[test]
fn a_message_brings_as_much_of_a_shot_as_it_holds_and_no_more() {
    let both = [ROW, ROW].concat();
    let mut batch = begun(ReadOut::Phases);
    let whole = Equilibria { rows: Bytes(&both), ..equilibrium(11, 1) };
    let Ok(Verdict::Result(result)) = batch.take(&whole, Beginning::Afresh) else {
        panic!("a whole shot in one message")
    };
    assert_eq!(result.equilibria.iter().map(|state| state.segment).collect::<Vec<_>>(), [1, 2]);
    assert!(matches!(batch.take(&equilibrium(12, 1), Beginning::Afresh), Ok(Verdict::Taken)));
    let again = Equilibria { rows: Bytes(&both), ..equilibrium(12, 2) };
    assert!(matches!(batch.take(&again, Beginning::Afresh), Err(DeviceError::Protocol { .. })), "a third equilibrium");
}

#[test]
fn nothing_of_another_run_plan_sample_or_generation_is_taken() {
    let ours = plan(ReadOut::Phases);
    let good = equilibrium(11, 1);
    let other_run = origin(&Plan { run: 6, ..ours }, &order(11));
    let other_sample = origin(&ours, &ShotOrder { inputs: vec![Turn(12)], ..order(11) });
    for foreign in [
        Equilibria { origin: other_run, ..good },
        Equilibria { origin: other_sample, ..good },
        Equilibria { generation: 4, ..good },
        Equilibria { shot: 15, ..good },
        Equilibria { shot: 10, ..good },
    ] {
        let mut batch = begun(ReadOut::Phases);
        assert!(matches!(batch.take(&foreign, Beginning::Afresh), Ok(Verdict::Foreign(_))), "{foreign:?}");
        assert!(batch.partial.is_empty());
    }
}

#[test]
fn after_a_reconnect_what_is_known_is_passed_over_and_the_rest_is_due() {
    let mut batch = begun(ReadOut::Phases);
    assert!(run(&mut batch, 11, Beginning::Afresh).is_ok() && run(&mut batch, 12, Beginning::Afresh).is_ok());
    batch.retire(11);
    assert!(batch.take(&equilibrium(13, 1), Beginning::Afresh).is_ok(), "half of a shot came");
    assert!(batch.is_ours(13, 2, 11) && batch.is_ours(0, 0, 11));
    assert!(!batch.is_ours(13, 3, 11) && !batch.is_ours(15, 2, 11), "others are among them");
    batch.resume(13, 11);
    assert_eq!((batch.sent(), batch.held.iter().copied().collect::<Vec<_>>()), (3, vec![12, 13]));
    assert!(matches!(batch.take(&equilibrium(10, 1), Beginning::Resumed), Ok(Verdict::Taken)), "of the batch before");
    assert!(matches!(run(&mut batch, 12, Beginning::Resumed), Ok(Verdict::Taken)));
    assert!(matches!(run(&mut batch, 13, Beginning::Resumed), Ok(Verdict::Result(_))), "from its first segment on");
    assert_eq!(batch.next_order(2).map(|order| order.id), None, "both slots are taken");
    batch.retire(12);
    assert_eq!(batch.next_order(2).map(|order| order.id), Some(14));
}

#[test]
fn sums_need_every_shot_again_and_results_are_handed_out_once() {
    let mut batch = begun(ReadOut::Contrast);
    assert!(run(&mut batch, 11, Beginning::Afresh).is_ok() && run(&mut batch, 12, Beginning::Afresh).is_ok());
    batch.restart();
    assert_eq!(batch.sent(), 0);
    while batch.next_order(99).is_some() {
        batch.mark_sent();
    }
    for id in [11, 12] {
        assert!(matches!(run(&mut batch, id, Beginning::Afresh), Ok(Verdict::Again(again)) if again == id));
    }
    assert!(matches!(run(&mut batch, 13, Beginning::Afresh), Ok(Verdict::Result(_))));
    let mut plain = begun(ReadOut::Phases);
    assert!(run(&mut plain, 11, Beginning::Afresh).is_ok());
    plain.restart();
    assert_eq!(plain.next_order(99).map(|order| order.id), Some(12), "without sums what was handed out stays");
}
