//! A Controller started from a rig image on chips that only remember: what it says of itself in the first exchange, what
//! reaches the chips, and what does not fit.
#![allow(clippy::unwrap_used)]

use std::{cell::RefCell, collections::BTreeMap, convert::Infallible, rc::Rc};

use embedded_hal::{
    delay::DelayNs,
    spi::{ErrorType, Operation, SpiDevice},
};
use xyloop_board_common::{About, Room, StartError, start};
use xyloop_firmware::{
    BoardError, Replica,
    front_end::Hardware,
    rig_image::{Channel, ChipKind, Parts, RigImage},
};
use xyloop_protocol::{
    greeting::Greeting,
    message::{BootCause, Fault, SafeCause, State},
    units::ShotId,
    wiring::Wiring,
};
use xyloop_testbench::{CONVERTERS, LinkSizes, Pair, ScriptedHost};

xyloop_board_common::memory! {
    /// Room for four sites.
    struct Memory = Room {
        sites: 4, couplings: 4, inputs: 2, outputs: 2, chips: 3,
        shots: 8, results: 4 * Room::result_bytes(4), link: 2048, payload: 256,
    };
}

/// A ring of sites, one DAC channel after the other, ADCs behind the DACs.
struct Rig {
    sites: u16,
    couplings: Vec<(u16, u16)>,
    inputs: Vec<u16>,
    outputs: Vec<u16>,
    /// Addresses with nothing to do, besides.
    idle: usize,
    serial: &'static str,
}

impl Rig {
    fn new(sites: u16) -> Self {
        let couplings = (0..sites).map(|site| (site, (site + 1) % sites)).collect();
        Self { sites, couplings, inputs: vec![0], outputs: vec![sites - 1], idle: 0, serial: "" }
    }

    fn wiring(&self) -> Wiring<'_> {
        Wiring {
            sites: self.sites,
            couplings: &self.couplings,
            inputs: &self.inputs,
            outputs: &self.outputs,
            converters: CONVERTERS,
        }
    }

    fn codes(&self) -> usize {
        self.couplings.len() + 2 * usize::from(self.sites) + self.inputs.len()
    }

    fn image(&self) -> Vec<u8> {
        let adcs = (2 * usize::from(self.sites)).div_ceil(8);
        let dacs = self.codes().div_ceil(8);
        let kinds = [vec![ChipKind::Ad5676r; dacs], vec![ChipKind::Ad7606; adcs + self.idle]].concat();
        let at = |index: usize| Channel { chip: (index / 8) as u8, channel: (index % 8) as u8 };
        let channels: Vec<_> = (0..self.codes())
            .map(at)
            .chain((0..2 * usize::from(self.sites)).map(|index| at(8 * dacs + index)))
            .collect();
        let safe: Vec<_> = (0..self.codes() as u16).map(|index| 1000 + index).collect();
        let parts = Parts {
            sites: self.sites,
            couplings: &self.couplings,
            inputs: &self.inputs,
            outputs: &self.outputs,
            converters: CONVERTERS,
            deadman_ms: 250,
            serial: self.serial,
            spi_hz: 10_000_000,
            gap_ns: 300,
            chips: &kinds,
            channels: &channels,
            safe: &safe,
        };
        let mut bytes = vec![0xff; parts.len() + 100];
        parts.write(&mut bytes).unwrap();
        bytes
    }
}

/// Codes by chip and channel.
type Codes = BTreeMap<(u8, u8), u16>;

/// What AD5676Rs hold in their input registers, and what is on their outputs.
#[derive(Default)]
struct DacRegisters {
    input: Codes,
    outputs: Codes,
    asked: Option<(u8, u8)>,
    clear_low: Option<bool>,
    dead: bool,
}

#[derive(Clone, Default)]
struct Shelf(Rc<RefCell<DacRegisters>>);

struct Chip(Rc<RefCell<DacRegisters>>, u8);

impl ErrorType for Chip {
    type Error = Infallible;
}

impl SpiDevice for Chip {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        let mut registers = self.0.borrow_mut();
        for operation in operations {
            match operation {
                Operation::Write([head, high, low]) if head >> 4 == 1 => {
                    registers.input.insert((self.1, head & 15), u16::from_be_bytes([*high, *low]));
                }
                Operation::Write([head, ..]) => registers.asked = (head >> 4 == 9).then_some((self.1, head & 15)),
                Operation::TransferInPlace(word) => {
                    let code = registers.asked.and_then(|at| registers.input.get(&at).copied()).unwrap_or(0);
                    word[1..].copy_from_slice(&code.to_be_bytes());
                }
                _ => (),
            }
        }
        Ok(())
    }
}

struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}

impl Hardware for Shelf {
    type Spi<'a> = Chip;
    type Delay = NoDelay;

