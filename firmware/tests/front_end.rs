//! The front end against chips that only remember what they were told: which channel gets which code, in which order
//! things happen, what a chip that fails leaves behind. (What chips make of it is tested with the simulated ones.)
#![allow(clippy::unwrap_used)]

use std::{cell::RefCell, rc::Rc};

use embedded_hal::{
    delay::DelayNs,
    spi::{ErrorKind, ErrorType, Operation, SpiDevice},
};
use xyloop_firmware::{
    Board, BoardError, ReadKey, SafeTable,
    front_end::{CHANNELS_PER_ADC, FrontEnd, Hardware, Memory},
    rig_image::{BUSY_MAX_US, Channel, ChipKind, ImageError, Parts, RigImage},
};
use xyloop_protocol::{
    units::{AdcCode, DacCode, IqCode, ShotId, Turn},
    wiring::Converters,
};

const SITES: usize = 3;
const COUPLINGS: [(u16, u16); 2] = [(0, 1), (1, 2)];
const KINDS: [ChipKind; 4] = [ChipKind::Ad5370, ChipKind::Ad7606, ChipKind::Ad5676r, ChipKind::Ad7606];
const CONVERTERS: Converters = Converters {
    coupling_bits: 12,
    coupling_range_micro: 1_000_000,
    field_bits: 16,
    field_range_micro: 1_000_000,
    input_bits: 8,
    iq_bits: 12,
};

#[derive(Clone, Debug, PartialEq)]
enum Act {
    Written(u8, Vec<u8>),
    Read(u8),
    Latched,
    Clear(bool),
    Converted,
    Marked(ShotId),
}

#[derive(Default)]
struct Record {
    acts: Vec<Act>,
    /// A chip that does not answer.
    dead: Option<u8>,
    /// A chip that has lost its supply for a moment: what it says of its settings.
    forgetful: bool,
    /// What the DACs hold: chip, register, code.
    registers: Vec<(u8, u16, u16)>,
    /// What the next word brings after a read.
    answer: u16,
    wait_us: Option<u32>,
}

impl Record {
    /// A word to one of the DACs: a code is kept, a read is answered by the word after it.
    fn hear(&mut self, chip: u8, word: &[u8]) {
        let &[head, high, low] = word else { return };
        let data = u16::from_be_bytes([high, low]);
        let held = |record: &Self, register: u16| {
            let mut codes = record.registers.iter().rev();
            codes.find(|(at, name, _)| (*at, *name) == (chip, register)).map_or(0, |(_, _, code)| *code)
        };
        match KINDS[usize::from(chip)] {
            // X1A of a channel has the channel's address in the read word; OFS0 and OFS1 are special registers.
            ChipKind::Ad5370 if head == 5 && data >> 13 == 4 => {
                self.answer = if self.forgetful { 0x1555 } else { 0x2000 }
            }
            ChipKind::Ad5370 if head == 5 => self.answer = held(self, data >> 7 & 0x3f),
            ChipKind::Ad5370 => self.registers.push((chip, u16::from(head & 0x3f), data)),
            ChipKind::Ad5676r if head >> 4 == 9 => self.answer = held(self, u16::from(head & 7)),
            ChipKind::Ad5676r => self.registers.push((chip, u16::from(head & 7), data)),
            _ => panic!("an ADC has nothing to hear"),
        }
    }
}

/// Chips that only remember what they were told.
struct RecordingHardware(Rc<RefCell<Record>>);

struct Chip(Rc<RefCell<Record>>, u8);

#[derive(Debug)]
struct Dead;

impl embedded_hal::spi::Error for Dead {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for Chip {
    type Error = Dead;
}

impl SpiDevice for Chip {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Dead> {
        let mut record = self.0.borrow_mut();
        if record.dead == Some(self.1) {
            return Err(Dead);
        }
        for operation in operations {
            match operation {
                Operation::Write(bytes) => {
                    record.hear(self.1, bytes);
                    record.acts.push(Act::Written(self.1, bytes.to_vec()));
                }
                Operation::Read(bytes) => {
                    for (channel, pair) in bytes.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                        *pair = code(self.1, channel as u8).to_be_bytes();
                    }
                    record.acts.push(Act::Read(self.1));
                }
                Operation::TransferInPlace(bytes) if bytes.len() == 3 => {
                    bytes[1..].copy_from_slice(&record.answer.to_be_bytes());
                }
                _ => panic!("an operation this test does not know"),
            }
        }
        Ok(())
    }
}

/// What an ADC gives.
fn code(chip: u8, channel: u8) -> i16 {
    let code = 1000 * i16::from(chip) + 16 * i16::from(channel);
    if channel % 2 == 1 { -code } else { code }
}

