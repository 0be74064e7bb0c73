//! Lines that all chips share, and time: the [`Hardware`] of the front end.

use embedded_hal::{
    delay::DelayNs,
    digital::{InputPin, OutputPin, PinState},
};
use rp235x_hal::gpio::{
    FunctionSio, Interrupt, Pin, PullDown, PullNone, PullUp, SioInput, SioOutput,
    bank0::{Gpio10, Gpio11, Gpio12, Gpio13, Gpio14, Gpio15, Gpio17, Gpio20, Gpio21},
};
use xyloop_firmware::{
    BoardError,
    front_end::Hardware,
    rig_image::{ChipKind, RigImage},
};
use xyloop_protocol::units::ShotId;

use crate::{
    Clock, Delay,
    nets::Nets,
    spi::{Bus, Chip},
};

type Output<I, P> = Pin<I, FunctionSio<SioOutput>, P>;
type Input<I, P> = Pin<I, FunctionSio<SioInput>, P>;

/// Within 45 ns of CONVST an AD7606 is busy, for 4 µs at least: later than this it did not hear.
const BUSY_BY_US: u64 = 2;
/// Longest conversion of an AD7606, 64 times oversampled, with room to spare.
const BUSY_MOST_US: u64 = 500;
/// Other AD7606 on the same CONVST may be a little slower than the one whose BUSY is wired.
const OTHERS_US: u32 = 1;
/// Conversions of an ADS131M08 after SYNC until both that it keeps come from a filter that has settled.
const CONVERSIONS: usize = 4;
/// Longest wait for one of them: 16 384-fold oversampling takes 4 ms.
const READY_MOST_US: u64 = 10_000;

/// Shared lines.
pub struct Lines {
    pub ldac_n: Output<Gpio10, PullUp>,
    pub clear_n: Output<Gpio11, PullDown>,
    pub reset_n: Output<Gpio12, PullDown>,
    pub reset: Output<Gpio13, PullNone>,
    /// CONVST of the AD7606, SYNC of the ADS131M08: both act as it rises.
    pub convert: Output<Gpio14, PullUp>,
    pub busy: Input<Gpio15, PullNone>,
    pub ready_n: Input<Gpio17, PullUp>,
    pub trigger: Output<Gpio20, PullNone>,
    pub live: Output<Gpio21, PullDown>,
}

/// The board as the front end sees it.
pub struct Pico<'a> {
    bus: Bus,
    lines: Lines,
    clock: Clock,
    nets: &'a Nets,
    image: RigImage<'a>,
    has_ad7606: bool,
    has_ads131m08: bool,
    cleared: bool,
    /// The last latch or conversion: waits count from it.
    event_us: u64,
    /// The latch, or the end of a wait, up to which time has been told.
    told_us: u64,
    wait: Option<(u64, u32)>,
}

impl<'a> Pico<'a> {
    pub fn new(bus: Bus, lines: Lines, clock: Clock, nets: &'a Nets, image: RigImage<'a>) -> Self {
        let has = |kind| image.chips().any(|chip| chip == kind);
        let (has_ad7606, has_ads131m08) = (has(ChipKind::Ad7606), has(ChipKind::Ads131m08));
        // Edges stay in a latch, which needs no interrupt to be taken.
        lines.ready_n.set_interrupt_enabled(Interrupt::EdgeLow, true);
        lines.busy.set_interrupt_enabled(Interrupt::EdgeHigh, true);
        Self {
            bus,
            lines,
            clock,
            nets,
            image,
            has_ad7606,
            has_ads131m08,
            cleared: true,
            event_us: 0,
            told_us: 0,
            wait: None,
        }
    }

    fn wait_until(&mut self, most_us: u64, mut done: impl FnMut(&mut Lines) -> bool) -> Result<(), BoardError> {
        let deadline = self.clock.now_us() + most_us;
        while !done(&mut self.lines) {
            if self.clock.now_us() > deadline {
                return Err(BoardError::Converter);
            }
        }
        Ok(())
    }

