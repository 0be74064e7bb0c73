//! What happens when the line is lost: it is made again, the device is brought back to what is to be in force, and the
//! shots go on.
//!
//! A device that was not restarted and still holds our generation and our shots is armed, planned again and sent what
//! it has not finished; it offers by itself what it has. Any other one is cleared, gets the codes again under the same
//! generation, and every shot that was not handed out. Sums are added up on the device and start at zero with a plan:
//! for them all shots of the batch run again.

use std::time::Duration;

use tokio::time::Instant;
use xyloop_protocol::message::{Command, State};

use super::{
    client::Client,
    connection::Connection,
    error::DeviceError,
    holding::Beginning,
    identity::{other_serial, other_wiring},
    notice::Notice,
    outcome::{Cause, End, Judge, NotOpened},
    pending_batch::PendingBatch,
    session::Trouble,
    transport::Transport,
    words::boot_in_words,
};

/// Pause before the second attempt; doubles from there.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Reasons of attempts that failed that are said, each once.
const REASONS_SAID: usize = 8;

/// Says what an attempt came to.
enum Attempt {
    /// The run goes on; in words, what is in force and how.
    Back(String),
    /// Not now.
    Again(Failed),
    /// Never.
    Refused(DeviceError),
}

/// Says why there is no connection, and what is left of it.
struct Failed {
    reason: String,
    transport: Option<Transport>,
    /// Tells of a device that does not know a session which had been in force; `None` if there was no session.
    forgotten: Option<bool>,
}

impl Client {
    /// Makes a lost connection again if that was asked for; every other trouble is an error.
    pub(super) async fn overcome(&mut self, trouble: Trouble) -> Result<(), DeviceError> {
        if matches!(trouble, Trouble::RefusedAhead(_)) {
            self.drop_what_was_ahead().await;
        }
        match (trouble, &self.session.liveness.stop) {
            (Trouble::Lost(_), Some(stop)) if stop.is_set() => Err(DeviceError::Interrupted),
            (Trouble::Lost(end), Some(_)) => self.recover(end).await,
            (trouble, _) => Err(self.session.hopeless(trouble)),
        }
    }

