//! A host and a simulated device with a serial line between them, in virtual time.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use xyloop_protocol::{
    codec::rice,
    fault::{Faults, Line},
    frame,
    link::Role,
    message::{Block, Bytes, CodeArray, Command, Differences, Generation, Stage},
};
use xyloop_sim::{Device, Memory, board::Workers};
use xyloop_testbench::{Answer, LinkSizes, Pair, Row, ScriptedHost};

use super::{ideal, large};

pub const BAUD: u64 = 921_600;
/// 10 bits a byte.
pub const BYTE_US: f64 = 1e7 / BAUD as f64;
/// What a microcontroller with little memory takes.
pub const PAYLOAD: usize = 1024;
/// As many codes as the longest message of this device takes.
pub const CODES: usize = 450;
/// A plant that needs no time is looked at again soon.
const LOOK_US: u64 = 100;

/// The XOR array behind a line.
pub struct DeviceOnLine(Pair<ScriptedHost<'static>, Device<'static>>);

impl Deref for DeviceOnLine {
    type Target = Pair<ScriptedHost<'static>, Device<'static>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for DeviceOnLine {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl DeviceOnLine {
    /// Connects.
    pub fn new() -> Self {
        let memory = Box::leak(Box::new(Memory::new(Arc::new(ideal(large(), 8)), 7)));
        let line = |sender| Line::new(BAUD, 300, &Faults::default(), sender);
        let host = ScriptedHost::new(LinkSizes { flight: 128, ..LinkSizes::new(PAYLOAD, 1 << 16, 1 << 16) });
        let device = memory.device(Workers::Inline).unwrap();
        let mut pair = Pair::over(host, device, (line(Role::Host), line(Role::Device)), 0);
        (pair.out, pair.look_us) = (frame::encoded_len(PAYLOAD), LOOK_US);
        pair.connect(1);
        Self(pair)
    }

    /// Returns the bytes written to the line so far, both ways.
    pub fn line_bytes(&self) -> usize {
        self.written.iter().sum()
    }

    /// Ends it; returns all equilibria that came.
    pub fn into_rows(self) -> Vec<Row> {
        self.0.host.rows
    }

    /// Waits until all these requests are done, and nothing else was answered.
    pub fn wait_until_done(&mut self, tags: &[u16]) {
        self.run_until(1_000_000, |pair| pair.host.answers.len() == tags.len());
        for tag in tags {
            assert_eq!(self.host.take_answer(*tag), Some(Answer::Done));
        }
    }

    /// Stages codes as differences to the generation in force; returns the requests' tags.
    pub fn stage_differences(
        &mut self,
        generation: u32,
        block: Block,
        codes: &[u16],
        held: &[u16],
        base: Generation,
    ) -> Vec<u16> {
        let (mut first, mut tags) = (0, Vec::new());
        while first < codes.len() {
            let pairs = codes[first..].iter().zip(&held[first..]);
            let mut out = [0; 2 * CODES];
            let (count, bytes) =
                rice::encode_part::<16>(pairs.map(|(code, held)| rice::fold16(code.wrapping_sub(*held))), &mut out);
            let coded = Bytes(&out[..bytes]);
            let codes = CodeArray::Differences(Differences { base, count: count as u32, coded });
            tags.push(self.tell(Command::Stage(Stage { generation, block, first: first as u32, codes })));
            first += count;
        }
        tags
    }
}
