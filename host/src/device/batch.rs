//! Shots under way: sent as the device has room, their results taken in order.
//!
//! Each result is handed out once, whatever happens to the line; the device forgets it only when it is retired.

use xyloop_protocol::{
    message::{Command, Plan, Report},
    units::ShotId,
};

use super::{
    client::Client,
    error::DeviceError,
    figures::LinkFigures,
    holding::Beginning,
    notice::Notice,
    pending_batch::{PendingBatch, Verdict, Words},
    session::{Trouble, Unasked, decode},
    shot::{ShotOrder, ShotResult},
};

/// Hands out the results of shots that are under way.
pub struct Batch<'c> {
    client: &'c mut Client,
}

impl<'c> Batch<'c> {
    /// Begins where the plan is on its way.
    pub(super) fn new(client: &'c mut Client) -> Self {
        Self { client }
    }

    /// Awaits the next shot's results, in order; `None` when there are no more. At least every [`Batch::most_unretired`] shots
    /// they must be retired, or the device has no room to go on.
    ///
    /// # Errors
    /// If the device refuses what was asked of it since the last answer, codes and plan included, is lost for good, faulted,
    /// or breaks the protocol; [`DeviceError::Interrupted`].
    pub async fn next(&mut self) -> Result<Option<ShotResult>, DeviceError> {
        self.client.next_result().await
    }

    /// Says how many shots' results may be held back before they are retired.
    pub fn most_unretired(&self) -> usize {
        (self.client.slots() / 2).max(1)
    }

    /// Lets the device forget all shots up to this one: they are safe with us.
    ///
    /// # Errors
    /// If the device is lost for good; [`DeviceError::Interrupted`].
    pub async fn retire(&mut self, through: ShotId) -> Result<(), DeviceError> {
        self.client.retire(through).await
    }

    /// Returns the link's figures, as of a moment ago.
    pub fn figures(&self) -> LinkFigures {
        self.client.figures()
    }
}

impl Client {
    /// Starts a batch: the plan, then its shots as the device has room. Results are taken with [`Batch::next`]. The
    /// plan's run number and codec are the client's, whatever is given.
    ///
    /// # Errors
    /// If the shots' ids do not ascend, results of the batch before were not retired, or the device is lost for good;
    /// [`DeviceError::Interrupted`]. A refusal of the plan is the error of [`Batch::next`].
    pub async fn batch(&mut self, plan: Plan, shots: Vec<ShotOrder>) -> Result<Batch<'_>, DeviceError> {
        let mut last = self.delivered_through;
        for &ShotOrder { id, .. } in &shots {
            if id <= last {
                return Err(DeviceError::ShotIds { id, last });
            }
            last = id;
        }
        self.check_retired()?;
        let plan = Plan { run: self.run, codec: self.codec, ..plan };
        self.pending = Some(PendingBatch::new(plan, shots, &self.identity.limits));
        self.session.late_is_over();
        let ordered = self.session.order_ahead("plan", Command::Plan(plan)).await;
        if let Err(trouble) = ordered {
            // Ends with the plan in force.
            self.overcome(trouble).await?;
        }
        Ok(Batch::new(self))
    }

    /// Lets the device forget all shots up to this one: they are safe with us.
    ///
    /// # Errors
    /// If the device is lost for good; [`DeviceError::Interrupted`].
    pub async fn retire(&mut self, through: ShotId) -> Result<(), DeviceError> {
        // What was not handed out is not safe with anybody.
        let through = through.min(self.delivered_through);
        self.retired_through = self.retired_through.max(through);
        if let Some(work) = &mut self.pending {
            work.retire(through);
        }
        match self.session.send(Command::Retire(through)).await {
            Ok(_) => Ok(()),
            // A new connection begins with it.
            Err(trouble) => self.overcome(trouble).await,
        }
    }

    /// Awaits the next result that was not handed out, however often the line has to be made anew for it.
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
            if self.session.holding.is_safe() {
                self.arm_again().await?;
            }
            self.upload().await?;
            // Shots are sent behind plan and codes without waiting for their answers, which come before any result.
            self.session.settle().await?;
            if self.session.holding.is_safe() {
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

    /// Returns what the equilibria of a message complete, if they are what is due.
    async fn sort(&mut self, bytes: &[u8]) -> Result<Option<ShotResult>, Trouble> {
        let (Some(work), Report::Equilibria(equilibria)) = (self.pending.as_mut(), decode(bytes)?.report) else {
            return Ok(None);
        };
        match work.take(&equilibria, self.session.beginning)? {
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
            Verdict::Foreign(what) if self.session.beginning == Beginning::Resumed => {
                self.tell(&Notice::StartedOver { what });
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