#[derive(Clone, Copy)]
struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}

impl RecordingHardware {
    fn note(&self, act: Act) {
        self.0.borrow_mut().acts.push(act);
    }
}

impl Hardware for RecordingHardware {
    type Spi<'a> = Chip;
    type Delay = NoDelay;

    fn chip(&mut self, address: u8) -> Chip {
        Chip(Rc::clone(&self.0), address)
    }

    fn delay(&mut self) -> NoDelay {
        NoDelay
    }

    fn latch(&mut self) -> Result<(), BoardError> {
        self.note(Act::Latched);
        Ok(())
    }

    fn clear(&mut self, low: bool) {
        self.note(Act::Clear(low));
    }

    fn reset(&mut self) -> Result<(), BoardError> {
        Ok(())
    }

    fn convert(&mut self) -> Result<(), BoardError> {
        self.note(Act::Converted);
        Ok(())
    }

    fn mark(&mut self, shot: ShotId) {
        self.note(Act::Marked(shot));
    }

    fn start(&mut self, duration_us: u32) {
        self.0.borrow_mut().wait_us = Some(duration_us);
    }

    fn elapsed_us(&mut self) -> Option<u32> {
        self.0.borrow_mut().wait_us.take()
    }

    fn stop(&mut self) {
        self.0.borrow_mut().wait_us = None;
    }
}

/// A rig whose wires are crossed: couplings and fields from channel 39 down, reads scattered over two chips.
fn image(spi_hz: u32) -> Vec<u8> {
    let at = |chip, channel| Channel { chip, channel };
    let outputs = (0..8).map(|index| at(0, 39 - index));
    let reads = [at(3, 7), at(1, 0), at(1, 3), at(3, 0), at(1, 6), at(3, 2)];
    let channels: Vec<Channel> = outputs.chain([at(2, 5)]).chain(reads).collect();
    let parts = Parts {
        sites: SITES as u16,
        couplings: &COUPLINGS,
        inputs: &[0],
        outputs: &[2],
        converters: CONVERTERS,
        deadman_ms: 250,
        serial: "bench",
        spi_hz,
        gap_ns: 500,
        chips: &KINDS,
        channels: &channels,
        safe: &[2048, 2049, 1, 2, 3, 4, 5, 6, 7],
    };
    let mut bytes = vec![0; parts.len()];
    parts.write(&mut bytes).unwrap();
    bytes
}

struct Memories {
    fields: [DacCode; 2 * SITES],
    readings: [i16; CHANNELS_PER_ADC * KINDS.len()],
}

impl Memories {
    fn new() -> Self {
        Self { fields: [DacCode(0); 2 * SITES], readings: [0; CHANNELS_PER_ADC * KINDS.len()] }
    }

    fn board<'a>(&'a mut self, image: &'a [u8]) -> (FrontEnd<'a, RecordingHardware>, Rc<RefCell<Record>>) {
        let record = Rc::<RefCell<Record>>::default();
        let memory = Memory { fields: &mut self.fields, readings: &mut self.readings };
        let image = RigImage::parse(image).unwrap();
        (FrontEnd::new(RecordingHardware(Rc::clone(&record)), image, memory).unwrap(), record)
    }
}

const COUPLING_CODES: [DacCode; 2] = [DacCode(0), DacCode(4095)];
const FIELD_CODES: [DacCode; 6] = [DacCode(10), DacCode(11), DacCode(12), DacCode(13), DacCode(14), DacCode(65535)];

fn safe_table() -> SafeTable<'static> {
    SafeTable {
        couplings: &[DacCode(2048), DacCode(2049)],
        fields: &[DacCode(1), DacCode(2), DacCode(3), DacCode(4), DacCode(5), DacCode(6)],
        inputs: &[Turn(7)],
    }
}

fn taken(record: &RefCell<Record>) -> Vec<Act> {
    std::mem::take(&mut record.borrow_mut().acts)
}

/// A 24-bit word that writes X of a channel of the AD5370 at address 0.
fn x_register(channel: u8, code: u16) -> Act {
    let [high, low] = code.to_be_bytes();
    Act::Written(0, vec![0b1100_1000 + channel, high, low])
}

/// Words that write a code, of either kind of DAC.
fn writes(acts: &[Act]) -> usize {
    let is_code = |act: &&Act| match act {
        Act::Written(0, word) => word[0] >> 6 == 0b11,
        Act::Written(2, word) => word[0] >> 4 == 1,
        _ => false,
    };
    acts.iter().filter(is_code).count()
}

