//! What the wire costs at 921 600 baud, in virtual time, with the real Controller behind the line: a stream of shot
//! results, and the write of a generation.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use common::*;
use xyloop_protocol::{
    adversary::{Faults, Line},
    frame,
    link::{self, Link, Role},
    message::{self, Block, Bytes, CodeArray, Command, Cost, Event, Generation, Plan, Report, Request, Shot, Stage},
    units::DacCode,
};
use xyloop_sim::{Device, Memory, board::Workers};

const BAUD: u64 = 921_600;
/// 10 bits a byte.
const BYTE_US: f64 = 1e7 / BAUD as f64;
/// What a microcontroller with little memory takes.
const PAYLOAD: u16 = 1024;

struct Bench {
    device: Device<'static>,
    host: Link<'static>,
    up: Line,
    down: Line,
    now_us: u64,
    tag: u16,
    /// Bytes of all messages that came, and of the phases in them.
    messages: usize,
    phases: usize,
    results: usize,
    answers: u16,
}

impl Bench {
    fn new() -> Self {
        let memory = Box::leak(Box::new(Memory::new(Arc::new(ideal(large(), 8)), 7)));
        let storage = link::Storage {
            frame: vec![0; frame::storage_len(usize::from(PAYLOAD))].leak(),
            receive: vec![0; 1 << 16].leak(),
            send: vec![0; 1 << 16].leak(),
            flight: vec![link::InFlight::default(); 128].leak(),
        };
        let config = link::Config { max_payload: PAYLOAD, ..link::Config::host() };
        let line = |sender| Line::new(BAUD, 300, &Faults::default(), sender);
        let mut bench = Self {
            device: memory.device(Workers::Inline).unwrap(),
            host: Link::new(Role::Host, storage, config),
            up: line(Role::Host),
            down: line(Role::Device),
            now_us: 0,
            tag: 0,
            messages: 0,
            phases: 0,
            results: 0,
            answers: 0,
        };
        bench.host.connect(1, &[], 0).unwrap();
        bench.run_until(100_000, |bench| bench.host.session().is_some());
        bench
    }

    /// Until `done`, at the latest at a time on the clock.
    fn run_until(&mut self, limit_us: u64, done: impl Fn(&Self) -> bool) {
        let mut buffer = vec![0; frame::encoded_len(usize::from(PAYLOAD))];
        while !done(self) && self.now_us < limit_us {
            while let Some(bytes) = self.up.take(self.now_us) {
                self.device.receive(self.now_us, &bytes);
            }
            while let Some(bytes) = self.down.take(self.now_us) {
                self.host.receive(self.now_us, &bytes);
            }
            self.device.poll(self.now_us);
            self.listen();
            let mut next = limit_us;
            while self.up.writable_at_us() <= self.now_us {
                let length = self.host.transmit(self.now_us, &mut buffer);
                if length == 0 {
                    break;
                }
                self.up.write(self.now_us, &buffer[..length]);
            }
            while self.down.writable_at_us() <= self.now_us {
                // What the link has room for now, results go into.
                self.device.poll(self.now_us);
                let length = self.device.transmit(self.now_us, &mut buffer);
                if length == 0 {
                    break;
                }
                self.down.write(self.now_us, &buffer[..length]);
            }
            for at in [
                self.host.next_wakeup_us().map(|at| at.max(self.up.writable_at_us())),
                self.device.next_wakeup_us().map(|at| at.max(self.down.writable_at_us())),
                self.up.next_arrival_us(),
                self.down.next_arrival_us(),
            ] {
                next = next.min(at.unwrap_or(limit_us));
            }
            self.now_us = next.max(self.now_us + 1);
        }
    }

