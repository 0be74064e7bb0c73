//! What a host asks of a device: who it is, to hold a generation, to run batches of shots ([`Batch`]).
//!
//! Answers are matched to questions by tag; what comes in between is kept for whoever asks next.

use std::{collections::VecDeque, time::Duration};

use tokio::time::timeout;
use xyloop_protocol::{
    crc::Crc32c,
    message::{
        self, Block, Bytes, Command, Contrast, Event, Generation, Limits, Plan, Report, Request, Stage, State, Status,
    },
    units::{DacCode, ShotId},
};

use super::{
    Batch, DeviceError, ShotOrder, Transport,
    connection::{Connection, LinkFigures},
};
use crate::calibration::Codes;

/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Room for a message's head beside its codes.
const HEAD: usize = 64;

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

/// A connected device.
pub struct Client {
    connection: Connection,
    place: String,
    identity: Identity,
    tag: u16,
    /// Messages that came while something else was waited for.
    early: VecDeque<Vec<u8>>,
    generation: Generation,
    /// The codes the device holds, to send only what changed.
    held: Option<Codes>,
    rearmed: u32,
}

impl Client {
    /// Connects, and refuses a device that is not the rig's: another wire version, other messages, other wiring.
    ///
    /// `rig` is the rig's name and its array in words, for the refusal.
    ///
    /// # Errors
    /// [`DeviceError`], naming both sides.
    pub async fn connect(transport: Transport, rig: (&str, &str), wiring_hash: u64) -> Result<Self, DeviceError> {
        let mut client = Self::connect_any(transport, wiring_hash).await?;
        let theirs = client.connection.greeting.wiring_hash;
        if theirs != wiring_hash {
            let limits = client.identity.limits;
            let error = DeviceError::Wiring {
                place: std::mem::take(&mut client.place),
                rig: rig.0.to_owned(),
                ours: wiring_hash,
                ours_is: format!(" ({})", rig.1),
                theirs,
                theirs_is: format!(
                    " ({} sites, {} couplings, {} inputs, {} outputs)",
                    limits.sites, limits.couplings, limits.inputs, limits.outputs
                ),
            };
            client.connection.close().await;
            return Err(error);
        }
        Ok(client)
    }

