//! ADS131M08.

use embedded_hal::spi::ErrorKind;
use embedded_hal_mock::eh1::delay::{CheckedDelay, NoopDelay, Transaction};
use xyloop_firmware::converters::{Ads131m08, ConverterError, Oversampling};

use crate::{Step, bus, fails_everywhere};

/// CRC-16/CCITT-FALSE, bit by bit.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc >> 15 == 1 { crc << 1 ^ 0x1021 } else { crc << 1 })
    })
}

/// 24-bit words as they go over the line.
fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()[1..].to_vec()).collect()
}

/// A frame to the chip: words, their CRC, zeros.
fn out(words: &[u32]) -> Vec<u8> {
    let mut frame = bytes(words);
    frame.extend(crc(&frame).to_be_bytes());
    frame.resize(30, 0);
    frame
}

/// A frame from the chip: nine words and their CRC.
fn back(answer: u16, codes: [u32; 8]) -> Vec<u8> {
    let mut frame = bytes(&[u32::from(answer) << 8]);
    frame.extend(bytes(&codes));
    frame.extend(crc(&frame).to_be_bytes());
    frame.push(0);
    frame
}

const CODES: [u32; 8] = [0x00_0000, 0x00_0001, 0xFF_FFFF, 0x7F_FFFF, 0x80_0000, 0x12_3456, 0xED_CBAA, 0x00_00FF];
const VALUES: [i32; 8] = [0, 1, -1, 8_388_607, -8_388_608, 0x12_3456, -0x12_3456, 255];

/// A frame with [`CODES`], spelled out.
const GOOD: [u8; 30] = [
    0x01, 0xFF, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0x80, 0x00, 0x00, 0x12,
    0x34, 0x56, 0xED, 0xCB, 0xAA, 0x00, 0x00, 0xFF, 0xB2, 0x24, 0x00,
];

