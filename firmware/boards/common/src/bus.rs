//! How each kind of converter wants its bus. Chips of several kinds share one, so a board sets this anew with every select.

use embedded_hal::spi::{MODE_1, MODE_2, Mode, Operation};
use xyloop_firmware::rig_image::ChipKind;

/// Least time between two selects, nanoseconds: an AD5370 wants 270 ns between naming a register and reading it.
pub const LEAST_GAP_NS: u32 = 300;

/// Clock polarity and phase. All of them are to be set before the chip is selected.
pub const fn mode(kind: ChipKind) -> Mode {
    match kind {
        ChipKind::Ad5370 | ChipKind::Ad5676r | ChipKind::Ads131m08 => MODE_1,
        // The chip select puts the first bit out, each rising edge the next.
        ChipKind::Ad7606 => MODE_2,
    }
}

/// Highest clock at 3.3 V logic, Hz; lower where the chip's answer is listened to.
pub const fn highest_hz(kind: ChipKind, listens: bool) -> u32 {
    match (kind, listens) {
        (ChipKind::Ad5370 | ChipKind::Ad5676r, false) => 50_000_000,
        (ChipKind::Ad5370, true) => 20_000_000,
        (ChipKind::Ad5676r, true) => 8_000_000,
        (ChipKind::Ad7606, _) => 17_000_000,
        (ChipKind::Ads131m08, _) => 25_000_000,
    }
}

/// Whether anything that comes from the chip is kept.
pub fn listens(operations: &[Operation<'_, u8>]) -> bool {
    operations.iter().any(|operation| !matches!(operation, Operation::Write(_) | Operation::DelayNs(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_goes_at_full_speed_and_anything_that_reads_does_not() {
        let mut place = [0; 3];
        let write = [Operation::Write(&[1, 2, 3]), Operation::DelayNs(5)];
        assert!(!listens(&write));
        assert!(listens(&[Operation::Write(&[1]), Operation::Read(&mut place)]));
        assert!(listens(&[Operation::Transfer(&mut place, &[0; 3])]));
        assert!(listens(&[Operation::TransferInPlace(&mut place)]));
        for (kind, _) in ChipKind::NAMES {
            assert!(highest_hz(kind, true) <= highest_hz(kind, false), "{kind:?}");
        }
    }

    #[test]
    fn parts_that_share_the_bus_do_not_share_the_mode() {
        assert_ne!(mode(ChipKind::Ad5370), mode(ChipKind::Ad7606));
        assert_eq!(mode(ChipKind::Ad5370), mode(ChipKind::Ads131m08));
    }
}
