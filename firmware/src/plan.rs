//! What follows from a shot plan alone: what its segments produce, what is kept of it, how it enters the contrast.

use xyloop_protocol::message::{MAX_SEGMENTS, Plan, ReadOut, Segment};

/// The sign with which a segment enters the contrast: that of its β, 0 if it is not nudged.
pub(crate) fn nudge_sign(plan: &Plan, segment: u8, flip: bool) -> i32 {
    match plan.segments.get(usize::from(segment)) {
        Some(Segment::Nudge(nudge)) => nudge.beta_q8.signum() * if flip { -1 } else { 1 },
        _ => 0,
    }
}

/// Bytes kept in a slot for each equilibrium. With contrast every phase is kept until the shot is added up.
pub(crate) fn kept_bytes(read_out: ReadOut, sites: usize, outputs: usize) -> usize {
    match read_out {
        ReadOut::Phases | ReadOut::Contrast => 2 * sites,
        ReadOut::Outputs => 2 * outputs,
        ReadOut::Iq => 4 * sites,
    }
}

/// Equilibria a plan produces, if its segments make sense: kicks first, then a free phase before any nudge or release,
/// nothing after the end. Otherwise the index of the first segment that does not.
pub(crate) fn equilibria_of(segments: &[Segment; MAX_SEGMENTS]) -> Result<usize, usize> {
    let (mut equilibria, mut ended) = (0, false);
    for (index, segment) in segments.iter().enumerate() {
        match segment {
            Segment::End => {
                ended = true;
                continue;
            }
            // Without a kick the start would be whatever ran before.
            Segment::Kick if index == 0 => continue,
            Segment::Free if index == 1 => {}
            Segment::Nudge(_) | Segment::Release if index > 1 => {}
            _ => return Err(index),
        }
        if ended {
            return Err(index);
        }
        equilibria += 1;
    }
    if equilibria == 0 { Err(0) } else { Ok(equilibria) }
}
