//! The lamp on the board: one pattern of ten tenths of a second for each state.

use core::convert::Infallible;

use embedded_hal::digital::{OutputPin, PinState};
use xyloop_protocol::message::State;

/// What the lamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Outputs follow the host: always on.
    Armed,
    /// Outputs safe, waiting for a host: half a second on, half off.
    Safe,
    /// A fault is latched: five times a second.
    Faulted,
    /// No usable rig image: two flashes a second.
    NoRig,
}

impl Pattern {
    pub fn of(state: State) -> Self {
        match state {
            State::Faulted(_) => Self::Faulted,
            State::Ready | State::Running => Self::Armed,
            State::Boot | State::Safe(_) => Self::Safe,
        }
    }

    /// Bit n: lit in the n-th tenth of a second.
    const fn tenths(self) -> u16 {
        match self {
            Self::Armed => 0b11_1111_1111,
            Self::Safe => 0b00_0001_1111,
            Self::Faulted => 0b01_0101_0101,
            Self::NoRig => 0b00_0000_0101,
        }
    }
}

/// Puts the lamp where the pattern says it is now.
pub fn show(lamp: &mut impl OutputPin<Error = Infallible>, pattern: Pattern, now_us: u64) {
    let lit = pattern.tenths() >> (now_us / 100_000 % 10) & 1 == 1;
    let Ok(()) = lamp.set_state(PinState::from(lit));
}
