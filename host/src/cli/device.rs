//! `xyloop device`: who a device is and how it is.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use xyloop::{
    array::Array,
    config,
    device::{Client, Transport, state_in_words},
};

use super::{Place, Settings, overrides};

/// Ask a device.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Who it is, what it can take, how it is, how the link is.
    Info {
        #[command(flatten)]
        place: Place,
        /// A rig or experiment file: compares the wiring, and says where the device is if `--device` does not.
        #[arg(long, value_name = "FILE", default_value = "hil-config/xor.toml")]
        config: PathBuf,
        #[command(flatten)]
        settings: Settings,
        /// Print one line of JSON.
        #[arg(long)]
        json: bool,
    },
}

/// `true` if the device is the rig's.
pub async fn run(command: &Command) -> anyhow::Result<bool> {
    let Command::Info { place, config, settings, json } = command;
    let (rig, path) = config::load_rig(config, &overrides(settings, place))?;
    let array = Array::new(&rig)?;
    let transport = Transport::open(&rig.device.port, rig.device.serial.baud, array.description(&rig)).await?;
    let mut client = Client::connect_any(transport, array.wiring_hash()).await?;
    let status = client.status().await?;
    let (identity, link) = (client.identity().clone(), client.figures());
    let place = client.place().to_owned();
    client.leave().await;
    let matches = identity.wiring_hash == array.wiring_hash();
    let limits = identity.limits;
    if *json {
        let report = serde_json::json!({
            "place": place,
            "vendor": identity.vendor, "model": identity.model, "serial": identity.serial,
            "firmware": identity.firmware, "boot_id": format!("{:08x}", identity.boot_id),
            "wiring_hash": format!("{:016x}", identity.wiring_hash), "wiring_matches": matches,
            "limits": limits, "status": status,
        });
        println!("{}", serde_json::to_string(&report).context("the report cannot be written as JSON")?);
        return Ok(true);
    }
    println!("{} {} {} (firmware {}) at {place}", identity.vendor, identity.model, identity.serial, identity.firmware);
    println!("  boot id     {:08x}, up {:.1} s", identity.boot_id, status.uptime_us as f64 / 1e6);
    println!("  state       {}", state_in_words(&status.state));
    println!("  generation  {} (CRC {:08x})", status.generation.number, status.generation.crc);
    println!(
        "  array       {} sites, {} couplings, {} inputs, {} outputs, {} replicas",
        limits.sites, limits.couplings, limits.inputs, limits.outputs, limits.replicas
    );
    println!(
        "  wiring      {:016x}, {} {}",
        identity.wiring_hash,
        if matches { "as in" } else { "NOT as in" },
        path.display()
    );
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
        "  link        round trip {:.2} ms, {} bad frames here, {} there, {} + {} resent",
        f64::from(link.rtt_us) / 1000.0,
        link.bad_frames,
        status.link.bad_frames,
        link.resends,
        status.link.resends
    );
    Ok(true)
}
