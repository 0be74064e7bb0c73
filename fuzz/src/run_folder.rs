//! Target `run_folder`: one of the files in a run folder is any bytes, the others are right.
//!
//! The first byte says which file. What nothing in this program reads (`metrics.csv`, `equilibria/`) is left out.

use std::{
    fmt::Debug,
    fs,
    sync::{Mutex, PoisonError},
};

use xyloop::{
    folder::{
        DataRecord, DeviceRecord, FinalParameters, FolderError, RunFolder, RunHeader, RunRecord, Stop, StopCounts,
        StopReason,
    },
    task::Task,
    train::Evaluation,
};
use xyloop_protocol::message::{BootCause, Identity, Limits};

use crate::{config::default_config, memory, scratch::Scratch};

/// The files that are read, in the order of the first byte.
pub const FILES: [&str; 10] = [
    "run.toml",
    "stop.toml",
    "evaluation.json",
    "final/couplings.npy",
    "final/field_x.npy",
    "final/field_y.npy",
    "final/coupling_codes.npy",
    "final/field_codes.npy",
    "final/coupling_sites.npy",
    "final/positions.npy",
];

/// Most bytes a reader of a few kilobytes may hold at once.
const MOST_MEMORY: usize = 4 << 20;
/// More bytes are not tried.
const MOST_BYTES: usize = 16 << 10;

/// A run folder in which everything is right but the file that is being tried.
struct Place {
    folder: RunFolder,
    /// Its right contents, in the order of [`FILES`].
    right: Vec<Vec<u8>>,
    _scratch: Scratch,
}

static PLACE: Mutex<Option<Place>> = Mutex::new(None);

/// Runs the target.
pub fn run(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else { return };
    if bytes.len() > MOST_BYTES {
        return;
    }
    let which = usize::from(*which) % FILES.len();
    let mut shared = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = shared.get_or_insert_with(Place::new);
    let path = place.folder.path().join(FILES[which]);
    fs::write(&path, bytes).expect("a file can be written");
    let folder = &place.folder;
    match which {
        0 => survives(folder, RunFolder::read_record, RunFolder::write_record),
        1 => survives(
            folder,
            |folder| folder.read_stop().map(|stop| stop.expect("the file is there")),
            RunFolder::write_stop,
        ),
        2 => survives(folder, RunFolder::read_evaluation::<Evaluation>, RunFolder::write_evaluation),
        _ => survives(folder, RunFolder::read_final, RunFolder::write_final),
    }
    fs::write(&path, &place.right[which]).expect("a file can be written");
    if !cfg!(feature = "libfuzzer") {
        *shared = None; // nobody cleans up behind a test
    }
}

/// The right contents of a file.
pub fn right(which: usize) -> Vec<u8> {
    Place::new().right.swap_remove(which)
}

/// Reads; what could be read is written and read again, and is the same.
fn survives<T: Debug>(
    folder: &RunFolder,
    read: impl Fn(&RunFolder) -> Result<T, FolderError>,
    write: impl Fn(&RunFolder, &T) -> Result<(), FolderError>,
) {
    match memory::within(MOST_MEMORY, || read(folder)) {
        Err(error) => says_something(&error),
        Ok(value) => {
            match write(folder, &value) {
                Ok(()) => {}
                Err(error) => return says_something(&error),
            }
            match read(folder) {
                // By their texts, in which a NaN is like itself.
                Ok(again) => assert_eq!(format!("{again:?}"), format!("{value:?}")),
                Err(error) => panic!("what it wrote itself is refused: {error}"),
            }
        }
    }
}

fn says_something(error: &FolderError) {
    assert!(error.to_string().len() > 20, "{error}");
}

impl Place {
    fn new() -> Self {
        let scratch = Scratch::new().expect("a folder for files");
        fs::write(scratch.path().join("run.toml"), "").expect("a file can be written");
        let folder = RunFolder::open(scratch.path()).expect("there is a run.toml");
        folder.write_record(&record(&folder)).expect("a right record");
        let stop = Stop {
            reason: StopReason::Solved,
            epochs: 313,
            end_utc: "2026-11-21T22:36:45Z".to_owned(),
            wall_s: 13.0,
            shots: 5008,
            counts: StopCounts::default(),
        };
        folder.write_stop(&stop).expect("a right stop");
        let evaluation =
            Evaluation { evaluations: 4, right: 4, confusion: vec![vec![2, 0]; 2], ..Evaluation::default() };
        folder.write_evaluation(&evaluation).expect("a right evaluation");
        let parameters = FinalParameters {
            couplings: vec![0.5, -0.25],
            field_x: vec![1.0; 3],
            field_y: vec![0.0; 3],
            coupling_codes: vec![40_000, 20_000],
            field_codes: vec![[1, 2]; 3],
            coupling_sites: vec![[0, 1], [1, 2]],
            positions: vec![[0.0, 1.0]; 3],
        };
        folder.write_final(&parameters).expect("right parameters");
        let right = FILES.iter().map(|name| fs::read(folder.path().join(name)).expect("it was written")).collect();
        Self { folder, right, _scratch: scratch }
    }
}

fn record(folder: &RunFolder) -> RunRecord {
    let identity = Identity {
        vendor: "xyloop",
        model: "sim",
        serial: "1",
        firmware: "0.1.0",
        boot_id: 1,
        boot_cause: BootCause::PowerOn,
        boot_note: "",
        wiring_hash: 2,
        calibration_id: 0,
        limits: Limits::default(),
    };
    let run = RunHeader {
        // The same on every machine and at every time.
        id: "20261121-223645-first-a6cfbb".to_owned(),
        start_utc: "2026-11-21T22:36:45Z".to_owned(),
        ..RunHeader::new(folder, vec!["xyloop".to_owned(), "train".to_owned()])
    };
    RunRecord {
        run,
        device: DeviceRecord::new("sim", &identity),
        data: DataRecord::new(&Task::xor()),
        config: default_config(),
    }
}
