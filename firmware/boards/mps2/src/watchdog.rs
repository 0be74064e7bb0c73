//! The watchdog: unfed for half of a time it raises an NMI, after as much again it resets the machine. The time is the rig's
//! deadman, but not less than an emulator may be off the processor.

use xyloop_mps2::registers::Register;

const LOAD: Register = Register::at(0x4000_8000);
const CONTROL: Register = Register::at(0x4000_8008);
const CLEAR: Register = Register::at(0x4000_800c);
const LOCK: Register = Register::at(0x4000_8c00);
const UNLOCK: u32 = 0x1acc_e551;
/// Interrupt and reset.
const ON: u32 = 0b11;
/// Ticks of half a millisecond at 25 MHz.
const HALF_MS: u32 = 12_500;

/// Starts it, or gives it another period.
pub fn start(reset_ms: u16) {
    LOCK.write(UNLOCK);
    LOAD.write(HALF_MS * u32::from(reset_ms.max(1)));
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
        feed();
        CONTROL.write(ON);
    }
}
