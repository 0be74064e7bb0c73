//! AD7606 and the pins its chips share.

use std::{cell::RefCell, rc::Rc};

use embedded_hal::{
    delay::DelayNs,
    digital::{Error, ErrorKind, ErrorType, InputPin, OutputPin},
};
use xyloop_firmware::converters::{Ad7606, Ad7606Pins, ConverterError};

use crate::{Step, bus, fails_everywhere};

#[test]
fn eight_codes_come_in_one_transaction_with_their_signs() {
    let bytes = vec![0x00, 0x00, 0x00, 0x01, 0xFF, 0xFF, 0x7F, 0xFF, 0x80, 0x00, 0x80, 0x01, 0x12, 0x34, 0xED, 0xCC];
    let mut bus = bus(&[Step::Read(bytes)]);
    let mut codes = [0; 8];
    assert_eq!(Ad7606::new(&mut bus).read(&mut codes), Ok(()));
    assert_eq!(codes, [0, 1, -1, 32767, -32768, -32767, 0x1234, -0x1234]);
    bus.done();
}

#[test]
fn bus_errors_come_through_and_leave_the_codes() {
    let fault = ConverterError::Spi(embedded_hal::spi::ErrorKind::ModeFault);
    fails_everywhere(&[Step::Read(vec![0; 16])], &(Err(fault), [7; 8]), |spi| {
        let mut codes = [7; 8];
        (Ad7606::new(spi).read(&mut codes), codes)
    });
}

/// What happened on all pins and the clock, in order: the mock's pins know nothing of each other.
type Log = Rc<RefCell<Vec<String>>>;

/// A line that writes down what is done to it.
struct Line {
    name: &'static str,
    log: Log,
    high: bool,
    broken: bool,
}

#[derive(Debug)]
struct Broken;

impl Error for Broken {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl Line {
    fn did(&self, what: &str) -> Result<(), Broken> {
        self.log.borrow_mut().push(format!("{} {what}", self.name));
        if self.broken { Err(Broken) } else { Ok(()) }
    }
}

impl ErrorType for Line {
    type Error = Broken;
}

impl OutputPin for Line {
    fn set_low(&mut self) -> Result<(), Broken> {
        self.did("low")
    }

    fn set_high(&mut self) -> Result<(), Broken> {
        self.did("high")
    }
}

impl InputPin for Line {
    fn is_high(&mut self) -> Result<bool, Broken> {
        self.did("read").map(|()| self.high)
    }

    fn is_low(&mut self) -> Result<bool, Broken> {
        self.is_high().map(|high| !high)
    }
}

struct Clock(Log);

impl DelayNs for Clock {
    fn delay_ns(&mut self, ns: u32) {
        self.0.borrow_mut().push(format!("wait {ns}"));
    }
}

/// The pins, with BUSY at a level and one of them broken, or none.
fn pins(busy: bool, broken: &str) -> (Ad7606Pins<Line, Line, Line>, Clock, Log) {
    let log = Log::default();
    let line = |name, high| Line { name, log: log.clone(), high, broken: name == broken };
    let pins = Ad7606Pins::new(line("convst", false), line("busy", busy), line("reset", false));
    assert!(log.borrow().is_empty());
    (pins, Clock(log.clone()), log)
}

#[test]
fn a_conversion_starts_on_a_rising_edge() {
    let (mut pins, _, log) = pins(false, "");
    assert_eq!(pins.start(), Ok(()));
    assert_eq!(*log.borrow(), ["convst low", "busy read", "convst high"]);
}

#[test]
fn no_edge_disturbs_a_running_conversion() {
    let (mut pins, _, log) = pins(true, "");
    assert_eq!(pins.start(), Err(ConverterError::Busy));
    assert_eq!(pins.start(), Err(ConverterError::Busy));
    assert!(!log.borrow().iter().any(|line| line == "convst high"), "{log:?}");
}

#[test]
fn busy_is_a_high_line() {
    assert_eq!(pins(true, "").0.is_busy(), Ok(true));
    assert_eq!(pins(false, "").0.is_busy(), Ok(false));
}

#[test]
fn a_reset_is_a_wide_pulse_with_a_rest_and_no_conversion_after_it() {
    let (mut pins, mut clock, log) = pins(true, "");
    assert_eq!(pins.reset(&mut clock), Ok(()));
    assert_eq!(*log.borrow(), ["convst high", "reset high", "wait 100", "reset low", "wait 100"]);
}

#[test]
fn a_broken_pin_is_reported() {
    for (broken, start, busy, reset) in
        [("convst", true, false, true), ("busy", true, true, false), ("reset", false, false, true)]
    {
        let failed = |failed| if failed { Err(ConverterError::Pin) } else { Ok(()) };
        assert_eq!(pins(false, broken).0.start(), failed(start), "{broken}");
        assert_eq!(pins(false, broken).0.is_busy().map(|_| ()), failed(busy), "{broken}");
        let (mut pins, mut clock, _) = pins(false, broken);
        assert_eq!(pins.reset(&mut clock), failed(reset), "{broken}");
    }
}
