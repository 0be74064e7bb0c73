//! The rack: raw requests, and whole shots of the firmware over it, which must come to the byte as on the in-process
//! device.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    io::{self, Write},
    rc::Rc,
    sync::{Arc, Mutex},
};

use common::*;
use xyloop_firmware::{
    Board, ReadKey,
    carrier::{ACKNOWLEDGEMENT, Broken, Carrier, Line, REQUEST_MAX, Remote, Request},
    front_end::{FrontEnd, Memory},
    keyed::philox,
    rig_image::{Channel, ChipKind, RigImage},
};
use xyloop_hil_config::rig_image::{BoardPlan, image};
use xyloop_protocol::{
    message::{Command, Cost, Plan, ReadOut},
    units::{DacCode, IqCode, Turn},
    wiring::Converters,
};
use xyloop_sim::{
    Description, SimulatedBoard, Solver,
    rack::{Rack, RackError},
};

fn plan_with(adc: ChipKind) -> BoardPlan {
    BoardPlan { adc, ..BoardPlan::default() }
}

/// A rack and what it answered; talks as a board does.
struct Talk {
    rack: Rack,
    answers: Vec<u8>,
    now_us: u64,
}

impl Talk {
    fn new(description: &Description) -> Self {
        let bytes = image(description, &BoardPlan::default()).unwrap();
        let rack = Rack::new(description.clone(), &RigImage::parse(&bytes).unwrap()).unwrap();
        let mut talk = Self { rack, answers: Vec::new(), now_us: 0 };
        assert_eq!(talk.say(Request::Hello).unwrap(), ACKNOWLEDGEMENT);
        talk
    }

    /// With offset DACs at mid-scale, and outputs that follow LDAC.
    fn ready(description: &Description, dacs: u8) -> Self {
        let mut talk = Self::new(description);
        for chip in 0..dacs {
            for mosi in [[0x02, 0x20, 0x00], [0x03, 0x20, 0x00], [0xc0, 0x80, 0x00]] {
                talk.write(chip, &mosi);
            }
        }
        talk.line(Line::Clear, true);
        talk.latch();
        talk
    }

    fn say(&mut self, request: Request<'_>) -> Result<Vec<u8>, RackError> {
        let mut bytes = [0; REQUEST_MAX];
        let length = request.encode(&mut bytes);
        let done = self.rack.receive(&bytes[..length], &mut self.answers);
        done.map(|()| std::mem::take(&mut self.answers))
    }

    fn write(&mut self, chip: u8, mosi: &[u8]) {
        assert!(self.say(Request::Write { chip, mosi }).unwrap().is_empty());
    }

    /// X of an AD5370's channel.
    fn x(&mut self, at: Channel, code: u16) {
        let [high, low] = code.to_be_bytes();
        self.write(at.chip, &[0xc8 + at.channel, high, low]);
    }

    fn line(&mut self, line: Line, high: bool) {
        assert!(self.say(Request::Line { line, high, stamp_us: self.now_us }).unwrap().is_empty());
    }

    fn latch(&mut self) {
        self.line(Line::Ldac, false);
        self.line(Line::Ldac, true);
    }

    /// A conversion, and I and Q of each site out of the AD7606s behind `first`.
    fn read(&mut self, first: u8, sites: usize) -> Vec<i16> {
        self.line(Line::Convert, false);
        self.line(Line::Convert, true);
        assert_eq!(self.say(Request::Sense(Line::Busy)).unwrap(), [0]);
        let mut codes = Vec::new();
        for chip in 0..(2 * sites).div_ceil(8) as u8 {
            let miso = self.say(Request::Transfer { chip: first + chip, mosi: &[0; 16] }).unwrap();
            codes.extend(miso.as_chunks::<2>().0.iter().map(|pair| i16::from_be_bytes(*pair)));
        }
        codes.truncate(2 * sites);
        codes
    }
}