    fn chip(&mut self, address: u8) -> Chip {
        Chip(Rc::clone(&self.0), address)
    }

    fn delay(&mut self) -> NoDelay {
        NoDelay
    }

    fn latch(&mut self) -> Result<(), BoardError> {
        let mut registers = self.0.borrow_mut();
        registers.outputs = registers.input.clone();
        Ok(())
    }

    fn clear(&mut self, low: bool) {
        self.0.borrow_mut().clear_low = Some(low);
    }

    fn reset(&mut self) -> Result<(), BoardError> {
        if self.0.borrow().dead { Err(BoardError::Converter) } else { Ok(()) }
    }

    fn convert(&mut self) -> Result<(), BoardError> {
        Ok(())
    }

    fn mark(&mut self, _: ShotId) {}

    fn start(&mut self, _: u32) {}

    fn elapsed_us(&mut self) -> Option<u32> {
        None
    }

    fn stop(&mut self) {}
}

const ABOUT: About<'_> =
    About { model: "shelf", serial: "of the chip", boot_id: 77, boot_cause: BootCause::PowerOn, boot_note: "" };

/// What a device says in the first exchange: its greeting's bytes.
fn greeting(rig: &Rig) -> Vec<u8> {
    let (image, mut memory, mut replica) = (rig.image(), Memory::new(), [Replica::default()]);
    let image = RigImage::parse(&image).unwrap();
    let controller = start(Shelf::default(), image, &ABOUT, memory.buffers(&mut replica)).unwrap();
    let mut pair = Pair::new(ScriptedHost::new(LinkSizes::new(1024, 2048, 2048)), controller, 0);
    pair.connect(5);
    pair.host.link.peer_greeting().to_vec()
}

#[test]
fn the_first_exchange_names_the_wiring_of_the_image() {
    for sites in [3, 4] {
        let rig = Rig { outputs: vec![1, 2], ..Rig::new(sites) };
        let bytes = greeting(&rig);
        let heard = Greeting::from_bytes(&bytes).unwrap();
        assert_eq!((heard.wiring_hash, heard.boot_id, heard.serial), (rig.wiring().hash(), 77, "of the chip"));
    }
    let bytes = greeting(&Rig { serial: "rig 12", ..Rig::new(4) });
    assert_eq!(Greeting::from_bytes(&bytes).unwrap().serial, "rig 12");
}

/// The state of a rig that was started on a shelf.
fn start_on(shelf: &Shelf, rig: &Rig) -> Result<State, StartError> {
    let (image, mut memory, mut replica) = (rig.image(), Memory::new(), [Replica::default()]);
    let image = RigImage::parse(&image).unwrap();
    let mut controller = start(shelf.clone(), image, &ABOUT, memory.buffers(&mut replica))?;
    controller.poll(0);
    Ok(controller.state())
}

#[test]
fn what_does_not_fit_is_refused_with_how_much_it_is_too_much() {
    let rigs = [
        ("sites", 6, 4, Rig { couplings: vec![(0, 1)], ..Rig::new(6) }),
        ("couplings", 5, 4, Rig { couplings: vec![(0, 1); 5], ..Rig::new(3) }),
        ("input sites", 3, 2, Rig { inputs: vec![0, 1, 2], ..Rig::new(3) }),
        ("output sites", 4, 2, Rig { outputs: vec![0, 1, 2, 0], ..Rig::new(3) }),
        ("converters", 4, 3, Rig { idle: 1, ..Rig::new(3) }),
    ];
    for (what, has, room, rig) in rigs {
        let error = start_on(&Shelf::default(), &rig).unwrap_err();
        assert_eq!(error, StartError::TooLarge { what, rig: has, room });
        assert!(error.to_string().contains(&format!("{} too many", has - room)), "{error}");
    }
}

#[test]
fn chips_that_cannot_be_set_up_leave_the_outputs_cleared() {
    let shelf = Shelf::default();
    shelf.0.borrow_mut().dead = true;
    assert_eq!(start_on(&shelf, &Rig::new(4)), Ok(State::Faulted(Fault::Converter)));
    assert_eq!(shelf.0.borrow().clear_low, Some(true));
    assert!(shelf.0.borrow().outputs.is_empty());
}

#[test]
fn safe_codes_of_the_image_are_on_the_channels_it_names_before_the_line_to_the_host_opens() {
    let (shelf, rig) = (Shelf::default(), Rig::new(4));
    assert_eq!(start_on(&shelf, &rig), Ok(State::Safe(SafeCause::Reset)));
    let registers = shelf.0.borrow();
    assert_eq!(registers.clear_low, Some(false));
    let want: Codes =
        (0..rig.codes()).map(|index| (((index / 8) as u8, (index % 8) as u8), 1000 + index as u16)).collect();
    assert_eq!(registers.outputs, want);
}
