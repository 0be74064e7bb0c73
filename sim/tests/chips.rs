//! Simulated chips against frames written by hand from the data sheets.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use xyloop_firmware::keyed::philox;
use xyloop_sim::chips::{Chip, ChipKind, FrameError, Written};

/// A chip on a board that has come up: clear is not held any more, outputs follow LDAC.
fn chip(kind: ChipKind) -> Chip {
    let mut chip = Chip::new(kind, true);
    chip.clear(true);
    chip
}

fn send(chip: &mut Chip, mosi: &[u8]) -> Result<Option<Written>, FrameError> {
    chip.transfer(mosi, &mut vec![0; mosi.len()])
}

fn tell(chip: &mut Chip, mosi: &[u8]) {
    send(chip, mosi).unwrap();
}

fn shift<const N: usize>(chip: &mut Chip, mosi: &[u8; N]) -> [u8; N] {
    let mut miso = [0xaa; N];
    chip.transfer(mosi, &mut miso).unwrap();
    miso
}

fn latch(chip: &mut Chip) {
    chip.ldac(false);
    chip.ldac(true);
}

/// Both offset DACs at mid-scale: then 0x8000 is ground.
fn centred() -> Chip {
    let mut chip = chip(ChipKind::Ad5370);
    tell(&mut chip, &[0x02, 0x20, 0x00]);
    tell(&mut chip, &[0x03, 0x20, 0x00]);
    tell(&mut chip, &[0xc0, 0x80, 0x00]);
    latch(&mut chip);
    chip
}

#[test]
fn ad5370_powers_up_at_ground_and_stays_there_until_ldac_falls_with_clr_high() {
    let mut dac = Chip::new(ChipKind::Ad5370, true);
    let all = |dac: &Chip| (0..40).map(|channel| dac.output(channel).unwrap()).collect::<Vec<_>>();
    assert_eq!(all(&dac), [0x8000; 40]);
    assert_eq!(dac.output(40), None);
    // Channel 0 (address 8), X = 0x6000.
    tell(&mut dac, &[0xc8, 0x60, 0x00]);
    latch(&mut dac);
    assert_eq!(all(&dac), [0x8000; 40], "CLR is low: LDAC is ignored");
    dac.clear(true);
    assert_eq!(all(&dac), [0x8000; 40], "the outputs stay cleared until LDAC");
    latch(&mut dac);
    // With the offset DACs' power-up value 0x1555, 0x5554 is ground.
    assert_eq!(dac.output(0), Some(0x6000 - 0x5554 + 0x8000));
    assert_eq!(dac.output(1), Some(0x8000));
}

#[test]
fn ad5370_writes_wait_for_ldac_and_clr_keeps_registers() {
    let mut dac = centred();
    tell(&mut dac, &[0xc8, 0x12, 0x34]); // Channel 0.
    tell(&mut dac, &[0xef, 0xff, 0xff]); // Channel 39: address 47.
    assert_eq!((dac.output(0), dac.output(39)), (Some(0x8000), Some(0x8000)));
    latch(&mut dac);
    assert_eq!((dac.output(0), dac.output(39)), (Some(0x1234), Some(0xffff)));
    dac.clear(false);
    assert_eq!((dac.output(0), dac.output(39)), (Some(0x8000), Some(0x8000)));
    dac.clear(true);
    assert_eq!(dac.output(0), Some(0x8000), "held until the next LDAC");
    latch(&mut dac);
    assert_eq!((dac.output(0), dac.output(39)), (Some(0x1234), Some(0xffff)), "registers were kept");
}

#[test]
fn ad5370_edges_of_ldac_under_clr_latch_nothing() {
    let mut dac = centred();
    tell(&mut dac, &[0xc8, 0x12, 0x34]);
    dac.clear(false);
    dac.ldac(false);
    dac.clear(true);
    assert_eq!(dac.output(0), Some(0x8000), "the edge came while CLR was low");
    dac.ldac(true);
    assert_eq!(dac.output(0), Some(0x8000), "a rising edge");
    dac.ldac(false);
    assert_eq!(dac.output(0), Some(0x1234));
    // LDAC is still low: what is written passes through.
    tell(&mut dac, &[0xc8, 0x23, 0x45]);
    assert_eq!(dac.output(0), Some(0x2345));
}

