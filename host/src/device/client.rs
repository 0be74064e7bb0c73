//! What a host asks of a device: who it is, to hold a generation, to run batches of shots ([`Batch`]).
//!
//! The client knows what is to be in force on the device and which shots are under way; from that `recovery` brings a
//! device there again when the connection was lost.

use std::time::Duration;

use xyloop_protocol::{
    crc::Crc32c,
    message::{self, Block, Bytes, Command, Contrast, Generation, Limits, Plan, Report, Stage, State, Status},
    units::{DacCode, ShotId},
};

use super::{
    Batch, DeviceError, LinkFigures, ShotOrder, StopFlag, Way,
    connection::{Connection, Judge, Peer, fresh_number},
    session::{HEAD, Session, Trouble},
    work::Work,
};
use crate::calibration::Codes;

/// How long a farewell may take.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);

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

/// Contrast sums of the shots since the plan, model units (radians are in the cosines).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// Shots in the sums.
    pub shots: u32,
    /// Shots left out because of their flags.
    pub left_out: u32,
    /// One per coupling, then x and y of each site.
    pub values: Vec<f64>,
}

/// Codes with the number and CRC under which they are to be in force.
pub(super) struct Target {
    pub generation: Generation,
    pub codes: Codes,
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
    /// The codes the device is known to hold, to send only what changed.
    pub(super) held: Option<Codes>,
    pub(super) work: Option<Work>,
    /// The last shot whose result was handed out.
    pub(super) delivered_through: ShotId,
    /// The last shot the device may forget.
    pub(super) retired_through: ShotId,
    /// The device offers again what it had finished for the connection before.
    pub(super) resumed: bool,
    rearmed: u32,
}

impl Client {
    /// Connects, and refuses a device that is not the rig's: another wire version, other messages, another serial number,
    /// other wiring.
    ///
    /// # Errors
    /// [`DeviceError`], naming both sides.
    pub async fn connect(way: Way, wanted: Wanted) -> Result<Self, DeviceError> {
        let hash = wanted.wiring_hash;
        let (place, pinned) = (way.place().to_owned(), wanted.serial_number.clone());
        let judge: Judge = Box::new(move |peer| match pinned {
            Some(ours) if ours != peer.serial => Err(other_serial(place, &ours, peer, "the rig file names it")),
            _ => Ok(()),
        });
        let mut client = Self::meet(way, hash, judge).await?;
        if client.identity.wiring_hash != hash {
            let limits = client.identity.limits;
            let theirs_is = format!(
                " ({} sites, {} couplings, {} inputs, {} outputs)",
                limits.sites, limits.couplings, limits.inputs, limits.outputs
            );
            let error = other_wiring(client.place().to_owned(), &wanted, client.identity.wiring_hash, theirs_is);
            client.leave().await;
            return Err(error);
        }
        client.wanted = Some(wanted);
        Ok(client)
    }

    /// Connects to whatever device is there, whatever its wiring: to ask who it is.
    ///
    /// # Errors
    /// [`DeviceError`] if it is no device or of another version.
    pub async fn connect_any(way: Way, wiring_hash: u64) -> Result<Self, DeviceError> {
        Self::meet(way, wiring_hash, Box::new(|_| Ok(()))).await
    }