#[test]
fn codes_reach_the_channels_the_image_names_left_aligned_and_wait_for_the_latch() {
    let (image, mut memories) = (image(20_000_000), Memories::new());
    let (mut board, record) = memories.board(&image);
    board.make_safe(&safe_table());
    taken(&record);
    board.stage_couplings(1, &COUPLING_CODES[1..]).unwrap();
    board.stage_couplings(0, &COUPLING_CODES[..1]).unwrap();
    assert_eq!(taken(&record), [x_register(38, 4095 << 4), x_register(39, 0)]);
    board.latch_fields(0, &FIELD_CODES).unwrap();
    let fields = FIELD_CODES.iter().enumerate().map(|(index, code)| x_register(37 - index as u8, code.0));
    assert_eq!(taken(&record), fields.chain([Act::Latched]).collect::<Vec<_>>());
}

#[test]
fn only_fields_that_changed_are_written_until_the_next_generation() {
    let (image, mut memories) = (image(20_000_000), Memories::new());
    let (mut board, record) = memories.board(&image);
    board.make_safe(&safe_table());
    board.latch_fields(0, &FIELD_CODES).unwrap();
    taken(&record);
    let mut nudged = FIELD_CODES;
    nudged[4] = DacCode(99);
    board.latch_fields(0, &nudged).unwrap();
    assert_eq!(taken(&record), [x_register(33, 99), Act::Latched]);
    board.stage_couplings(0, &COUPLING_CODES).unwrap();
    board.latch_fields(0, &nudged).unwrap();
    assert_eq!(writes(&taken(&record)), COUPLING_CODES.len() + FIELD_CODES.len());
}

#[test]
fn outputs_are_at_ground_before_safe_codes_are_written_and_until_they_are_latched() {
    let (image, mut memories) = (image(20_000_000), Memories::new());
    let (mut board, record) = memories.board(&image);
    board.make_safe(&safe_table());
    let acts = taken(&record);
    assert_eq!(acts[0], Act::Clear(true));
    assert_eq!(acts[acts.len() - 2..], [Act::Clear(false), Act::Latched]);
    // Seen in the registers before: both kinds of DAC were read.
    let first_read = acts.iter().position(|act| matches!(act, Act::Written(0, word) if word[0] == 5)).unwrap();
    assert_eq!(writes(&acts[..first_read]), 9);
    assert!(acts[first_read..].contains(&Act::Written(2, vec![0x95, 0, 0])), "{acts:?}");
    assert_eq!(writes(&acts), 9);
    assert_eq!(acts[1..3], [x_register(39, 2048 << 4), x_register(38, 2049 << 4)]);
    // An 8-bit phase converter has no bits for a turn of 7.
    assert_eq!(acts[9], Act::Written(2, vec![0x15, 0, 0]));
}

#[test]
fn if_safe_codes_do_not_get_through_outputs_stay_at_ground_and_no_latch_is_tried() {
    let (image, mut memories) = (image(20_000_000), Memories::new());
    let (mut board, record) = memories.board(&image);
    board.make_safe(&safe_table());
    record.borrow_mut().dead = Some(2);
    taken(&record);
    board.make_safe(&safe_table());
    record.borrow_mut().dead = None;
    assert_eq!(board.latch_fields(0, &FIELD_CODES), Err(BoardError::Converter));
    let acts = taken(&record);
    assert_eq!(acts[0], Act::Clear(true));
    assert!(!acts.contains(&Act::Clear(false)), "{acts:?}");
    // Once all of it gets through again, so do latches.
    board.make_safe(&safe_table());
    assert_eq!(board.latch_fields(0, &FIELD_CODES), Ok(()));
}

#[test]
fn outputs_stay_at_ground_while_chips_could_not_be_set_up_even_if_they_take_codes_again() {
    let (image, mut memories) = (image(20_000_000), Memories::new());
    let (mut board, record) = memories.board(&image);
    record.borrow_mut().dead = Some(2);
    assert_eq!(board.recover(&safe_table()), Err(BoardError::Converter));
    record.borrow_mut().dead = None;
    board.make_safe(&safe_table());
    assert_eq!(board.latch_fields(0, &FIELD_CODES), Err(BoardError::Converter));
    let acts = taken(&record);
    assert_eq!(acts[0], Act::Clear(true));
    assert!(!acts.contains(&Act::Clear(false)), "{acts:?}");
}