#[test]
fn one_edge_latches_all_chips_and_a_write_none() {
    let mut talk = Talk::ready(&ideal(small(), 1), 4);
    // 5 × 5 of the fourth kind: three AD5370s and a bit.
    let channels: Vec<Channel> = (0..4).map(|chip| Channel { chip, channel: 3 }).collect();
    for (nth, at) in channels.iter().enumerate() {
        talk.x(*at, 0x9000 + nth as u16);
    }
    let outputs = |talk: &Talk| channels.iter().map(|at| talk.rack.output(*at).unwrap()).collect::<Vec<_>>();
    assert_eq!(outputs(&talk), [0x8000; 4]);
    talk.line(Line::Ldac, false);
    assert_eq!(outputs(&talk), [0x9000, 0x9001, 0x9002, 0x9003]);
    talk.line(Line::Ldac, true);
    // A board that was restarted: nobody drives its lines, and Clear goes low by its resistor.
    talk.say(Request::Hello).unwrap();
    assert_eq!(outputs(&talk), [0x8000; 4]);
    talk.latch();
    assert_eq!(outputs(&talk), [0x8000; 4]);
    talk.line(Line::Clear, true);
    talk.latch();
    assert_eq!(outputs(&talk), [0x9000, 0x9001, 0x9002, 0x9003], "registers were kept");
}

#[test]
fn raw_requests_drive_the_array_as_the_board_is_driven() {
    for (iq_noise, diffusion, bits) in [(0.0, 0.0, 16), (0.01, 0.0, 16), (0.01, 300.0, 12)] {
        let converters = Converters { coupling_bits: bits, field_bits: bits, iq_bits: bits, ..CONVERTERS };
        let description = Description {
            iq_noise,
            phase_diffusion_rad2_per_s: diffusion,
            converters,
            solver: Solver::Flow,
            ..ideal(small(), 1)
        };
        let sites = description.graph.len();
        let codes = codes_of(&parameters(&description.graph, 7, 0.4), &converters);
        let fields = |offset: u16| codes.fields.iter().map(|code| DacCode(code ^ offset)).collect::<Vec<_>>();
        let (kick, free) = (fields(1 << (bits - 2)), fields(0));
        let couplings: Vec<DacCode> = codes.couplings.iter().map(|code| DacCode(*code)).collect();

        let mut board = SimulatedBoard::inline(Arc::new(description.clone()));
        let mut want = Vec::new();
        let mut read = |board: &mut SimulatedBoard, shot, segment, read| {
            let mut codes = vec![IqCode::default(); sites];
            board.read(0, ReadKey { shot, segment, read }, &mut codes).unwrap();
            want.push(codes.iter().flat_map(|code| [code.i.0, code.q.0]).collect::<Vec<i16>>());
        };
        let wait = |board: &mut SimulatedBoard, segment, duration_us| {
            board.start(0, segment, duration_us).unwrap();
            board.poll(0).unwrap();
            assert_eq!(board.ready(0), Some(duration_us));
        };
        board.stage_couplings(0, &couplings).unwrap();
        board.latch_fields(0, &free).unwrap();
        for shot in [5, 6] {
            board.begin_shot(0, shot, &[Turn(0x4000), Turn(0xc123)]).unwrap();
            board.latch_fields(0, &kick).unwrap();
            wait(&mut board, 0, 50);
            board.latch_fields(0, &free).unwrap();
            wait(&mut board, 1, 120);
            read(&mut board, shot, 1, 0);
            wait(&mut board, 1, 40);
            read(&mut board, shot, 1, 1);
            read(&mut board, shot, 1, 2);
        }

        let bytes = image(&description, &BoardPlan::default()).unwrap();
        let image = RigImage::parse(&bytes).unwrap();
        let dacs = image.chips().filter(|kind| *kind == ChipKind::Ad5370).count() as u8;
        let mut talk = Talk::ready(&description, dacs);
        let (of_couplings, of_fields): (Vec<_>, Vec<_>) =
            (image.coupling_channels().collect(), image.field_channels().collect());
        let put = |talk: &mut Talk, channels: &[Channel], codes: &[DacCode]| {
            for (at, code) in channels.iter().zip(codes) {
                talk.x(*at, code.0 << (16 - bits));
            }
        };
        let mut have = Vec::new();
        put(&mut talk, &of_couplings, &couplings);
        put(&mut talk, &of_fields, &free);
        talk.latch();
        for shot in [5, 6] {
            talk.say(Request::Mark(shot)).unwrap();
            talk.write(dacs, &[0x10, 0x40, 0x00]);
            talk.write(dacs, &[0x11, 0xc1, 0x23]);
            put(&mut talk, &of_fields, &kick);
            talk.latch();
            talk.now_us += 50;
            put(&mut talk, &of_fields, &free);
            talk.latch();
            talk.now_us += 120;
            let mut codes = talk.read(dacs + 1, sites);
            for wait_us in [40, 0] {
                have.push(std::mem::take(&mut codes));
                talk.now_us += wait_us;
                codes = talk.read(dacs + 1, sites);
            }
            have.push(codes);
        }
        // A 16-bit ADC gives the rig's codes left-aligned.
        let want: Vec<Vec<i16>> =
            want.iter().map(|codes| codes.iter().map(|code| code << (16 - bits)).collect()).collect();
        assert!(have == want, "noise {iq_noise}, diffusion {diffusion}, {bits} bits");
        assert_eq!((talk.rack.counts().shots, talk.rack.counts().wrong()), (2, 0));
        let distinct = have.iter().collect::<std::collections::HashSet<_>>().len();
        assert!(distinct >= if iq_noise > 0.0 { 6 } else { 3 }, "or the shots say nothing: {distinct}");
    }
}

