//! The SPI bus (PL022), whose mode and clock follow the chip that is selected, and the select expander.
//!
//! No DMA: the longest transaction is 30 bytes, the FIFO holds 8, and the Controller has nothing else to do meanwhile.

use core::convert::Infallible;

use embedded_hal::{
    delay::DelayNs,
    digital::PinState,
    spi::{ErrorType, Mode, Operation, Phase, Polarity, SpiDevice},
};
use rp235x_hal::{
    gpio::{DynPinId, FunctionSio, Pin, PullNone, PullUp, SioOutput, bank0::Gpio9},
    pac,
};
use xyloop_board_common::{
    bus::{self, Divider},
    shift::{self, Fifos},
};
use xyloop_firmware::rig_image::ChipKind;

use crate::{CPU_HZ, Delay};

/// What two 74HC decoders at 3.3 V take from their inputs to a select line, rounded up.
const EXPANDER_NS: u32 = 150;

/// Address lines of the expander, lowest first.
pub type Address = [Pin<DynPinId, FunctionSio<SioOutput>, PullNone>; 7];
/// Lets the expander select what the address says while low.
pub type Enable = Pin<Gpio9, FunctionSio<SioOutput>, PullUp>;

/// The bus with all its chips.
pub struct Bus {
    pub spi: pac::SPI0,
    pub address: Address,
    pub enable: Enable,
    /// The rig's clock, Hz; a chip that is slower gets its own.
    pub highest_hz: u32,
    /// Between two selects, ns.
    pub gap_ns: u32,
    pub selected: Option<u8>,
    pub set: Option<(ChipKind, bool)>,
}

impl Bus {
    fn configure(&mut self, kind: ChipKind, listens: bool) {
        if self.set == Some((kind, listens)) {
            return;
        }
        let Mode { polarity, phase } = bus::mode(kind);
        let divider = Divider::of(CPU_HZ, self.highest_hz.min(bus::highest_hz(kind, listens)));
        self.spi.sspcr1().modify(|_, w| w.sse().clear_bit());
        // SAFETY: a `Divider` is within what the registers take; 7 stands for words of 8 bits, 0 for Motorola's format.
        unsafe {
            self.spi.sspcpsr().write(|w| w.cpsdvsr().bits(divider.prescale));
            self.spi.sspcr0().write(|w| {
                w.dss().bits(7).frf().bits(0).scr().bits(divider.postdivide);
                w.spo().bit(polarity == Polarity::IdleHigh).sph().bit(phase == Phase::CaptureOnSecondTransition)
            });
        }
        self.spi.sspcr1().modify(|_, w| w.sse().set_bit());
        self.set = Some((kind, listens));
    }

    /// Nothing is selected while the address changes: two chips never see one transaction.
    fn select(&mut self, address: u8) {
        if self.selected != Some(address) {
            for (bit, pin) in self.address.iter_mut().enumerate() {
                set(pin, PinState::from(address >> bit & 1 == 1));
            }
            Delay.delay_ns(EXPANDER_NS);
            self.selected = Some(address);
        }
        set(&mut self.enable, PinState::Low);
        Delay.delay_ns(EXPANDER_NS);
    }

    fn deselect(&mut self) {
        set(&mut self.enable, PinState::High);
        Delay.delay_ns(self.gap_ns.max(bus::LEAST_GAP_NS));
    }
}

impl Fifos for Bus {
    fn status(&self) -> (bool, bool) {
        let status = self.spi.sspsr().read();
        (status.tnf().bit(), status.rne().bit())
    }

    fn send(&mut self, byte: u8) {
        // SAFETY: of the 16 bits the lower 8 are sent.
        self.spi.sspdr().write(|w| unsafe { w.data().bits(byte.into()) });
    }

    fn receive(&mut self) -> u8 {
        self.spi.sspdr().read().data().bits() as u8
    }
}

/// One chip.
pub struct Chip<'a> {
    pub bus: &'a mut Bus,
    pub address: u8,
    /// What it is; `None` if the rig has nothing there.
    pub kind: Option<ChipKind>,
}

impl ErrorType for Chip<'_> {
    type Error = Infallible;
}

impl SpiDevice for Chip<'_> {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        let Some(kind) = self.kind else { return Ok(()) };
        let bus = &mut *self.bus;
        // The clock's idle level may change here: before the select.
        bus.configure(kind, bus::listens(operations));
        bus.select(self.address);
        shift::run(bus, &mut Delay, operations);
        bus.deselect();
        Ok(())
    }
}

fn set(pin: &mut impl embedded_hal::digital::OutputPin<Error = Infallible>, state: PinState) {
    let Ok(()) = pin.set_state(state);
}
