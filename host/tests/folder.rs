//! The run folder from outside: what is written comes back, for us and for readers that know nothing of us.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_ipc::reader::StreamReader;
use xyloop::config::{self, Keep};
use xyloop::counts::ShotCounts;
use xyloop::folder::{
    DataRecord, DeviceRecord, EquilibriumRow, FinalParameters, FolderError, LogOptions, MetricsRow, RunFolder,
    RunHeader, RunLog, RunRecord, SegmentKind, Stop, StopCounts, StopReason, Stream, Utc, Written,
};
use xyloop::task::Task;
use xyloop_protocol::message::{BootCause, Identity, Limits, SCHEMA_HASH};

/// What a person is told: the cause and the next step.
fn said(error: &FolderError) -> String {
    format!("{error}; {}", error.advice().next)
}

fn folder() -> (tempfile::TempDir, RunFolder) {
    let parent = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(parent.path(), "xor").unwrap();
    (parent, folder)
}

fn record(folder: &RunFolder, experiment: &str) -> RunRecord {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hil-config").join(experiment);
    let config = config::load(path, &["train.seed=77".to_owned()]).unwrap();
    let identity = Identity {
        vendor: "xyloop",
        model: "simulated \"array\"",
        serial: "sim-xor",
        firmware: "0.1.0",
        boot_id: u32::MAX,
        boot_cause: BootCause::Panic,
        boot_note: "panicked at \"controller.rs\":12:\nü",
        wiring_hash: 0xfedc_ba98_0000_0001,
        calibration_id: 0,
        limits: Limits { sites: 225, couplings: 1930, shot_slots: 64, deadman_ms: 250, ..Limits::default() },
    };
    RunRecord {
        run: RunHeader::new(folder, vec!["xyloop".to_owned(), "train".to_owned(), "a b=\"ü\"".to_owned()]),
        device: DeviceRecord::new("tcp://127.0.0.1:5555", &identity),
        data: DataRecord::new(&Task::from_settings(&config.experiment.task).unwrap()),
        config,
    }
}

fn rows(shot: u64, count: usize, sites: usize) -> Vec<EquilibriumRow> {
    (0..count)
        .map(|nth| {
            let shot = shot + nth as u64;
            let small = shot as u32;
            EquilibriumRow {
                epoch: small / 7,
                step: small / 3,
                shot: shot + (1 << 40),
                sample: small % 4,
                start: small % 5,
                stream: if shot.is_multiple_of(2) { Stream::Train } else { Stream::Eval },
                segment: (small % 6) as u8,
                kind: [SegmentKind::Free, SegmentKind::Nudge, SegmentKind::Release][nth % 3],
                beta: [0.0, -0.03, 0.1 + 0.2][nth % 3],
                generation: small,
                crc: small.wrapping_mul(2_654_435_761),
                flags: (small % 128) as u16,
                settle_us: small * 10,
                residual_turn: (small % 100) as u16,
                moved_turn: (small % 32_769) as u16,
                phases: (0..sites).map(|site| (small as u16).wrapping_mul(site as u16 * 257 + 1)).collect(),
            }
        })
        .collect()
}

/// Reads a stream with arrow alone.
fn read_stream(path: &Path) -> (Vec<EquilibriumRow>, usize) {
    let batches: Vec<_> =
        StreamReader::try_new(File::open(path).unwrap(), None).unwrap().collect::<Result<_, _>>().unwrap();
    let mut rows = vec![];
    for batch in &batches {
        let u32s = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<UInt32Type>();
        let u16s = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<UInt16Type>();
        let names = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>();
        let phases = batch.column_by_name("phases").unwrap().as_fixed_size_list();
        for at in 0..batch.num_rows() {
            rows.push(EquilibriumRow {
                epoch: u32s("epoch").value(at),
                step: u32s("step").value(at),
                shot: batch.column_by_name("shot").unwrap().as_primitive::<UInt64Type>().value(at),
                sample: u32s("sample").value(at),
                start: u32s("start").value(at),
                stream: match names("stream").value(at) {
                    "train" => Stream::Train,
                    "eval" => Stream::Eval,
                    other => panic!("{other}"),
                },
                segment: batch.column_by_name("segment").unwrap().as_primitive::<UInt8Type>().value(at),
                kind: match names("kind").value(at) {
                    "free" => SegmentKind::Free,
                    "nudge" => SegmentKind::Nudge,
                    "release" => SegmentKind::Release,
                    other => panic!("{other}"),
                },
                beta: batch.column_by_name("beta").unwrap().as_primitive::<Float64Type>().value(at),
                generation: u32s("generation").value(at),
                crc: u32s("crc").value(at),
                flags: u16s("flags").value(at),
                settle_us: u32s("settle_us").value(at),
                residual_turn: u16s("residual_turn").value(at),
                moved_turn: u16s("moved_turn").value(at),
                phases: phases.value(at).as_primitive::<UInt16Type>().values().to_vec(),
            });
        }
    }
    (rows, batches.len())
}

