//! A run folder as a test looks at it: the files' bytes, the rows of the log.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float64Array, RecordBatch, StringArray, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array,
};
use arrow_ipc::reader::StreamReader;
use xyloop::folder::{RunFolder, Stop};

/// A run folder.
#[derive(Clone, Debug)]
pub struct Run(PathBuf);

/// One logged equilibrium, as in the log's columns. Not in it: the generation's number, which goes on from run to run
/// on the same device (its CRC, which is in it, must not).
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names of the columns")]
pub struct Row {
    pub epoch: u32,
    pub step: u32,
    pub shot: u64,
    pub sample: u32,
    pub start: u32,
    pub stream: String,
    pub segment: u8,
    pub kind: String,
    pub beta: f64,
    pub crc: u32,
    pub flags: u16,
    pub settle_us: u32,
    pub residual_turn: u16,
    pub moved_turn: u16,
    pub phases: Vec<u16>,
}

impl Run {
    /// The folder with this path.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Its path as an argument.
    pub fn argument(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Opened by the library.
    pub fn folder(&self) -> RunFolder {
        RunFolder::open(&self.0).unwrap()
    }

    /// Its `stop.toml`.
    pub fn stop(&self) -> Stop {
        self.folder().read_stop().unwrap().expect("the run came to a clean end")
    }

    /// Its `evaluation.json`.
    pub fn evaluation(&self) -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(self.0.join("evaluation.json")).unwrap()).unwrap()
    }

    /// Names and bytes of the files in `final/`.
    pub fn final_files(&self) -> BTreeMap<String, Vec<u8>> {
        let files: BTreeMap<_, _> = fs::read_dir(self.0.join("final"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
            .collect();
        assert_eq!(files.len(), 7, "{:?}", files.keys());
        files
    }

    /// The only stream of equilibria, read to its end.
    pub fn batches(&self) -> Vec<RecordBatch> {
        let files: Vec<_> =
            fs::read_dir(self.0.join("equilibria")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        StreamReader::try_new(File::open(&files[0]).unwrap(), None).unwrap().map(Result::unwrap).collect()
    }

    /// Every logged equilibrium, in the order of the log.
    pub fn rows(&self) -> Vec<Row> {
        self.batches().iter().flat_map(rows).collect()
    }

    /// The lines of `metrics.csv` by the names of its columns.
    pub fn metrics(&self) -> Vec<HashMap<String, f64>> {
        let text = fs::read_to_string(self.0.join("metrics.csv")).unwrap();
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        lines
            .map(|line| {
                let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
                assert_eq!(cells.len(), names.len(), "{line}");
                names.iter().map(|name| (*name).to_owned()).zip(cells).collect()
            })
            .collect()
    }

    /// Fails the test unless another run trained the same parameters, byte for byte, and judged them the same.
    pub fn expect_same_result(&self, other: &Self, why: &str) {
        let (ours, theirs) = (self.final_files(), other.final_files());
        for (name, bytes) in &ours {
            assert!(theirs.get(name) == Some(bytes), "{why}: final/{name} differs");
        }
        assert_eq!(self.evaluation(), other.evaluation(), "{why}");
    }

    /// Fails the test unless another run measured the same equilibria in the same order.
    pub fn expect_same_rows(&self, other: &Self, why: &str) {
        let (ours, theirs) = (self.rows(), other.rows());
        if let Some((ours, theirs)) = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs) {
            panic!("{why}: {ours:?}\nis there {theirs:?}");
        }
        assert_eq!(ours.len(), theirs.len(), "{why}");
    }
}

fn rows(batch: &RecordBatch) -> Vec<Row> {
    let phases = column::<FixedSizeListArray>(batch, "phases");
    let names = |column_name| column::<StringArray>(batch, column_name);
    let (stream, kind) = (names("stream"), names("kind"));
    let u32s = |name| column::<UInt32Array>(batch, name);
    let u16s = |name| column::<UInt16Array>(batch, name);
    let (epoch, step, sample, start, crc, settle_us) =
        (u32s("epoch"), u32s("step"), u32s("sample"), u32s("start"), u32s("crc"), u32s("settle_us"));
    let (flags, residual_turn, moved_turn) = (u16s("flags"), u16s("residual_turn"), u16s("moved_turn"));
    let (shot, segment) = (column::<UInt64Array>(batch, "shot"), column::<UInt8Array>(batch, "segment"));
    let beta = column::<Float64Array>(batch, "beta");
    (0..batch.num_rows())
        .map(|row| Row {
            epoch: epoch.value(row),
            step: step.value(row),
            shot: shot.value(row),
            sample: sample.value(row),
            start: start.value(row),
            stream: stream.value(row).to_owned(),
            segment: segment.value(row),
            kind: kind.value(row).to_owned(),
            beta: beta.value(row),
            crc: crc.value(row),
            flags: flags.value(row),
            settle_us: settle_us.value(row),
            residual_turn: residual_turn.value(row),
            moved_turn: moved_turn.value(row),
            phases: u16_values(&phases.value(row)),
        })
        .collect()
}

fn column<'b, T: Array + 'static>(batch: &'b RecordBatch, name: &str) -> &'b T {
    let array: &Arc<dyn Array> = batch.column_by_name(name).unwrap_or_else(|| panic!("there is no column `{name}`"));
    array.as_any().downcast_ref().unwrap_or_else(|| panic!("column `{name}` is {:?}", array.data_type()))
}

fn u16_values(array: &ArrayRef) -> Vec<u16> {
    array.as_any().downcast_ref::<UInt16Array>().unwrap().values().to_vec()
}
