//! `xyloop sim`: simulated devices, and parts of them, for other processes.

mod board;
pub mod bound;
mod plant;
mod serve;

use clap::Subcommand;

/// Simulated devices.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the simulated device of a rig until Ctrl-C; prints the place to pass to `--device`.
    Serve(serve::Arguments),
    /// Serve simulated converter chips, with the array of a rig behind them, to an emulated board until Ctrl-C.
    Plant(plant::Arguments),
    /// Run the firmware in an emulated Cortex-M, with its converter chips and the array simulated beside it; prints the
    /// place to pass to `--device`.
    #[command(after_help = "\
Examples:
  firmware/boards/build mps2                                                            build the firmware first
  xyloop sim board --config hil-config/xor-small.toml
  xyloop sim board --tcp 127.0.0.1:5555 --config hil-config/xor-small.toml --record codes.csv
  xyloop sim board --chips uart --config hil-config/xor-small.toml

It needs qemu-system-arm (Debian: `apt-get install qemu-system-arm`). Time is the board's own and goes on with its waits: how \
fast this machine is cannot change a result.")]
    Board(board::Arguments),
    /// Become PROGRAM, and end with whoever started this.
    #[command(hide = true)]
    Bound(bound::Arguments),
}

/// Runs it.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Plant(arguments) => plant::run(arguments),
        Command::Board(arguments) => board::run(arguments),
        Command::Bound(arguments) => bound::run(arguments),
    }
}