    async fn meet(way: Way, wiring_hash: u64, judge: Judge) -> Result<Self, DeviceError> {
        let transport = way.open().await?;
        let connection = Connection::open(transport, wiring_hash, judge).await.map_err(|refused| refused.error)?;
        let mut session = Session::new(connection, way.place().to_owned());
        let identity = match session.ask("identify", Command::Identify, Identity::of).await {
            Ok(identity) => identity,
            Err(trouble) => return Err(hopeless(&session, trouble)),
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
            work: None,
            delivered_through: 0,
            retired_through: 0,
            resumed: false,
            rearmed: 0,
        })
    }

    /// From now on a lost connection is made again and what was under way goes on, until this asks for a stop: then
    /// whatever waits ends with [`DeviceError::Interrupted`].
    pub fn reconnect_until(&mut self, stop: StopFlag) {
        self.session.watch.stop = Some(stop);
    }

    /// Who the device is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the user called the way to it.
    pub fn place(&self) -> &str {
        self.way.place()
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
        self.generation = status.generation;
        match self.drop_everything().await {
            Ok(()) => Ok(()),
            Err(trouble) => self.overcome(trouble).await,
        }
    }

    /// The device drops its shots and forgets all results; afterwards nothing of them is under way any more.
    pub(super) async fn drop_everything(&mut self) -> Result<(), Trouble> {
        self.session.order("abort", Command::Abort).await?;
        // Nobody is left who could retire them: without this they would be offered to us.
        self.session.send(Command::Retire(ShotId::MAX)).await?;
        // Answers come in order: after this one nothing of the past is under way.
        self.ask_status().await?;
        self.session.forget_early();
        Ok(())
    }

    /// Stages and commits a generation of codes under the next number.
    ///
    /// # Errors
    /// If the device refuses it or is lost for good; [`DeviceError::Interrupted`].
    pub async fn commit(&mut self, codes: &Codes) -> Result<Generation, DeviceError> {
        let mut crc = Crc32c::new();
        crc.update(&bytes_of(&codes.couplings));
        crc.update(&bytes_of(&codes.fields));
        let generation = Generation { number: self.generation.number.wrapping_add(1).max(1), crc: crc.finish() };
        self.work = None;
        self.target = Some(Target { generation, codes: codes.clone() });
        if let Err(trouble) = self.put_in_force().await {
            // Ends with the target in force.
            self.overcome(trouble).await?;
        }
        Ok(generation)
    }

    /// Stages the target's codes, those that differ from what the device is known to hold, and commits them.
    pub(super) async fn put_in_force(&mut self) -> Result<(), Trouble> {
        let held = self.held.take();
        let Some(Target { generation, codes }) = &self.target else { return Ok(()) };
        let blocks = [
            (Block::Couplings, &codes.couplings, held.as_ref().map(|held| &held.couplings)),
            (Block::Fields, &codes.fields, held.as_ref().map(|held| &held.fields)),
        ];
        // As many codes as a message takes; sent without waiting for each answer.
        let most = (usize::from(self.identity.limits.max_message).saturating_sub(HEAD) / 2).max(1);
        let mut pieces = Vec::new();
        for (block, codes, held) in blocks {
            for (index, piece) in codes.chunks(most).enumerate() {
                let first = index * most;
                let unchanged = held.and_then(|held| held.get(first..first + piece.len())) == Some(piece);
                if !unchanged {
                    pieces.push((block, first as u32, bytes_of(piece)));
                }
            }
        }
        if pieces.is_empty() {
            // Nothing changed, and the number still has to exist on the device.
            pieces.push((Block::Couplings, 0, Vec::new()));
        }
        let mut tags = Vec::with_capacity(pieces.len());
        for (block, first, bytes) in &pieces {
            let stage = Stage { generation: generation.number, block: *block, first: *first, codes: Bytes(bytes) };
            tags.push(self.session.send(Command::Stage(stage)).await?);
        }
        for tag in tags {
            self.session.done("stage", tag).await?;
        }
        self.session.order("commit", Command::Commit(*generation)).await?;
        self.generation = *generation;
        self.held = Some(codes.clone());
        // A commit latches: whatever made the outputs safe before is over.
        if self.session.went_safe {
            self.note_safe();
        }
        Ok(())
    }

    /// Starts a batch: the plan, then its shots as the device has room. Results are taken with [`Batch::next`]. The
    /// plan's run number is the client's, whatever is given.
    ///
    /// # Errors
    /// If the shots' ids do not ascend, the device refuses the plan or is lost for good; [`DeviceError::Interrupted`].
    pub async fn batch(&mut self, plan: Plan, shots: Vec<ShotOrder>) -> Result<Batch<'_>, DeviceError> {
        let mut last = self.delivered_through;
        for &ShotOrder { id, .. } in &shots {
            if id <= last {
                return Err(DeviceError::ShotIds { id, last });
            }
            last = id;
        }
        let plan = Plan { run: self.run, ..plan };
        self.work = Some(Work::new(plan, shots));
        if let Err(trouble) = self.session.order("plan", Command::Plan(plan)).await {
            // Ends with the plan in force.
            self.overcome(trouble).await?;
        }
        Ok(Batch::new(self))
    }

    /// Contrast sums of the batch whose results were all taken.
    ///
    /// # Errors
    /// If a sum did not fit, the sums are not those of the batch, or the device is lost for good;
    /// [`DeviceError::Interrupted`].
    pub async fn collect(&mut self) -> Result<Sums, DeviceError> {
        loop {
            // After a reconnect the whole batch runs once more, for its sums alone.
            if self.next_result().await?.is_some() {
                let what = "sums were asked for before every result was taken".into();
                return Err(DeviceError::Protocol { what });
            }
            match self.try_collect().await {
                Ok(sums) => return Ok(sums),
                Err(trouble) => self.overcome(trouble).await?,
            }
        }
    }

    async fn try_collect(&mut self) -> Result<Sums, Trouble> {
        let protocol = |what: String| Trouble::from(DeviceError::Protocol { what });
        let total = self.identity.limits.couplings as usize + 2 * usize::from(self.identity.limits.sites);
        let mut sums = Sums::default();
        while sums.values.len() < total {
            let part = |report: &Report<'_>| match report {
                Report::Contrast(Contrast { shots, left_out, saturated, sums, .. }) => {
                    let unit = f64::from(1u32 << message::CONTRAST_FRACTION_BITS);
                    let words = sums.0.as_chunks::<4>().0.iter();
                    let values: Vec<f64> = words.map(|word| f64::from(i32::from_le_bytes(*word)) / unit).collect();
                    Some((*shots, *left_out, *saturated, values))
                }
                _ => None,
            };
            let command = Command::Collect(sums.values.len() as u32);
            let (shots, left_out, saturated, values) = self.session.ask("collect", command, part).await?;
            if saturated {
                return Err(protocol("a contrast sum did not fit its 32 bits: use smaller batches".into()));
            }
            if values.is_empty() {
                return Err(protocol("no sums".into()));
            }
            (sums.shots, sums.left_out) = (shots, left_out);
            sums.values.extend(values);
        }
        let (have, want) = (u64::from(sums.shots) + u64::from(sums.left_out), self.work.as_ref().map_or(0, Work::len));
        if have != want as u64 {
            return Err(protocol(format!("its sums are over {have} shots, the batch has {want}")));
        }
        Ok(sums)
    }

    /// All shots up to this one are safe with us.
    ///
    /// # Errors
    /// If the device is lost for good; [`DeviceError::Interrupted`].
    pub async fn retire(&mut self, through: ShotId) -> Result<(), DeviceError> {
        self.retired_through = self.retired_through.max(through.min(self.delivered_through));
        if let Some(work) = &mut self.work {
            work.retire(through);
        }
        match self.session.send(Command::Retire(through)).await {
            Ok(_) => Ok(()),
            // A new connection begins with it.
            Err(trouble) => self.overcome(trouble).await,
        }
    }

    /// Drops whatever is queued; shots in progress are discarded.
    ///
    /// # Errors
    /// If the device is lost for good; [`DeviceError::Interrupted`].
    pub async fn abort(&mut self) -> Result<(), DeviceError> {
        self.work = None;
        self.order("abort", Command::Abort).await?;
        self.session.forget_early();
        Ok(())
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

    /// Arms a device again that went safe because it had not heard of us for a while.
    pub(super) async fn arm_again(&mut self) -> Result<(), Trouble> {
        self.arm().await?;
        self.note_safe();
        Ok(())
    }

    pub(super) async fn arm(&mut self) -> Result<(), Trouble> {
        self.session.order("arm", Command::Arm(self.generation)).await
    }

    /// The device had gone safe by itself, and is armed again by now.
    fn note_safe(&mut self) {
        self.session.went_safe = false;
        self.rearmed += 1;
        tracing::warn!(
            "{} had gone safe after a silence of the host: it is armed again, unfinished shots run again",
            self.place()
        );
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

pub(super) fn other_wiring(place: String, wanted: &Wanted, theirs: u64, theirs_is: String) -> DeviceError {
    DeviceError::Wiring {
        place,
        rig: wanted.rig.clone(),
        ours: wanted.wiring_hash,
        ours_is: format!(" ({})", wanted.array),
        theirs,
        theirs_is,
    }
}

fn bytes_of(codes: &[DacCode]) -> Vec<u8> {
    codes.iter().flat_map(|code| code.0.to_le_bytes()).collect()
}
