//! The board's clock: a 32-bit hardware timer at 25 MHz / 16, extended to 64 bits.

use xyloop_mps2::registers::Register;

const LOAD: Register = Register::at(0x4000_2000);
const VALUE: Register = Register::at(0x4000_2004);
const CONTROL: Register = Register::at(0x4000_2008);
/// Enabled, free-running, divided by 16, 32 bits.
const RUN: u32 = 1 << 7 | 1 << 2 | 1 << 1;

/// Microseconds since the start; copies agree. Each must be asked more often than the timer wraps (45 minutes).
#[derive(Clone, Copy)]
pub struct Clock {
    last: u32,
    ticks: u64,
}

impl Clock {
    /// Starts the timer.
    pub fn start() -> Self {
        LOAD.write(u32::MAX);
        CONTROL.write(RUN);
        Self { last: VALUE.read(), ticks: 0 }
    }

    /// Now.
    pub fn now_us(&mut self) -> u64 {
        // It counts down.
        let value = VALUE.read();
        self.ticks += u64::from(self.last.wrapping_sub(value));
        self.last = value;
        self.ticks * 16 / 25
    }
}
