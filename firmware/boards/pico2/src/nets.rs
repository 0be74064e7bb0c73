//! The two nets under the main loop: an alarm whose interrupt cuts the outputs, and the watchdog behind it.

use core::cell::RefCell;

use rp235x_hal::{
    Watchdog,
    fugit::ExtU32,
    pac,
    timer::{Alarm, Alarm0, CopyableTimer0},
};

use crate::Clock;

/// The loop did not come round for so long: outputs are cut, the chip is reset. Shorter if the rig's deadman is.
const STILL_MS: u32 = 200;
/// The same if interrupts are dead, too.
const WATCHDOG_MS: u32 = 250;

/// Both nets, tight as soon as they exist.
pub struct Nets {
    clock: Clock,
    held: RefCell<Held>,
}

struct Held {
    alarm: Alarm0<CopyableTimer0>,
    watchdog: Watchdog,
    still_ms: u32,
    last_us: u64,
}

impl Nets {
    pub fn new(mut alarm: Alarm0<CopyableTimer0>, mut watchdog: Watchdog, clock: Clock) -> Self {
        // An error would be a time beyond the timer's 32 bits.
        let _ = alarm.schedule(STILL_MS.millis());
        alarm.enable_interrupt();
        // SAFETY: no critical section is open here, and the handler shares nothing with other code but the last words, which
        // it writes and does not return.
        unsafe { rp235x_hal::arch::interrupt_unmask(pac::Interrupt::TIMER0_IRQ_0) };
        watchdog.start(WATCHDOG_MS.millis());
        Self { clock, held: RefCell::new(Held { alarm, watchdog, still_ms: STILL_MS, last_us: 0 }) }
    }

    /// Puts both off: the loop came round, or the outputs are at ground and chips are being set up. Time that stands still
    /// puts nothing off.
    pub fn hold(&self) {
        let (now_us, mut held) = (self.clock.now_us(), self.held.borrow_mut());
        if now_us > held.last_us {
            held.last_us = now_us;
            let still_ms = held.still_ms;
            let _ = held.alarm.schedule(still_ms.millis());
            held.watchdog.feed();
        }
    }

    /// A stuck loop holds its outputs no longer than a silent host would.
    pub fn tighten(&self, deadman_ms: u16) {
        let mut held = self.held.borrow_mut();
        // A loop that works comes round in a tenth of that.
        held.still_ms = STILL_MS.min(u32::from(deadman_ms).max(100));
        let watchdog_ms = held.still_ms + WATCHDOG_MS - STILL_MS;
        held.watchdog.start(watchdog_ms.millis());
    }
}