    fn pulse(&mut self, line: impl Fn(&mut Lines, PinState), active: PinState, ns: u32) {
        line(&mut self.lines, active);
        Delay.delay_ns(ns);
        line(&mut self.lines, !active);
    }
}

impl Hardware for Pico<'_> {
    type Spi<'b>
        = Chip<'b>
    where
        Self: 'b;
    type Delay = Delay;

    fn chip(&mut self, address: u8) -> Chip<'_> {
        if self.cleared {
            // Setting up sixty chips on a slow bus takes longer than the nets allow; the outputs are at ground meanwhile.
            self.nets.hold();
        }
        Chip { bus: &mut self.bus, address, kind: self.image.kind(address) }
    }

    fn delay(&mut self) -> Delay {
        Delay
    }

    fn latch(&mut self) -> Result<(), BoardError> {
        self.pulse(|lines, state| put(&mut lines.ldac_n, state), PinState::Low, 500);
        if !self.cleared {
            // Codes are on the outputs: the switches behind those that have no clear line may close.
            put(&mut self.lines.live, PinState::High);
        }
        self.event_us = self.clock.now_us();
        self.told_us = self.event_us;
        Ok(())
    }

    fn clear(&mut self, low: bool) {
        self.cleared = low;
        if low {
            put(&mut self.lines.live, PinState::Low);
        }
        put(&mut self.lines.clear_n, if low { PinState::Low } else { PinState::High });
    }

    fn reset(&mut self) -> Result<(), BoardError> {
        self.pulse(|lines, state| put(&mut lines.reset, state), PinState::High, 1_000);
        self.pulse(|lines, state| put(&mut lines.reset_n, state), PinState::Low, 1_000);
        Ok(())
    }

    fn convert(&mut self) -> Result<(), BoardError> {
        self.lines.busy.clear_interrupt(Interrupt::EdgeHigh);
        self.event_us = self.clock.now_us();
        self.pulse(|lines, state| put(&mut lines.convert, state), PinState::Low, 500);
        // Whatever was ready before the pulse is not what it starts; the next is 30 µs away.
        self.lines.ready_n.clear_interrupt(Interrupt::EdgeLow);
        if self.has_ad7606 {
            // A BUSY that never came is a wire that is off: without this, old codes would pass for new ones. It is high for
            // 4 µs only, so its edge is kept in a latch.
            self.wait_until(BUSY_BY_US, |lines| lines.busy.interrupt_status(Interrupt::EdgeHigh))?;
            self.wait_until(BUSY_MOST_US, |lines| !is_high(&mut lines.busy))?;
            Delay.delay_us(OTHERS_US);
        }
        if self.has_ads131m08 {
            for _ in 0..CONVERSIONS {
                self.wait_until(READY_MOST_US, |lines| lines.ready_n.interrupt_status(Interrupt::EdgeLow))?;
                self.lines.ready_n.clear_interrupt(Interrupt::EdgeLow);
            }
        }
        Ok(())
    }

    fn mark(&mut self, _: ShotId) {
        self.pulse(|lines, state| put(&mut lines.trigger, state), PinState::High, 1_000);
    }

    fn start(&mut self, duration_us: u32) {
        self.wait = Some((self.event_us, duration_us));
    }

    fn elapsed_us(&mut self) -> Option<u32> {
        let (since_us, duration_us) = self.wait?;
        let now_us = self.clock.now_us();
        if now_us.saturating_sub(since_us) < u64::from(duration_us) {
            return None;
        }
        self.wait = None;
        // What reading took since the last wait belongs to the segment, too.
        let elapsed_us = now_us.saturating_sub(self.told_us);
        self.told_us = now_us;
        Some(u32::try_from(elapsed_us).unwrap_or(u32::MAX))
    }

    fn stop(&mut self) {
        self.wait = None;
    }
}

fn put(pin: &mut impl OutputPin<Error = core::convert::Infallible>, state: PinState) {
    let Ok(()) = pin.set_state(state);
}

fn is_high(pin: &mut impl InputPin<Error = core::convert::Infallible>) -> bool {
    let Ok(high) = pin.is_high();
    high
}