#[test]
fn ad5370_addresses_reach_groups() {
    let reached = |address: u8| {
        let mut dac = centred();
        let written = send(&mut dac, &[0xc0 | address, 0x90, 0x00]).unwrap().unwrap();
        assert_eq!((written.register, written.code), ("input", 0x9000));
        latch(&mut dac);
        let channels: Vec<u8> = (0..40).filter(|channel| dac.output(*channel) == Some(0x9000)).collect();
        let told: Vec<u8> = (0..40).filter(|channel| written.channels >> channel & 1 == 1).collect();
        assert_eq!(channels, told, "address {address}");
        channels
    };
    assert_eq!(reached(0), (0..40).collect::<Vec<_>>());
    assert_eq!(reached(1), (0..8).collect::<Vec<_>>());
    assert_eq!(reached(5), (32..40).collect::<Vec<_>>());
    assert_eq!(reached(8), [0]);
    assert_eq!(reached(47), [39]);
    assert_eq!(reached(0b110_011), [3, 11, 19, 27, 35]);
    assert_eq!(reached(0b111_011), [11, 19, 27, 35]);
    for nothing in [6, 7] {
        assert_eq!(send(&mut centred(), &[0xc0 | nothing, 0, 0]), Err(FrameError::Channel(nothing)));
    }
}

#[test]
fn ad5370_gain_offset_and_offset_dacs_make_the_output() {
    let mut dac = centred();
    tell(&mut dac, &[0xc8, 0xc0, 0x00]);
    tell(&mut dac, &[0x48, 0x7f, 0xff]); // M of channel 0: one half.
    tell(&mut dac, &[0x88, 0x80, 0x10]); // C of channel 0: 16 up.
    latch(&mut dac);
    assert_eq!(dac.output(0), Some(0x6010));
    // Offset DAC 0 moves channels 0 to 7 without LDAC, and no other.
    tell(&mut dac, &[0x02, 0x1f, 0xff]);
    assert_eq!((dac.output(0), dac.output(7), dac.output(8)), (Some(0x6014), Some(0x8004), Some(0x8000)));
    tell(&mut dac, &[0x03, 0x20, 0x01]);
    assert_eq!((dac.output(7), dac.output(8), dac.output(39)), (Some(0x8004), Some(0x7ffc), Some(0x7ffc)));
    // Sums that leave the range stay at its end.
    tell(&mut dac, &[0x88, 0x00, 0x00]);
    tell(&mut dac, &[0xc8, 0x00, 0x00]);
    latch(&mut dac);
    assert_eq!(dac.output(0), Some(4));
}

#[test]
fn ad5370_keeps_two_inputs_per_channel() {
    let mut dac = centred();
    tell(&mut dac, &[0xc9, 0x11, 0x11]);
    tell(&mut dac, &[0x01, 0x00, 0x04]); // Control: writes go to B.
    assert_eq!(send(&mut dac, &[0xc9, 0x22, 0x22]).unwrap().unwrap().register, "input b");
    latch(&mut dac);
    assert_eq!(dac.output(1), Some(0x1111));
    tell(&mut dac, &[0x06, 0x00, 0x02]); // Channel 1 from B.
    latch(&mut dac);
    assert_eq!(dac.output(1), Some(0x2222));
    tell(&mut dac, &[0x0b, 0x00, 0x00]); // All from A.
    latch(&mut dac);
    assert_eq!(dac.output(1), Some(0x1111));
    tell(&mut dac, &[0x01, 0x00, 0x01]); // Power down.
    assert_eq!(dac.output(1), Some(0x8000));
    tell(&mut dac, &[0x01, 0x00, 0x00]);
    assert_eq!(dac.output(1), Some(0x1111));
}

