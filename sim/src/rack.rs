//! The rack: simulated converter chips by address, and the array behind them, for a board that is emulated elsewhere.
//!
//! What a [`Remote`](xyloop_firmware::carrier::Remote) sends comes in as bytes; answers go out as bytes. The array is a
//! [`SimulatedBoard`](crate::SimulatedBoard) that is driven as the Controller drives it, so that an emulated board gets
//! the very numbers that the in-process device computes: it evolves from stamp to stamp of the shared lines, outputs are
//! compared when they may have moved, a shot begins with the latch after its mark, and readings are named by the latches
//! since then (segment) and the conversions since the last of them.
//!
//! After a Hello (the microcontroller was restarted) its lines float: resistors hold Clear low and the others idle. Chips
//! keep their registers.

mod array;
mod record;
mod report;
mod serve;

use std::io::Write;

use xyloop_firmware::{
    carrier::{ACKNOWLEDGEMENT, Line, PAYLOAD_MAX, REQUEST_MAX, Request},
    rig_image::{Channel, RigImage},
};
use xyloop_hil_config::WiringLists;
use xyloop_protocol::units::{DacCode, Turn};

use self::{array::Array, record::Record};
pub use self::{
    report::{RackCounts, RackError},
    serve::{PlantServer, Stopper},
};
use crate::{
    chips::{ADC_CHANNELS, Chip, FrameError},
    plant::Description,
};

/// Longest gap between two stamps, in model time units: more is no wait of a shot.
const GAP_MAX: f64 = 1e6;

/// Bytes that are remembered of what was taken: one less than a Hello has.
const HISTORY: usize = 18;

/// Levels of the shared lines, `true` is high.
#[allow(clippy::struct_excessive_bools, reason = "one per line")]
#[derive(Clone, Copy, Debug)]
struct Levels {
    ldac: bool,
    clear: bool,
    convert: bool,
    reset: bool,
}

impl Levels {
    /// What resistors make of lines that nobody drives.
    const FLOATING: Self = Self { ldac: true, clear: false, convert: false, reset: true };
}

/// Which channel drives or reads what.
struct Routes {
    couplings: Vec<Channel>,
    fields: Vec<Channel>,
    inputs: Vec<Channel>,
    reads: Vec<Channel>,
}

/// Chips, array and the stream of a board.
pub struct Rack {
    chips: Vec<Chip>,
    routes: Routes,
    array: Array,
    lines: Levels,
    /// The board's time at the last edge since its start.
    last_us: Option<u64>,
    gap_max_us: u32,
    greeted: bool,
    rig_crc: u32,
    /// The end of what was taken, then, from `at` on, what was not yet.
    stream: Vec<u8>,
    at: usize,
    /// Bytes taken since the Hello.
    taken: u64,
    counts: RackCounts,
    record: Option<Record>,
}

impl Rack {
    /// Chips as an image places them, just powered up, before the array of a rig.
    ///
    /// # Errors
    /// If the two do not describe the same array.
    pub fn new(description: Description, image: &RigImage<'_>) -> Result<Self, RackError> {
        let lists = WiringLists::new(&description.graph);
        if usize::from(image.sites()) != description.graph.len() {
            return Err(RackError::Image("sites"));
        }
        if !image.couplings().eq(lists.couplings) {
            return Err(RackError::Image("couplings"));
        }
        if !image.inputs().eq(lists.inputs) || !image.outputs().eq(lists.outputs) {
            return Err(RackError::Image("terminals"));
        }
        if image.converters() != description.converters {
            return Err(RackError::Image("converters"));
        }
        let routes = Routes {
            couplings: image.coupling_channels().collect(),
            fields: image.field_channels().collect(),
            inputs: image.input_channels().collect(),
            reads: image.read_channels().collect(),
        };
        let around_ground = |chip: usize| {
            let mut outputs = routes.couplings.iter().chain(&routes.fields);
            outputs.any(|channel| usize::from(channel.chip) == chip)
        };
        let chips = image.chips().enumerate().map(|(at, kind)| Chip::new(kind, around_ground(at))).collect();
        let gap_max_us = (GAP_MAX * description.tau_us).min(f64::from(u32::MAX)) as u32;
        Ok(Self {
            chips,
            array: Array::new(description),
            routes,
            lines: Levels::FLOATING,
            last_us: None,
            gap_max_us,
            greeted: false,
            rig_crc: image.crc(),
            stream: Vec::new(),
            at: 0,
            taken: 0,
            counts: RackCounts::default(),
            record: None,
        })
    }

    /// Records every write to a DAC's register and every edge of a line into `sink`, as CSV: `stamp_us` (the board's time
    /// at the last edge), `event` (power, hello, write, latch, clear, reset, convert, mark, error), `chip`, `channel`,
    /// `code` (hexadecimal: a register's word, a line's new level, a shot's number), `register` (or what was wrong). A
    /// write to several channels has a line for each. Whole lines are written, after each piece of the stream. `goes_on`:
    /// the sink has a header already; a line `power` says that the chips are as after power-up.
    ///
    /// # Errors
    /// If the sink does not take the first lines.
    pub fn recording(mut self, sink: Box<dyn Write + Send>, goes_on: bool) -> Result<Self, RackError> {
        self.record = Some(Record::begin(sink, goes_on).map_err(RackError::Record)?);
        Ok(self)
    }

