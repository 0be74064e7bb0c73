//! Every code that leaves the simulated DACs is recorded: from reset to the first commit, and from a fault, a deadman or a
//! reboot to the next commit or arm, all of them are safe codes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{cell::RefCell, rc::Rc, sync::Arc};

use common::*;
use xyloop_firmware::{Board, BoardError, Controller, ReadKey, SafeTable};
use xyloop_protocol::{
    message::{Bytes, Command, Generation, Plan, SafeCause, Shot, State},
    units::{DacCode, IqCode, ShotId, Turn},
};
use xyloop_sim::{Memory, SimulatedBoard, board::Workers};
use xyloop_testbench::{LinkSizes, Pair, ScriptedHost};

/// Every code that was put on an output, in order.
#[derive(Clone, Default)]
struct Record(Rc<RefCell<Vec<DacCode>>>);

impl Record {
    fn note(&self, codes: &[DacCode]) {
        self.0.borrow_mut().extend_from_slice(codes);
    }

    /// What was put out since the last look.
    fn take(&self) -> Vec<DacCode> {
        self.0.take()
    }
}

/// The simulated board, with everything its DACs are told written down.
struct Recorded {
    board: SimulatedBoard,
    record: Record,
    /// Coupling codes that go out with the next latch.
    staged: Vec<DacCode>,
}

impl Board for Recorded {
    fn replicas(&self) -> usize {
        self.board.replicas()
    }

    fn stage_couplings(&mut self, first: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        self.staged.extend_from_slice(codes);
        self.board.stage_couplings(first, codes)
    }

    fn latch_fields(&mut self, replica: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        self.record.note(&std::mem::take(&mut self.staged));
        self.record.note(codes);
        self.board.latch_fields(replica, codes)
    }

    fn begin_shot(&mut self, replica: usize, shot: ShotId, inputs: &[Turn]) -> Result<(), BoardError> {
        // Inputs are driven too; a phase of zero is the safe one.
        self.record.note(&inputs.iter().map(|input| DacCode(input.0 ^ DacCode::mid(16).0)).collect::<Vec<_>>());
        self.board.begin_shot(replica, shot, inputs)
    }

    fn start(&mut self, replica: usize, segment: u8, duration_us: u32) -> Result<(), BoardError> {
        self.board.start(replica, segment, duration_us)
    }

    fn poll(&mut self, now_us: u64) -> Result<(), BoardError> {
        self.board.poll(now_us)
    }

    fn ready(&mut self, replica: usize) -> Option<u32> {
        self.board.ready(replica)
    }

    fn read(&mut self, replica: usize, key: ReadKey, codes: &mut [IqCode]) -> Result<(), BoardError> {
        self.board.read(replica, key, codes)
    }

    fn make_safe(&mut self, safe: &SafeTable<'_>) {
        self.staged.clear();
        self.record.note(safe.couplings);
        self.record.note(safe.fields);
        self.board.make_safe(safe);
    }
}

/// A device with recorded DACs, and a host that says whatever it is told to.
struct RecordedDevice {
    pair: Pair<ScriptedHost<'static>, Controller<'static, Recorded>>,
    record: Record,
}

impl RecordedDevice {
    fn at_reset() -> Self {
        let description = Arc::new(ideal(small(), 2));
        let record = Record::default();
        let board = SimulatedBoard::new(Arc::clone(&description), Workers::Inline).unwrap();
        let memory = Box::leak(Box::new(Memory::new(description, 7)));
        let device = memory.controller(Recorded { board, record: record.clone(), staged: Vec::new() }).unwrap();
        let mut pair = Pair::new(ScriptedHost::new(LinkSizes::new(1024, 1 << 16, 1 << 16)), device, 0);
        pair.look_us = 100;
        Self { pair, record }
    }

    /// Lets time pass with the line cut.
    fn silence(&mut self, duration_us: u64) {
        self.pair.set_cut(true);
        self.pair.run_for(duration_us);
        self.pair.set_cut(false);
    }

    fn tell(&mut self, command: Command<'_>) {
        self.pair.tell(command);
        self.pair.run_for(1_000);
    }

    #[track_caller]
    fn only_safe_codes(&self, when: &str) {
        let unsafe_codes = self.record.take().into_iter().filter(|code| *code != DacCode::mid(16)).count();
        assert_eq!(unsafe_codes, 0, "{when}");
    }
}

fn shot(id: ShotId) -> Command<'static> {
    Command::Shot(Shot { id, flip: false, inputs: Bytes(&[1, 2, 3, 4]), targets: Bytes(&[5, 6]) })
}

fn codes(seed: u64) -> Codes {
    codes_of(&parameters(&small(), seed, 0.3), &CONVERTERS)
}

#[test]
fn from_power_on_to_the_first_commit() {
    let mut recorded = RecordedDevice::at_reset();
    assert!(!recorded.record.0.borrow().is_empty(), "the safe table is put out before anything else");
    recorded.only_safe_codes("at reset");
    let (codes, none) = (codes(1), Generation::default());
    let good = codes.generation(1);
    recorded.pair.connect(1);
    for command in [
        Command::Commit(good),
        Command::Arm(good),
        Command::Arm(none),
        Command::Plan(Plan { generation: good, ..plan(&[]) }),
        Command::Plan(plan(&[])),
        shot(1),
        Command::Abort,
        Command::Safe,
        Command::Clear,
    ] {
        recorded.tell(command);
        recorded.pair.run_for(20_000);
        recorded.only_safe_codes(&format!("{command:?}"));
    }
    recorded.pair.stage(1, &codes);
    recorded.tell(Command::Commit(Generation { crc: good.crc ^ 1, ..good }));
    recorded.silence(400_000);
    recorded.pair.connect(2);
    recorded.only_safe_codes("staged, not committed");
    recorded.tell(Command::Commit(good));
    assert_eq!(recorded.pair.device.state(), State::Ready);
    assert!(recorded.record.take().contains(&DacCode(codes.couplings[0])), "the record sees what is committed");
}

#[test]
fn from_the_deadman_to_the_next_arm() {
    let mut recorded = RecordedDevice::at_reset();
    let codes = codes(2);
    let committed = codes.generation(1);
    recorded.pair.connect(1);
    recorded.pair.stage(1, &codes);
    recorded.tell(Command::Commit(committed));
    recorded.tell(Command::Plan(Plan { generation: committed, ..plan(&[]) }));
    recorded.tell(shot(1));
    recorded.record.take();
    recorded.silence(260_000);
    assert_eq!(recorded.pair.device.state(), State::Safe(SafeCause::Deadman));
    let last = recorded.record.take().last().copied();
    assert_eq!(last, Some(DacCode::mid(16)));
    // Neither time nor a new session nor shots nor a plan puts anything else out again.
    recorded.silence(1_000_000);
    recorded.pair.connect(2);
    for command in [Command::Plan(Plan { generation: committed, ..plan(&[]) }), shot(2), shot(3), Command::Abort] {
        recorded.tell(command);
        recorded.pair.run_for(50_000);
    }
    recorded.only_safe_codes("after the deadman");
    recorded.tell(Command::Arm(committed));
    assert!(recorded.record.take().contains(&DacCode(codes.couplings[0])));
}