#[test]
fn ad5370_reads_registers_back_in_the_next_frame() {
    let mut dac = chip(ChipKind::Ad5370);
    let nop = [0; 3];
    let asked = |dac: &mut Chip, data: [u8; 2]| {
        assert_eq!(shift(dac, &[0x05, data[0], data[1]]), [0; 3]);
        let answer = shift(dac, &nop);
        assert_eq!(shift(dac, &nop), [0; 3], "once");
        u16::from_be_bytes([answer[1], answer[2]])
    };
    // Channel 0 (address 8): X A, X B, C, M; control; offset DACs; A/B select.
    assert_eq!(asked(&mut dac, [0x04, 0x00]), 0x5554);
    assert_eq!(asked(&mut dac, [0x24, 0x00]), 0x5554);
    assert_eq!(asked(&mut dac, [0x44, 0x00]), 0x8000);
    assert_eq!(asked(&mut dac, [0x64, 0x00]), 0xffff);
    assert_eq!(asked(&mut dac, [0x80, 0x80]), 0x0000);
    assert_eq!(asked(&mut dac, [0x81, 0x00]), 0x1555);
    assert_eq!(asked(&mut dac, [0x81, 0x80]), 0x1555);
    tell(&mut dac, &[0xef, 0xbe, 0xef]);
    tell(&mut dac, &[0x03, 0xff, 0xff]);
    tell(&mut dac, &[0x0a, 0x00, 0x81]);
    assert_eq!(asked(&mut dac, [0x17, 0x80]), 0xbeef, "channel 39 is address 47");
    assert_eq!(asked(&mut dac, [0x81, 0x80]), 0x3fff, "14 bits");
    assert_eq!(asked(&mut dac, [0x85, 0x00]), 0x0081);
    for nothing in [[0x03, 0x80], [0x18, 0x00], [0x80, 0x00], [0xa4, 0x00]] {
        assert!(matches!(send(&mut dac, &[0x05, nothing[0], nothing[1]]), Err(FrameError::Channel(_))), "{nothing:x?}");
    }
}

#[test]
fn ad5370_reset_acts_when_it_rises() {
    let mut dac = centred();
    tell(&mut dac, &[0xc8, 0x12, 0x34]);
    latch(&mut dac);
    dac.reset(false);
    assert_eq!(dac.output(0), Some(0x1234), "bringing it low does nothing");
    dac.reset(true);
    assert_eq!(dac.output(0), Some(0x8000));
    tell(&mut dac, &[0x05, 0x04, 0x00]);
    assert_eq!(shift(&mut dac, &[0; 3]), [0, 0x55, 0x54]);
}

#[test]
fn dacs_refuse_frames_of_other_lengths_and_functions_they_do_not_have() {
    for kind in [ChipKind::Ad5370, ChipKind::Ad5676r] {
        let mut dac = chip(kind);
        for length in [0, 1, 2, 4, 6, 64] {
            let bits = 8 * length as u32;
            assert_eq!(send(&mut dac, &vec![0xc8; length]), Err(FrameError::Bits { bits }), "{kind:?}");
        }
        latch(&mut dac);
        assert_eq!(dac.output(0), Some(0x8000), "{kind:?}: nothing was taken");
    }
    for function in [4, 12, 13, 63] {
        assert_eq!(send(&mut centred(), &[function, 0, 0]), Err(FrameError::Command(function.into())));
    }
    for command in 12..=15 {
        let refused = send(&mut chip(ChipKind::Ad5676r), &[command << 4, 0, 0]);
        assert_eq!(refused, Err(FrameError::Command(u16::from(command) << 12)));
    }
}

#[test]
fn ad5676r_has_input_and_dac_registers() {
    let mut dac = Chip::new(ChipKind::Ad5676r, false);
    assert_eq!(dac.output(0), Some(0), "zero-scale by RSTSEL");
    tell(&mut dac, &[0x17, 0x12, 0x34]); // Input register of channel 7.
    assert_eq!(dac.output(7), Some(0));
    dac.clear(false);
    dac.clear(true);
    latch(&mut dac);
    assert_eq!((dac.output(7), dac.output(6)), (Some(0x1234), Some(0)), "it has no clear pin");
    tell(&mut dac, &[0x30, 0x55, 0x66]); // Both of channel 0.
    assert_eq!(dac.output(0), Some(0x5566));
    tell(&mut dac, &[0x50, 0x00, 0x80]); // LDAC does not reach channel 7.
    tell(&mut dac, &[0x17, 0xff, 0xff]);
    tell(&mut dac, &[0x10, 0x00, 0x01]);
    latch(&mut dac);
    assert_eq!((dac.output(7), dac.output(0)), (Some(0x1234), Some(1)));
    tell(&mut dac, &[0x20, 0x00, 0x80]); // By command it does.
    assert_eq!(dac.output(7), Some(0xffff));
    tell(&mut dac, &[0xa0, 0x77, 0x77]); // All input registers.
    assert_eq!(dac.output(3), Some(0));
    latch(&mut dac);
    assert_eq!((dac.output(3), dac.output(7)), (Some(0x7777), Some(0xffff)));
    tell(&mut dac, &[0xb0, 0x00, 0x09]); // All of both.
    assert_eq!((dac.output(3), dac.output(7), dac.output(8)), (Some(9), Some(9), None));
    assert_eq!(send(&mut dac, &[0x18, 0, 0]), Err(FrameError::Channel(8)));
}

