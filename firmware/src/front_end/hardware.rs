//! What a front end needs of the board it sits on: chips behind a select expander, a few lines that all chips share, and
//! time.

use embedded_hal::{delay::DelayNs, spi::SpiDevice};
use xyloop_protocol::units::ShotId;

use crate::board::BoardError;

/// Chips, lines and time of one board. Addresses are those of the chip-select expander.
///
/// After a reset of the microcontroller, before any of this is called, the clear line must be low by itself (a
/// pull-down): the outputs of every DAC that has one are then at ground.
pub trait Hardware {
    /// A chip with its select line.
    type Spi<'a>: SpiDevice
    where
        Self: 'a;
    /// Waits, where a chip needs one.
    type Delay: DelayNs;

    /// The chip at an address.
    fn chip(&mut self, address: u8) -> Self::Spi<'_>;

    /// Short waits (reset pulses); not the plant's time.
    fn delay(&mut self) -> Self::Delay;

    /// One pulse on the LDAC line of all DACs: what was written is on the outputs.
    fn latch(&mut self) -> Result<(), BoardError>;

    /// Holds the clear line of all DACs low, or lets it go. Cannot fail.
    fn clear(&mut self, low: bool);

    /// One pulse on the reset line of all converters that have one.
    fn reset(&mut self) -> Result<(), BoardError>;

    /// Starts one conversion of all ADCs and waits for its end.
    fn convert(&mut self) -> Result<(), BoardError>;

    /// Tells whoever watches that a shot begins: a trigger for an oscilloscope on a bench. A simulated array, whose start
    /// is arbitrary but must not depend on what ran before, draws it by the shot's name.
    fn mark(&mut self, shot: ShotId);

    /// Waits `duration_us` of plant time from the last latch or conversion on: shifting a reading out does not make a window
    /// longer.
    fn start(&mut self, duration_us: u32);

    /// How long the wait has taken, once it is over, microseconds; `None` before, and after it was asked once.
    fn elapsed_us(&mut self) -> Option<u32>;

    /// Forgets the wait.
    fn stop(&mut self);

    /// The hardware's own word on the clock at each poll; nothing by default.
    fn poll(&mut self, _now_us: u64) -> Result<(), BoardError> {
        Ok(())
    }
}
