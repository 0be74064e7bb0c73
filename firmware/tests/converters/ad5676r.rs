//! AD5676R.

use embedded_hal::spi::ErrorKind;
use xyloop_firmware::converters::{Ad5676r, ConverterError};

use crate::{Step, bus, fails_everywhere};

fn send(bytes: [u8; 3]) -> Step {
    Step::Send(bytes.to_vec())
}

/// What the chip says in the word after a read.
fn answer(code: u16) -> Step {
    let [high, low] = code.to_be_bytes();
    Step::Swap(vec![0; 3], vec![0x5A, high, low])
}

fn initialisation() -> Vec<Step> {
    vec![send([0x80, 0x00, 0x00]), send([0x50, 0x00, 0x00]), send([0x70, 0x00, 0x00]), send([0x40, 0x00, 0x00])]
}

#[test]
fn initialisation_sets_what_cannot_be_read_and_touches_no_code() {
    let mut bus = bus(&initialisation());
    assert_eq!(Ad5676r::new(&mut bus).initialise(), Ok(()));
    bus.done();
}

#[test]
fn codes_go_to_the_input_register_of_their_channel() {
    let mut bus =
        bus(&[send([0x10, 0x00, 0x00]), send([0x10, 0x80, 0x00]), send([0x13, 0x12, 0x34]), send([0x17, 0xFF, 0xFF])]);
    let mut dac = Ad5676r::new(&mut bus);
    for (channel, code) in [(0, 0), (0, 0x8000), (3, 0x1234), (7, 0xFFFF)] {
        assert_eq!(dac.write(channel, code), Ok(()));
    }
    bus.done();
}

#[test]
fn codes_read_back_in_two_transactions() {
    let mut bus = bus(&[send([0x90, 0, 0]), answer(0x8001), send([0x97, 0, 0]), answer(0xFEDC)]);
    let mut dac = Ad5676r::new(&mut bus);
    assert_eq!(dac.read_back(0), Ok(0x8001));
    assert_eq!(dac.read_back(7), Ok(0xFEDC));
    bus.done();
}

#[test]
fn a_channel_it_does_not_have_sends_nothing() {
    let mut bus = bus(&[]);
    let mut dac = Ad5676r::new(&mut bus);
    for channel in [8, 15, 16, 255] {
        assert_eq!(dac.write(channel, 0x8000), Err(ConverterError::Channel(channel)));
        assert_eq!(dac.read_back(channel), Err(ConverterError::Channel(channel)));
    }
    bus.done();
}

#[test]
fn bus_errors_come_through() {
    let fault = ConverterError::Spi(ErrorKind::ModeFault);
    fails_everywhere(&initialisation(), &Err(fault), |spi| Ad5676r::new(spi).initialise());
    fails_everywhere(&[send([0x10, 0, 0])], &Err(fault), |spi| Ad5676r::new(spi).write(0, 0));
    fails_everywhere(&[send([0x90, 0, 0]), answer(0)], &Err(fault), |spi| Ad5676r::new(spi).read_back(0));
}
