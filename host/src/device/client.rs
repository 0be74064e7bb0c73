//! What is known of a connected device ([`Client`]), and the questions and orders everything else is made of.
//!
//! The client knows what is to be in force on the device and which shots are under way; from that `recovery` brings a
//! device there again when the connection was lost. The `impl` blocks are layers, each built on those before it:
//! `client` and `generations` talk over the connection there is, `recovery` makes it anew, `connect` and `requests` are what
//! a host calls, then come `batch` and `contrast`.

use xyloop_protocol::{
    codec::Codec,
    fault::FaultCounts,
    message::{Command, Generation, Report, Status},
    units::ShotId,
};

use super::{
    error::DeviceError,
    figures::LinkFigures,
    fresh_number::fresh_number,
    identity::{Identity, Wanted},
    notice::{Listener, Notice},
    pending_batch::PendingBatch,
    route::Route,
    session::{Session, Trouble},
    stop::StopFlag,
};

/// Talks to a connected device.
pub struct Client {
    pub(super) route: Route,
    pub(super) wanted: Option<Wanted>,
    /// Knows what the device holds, beside carrying questions and answers.
    pub(super) session: Session,
    pub(super) identity: Identity,
    /// Named in every plan, so that results of another run show.
    pub(super) run: u32,
    /// In force on the device, or on its way there.
    pub(super) generation: Generation,
    /// Says how codes, read-outs and sums travel.
    pub(super) codec: Codec,
    pub(super) pending: Option<PendingBatch>,
    /// The last shot whose result was handed out.
    pub(super) delivered_through: ShotId,
    /// The last shot the device may forget.
    pub(super) retired_through: ShotId,
    pub(super) rearmed: u32,
}

impl Client {
    /// Begins with a device that has answered: nothing of ours is on it.
    pub(super) fn new(route: Route, wanted: Option<Wanted>, session: Session, identity: Identity) -> Self {
        Self {
            route,
            wanted,
            session,
            identity,
            run: fresh_number(),
            generation: Generation::default(),
            codec: Codec::Words,
            pending: None,
            delivered_through: 0,
            retired_through: 0,
            rearmed: 0,
        }
    }

    /// Lets a lost connection be made again from now on, and what was under way go on, until this asks for a stop: then
    /// whatever waits ends with [`DeviceError::Interrupted`].
    pub fn reconnect_until(&mut self, stop: StopFlag) {
        self.session.liveness.stop = Some(stop);
    }

    /// Tells this listener from now on what happens to the line; without one, warnings are written as `tracing` events.
    pub fn listen(&mut self, listener: Listener) {
        self.session.liveness.listener = listener;
    }

    pub(super) fn tell(&self, notice: &Notice) {
        self.session.liveness.tell(notice);
    }

    /// Lets codes, read-outs and sums travel like this from now on. What is measured does not depend on it.
    ///
    /// # Errors
    /// If the device does not offer it.
    pub fn use_codec(&mut self, codec: Codec) -> Result<(), DeviceError> {
        if !self.identity.limits.codecs.offers(codec) {
            return Err(DeviceError::NoCodec { place: self.place().to_owned(), codec });
        }
        self.codec = codec;
        Ok(())
    }

    /// Returns who the device is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns what the user called the route to it.
    pub fn place(&self) -> &str {
        self.route.place()
    }

    /// Counts the faults that were put on the line on purpose, to the device and to the host, if any were asked for.
    pub fn faults(&self) -> Option<[FaultCounts; 2]> {
        self.route.faults()
    }

    /// Returns the link's figures over all connections, as of a moment ago.
    pub fn figures(&self) -> LinkFigures {
        self.session.figures()
    }

    /// Counts how often the device had gone safe by itself and was armed again.
    pub fn rearmed(&self) -> u32 {
        self.rearmed
    }

    /// Returns the generation last committed.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    pub(super) fn slots(&self) -> usize {
        usize::from(self.identity.limits.shot_slots)
    }

    pub(super) async fn ask_status(&mut self) -> Result<Status, Trouble> {
        let status = |report: &Report<'_>| match report {
            Report::Status(status) => Some(*status),
            _ => None,
        };
        self.session.ask("status", Command::Status, status).await
    }

    pub(super) async fn ask_identity(&mut self) -> Result<Identity, Trouble> {
        self.session.ask("identify", Command::Identify, Identity::of).await
    }

    /// Refuses while results wait on the device: they would be forgotten by what counts its slots.
    pub(super) fn check_retired(&self) -> Result<(), DeviceError> {
        let through = self.pending.as_ref().and_then(PendingBatch::unretired);
        through.map_or(Ok(()), |through| Err(DeviceError::NotRetired { through }))
    }

    /// Lets the device drop its shots and forget all results; afterwards nothing of them is under way any more.
    pub(super) async fn drop_everything(&mut self) -> Result<(), Trouble> {
        // Answers to what was sent before may still come; nobody waits for them.
        self.session.forget();
        let aborted = match self.session.order("abort", Command::Abort).await {
            // A device with a fault has nothing under way.
            Err(Trouble::Other(refused @ DeviceError::Refused { .. })) => Err(refused.into()),
            aborted => Ok(aborted?),
        };
        // Nobody is left who could retire them: without this they would be offered to us.
        self.session.send(Command::Retire(ShotId::MAX)).await?;
        // Answers come in order: after this one nothing of the past is under way.
        self.generation = self.ask_status().await?.generation;
        self.session.forget();
        aborted
    }

    /// Drops what was sent behind an order that was refused; the device is as it was before.
    pub(super) async fn drop_what_was_ahead(&mut self) {
        self.pending = None;
        // Some of the codes may have been staged.
        self.session.holding.doubt();
        let dropped = match self.drop_everything().await {
            Ok(()) => self.ask_status().await,
            Err(trouble) => Err(trouble),
        };
        match dropped {
            Ok(status) => self.session.holding.refused(status.generation),
            Err(trouble) => {
                tracing::debug!("{}: after a refusal: {}", self.place(), self.session.hopeless(trouble));
            }
        }
    }
}