#[test]
fn ad5676r_powers_down_reads_back_and_resets() {
    let mut dac = Chip::new(ChipKind::Ad5676r, true);
    assert_eq!(dac.output(5), Some(0x8000), "mid-scale by RSTSEL");
    tell(&mut dac, &[0x35, 0xbe, 0xef]);
    tell(&mut dac, &[0x15, 0x11, 0x11]);
    tell(&mut dac, &[0x95, 0x00, 0x00]); // Read back channel 5.
    assert_eq!(shift(&mut dac, &[0; 3]), [0, 0x11, 0x11], "its input register");
    tell(&mut dac, &[0x40, 0x04, 0x00]); // Channel 5 down.
    assert_eq!((dac.output(5), dac.output(4)), (Some(0), Some(0x8000)));
    tell(&mut dac, &[0x40, 0x00, 0x00]);
    assert_eq!(dac.output(5), Some(0xbeef));
    tell(&mut dac, &[0x70, 0x00, 0x01]);
    tell(&mut dac, &[0x80, 0x00, 0x01]);
    assert_eq!(send(&mut dac, &[0x60, 0x00, 0x00]), Err(FrameError::Command(0x6000)), "0x1234 is missing");
    assert_eq!(dac.output(5), Some(0xbeef));
    tell(&mut dac, &[0x60, 0x12, 0x34]);
    assert_eq!(dac.output(5), Some(0x8000));
    tell(&mut dac, &[0x35, 0xbe, 0xef]);
    dac.reset(false);
    assert_eq!(dac.output(5), Some(0x8000), "acts when it falls");
    tell(&mut dac, &[0x15, 0x22, 0x22]);
    latch(&mut dac);
    assert_eq!(dac.output(5), Some(0x8000), "LDAC is ignored while it is low");
    dac.reset(true);
    latch(&mut dac);
    assert_eq!(dac.output(5), Some(0x2222));
}

const RAMP: [f64; 8] = [0.0, 0.5, -0.5, 1.0, -1.0, 1.0 / 32768.0, -1.0 / 32768.0, 0.9];
const RAMP_CODES: [i16; 8] = [0, 0x4000, -0x4000, 0x7fff, -0x8000, 1, -1, 29491];

#[test]
fn ad7606_shifts_its_last_conversion_out() {
    let mut adc = chip(ChipKind::Ad7606);
    assert_eq!(shift(&mut adc, &[0; 16]), [0; 16], "nothing was converted");
    adc.convert(&RAMP);
    let whole: Vec<u8> = RAMP_CODES.iter().flat_map(|code| code.to_be_bytes()).collect();
    assert_eq!(shift(&mut adc, &[0xff; 16]).to_vec(), whole);
    assert_eq!(shift(&mut adc, &[0; 2]), [0; 2], "all was read");
    adc.convert(&RAMP);
    let pieces = [shift(&mut adc, &[0; 6]).to_vec(), shift(&mut adc, &[0; 10]).to_vec()].concat();
    assert_eq!(pieces, whole, "in two frames");
    for length in [0, 1, 3, 15, 18] {
        assert_eq!(send(&mut adc, &vec![0; length]), Err(FrameError::Bits { bits: 8 * length as u32 }));
    }
    adc.convert(&RAMP);
    adc.reset(false);
    assert_eq!(shift(&mut adc, &[0; 16]), [0; 16]);
}

/// CRC-16/CCITT-FALSE by division of polynomials over the bits.
fn crc(bytes: &[u8]) -> u16 {
    let mut remainder = 0xffff_u32;
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1))) {
        let out = remainder >> 15 ^ bit;
        remainder = (remainder << 1 & 0xffff) ^ (out * 0x1021);
    }
    remainder as u16
}

#[test]
fn the_crc_of_the_check_string_is_the_published_one() {
    assert_eq!(crc(b"123456789"), 0x29b1);
}

