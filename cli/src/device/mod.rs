//! `xyloop device`: who a device is and how it is, and what went over its line.

mod bench;
mod clear;
pub mod doctor;
mod info;
pub mod trace;
mod whom;

use clap::Subcommand;

/// Ask a device.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Who it is, what it can take, how it is, how the link is.
    #[command(after_help = "\
Examples:
  xyloop device info --device /dev/pts/5
  xyloop device info --config hil-config/rigs/xor-15x15-4nsq.toml --device tcp://127.0.0.1:5555 --json")]
    Info(info::Arguments),
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
    Clear(clear::Arguments),
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

/// Runs it; `true` if it was done.
pub async fn run(command: &Command) -> anyhow::Result<bool> {
    match command {
        Command::Info(arguments) => info::run(arguments).await,
        Command::Doctor(arguments) => doctor::run(arguments).await,
        Command::Bench(arguments) => bench::run(arguments).await,
        Command::Clear(arguments) => clear::run(arguments).await,
        Command::Trace(arguments) => trace::run(arguments),
    }
}