/// A frame that says nothing to the chip, spelled out.
const NULL: [u8; 30] =
    [0x00, 0x00, 0x00, 0xCC, 0x9C, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// One read that gets this frame: the result, and the codes after it, which were all 7.
fn read(frame: &[u8]) -> (Result<(), ConverterError<ErrorKind>>, [i32; 8]) {
    let mut bus = bus(&[Step::Swap(NULL.to_vec(), frame.to_vec())]);
    let mut codes = [7; 8];
    let result = Ads131m08::new(&mut bus).read(&mut codes);
    bus.done();
    (result, codes)
}

/// The frames of an initialisation, with the oversampling bits of the clock register and the answers to all but the first.
fn initialisation(clock: u16, answers: [u16; 6]) -> Vec<Step> {
    let sent = [
        out(&[0x00_1100]),
        out(&[0xA0_0000]),
        out(&[0x61_0100, 0x11_1000, u32::from(clock) << 8]),
        out(&[0xA1_0000]),
        out(&[0xA1_8000]),
        NULL.to_vec(),
        NULL.to_vec(),
    ];
    // To the first the chip may say anything, with a wrong CRC too.
    let first = vec![0x99; 30];
    let answered = answers.map(|answer| back(answer, CODES));
    sent.into_iter().zip([first].into_iter().chain(answered)).map(|(sent, back)| Step::Swap(sent, back)).collect()
}

const ANSWERS: [u16; 6] = [0xFF28, 0x2801, 0x4101, 0x1110, 0xFF0E, 0x0100];

#[test]
fn initialisation_resets_identifies_sets_and_reads_back() {
    let mut bus = bus(&initialisation(0xFF0E, ANSWERS));
    let mut delay = CheckedDelay::new(&[Transaction::delay_us(10)]);
    assert_eq!(Ads131m08::new(&mut bus).initialise(Oversampling::default(), &mut delay), Ok(()));
    bus.done();
    delay.done();
}

#[test]
fn the_frames_of_the_initialisation_are_these() {
    let heads: Vec<Vec<u8>> = initialisation(0xFF0E, ANSWERS)
        .into_iter()
        .map(|step| if let Step::Swap(out, _) = step { out } else { panic!("{step:?}") })
        .collect();
    assert_eq!(heads[0][..6], [0x00, 0x11, 0x00, 0xFC, 0xDE, 0x00]);
    assert_eq!(heads[1][..6], [0xA0, 0x00, 0x00, 0x71, 0x00, 0x00]);
    assert_eq!(heads[2][..12], [0x61, 0x01, 0x00, 0x11, 0x10, 0x00, 0xFF, 0x0E, 0x00, 0xFB, 0xB5, 0x00]);
    assert!(heads.iter().all(|frame| frame.len() == 30 && frame[12..].iter().all(|byte| *byte == 0)));
}

#[test]
fn oversampling_is_three_bits_of_the_clock_register() {
    use Oversampling::{X128, X256, X512, X1024, X2048, X4096, X8192, X16384};
    let all = [X128, X256, X512, X1024, X2048, X4096, X8192, X16384];
    for (oversampling, clock) in all.into_iter().zip([0xFF02, 0xFF06, 0xFF0A, 0xFF0E, 0xFF12, 0xFF16, 0xFF1A, 0xFF1E]) {
        let mut answers = ANSWERS;
        answers[4] = clock;
        let mut bus = bus(&initialisation(clock, answers));
        assert_eq!(Ads131m08::new(&mut bus).initialise(oversampling, &mut NoopDelay::new()), Ok(()));
        bus.done();
    }
}

#[test]
fn a_wrong_answer_ends_the_initialisation_there() {
    let cases = [
        // Not reset: the command comes back as it went.
        (0, 0x0011, ConverterError::ReadBack { expected: 0xFF28, received: 0x0011 }),
        // Its sister with four channels.
        (1, 0x2401, ConverterError::ReadBack { expected: 0x0800, received: 0x0400 }),
        // The write was not taken: the chip gives its status instead.
        (2, 0x0500, ConverterError::ReadBack { expected: 0x4101, received: 0x0500 }),
        (3, 0x0510, ConverterError::ReadBack { expected: 0x1110, received: 0x0510 }),
        (4, 0xFF0A, ConverterError::ReadBack { expected: 0xFF0E, received: 0xFF0A }),
        // Reset again meanwhile; a frame with a bad CRC; locked.
        (5, 0x0500, ConverterError::Status(0x0500)),
        (5, 0x1100, ConverterError::Status(0x1100)),
        (5, 0x8100, ConverterError::Status(0x8100)),
    ];
    for (at, answer, error) in cases {
        let mut answers = ANSWERS;
        answers[at] = answer;
        let mut bus = bus(&initialisation(0xFF0E, answers)[..at + 2]);
        let result = Ads131m08::new(&mut bus).initialise(Oversampling::X1024, &mut NoopDelay::new());
        assert_eq!(result, Err(error), "answer {at}");
        bus.done();
    }
}

#[test]
fn a_revision_is_no_reason_to_refuse() {
    let mut answers = ANSWERS;
    answers[1] = 0x28FF;
    let mut bus = bus(&initialisation(0xFF0E, answers));
    assert_eq!(Ads131m08::new(&mut bus).initialise(Oversampling::X1024, &mut NoopDelay::new()), Ok(()));
    bus.done();
}

#[test]
fn an_absent_chip_is_no_chip() {
    for line in [0x00, 0xFF] {
        let expected = crc(&[line; 27]);
        let received = u16::from_be_bytes([line; 2]);
        let error = Err(ConverterError::Crc { expected, received });
        assert_eq!(read(&[line; 30]), (error, [7; 8]));
        let mut bus =
            bus(&[Step::Swap(out(&[0x00_1100]), vec![line; 30]), Step::Swap(out(&[0xA0_0000]), vec![line; 30])]);
        assert_eq!(Ads131m08::new(&mut bus).initialise(Oversampling::X1024, &mut NoopDelay::new()), error);
        bus.done();
    }
}

#[test]
fn a_good_frame_gives_eight_codes_with_their_signs() {
    assert_eq!(crc(b"123456789"), 0x29B1);
    assert_eq!(back(0x01FF, CODES), GOOD);
    assert_eq!(read(&GOOD), (Ok(()), VALUES));
}

#[test]
fn every_single_bit_error_is_detected() {
    for bit in 0..29 * 8 {
        let mut frame = GOOD;
        frame[bit / 8] ^= 0x80 >> (bit % 8);
        let (result, codes) = read(&frame);
        let error =
            ConverterError::Crc { expected: crc(&frame[..27]), received: u16::from_be_bytes([frame[27], frame[28]]) };
        assert_eq!((result, codes), (Err(error), [7; 8]), "bit {bit}");
    }
    // The padding of the CRC's own word is nobody's data.
    let mut frame = GOOD;
    frame[29] = 0xFF;
    assert_eq!(read(&frame), (Ok(()), VALUES));
}

#[test]
fn a_status_that_makes_codes_worthless_is_reported() {
    // Reset, bad frame to the chip, ANSI CRC, register map changed, locked, words of 16 and 32 bits; and reset before any code.
    for status in [0x05FF, 0x11FF, 0x09FF, 0x21FF, 0x81FF, 0x00FF, 0x02FF, 0x03FF, 0x0500] {
        assert_eq!(read(&back(status, CODES)), (Err(ConverterError::Status(status)), [7; 8]));
    }
}

#[test]
fn a_pulse_on_sync_is_no_fault() {
    assert_eq!(read(&back(0x41FF, CODES)), (Ok(()), VALUES));
}

#[test]
fn a_channel_without_a_new_code_makes_the_frame_busy() {
    for channel in 0..8 {
        assert_eq!(read(&back(0x01FF ^ 1 << channel, CODES)), (Err(ConverterError::Busy), [7; 8]));
    }
    assert_eq!(read(&back(0x0100, [0; 8])), (Err(ConverterError::Busy), [7; 8]));
}

#[test]
fn bus_errors_come_through() {
    let fault = ConverterError::Spi(ErrorKind::ModeFault);
    fails_everywhere(&initialisation(0xFF0E, ANSWERS), &Err(fault), |spi| {
        Ads131m08::new(spi).initialise(Oversampling::X1024, &mut NoopDelay::new())
    });
    fails_everywhere(&[Step::Swap(NULL.to_vec(), GOOD.to_vec())], &(Err(fault), [7; 8]), |spi| {
        let mut codes = [7; 8];
        (Ads131m08::new(spi).read(&mut codes), codes)
    });
}
