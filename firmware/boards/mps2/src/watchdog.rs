//! The watchdog: unfed for 125 ms it raises an NMI, after as much again it resets the machine.

use xyloop_mps2::registers::Register;

const LOAD: Register = Register::at(0x4000_8000);
const CONTROL: Register = Register::at(0x4000_8008);
const CLEAR: Register = Register::at(0x4000_800c);
const LOCK: Register = Register::at(0x4000_8c00);
const UNLOCK: u32 = 0x1acc_e551;
/// Interrupt and reset.
const ON: u32 = 0b11;
/// 125 ms at 25 MHz: with the second period that resets, a stuck firmware holds its outputs for 250 ms at most.
const PERIOD: u32 = 3_125_000;

/// Starts it.
pub fn start() {
    LOCK.write(UNLOCK);
    LOAD.write(PERIOD);
    CONTROL.write(ON);
}

/// Gives the firmware another period.
pub fn feed() {
    CLEAR.write(1);
}

/// Holds it until the value is dropped: while the emulator itself waits.
pub fn pause() -> Pause {
    CONTROL.write(0);
    Pause
}

/// See [`pause`].
pub struct Pause;

impl Drop for Pause {
    fn drop(&mut self) {
        LOAD.write(PERIOD);
        CONTROL.write(ON);
    }
}
