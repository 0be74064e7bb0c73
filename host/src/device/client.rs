//! What a host asks of a device: who and how it is, to run batches of shots ([`Batch`]). Holding a generation is in
//! `commit`, sums are in `contrast`.
//!
//! The client knows what is to be in force on the device and which shots are under way; from that `recovery` brings a
//! device there again when the connection was lost.

use std::time::Duration;

use tokio::time::Instant;
use xyloop_protocol::{
    codec::Codec,
    fault::FaultCounts,
    message::{self, BootCause, Command, Generation, Limits, Plan, Report, State, Status},
    units::ShotId,
};

use super::{
    Batch, DeviceError, LinkFigures, ShotOrder, StopFlag, Way,
    commit::Target,
    connection::{Connection, Judge, Peer, fresh_number},
    recovery::FIRST_PAUSE,
    session::{Session, Trouble},
    work::Work,
};

/// How long a farewell may take.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the first contact is tried when the line is cut in the middle of it.
const FIRST_CONTACT: Duration = Duration::from_secs(2);

/// A device's identity, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who made it.
    pub vendor: String,
    /// What it is.
    pub model: String,
    /// Which one it is.
    pub serial: String,
    /// Version of its firmware.
    pub firmware: String,
    /// Drawn anew at every start.
    pub boot_id: u32,
    /// Why it started.
    pub boot_cause: BootCause,
    /// What its firmware left behind before that; empty if nothing.
    pub boot_note: String,
    /// What is connected to what.
    pub wiring_hash: u64,
    /// What it can take.
    pub limits: Limits,
}

impl Identity {
    /// As it travels.
    pub fn as_message(&self) -> message::Identity<'_> {
        message::Identity {
            vendor: &self.vendor,
            model: &self.model,
            serial: &self.serial,
            firmware: &self.firmware,
            boot_id: self.boot_id,
            boot_cause: self.boot_cause,
            boot_note: &self.boot_note,
            wiring_hash: self.wiring_hash,
            calibration_id: 0,
            limits: self.limits,
        }
    }

    fn of(report: &Report<'_>) -> Option<Self> {
        let Report::Identity(identity) = report else { return None };
        Some(Self {
            vendor: identity.vendor.to_owned(),
            model: identity.model.to_owned(),
            serial: identity.serial.to_owned(),
            firmware: identity.firmware.to_owned(),
            boot_id: identity.boot_id,
            boot_cause: identity.boot_cause,
            boot_note: identity.boot_note.to_owned(),
            wiring_hash: identity.wiring_hash,
            limits: identity.limits,
        })
    }
}

/// The rig whose device is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub rig: String,
    /// Its array in words, for a refusal.
    pub array: String,
    /// Its wiring.
    pub wiring_hash: u64,
    /// The serial number of its device, if the rig file names one.
    pub serial_number: Option<String>,
}

/// A connected device.
pub struct Client {
    pub(super) way: Way,
    pub(super) wanted: Option<Wanted>,
    pub(super) session: Session,
    pub(super) identity: Identity,
    /// Named in every plan, so that results of another run show.
    run: u32,
    pub(super) generation: Generation,
    /// What is to be in force.
    pub(super) target: Option<Target>,
    /// What the device is known to have committed, to send only what changed.
    pub(super) held: Option<Target>,
    /// Nothing was staged since.
    pub(super) untouched: bool,
    /// How codes, read-outs and sums travel.
    pub(super) codec: Codec,
    pub(super) work: Option<Work>,
    /// The last shot whose result was handed out.
    pub(super) delivered_through: ShotId,
    /// The last shot the device may forget.
    pub(super) retired_through: ShotId,
    /// The device offers again what it had finished for the connection before.
    pub(super) resumed: bool,
    pub(super) rearmed: u32,
}