/// The firmware's chips, in memory.
#[derive(Clone)]
struct Wire {
    rack: Rc<RefCell<Rack>>,
    answers: Rc<RefCell<VecDeque<u8>>>,
}

impl Carrier for Wire {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut answers = Vec::new();
        self.rack.borrow_mut().receive(bytes, &mut answers).map_err(|_| Broken)?;
        self.answers.borrow_mut().extend(answers);
        Ok(())
    }

    fn receive(&mut self, bytes: &mut [u8]) -> Result<(), Broken> {
        for place in bytes {
            *place = self.answers.borrow_mut().pop_front().ok_or(Broken)?;
        }
        Ok(())
    }
}

/// The firmware's whole way: Controller, front end, drivers, carrier, rack.
fn emulated(
    description: &Description,
    board: &BoardPlan,
    record: Option<Sink>,
) -> (DrivenDevice<FrontEnd<'static, Remote<Wire>>>, Wire) {
    let bytes: &'static [u8] = image(description, board).unwrap().leak();
    let image = RigImage::parse(bytes).unwrap();
    let mut rack = Rack::new(description.clone(), &image).unwrap();
    if let Some(sink) = record {
        rack = rack.recording(Box::new(sink), false).unwrap();
    }
    let wire = Wire { rack: Rc::new(RefCell::new(rack)), answers: Rc::default() };
    let memory = Memory {
        fields: vec![DacCode::default(); 2 * usize::from(image.sites())].leak(),
        readings: vec![0; 8 * image.chips().len()].leak(),
    };
    let front_end = FrontEnd::new(Remote::new(wire.clone(), image.crc()), image, memory).unwrap();
    (DrivenDevice::over(description.clone(), front_end), wire)
}

#[test]
fn the_firmware_over_the_rack_measures_the_very_shots_of_the_device() {
    let long = plan(&symmetric(0.05, Cost::Log { bound_q14: 1638 }));
    let mut short = Plan { read_out: ReadOut::Iq, reads: 3, ..long };
    (short.settle.min_us, short.settle.window_us, short.settle.timeout_us) = (40, 20, 80);
    short.settle.reads_per_window = 2;
    let clean = ideal(small(), 1);
    let coarse = Converters { coupling_bits: 10, field_bits: 12, input_bits: 6, iq_bits: 12, ..CONVERTERS };
    let cases = [
        ("ideal", clean.clone(), long),
        ("flow", Description { solver: Solver::Flow, ..clean.clone() }, short),
        ("read noise", Description { iq_noise: 0.01, ..clean.clone() }, short),
        ("diffusion", Description { phase_diffusion_rad2_per_s: 300.0, ..clean.clone() }, short),
        ("coarse", Description { converters: coarse, iq_noise: 0.003, ..clean }, {
            let mut plan = short;
            plan.kick.range_steps = 2000;
            plan
        }),
    ];
    for (name, description, plan) in cases {
        let first = codes_of(&parameters(&description.graph, 21, 0.3), &description.converters);
        let second = codes_of(&parameters(&description.graph, 22, 0.3), &description.converters);
        let mut device = DrivenDevice::new(description.clone());
        let want = [&first, &second].map(|codes| {
            device.commit(codes);
            device.plan(&plan);
            device.run(&xor_shots(1..=8))
        });
        for adc in [ChipKind::Ad7606, ChipKind::Ads131m08] {
            let (mut driven, wire) = emulated(&description, &plan_with(adc), None);
            let have = [&first, &second].map(|codes| {
                driven.commit(codes);
                driven.plan(&plan);
                driven.run(&xor_shots(1..=8))
            });
            assert!(have == want, "{name}, {adc:?}");
            assert!(want[0] != want[1] && want[0].len() == 8);
            let counts = wire.rack.borrow().counts();
            assert_eq!((counts.shots, counts.wrong(), counts.hellos), (16, 0, 1), "{name}: {counts}");
            assert_eq!(counts.conversions, driven.pair.device.counts().reads, "{name}");
        }
    }
}