    /// What has come in so far.
    pub fn counts(&self) -> RackCounts {
        self.counts
    }

    /// What the output of a chip carries, see [`Chip::output`].
    pub fn output(&self, at: Channel) -> Option<u16> {
        self.chips.get(usize::from(at.chip)).and_then(|chip| chip.output(at.channel))
    }

    /// Whether a board has greeted and made sense ever since.
    pub fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// A new connection: bytes before its first Hello are meant for nobody.
    pub fn connected(&mut self) {
        self.greeted = false;
        self.stream.clear();
        self.at = 0;
    }

    /// Takes a piece of the board's stream and puts what answers it behind `answers`.
    ///
    /// # Errors
    /// If the stream makes no sense, or the record cannot be written. The next Hello makes a new beginning.
    pub fn receive(&mut self, bytes: &[u8], answers: &mut Vec<u8>) -> Result<(), RackError> {
        let mut stream = std::mem::take(&mut self.stream);
        stream.extend_from_slice(bytes);
        let done = self.take(&stream, answers);
        if done.is_err() {
            self.greeted = false;
        }
        self.at = *done.as_ref().unwrap_or(&stream.len());
        let old = self.at.saturating_sub(HISTORY);
        stream.drain(..old);
        (self.stream, self.at) = (stream, self.at - old);
        let recorded = self.record.as_mut().map_or(Ok(()), Record::flush).map_err(RackError::Record);
        done.map(|_| ()).and(recorded)
    }

    /// Takes as many messages as are whole; where the rest begins.
    fn take(&mut self, stream: &[u8], answers: &mut Vec<u8>) -> Result<usize, RackError> {
        // A board that was restarted in the middle of a message greets inside of it, perhaps piece by piece: then the
        // beginning of its Hello was taken for something else.
        let mut hello = Request::find_hello(stream);
        let mut at = match hello {
            Some(start) if !self.greeted || start < self.at => start,
            None if !self.greeted => return Ok(stream.len()),
            _ => self.at,
        };
        loop {
            if hello.is_some_and(|start| start < at) {
                hello = Request::find_hello(&stream[at..]).map(|start| at + start);
            }
            let decoded = Request::decode(&stream[at..]);
            let end = match decoded {
                Ok(Some((_, length))) => at + length,
                _ => usize::MAX,
            };
            if let Some(start) = hello
                && at < start
                && start < end
            {
                at = start;
                continue;
            }
            match decoded {
                Ok(Some((request, length))) => {
                    self.handle(&request, answers)?;
                    at += length;
                    self.taken += length as u64;
                }
                Ok(None) => return Ok(at),
                Err(_) if ends_in_a_greeting(stream) => {
                    self.greeted = false;
                    return Ok(stream.len());
                }
                Err(_) => return Err(RackError::Malformed { at: self.taken }),
            }
        }
    }

    /// Does what one message asks for.
    ///
    /// # Errors
    /// If the board's time makes no sense.
    pub fn handle(&mut self, request: &Request<'_>, answers: &mut Vec<u8>) -> Result<(), RackError> {
        match *request {
            Request::Hello => self.greet(answers),
            Request::Rig(crc) if crc != self.rig_crc => {
                return Err(RackError::OtherRig { ours: self.rig_crc, theirs: crc });
            }
            Request::Rig(_) => {}
            Request::Write { chip, mosi } => self.transfer(chip, mosi, None),
            Request::Transfer { chip, mosi } => self.transfer(chip, mosi, Some(answers)),
            Request::Line { line, high, stamp_us } => return self.line(line, high, stamp_us),
            Request::Sense(line) => answers.push(u8::from(match line {
                Line::Busy => self.array.failed(),
                Line::Ldac => self.lines.ldac,
                Line::Clear => self.lines.clear,
                Line::Convert => self.lines.convert,
                Line::Reset => self.lines.reset,
            })),
            Request::Mark(shot) => {
                self.array.mark(shot);
                self.note("mark", None, Some(shot), "");
            }
        }
        Ok(())
    }

    fn greet(&mut self, answers: &mut Vec<u8>) {
        self.counts.hellos += 1;
        (self.greeted, self.taken, self.last_us) = (true, 0, None);
        self.note("hello", None, None, "");
        self.array.restart();
        self.set_levels(Levels::FLOATING);
        self.follow(false);
        // What came before it asked for answers that nobody waits for.
        answers.clear();
        answers.extend_from_slice(&ACKNOWLEDGEMENT);
    }

