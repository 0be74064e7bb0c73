//! From an experiment's settings to the plan a device runs: segments, nudges, kick, settle policy, in integers.

use xyloop_protocol::{
    codec::Codec,
    message::{Cost, Generation, Kick, MAX_SEGMENTS, Nudge, Plan, ReadOut, Segment, Settle},
    units::Flags,
};

use crate::{
    calibration::Calibration,
    config::{self, BasinRule, Experiment, NudgeMode, ReadWhat, UnsettledRule},
};

/// Says what a measured equilibrium is in Equilibrium Propagation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// β = 0.
    Free,
    /// Nudged; the sign of β before a shot's flip.
    Nudged(f64),
    /// After a nudge was taken off.
    Released,
}

/// Returns the segments of a training shot with what each is.
pub fn training_segments(settings: &config::Nudge, calibration: &Calibration) -> ([Segment; MAX_SEGMENTS], Vec<Role>) {
    let cost = match settings.cost {
        config::Cost::Log => Cost::Log { bound_q14: (settings.clip * f64::from(1 << 14)).round() as u16 },
        config::Cost::Cosine => Cost::Cosine,
    };
    let beta_q8 = calibration.beta_q8(settings.beta);
    let plus = Segment::Nudge(Nudge { beta_q8, cost });
    let minus = Segment::Nudge(Nudge { beta_q8: -beta_q8, cost });
    let mut segments = [Segment::End; MAX_SEGMENTS];
    let (order, roles): (&[Segment], &[Role]) = match settings.mode {
        NudgeMode::Symmetric => (
            &[Segment::Kick, Segment::Free, plus, Segment::Release, minus],
            &[Role::Free, Role::Nudged(1.0), Role::Released, Role::Nudged(-1.0)],
        ),
        NudgeMode::OneSided | NudgeMode::RandomSign => {
            (&[Segment::Kick, Segment::Free, plus, Segment::Release], &[Role::Free, Role::Nudged(1.0), Role::Released])
        }
        NudgeMode::LinearResponse => (&[Segment::Kick, Segment::Free], &[Role::Free]),
    };
    segments[..order.len()].copy_from_slice(order);
    (segments, roles.to_vec())
}

/// Returns the segments of an evaluation with what each is: no nudge, and a second look, so that a state which does
/// not hold is flagged as a basin change.
pub fn evaluation_segments() -> ([Segment; MAX_SEGMENTS], [Role; 2]) {
    let mut segments = [Segment::End; MAX_SEGMENTS];
    segments[..3].copy_from_slice(&[Segment::Kick, Segment::Free, Segment::Release]);
    (segments, [Role::Free, Role::Released])
}

/// Returns the nudge strength that the converters really make, model units.
pub fn realised_beta(settings: &config::Nudge, calibration: &Calibration) -> f64 {
    f64::from(calibration.beta_q8(settings.beta)) / 256.0 * calibration.field_step()
}

/// Makes a plan for these segments.
pub fn plan(
    experiment: &Experiment,
    calibration: &Calibration,
    generation: Generation,
    segments: [Segment; MAX_SEGMENTS],
    kick_seed: u64,
) -> Plan {
    let guard = &experiment.train.guard;
    let mut leave_out = Flags::default();
    if guard.unsettled == UnsettledRule::Reject {
        leave_out.set(Flags::UNSETTLED);
    }
    if guard.basin == BasinRule::Reject {
        leave_out.set(Flags::BASIN_CHANGED);
    }
    Plan {
        // The client names its run and codec.
        run: 0,
        codec: Codec::Words,
        generation,
        segments,
        kick: Kick {
            seed: kick_seed,
            range_steps: calibration.field_steps(experiment.kick.range),
            duration_us: experiment.kick.duration_us,
        },
        settle: settle(&experiment.settle),
        reads: experiment.read.reads as u8,
        read_out: match experiment.read.what {
            ReadWhat::Phases => ReadOut::Phases,
            ReadWhat::Outputs => ReadOut::Outputs,
            ReadWhat::Contrast => ReadOut::Contrast,
        },
        basin_tolerance_turn: turns(guard.release_tolerance_rad),
        leave_out,
    }
}

fn settle(settings: &config::Settle) -> Settle {
    Settle {
        min_us: settings.min_us,
        window_us: settings.window_us,
        reads_per_window: settings.reads_per_window as u8,
        tolerance_turn: turns(settings.tolerance_rad),
        timeout_us: settings.timeout_us,
    }
}

/// Returns an angle as a number of 16-bit turn steps, at least 1.
fn turns(angle_rad: f64) -> u16 {
    (angle_rad / std::f64::consts::TAU * 65536.0).round().clamp(1.0, f64::from(u16::MAX)) as u16
}