/// A frame of ten words that begins with these (their upper 16 bits).
fn frame(words: &[u16]) -> [u8; 30] {
    let mut bytes = [0; 30];
    for (place, word) in bytes.as_chunks_mut::<3>().0.iter_mut().zip(words) {
        place[..2].copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// With its CRC behind it.
fn sealed(words: &[u16]) -> [u8; 30] {
    let bytes = frame(words);
    frame(&[words, &[crc(&bytes[..3 * words.len()])]].concat())
}

/// What comes back: response and the channels' codes; the CRC must be right.
fn exchange(adc: &mut Chip, frame: &[u8; 30]) -> (u16, [i32; 8]) {
    let miso = shift(adc, frame);
    assert_eq!(u16::from_be_bytes([miso[27], miso[28]]), crc(&miso[..27]));
    let word = |nth: usize| i32::from_be_bytes([miso[3 * nth], miso[3 * nth + 1], miso[3 * nth + 2], 0]) >> 8;
    ((word(0) >> 8) as u16, std::array::from_fn(|channel| word(1 + channel)))
}

#[test]
fn ads131m08_answers_in_the_next_frame() {
    let mut adc = chip(ChipKind::Ads131m08);
    let nothing = frame(&[]);
    assert_eq!(exchange(&mut adc, &nothing).0, 0xff28, "ready after power-up");
    assert_eq!(exchange(&mut adc, &nothing).0, 0x0500, "STATUS: was reset, words of 24 bits");
    let read = |adc: &mut Chip, register: u16| {
        exchange(adc, &frame(&[0xa000 | register << 7]));
        exchange(adc, &nothing).0
    };
    for (register, value) in [(0, 0x2800), (2, 0x0510), (3, 0xff0e), (4, 0), (6, 0x0600), (0x0c, 0x8000), (0x3e, 0)] {
        assert_eq!(read(&mut adc, register), value, "register {register:#x}");
    }
    // MODE without its reset bit, CLOCK.
    exchange(&mut adc, &frame(&[0x6101, 0x0110, 0xff1e]));
    assert_eq!(exchange(&mut adc, &nothing).0, 0x4101, "WREG of two from register 2");
    assert_eq!((read(&mut adc, 2), read(&mut adc, 3), read(&mut adc, 1)), (0x0110, 0xff1e, 0x0100));
    // Several registers: announced, then one per word.
    exchange(&mut adc, &frame(&[0xa101]));
    let miso = shift(&mut adc, &nothing);
    assert_eq!(
        miso[..12],
        [
            0xe1,
            0x01,
            0,
            0x01,
            0x10,
            0,
            0xff,
            0x1e,
            0,
            crc(&miso[..9]).to_be_bytes()[0],
            crc(&miso[..9]).to_be_bytes()[1],
            0
        ]
    );
    assert_eq!(send(&mut adc, &frame(&[0x1234])), Err(FrameError::Command(0x1234)));
    assert_eq!(send(&mut adc, &[0; 29]), Err(FrameError::Bits { bits: 232 }));
    assert_eq!(send(&mut adc, &frame(&[0x6100, 0x0010])), Err(FrameError::WordLength(0x0010)));
}

#[test]
fn ads131m08_converts_to_24_bits() {
    let mut adc = chip(ChipKind::Ads131m08);
    let nothing = frame(&[]);
    exchange(&mut adc, &nothing);
    adc.convert(&RAMP);
    let (status, codes) = exchange(&mut adc, &nothing);
    assert_eq!((status, codes), (0x05ff, RAMP_CODES.map(|code| i32::from(code) << 8)));
    assert_eq!(exchange(&mut adc, &nothing).0, 0x0500, "read: no channel is ready any more");
    // Channel 0 off; gain 2 on channel 1, clipped on channel 3; offset of 0x100 on channel 5, half the gain on channel 2.
    exchange(&mut adc, &frame(&[0x6180, 0xfe0e]));
    exchange(&mut adc, &frame(&[0x6200, 0x1010]));
    exchange(&mut adc, &frame(&[0x6000 | (0x09 + 26) << 7, 0x0001]));
    exchange(&mut adc, &frame(&[0x6000 | (0x09 + 13) << 7, 0x4000]));
    adc.convert(&[0.25, 0.25, 0.25, 0.75, 0.25, 0.25, 0.25, 0.25]);
    let quarter = 1 << 21;
    let (status, codes) = exchange(&mut adc, &nothing);
    assert_eq!(status, 0x4b00, "still the answer to WREG, register 0x16");
    assert_eq!(codes, [0, 2 * quarter, quarter / 2, 0x7f_ffff, quarter, quarter - 0x100, quarter, quarter]);
}

#[test]
fn ads131m08_resets_locks_and_stands_by() {
    let mut adc = chip(ChipKind::Ads131m08);
    let nothing = frame(&[]);
    exchange(&mut adc, &frame(&[0x6100, 0x0110]));
    exchange(&mut adc, &frame(&[0x0555]));
    assert_eq!(exchange(&mut adc, &frame(&[0x6180, 0x0000])).0, 0x0555, "locked");
    assert_eq!(exchange(&mut adc, &frame(&[0xa180])).0, 0x8100, "STATUS: locked; WREG was not carried out");
    assert_eq!(exchange(&mut adc, &frame(&[0x0655])).0, 0xff0e, "but RREG is");
    assert_eq!(exchange(&mut adc, &frame(&[0x0022])).0, 0x0655);
    adc.convert(&RAMP);
    assert_eq!(exchange(&mut adc, &frame(&[0x0033])), (0x0022, [0; 8]), "it sleeps");
    adc.convert(&RAMP);
    assert_eq!(exchange(&mut adc, &nothing).1[1], 0x40_0000);
    tell(&mut adc, &[0x00, 0x11, 0x00]);
    assert_eq!(exchange(&mut adc, &nothing).0, 0x0011, "a RESET wants its whole frame");
    exchange(&mut adc, &frame(&[0x0011]));
    assert_eq!(exchange(&mut adc, &nothing), (0xff28, [0; 8]));
    exchange(&mut adc, &frame(&[0x6100, 0x0110]));
    adc.reset(false);
    adc.reset(true);
    assert_eq!(exchange(&mut adc, &nothing).0, 0xff28);
    assert_eq!(exchange(&mut adc, &nothing).0, 0x0500);
}

#[test]
fn ads131m08_sees_every_bit_that_is_wrong_in_a_command() {
    let mut adc = chip(ChipKind::Ads131m08);
    let nothing = sealed(&[0]);
    // Input CRC on, reset bit away.
    exchange(&mut adc, &frame(&[0x6100, 0x1110]));
    assert_eq!(exchange(&mut adc, &nothing).0, 0x4100);
    assert_eq!(exchange(&mut adc, &sealed(&[0xa100])).0, 0x0100);
    assert_eq!(exchange(&mut adc, &nothing).0, 0x1110);
    for bit in 0..40 {
        let mut damaged = sealed(&[0x0022]);
        damaged[bit / 8] ^= 0x80 >> (bit % 8);
        let refused = send(&mut adc, &damaged);
        assert!(
            matches!(refused, Err(FrameError::Crc { expected, received }) if expected != received),
            "bit {bit}: {refused:?}"
        );
        assert_eq!(exchange(&mut adc, &nothing).0, 0x1100, "bit {bit}: STATUS tells it");
        assert_eq!(exchange(&mut adc, &nothing).0, 0x0100, "bit {bit}: once");
    }
    // Not carried out, but for WREG.
    let mut damaged = sealed(&[0x6180, 0xff1e]);
    damaged[8] ^= 1;
    assert!(send(&mut adc, &damaged).is_ok(), "the CRC stands in the upper 16 bits");
    damaged[7] ^= 1;
    assert!(matches!(send(&mut adc, &damaged), Err(FrameError::Crc { .. })));
    assert_eq!(exchange(&mut adc, &sealed(&[0xa180])).0, 0x1100);
    assert_eq!(exchange(&mut adc, &nothing).0, 0xff1e);
    assert_eq!(send(&mut adc, &[0, 0, 0]), Err(FrameError::Bits { bits: 24 }), "the CRC is missing");
}

#[test]
fn no_bytes_make_a_chip_panic() {
    for (nth, (kind, _)) in ChipKind::NAMES.iter().enumerate() {
        let mut chip = chip(*kind);
        for round in 0..60_000 {
            let words = philox([nth as u32, 7], [round, 0, 0, 0]);
            let bytes: Vec<u8> =
                words.iter().chain(&philox([3, 9], words)).flat_map(|word| word.to_le_bytes()).collect();
            let length = [3, 3, 16, 30, usize::from(bytes[31] % 33)][bytes[30] as usize % 5].min(30);
            let _ = send(&mut chip, &bytes[..length]);
            let level = bytes[29] & 1 == 1;
            match bytes[28] % 16 {
                0 => chip.ldac(level),
                1 => chip.clear(level),
                2 if round % 16 == 0 => chip.reset(level),
                3 => chip.convert(&std::array::from_fn(|nth| [0.3, f64::NAN, 1e300, -7.0][(nth + round as usize) % 4])),
                _ => {}
            }
            for channel in 0..=u8::MAX {
                assert_eq!(chip.output(channel).is_some(), kind.is_dac() && channel < kind.channels());
                if channel > 41 {
                    break;
                }
            }
        }
    }
}
