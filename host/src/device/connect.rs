//! The first contact: a connection to a device, which is refused in the first exchange if it is not the one that is wanted.

use std::time::Duration;

use tokio::time::Instant;
use xyloop_protocol::message::Command;

use super::{
    client::Client,
    connection::Connection,
    error::DeviceError,
    identity::{Identity, Wanted, other_serial, other_wiring},
    outcome::Judge,
    recovery::FIRST_PAUSE,
    route::Route,
    session::Session,
};

/// Limits how long the first contact is tried when the line is cut in the middle of it.
const FIRST_CONTACT: Duration = Duration::from_secs(2);

impl Client {
    /// Connects, and refuses a device that is not the rig's: another wire version, other messages, another serial number,
    /// other wiring.
    ///
    /// # Errors
    /// [`DeviceError`], naming both sides.
    pub async fn connect(route: Route, wanted: Wanted) -> Result<Self, DeviceError> {
        let (hash, place, asked) = (wanted.wiring_hash, route.place().to_owned(), wanted.clone());
        let judge = move || -> Judge {
            let (place, wanted) = (place.clone(), asked.clone());
            Box::new(move |peer| match &wanted.serial_number {
                Some(ours) if *ours != peer.serial => Err(other_serial(place, ours, peer, "the rig file names it")),
                _ if peer.wiring_hash != wanted.wiring_hash => Err(other_wiring(place, &wanted, peer.wiring_hash)),
                _ => Ok(()),
            })
        };
        let (session, identity) = meet(&route, hash, judge).await?;
        Ok(Self::new(route, Some(wanted), session, identity))
    }

    /// Connects to whatever device is there, whatever its wiring: to ask who it is.
    ///
    /// # Errors
    /// [`DeviceError`] if it is no device or of another version.
    pub async fn connect_any(route: Route, wiring_hash: u64) -> Result<Self, DeviceError> {
        let (session, identity) = meet(&route, wiring_hash, || Box::new(|_| Ok(()))).await?;
        Ok(Self::new(route, None, session, identity))
    }
}

/// Talks to a device for the first time, and asks who it is.
async fn meet(route: &Route, wiring_hash: u64, judge: impl Fn() -> Judge) -> Result<(Session, Identity), DeviceError> {
    let started = Instant::now();
    loop {
        match first_words(route, wiring_hash, judge()).await {
            // A line that was cut in the middle of it, or a device that has not noticed yet that its last host left.
            Err(DeviceError::Lost { .. } | DeviceError::TurnedAway { .. }) if started.elapsed() < FIRST_CONTACT => {
                tokio::time::sleep(FIRST_PAUSE).await;
            }
            done => return done,
        }
    }
}

async fn first_words(route: &Route, wiring_hash: u64, judge: Judge) -> Result<(Session, Identity), DeviceError> {
    let transport = route.open().await?;
    let connection = Connection::open(transport, wiring_hash, judge).await.map_err(|refused| refused.error)?;
    let mut session = Session::new(connection, route.place().to_owned());
    match session.ask("identify", Command::Identify, Identity::of).await {
        Ok(identity) => Ok((session, identity)),
        Err(trouble) => Err(session.hopeless(trouble)),
    }
}