    fn listen(&mut self) {
        while let Some(bytes) = self.host.front() {
            match message::decode::<Event<'_>>(bytes).unwrap().report {
                Report::Done => self.answers += 1,
                Report::Equilibria(equilibria) => {
                    self.messages += bytes.len();
                    for (_, row) in equilibria.iter().map(|row| row.unwrap()) {
                        self.phases += row.data.0.len();
                        self.results += 1;
                    }
                }
                Report::State(_) => {}
                other => panic!("{other:?}"),
            }
            self.host.pop();
        }
    }

    fn tell(&mut self, command: Command<'_>) {
        self.tag += 1;
        let mut buffer = vec![0; 2048];
        let bytes = message::encode(&Request { tag: self.tag, command }, &mut buffer).unwrap().to_vec();
        while self.host.send(&bytes).is_err() {
            self.run_until(self.now_us + 1_000, |_| false);
        }
    }

    fn stage(&mut self, number: u32, block: Block, words: &[u16]) {
        // As many codes as the longest message of this device takes.
        for (index, piece) in words.chunks(450).enumerate() {
            let bytes: Vec<u8> = piece.iter().flat_map(|word| word.to_le_bytes()).collect();
            let first = 450 * index as u32;
            self.tell(Command::Stage(Stage {
                generation: number,
                block,
                first,
                codes: CodeArray::Words(Bytes(&bytes)),
            }));
        }
    }
}

#[test]
fn a_stream_of_shot_results_fills_the_line() {
    let mut bench = Bench::new();
    let codes = Codes::new(&parameters(&large(), 3, 0.2), &CONVERTERS);
    bench.stage(1, Block::Couplings, &codes.couplings);
    bench.stage(1, Block::Fields, &codes.fields);
    let all: Vec<_> = codes.couplings.iter().chain(&codes.fields).map(|code| DacCode(*code)).collect();
    let generation = Generation { number: 1, crc: xyloop_firmware::generations::crc_of(&all) };
    bench.tell(Command::Commit(generation));
    bench.tell(Command::Plan(Plan { generation, ..plan(&symmetric(0.05, Cost::Cosine)) }));
    let asked = bench.tag;
    bench.run_until(1_000_000, |bench| bench.answers == asked);
    assert_eq!(bench.answers, asked);
    for order in xor_shots(1..=200) {
        let bytes = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
        let (inputs, targets) = (bytes(&order.inputs), bytes(&order.targets));
        bench.tell(Command::Shot(Shot { id: order.id, flip: false, inputs: Bytes(&inputs), targets: Bytes(&targets) }));
    }
    // From a moment at which the stream runs to its end.
    bench.run_until(bench.now_us + 10_000_000, |bench| bench.results >= 40);
    let (start_us, messages, phases) = (bench.now_us, bench.messages, bench.phases);
    bench.run_until(bench.now_us + 10_000_000, |bench| bench.results == 800);
    assert_eq!(bench.results, 800);
    let line_bytes = (bench.now_us - start_us) as f64 / BYTE_US;
    let messages = (bench.messages - messages) as f64 / line_bytes;
    let phases = (bench.phases - phases) as f64 / line_bytes;
    println!("shot results: {:.1} % of the line, {:.1} % phases alone", 100.0 * messages, 100.0 * phases);
    assert!(messages >= 0.95, "{messages}");
    assert!(phases >= 0.92, "{phases}");
}

#[test]
fn a_write_of_1930_codes_takes_little_more_than_its_bytes() {
    let mut bench = Bench::new();
    let codes = Codes::new(&parameters(&large(), 4, 0.2), &CONVERTERS);
    assert_eq!(codes.couplings.len(), 1930);
    for number in 1..=5 {
        let start_us = bench.now_us;
        bench.stage(number, Block::Couplings, &codes.couplings);
        let asked = bench.tag;
        bench.run_until(start_us + 1_000_000, |bench| bench.answers == asked);
        assert_eq!(bench.answers, asked);
        let took_us = (bench.now_us - start_us) as f64;
        // There and back: two delays, and the frame that carries the last answer.
        let round_trip_us = 2.0 * 300.0 + 40.0 * BYTE_US;
        let raw_us = 2.0 * 1930.0 * BYTE_US;
        let ratio = (took_us - round_trip_us) / raw_us;
        println!(
            "write {number}: {:.1} ms, {ratio:.3} of the codes' own bytes, {} B frames",
            took_us / 1e3,
            bench.host.payload()
        );
        assert!(ratio <= 1.1, "write {number}: {ratio}");
    }
}
