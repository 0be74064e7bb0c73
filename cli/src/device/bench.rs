//! `xyloop device bench`: what a device and the line to it can do, in figures.

use std::time::Duration;

use anyhow::Context;
use xyloop::{
    checkup::{self, Measured, System, ThroughputOptions, ThroughputReport},
    device::Client,
    rig::wanted,
};

use super::whom::{Known, Whom};
use crate::signals::End;

/// Limits how long shots may take to be dropped after Ctrl-C.
const ABORT_TIMEOUT: Duration = Duration::from_secs(2);

/// Arguments of `device bench`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    whom: Whom,
    /// Also run shots (32 unless a number is given, and one before to begin with): THIS DRIVES THE ARRAY with kicks of a quarter of the fields' range
    /// and weak nudges, all couplings and fields at zero; safe outputs afterwards. Needs the rig file.
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        default_missing_value = "32",
        requires = "config",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    shots: Option<u32>,
    /// Small round trips.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    round_trips: u32,
    /// How often all codes are staged (never committed).
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    generations: u32,
    /// About how long all of it may take, 1 to 3600; what is not done by then is left out, one of each is always done.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Measures and prints; `true` if everything was measured, `false` after Ctrl-C.
pub async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let Known { rig, route, port, baud } = arguments.whom.known()?;
    let system = System::default();
    let options = ThroughputOptions {
        round_trips: arguments.round_trips as usize,
        generations: arguments.generations as usize,
        shots: arguments.shots.unwrap_or(0) as usize,
        converters: rig.as_ref().map(|(_, _, array)| array.converters),
        tau_us: rig.as_ref().map_or(0.0, |(rig, ..)| rig.timing.tau_us),
        longest: Duration::from_secs(arguments.seconds),
        baud: system.line_rate(&port, baud),
    };
    // Codes of another wiring would be refused, or drive what nobody meant.
    let mut end = End::listen()?;
    let mut client = match &rig {
        Some((rig, _, array)) => Client::connect(route, wanted(rig, array)).await?,
        None => Client::connect_any(route, 0).await?,
    };
    let place = client.place().to_owned();
    let measured = tokio::select! {
        measured = checkup::measure(&mut client, &options, |stage| say(stage, &options)) => Some(measured),
        () = end.wait() => None,
    };
    match measured {
        None if options.shots > 0 => {
            // Shots may be under way: what is left of them would stand in the next host's way.
            let _ = tokio::time::timeout(ABORT_TIMEOUT, client.abort()).await;
            client.close().await;
        }
        _ => client.leave().await,
    }
    let Some(measured) = measured else {
        eprintln!("interrupted: nothing is reported");
        return Ok(false);
    };
    let report = measured?;
    if arguments.json {
        let report = serde_json::json!({ "place": place, "baud": options.baud, "measured": report });
        println!("{}", serde_json::to_string(&report).context("the report cannot be written as JSON")?);
    } else {
        print(&place, &options, &report);
    }
    Ok(true)
}

fn say(stage: Measured, options: &ThroughputOptions) {
    match stage {
        Measured::RoundTrips => eprintln!("making {} round trips", options.round_trips),
        Measured::Staging => eprintln!("staging all codes, up to {} times", options.generations),
        Measured::Shots => eprintln!("running up to {} shots: the array is driven", options.shots),
    }
}

fn print(place: &str, options: &ThroughputOptions, report: &ThroughputReport) {
    let ThroughputReport { round_trips, staging, shots, resent, bad_frames } = report;
    let of_line = |share: Option<f64>| match (share, options.baud) {
        (Some(share), Some(baud)) => format!(", {:.0} % of a line of {baud} bits/s", 100.0 * share),
        _ => String::new(),
    };
    println!("{place}");
    println!("  round trip   {} ({} of them)", round_trips.in_words(), round_trips.count);
    println!(
        "  to device    {:.0} codes/s, {:.1} kB/s ({} × {} codes in {:.2} s){}",
        staging.codes_per_s,
        staging.kb_per_s,
        staging.generations,
        staging.codes,
        staging.seconds,
        of_line(staging.line_share)
    );
    match shots {
        Some(shots) => {
            println!(
                "  shots        {:.1} shots/s, {:.1} equilibria/s, {:.1} kB/s from the device ({} shots, {} equilibria in {:.2} s){}",
                shots.shots_per_s,
                shots.equilibria_per_s,
                shots.kb_per_s,
                shots.shots,
                shots.equilibria,
                shots.seconds,
                of_line(shots.line_share)
            );
            println!(
                "  array        {:.3} s of its own time in {:.2} s, {} shots at the same time",
                shots.plant_seconds, shots.seconds, shots.replicas
            );
        }
        None => println!("  shots        not run (--shots drives the array); no output was touched"),
    }
    println!(
        "  line         {} frames resent from here, {} from there; {} damaged here, {} there",
        resent[0], resent[1], bad_frames[0], bad_frames[1]
    );
}