    fn transfer(&mut self, address: u8, mosi: &[u8], answers: Option<&mut Vec<u8>>) {
        self.counts.frames += 1;
        let (mut miso, length) = ([0; PAYLOAD_MAX], mosi.len().min(PAYLOAD_MAX));
        let done = match self.chips.get_mut(usize::from(address)) {
            Some(chip) => chip.transfer(mosi, &mut miso[..length]),
            None => Err(FrameError::NoChip(address)),
        };
        if let Some(answers) = answers {
            answers.extend_from_slice(&miso[..length]);
        }
        match done {
            Ok(None) => {}
            Ok(Some(written)) => {
                if written.channels == 0 {
                    self.note("write", Some((address, None)), Some(written.code.into()), written.register);
                }
                for channel in (0..64).filter(|channel| written.channels >> channel & 1 == 1) {
                    self.note("write", Some((address, Some(channel))), Some(written.code.into()), written.register);
                }
                if written.register != "input" || !self.lines.ldac {
                    self.follow(false);
                }
            }
            Err(error) => {
                self.counts.note(error);
                if self.record.is_some() {
                    self.note("error", Some((address, None)), None, &error.to_string());
                }
            }
        }
    }

    fn line(&mut self, line: Line, high: bool, stamp_us: u64) -> Result<(), RackError> {
        self.pass_to(stamp_us)?;
        let before = self.lines;
        let (level, event) = match line {
            Line::Ldac => (&mut self.lines.ldac, "latch"),
            Line::Clear => (&mut self.lines.clear, "clear"),
            Line::Convert => (&mut self.lines.convert, "convert"),
            Line::Reset => (&mut self.lines.reset, "reset"),
            // Chips drive it.
            Line::Busy => return Ok(()),
        };
        if *level == high {
            return Ok(());
        }
        *level = high;
        self.note(event, None, Some(high.into()), "");
        self.set_levels(self.lines);
        if before.ldac && !self.lines.ldac {
            self.counts.latches += 1;
            let clear = self.lines.clear;
            if clear && let Some(shot) = self.array.take_mark() {
                self.counts.shots += 1;
                let inputs: Vec<Turn> = self.codes(&self.routes.inputs, 16).map(|code| Turn(code.0)).collect();
                self.array.begin(shot, &inputs);
            }
            self.follow(clear);
        } else if line != Line::Convert && line != Line::Ldac {
            self.follow(false);
        } else if !before.convert && self.lines.convert {
            self.counts.conversions += 1;
            self.convert();
        }
        Ok(())
    }

    /// Tells all chips the levels of their pins.
    fn set_levels(&mut self, lines: Levels) {
        self.lines = lines;
        for chip in &mut self.chips {
            chip.clear(lines.clear);
            chip.reset(lines.reset);
            chip.ldac(lines.ldac);
        }
    }

    /// Lets the array evolve up to this moment.
    fn pass_to(&mut self, stamp_us: u64) -> Result<(), RackError> {
        let from_us = self.last_us.unwrap_or(stamp_us);
        let gap_us = stamp_us.checked_sub(from_us).and_then(|gap_us| u32::try_from(gap_us).ok());
        match gap_us {
            Some(gap_us) if gap_us <= self.gap_max_us => self.array.advance(gap_us),
            _ => return Err(RackError::Stamp { from_us, to_us: stamp_us }),
        }
        self.last_us = Some(stamp_us);
        Ok(())
    }

    /// The array gets what the outputs carry now; `latched`: a segment of a shot begins with it.
    fn follow(&mut self, latched: bool) {
        let bits = self.array.converters();
        let couplings: Vec<DacCode> = self.codes(&self.routes.couplings, bits.coupling_bits).collect();
        let fields: Vec<DacCode> = self.codes(&self.routes.fields, bits.field_bits).collect();
        self.array.follow(couplings, fields, latched);
    }

    fn codes<'r>(&'r self, channels: &'r [Channel], bits: u8) -> impl Iterator<Item = DacCode> + 'r {
        channels.iter().map(move |at| DacCode(self.output(*at).unwrap_or_default() >> (16 - bits.min(16))))
    }

    fn convert(&mut self) {
        let Some(readings) = self.array.read() else { return };
        let mut fractions = vec![[0.0; ADC_CHANNELS]; self.chips.len()];
        for (at, fraction) in self.routes.reads.iter().zip(readings) {
            if let Some(place) =
                fractions.get_mut(usize::from(at.chip)).and_then(|c| c.get_mut(usize::from(at.channel)))
            {
                *place = fraction;
            }
        }
        for (chip, fractions) in self.chips.iter_mut().zip(&fractions) {
            chip.convert(fractions);
        }
    }

    fn note(&mut self, event: &str, place: Option<(u8, Option<u8>)>, code: Option<u64>, register: &str) {
        if let Some(record) = &mut self.record {
            record.line(self.last_us.unwrap_or(0), event, place, code, register);
        }
    }
}

/// Whether a Hello may have begun at the end of a stream: the rest of it would be the next to come.
fn ends_in_a_greeting(stream: &[u8]) -> bool {
    let mut bytes = [0; REQUEST_MAX];
    let length = Request::Hello.encode(&mut bytes);
    (3..length).any(|begun| stream.ends_with(&bytes[..begun]))
}
