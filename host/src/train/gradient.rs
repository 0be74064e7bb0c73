//! From measured equilibria to the EP gradient of a step: contrasts and guards.

use xyloop_lattice::{
    Graph, Parameters,
    ep::{Contrast, Nudging},
};
use xyloop_protocol::units::Flags;

use super::plan::Role;
use crate::{
    calibration::radians,
    config::{BasinRule, Guard, NudgeMode, UnsettledRule},
    counts::ShotCounts,
    device::{ShotResult, Sums},
};

/// Adds up contrasts over the shots of a step.
pub struct Accumulator<'a> {
    graph: &'a Graph,
    guard: &'a Guard,
    mode: NudgeMode,
    beta: f64,
    roles: &'a [Role],
    contrast: Contrast,
    phases: [Vec<f64>; 2],
}

impl<'a> Accumulator<'a> {
    /// Holds nothing yet. `beta` is the nudge strength the converters make; `roles` says what each equilibrium of a shot is.
    pub fn new(graph: &'a Graph, guard: &'a Guard, mode: NudgeMode, beta: f64, roles: &'a [Role]) -> Self {
        let phases = [vec![0.0; graph.len()], vec![0.0; graph.len()]];
        Self { graph, guard, mode, beta, roles, contrast: Contrast::zeros(graph), phases }
    }

    /// Adds one shot's contrast; `counts` learns whether it was left out or capped.
    pub fn add(&mut self, shot: &ShotResult, flip: bool, counts: &mut ShotCounts) {
        let flags = shot.flags();
        let rejected = (self.guard.unsettled == UnsettledRule::Reject && flags.any(Flags::UNSETTLED))
            || (self.guard.basin == BasinRule::Reject && flags.any(Flags::BASIN_CHANGED));
        if rejected {
            counts.left_out += 1;
            return;
        }
        let Some((nudged, reference, sign)) = self.pair(shot) else { return };
        for (place, index) in self.phases.iter_mut().zip([nudged, reference]) {
            let measured = shot.equilibria.get(index).map(|equilibrium| &equilibrium.phases[..]).unwrap_or_default();
            for (phase, turn) in place.iter_mut().zip(measured) {
                *phase = radians(*turn);
            }
        }
        let mut weight = if flip { -sign } else { sign };
        if self.guard.basin == BasinRule::Cap {
            let moved_turn = shot.equilibria.iter().map(|equilibrium| equilibrium.moved_turn).max().unwrap_or(0);
            let moved_rad = turns_rad(moved_turn);
            if moved_rad > self.guard.cap_rad {
                counts.capped += 1;
                weight *= self.guard.cap_rad / moved_rad;
            }
        }
        self.contrast.add_weighted(self.graph, &self.phases[0], &self.phases[1], weight);
    }

    /// Returns which two equilibria make a shot's contrast, and its sign before the flip.
    ///
    /// A rig cannot copy a state back: where a release did not come back to the free state, what was nudged afterwards
    /// belongs to another basin. It is not counted (the device's own sums follow the same rule): what is left is the
    /// first nudge against the free state. It is still divided by 2β, so such a shot weighs half as much.
    fn pair(&self, shot: &ShotResult) -> Option<(usize, usize, f64)> {
        let free = self.roles.iter().position(|role| *role == Role::Free)?;
        let counted = self.roles.iter().enumerate().filter_map(|(index, role)| match role {
            Role::Nudged(sign) if !shot.equilibria.get(index)?.flags.any(Flags::BASIN_CHANGED) => Some((index, *sign)),
            _ => None,
        });
        let counted: Vec<(usize, f64)> = counted.collect();
        match counted[..] {
            [(nudged, sign)] => Some((nudged, free, sign)),
            [(first, sign), (second, _)] => Some((first, second, sign)),
            _ => None,
        }
    }

    /// Takes in sums that the device made.
    pub fn add_sums(&mut self, sums: &Sums, counts: &mut ShotCounts) {
        counts.left_out += u64::from(sums.left_out);
        let (couplings, fields) = sums.values.split_at(self.contrast.couplings.len().min(sums.values.len()));
        for (place, value) in self.contrast.couplings.iter_mut().zip(couplings) {
            *place += value;
        }
        let places = self.contrast.field_x.iter_mut().zip(&mut self.contrast.field_y);
        for ((x, y), [of_x, of_y]) in places.zip(fields.as_chunks::<2>().0) {
            *x += of_x;
            *y += of_y;
        }
        self.contrast.samples += sums.shots as usize;
    }

    /// Returns the gradient averaged over the shots that were used; clamped sites have none.
    pub fn gradient(&self) -> Parameters {
        let nudging = match self.mode {
            NudgeMode::Symmetric => Nudging::Symmetric { beta: self.beta },
            NudgeMode::OneSided | NudgeMode::RandomSign | NudgeMode::LinearResponse => {
                Nudging::OneSided { beta: self.beta }
            }
        };
        let mut gradient = self.contrast.gradient(nudging);
        for &input in self.graph.inputs() {
            gradient.field_x[input as usize] = 0.0;
            gradient.field_y[input as usize] = 0.0;
        }
        gradient
    }
}

