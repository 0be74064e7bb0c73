//! AD5370.

use embedded_hal::spi::ErrorKind;
use xyloop_firmware::converters::{Ad5370, ConverterError};

use crate::{Step, bus, fails_everywhere};

/// A read of a register: the request, the answer after a byte of noise, and the bits of the answer that mean something.
struct Read {
    request: u16,
    answer: u16,
    meaning: u16,
}

impl Read {
    fn steps(&self, answer: u16) -> [Step; 2] {
        let [a, b] = self.request.to_be_bytes();
        let [c, d] = answer.to_be_bytes();
        [Step::Send(vec![0x05, a, b]), Step::Swap(vec![0; 3], vec![0xA5, c, d])]
    }
}

enum Item {
    Send([u8; 3]),
    Read(Read),
}

fn initialisation() -> Vec<Item> {
    let send = |bytes| Item::Send(bytes);
    let read = |request, answer, meaning| Item::Read(Read { request, answer, meaning });
    let mut items = vec![
        send([0x01, 0x00, 0x02]),
        read(0x8080, 0x0002, 0x0007),
        send([0x02, 0x20, 0x00]),
        read(0x8100, 0x2000, 0x3FFF),
        send([0x03, 0x20, 0x00]),
        read(0x8180, 0x2000, 0x3FFF),
        send([0x0B, 0x00, 0x00]),
    ];
    items.extend([0x8300, 0x8380, 0x8400, 0x8480, 0x8500].map(|request| read(request, 0, 0x00FF)));
    for channel in 0..40u8 {
        let at = u16::from(channel) * 0x80;
        items.push(send([0x48 + channel, 0xFF, 0xFF]));
        items.push(send([0x88 + channel, 0x80, 0x00]));
        items.push(read(0x6400 + at, 0xFFFF, 0xFFFF));
        items.push(read(0x4400 + at, 0x8000, 0xFFFF));
    }
    items
}

/// The transactions of these items, with the answers as `answer` makes them.
fn steps(items: &[Item], answer: impl Fn(&Read) -> u16) -> Vec<Step> {
    items
        .iter()
        .flat_map(|item| match item {
            Item::Send(bytes) => vec![Step::Send(bytes.to_vec())],
            Item::Read(read) => read.steps(answer(read)).to_vec(),
        })
        .collect()
}

#[test]
fn initialisation_sets_offsets_gains_and_selects_and_reads_them_back() {
    let mut bus = bus(&steps(&initialisation(), |read| read.answer));
    assert_eq!(Ad5370::new(&mut bus).initialise(), Ok(()));
    bus.done();
}

#[test]
fn bits_that_mean_nothing_may_be_anything() {
    // But not bit 4 of the control register, which is the temperature.
    let noise = |read: &Read| if read.request == 0x8080 { 0xFFEA } else { read.answer | !read.meaning };
    let mut bus = bus(&steps(&initialisation(), noise));
    assert_eq!(Ad5370::new(&mut bus).initialise(), Ok(()));
    bus.done();
}

#[test]
fn every_register_that_reads_back_wrong_ends_the_initialisation_there() {
    let items = initialisation();
    let reads = items.iter().enumerate().filter_map(|(i, item)| match item {
        Item::Read(read) => Some((i, read)),
        Item::Send(_) => None,
    });
    let mut seen = 0;
    for (i, read) in reads {
        for bit in (0..16).filter(|bit| read.meaning >> bit & 1 == 1) {
            let wrong = read.answer ^ 1 << bit;
            let mut steps = steps(&items[..i], |read| read.answer);
            steps.extend(read.steps(wrong));
            let mut bus = bus(&steps);
            let error = ConverterError::ReadBack { expected: read.answer, received: wrong };
            assert_eq!(Ad5370::new(&mut bus).initialise(), Err(error), "{:#06x}", read.request);
            bus.done();
            seen += 1;
        }
    }
    assert_eq!(seen, 3 + 2 * 14 + 5 * 8 + 80 * 16);
}

#[test]
fn an_absent_chip_is_found_before_an_output_could_move() {
    for (line, received) in [(0x00, 0x0000), (0xFF, 0x0007)] {
        let mut bus = bus(&[
            Step::Send(vec![0x01, 0x00, 0x02]),
            Step::Send(vec![0x05, 0x80, 0x80]),
            Step::Swap(vec![0; 3], vec![line; 3]),
        ]);
        let error = ConverterError::ReadBack { expected: 0x0002, received };
        assert_eq!(Ad5370::new(&mut bus).initialise(), Err(error));
        bus.done();
    }
}

#[test]
fn a_chip_that_is_too_hot_is_reported() {
    let mut bus = bus(&[
        Step::Send(vec![0x01, 0x00, 0x02]),
        Step::Send(vec![0x05, 0x80, 0x80]),
        Step::Swap(vec![0; 3], vec![0x00, 0x00, 0x12]),
    ]);
    assert_eq!(Ad5370::new(&mut bus).initialise(), Err(ConverterError::Status(0x0012)));
    bus.done();
}

#[test]
fn codes_go_to_the_x_register_of_their_channel() {
    let mut bus = bus(&[
        Step::Send(vec![0xC8, 0x00, 0x00]),
        Step::Send(vec![0xC8, 0x80, 0x00]),
        Step::Send(vec![0xCF, 0x12, 0x34]),
        Step::Send(vec![0xD0, 0xFF, 0xFE]),
        Step::Send(vec![0xEF, 0xFF, 0xFF]),
    ]);
    let mut dac = Ad5370::new(&mut bus);
    for (channel, code) in [(0, 0), (0, 0x8000), (7, 0x1234), (8, 0xFFFE), (39, 0xFFFF)] {
        assert_eq!(dac.write(channel, code), Ok(()));
    }
    bus.done();
}

#[test]
fn codes_read_back_from_x1a_in_two_transactions() {
    let mut bus = bus(&[
        Step::Send(vec![0x05, 0x04, 0x00]),
        Step::Swap(vec![0; 3], vec![0xFF, 0x80, 0x01]),
        Step::Send(vec![0x05, 0x17, 0x80]),
        Step::Swap(vec![0; 3], vec![0x00, 0xFE, 0xDC]),
    ]);
    let mut dac = Ad5370::new(&mut bus);
    assert_eq!(dac.read_back(0), Ok(0x8001));
    assert_eq!(dac.read_back(39), Ok(0xFEDC));
    bus.done();
}

#[test]
fn a_channel_it_does_not_have_sends_nothing() {
    let mut bus = bus(&[]);
    let mut dac = Ad5370::new(&mut bus);
    for channel in [40, 47, 48, 64, 255] {
        assert_eq!(dac.write(channel, 0x8000), Err(ConverterError::Channel(channel)));
        assert_eq!(dac.read_back(channel), Err(ConverterError::Channel(channel)));
    }
    bus.done();
}

#[test]
fn bus_errors_come_through() {
    let all = steps(&initialisation(), |read| read.answer);
    let fault = ConverterError::Spi(ErrorKind::ModeFault);
    fails_everywhere(&all, &Err(fault), |spi| Ad5370::new(spi).initialise());
    fails_everywhere(&[Step::Send(vec![0xC8, 0, 0])], &Err(fault), |spi| Ad5370::new(spi).write(0, 0));
    let read = Read { request: 0x0400, answer: 0, meaning: 0xFFFF };
    fails_everywhere(&read.steps(0), &Err(fault), |spi| Ad5370::new(spi).read_back(0));
}
