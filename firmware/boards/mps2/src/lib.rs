//! What the firmware of the emulated board and the binary that counts what it costs share: the machine's registers and where
//! the rig image lies.
#![no_std]
#![deny(missing_docs)]

pub mod registers;

use core::slice;

const IMAGE: *const u8 = 0x0038_0000 as *const u8;
const IMAGE_BYTES: usize = 0x0007_ff00;

/// Where the emulator puts the rig image, whatever it has put there.
pub fn rig_image() -> &'static [u8] {
    // SAFETY: these bytes are the top of the machine's code memory, behind everything the linker places (memory.x); the
    // emulator has filled them before the start and nothing writes to them.
    unsafe { slice::from_raw_parts(IMAGE, IMAGE_BYTES) }
}
