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

/// How the clock of an Arm PL022 (the SPI of RP2350) is divided: by `prescale`, even, 2 to 254, and by `1 + postdivide`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divider {
    /// 2 to 254, even.
    pub prescale: u8,
    /// One less than the second divisor.
    pub postdivide: u8,
}

impl Divider {
    /// The fastest clock that is not above `hz`, from `input_hz`; the slowest there is if that is too low.
    pub const fn of(input_hz: u32, hz: u32) -> Self {
        let divisor = input_hz.div_ceil(if hz == 0 { 1 } else { hz });
        let prescale = divisor.div_ceil(256).next_multiple_of(2);
        let prescale = if prescale > 254 { 254 } else { prescale };
        let post = divisor.div_ceil(prescale);
        Self { prescale: prescale as u8, postdivide: (if post > 256 { 256 } else { post } - 1) as u8 }
    }

    /// What comes out, Hz, rounded up.
    pub const fn hz(self, input_hz: u32) -> u32 {
        input_hz.div_ceil(self.prescale as u32 * (1 + self.postdivide as u32))
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
    fn a_divided_clock_is_never_above_what_a_chip_takes_and_close_to_it() {
        const INPUT: u32 = 150_000_000;
        for hz in
            [2_400, 10_000, 292_968, 300_000, 1_000_000, 8_000_000, 17_000_000, 20_000_000, 25_000_000, 50_000_000]
        {
            let divider = Divider::of(INPUT, hz);
            assert!(divider.prescale >= 2 && divider.prescale.is_multiple_of(2), "{hz}: {divider:?}");
            let exact = f64::from(INPUT) / f64::from(divider.prescale) / (1.0 + f64::from(divider.postdivide));
            assert!(exact <= f64::from(hz), "{hz}: {exact}");
            // The divisor is even: one step of it is the most that can be missed.
            let divisor = f64::from(INPUT) / f64::from(hz);
            assert!(exact >= f64::from(INPUT) / (divisor + 256.0_f64.min(2.0 + divisor / 64.0)), "{hz}: {exact}");
        }
        assert_eq!(Divider::of(INPUT, 20_000_000), Divider { prescale: 2, postdivide: 3 });
        assert_eq!(Divider::of(INPUT, 75_000_000).hz(INPUT), 75_000_000);
        assert_eq!(Divider::of(INPUT, 1), Divider { prescale: 254, postdivide: 255 });
    }

    #[test]
    fn parts_that_share_the_bus_do_not_share_the_mode() {
        assert_ne!(mode(ChipKind::Ad5370), mode(ChipKind::Ad7606));
        assert_eq!(mode(ChipKind::Ad5370), mode(ChipKind::Ads131m08));
    }
}