    /// Connects to whatever device is there, whatever its wiring: to ask who it is.
    ///
    /// # Errors
    /// [`DeviceError`] if it is no device or of another version.
    pub async fn connect_any(transport: Transport, wiring_hash: u64) -> Result<Self, DeviceError> {
        let place = transport.place.clone();
        let connection = Connection::open(transport, wiring_hash).await?;
        let identity = Identity {
            vendor: String::new(),
            model: String::new(),
            serial: String::new(),
            firmware: String::new(),
            boot_id: connection.greeting.boot_id,
            wiring_hash: connection.greeting.wiring_hash,
            limits: Limits::default(),
        };
        let mut client = Self {
            connection,
            place,
            identity,
            tag: 0,
            early: VecDeque::new(),
            generation: Generation::default(),
            held: None,
            rearmed: 0,
        };
        let identify = |report: &Report<'_>| match report {
            Report::Identity(identity) => Some(Identity {
                vendor: identity.vendor.to_owned(),
                model: identity.model.to_owned(),
                serial: identity.serial.to_owned(),
                firmware: identity.firmware.to_owned(),
                boot_id: identity.boot_id,
                wiring_hash: identity.wiring_hash,
                limits: identity.limits,
            }),
            _ => None,
        };
        client.identity = client.ask("identify", Command::Identify, identify).await?;
        Ok(client)
    }

    /// Who the device is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the user called the way to it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The link's figures, as of a moment ago.
    pub fn figures(&self) -> LinkFigures {
        self.connection.figures()
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
        let status = |report: &Report<'_>| match report {
            Report::Status(status) => Some(*status),
            _ => None,
        };
        self.ask("status", Command::Status, status).await
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
        self.order("abort", Command::Abort).await?;
        // Nobody is left who could retire them: without this they would be offered to us.
        self.retire(ShotId::MAX).await?;
        // Answers come in order: after this one nothing of the past is under way.
        self.status().await?;
        self.early.clear();
        Ok(())
    }

    /// Stages and commits a generation of codes under the next number.
    ///
    /// # Errors
    /// If the device refuses it or is lost.
    pub async fn commit(&mut self, codes: &Codes) -> Result<Generation, DeviceError> {
        let number = self.generation.number.wrapping_add(1).max(1);
        let blocks = [
            (Block::Couplings, &codes.couplings, self.held.as_ref().map(|held| &held.couplings)),
            (Block::Fields, &codes.fields, self.held.as_ref().map(|held| &held.fields)),
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
            let stage = Stage { generation: number, block: *block, first: *first, codes: Bytes(bytes) };
            tags.push(self.send(Command::Stage(stage)).await?);
        }
        for tag in tags {
            self.answer("stage", tag, done).await?;
        }
        let mut crc = Crc32c::new();
        crc.update(&bytes_of(&codes.couplings));
        crc.update(&bytes_of(&codes.fields));
        let generation = Generation { number, crc: crc.finish() };
        self.order("commit", Command::Commit(generation)).await?;
        self.generation = generation;
        self.held = Some(codes.clone());
        Ok(generation)
    }

    /// Starts a batch: the plan, then its shots as the device has room. Results are taken with [`Batch::next`].
    ///
    /// # Errors
    /// If the device refuses the plan or is lost.
    pub async fn batch(&mut self, plan: Plan, shots: Vec<ShotOrder>) -> Result<Batch<'_>, DeviceError> {
        self.order("plan", Command::Plan(plan)).await?;
        Ok(Batch::new(self, &plan, shots))
    }

    /// Contrast sums since the plan.
    ///
    /// # Errors
    /// If a sum did not fit, or the device is lost.
    pub async fn collect(&mut self) -> Result<Sums, DeviceError> {
        let total = self.identity.limits.couplings as usize + 2 * usize::from(self.identity.limits.sites);
        let mut sums = Sums::default();
        while sums.values.len() < total {
            let part = |report: &Report<'_>| match report {
                Report::Contrast(Contrast { shots, left_out, saturated, sums, .. }) => {
                    let unit = f64::from(1u32 << message::CONTRAST_FRACTION_BITS);
                    let values: Vec<f64> = sums
                        .0
                        .as_chunks::<4>()
                        .0
                        .iter()
                        .map(|word| f64::from(i32::from_le_bytes(*word)) / unit)
                        .collect();
                    Some((*shots, *left_out, *saturated, values))
                }
                _ => None,
            };
            let command = Command::Collect(sums.values.len() as u32);
            let (shots, left_out, saturated, values) = self.ask("collect", command, part).await?;
            if saturated || values.is_empty() {
                let what =
                    if saturated { "a contrast sum did not fit its 32 bits: use smaller batches" } else { "no sums" };
                return Err(DeviceError::Protocol { what: what.into() });
            }
            (sums.shots, sums.left_out) = (shots, left_out);
            sums.values.extend(values);
        }
        Ok(sums)
    }

    /// All shots up to this one are safe with us.
    ///
    /// # Errors
    /// If the device is lost.
    pub async fn retire(&mut self, through: ShotId) -> Result<(), DeviceError> {
        self.send(Command::Retire(through)).await.map(drop)
    }

    /// Drops whatever is queued; shots in progress are discarded.
    ///
    /// # Errors
    /// If the device is lost.
    pub async fn abort(&mut self) -> Result<(), DeviceError> {
        self.order("abort", Command::Abort).await?;
        self.early.clear();
        Ok(())
    }

    /// Leaves everything as it is, once everything sent has arrived.
    pub async fn leave(self) {
        self.connection.close().await;
    }

    /// Makes the outputs safe, waits until everything sent has arrived, and leaves.
    pub async fn close(mut self) {
        // A device that is gone needs no farewell.
        let _ = self.make_safe().await;
        self.connection.close().await;
    }

    async fn order(&mut self, asked: &'static str, command: Command<'_>) -> Result<(), DeviceError> {
        self.ask(asked, command, done).await
    }

    async fn ask<T>(
        &mut self,
        asked: &'static str,
        command: Command<'_>,
        take: impl Fn(&Report<'_>) -> Option<T>,
    ) -> Result<T, DeviceError> {
        let tag = self.send(command).await?;
        self.answer(asked, tag, take).await
    }

    pub(super) async fn send(&mut self, command: Command<'_>) -> Result<u16, DeviceError> {
        self.tag = if self.tag == u16::MAX { 1 } else { self.tag + 1 };
        let request = Request { tag: self.tag, command };
        let codes = match command {
            Command::Stage(stage) => stage.codes.0.len(),
            Command::Shot(shot) => shot.inputs.0.len() + shot.targets.0.len(),
            _ => 128,
        };
        let mut buffer = vec![0; codes + HEAD];
        let too_long = || DeviceError::Protocol { what: "a request does not fit its buffer".into() };
        let length = message::encode(&request, &mut buffer).ok_or_else(too_long)?.len();
        buffer.truncate(length);
        if self.connection.outgoing.send(buffer).await.is_err() {
            return Err(self.lost().await);
        }
        Ok(self.tag)
    }

    /// Waits for the answer with this tag; what comes in between is kept for later.
    async fn answer<T>(
        &mut self,
        asked: &'static str,
        tag: u16,
        take: impl Fn(&Report<'_>) -> Option<T>,
    ) -> Result<T, DeviceError> {
        loop {
            let bytes = self.next_message(asked, ANSWER_TIMEOUT).await?;
            let event = decode(&bytes)?;
            if let (0, Report::Refused(refused)) = (event.tag, &event.report) {
                // A message of ours that the device could not read: there will be no answer.
                return Err(DeviceError::Refused { asked, refused: *refused });
            }
            if event.tag != tag {
                self.early.push_back(bytes);
                continue;
            }
            return match event.report {
                Report::Refused(refused) => Err(DeviceError::Refused { asked, refused }),
                report => take(&report)
                    .ok_or_else(|| DeviceError::Protocol { what: format!("`{asked}` was answered with {report:?}") }),
            };
        }
    }

    /// The next message that answers no question.
    pub(super) async fn next_unasked(&mut self, wanted: &'static str, wait: Duration) -> Result<Vec<u8>, DeviceError> {
        match self.early.pop_front() {
            Some(bytes) => Ok(bytes),
            None => self.next_message(wanted, wait).await,
        }
    }

    async fn next_message(&mut self, asked: &'static str, wait: Duration) -> Result<Vec<u8>, DeviceError> {
        match timeout(wait, self.connection.incoming.recv()).await {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(self.lost().await),
            Err(_) => Err(DeviceError::NoAnswer { place: self.place.clone(), asked, waited: wait }),
        }
    }

    async fn lost(&mut self) -> DeviceError {
        DeviceError::Lost { place: self.place.clone(), reason: self.connection.reason().await }
    }

    /// Arms a device again that went safe because it had not heard of us for a while.
    pub(super) async fn arm(&mut self) -> Result<(), DeviceError> {
        self.rearmed += 1;
        tracing::warn!("the device had gone safe after a silence of the host: armed again, its shots run again");
        let generation = self.generation;
        self.order("arm", Command::Arm(generation)).await
    }
}

fn done(report: &Report<'_>) -> Option<()> {
    matches!(report, Report::Done).then_some(())
}

pub(super) fn decode(bytes: &[u8]) -> Result<Event<'_>, DeviceError> {
    message::decode(bytes)
        .ok_or_else(|| DeviceError::Protocol { what: format!("a message of {} bytes cannot be decoded", bytes.len()) })
}

fn bytes_of(codes: &[DacCode]) -> Vec<u8> {
    codes.iter().flat_map(|code| code.0.to_le_bytes()).collect()
}
