//! Shots under way: sent as the device has room, their results taken in order.
//!
//! Each result is handed out once; the device forgets it only when it is retired.

use std::{collections::VecDeque, time::Duration};

use xyloop_protocol::{
    message::{self, Bytes, Command, Plan, Report, SafeCause, Segment, Shot, State},
    units::{Flags, ShotId, Turn},
};

use super::{Client, DeviceError, LinkFigures, client::decode};

/// Longest wait for the next result, beside the time a shot takes.
const RESULT_TIMEOUT: Duration = Duration::from_mins(2);

/// One shot to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShotOrder {
    /// Its name; ascending.
    pub id: ShotId,
    /// Every β with the other sign.
    pub flip: bool,
    /// One phase per input site.
    pub inputs: Vec<Turn>,
    /// One phase per output site.
    pub targets: Vec<Turn>,
}

/// One settled and read state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equilibrium {
    /// Index of its segment in the plan.
    pub segment: u8,
    /// Number of the generation in force.
    pub generation: u32,
    /// What the device noticed.
    pub flags: Flags,
    /// Time from the segment's start until the read, microseconds.
    pub settle_us: u32,
    /// Largest change between the last two windows, 2^-16 turns.
    pub residual_turn: u16,
    /// Largest distance of a site from the shot's free state, 2^-16 turns.
    pub moved_turn: u16,
    /// Phases of all sites or of the output sites, as the plan asks.
    pub phases: Vec<Turn>,
}

/// Everything measured in one shot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShotResult {
    /// The shot.
    pub id: ShotId,
    /// Its equilibria, in the order of the plan.
    pub equilibria: Vec<Equilibrium>,
}

impl ShotResult {
    /// The flags of all its equilibria.
    pub fn flags(&self) -> Flags {
        self.equilibria.iter().fold(Flags::default(), |flags, equilibrium| flags.with(equilibrium.flags))
    }
}

/// Shots under way.
pub struct Batch<'c> {
    client: &'c mut Client,
    /// Segments that end in an equilibrium.
    expected: Vec<u8>,
    waiting: VecDeque<ShotOrder>,
    running: VecDeque<ShotId>,
    unretired: usize,
    partial: Vec<Equilibrium>,
    /// Longest wait for the next result.
    timeout: Duration,
}

impl<'c> Batch<'c> {
    /// The plan has been accepted; nothing was sent yet.
    pub(super) fn new(client: &'c mut Client, plan: &Plan, shots: Vec<ShotOrder>) -> Self {
        let expected = plan
            .segments
            .iter()
            .enumerate()
            .filter(|(_, segment)| !matches!(segment, Segment::End | Segment::Kick))
            .map(|(index, _)| index as u8)
            .collect::<Vec<u8>>();
        // Twice the longest a shot can take on a rig, and something for the line and a device that shares its time.
        let shot_us = u64::from(plan.kick.duration_us) + expected.len() as u64 * u64::from(plan.settle.timeout_us);
        let timeout = RESULT_TIMEOUT + Duration::from_micros(2 * shot_us);
        let (running, waiting, partial) = (VecDeque::new(), shots.into(), Vec::new());
        Self { client, expected, waiting, running, unretired: 0, partial, timeout }
    }

    /// The next shot's results, in order; `None` when there are no more. At least every [`Batch::most_unretired`] shots
    /// they must be retired, or the device has no room to go on.
    ///
    /// # Errors
    /// If the device is lost, faulted, or breaks the protocol.
    pub async fn next(&mut self) -> Result<Option<ShotResult>, DeviceError> {
        loop {
            self.upload().await?;
            let Some(&expected) = self.running.front() else {
                if self.waiting.is_empty() {
                    return Ok(None);
                }
                let what = "the device has no slot for a shot: it offers none, or nothing was retired".into();
                return Err(DeviceError::Protocol { what });
            };
            let bytes = self.client.next_unasked("run shots", self.timeout).await?;
            match decode(&bytes)?.report {
                Report::Equilibrium(equilibrium) => {
                    if equilibrium.shot != expected {
                        return Err(DeviceError::Order { expected, got: equilibrium.shot });
                    }
                    self.take(&equilibrium)?;
                    if self.partial.len() == self.expected.len() {
                        self.running.pop_front();
                        self.unretired += 1;
                        let equilibria = std::mem::take(&mut self.partial);
                        return Ok(Some(ShotResult { id: expected, equilibria }));
                    }
                }
                Report::State(State::Safe(SafeCause::Deadman)) => self.client.arm().await?,
                Report::State(state @ State::Faulted(_)) => return Err(DeviceError::Fault(state)),
                Report::State(_) => {}
                Report::Refused(refused) => return Err(DeviceError::Refused { asked: "run shots", refused }),
                other => return Err(DeviceError::Protocol { what: format!("{other:?} came while shots ran") }),
            }
        }
    }

    /// Shots whose results may be held back before they are retired.
    pub fn most_unretired(&self) -> usize {
        (usize::from(self.client.identity().limits.shot_slots) / 2).max(1)
    }

    /// All shots up to this one are safe with us: the device may forget them.
    ///
    /// # Errors
    /// If the device is lost.
    pub async fn retire(&mut self, through: ShotId) -> Result<(), DeviceError> {
        self.unretired = 0;
        self.client.retire(through).await
    }

    /// The link's figures, as of a moment ago.
    pub fn figures(&self) -> LinkFigures {
        self.client.figures()
    }

    /// Sends waiting shots as far as the device has slots for them.
    async fn upload(&mut self) -> Result<(), DeviceError> {
        let slots = usize::from(self.client.identity().limits.shot_slots);
        while self.running.len() + self.unretired < slots {
            let Some(order) = self.waiting.pop_front() else { break };
            let words = |turns: &[Turn]| turns.iter().flat_map(|turn| turn.0.to_le_bytes()).collect::<Vec<u8>>();
            let (inputs, targets) = (words(&order.inputs), words(&order.targets));
            let shot = Shot { id: order.id, flip: order.flip, inputs: Bytes(&inputs), targets: Bytes(&targets) };
            self.client.send(Command::Shot(shot)).await?;
            self.running.push_back(order.id);
        }
        Ok(())
    }

    fn take(&mut self, equilibrium: &message::Equilibrium<'_>) -> Result<(), DeviceError> {
        let protocol = |what: String| DeviceError::Protocol { what };
        if self.expected.get(self.partial.len()) != Some(&equilibrium.segment) {
            return Err(protocol(format!(
                "shot {}: segment {} came out of turn",
                equilibrium.shot, equilibrium.segment
            )));
        }
        if equilibrium.generation != self.client.generation().number {
            let (theirs, ours) = (equilibrium.generation, self.client.generation().number);
            return Err(protocol(format!("shot {} ran under generation {theirs}, not {ours}", equilibrium.shot)));
        }
        let words = equilibrium.data.as_u16s().ok_or_else(|| protocol("a read-out of an odd length".into()))?;
        self.partial.push(Equilibrium {
            segment: equilibrium.segment,
            generation: equilibrium.generation,
            flags: equilibrium.flags,
            settle_us: equilibrium.settle_us,
            residual_turn: equilibrium.residual_turn,
            moved_turn: equilibrium.moved_turn,
            phases: words.map(Turn).collect(),
        });
        Ok(())
    }
}