    async fn recover(&mut self, end: End) -> Result<(), DeviceError> {
        let stop = self.session.liveness.stop.clone().unwrap_or_default();
        let (lost, boot_id) = (Instant::now(), self.identity.boot_id);
        let sent = self.pending.as_ref().map_or(0, PendingBatch::sent);
        let mut line = self.failed(end);
        self.tell(&Notice::Lost { place: self.place().to_owned(), reason: line.reason.clone() });
        // Of the last session there was: the device may answer only at the second attempt.
        let mut forgotten = false;
        let mut pause = FIRST_PAUSE;
        let mut said = Vec::new();
        loop {
            forgotten = line.forgotten.unwrap_or(forgotten);
            let attempt = tokio::select! {
                biased;
                () = stop.wait() => return Err(DeviceError::Interrupted),
                attempt = self.attempt(line.transport, forgotten) => attempt,
            };
            line = match attempt {
                Attempt::Back(in_force) => {
                    let was_restarted = self.identity.boot_id != boot_id;
                    let why = || boot_in_words(self.identity.boot_cause, &self.identity.boot_note);
                    self.tell(&Notice::Back {
                        place: self.place().to_owned(),
                        after_s: lost.elapsed().as_secs_f64(),
                        restarted: was_restarted.then(why),
                        in_force,
                        shots_again: sent - self.pending.as_ref().map_or(0, PendingBatch::sent).min(sent),
                    });
                    return Ok(());
                }
                Attempt::Refused(error) => return Err(error),
                Attempt::Again(failed) => failed,
            };
            // Each reason once: the attempts themselves would fill a night.
            if !said.contains(&line.reason) && said.len() < REASONS_SAID {
                self.tell(&Notice::NotYet { reason: line.reason.clone() });
                said.push(line.reason.clone());
            }
            tokio::select! {
                biased;
                () = stop.wait() => return Err(DeviceError::Interrupted),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    fn failed(&self, end: End) -> Failed {
        // A session in which nothing was ever said may have been replaced by an Open of ours that came late.
        let forgotten = Some(end.cause == Cause::Forgotten && self.session.answered);
        Failed { reason: end.cause.to_string(), transport: end.transport, forgotten }
    }

    /// Tries once: a line, the first exchange, and everything back in place.
    async fn attempt(&mut self, transport: Option<Transport>, forgotten: bool) -> Attempt {
        let opened = match transport {
            Some(transport) => Ok(transport),
            None => self.route.open().await,
        };
        let opened = match opened {
            Ok(transport) => {
                let hash = self.wanted.as_ref().map_or(self.identity.wiring_hash, |wanted| wanted.wiring_hash);
                Connection::open(transport, hash, self.judge(forgotten)).await
            }
            Err(error) => Err(NotOpened { error, transport: None }),
        };
        let connection = match opened {
            Ok(connection) => connection,
            Err(NotOpened { error, transport }) if passes(&error) => {
                return Attempt::Again(Failed { reason: error.to_string(), transport, forgotten: None });
            }
            Err(NotOpened { error, .. }) => return Attempt::Refused(error),
        };
        self.session.renew(connection);
        match self.restore().await {
            Ok(in_force) => Attempt::Back(in_force),
            Err(Trouble::Lost(end)) => Attempt::Again(self.failed(end)),
            Err(Trouble::RefusedAhead(error) | Trouble::Other(error)) => Attempt::Refused(error),
        }
    }

    /// Judges in the first exchange which device may go on with the run.
    fn judge(&self, forgotten: bool) -> Judge {
        let (place, wanted, ours) = (self.place().to_owned(), self.wanted.clone(), self.identity.clone());
        Box::new(move |peer| {
            if peer.serial != ours.serial {
                return Err(other_serial(place, &ours.serial, peer, "the run began on it"));
            }
            if peer.wiring_hash != ours.wiring_hash {
                return Err(match wanted {
                    Some(wanted) => other_wiring(place, &wanted, peer.wiring_hash),
                    None => DeviceError::Protocol { what: "its wiring has changed".into() },
                });
            }
            if forgotten && peer.boot_id == ours.boot_id {
                return Err(DeviceError::TakenOver { place, boot_id: ours.boot_id });
            }
            Ok(())
        })
    }

    /// Brings a device that was just connected to where the run needs it; says in words what is in force then.
    async fn restore(&mut self) -> Result<String, Trouble> {
        let identity = self.ask_identity().await?;
        let named = |vendor: &str, model: &str| format!("a {vendor} {model}");
        if (&identity.vendor, &identity.model) != (&self.identity.vendor, &self.identity.model) {
            return Err(Trouble::Other(DeviceError::OtherDevice {
                place: self.place().to_owned(),
                ours: named(&self.identity.vendor, &self.identity.model),
                theirs: named(&identity.vendor, &identity.model),
                why: "the run began on it",
            }));
        }
        if self.retired_through > 0 {
            // The last ones may have been on their way.
            self.session.send(Command::Retire(self.retired_through)).await?;
        }
        let status = self.ask_status().await?;
        if matches!(status.state, State::Faulted(_)) {
            return Err(Trouble::Other(self.session.faulted(status.state)));
        }
        let same_boot = identity.boot_id == self.identity.boot_id;
        let same_codes = self.session.holding.is_found(status.generation, same_boot);
        // From here on this is the device whose restart would be another one.
        self.identity = identity;
        let (last, count) = (status.last_shot, usize::from(status.shots_unretired));
        let sums = self.pending.as_ref().is_some_and(|work| work.sums() && work.is_begun());
        let ours = self.pending.as_ref().map_or(last == 0, |work| work.is_ours(last, count, self.retired_through));
        let resumes = same_codes && ours && !sums;
        if !resumes {
            self.drop_everything().await?;
        }
        // Safe or not: it is armed or committed to now.
        self.session.holding.armed();
        self.session.holding.found(status.generation, same_boot);
        let in_force = match self.session.holding.target().map(|target| target.generation) {
            None => "nothing had been committed".into(),
            Some(generation) if same_codes => {
                self.generation = generation;
                self.arm().await?;
                format!("generation {} latched again", generation.number)
            }
            Some(generation) => {
                self.put_in_force().await?;
                format!("generation {} staged again", generation.number)
            }
        };
        self.session.beginning = if resumes { Beginning::Resumed } else { Beginning::Afresh };
        if let Some(work) = &mut self.pending {
            if resumes { work.resume(last, self.retired_through) } else { work.restart() }
        }
        self.plan_again().await?;
        Ok(in_force)
    }

    /// Drops everything on the device and asks for it again: something on it was not ours.
    pub(super) async fn start_over(&mut self) -> Result<(), Trouble> {
        self.session.beginning = Beginning::Afresh;
        self.drop_everything().await?;
        self.session.holding.doubt();
        self.session.holding.armed();
        self.put_in_force().await?;
        if let Some(work) = &mut self.pending {
            work.restart();
        }
        self.plan_again().await
    }

    /// Sends the plan once more, for the shots that are to be sent now.
    async fn plan_again(&mut self) -> Result<(), Trouble> {
        match self
            .pending
            .as_ref()
            .filter(|work| !work.is_delivered() || work.sums())
            .map(|work: &PendingBatch| work.plan)
        {
            Some(plan) => self.session.order("plan", Command::Plan(plan)).await,
            None => Ok(()),
        }
    }
}

/// Says if an attempt that failed like this may succeed later.
fn passes(error: &DeviceError) -> bool {
    matches!(
        error,
        DeviceError::NoPort { .. }
            | DeviceError::Busy { .. }
            | DeviceError::Permission { .. }
            | DeviceError::NotAPort { .. }
            | DeviceError::Open { .. }
            | DeviceError::NoListener { .. }
            | DeviceError::NotADevice { .. }
            | DeviceError::TurnedAway { .. }
            | DeviceError::Lost { .. }
    )
}
