//! The watchdog: unfed for 125 ms it raises an NMI, after as much again it resets the machine.

use crate::registers::Register;

const LOAD: Register = Register::at(0x4000_8000);
const CONTROL: Register = Register::at(0x4000_8008);
const CLEAR: Register = Register::at(0x4000_800c);
const LOCK: Register = Register::at(0x4000_8c00);
const UNLOCK: u32 = 0x1acc_e551;
/// 125 ms at 25 MHz: with the second period that resets, a stuck firmware holds its outputs for 250 ms at most.
const PERIOD: u32 = 3_125_000;

/// Starts it.
pub fn start() {
    LOCK.write(UNLOCK);
    LOAD.write(PERIOD);
    // Interrupt and reset.
    CONTROL.write(0b11);
}

/// Gives the firmware another period.
pub fn feed() {
    CLEAR.write(1);
}
