//! The way to the simulated chips: two FIFOs that the emulator opens by semihosting, or the second UART.

use cortex_m_semihosting::{nr, syscall};
use xyloop_firmware::carrier::{Broken, Carrier};

use crate::{clock::Clock, uart::Uart, watchdog};

/// Longest wait for an answer over the UART, microseconds. Over the FIFOs the emulator itself waits.
const ANSWER_US: u64 = 2_000_000;

/// Longest wait for the other end of the FIFOs to be opened, microseconds.
const OPENED_US: u64 = 1_000_000;

/// Carries transactions to the chips and their answers back.
pub enum SpiCarrier {
    /// Files of the emulator's host, by their handles.
    Fifos { request: usize, reply: usize, clock: Clock },
    /// The second UART.
    Uart(Uart, Clock),
}

impl SpiCarrier {
    /// The FIFOs if they are there, otherwise the UART.
    pub fn find(clock: Clock) -> Self {
        const READ: usize = nr::open::R_BINARY;
        const WRITE: usize = nr::open::W_TRUNC_BINARY;
        // Reading must not create it: only if the first is there is the second opened.
        match open(c"spi.reply", READ) {
            Some(reply) => match open(c"spi.request", WRITE) {
                Some(request) => Self::Fifos { request, reply, clock },
                None => Self::Uart(Uart::chips(), clock),
            },
            None => Self::Uart(Uart::chips(), clock),
        }
    }
}

fn open(path: &core::ffi::CStr, mode: usize) -> Option<usize> {
    // SAFETY: the emulator reads three words: a string, the mode and the string's length, all of which outlive the call.
    let handle = unsafe { syscall!(OPEN, path.as_ptr(), mode, path.count_bytes()) };
    (handle as isize >= 0).then_some(handle)
}

impl Carrier for SpiCarrier {
    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Broken> {
        match self {
            Self::Fifos { request, .. } => {
                while !bytes.is_empty() {
                    // SAFETY: the emulator reads `bytes` and nothing else; it returns how many it could not write.
                    let left = unsafe { syscall!(WRITE, *request, bytes.as_ptr(), bytes.len()) };
                    if left >= bytes.len() {
                        return Err(Broken);
                    }
                    bytes = &bytes[bytes.len() - left..];
                }
                Ok(())
            }
            Self::Uart(uart, clock) => {
                let until_us = clock.now_us() + ANSWER_US;
                while !bytes.is_empty() {
                    bytes = &bytes[uart.send(bytes)..];
                    watchdog::feed();
                    if clock.now_us() > until_us {
                        return Err(Broken);
                    }
                }
                Ok(())
            }
        }
    }

    fn receive(&mut self, bytes: &mut [u8]) -> Result<(), Broken> {
        let mut count = 0;
        match self {
            Self::Fifos { reply, .. } => {
                // Meanwhile the whole machine stands still, and that is not the firmware's fault.
                let _pause = watchdog::pause();
                while count < bytes.len() {
                    let rest = &mut bytes[count..];
                    // SAFETY: the emulator writes at most the length of `rest`; it returns how many bytes are missing.
                    let left = unsafe { syscall!(READ, *reply, rest.as_mut_ptr(), rest.len()) };
                    if left >= rest.len() {
                        return Err(Broken);
                    }
                    count += rest.len() - left;
                }
                Ok(())
            }
            Self::Uart(uart, clock) => {
                let until_us = clock.now_us() + ANSWER_US;
                while count < bytes.len() {
                    count += uart.receive(&mut bytes[count..]);
                    watchdog::feed();
                    if clock.now_us() > until_us {
                        return Err(Broken);
                    }
                }
                Ok(())
            }
        }
    }

    fn receive_greeting(&mut self, bytes: &mut [u8]) -> Result<(), Broken> {
        let Self::Fifos { mut clock, .. } = *self else { return self.receive(bytes) };
        let until_us = clock.now_us() + OPENED_US;
        // Without a writer a FIFO is at its end at once.
        loop {
            let received = self.receive(bytes);
            if received.is_ok() || clock.now_us() > until_us {
                return received;
            }
        }
    }
}
