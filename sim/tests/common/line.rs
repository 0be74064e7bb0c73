//! A host's link and a simulated device with a serial line between them, in virtual time.

use std::sync::Arc;

use xyloop_protocol::{
    codec::{Codec, rice},
    fault::{Faults, Line},
    frame,
    link::{self, Link, Role},
    message::{
        self, Block, Bytes, CodeArray, Command, Differences, Event, Generation, Report, Request, Shot, Stage, State,
    },
};
use xyloop_sim::{Device, Memory, board::Workers};

use super::{Order, Rows, ideal, large, take_rows};

pub const BAUD: u64 = 921_600;
/// 10 bits a byte.
pub const BYTE_US: f64 = 1e7 / BAUD as f64;
/// What a microcontroller with little memory takes.
pub const PAYLOAD: u16 = 1024;

pub struct LineBench {
    pub device: Device<'static>,
    pub host: Link<'static>,
    pub up: Line,
    pub down: Line,
    pub now_us: u64,
    pub tag: u16,
    /// Bytes of all messages that came, and of the phases in them.
    pub messages: usize,
    pub phases: usize,
    pub results: usize,
    pub answers: u16,
    /// Equilibria as they came.
    pub rows: Rows,
    /// Contrast sums as they came.
    pub sums: Vec<i32>,
    /// Bytes written to the line, both ways.
    pub line_bytes: usize,
}

impl LineBench {
    /// Connected; the XOR array behind the line.
    pub fn new() -> Self {
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
            rows: Rows::new(),
            sums: Vec::new(),
            line_bytes: 0,
        };
        bench.host.connect(1, &[], 0).unwrap();
        bench.run_until(100_000, |bench| bench.host.session().is_some());
        bench
    }

    /// Until `done`, at the latest at a time on the clock.
    pub fn run_until(&mut self, limit_us: u64, done: impl Fn(&Self) -> bool) {
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
                self.line_bytes += length;
                self.up.write(self.now_us, &buffer[..length]);
            }
            while self.down.writable_at_us() <= self.now_us {
                // What the link has room for now, results go into.
                self.device.poll(self.now_us);
                let length = self.device.transmit(self.now_us, &mut buffer);
                if length == 0 {
                    break;
                }
                self.line_bytes += length;
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
            // A plant that needs no time is looked at again soon.
            if self.device.state() == State::Running {
                next = next.min(self.now_us + 100);
            }
            self.now_us = next.max(self.now_us + 1);
        }
    }

    pub fn listen(&mut self) {
        while let Some(bytes) = self.host.front() {
            match message::decode::<Event<'_>>(bytes).unwrap().report {
                Report::Done => self.answers += 1,
                Report::Equilibria(equilibria) => {
                    self.messages += bytes.len();
                    for (_, row) in equilibria.iter().map(|row| row.unwrap()) {
                        self.phases += row.data.0.len();
                    }
                    self.results += take_rows(&equilibria, self.rows.entry(equilibria.shot).or_default());
                }
                Report::Contrast(part) => {
                    self.answers += 1;
                    assert_eq!(part.first as usize, self.sums.len());
                    match part.codec {
                        Codec::Words => {
                            let words = part.sums.0.as_chunks::<4>().0.iter();
                            self.sums.extend(words.map(|word| i32::from_le_bytes(*word)));
                        }
                        Codec::Delta => {
                            let sums = &mut self.sums;
                            let take = |_, folded| sums.push(rice::unfold32(folded));
                            rice::decode::<32>(part.sums.0, part.count as usize, take).unwrap();
                        }
                    }
                }
                Report::State(_) => {}
                other => panic!("{other:?}"),
            }
            self.host.pop();
        }
    }

    pub fn tell(&mut self, command: Command<'_>) {
        self.tag += 1;
        let mut buffer = vec![0; 2048];
        let bytes = message::encode(&Request { tag: self.tag, command }, &mut buffer).unwrap().to_vec();
        while self.host.send(&bytes).is_err() {
            self.run_until(self.now_us + 1_000, |_| false);
        }
    }

    pub fn stage(&mut self, number: u32, block: Block, words: &[u16]) {
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

    /// The same as differences to the generation in force.
    pub fn stage_differences(&mut self, generation: u32, block: Block, codes: &[u16], held: &[u16], base: Generation) {
        let mut first = 0;
        while first < codes.len() {
            let pairs = codes[first..].iter().zip(&held[first..]);
            let mut out = [0; 900];
            let (count, bytes) =
                rice::encode_part::<16>(pairs.map(|(code, held)| rice::fold16(code.wrapping_sub(*held))), &mut out);
            let coded = Bytes(&out[..bytes]);
            let codes = CodeArray::Differences(Differences { base, count: count as u32, coded });
            self.tell(Command::Stage(Stage { generation, block, first: first as u32, codes }));
            first += count;
        }
    }

    pub fn shoot(&mut self, orders: &[Order]) {
        for order in orders {
            let bytes = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
            let (inputs, targets) = (bytes(&order.inputs), bytes(&order.targets));
            let (inputs, targets) = (Bytes(&inputs), Bytes(&targets));
            self.tell(Command::Shot(Shot { id: order.id, flip: order.flip, inputs, targets }));
        }
    }
}
