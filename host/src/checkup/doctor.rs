//! The examination: every check in order, as far as the ones before allow. Nothing on the device is changed by it.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    contact::{EXCHANGE, OTHERS, PORT, of_error, port_findings},
    finding::{Examination, Finding},
    judge::{self, Traffic},
    subject::Subject,
    trips::Trips,
};
use crate::device::{Client, DeviceError, Route};

/// Round trips made to judge the line.
const ROUND_TRIPS: usize = 200;
/// They end after this time, however many there were.
const ROUND_TRIPS_LONGEST: Duration = Duration::from_secs(5);
/// Time over which clocks are compared, at least.
const CLOCK_SPAN: Duration = Duration::from_secs(1);
/// Round trips at the end of that time.
const CLOCK_TRIPS: usize = 10;
/// Names what is looked at once a device has answered.
const OF_DEVICE: [&str; 11] =
    ["identity", "boot", "serial number", "wiring", "results", "slots", "deadman", "codecs", "state", "link", "clock"];

/// Looks at everything that can be looked at. `route` is the one that [`Subject::port`] names.
pub async fn examine(route: Route, subject: &Subject<'_>) -> Examination {
    let place = route.place().to_owned();
    let mut examination = Examination { place, checks: Vec::new(), not_examined: Vec::new() };
    let of_port = port_findings(&subject.system, subject.port, subject.baud);
    let hash = subject.rig.as_ref().map_or(0, |rig| rig.wanted.wiring_hash);
    let started = Instant::now();
    match Client::connect_any(route, hash).await {
        Ok(mut client) => {
            let took_ms = started.elapsed().as_secs_f64() * 1e3;
            examination.checks.extend(of_port);
            let found = format!("answered {took_ms:.1} ms after the port was asked for");
            examination.checks.push(Finding::ok(EXCHANGE, found));
            let ended = look_at(&mut client, subject, &mut examination).await;
            if let Err(error) = ended {
                examination.checks.push(Finding::failed(
                    "link",
                    error.to_string(),
                    "a connection that does not hold for seconds will not hold for a run",
                    "check cable and power; a device that restarts by itself leaves a small uptime",
                ));
            }
            client.leave().await;
        }
        Err(error) => {
            let failed = of_error(&error, &subject.system, subject.port, subject.baud);
            // Where it cannot be opened, what it is was not found out, and who has it open is the error's to say.
            let is_port = failed.check == PORT;
            let stays = |finding: &Finding| !is_port || ![PORT, OTHERS].contains(&finding.check);
            examination.checks.extend(of_port.into_iter().filter(stays));
            examination.checks.push(failed);
            if is_port {
                examination.not_examined.push(EXCHANGE);
            }
        }
    }
    let is_examined = |check: &&str| examination.checks.iter().any(|finding| finding.check == *check);
    let missing = OF_DEVICE.into_iter().filter(|check| !is_examined(check));
    examination.not_examined.extend(missing.collect::<Vec<_>>());
    examination
}

/// Asks a device which answers everything that it can be asked.
async fn look_at(client: &mut Client, subject: &Subject<'_>, examination: &mut Examination) -> Result<(), DeviceError> {
    let before = (client.figures(), client.status().await?);
    let identity = client.identity().clone();
    let limits = identity.limits;
    let checks = &mut examination.checks;
    checks.push(judge::identity(&identity, &before.1));
    checks.push(judge::boot(identity.boot_cause, &identity.boot_note));
    checks.push(judge::serial_number(subject, &identity.serial));
    checks.push(judge::wiring(subject, identity.wiring_hash, &limits));
    checks.extend(judge::limits(subject, &limits));
    checks.extend(judge::state(&examination.place, &before.1));

    let epoch = Instant::now();
    let small = Trips::take(client, epoch, ROUND_TRIPS, ROUND_TRIPS_LONGEST).await?;
    let traffic = Traffic::between((&before.0, &before.1), (&client.figures(), &small.last));
    checks.push(judge::link(ROUND_TRIPS, &small.quantiles(), &traffic, limits.deadman_ms));

    tokio::time::sleep_until(epoch + CLOCK_SPAN).await;
    let late = Trips::take(client, epoch, CLOCK_TRIPS, ROUND_TRIPS_LONGEST).await?;
    checks.push(judge::clock(&[small.trips, late.trips].concat()));
    Ok(())
}
