//! The origin of a result: one number that names everything it was measured under.
//!
//! It is a CRC-32C over the plan as it travels (which names the run, the generation with the CRC of all its codes,
//! segments, β, policy and kick seed), continued over the shot: id (8 bytes, little endian), flip (0 or 1), inputs,
//! targets. Both ends compute it from what they hold; a result is taken only if both come to the same number. So a
//! result of another run, of other couplings, of another plan or of another sample under the same shot id shows itself.
//! It tells mistakes apart; it is no protection against malice.

use core::fmt;

use postcard::ser_flavors::Flavor;
use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

use crate::{
    crc::Crc32c,
    message::{Plan, Shot},
};

/// What a result says of where it comes from: a CRC-32C, little endian, always four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Origin(pub [u8; 4]);

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_le_bytes(self.0))
    }
}

/// The part of an origin that all shots of a plan share.
#[derive(Clone, Debug, Default)]
pub struct PlanOrigin(Crc32c);

impl PlanOrigin {
    /// The part that follows from the plan.
    pub fn new(plan: &Plan) -> Self {
        let mut crc = Crc32c::new();
        // Takes every byte, and a plan has no list whose length could be unknown: this cannot fail.
        let _ = postcard::serialize_with_flavor(plan, Taking(&mut crc));
        Self(crc)
    }

    /// The origin of what this shot measures under the plan.
    pub fn of(&self, shot: &Shot<'_>) -> Origin {
        let mut crc = self.0.clone();
        crc.update(&shot.id.to_le_bytes());
        crc.update(&[u8::from(shot.flip)]);
        crc.update(shot.inputs.0);
        crc.update(shot.targets.0);
        Origin(crc.finish().to_le_bytes())
    }
}

/// A message is encoded straight into the CRC, without a buffer.
struct Taking<'c>(&'c mut Crc32c);

impl Flavor for Taking<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.update(data);
        Ok(())
    }

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.update(&[data]);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::{
        codec::Codec,
        crc::crc32c,
        message::{Bytes, Cost, Generation, Kick, MAX_SEGMENTS, Nudge, ReadOut, Segment, Settle, encode},
        units::Flags,
    };

    fn plan() -> Plan {
        let mut segments = [Segment::End; MAX_SEGMENTS];
        let nudge = Segment::Nudge(Nudge { beta_q8: 300, cost: Cost::Log { bound_q14: 1638 } });
        segments[..4].copy_from_slice(&[Segment::Kick, Segment::Free, nudge, Segment::Release]);
        Plan {
            run: 0x1234_5678,
            generation: Generation { number: 7, crc: 0xcafe_f00d },
            segments,
            kick: Kick { seed: 77, range_steps: 20_000, duration_us: 2000 },
            settle: Settle { min_us: 1000, window_us: 200, reads_per_window: 1, tolerance_turn: 4, timeout_us: 8000 },
            reads: 1,
            read_out: ReadOut::Phases,
            basin_tolerance_turn: 100,
            leave_out: Flags::default(),
            codec: Codec::Words,
        }
    }

    const SHOT: Shot<'_> = Shot { id: 5, flip: false, inputs: Bytes(&[1, 2, 3, 4]), targets: Bytes(&[5, 6]) };

    #[test]
    fn an_origin_is_the_crc_of_the_plan_as_it_travels_and_of_the_shot() {
        let mut buffer = [0; 256];
        let length = encode(&plan(), &mut buffer).map_or(0, <[u8]>::len);
        let mut bytes = std::vec::Vec::from(&buffer[..length]);
        bytes.extend([5, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(PlanOrigin::new(&plan()).of(&SHOT).0, crc32c(&bytes).to_le_bytes());
    }

    #[test]
    fn every_part_of_plan_and_shot_counts() {
        let base = PlanOrigin::new(&plan()).of(&SHOT);
        let changes: [fn(&mut Plan); 13] = [
            |plan| plan.run ^= 1,
            |plan| plan.generation.number += 1,
            |plan| plan.generation.crc ^= 1 << 31,
            |plan| plan.segments[2] = Segment::Nudge(Nudge { beta_q8: 301, cost: Cost::Cosine }),
            |plan| plan.segments[3] = Segment::End,
            |plan| plan.kick.seed ^= 1 << 63,
            |plan| plan.settle.tolerance_turn += 1,
            |plan| plan.settle.timeout_us += 1,
            |plan| plan.reads += 1,
            |plan| plan.read_out = ReadOut::Outputs,
            |plan| plan.basin_tolerance_turn += 1,
            |plan| plan.leave_out.set(Flags::UNSETTLED),
            |plan| plan.codec = Codec::Delta,
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut other = plan();
            change(&mut other);
            assert_ne!(PlanOrigin::new(&other).of(&SHOT), base, "change {index}");
        }
        let shots = [
            Shot { id: 5 + (1 << 32), ..SHOT },
            Shot { flip: true, ..SHOT },
            Shot { inputs: Bytes(&[1, 2, 3, 5]), ..SHOT },
            Shot { targets: Bytes(&[5, 7]), ..SHOT },
        ];
        for shot in shots {
            assert_ne!(PlanOrigin::new(&plan()).of(&shot), base, "{shot:?}");
        }
    }
}
