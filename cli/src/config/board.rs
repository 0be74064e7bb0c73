//! `xyloop config board`: which converter chips a rig needs, how they are wired, how long its buses take.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use serde_json::json;
use xyloop::config::{
    self,
    rig_image::{Channel, ChipKind, RigImage},
};

use crate::options::Settings;

/// Says which rig is meant, and what to write.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  xyloop config board hil-config/xor.toml
  xyloop config board hil-config/rigs/xor-15x15-4nsq.toml --image rig.bin --csv wiring.csv
  xyloop config board hil-config/xor.toml --set 'rig.board.adc=\"ads131m08\"'")]
pub struct Arguments {
    /// The rig file, or an experiment file (then its rig).
    file: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Write the rig image here: it is flashed beside the firmware.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Write the wiring here, a line for each channel (CSV).
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints and writes.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (rig, _) = config::load_rig(&arguments.file, &arguments.settings.set)?;
    let bytes = rig.image(&rig.array()?)?;
    let image = RigImage::parse(&bytes).map_err(|error| anyhow::anyhow!("{error}"))?;
    let write =
        |path: &Path, bytes: &[u8]| fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()));
    if let Some(path) = &arguments.image {
        write(path, &bytes)?;
    }
    if let Some(path) = &arguments.csv {
        write(path, wiring(&image).as_bytes())?;
    }
    let groups = groups(&image);
    let times = image.times();
    if arguments.json {
        let chips = groups.iter().map(|group| {
            json!({
                "kind": group.name, "chips": group.chips, "first": group.first, "last": group.last(), "use": group.what,
                "channels_used": group.used, "channels": group.chips * usize::from(group.kind.channels()),
            })
        });
        let value = json!({
            "rig": rig.name, "chips": chips.collect::<Vec<_>>(), "image_bytes": bytes.len(),
            "spi_hz": image.spi_hz(), "gap_ns": image.gap_ns(),
            "generation_us": times.generation_us, "fields_us": times.fields_us, "read_us": times.read_us,
        });
        println!("{value}");
        return Ok(());
    }
    println!("Rig `{}`: {} chips, image of {} bytes", rig.name, image.chips().len(), bytes.len());
    for group in &groups {
        println!(
            "  {:>3} x {:<10} addresses {:>3} to {:>3}  {:>5} of {:>5} channels  {}",
            group.chips,
            group.name,
            group.first,
            group.last(),
            group.used,
            group.chips * usize::from(group.kind.channels()),
            group.what
        );
    }
    println!("Buses at {} MHz, {} ns between transactions:", f64::from(image.spi_hz()) * 1e-6, image.gap_ns());
    println!("  {:>8} us  a generation: every coupling, field and input", times.generation_us);
    println!("  {:>8} us  all bias fields", times.fields_us);
    println!("  {:>8} us  one reading of all sites", times.read_us);
    if rig.board.dac.kind() == ChipKind::Ad5676r {
        println!(
            "Mind: an ad5676r has no clear pin. While the microcontroller is in reset, couplings and fields stay what they \
             were: switch its outputs to ground by the clear line, or take an ad5370."
        );
    }
    Ok(())
}

/// Chips of a kind that are used for the same, one behind the other.
struct Group {
    kind: ChipKind,
    name: &'static str,
    what: &'static str,
    first: usize,
    chips: usize,
    used: usize,
}

impl Group {
    fn last(&self) -> usize {
        self.first + self.chips.saturating_sub(1)
    }
}

fn groups(image: &RigImage<'_>) -> Vec<Group> {
    let driven = image.coupling_channels().chain(image.field_channels()).collect::<Vec<_>>();
    let uses: [(&'static str, Vec<Channel>); 3] = [
        ("couplings, x and y of each site", driven),
        ("inputs", image.input_channels().collect()),
        ("I and Q of each site", image.read_channels().collect()),
    ];
    let group = |(what, channels): (&'static str, Vec<Channel>)| {
        let (first, last) = (channels.first()?.chip, channels.last()?.chip);
        let kind = image.kind(first)?;
        let name = name_of(kind);
        let chips = usize::from(last - first) + 1;
        Some(Group { kind, name, what, first: first.into(), chips, used: channels.len() })
    };
    uses.into_iter().filter_map(group).collect()
}

fn name_of(kind: ChipKind) -> &'static str {
    ChipKind::NAMES.iter().find(|(other, _)| *other == kind).map_or("", |(_, name)| name)
}

/// Lists what a lab wires by.
fn wiring(image: &RigImage<'_>) -> String {
    let mut text = String::from("what,index,sites,chip,kind,channel\n");
    let mut line = |what: &str, index: usize, sites: String, at: Channel| {
        let kind = image.kind(at.chip).map_or("", name_of);
        // Writing to a string does not fail.
        let _ = writeln!(text, "{what},{index},{sites},{},{kind},{}", at.chip, at.channel);
    };
    for (index, ((a, b), at)) in image.couplings().zip(image.coupling_channels()).enumerate() {
        line("coupling", index, format!("{a} {b}"), at);
    }
    for (index, at) in image.field_channels().enumerate() {
        line(["field x", "field y"][index % 2], index / 2, (index / 2).to_string(), at);
    }
    for (index, (site, at)) in image.inputs().zip(image.input_channels()).enumerate() {
        line("input", index, site.to_string(), at);
    }
    for (index, at) in image.read_channels().enumerate() {
        line(["I", "Q"][index % 2], index / 2, (index / 2).to_string(), at);
    }
    text
}
