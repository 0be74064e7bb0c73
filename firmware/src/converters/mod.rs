//! Drivers of converter chips over embedded-hal 1.0: two DACs ([`Ad5370`], [`Ad5676r`]) and two ADCs ([`Ad7606`],
//! [`Ads131m08`]).
//!
//! A driver is a thin value around an `SpiDevice`, without state of its own: a bus whose chip selects come from an expander
//! makes a driver on the fly for each of its chips. What the chips have in common:
//!
//! - A code goes into an input register and waits there. LDAC, one pin for all DACs of a board, makes the codes take
//!   effect at once. LDAC, CLR and RESET belong to the board, not to a driver.
//! - No chip is at the calibrated zero when it comes up; each module says where it is instead. Until `initialise` and a full
//!   set of safe codes have passed, whoever owns the pins keeps the outputs away from the plant.
//! - A driver never retries: it reports, and the board decides. It waits only where a chip needs a pulse or a pause.
//!
//! # Limitations
//! A refused or failed call may leave a chip half set up: call `initialise` again. The chip select must rise and fall
//! between any two transactions, for as long as the module of the chip says.

mod ad5370;
mod ad5676r;
mod ad7606;
mod ads131m08;

pub use ad5370::Ad5370;
pub use ad5676r::Ad5676r;
pub use ad7606::{Ad7606, Ad7606Pins};
pub use ads131m08::{Ads131m08, Oversampling};

/// Why a converter did not do as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConverterError<E> {
    /// The bus failed: see the error of its driver.
    Spi(E),
    /// A pin could not be driven or read: check the port or the expander it hangs on.
    Pin,
    /// The chip has no such channel; nothing was sent.
    Channel(u8),
    /// A frame arrived with bit errors: check clock rate and wiring, then read again.
    Crc {
        /// The CRC of what arrived.
        expected: u16,
        /// The CRC that arrived.
        received: u16,
    },
    /// A register does not hold what was written, or the chip did not acknowledge: it is absent, unpowered, of another type,
    /// or its data output is not connected. All ones or all zeros point at the wiring.
    ReadBack {
        /// What the chip should have answered.
        expected: u16,
        /// What it answered, without the bits that may be anything.
        received: u16,
    },
    /// The chip reports a condition that makes its codes worthless, such as a reset nobody asked for: initialise it again.
    /// The register as read; the module of the chip names the bits.
    Status(u16),
    /// A conversion is running, or no new one has come since the last read: ask again later.
    Busy,
}

/// Refuses a channel the chip does not have.
fn check_channel<E>(channel: u8, channels: u8) -> Result<(), ConverterError<E>> {
    if channel < channels { Ok(()) } else { Err(ConverterError::Channel(channel)) }
}

/// Compares the bits of `mask` in what a chip answered.
fn check_read_back<E>(expected: u16, received: u16, mask: u16) -> Result<(), ConverterError<E>> {
    let received = received & mask;
    if received == expected & mask { Ok(()) } else { Err(ConverterError::ReadBack { expected, received }) }
}
