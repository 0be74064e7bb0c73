//! The emulated board: real firmware, cross-compiled, in `qemu-system-arm`, its chips simulated beside it.
//!
//! It needs the emulator and a way to cross-compile (`firmware/boards/build` says which). Where they are missing these tests
//! say so and pass; with `XYLOOP_REQUIRE_EMULATOR=1` they fail.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use xyloop_sim::emulator::Monitor;

use crate::{Running, WorkFolder, repository};

/// The firmware's ELF file, built; `None`, and a note, if it cannot be had here and is not required.
pub fn firmware() -> Option<&'static Path> {
    static BUILT: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
        Command::new("qemu-system-arm")
            .arg("--version")
            .output()
            .map_err(|error| format!("qemu-system-arm: {error}"))?;
        let script = repository().join("firmware/boards/build");
        let output = Command::new(&script).arg("mps2").output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    });
    match &*BUILT {
        Ok(path) => Some(path),
        Err(error) if std::env::var_os("XYLOOP_REQUIRE_EMULATOR").is_some_and(|value| value == "1") => {
            panic!("no emulated board: {error}")
        }
        Err(error) => {
            crate::note(format_args!("SKIPPED: no emulated board: {error}"));
            None
        }
    }
}

/// A running `xyloop sim board`.
pub struct Emulated {
    /// What to pass to `--device`.
    pub place: String,
    /// The command.
    pub process: Running,
    emulator: u32,
    plant: u32,
    monitor: PathBuf,
}

impl Emulated {
    /// Starts the board of a rig or experiment file; `None` where there is no emulator.
    pub fn start(here: &WorkFolder, file: &str, more: &[&str]) -> Option<Self> {
        let firmware = firmware()?.to_str().unwrap();
        let process = here.start(&[&["sim", "board", "--config", file, "--firmware", firmware], more].concat());
        let place = process.wait_for_stdout("/");
        let emulator = process.wait_for_stderr("  emulator  ");
        let plant = process.wait_for_stderr("  plant  ");
        let monitor = emulator.split("monitor ").last().unwrap().into();
        Some(Self { place, emulator: number(&emulator), plant: number(&plant), monitor, process })
    }

    /// The emulator's monitor.
    pub fn monitor(&self) -> Monitor {
        Monitor::connect(&self.monitor).unwrap()
    }

    /// Sends the emulator's process a signal.
    pub fn signal_emulator(&self, signal: &str) {
        send(signal, self.emulator);
    }

    /// Sends the process of the first plant a signal.
    pub fn signal_plant(&self, signal: &str) {
        send(signal, self.plant);
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        // An emulator that was stopped would not end; and what the command has put aside is for it to clear away.
        if !std::thread::panicking() {
            self.process.stop();
        }
    }
}

fn number(line: &str) -> u32 {
    let digits = line.split("process ").last().unwrap();
    digits.split(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse().unwrap()
}

fn send(signal: &str, process: u32) {
    let sent = Command::new("kill").args(["-s", signal, &process.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Address of the chip that drives the inputs of the 25-site rig: behind five of 40 channels for couplings and fields.
const INPUT_CHIP: u8 = 5;
/// What the record calls the registers that hold a DAC's code: until it is latched, and on the output.
const CODE_REGISTERS: [&str; 2] = ["input", "dac"];

/// What reached the chips, line by line: see `xyloop sim plant --help`.
pub struct Record(Vec<Entry>);

/// A line of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The board's time, microseconds.
    pub stamp_us: u64,
    /// What happened.
    pub event: String,
    /// Where, if it was at a chip.
    pub at: Option<(u8, u8)>,
    /// A code, a level, a shot.
    pub code: u64,
    /// The chip's register, or what was wrong.
    pub register: String,
}

impl Record {
    /// Reads it; a last line that is not whole is left out.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let entry = |line: &str| {
            let fields: Vec<&str> = line.split(',').collect();
            let &[stamp, event, chip, channel, code, register] = &fields[..] else { panic!("{line}") };
            Entry {
                stamp_us: stamp.parse().unwrap_or(0),
                event: event.to_owned(),
                at: chip.parse().ok().zip(channel.parse().ok()),
                code: u64::from_str_radix(code.trim_start_matches("0x"), 16).unwrap_or(0),
                register: register.to_owned(),
            }
        };
        Self(whole.lines().skip(1).map(entry).collect())
    }

    /// All lines.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// How often a board started.
    pub fn hellos(&self) -> usize {
        self.0.iter().filter(|entry| entry.event == "hello").count()
    }

    /// Fails the test unless outputs were held at ground from each start of a board, and from each cut of its outputs, until
    /// every one of `channels` had got its safe code and nothing else.
    pub fn expect_released_with_safe_codes_only(&self, channels: usize) {
        let (mut held, mut releases) = (None, 0);
        for (line, entry) in self.0.iter().enumerate() {
            let is_code = CODE_REGISTERS.contains(&entry.register.as_str());
            match (entry.event.as_str(), &mut held) {
                ("hello" | "power", _) => held = Some(BTreeSet::new()),
                ("clear", _) if entry.code == 0 => held = Some(BTreeSet::new()),
                ("clear", Some(safe)) => {
                    assert_eq!(safe.len(), channels, "released at line {line} before every output was safe");
                    (held, releases) = (None, releases + 1);
                }
                ("write", Some(safe)) if is_code => {
                    assert!(is_safe(entry), "line {line}: {entry:?}");
                    safe.insert(entry.at);
                }
                _ => {}
            }
        }
        assert!(releases > 0, "outputs were never released");
    }

    /// Lines that wrote another code than the safe one.
    pub fn unsafe_codes(&self) -> usize {
        self.unsafe_codes_from(0)
    }

    /// The same since outputs were last cut, by the board or because a plant or a board was started.
    pub fn unsafe_codes_since_the_last_cut(&self) -> usize {
        let is_cut = |entry: &Entry| {
            ["power", "hello"].contains(&entry.event.as_str()) || (entry.event == "clear" && entry.code == 0)
        };
        self.unsafe_codes_from(self.0.iter().rposition(is_cut).expect("outputs were cut"))
    }

    fn unsafe_codes_from(&self, first: usize) -> usize {
        let is_code = |entry: &&Entry| entry.event == "write" && CODE_REGISTERS.contains(&entry.register.as_str());
        self.0[first..].iter().filter(is_code).filter(|entry| !is_safe(entry)).count()
    }
}

/// The safe table of a rig that is not calibrated: mid-scale for what swings around zero, phase zero for inputs.
fn is_safe(entry: &Entry) -> bool {
    let drives_inputs = entry.at.is_some_and(|(chip, _)| chip == INPUT_CHIP);
    entry.code == if drives_inputs { 0 } else { 0x8000 }
}