#[test]
fn shots_that_were_cut_short_run_again_over_the_rack() {
    let description = Description { iq_noise: 0.01, ..ideal(small(), 1) };
    let mut plan = plan(&symmetric(0.05, Cost::Cosine));
    (plan.settle.min_us, plan.settle.window_us, plan.settle.timeout_us) = (40, 20, 80);
    let codes = codes_of(&parameters(&description.graph, 21, 0.3), &CONVERTERS);
    let mut device = DrivenDevice::with_codes(description.clone(), &codes);
    device.plan(&plan);
    let want = device.run(&xor_shots(1..=6));

    let (mut driven, wire) = emulated(&description, &BoardPlan::default(), None);
    driven.commit(&codes);
    driven.plan(&plan);
    driven.queue(&xor_shots(1..=6));
    driven.wait(2);
    driven.pair.device.hang_up();
    let at_ground = |wire: &Wire| {
        let rack = wire.rack.borrow();
        (0..40).all(|channel| rack.output(Channel { chip: 0, channel }) == Some(0x8000))
    };
    assert!(at_ground(&wire), "safe: couplings at mid-scale");
    let already = driven.rows().values().map(Vec::len).sum::<usize>() / 4;
    driven.order(Command::Arm(driven.generation));
    assert!(!at_ground(&wire));
    driven.wait(6 - already);
    assert!(driven.rows() == want);
    assert!(wire.rack.borrow().counts().shots >= 6);
}

/// A record that a test can read.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    /// Lines behind the header, as cells.
    fn lines(&self) -> Vec<Vec<String>> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        assert!(text.ends_with('\n'), "whole lines");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("stamp_us,event,chip,channel,code,register"));
        lines.map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }
}