fn turns_rad(turns: u16) -> f64 {
    f64::from(turns) / 65536.0 * std::f64::consts::TAU
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        calibration::turn,
        device::Equilibrium,
        train::plan::Role::{Free, Nudged, Released},
    };
    use xyloop_lattice::Geometry;

    const BETA: f64 = 0.03;
    const ROLES: [Role; 4] = [Free, Nudged(1.0), Released, Nudged(-1.0)];
    /// Phases of three sites in the four equilibria of a shot; the release is where the free state was.
    const PHASES: [[f64; 3]; 4] = [[0.1, 1.0, -2.0], [0.1, 1.1, -1.8], [0.1, 1.0, -2.0], [0.1, 0.9, -2.1]];

    fn chain() -> Graph {
        let graph = Graph::new(&Geometry::Layered { widths: vec![1, 1, 1] });
        graph.unwrap_or_else(|error| unreachable!("{error}"))
    }

    fn shot(flags: [Flags; 4], moved_rad: f64) -> ShotResult {
        let equilibria = PHASES.iter().zip(flags).map(|(phases, flags)| Equilibrium {
            segment: 0,
            generation: 1,
            flags,
            settle_us: 1,
            residual_turn: 0,
            moved_turn: turn(moved_rad).0,
            phases: phases.map(turn).to_vec(),
        });
        ShotResult { id: 1, equilibria: equilibria.collect() }
    }

    /// Returns the gradient of one shot, and what was counted.
    fn gradient(guard: &Guard, shot: &ShotResult, flip: bool) -> (Parameters, ShotCounts) {
        let (graph, mut counts) = (chain(), ShotCounts::default());
        let mut accumulator = Accumulator::new(&graph, guard, NudgeMode::Symmetric, BETA, &ROLES);
        accumulator.add(shot, flip, &mut counts);
        (accumulator.gradient(), counts)
    }

    /// Works out the formula: −(1/2β) times the cosine of the phase difference in one state minus that in another.
    fn expected(nudged: usize, reference: usize) -> Vec<f64> {
        let cos = |state: usize, i: usize, j: usize| (PHASES[state][i] - PHASES[state][j]).cos();
        [(0, 1), (1, 2)].map(|(i, j)| -(cos(nudged, i, j) - cos(reference, i, j)) / (2.0 * BETA)).to_vec()
    }

    fn assert_close(have: &[f64], want: &[f64]) {
        // A 16-bit turn is 1e-4 rad; divided by 2β, times two phases each.
        assert!(have.iter().zip(want).all(|(have, want)| (have - want).abs() < 0.01), "{have:?} {want:?}");
    }

    #[test]
    fn a_shot_that_kept_its_basin_gives_the_symmetric_gradient_and_a_flip_its_sign() {
        let shot = shot([Flags::default(); 4], 0.2);
        let (straight, _) = gradient(&Guard::default(), &shot, false);
        assert_close(&straight.couplings, &expected(1, 3));
        let (flipped, _) = gradient(&Guard::default(), &shot, true);
        assert_close(&flipped.couplings, &expected(3, 1));
        assert_eq!((straight.field_x[0], straight.field_y[0]), (0.0, 0.0), "site 0 is clamped");
    }

    #[test]
    fn what_was_nudged_after_a_basin_change_is_not_counted() {
        let changed = Flags::BASIN_CHANGED;
        let shot = shot([Flags::default(), Flags::default(), changed, changed], 0.2);
        let (gradient_of_first, _) = gradient(&Guard::default(), &shot, false);
        assert_close(&gradient_of_first.couplings, &expected(1, 0));
        let reject = Guard { basin: BasinRule::Reject, ..Guard::default() };
        let (nothing, counts) = gradient(&reject, &shot, false);
        assert_eq!((nothing.couplings, counts.left_out), (vec![0.0; 2], 1));
    }

    #[test]
    fn a_shot_that_moved_far_weighs_less_in_proportion() {
        let guard = Guard { basin: BasinRule::Cap, cap_rad: 0.3, ..Guard::default() };
        let (capped, counts) = gradient(&guard, &shot([Flags::default(); 4], 1.2), false);
        let quarter: Vec<f64> = expected(1, 3).iter().map(|value| value / 4.0).collect();
        assert_close(&capped.couplings, &quarter);
        assert_eq!(counts.capped, 1);
    }

    #[test]
    fn an_unsettled_shot_is_left_out_unless_it_is_to_be_counted() {
        let unsettled = shot([Flags::default(), Flags::default(), Flags::default(), Flags::UNSETTLED], 0.2);
        assert_eq!(gradient(&Guard::default(), &unsettled, false).1.left_out, 1);
        let count = Guard { unsettled: UnsettledRule::Count, ..Guard::default() };
        let (used, counts) = gradient(&count, &unsettled, false);
        assert_close(&used.couplings, &expected(1, 3));
        assert_eq!(counts.left_out, 0);
    }
}
