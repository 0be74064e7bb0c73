//! What has come in, and why a rack cannot go on.

use crate::chips::FrameError;

/// Why a rack cannot be set up or go on.
#[derive(Debug, thiserror::Error)]
pub enum RackError {
    /// The image is of another rig.
    #[error(
        "the rig image and the rig file do not describe the same array ({0}): make the image anew with `xyloop config board`"
    )]
    Image(&'static str),
    /// Bytes that are no message of a board.
    #[error("the board's stream makes no sense at byte {at}: do board and plant speak the same version?")]
    Malformed {
        /// Where, counted from the last Hello.
        at: u64,
    },
    /// The board serves another rig.
    #[error(
        "the board has the image of another rig (CRC {theirs:08x}) than this plant (CRC {ours:08x}): give both the same file \
         and settings"
    )]
    OtherRig {
        /// CRC of the plant's image.
        ours: u32,
        /// CRC of the board's.
        theirs: u32,
    },
    /// Time that goes back or leaps.
    #[error("the board's time goes from {from_us} to {to_us} us: no shot waits like that")]
    Stamp {
        /// The stamp before.
        from_us: u64,
        /// The stamp that came.
        to_us: u64,
    },
    /// The way to the board broke down.
    #[error("cannot go on with the FIFOs: {0}")]
    Fifo(#[source] std::io::Error),
    /// The record cannot be written on.
    #[error("cannot write the record: {0}")]
    Record(#[source] std::io::Error),
}

/// What has come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RackCounts {
    /// Starts of the board.
    pub hellos: u64,
    /// Transactions.
    pub frames: u64,
    /// Of them, with a wrong number of bits.
    pub wrong_bits: u64,
    /// Of them, with a command or word length that the chip does not have.
    pub wrong_command: u64,
    /// Of them, for a channel, register or chip that is not there.
    pub wrong_channel: u64,
    /// Of them, with a wrong CRC.
    pub wrong_crc: u64,
    /// Falling edges of LDAC.
    pub latches: u64,
    /// Conversions.
    pub conversions: u64,
    /// Shots begun.
    pub shots: u64,
}

impl RackCounts {
    pub(super) fn note(&mut self, error: FrameError) {
        *match error {
            FrameError::Bits { .. } => &mut self.wrong_bits,
            FrameError::Command(_) | FrameError::WordLength(_) => &mut self.wrong_command,
            FrameError::Channel(_) | FrameError::NoChip(_) => &mut self.wrong_channel,
            FrameError::Crc { .. } => &mut self.wrong_crc,
        } += 1;
    }

    /// Frames that a real chip would have dropped or misread.
    pub fn wrong(&self) -> u64 {
        self.wrong_bits + self.wrong_command + self.wrong_channel + self.wrong_crc
    }
}

impl std::fmt::Display for RackCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { hellos, frames, latches, conversions, shots, .. } = self;
        write!(f, "{hellos} starts, {shots} shots, {latches} latches, {conversions} conversions, {frames} frames; ")?;
        write!(
            f,
            "{} wrong (bits {}, command {}, channel {}, CRC {})",
            self.wrong(),
            self.wrong_bits,
            self.wrong_command,
            self.wrong_channel,
            self.wrong_crc
        )
    }
}
