//! `xyloop device`: who a device is and how it is, and what went over its line.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use xyloop::{
    array::Array,
    config::{self, Port, Rig},
    device::{Client, Way, boot_in_words, state_in_words},
};

use super::{Place, Settings, bench, doctor, overrides, trace};

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
        whom: Whom,
        /// Print one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// What is wrong with a device or the way to it, and what to do; changes nothing on it.
    #[command(after_help = "\
Examples:
  xyloop device doctor --device /dev/serial/by-id/usb-Acme_table_0042-if00
  xyloop device doctor --config hil-config/rigs/xor-15x15-4nsq.toml --device tcp://127.0.0.1:5555
  xyloop device doctor --device /dev/pts/5 --json | jq '.checks[] | select(.verdict != \"ok\")'

Each check is ok, a warning or failed, with what was found, why it matters and the next step. Exit code 3 if one failed.")]
    Doctor(doctor::Arguments),
    /// What a device and the line to it can do, in figures.
    #[command(after_help = "\
Examples:
  xyloop device bench --device /dev/pts/5                                round trips, codes to the device
  xyloop device bench --config hil-config/xor.toml --device /dev/pts/5 --shots
  xyloop device bench --device tcp://127.0.0.1:5555 --seconds 60 --generations 1000 --json

Without --shots no output is touched: codes are staged and never committed. With --shots a generation of zeros is \
committed and the array is driven; it ends with safe outputs.")]
    Bench(bench::Arguments),
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

/// Which device is asked, and what it is held against.
#[derive(Debug, clap::Args)]
pub struct Whom {
    #[command(flatten)]
    place: Place,
    /// A rig or experiment file: the wiring is compared with it, and it says where the device is if `--device` does not.
    #[arg(long, value_name = "FILE", required_unless_present = "device")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// The way to a device, and its rig if a file was given: settings, where they were read from, what they describe.
pub struct Known {
    pub rig: Option<(Rig, PathBuf, Array)>,
    pub way: Way,
    pub port: Port,
    /// Rate of a serial line, bits per second.
    pub baud: u32,
}

impl Whom {
    /// What the arguments and the file they name say.
    pub fn known(&self) -> anyhow::Result<Known> {
        let Self { place, config, settings } = self;
        let rig = match config {
            Some(file) => {
                let (rig, path) = config::load_rig(file, &overrides(settings, place))?;
                let array = Array::new(&rig)?;
                Some((rig, path, array))
            }
            None => None,
        };
        let (port, baud, embedded) = match &rig {
            Some((rig, _, array)) => (rig.device.port.clone(), rig.device.serial.baud, Some(array.description(rig))),
            None => (place.device.clone().unwrap_or_default(), config::Serial::default().baud, None),
        };
        let way = place.around(Way::new(&port, baud, embedded)?)?;
        Ok(Known { rig, way, port, baud })
    }
}

/// `true` if it answered.
pub async fn run(command: &Command) -> anyhow::Result<bool> {
    let (whom, json) = match command {
        Command::Info { whom, json } => (whom, json),
        Command::Doctor(arguments) => return doctor::run(arguments).await,
        Command::Bench(arguments) => return bench::run(arguments).await,
        Command::Clear { place } => return clear(place).await,
        Command::Trace(arguments) => return trace::run(arguments),
    };
    let Known { rig, way, .. } = whom.known()?;
    let expected = rig.as_ref().map(|(_, path, array)| (path, array.wiring_hash()));
    let mut client = Client::connect_any(way, expected.map_or(0, |(_, hash)| hash)).await?;
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