// ---- the folder

#[test]
fn runs_of_the_same_second_get_folders_of_their_own() {
    let parent = tempfile::tempdir().unwrap();
    let runs = parent.path().join("runs"); // is made
    let names: HashSet<String> = (0..40)
        .map(|_| RunFolder::create(&runs, "xor-4.nsq_1").unwrap())
        .map(|folder| folder.path().file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names.len(), 40);
    assert_eq!(fs::read_dir(&runs).unwrap().count(), 40);
    for name in names {
        let (stamp, rest) = name.split_at(15);
        assert!(
            stamp.bytes().enumerate().all(|(at, b)| if at == 8 { b == b'-' } else { b.is_ascii_digit() }),
            "{name}"
        );
        let id = rest.strip_prefix("-xor-4.nsq_1-").unwrap();
        assert!(id.len() == 6 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named_with_the_next_step() {
    let parent = tempfile::tempdir().unwrap();
    let missing = parent.path().join("not").join("there");
    let message = said(&RunFolder::create(&missing, "xor").unwrap_err());
    assert!(message.contains(&*missing.to_string_lossy()) && message.contains("make the folder above"), "{message}");
    assert!(!parent.path().join("not").exists());

    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let message = said(&RunFolder::create(&file, "xor").unwrap_err());
    assert!(message.contains(&*file.to_string_lossy()) && message.contains("log.dir"), "{message}");

    for name in ["", "a/b", "../x", "a b", "ü", &"x".repeat(65)] {
        let error = RunFolder::create(parent.path(), name).unwrap_err();
        assert!(matches!(error, FolderError::Name { .. }), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_parent_is_named_with_the_next_step() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(parent.path().join("probe"), "").is_ok() {
        return; // root may write anywhere
    }
    let message = said(&RunFolder::create(parent.path(), "xor").unwrap_err());
    assert!(message.contains(&*parent.path().to_string_lossy()) && message.contains("log.dir"), "{message}");
}

#[test]
fn only_a_folder_with_a_record_is_a_run() {
    let (parent, folder) = folder();
    let message = RunFolder::open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("no run.toml") && message.contains(&*folder.path().to_string_lossy()), "{message}");
    let message = said(&RunFolder::open(parent.path().join("gone")).unwrap_err());
    assert!(message.contains("gone") && message.contains("check the path"), "{message}");
    folder.write_record(&record(&folder, "xor.toml")).unwrap();
    assert_eq!(RunFolder::open(folder.path()).unwrap(), folder);
}

// ---- small files

#[test]
fn the_record_comes_back_and_its_configuration_loads_by_itself() {
    for experiment in ["xor.toml", "iris.toml"] {
        let (_parent, folder) = folder();
        let record = record(&folder, experiment);
        folder.write_record(&record).unwrap();
        assert_eq!(RunFolder::open(folder.path()).unwrap().read_record().unwrap(), record);
        let path = folder.path().join("run.toml");
        assert_eq!(config::load_resolved(&path).unwrap(), record.config);

        let text = fs::read_to_string(&path).unwrap();
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["device"]["wiring_hash"].as_str(), Some("fedcba9800000001"));
        let hash = SCHEMA_HASH.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(table["device"]["protocol_hash"].as_str(), Some(hash.as_str()));
        assert_eq!(table["run"]["id"].as_str(), folder.path().file_name().unwrap().to_str());
        if experiment == "iris.toml" {
            let split = &table["data"]["split"];
            assert_eq!(
                split["test_rows"].as_array().unwrap().len() + split["train_rows"].as_array().unwrap().len(),
                150
            );
        }
    }
}

#[test]
fn a_later_format_a_damaged_record_and_a_refused_setting_are_told_apart() {
    let (_parent, folder) = folder();
    folder.write_record(&record(&folder, "xor.toml")).unwrap();
    let path = folder.path().join("run.toml");
    let good = fs::read_to_string(&path).unwrap();
    let reread = |text: &str| {
        fs::write(&path, text).unwrap();
        let error = folder.read_record().unwrap_err();
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
        error
    };
    let error = reread(&good.replace("format = 1", "format = 2"));
    assert!(matches!(error, FolderError::NewerFormat { found: 2, .. }), "{error}");
    assert!(matches!(reread(&good[..good.len() / 4]), FolderError::Malformed { .. }));
    assert!(matches!(reread(&good.replace("seed = 77", "sead = 77")), FolderError::Config { .. }));
    assert!(matches!(reread(&good.replace("fedcba98", "yyyyyyyy")), FolderError::Malformed { .. }));
    assert!(matches!(reread("\u{0}"), FolderError::Malformed { .. }));
}

#[test]
fn a_run_has_come_to_a_clean_end_only_when_that_was_written() {
    let (_parent, folder) = folder();
    folder.write_record(&record(&folder, "xor.toml")).unwrap();
    assert!(!folder.path().join("stop.toml").exists());
    assert_eq!(folder.read_stop().unwrap(), None);
    for (reason, word) in
        [(StopReason::Solved, "solved"), (StopReason::Epochs, "epochs"), (StopReason::Interrupted, "interrupted")]
    {
        let stop = Stop {
            reason,
            epochs: 12,
            end_utc: Utc::now().to_string(),
            wall_s: 3.25,
            shots: 4800,
            counts: StopCounts {
                shots: ShotCounts { basin_changed: 3, ..ShotCounts::default() },
                ..StopCounts::default()
            },
        };
        folder.write_stop(&stop).unwrap();
        assert_eq!(folder.read_stop().unwrap(), Some(stop));
        let table: toml::Table = fs::read_to_string(folder.path().join("stop.toml")).unwrap().parse().unwrap();
        assert_eq!(table["reason"].as_str(), Some(word));
    }
    fs::write(folder.path().join("stop.toml"), "reason = \"bored\"").unwrap();
    assert!(matches!(folder.read_stop(), Err(FolderError::Malformed { .. })));
    // Nothing half-written is left beside the files.
    let hidden =
        fs::read_dir(folder.path()).unwrap().flatten().filter(|e| e.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0);
}

#[test]
fn an_evaluation_is_json_of_any_shape() {
    let (_parent, folder) = folder();
    let evaluation = BTreeMap::from([("accuracy".to_owned(), vec![0.1 + 0.2, 1e-300]), ("none".to_owned(), vec![])]);
    folder.write_evaluation(&evaluation).unwrap();
    assert_eq!(folder.read_evaluation::<BTreeMap<String, Vec<f64>>>().unwrap(), evaluation);
    let message = folder.read_evaluation::<Vec<u8>>().unwrap_err().to_string();
    assert!(message.contains("evaluation.json"), "{message}");
}

// ---- final parameters

fn parameters() -> FinalParameters {
    FinalParameters {
        couplings: vec![0.1, -2.0, f64::MIN_POSITIVE],
        field_x: vec![0.0, -0.0, 1.5],
        field_y: vec![1e300, 3.0, -4.0],
        coupling_codes: vec![0, 32_768, 65_535],
        field_codes: vec![[1, 2], [3, 4], [5, 6]],
        coupling_sites: vec![[0, 1], [1, 2], [0, 2]],
        positions: vec![[0.0, 0.0], [1.0, 0.0], [0.5, 0.8]],
    }
}

#[test]
fn final_parameters_come_back_and_can_be_replaced() {
    let (_parent, folder) = folder();
    let message = said(&folder.read_final().unwrap_err());
    assert!(message.contains("couplings.npy") && message.contains("ended early"), "{message}");
    let mut parameters = parameters();
    for _ in 0..2 {
        folder.write_final(&parameters).unwrap();
        assert_eq!(folder.read_final().unwrap(), parameters);
        parameters.couplings[0] += 0.5;
    }
    folder.write_final(&FinalParameters::default()).unwrap();
    assert_eq!(folder.read_final().unwrap(), FinalParameters::default());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn final_parameters_that_contradict_each_other_are_refused_both_ways() {
    let (_parent, folder) = folder();
    let mut short = parameters();
    short.field_y.pop();
    assert!(matches!(folder.write_final(&short), Err(FolderError::Unwritable { .. })));
    let mut foreign = parameters();
    foreign.coupling_sites[1] = [1, 3];
    assert!(folder.write_final(&foreign).unwrap_err().to_string().contains("site 3"));
    assert!(!folder.path().join("final").exists());

    folder.write_final(&parameters()).unwrap();
    let file = folder.path().join("final").join("couplings.npy");
    fs::copy(folder.path().join("final").join("coupling_codes.npy"), &file).unwrap();
    let message = said(&folder.read_final().unwrap_err());
    assert!(message.contains("couplings.npy") && message.contains("<f8"), "{message}");
}

#[test]
fn final_files_are_as_numpy_documents_them() {
    let (_parent, folder) = folder();
    folder.write_final(&parameters()).unwrap();
    for (name, descr, shape, size) in [
        ("couplings", "<f8", "(3,)", 8 * 3),
        ("field_x", "<f8", "(3,)", 8 * 3),
        ("field_y", "<f8", "(3,)", 8 * 3),
        ("coupling_codes", "<u2", "(3,)", 2 * 3),
        ("field_codes", "<u2", "(3, 2)", 2 * 6),
        ("coupling_sites", "<u2", "(3, 2)", 2 * 6),
        ("positions", "<f8", "(3, 2)", 8 * 6),
    ] {
        let bytes = fs::read(folder.path().join("final").join(format!("{name}.npy"))).unwrap();
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + length) % 64, 0, "{name}");
        let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
        let literal = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        assert_eq!(header.trim_end_matches([' ', '\n']), literal);
        assert!(header.ends_with('\n'));
        assert_eq!(bytes.len() - 10 - length, size, "{name}");
    }
    let bytes = fs::read(folder.path().join("final").join("field_codes.npy")).unwrap();
    assert!(bytes.ends_with(&[1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0]));
}

// ---- the log

fn equilibria(folder: &RunFolder, number: u32) -> PathBuf {
    folder.path().join("equilibria").join(format!("{number:06}.arrows"))
}

#[tokio::test]
async fn what_was_appended_is_read_back_by_arrow_as_soon_as_it_was_acknowledged() {
    let (_parent, folder) = folder();
    let log = RunLog::start(&folder, LogOptions::all(225)).unwrap();
    let mut all = vec![];
    for (shot, count) in [(0, 3), (100, 1), (200, 48)] {
        let batch = rows(shot, count, 225);
        let before = fs::metadata(equilibria(&folder, 0)).unwrap().len();
        let written: Written = log.append(batch.clone()).await.unwrap();
        let after = fs::metadata(equilibria(&folder, 0)).unwrap().len();
        assert_eq!((written.rows, written.bytes), (count as u64, after - before));
        all.extend(batch);
        assert_eq!(read_stream(&equilibria(&folder, 0)).0, all);
    }
    log.append(vec![]).await.unwrap();
    let logged = log.finish().await.unwrap();
    assert_eq!(logged.equilibria, 52);
    assert_eq!(logged.bytes, fs::metadata(equilibria(&folder, 0)).unwrap().len());
    assert_eq!(read_stream(&equilibria(&folder, 0)), (all, 3));
}

#[tokio::test]
async fn the_stream_explains_itself() {
    let (_parent, folder) = folder();
    let log = RunLog::start(&folder, LogOptions::of_sites(225, vec![118, 3])).unwrap();
    log.append(rows(1, 2, 2)).await.unwrap();
    log.finish().await.unwrap();
    let reader = StreamReader::try_new(File::open(equilibria(&folder, 0)).unwrap(), None).unwrap();
    let schema = reader.schema();
    let about = |key: &str| schema.metadata().get(key).map(String::as_str);
    assert_eq!(about("run_id"), folder.path().file_name().unwrap().to_str());
    assert_eq!(about("site_count"), Some("225"));
    assert_eq!(about("sites"), Some("[118,3]"));
    let units: BTreeMap<&str, &str> =
        schema.fields().iter().map(|field| (field.name().as_str(), field.metadata()["unit"].as_str())).collect();
    assert_eq!(units.len(), 16);
    assert_eq!(units["settle_us"], "us");
    assert_eq!(units["beta"], "model unit of h");
    for turns in ["phases", "moved_turn", "residual_turn"] {
        assert_eq!(units[turns], "2^-16 turn");
    }
    assert!(schema.field_with_name("flags").unwrap().metadata()["meaning"].contains("4 = basin changed"));
    assert!(schema.fields().iter().all(|field| !field.metadata()["meaning"].is_empty()));
}

#[tokio::test]
async fn metrics_are_a_table_with_one_header_also_over_two_processes() {
    let (_parent, folder) = folder();
    let row = MetricsRow { epoch: 0, accuracy: 0.75, mean_cost: 1.5, ..MetricsRow::default() };
    let row = MetricsRow { counts: ShotCounts { shots: 64, ..ShotCounts::default() }, ..row };
    for epoch in 0..2 {
        let log = RunLog::start(&folder, LogOptions::all(3)).unwrap();
        let written = log.metrics(MetricsRow { epoch, ..row.clone() });
        if epoch == 0 {
            written.await.unwrap();
        } else {
            drop(written); // it is written all the same
        }
        assert_eq!(log.finish().await.unwrap().epochs, 1);
    }
    let text = fs::read_to_string(folder.path().join("metrics.csv")).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.len() == 19));
    let column = |name: &str| lines[0].iter().position(|cell| *cell == name).unwrap();
    assert_eq!(lines[1][column("accuracy")], "0.75");
    assert_eq!(lines[2][column("epoch")], "1");
    assert_eq!(lines[2][column("shots")], "64");
    // A stream cannot be continued: the second process began its own.
    assert_eq!(read_stream(&equilibria(&folder, 0)).0, []);
    assert_eq!(read_stream(&equilibria(&folder, 1)).0, []);
}