#[test]
fn a_write_that_fails_half_way_is_made_up_for_by_the_next() {
    let (image, mut memories) = (image(20_000_000), Memories::new());
    let (mut board, record) = memories.board(&image);
    board.make_safe(&safe_table());
    record.borrow_mut().dead = Some(0);
    assert_eq!(board.latch_fields(0, &FIELD_CODES), Err(BoardError::Converter));
    record.borrow_mut().dead = None;
    taken(&record);
    board.latch_fields(0, &FIELD_CODES).unwrap();
    assert_eq!(writes(&taken(&record)), FIELD_CODES.len());
}

#[test]
fn every_site_is_read_from_its_own_channels_after_one_conversion() {
    let (image, mut memories) = (image(20_000_000), Memories::new());
    let (mut board, record) = memories.board(&image);
    let mut codes = [IqCode::default(); SITES];
    board.read(0, ReadKey { shot: 1, segment: 1, read: 0 }, &mut codes).unwrap();
    assert_eq!(taken(&record), [Act::Converted, Act::Read(1), Act::Read(3)]);
    // 12 bits of 16, to nearest.
    let of = |chip, channel| AdcCode((f64::from(code(chip, channel)) / 16.0 + 0.01).round() as i16);
    let want = [(of(3, 7), of(1, 0)), (of(1, 3), of(3, 0)), (of(1, 6), of(3, 2))];
    assert_eq!(codes.map(|code| (code.i, code.q)), want);
    record.borrow_mut().dead = Some(3);
    let read = board.read(0, ReadKey { shot: 1, segment: 1, read: 1 }, &mut codes);
    assert_eq!(read, Err(BoardError::Converter));
}

#[test]
fn inputs_wait_for_the_first_latch_of_their_shot() {
    let (image, mut memories) = (image(20_000_000), Memories::new());
    let (mut board, record) = memories.board(&image);
    board.make_safe(&safe_table());
    taken(&record);
    board.begin_shot(0, 77, &[Turn(0x40ff)]).unwrap();
    // Before it a DAC is asked for its settings.
    assert_eq!(taken(&record)[1..], [Act::Marked(77), Act::Written(2, vec![0x15, 0x40, 0])]);
}

#[test]
fn fields_that_were_prepared_need_nothing_but_the_latch() {
    let (image, mut memories) = (image(20_000_000), Memories::new());
    let (mut board, record) = memories.board(&image);
    board.make_safe(&safe_table());
    taken(&record);
    board.prepare_fields(0, &FIELD_CODES).unwrap();
    let acts = taken(&record);
    assert_eq!((writes(&acts), acts.len()), (6, 6), "no output changes: {acts:?}");
    board.latch_fields(0, &FIELD_CODES).unwrap();
    assert_eq!(taken(&record), [Act::Latched]);
}

#[test]
fn a_dac_that_lost_its_settings_is_found_at_the_next_shot_and_not_let_go_on() {
    let (image, mut memories) = (image(20_000_000), Memories::new());
    let (mut board, record) = memories.board(&image);
    board.make_safe(&safe_table());
    board.latch_fields(0, &FIELD_CODES).unwrap();
    record.borrow_mut().forgetful = true;
    let found = (1..=KINDS.len() as u64 + 1).any(|shot| board.begin_shot(0, shot, &[Turn(0)]).is_err());
    assert!(found);
    taken(&record);
    board.make_safe(&safe_table());
    assert!(!taken(&record).contains(&Act::Clear(false)), "its codes mean something else now");
}

#[test]
fn a_slow_bus_gets_less_to_do_between_two_looks_at_the_link() {
    let (fast, slow, mut memories) = (image(20_000_000), image(100_000), Memories::new());
    assert!(memories.board(&fast).0.pace().reads >= 64);
    let slow = RigImage::parse(&slow).unwrap();
    // 24 bits at 100 kHz and the gap; 9 outputs, 6 of them fields; two ADCs of 128 bits.
    assert_eq!(slow.times().fields_us, 1_443);
    assert_eq!(slow.times().generation_us, 2_165);
    assert_eq!(slow.times().read_us, 2_566, "two readings of 128 bits, and a conversion");
    let bytes = image(100_000);
    assert_eq!(memories.board(&bytes).0.pace().reads, 1);
}

#[test]
fn a_bus_that_would_keep_the_board_from_looking_is_refused() {
    let bytes = image(4_000);
    assert!(matches!(RigImage::parse(&bytes), Err(ImageError::Slow(us)) if us > BUSY_MAX_US));
    assert!(RigImage::parse(&image(10_000)).is_ok());
}

#[test]
fn every_damaged_byte_of_an_image_is_noticed() {
    let good = image(20_000_000);
    assert!(RigImage::parse(&good).is_ok());
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        assert!(RigImage::parse(&bytes).is_err(), "byte {at}");
        assert!(RigImage::parse(&good[..at]).is_err(), "cut at {at}");
    }
}
