//! Shots under way: sent as the device has room, their results taken in order.
//!
//! Each result is handed out once, whatever happens to the line; the device forgets it only when it is retired.

use xyloop_protocol::{
    message::{Command, Report},
    units::{Flags, ShotId, Turn},
};

use super::{
    Client, DeviceError, LinkFigures,
    pending_batch::{Verdict, Words},
    session::{Trouble, Unasked, decode},
};

/// One shot to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShotOrder {
    /// Its name; ascending over all batches of a [`Client`].
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
}

impl<'c> Batch<'c> {
    /// The plan is on its way.
    pub(super) fn new(client: &'c mut Client) -> Self {
        Self { client }
    }

    /// The next shot's results, in order; `None` when there are no more. At least every [`Batch::most_unretired`] shots
    /// they must be retired, or the device has no room to go on.
    ///
    /// # Errors
    /// If the device refuses what was asked of it since the last answer, codes and plan included, is lost for good, faulted,
    /// or breaks the protocol; [`DeviceError::Interrupted`].
    pub async fn next(&mut self) -> Result<Option<ShotResult>, DeviceError> {
        self.client.next_result().await
    }

    /// Shots whose results may be held back before they are retired.
    pub fn most_unretired(&self) -> usize {
        (self.client.slots() / 2).max(1)
    }

    /// All shots up to this one are safe with us: the device may forget them.
    ///
    /// # Errors
    /// If the device is lost for good; [`DeviceError::Interrupted`].
    pub async fn retire(&mut self, through: ShotId) -> Result<(), DeviceError> {
        self.client.retire(through).await
    }

    /// The link's figures, as of a moment ago.
    pub fn figures(&self) -> LinkFigures {
        self.client.figures()
    }
}

impl Client {
    pub(super) fn slots(&self) -> usize {
        usize::from(self.identity().limits.shot_slots)
    }

    /// The next result that was not handed out, however often the line has to be made anew for it.
    pub(super) async fn next_result(&mut self) -> Result<Option<ShotResult>, DeviceError> {
        loop {
            match self.try_next().await {
                Ok(result) => return Ok(result),
                Err(trouble) => self.overcome(trouble).await?,
            }
        }
    }

    async fn try_next(&mut self) -> Result<Option<ShotResult>, Trouble> {
        loop {
            if self.session.went_safe {
                self.arm_again().await?;
            }
            self.upload().await?;
            // Shots are sent behind plan and codes without waiting for their answers, which come before any result.
            self.session.settle().await?;
            if self.session.went_safe {
                continue;
            }
            let Some(work) = self.pending.as_ref().filter(|work| !work.is_over()) else { return Ok(None) };
            if !work.is_running() {
                let what = "the device has no slot for a shot: it offers none, or nothing was retired".into();
                return Err(DeviceError::Protocol { what }.into());
            }
            match self.session.next_unasked("run shots", work.timeout()).await? {
                Unasked::State => {}
                Unasked::Equilibria(bytes) => {
                    if let Some(result) = self.sort(&bytes).await? {
                        self.delivered_through = self.delivered_through.max(result.id);
                        return Ok(Some(result));
                    }
                }
            }
        }
    }

    /// What the equilibria of a message complete, if they are what is due.
    async fn sort(&mut self, bytes: &[u8]) -> Result<Option<ShotResult>, Trouble> {
        let (Some(work), Report::Equilibria(equilibria)) = (self.pending.as_mut(), decode(bytes)?.report) else {
            return Ok(None);
        };
        match work.take(&equilibria, self.resumed)? {
            Verdict::Taken => Ok(None),
            Verdict::Result(result) => Ok(Some(result)),
            Verdict::Again(id) => {
                // Safe with us since it was first handed out.
                if id <= self.retired_through {
                    work.retire(id);
                    self.session.send(Command::Retire(id)).await?;
                }
                Ok(None)
            }
            Verdict::Foreign(what) if self.resumed => {
                tracing::warn!("{what}: everything on the device is dropped and asked for again");
                self.start_over().await?;
                Ok(None)
            }
            Verdict::Foreign(what) => Err(DeviceError::Protocol { what }.into()),
        }
    }

    /// Sends waiting shots as far as the device has slots for them.
    async fn upload(&mut self) -> Result<(), Trouble> {
        let slots = self.slots();
        let Some(work) = &mut self.pending else { return Ok(()) };
        // As many as leave without waiting: who waits here takes no results, and a device that cannot send takes no shots.
        while let Some(order) = work.next_order(slots) {
            if work.is_running() && !self.session.takes_more() {
                break;
            }
            let words = Words::of(order);
            self.session.send(Command::Shot(words.shot(order))).await?;
            work.mark_sent();
        }
        // The sums come when the last shot is over.
        if work.sums() && work.sent() == work.len() && !self.session.asked_late() {
            self.session.ask_late(Command::Collect(0)).await?;
        }
        Ok(())
    }
}
