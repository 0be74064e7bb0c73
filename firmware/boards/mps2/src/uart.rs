//! CMSDK UARTs: one byte in, one byte out, polled; a received byte also wakes the processor.

use cortex_m::peripheral::NVIC;

use xyloop_mps2::registers::Register;

const FULL_TO_SEND: u32 = 1;
const FULL_TO_READ: u32 = 1 << 1;
const RECEIVED: u32 = 1 << 1;

/// Interrupt number of UART0's receiver.
#[derive(Clone, Copy)]
pub struct Received0;

// SAFETY: interrupt 0 of AN386 is UART0's receiver, and this type has that value only.
unsafe impl cortex_m::interrupt::InterruptNumber for Received0 {
    fn number(self) -> u16 {
        0
    }
}

/// One UART.
pub struct Uart {
    data: Register,
    state: Register,
    status: Register,
}

impl Uart {
    /// The host's line. Its received bytes end a `wfi`.
    pub fn host() -> Self {
        let uart = Self::enable(0x4000_4000, 1 << 3);
        // SAFETY: interrupts are masked for good (see `main`): unmasking this one wakes the processor and runs nothing.
        unsafe { NVIC::unmask(Received0) };
        uart
    }

    /// The second line, to the chips.
    pub fn chips() -> Self {
        Self::enable(0x4000_5000, 0)
    }

    fn enable(base: u32, interrupts: u32) -> Self {
        // The emulator takes any rate; hardware would divide its 25 MHz clock to 1.5625 Mbaud.
        Register::at(base + 0x10).write(16);
        Register::at(base + 0x08).write(0b11 | interrupts);
        Self { data: Register::at(base), state: Register::at(base + 0x04), status: Register::at(base + 0x0c) }
    }

    /// Bytes that are there, as many as fit.
    pub fn receive(&mut self, bytes: &mut [u8]) -> usize {
        let mut count = 0;
        while count < bytes.len() && self.state.read() & FULL_TO_READ != 0 {
            // Before the byte is taken: the next one may arrive at once, and its interrupt must not be lost.
            self.status.write(RECEIVED);
            bytes[count] = self.data.read() as u8;
            count += 1;
        }
        count
    }

    /// As many bytes as the line takes now.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        let mut count = 0;
        while count < bytes.len() && self.state.read() & FULL_TO_SEND == 0 {
            self.data.write(bytes[count].into());
            count += 1;
        }
        count
    }

    /// Whether a byte waits.
    pub fn has_received(&self) -> bool {
        self.state.read() & FULL_TO_READ != 0
    }
}