#[test]
fn the_record_shows_that_nothing_but_safe_codes_was_written_before_the_first_commit() {
    let description = ideal(small(), 1);
    let record = Sink::default();
    let (mut driven, _) = emulated(&description, &BoardPlan::default(), Some(record.clone()));
    let of = |lines: &[Vec<String>], event: &str| lines.iter().filter(|line| line[1] == event).count();
    let image = image(&description, &BoardPlan::default()).unwrap();
    let inputs = RigImage::parse(&image).unwrap().input_channels().next().unwrap().chip.to_string();
    // Codes that are not safe in input registers when LDAC falls: couplings and fields at mid-scale, inputs at zero.
    let unsafe_latched = |lines: &[Vec<String>]| {
        let (mut waiting, mut latched) = (BTreeMap::new(), 0);
        for line in lines {
            match (&*line[1], &*line[5]) {
                ("write", "input" | "dac") => {
                    let safe = if line[2] == inputs { "0000" } else { "8000" };
                    waiting.insert((line[2].clone(), line[3].clone()), line[4] != safe);
                }
                ("latch", _) if line[4] == "0000" => {
                    latched += waiting.values().filter(|is_unsafe| **is_unsafe).count();
                }

                _ => {}
            }
        }
        latched
    };
    let before = record.lines();
    assert_eq!((of(&before, "power"), of(&before, "hello")), (1, 1));
    let outputs = description.graph.couplings().len() + 2 * description.graph.len() + 2;
    assert!(of(&before, "write") > outputs, "every output was written");
    assert_eq!(unsafe_latched(&before), 0);
    // Registers are set up while clear is low, and it is let go only then.
    let position = |lines: &[Vec<String>], event: &str, code: &str| {
        lines.iter().position(|line| line[1] == event && line[4] == code).expect("such a line")
    };
    let last_setting = before.iter().rposition(|line| line[1] == "write" && line[5].starts_with("ofs")).unwrap();
    assert!(last_setting < position(&before, "clear", "0001"));

    driven.commit(&codes_of(&parameters(&description.graph, 3, 0.3), &CONVERTERS));
    driven.plan(&plan(&[]));
    driven.run(&xor_shots(1..=1));
    let all = record.lines();
    assert!(unsafe_latched(&all) > outputs / 2);
    assert_eq!((of(&all, "mark"), of(&all, "error")), (1, 0));
    let mark = all.iter().find(|line| line[1] == "mark").unwrap();
    assert_eq!(mark[4], "0001");
    let conversions = all.iter().filter(|line| line[1] == "convert" && line[4] == "0001").count();
    assert_eq!(conversions as u64, driven.pair.device.counts().reads);

    let known = all.len();
    driven.pair.device.hang_up();
    let after = &record.lines()[known..];
    assert_eq!(after[0][1..5], ["clear", "", "", "0000"].map(str::to_owned), "at ground first");
    assert_eq!(unsafe_latched(after), 0);
}

#[test]
fn a_state_that_is_no_number_leaves_the_adcs_busy_until_the_board_starts_anew() {
    let description = Description { phase_diffusion_rad2_per_s: f64::MAX, ..tiny() };
    let mut talk = Talk::ready(&description, 1);
    talk.say(Request::Mark(1)).unwrap();
    talk.latch();
    talk.now_us = 50;
    assert_eq!(talk.say(Request::Sense(Line::Busy)).unwrap(), [0]);
    talk.line(Line::Convert, true);
    for _ in 0..3 {
        assert_eq!(talk.say(Request::Sense(Line::Busy)).unwrap(), [1]);
        talk.now_us += 10;
        talk.line(Line::Convert, false);
    }
    talk.say(Request::Hello).unwrap();
    assert_eq!(talk.say(Request::Sense(Line::Busy)).unwrap(), [0]);
}

#[test]
fn frames_that_chips_drop_are_counted_and_recorded() {
    let description = tiny();
    let bytes = image(&description, &plan_with(ChipKind::Ads131m08)).unwrap();
    let record = Sink::default();
    let rack = Rack::new(description, &RigImage::parse(&bytes).unwrap()).unwrap();
    let rack = rack.recording(Box::new(record.clone()), false).unwrap();
    let mut talk = Talk { rack, answers: Vec::new(), now_us: 7 };
    talk.say(Request::Hello).unwrap();
    talk.write(0, &[0xc8, 0x80]);
    talk.write(0, &[0x04, 0, 0]);
    talk.write(0, &[0xc7, 0, 0]);
    talk.write(9, &[0, 0, 0]);
    assert_eq!(talk.say(Request::Transfer { chip: 9, mosi: &[1, 2, 3] }).unwrap(), [0; 3], "as many as were asked for");
    talk.write(2, &[0x61, 0x00, 0, 0x11, 0x10, 0]);
    talk.write(2, &[0x00, 0x22, 0, 0x12, 0x34, 0]);
    let counts = talk.rack.counts();
    assert_eq!((counts.wrong_bits, counts.wrong_command, counts.wrong_channel, counts.wrong_crc), (1, 1, 3, 1));
    assert_eq!((counts.frames, counts.wrong()), (7, 6));
    assert!(counts.to_string().ends_with("7 frames; 6 wrong (bits 1, command 1, channel 3, CRC 1)"), "{counts}");
    let errors: Vec<_> = record.lines().into_iter().filter(|line| line[1] == "error").collect();
    assert_eq!((errors.len(), &*errors[0][2], &*errors[0][5]), (6, "0", "16 bits in one frame"));
}

