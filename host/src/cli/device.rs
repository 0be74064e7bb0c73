//! `xyloop device`: who a device is and how it is, and what went over its line.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use xyloop::{
    array::Array,
    config,
    device::{Client, Way, boot_in_words, state_in_words},
};

use super::{Place, Settings, overrides, trace};

/// Ask a device.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Who it is, what it can take, how it is, how the link is.
    #[command(after_help = "\
Examples:
  xyloop device info --device /dev/pts/5
  xyloop device info --config hil-config/rigs/xor-15x15-4nsq.toml --device tcp://127.0.0.1:5555 --json")]
    Info {
        #[command(flatten)]
        place: Place,
        /// A rig or experiment file: the wiring is compared with it, and it says where the device is if `--device` does not.
        #[arg(long, value_name = "FILE", required_unless_present = "device")]
        config: Option<PathBuf>,
        #[command(flatten)]
        settings: Settings,
        /// Print one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Clear a latched fault; the outputs stay safe until the next commit.
    Clear {
        #[command(flatten)]
        place: Place,
    },
    /// Print a recording of a device's line: one line for each frame, good or bad, and a summary.
    #[command(after_help = "\
Examples:
  xyloop sim serve --pty --config hil-config/xor.toml --trace line.pcap     record a line
  xyloop device trace line.pcap                                             look at it
  xyloop device trace line.pcap | grep BAD                                  what was damaged
  xyloop device trace line.pcap --json | jq 'select(.kind == \"Open\")'     the sessions' first frames

Times count from the first record. Behind `|` are the messages that a frame completes (#: the tag of a request and its \
answer); they are named if the recording has the session's beginning. BAD frames come with the reason: crc, cobs (cut \
short), short, kind (unknown), long.
The file is a classic pcap of link type 147 (USER0): each record is a byte for the direction (0 host to device) and the \
bytes that went over the line.")]
    Trace(trace::Arguments),
}

/// `true` if it answered.
pub async fn run(command: &Command) -> anyhow::Result<bool> {
    let (place, config, settings, json) = match command {
        Command::Info { place, config, settings, json } => (place, config, settings, json),
        Command::Clear { place } => return clear(place).await,
        Command::Trace(arguments) => return trace::run(arguments),
    };
    let known = match config {
        Some(file) => {
            let (rig, path) = config::load_rig(file, &overrides(settings, place))?;
            let array = Array::new(&rig)?;
            Some((rig, path, array))
        }
        None => None,
    };
    let way = match (&known, &place.device) {
        (Some((rig, _, array)), _) => Way::new(&rig.device.port, rig.device.serial.baud, Some(array.description(rig)))?,
        (None, port) => Way::new(&port.clone().unwrap_or_default(), config::Serial::default().baud, None)?,
    };
    let expected = known.as_ref().map(|(_, path, array)| (path, array.wiring_hash()));
    let mut client = Client::connect_any(place.around(way)?, expected.map_or(0, |(_, hash)| hash)).await?;
    let status = client.status().await?;
    let (identity, link) = (client.identity().clone(), client.figures());
    let place = client.place().to_owned();
    client.leave().await;
    let matches = expected.map(|(_, hash)| identity.wiring_hash == hash);
    let limits = identity.limits;
    if *json {
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

async fn clear(place: &Place) -> anyhow::Result<bool> {
    let port = place.device.clone().unwrap_or_default();
    let way = Way::new(&port, config::Serial::default().baud, None)?;
    let mut client = Client::connect_any(place.around(way)?, 0).await?;
    client.clear().await?;
    let status = client.status().await?;
    println!("{}: {}", client.place(), state_in_words(&status.state));
    client.leave().await;
    Ok(true)
}
