//! Follows what the device is known to hold: which generation of codes is in force on it, which one is on its way, and
//! what of that may be built upon. Nothing here talks to a device.

use xyloop_protocol::message::Generation;

use crate::calibration::Codes;

/// Holds codes with the number and CRC under which they are to be in force.
#[derive(Debug, PartialEq)]
pub(super) struct Target {
    pub generation: Generation,
    pub codes: Codes,
}

/// Says what is known of the codes in the device's staging registers, where the next generation is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registers {
    /// They are those of the generation in force: codes that do not change need not be sent.
    AsCommitted,
    /// They are anything: every code is to be sent.
    Unknown,
}

/// Says how a connection began, as far as shots are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// The device held no shots of ours: every result was asked for over this connection.
    Afresh,
    /// The device held our generation and our shots when the connection before was lost: it offers again by itself what it
    /// had finished, be it known already, and of batches that are over.
    Resumed,
}

/// Names the states of what the device is known to hold, and is to hold.
///
/// ```text
///               commit               all is sent                stage
///     Nothing ──────────► Staging ─────────────────► InForce ──────────► Overwritten
///        ▲                 ▲   ▲                      │   ▲                   │
///        │                 │   ├─────── commit ───────┤   │                   │
///        │                 │   └──── back without ────┤   └──── back with ────┤
///        │                 │                          │                       │
///        └──── refused ────┴──────────────────────────┴───────────────────────┘
///
///     any state ─── it goes safe by itself ───► WentSafe(that state) ─── it is armed ───► that state
/// ```
///
/// *Refused*: an order that was sent ahead is refused. `Nothing`, if it was the commit or before it; `Staging`, if the target
/// is in force all the same. *Back with*, *back without*: the line was lost, and the device behind the new one has the
/// target in force, or has not (it was restarted, another host was there, the commit had not arrived).
///
/// Orders are sent ahead of their answers: `InForce` is what the device comes to if it takes all of them. A refusal, or
/// the status of a device that is back, is what corrects it.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Holding {
    /// Nothing of ours is in force, or nobody knows.
    #[default]
    Nothing,
    /// The target's codes are on their way, some of them perhaps staged. `base` is what was committed before, if the device
    /// still has it: differences to it can be sent.
    Staging { target: Target, base: Option<Target> },
    /// This is committed, and nothing was staged since.
    InForce(Target),
    /// This is committed, and other codes were staged since.
    Overwritten(Target),
    /// The device went safe by itself and was not armed since; what it holds is beneath, and never another `WentSafe`.
    WentSafe(Box<Holding>),
}

