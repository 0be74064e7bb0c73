//! `xyloop device info`: who a device is, what it can take, how it is, how the link is.

use anyhow::Context;
use xyloop::device::{Client, boot_in_words, state_in_words};

use super::whom::{Known, Whom};

/// Arguments of `device info`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    whom: Whom,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Asks and prints; `true` if it answered.
pub async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let Known { rig, route, .. } = arguments.whom.known()?;
    let expected = rig.as_ref().map(|(_, path, array)| (path, array.wiring_hash()));
    let mut client = Client::connect_any(route, expected.map_or(0, |(_, hash)| hash)).await?;
    let status = client.status().await?;
    let (identity, link) = (client.identity().clone(), client.figures());
    let place = client.place().to_owned();
    client.leave().await;
    let matches = expected.map(|(_, hash)| identity.wiring_hash == hash);
    let limits = identity.limits;
    if arguments.json {
        let report = serde_json::json!({
            "place": place,
            "vendor": identity.vendor, "model": identity.model, "serial": identity.serial,
            "firmware": identity.firmware, "boot_id": format!("{:08x}", identity.boot_id),
            "boot_cause": identity.boot_cause, "boot_note": identity.boot_note,
            "wiring_hash": format!("{:016x}", identity.wiring_hash), "wiring_matches": matches,
            "limits": limits, "status": status,
        });
        println!("{}", serde_json::to_string(&report).context("the report cannot be written as JSON")?);
        return Ok(true);
    }
    println!("{} {} {} (firmware {}) at {place}", identity.vendor, identity.model, identity.serial, identity.firmware);
    println!("  boot id     {:08x}, up {:.1} s", identity.boot_id, status.uptime_us as f64 / 1e6);
    println!("  boot cause  {}", boot_in_words(identity.boot_cause, &identity.boot_note));
    println!("  state       {}", state_in_words(&status.state));
    println!("  generation  {} (CRC {:08x})", status.generation.number, status.generation.crc);
    println!(
        "  array       {} sites, {} couplings, {} inputs, {} outputs, {} replicas",
        limits.sites, limits.couplings, limits.inputs, limits.outputs, limits.replicas
    );
    match expected {
        Some((path, hash)) if hash != identity.wiring_hash => {
            println!("  wiring      {:016x}, NOT that of {} ({hash:016x})", identity.wiring_hash, path.display());
        }
        Some((path, _)) => println!("  wiring      {:016x}, that of {}", identity.wiring_hash, path.display()),
        None => println!("  wiring      {:016x}", identity.wiring_hash),
    }
    println!(
        "  limits      {} shots held, {} B of results a shot, {} B a message, deadman {} ms",
        limits.shot_slots, limits.result_bytes, limits.max_message, limits.deadman_ms
    );
    let counts = status.counts;
    println!(
        "  since boot  {} shots begun, {} finished, {} discarded, {} equilibria, {} reads, {} deadman stops",
        counts.shots_begun,
        counts.shots_finished,
        counts.shots_discarded,
        counts.equilibria,
        counts.reads,
        counts.deadman
    );
    println!(
        "  link        round trip {:.2} ms here, {:.2} ms there, {} bad frames here, {} there, {} + {} resent",
        f64::from(link.rtt_us) / 1000.0,
        f64::from(status.link.rtt_us) / 1000.0,
        link.bad_frames,
        status.link.bad_frames,
        link.resends,
        status.link.resends
    );
    println!("              its window {} B, its frames {} B", status.link.window_bytes, status.link.frame_bytes);
    Ok(true)
}