impl Client {
    /// Connects, and refuses a device that is not the rig's: another wire version, other messages, another serial number,
    /// other wiring.
    ///
    /// # Errors
    /// [`DeviceError`], naming both sides.
    pub async fn connect(way: Way, wanted: Wanted) -> Result<Self, DeviceError> {
        let (hash, place, asked) = (wanted.wiring_hash, way.place().to_owned(), wanted.clone());
        let judge = move || -> Judge {
            let (place, wanted) = (place.clone(), asked.clone());
            Box::new(move |peer| match &wanted.serial_number {
                Some(ours) if *ours != peer.serial => Err(other_serial(place, ours, peer, "the rig file names it")),
                _ if peer.wiring_hash != wanted.wiring_hash => Err(other_wiring(place, &wanted, peer.wiring_hash)),
                _ => Ok(()),
            })
        };
        let mut client = Self::meet(way, hash, judge).await?;
        client.wanted = Some(wanted);
        Ok(client)
    }

    /// Connects to whatever device is there, whatever its wiring: to ask who it is.
    ///
    /// # Errors
    /// [`DeviceError`] if it is no device or of another version.
    pub async fn connect_any(way: Way, wiring_hash: u64) -> Result<Self, DeviceError> {
        Self::meet(way, wiring_hash, || Box::new(|_| Ok(()))).await
    }

    async fn meet(way: Way, wiring_hash: u64, judge: impl Fn() -> Judge) -> Result<Self, DeviceError> {
        let started = Instant::now();
        let (session, identity) = loop {
            match Self::first_words(&way, wiring_hash, judge()).await {
                // A line that was cut in the middle of it, or a device that has not noticed yet that its last host left.
                Err(DeviceError::Lost { .. } | DeviceError::TurnedAway { .. }) if started.elapsed() < FIRST_CONTACT => {
                    tokio::time::sleep(FIRST_PAUSE).await;
                }
                done => break done?,
            }
        };
        Ok(Self {
            way,
            wanted: None,
            session,
            identity,
            run: fresh_number(),
            generation: Generation::default(),
            target: None,
            held: None,
            untouched: false,
            codec: Codec::Words,
            work: None,
            delivered_through: 0,
            retired_through: 0,
            resumed: false,
            rearmed: 0,
        })
    }

    async fn first_words(way: &Way, wiring_hash: u64, judge: Judge) -> Result<(Session, Identity), DeviceError> {
        let transport = way.open().await?;
        let connection = Connection::open(transport, wiring_hash, judge).await.map_err(|refused| refused.error)?;
        let mut session = Session::new(connection, way.place().to_owned());
        match session.ask("identify", Command::Identify, Identity::of).await {
            Ok(identity) => Ok((session, identity)),
            Err(trouble) => Err(hopeless(&session, trouble)),
        }
    }

    /// From now on a lost connection is made again and what was under way goes on, until this asks for a stop: then
    /// whatever waits ends with [`DeviceError::Interrupted`].
    pub fn reconnect_until(&mut self, stop: StopFlag) {
        self.session.watch.stop = Some(stop);
    }

    /// From now on codes, read-outs and sums travel like this. What is measured does not depend on it.
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

    /// Who the device is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the user called the way to it.
    pub fn place(&self) -> &str {
        self.way.place()
    }

    /// The faults that were put on the line on purpose, to the device and to the host, if any were asked for.
    pub fn faults(&self) -> Option<[FaultCounts; 2]> {
        self.way.faults()
    }

    /// The link's figures over all connections, as of a moment ago.
    pub fn figures(&self) -> LinkFigures {
        self.session.figures()
    }

    /// How often the device had gone safe by itself and was armed again.
    pub fn rearmed(&self) -> u32 {
        self.rearmed
    }

    /// The generation last committed.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// How the device is.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn status(&mut self) -> Result<Status, DeviceError> {
        loop {
            match self.ask_status().await {
                Ok(status) => return Ok(status),
                Err(trouble) => self.overcome(trouble).await?,
            }
        }
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

