//! The machine's peripherals as registers: the CMSDK parts of the MPS2+ board, image AN386.

/// A 32-bit register of this machine.
#[derive(Clone, Copy)]
pub struct Register(u32);

impl Register {
    /// The register at an address of AN386's memory map; used in this crate with constants from that map only.
    pub const fn at(address: u32) -> Self {
        Self(address)
    }

    /// Its value now.
    pub fn read(self) -> u32 {
        // SAFETY: `at` is given addresses of peripheral registers only, which exist on this machine and are aligned.
        unsafe { (self.0 as *const u32).read_volatile() }
    }

    /// Gives it a value.
    pub fn write(self, value: u32) {
        // SAFETY: as in `read`; no register of these peripherals reaches into memory that Rust knows of (no DMA).
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }
}
