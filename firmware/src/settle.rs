//! The settle policy's verdict: two windows, the change of every site's mean phase between them, a tolerance.

use xyloop_protocol::{message::Settle, units::Turn};

/// What two windows say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Largest change of any site, 2^-16 turns.
    pub residual_turn: u16,
    /// Whether it is below the tolerance.
    pub settled: bool,
}

/// Compares the mean phases of two windows.
pub fn verdict(earlier: &[Turn], later: &[Turn], policy: &Settle) -> Verdict {
    let residual_turn = earlier.iter().zip(later).map(|(a, b)| b.distance(*a)).max().unwrap_or(0);
    Verdict { residual_turn, settled: residual_turn < policy.tolerance_turn }
}

/// Whether a policy can be carried out: reads in range, a window before the time-out.
pub fn is_valid(policy: &Settle) -> bool {
    (1..=64).contains(&policy.reads_per_window)
        && policy.window_us > 0
        && policy.tolerance_turn > 0
        && policy.min_us.checked_add(policy.window_us).is_some_and(|first| first <= policy.timeout_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Settle = Settle { min_us: 10, window_us: 5, reads_per_window: 1, tolerance_turn: 3, timeout_us: 20 };

    #[test]
    fn one_moving_site_among_many_keeps_a_state_unsettled() {
        let still = [Turn(1); 9];
        let mut moving = still;
        moving[4] = Turn(65534);
        assert_eq!(verdict(&still, &still, &POLICY), Verdict { residual_turn: 0, settled: true });
        assert_eq!(verdict(&still, &moving, &POLICY), Verdict { residual_turn: 3, settled: false });
        moving[4] = Turn(65535);
        assert_eq!(verdict(&still, &moving, &POLICY), Verdict { residual_turn: 2, settled: true });
    }

    #[test]
    fn policies_without_room_for_two_windows_are_refused() {
        assert!(is_valid(&POLICY));
        assert!(!is_valid(&Settle { timeout_us: 14, ..POLICY }));
        assert!(!is_valid(&Settle { min_us: u32::MAX, ..POLICY }));
        assert!(!is_valid(&Settle { reads_per_window: 0, ..POLICY }));
        assert!(!is_valid(&Settle { tolerance_turn: 0, ..POLICY }));
    }
}