#[tokio::test]
async fn with_equilibria_none_there_are_only_metrics() {
    let (_parent, folder) = folder();
    let log = RunLog::start(&folder, LogOptions { equilibria: Keep::None, ..LogOptions::all(225) }).unwrap();
    assert_eq!(log.append(rows(0, 5, 225)).await.unwrap(), Written::default());
    log.metrics(MetricsRow::default()).await.unwrap();
    assert_eq!(log.finish().await.unwrap().epochs, 1);
    assert!(!folder.path().join("equilibria").exists());
    assert_eq!(fs::read_to_string(folder.path().join("metrics.csv")).unwrap().lines().count(), 2);
}

#[tokio::test]
async fn a_refused_row_comes_back_as_the_error_of_its_append_and_the_log_goes_on() {
    let (_parent, folder) = folder();
    let log = RunLog::start(&folder, LogOptions::all(4)).unwrap();
    let message = log.append(rows(5, 1, 3)).await.unwrap_err().to_string();
    assert!(message.contains("000000.arrows") && message.contains("3 phases"), "{message}");
    log.append(rows(6, 1, 4)).await.unwrap();
    assert_eq!(log.finish().await.unwrap().equilibria, 1);
}

#[tokio::test]
async fn many_appends_at_once_wait_their_turn_in_a_short_queue() {
    let (_parent, folder) = folder();
    let log = RunLog::start(&folder, LogOptions { queue: 0, ..LogOptions::all(9) }).unwrap();
    let tasks: Vec<_> = (0..200).map(|nth| tokio::spawn(log.append(rows(nth * 10, 10, 9)))).collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().rows, 10);
    }
    let late = log.append(rows(0, 1, 9));
    log.finish().await.unwrap();
    assert!(matches!(late.await, Err(FolderError::Closed { .. })));
    let (read, batches) = read_stream(&equilibria(&folder, 0));
    assert_eq!((read.len(), batches), (2000, 200));
    assert_eq!(read, (0..200).flat_map(|nth| rows(nth * 10, 10, 9)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_log_that_was_dropped_leaves_what_was_acknowledged() {
    let (_parent, folder) = folder();
    let log = RunLog::start(&folder, LogOptions::all(4)).unwrap();
    log.append(rows(6, 2, 4)).await.unwrap();
    drop(log);
    assert_eq!(read_stream(&equilibria(&folder, 0)).0, rows(6, 2, 4));
}

#[test]
fn a_folder_that_has_gone_is_named_when_the_log_starts() {
    let (_parent, folder) = folder();
    fs::remove_dir(folder.path()).unwrap();
    let message = said(&RunLog::start(&folder, LogOptions::all(4)).unwrap_err());
    assert!(message.contains("metrics.csv") && message.contains(&folder.id()), "{message}");
}
