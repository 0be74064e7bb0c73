//! Every code that leaves the simulated DACs is recorded: from reset to the first commit, and from a fault, a deadman or a
//! reboot to the next commit or arm, all of them are safe codes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{cell::RefCell, rc::Rc, sync::Arc};

use common::*;
use xyloop_firmware::{Board, BoardError, Controller, ReadKey, SafeTable};
use xyloop_protocol::{
    frame,
    link::{self, Link, Role},
    message::{self, Block, Bytes, CodeArray, Command, Generation, Plan, Request, SafeCause, Shot, Stage, State},
    units::{DacCode, IqCode, ShotId, Turn},
};
use xyloop_sim::{Memory, SimulatedBoard, board::Workers};

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
struct Bench {
    device: Controller<'static, Recorded>,
    record: Record,
    host: Link<'static>,
    now_us: u64,
    tag: u16,
}

impl Bench {
    fn at_reset() -> Self {
        let description = Arc::new(ideal(small(), 2));
        let record = Record::default();
        let board = SimulatedBoard::new(Arc::clone(&description), Workers::Inline).unwrap();
        let memory = Box::leak(Box::new(Memory::new(description, 7)));
        let device = memory.controller(Recorded { board, record: record.clone(), staged: Vec::new() }).unwrap();
        let storage = link::Storage {
            frame: vec![0; frame::storage_len(1024)].leak(),
            receive: vec![0; 1 << 16].leak(),
            send: vec![0; 1 << 16].leak(),
            flight: vec![link::InFlight::default(); 64].leak(),
        };
        Self { device, record, host: Link::new(Role::Host, storage, link::Config::host()), now_us: 0, tag: 0 }
    }

    fn connect(&mut self, session: u32) {
        self.host.connect(session, &[], self.now_us).unwrap();
        self.pass(1_000);
        assert_eq!(self.host.session(), Some(session));
    }

    /// Carries bytes for so long, a look every 100 µs.
    fn pass(&mut self, duration_us: u64) {
        let mut buffer = vec![0; 1 << 16];
        let end_us = self.now_us + duration_us;
        while self.now_us < end_us {
            self.now_us += 100;
            let length = self.host.transmit(self.now_us, &mut buffer);
            self.device.receive(self.now_us, &buffer[..length]);
            self.device.poll(self.now_us);
            let length = self.device.transmit(self.now_us, &mut buffer);
            self.host.receive(self.now_us, &buffer[..length]);
            while self.host.pop() {}
        }
    }

    /// The same with the line cut.
    fn silence(&mut self, duration_us: u64) {
        let end_us = self.now_us + duration_us;
        while self.now_us < end_us {
            self.now_us += 100;
            self.device.poll(self.now_us);
        }
    }

    fn tell(&mut self, command: Command<'_>) {
        self.tag += 1;
        let mut buffer = [0; 4096];
        let bytes = message::encode(&Request { tag: self.tag, command }, &mut buffer).unwrap();
        self.host.send(bytes).unwrap();
        self.pass(1_000);
    }

    fn stage(&mut self, number: u32, codes: &Codes) {
        for (block, words) in [(Block::Couplings, &codes.couplings), (Block::Fields, &codes.fields)] {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            for (index, piece) in bytes.chunks(400).enumerate() {
                let first = 200 * index as u32;
                self.tell(Command::Stage(Stage {
                    generation: number,
                    block,
                    first,
                    codes: CodeArray::Words(Bytes(piece)),
                }));
            }
        }
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
    Codes::new(&parameters(&small(), seed, 0.3), &CONVERTERS)
}

fn generation(number: u32, codes: &Codes) -> Generation {
    let all: Vec<DacCode> = codes.couplings.iter().chain(&codes.fields).map(|code| DacCode(*code)).collect();
    Generation { number, crc: xyloop_firmware::generations::crc_of(&all) }
}

#[test]
fn from_power_on_to_the_first_commit() {
    let mut bench = Bench::at_reset();
    assert!(!bench.record.0.borrow().is_empty(), "the safe table is put out before anything else");
    bench.only_safe_codes("at reset");
    let (codes, none) = (codes(1), Generation::default());
    let good = generation(1, &codes);
    bench.connect(1);
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
        bench.tell(command);
        bench.pass(20_000);
        bench.only_safe_codes(&format!("{command:?}"));
    }
    bench.stage(1, &codes);
    bench.tell(Command::Commit(Generation { crc: good.crc ^ 1, ..good }));
    bench.silence(400_000);
    bench.connect(2);
    bench.only_safe_codes("staged, not committed");
    bench.tell(Command::Commit(good));
    assert_eq!(bench.device.state(), State::Ready);
    assert!(bench.record.take().contains(&DacCode(codes.couplings[0])), "the record sees what is committed");
}

#[test]
fn from_the_deadman_to_the_next_arm() {
    let mut bench = Bench::at_reset();
    let codes = codes(2);
    let committed = generation(1, &codes);
    bench.connect(1);
    bench.stage(1, &codes);
    bench.tell(Command::Commit(committed));
    bench.tell(Command::Plan(Plan { generation: committed, ..plan(&[]) }));
    bench.tell(shot(1));
    bench.record.take();
    bench.silence(260_000);
    assert_eq!(bench.device.state(), State::Safe(SafeCause::Deadman));
    let last = bench.record.take().last().copied();
    assert_eq!(last, Some(DacCode::mid(16)));
    // Neither time nor a new session nor shots nor a plan puts anything else out again.
    bench.silence(1_000_000);
    bench.connect(2);
    for command in [Command::Plan(Plan { generation: committed, ..plan(&[]) }), shot(2), shot(3), Command::Abort] {
        bench.tell(command);
        bench.pass(50_000);
    }
    bench.only_safe_codes("after the deadman");
    bench.tell(Command::Arm(committed));
    assert!(bench.record.take().contains(&DacCode(codes.couplings[0])));
}