impl Holding {
    /// Returns what is to be in force.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Nothing => None,
            Self::Staging { target, .. } | Self::InForce(target) | Self::Overwritten(target) => Some(target),
            Self::WentSafe(beneath) => beneath.target(),
        }
    }

    /// Returns what is on its way, and what differences can be sent to.
    pub fn staging(&self) -> Option<(&Target, Option<&Target>)> {
        match self {
            Self::Staging { target, base } => Some((target, base.as_ref())),
            Self::WentSafe(beneath) => beneath.staging(),
            Self::Nothing | Self::InForce(_) | Self::Overwritten(_) => None,
        }
    }

    /// Says if the device is to be armed before shots run.
    pub fn is_safe(&self) -> bool {
        matches!(self, Self::WentSafe(_))
    }

    /// Notes that the device went safe by itself.
    pub fn went_safe(&mut self) {
        if !self.is_safe() {
            *self = Self::WentSafe(Box::new(std::mem::take(self)));
        }
    }

    /// Notes that the device is armed, or that it was not the device we talk to now which went safe.
    pub fn armed(&mut self) {
        if let Self::WentSafe(beneath) = self {
            *self = std::mem::take(beneath);
        }
    }

    /// Notes that a target is to be put in force; says what its codes will meet.
    pub fn commit(&mut self, target: Target) -> Registers {
        let mut registers = Registers::Unknown;
        self.change(|held| {
            let base = match held {
                Self::InForce(held) => {
                    registers = Registers::AsCommitted;
                    Some(held)
                }
                held => held.committed(),
            };
            Self::Staging { target, base }
        });
        registers
    }

    /// Notes that every order for the target is on its way.
    pub fn sent(&mut self) {
        self.change(|held| match held {
            Self::Staging { target, .. } => Self::InForce(target),
            held => held,
        });
    }

    /// Notes that codes are staged which will not be committed.
    pub fn overwrite(&mut self) {
        self.change(|held| match held {
            Self::InForce(target) => Self::Overwritten(target),
            held => held,
        });
    }

    /// Notes that nothing on the device may be built upon: every code of the target is to be sent again.
    pub fn doubt(&mut self) {
        self.change(|held| held.into_target().map_or(Self::Nothing, |target| Self::Staging { target, base: None }));
    }

    /// Notes what is in force after a refusal. A target that was refused is not to be asked for again.
    pub fn refused(&mut self, in_force: Generation) {
        self.change(|held| match held.into_target() {
            Some(target) if target.generation == in_force => Self::Staging { target, base: None },
            _ => Self::Nothing,
        });
    }

    /// Notes what is in force on a device that is back after its line was lost: the target, if it was not restarted and has
    /// it; otherwise the target is to be staged again.
    pub fn found(&mut self, in_force: Generation, same_boot: bool) {
        self.change(|held| match held {
            Self::Nothing => Self::Nothing,
            held if held.is_found(in_force, same_boot) => held.into_target().map_or(Self::Nothing, Self::InForce),
            Self::Staging { target, base } => {
                // What the commit before left may still be in force; then differences to it are good.
                Self::Staging { target, base: base.filter(|base| same_boot && base.generation == in_force) }
            }
            held => held.into_target().map_or(Self::Nothing, |target| Self::Staging { target, base: None }),
        });
    }

    /// Says if a device that is back has the target in force.
    pub fn is_found(&self, in_force: Generation, same_boot: bool) -> bool {
        same_boot && self.target().is_some_and(|target| target.generation == in_force)
    }

    /// Changes the state, or the one beneath it where the device went safe.
    fn change(&mut self, next: impl FnOnce(Self) -> Self) {
        match self {
            Self::WentSafe(beneath) => beneath.change(next),
            held => *held = next(std::mem::take(held)),
        }
    }

    fn into_target(self) -> Option<Target> {
        match self {
            Self::Nothing => None,
            Self::Staging { target, .. } | Self::InForce(target) | Self::Overwritten(target) => Some(target),
            Self::WentSafe(beneath) => beneath.into_target(),
        }
    }

    /// Returns what the device is known to have committed.
    fn committed(self) -> Option<Target> {
        match self {
            Self::Nothing => None,
            Self::Staging { base, .. } => base,
            Self::InForce(held) | Self::Overwritten(held) => Some(held),
            Self::WentSafe(beneath) => beneath.committed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(number: u32) -> Generation {
        Generation { number, crc: 7 * number }
    }

    fn target(number: u32) -> Target {
        Target { generation: generation(number), codes: Codes::default() }
    }

    fn in_force(number: u32) -> Holding {
        Holding::InForce(target(number))
    }

    fn staging(number: u32, base: Option<u32>) -> Holding {
        Holding::Staging { target: target(number), base: base.map(target) }
    }

    /// Returns what becomes of a state.
    fn after(mut held: Holding, change: impl FnOnce(&mut Holding)) -> Holding {
        change(&mut held);
        held
    }

    #[test]
    fn codes_are_left_out_only_where_nothing_was_staged_since_the_last_commit() {
        for (before, base, registers) in [
            (Holding::Nothing, None, Registers::Unknown),
            (staging(1, None), None, Registers::Unknown),
            // What never arrived is no base; what was in force before it is.
            (staging(2, Some(1)), Some(1), Registers::Unknown),
            (in_force(1), Some(1), Registers::AsCommitted),
            (Holding::Overwritten(target(1)), Some(1), Registers::Unknown),
        ] {
            let mut held = before;
            assert_eq!(held.commit(target(3)), registers, "{held:?}");
            assert_eq!(held, staging(3, base));
            held.sent();
            assert_eq!(held, in_force(3));
            held.overwrite();
            assert_eq!(held, Holding::Overwritten(target(3)));
        }
    }

    #[test]
    fn after_a_refusal_the_target_stays_if_it_is_in_force_and_nothing_is_built_upon() {
        for held in [staging(2, Some(1)), in_force(2), Holding::Overwritten(target(2))] {
            let text = format!("{held:?}");
            let doubted = after(held, Holding::doubt);
            assert_eq!(doubted, staging(2, None), "{text}");
            assert_eq!(after(doubted, |held| held.refused(generation(2))), staging(2, None), "the plan was refused");
            let refused = after(staging(2, None), |held| held.refused(generation(1)));
            assert_eq!(refused, Holding::Nothing, "the commit was refused");
        }
    }

    #[test]
    fn a_device_that_is_back_is_armed_or_gets_every_code_again() {
        let found = |held, number, same_boot| after(held, |held| held.found(generation(number), same_boot));
        for held in [|| in_force(2), || Holding::Overwritten(target(2)), || staging(2, Some(1))] {
            assert_eq!(found(held(), 2, true), in_force(2));
            assert_eq!(found(held(), 2, false), staging(2, None), "another boot: the number says nothing");
            assert_eq!(found(held(), 9, true), staging(2, None), "another host's");
        }
        assert_eq!(found(staging(2, Some(1)), 1, true), staging(2, Some(1)), "the commit never arrived");
        assert_eq!(found(staging(2, Some(1)), 1, false), staging(2, None));
        assert_eq!(found(Holding::Nothing, 1, true), Holding::Nothing);
    }

    #[test]
    fn a_device_that_went_safe_holds_what_it_held() {
        let mut held = in_force(1);
        held.went_safe();
        held.went_safe();
        assert_eq!(held, Holding::WentSafe(Box::new(in_force(1))));
        // A commit, a refusal, another connection: each meets what is beneath, and the device is still to be armed.
        assert_eq!(held.commit(target(2)), Registers::AsCommitted);
        held.sent();
        assert!(held.is_safe() && held.target() == Some(&target(2)));
        held.doubt();
        assert!(held.is_safe() && held.staging() == Some((&target(2), None)));
        held.armed();
        assert_eq!(held, staging(2, None));
        held.armed();
        assert_eq!(held, staging(2, None));
    }
}