    /// Clears a latched fault; the device stays safe.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn clear(&mut self) -> Result<(), DeviceError> {
        self.order("clear", Command::Clear).await
    }

    /// Makes the outputs safe.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn make_safe(&mut self) -> Result<(), DeviceError> {
        self.order("safe", Command::Safe).await
    }

    /// Drops what an earlier host may have left, shots queued and results not retired, and goes on from its
    /// generation's number.
    ///
    /// # Errors
    /// If it does not answer, or is faulted.
    pub async fn take_over(&mut self) -> Result<(), DeviceError> {
        let status = self.status().await?;
        if matches!(status.state, State::Faulted(_)) {
            return Err(DeviceError::Fault(status.state));
        }
        match self.drop_everything().await {
            Ok(()) => Ok(()),
            Err(trouble) => self.overcome(trouble).await,
        }
    }

    /// The device drops its shots and forgets all results; afterwards nothing of them is under way any more.
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

    /// An order that was sent ahead was refused: what was sent behind it is dropped, and the device is as it was before.
    pub(super) async fn drop_what_was_ahead(&mut self) {
        self.work = None;
        // Some of the codes may have been staged.
        self.held = None;
        let dropped = match self.drop_everything().await {
            Ok(()) => self.ask_status().await,
            Err(trouble) => Err(trouble),
        };
        match dropped {
            // A commit that was refused is not to be asked for again.
            Ok(status) => self.target = self.target.take().filter(|target| target.generation == status.generation),
            Err(trouble) => {
                tracing::debug!("{}: after a refusal: {}", self.place(), hopeless(&self.session, trouble));
            }
        }
    }

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
        self.work = Some(Work::new(plan, shots, &self.identity.limits));
        self.session.late_is_over();
        let ordered = self.session.order_ahead("plan", Command::Plan(plan)).await;
        if let Err(trouble) = ordered {
            // Ends with the plan in force.
            self.overcome(trouble).await?;
        }
        Ok(Batch::new(self))
    }

    /// Results that wait on the device would be forgotten by what counts its slots.
    pub(super) fn check_retired(&self) -> Result<(), DeviceError> {
        let through = self.work.as_ref().and_then(Work::unretired);
        through.map_or(Ok(()), |through| Err(DeviceError::NotRetired { through }))
    }

    /// All shots up to this one are safe with us.
    ///
    /// # Errors
    /// If the device is lost for good; [`DeviceError::Interrupted`].
    pub async fn retire(&mut self, through: ShotId) -> Result<(), DeviceError> {
        // What was not handed out is not safe with anybody.
        let through = through.min(self.delivered_through);
        self.retired_through = self.retired_through.max(through);
        if let Some(work) = &mut self.work {
            work.retire(through);
        }
        match self.session.send(Command::Retire(through)).await {
            Ok(_) => Ok(()),
            // A new connection begins with it.
            Err(trouble) => self.overcome(trouble).await,
        }
    }

    /// Drops whatever is queued, in progress, or finished and not handed out.
    ///
    /// # Errors
    /// If the device is lost for good; [`DeviceError::Interrupted`].
    pub async fn abort(&mut self) -> Result<(), DeviceError> {
        self.work = None;
        match self.drop_everything().await {
            Ok(()) => Ok(()),
            Err(trouble) => self.overcome(trouble).await,
        }
    }

    /// Leaves everything as it is, once everything sent has arrived.
    pub async fn leave(self) {
        self.session.close().await;
    }

    /// Makes the outputs safe, waits until everything sent has arrived, and leaves. A device that cannot be reached is
    /// not waited for: its outputs are safe by themselves.
    pub async fn close(mut self) {
        self.session.watch.stop = None;
        let farewell = async {
            if self.session.is_heard() && self.make_safe().await.is_ok() {
                self.session.close().await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL_TIMEOUT, farewell).await;
    }

    async fn order(&mut self, asked: &'static str, command: Command<'_>) -> Result<(), DeviceError> {
        loop {
            match self.session.order(asked, command).await {
                Ok(()) => return Ok(()),
                Err(trouble) => self.overcome(trouble).await?,
            }
        }
    }
}

/// A trouble nothing is done about.
pub(super) fn hopeless(session: &Session, trouble: Trouble) -> DeviceError {
    match trouble {
        Trouble::Lost(end) => session.gone(&end),
        Trouble::Other(error) => error,
    }
}

pub(super) fn other_serial(place: String, ours: &str, peer: &Peer, why: &'static str) -> DeviceError {
    let named = |serial: &str| format!("number `{serial}`");
    DeviceError::OtherDevice { place, ours: named(ours), theirs: named(&peer.serial), why }
}

pub(super) fn other_wiring(place: String, wanted: &Wanted, theirs: u64) -> DeviceError {
    DeviceError::Wiring {
        place,
        rig: wanted.rig.clone(),
        ours: wanted.wiring_hash,
        ours_is: wanted.array.clone(),
        theirs,
    }
}