#[test]
fn a_stream_begins_with_its_hello_and_begins_anew_with_the_next() {
    let description = tiny();
    let mut hello = [0; REQUEST_MAX];
    let length = Request::Hello.encode(&mut hello);
    let hello = &hello[..length];
    // Cut off anywhere in a long message, the next board's Hello is heard; in pieces of any size.
    let mut long = [0; REQUEST_MAX];
    let whole = Request::Transfer { chip: 0, mosi: &[0; 30] }.encode(&mut long);
    for cut in 0..=whole {
        for piece in [1, 7, 100] {
            let bytes = image(&description, &BoardPlan::default()).unwrap();
            let mut rack = Rack::new(description.clone(), &RigImage::parse(&bytes).unwrap()).unwrap();
            rack.connected();
            let stream = [&[3, 0, 30, 1, 2], hello, &long[..cut], hello].concat();
            let mut answers = Vec::new();
            for bytes in stream.chunks(piece) {
                let _ = rack.receive(bytes, &mut answers);
            }
            assert_eq!(rack.counts().hellos, 2, "cut {cut}, pieces of {piece}");
            assert_eq!(answers, ACKNOWLEDGEMENT, "cut {cut}, pieces of {piece}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut talk = Talk::new(&tiny());
    let refused = talk.rack.receive(&[9, 9, 9], &mut Vec::new());
    assert!(matches!(refused, Err(RackError::Malformed { at: 19 })), "{refused:?}");
    assert!(talk.say(Request::Sense(Line::Busy)).unwrap().is_empty(), "nobody answers before the next Hello");
    assert_eq!(talk.say(Request::Hello).unwrap(), ACKNOWLEDGEMENT);
    talk.now_us = 100;
    talk.line(Line::Clear, true);
    for stamp_us in [99, 100 + 10_000_001, u64::MAX] {
        let refused = talk.say(Request::Line { line: Line::Clear, high: false, stamp_us });
        assert!(matches!(refused, Err(RackError::Stamp { from_us: 100, .. })), "{stamp_us}: {refused:?}");
        talk.say(Request::Hello).unwrap();
        talk.line(Line::Clear, true);
    }
    // The board's clock need not begin at zero.
    talk.say(Request::Hello).unwrap();
    talk.now_us = u64::MAX - 5;
    talk.line(Line::Clear, true);
}

#[test]
fn no_bytes_make_a_rack_panic() {
    let description = tiny();
    let bytes = image(&description, &plan_with(ChipKind::Ads131m08)).unwrap();
    let mut rack = Rack::new(description, &RigImage::parse(&bytes).unwrap()).unwrap();
    let mut stamp_us = 0;
    for round in 0..4000 {
        let words = philox([1, 2], [round, 0, 0, 0]);
        let random: Vec<u8> = words.iter().chain(&philox([5, 6], words)).flat_map(|word| word.to_le_bytes()).collect();
        let mut message = [0; REQUEST_MAX];
        stamp_us += u64::from(random[31] % 3);
        let lines = [Line::Ldac, Line::Clear, Line::Convert, Line::Busy, Line::Reset];
        let line = lines[usize::from(random[30]) % 5];
        let request = match random[29] % 8 {
            0 | 1 => Request::Write { chip: random[28] % 4, mosi: &random[..3] },
            2 => Request::Transfer { chip: random[28], mosi: &random[..usize::from(random[27] % 27)] },
            3 | 4 => Request::Line { line, high: random[26] & 1 == 1, stamp_us },
            5 => Request::Sense(line),
            6 => Request::Mark(u64::from(words[0])),
            _ => Request::Hello,
        };
        let mut length = request.encode(&mut message);
        if random[25] < 8 {
            let at = usize::from(random[24]) % length;
            message[at] ^= random[23];
            length -= usize::from(random[22] & 1);
        }
        let mut answers = Vec::new();
        if rack.receive(&message[..length], &mut answers).is_err() {
            stamp_us = 0;
        }
        assert!(answers.len() < 4096);
    }
    assert!(rack.counts().frames > 500 && rack.counts().conversions > 20, "{}", rack.counts());
}
