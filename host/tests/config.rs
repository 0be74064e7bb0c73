//! Configuration as people meet it: what is accepted, what is refused, and what the refusals look like.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use xyloop::config::{
    self, Config, ConfigError, Geometry, OptimiserKind, Port, Purpose, Shape, Solver, StartPolicy, TaskKind,
};

const RIG: &str = r#"name = "bench"

[lattice]
geometry = "4nsq"
rows = 15
columns = 15
inputs = [[5, 5], [9, 5]]
outputs = [[7, 9]]
"#;

const EXPERIMENT: &str = r#"name = "first"
rig = "rig.toml"

[task]
kind = "xor"

[train.nudge]
beta = 0.03

[settle]
min_us = 4000
window_us = 1000
tolerance_rad = 0.001
timeout_us = 40000

[kick]
range = 4.0
duration_us = 50
"#;

/// A folder with one experiment and one rig.
struct Files(tempfile::TempDir);

impl Files {
    fn new(experiment: &str, rig: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("experiment.toml"), experiment).unwrap();
        fs::write(folder.path().join("rig.toml"), rig).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("experiment.toml")
    }

    fn load(&self, sets: &[&str]) -> Result<Config, ConfigError> {
        config::load(self.path(), &strings(sets))
    }

    /// The refusal, with the folder's name taken out.
    fn refusal(&self, sets: &[&str]) -> String {
        self.clean(&self.load(sets).unwrap_err())
    }

    fn clean(&self, error: &ConfigError) -> String {
        assert_eq!(error.to_string(), error.rendered());
        let folder = format!("{}/", self.0.path().display());
        let text = error.rendered().replace(&folder, "").replace(folder.trim_end_matches('/'), ".");
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}

fn strings(sets: &[&str]) -> Vec<String> {
    sets.iter().map(|set| (*set).to_owned()).collect()
}

/// Loads with one part of the experiment replaced.
fn experiment_with(old: &str, new: &str) -> String {
    assert!(EXPERIMENT.contains(old), "{old}");
    Files::new(&EXPERIMENT.replace(old, new), RIG).refusal(&[])
}

fn rig_with(old: &str, new: &str) -> String {
    assert!(RIG.contains(old), "{old}");
    Files::new(EXPERIMENT, &RIG.replace(old, new)).refusal(&[])
}

fn with_sets(sets: &[&str]) -> String {
    Files::new(EXPERIMENT, RIG).refusal(sets)
}

#[track_caller]
fn same(found: &str, expected: &str) {
    assert!(found.trim() == expected.trim(), "found:\n{found}\n\nexpected:\n{expected}");
}

#[track_caller]
fn says(found: &str, parts: &[&str]) {
    for part in parts {
        assert!(found.contains(part), "no `{part}` in:\n{found}");
    }
}

fn hil_config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../hil-config")
}

// ---- what is accepted

#[test]
fn the_shortest_experiment_has_the_documented_defaults() {
    let config = Files::new(EXPERIMENT, RIG).load(&[]).unwrap();
    let (experiment, rig) = (&config.experiment, &config.rig);
    assert_eq!(experiment.task.kind, TaskKind::Xor);
    assert_eq!(experiment.train.optimiser.kind, OptimiserKind::Adam);
    assert_eq!((experiment.train.starts, experiment.train.epochs_max, experiment.eval.starts), (4, 2000, 100));
    assert_eq!(experiment.train.init.coupling_std, None);
    assert_eq!((rig.timing.tau_us, rig.timing.deadman_ms), (10.0, 250));
    assert_eq!((rig.plant.replicas, rig.plant.solver, &rig.device.port), (16, Solver::Twin, &Port::Sim));
    assert_eq!(rig.lattice.shape(), Shape::Grid { rows: 15, columns: 15 });
    assert_eq!((rig.sites(), rig.input_sites(), rig.output_sites()), (225, vec![80, 140], vec![114]));
}

#[test]
fn every_shipped_file_loads_and_survives_a_round_trip() {
    let mut seen = 0;
    for entry in fs::read_dir(hil_config()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let config = config::load(&path, &[]).unwrap();
            assert_eq!(config::from_resolved(&config.to_toml().unwrap()).unwrap(), config, "{}", path.display());
            assert_eq!(path.file_stem().unwrap().to_str().unwrap(), config.experiment.name);
            seen += 1;
        }
    }
    for entry in fs::read_dir(hil_config().join("rigs")).unwrap() {
        let path = entry.unwrap().path();
        let (rig, from) = config::load_rig(&path, &[]).unwrap();
        assert_eq!((path.file_stem().unwrap().to_str().unwrap(), &from), (rig.name.as_str(), &path));
    }
    assert!(seen >= 6, "{seen} experiments");
}

#[test]
fn layers_are_numbered_one_after_the_other() {
    let (rig, _) =
        config::load_rig(hil_config().join("iris.toml"), &strings(&["rig.lattice.layers=[4, 5, 3]"])).unwrap();
    assert_eq!(rig.lattice.geometry, Geometry::Layered);
    assert_eq!((rig.sites(), rig.input_sites(), rig.output_sites()), (12, vec![0, 1, 2, 3], vec![9, 10, 11]));
}

#[test]
fn overrides_reach_both_files_and_the_last_one_wins() {
    let files = Files::new(EXPERIMENT, RIG);
    let config = files
        .load(&[
            "train.nudge.beta=0.5",
            "train.nudge.beta = 0.1",
            "train.optimiser.kind=sgd",
            "rig.plant.replicas=8",
            "rig.plant.solver=\"flow\"",
            "rig.device.port=tcp://127.0.0.1:5555",
            "rig.lattice.inputs=[[0, 0], [14, 14]]",
            "description=a bare string, with spaces",
        ])
        .unwrap();
    assert!((config.experiment.train.nudge.beta - 0.1).abs() < 1e-15);
    assert_eq!(config.experiment.train.optimiser.kind, OptimiserKind::Sgd);
    assert_eq!(config.experiment.description, "a bare string, with spaces");
    assert_eq!((config.rig.plant.replicas, config.rig.plant.solver), (8, Solver::Flow));
    assert_eq!(config.rig.device.port, Port::Tcp("127.0.0.1:5555".to_owned()));
    assert_eq!(config.rig.lattice.inputs, [(0, 0), (14, 14)]);
    // For a rig file by itself the prefix may be left out.
    for set in ["plant.replicas=3", "rig.plant.replicas=3"] {
        let (rig, _) = config::load_rig(files.0.path().join("rig.toml"), &strings(&[set])).unwrap();
        assert_eq!(rig.plant.replicas, 3);
    }
}

#[test]
fn a_rig_is_found_beside_its_experiment_or_through_an_override() {
    let files = Files::new(EXPERIMENT, RIG);
    fs::create_dir(files.0.path().join("rigs")).unwrap();
    fs::write(files.0.path().join("rigs/other.toml"), RIG.replace("bench", "other")).unwrap();
    let config = files.load(&["rig=rigs/other.toml", "rig.plant.seed=5"]).unwrap();
    assert_eq!((config.rig.name.as_str(), config.rig.plant.seed), ("other", 5));
    assert_eq!(config.rig_path, files.0.path().join("rigs/other.toml"));
    let (rig, path) = config::load_rig(files.path(), &[]).unwrap();
    assert_eq!((rig.name.as_str(), path), ("bench", files.0.path().join("rig.toml")));
}

#[test]
fn a_resolved_configuration_may_stand_inside_a_larger_document() {
    let config =
        Files::new(EXPERIMENT, RIG).load(&["train.seed=9223372036854775807", "train.optimiser.epsilon=1e-9"]).unwrap();
    let text = format!("format = 1\n{}\n[identity]\nserial = \"x\"\n", config.to_toml().unwrap());
    assert_eq!(config::from_resolved(&text).unwrap(), config);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("run.toml"), &text).unwrap();
    assert_eq!(config::load_resolved(folder.path().join("run.toml")).unwrap(), config);
}

#[test]
fn ports() {
    for (text, port) in [
        ("sim", Port::Sim),
        ("tcp://[::1]:80", Port::Tcp("[::1]:80".to_owned())),
        ("/dev/ttyACM0", Port::Serial("/dev/ttyACM0".into())),
        ("./pty", Port::Serial("./pty".into())),
        ("COM3", Port::Serial("COM3".into())),
    ] {
        assert_eq!(text.parse::<Port>().unwrap(), port);
        assert_eq!(port.to_string(), text);
    }
    for text in
        ["", "Sim", "ttyUSB0", "tcp://", "tcp://host", "tcp://host:0", "tcp://host:99999", "tcp://:5", "udp://h:1"]
    {
        assert!(text.parse::<Port>().is_err(), "{text}");
    }
}

// ---- what is refused: complete texts

#[test]
fn an_unknown_key_suggests_the_nearest() {
    same(
        &experiment_with("beta = 0.03", "betta = 0.03"),
        r"
error: unknown key `betta` in [train.nudge]
 --> experiment.toml:8:1
  |
8 | betta = 0.03
  | ^^^^^ did you mean `beta`?
  |
  = help: allowed keys here: mode, cost, beta, clip
",
    );
}

#[test]
fn a_key_of_another_table_says_where_it_belongs() {
    same(
        &experiment_with("[train.nudge]\n", "[train]\nrate = 0.1\n[train.nudge]\n"),
        r"
error: unknown key `rate` in [train]
 --> experiment.toml:8:1
  |
8 | rate = 0.1
  | ^^^^ `rate` belongs in [train.optimiser]
  |
  = help: allowed keys here: seed, epochs_max, batch, starts, init, nudge, optimiser, guard, stop
",
    );
}

#[test]
fn a_value_out_of_range_shows_the_range() {
    same(
        &experiment_with("beta = 0.03", "beta = 20  # far too much"),
        r"
error: `train.nudge.beta` is 20: allowed is above 0, at most 10 (model units)
 --> experiment.toml:8:8
  |
8 | beta = 20  # far too much
  |        ^^ above 0, at most 10 (model units)
",
    );
}

#[test]
fn a_terminal_outside_the_lattice_names_its_row() {
    same(
        &rig_with("[[7, 9]]", "[[15, 3]]"),
        r"
error: row 15 of output [15, 3]: rows are 0..=14
 --> rig.toml:8:13
  |
8 | outputs = [[15, 3]]
  |             ^^ rows are 0..=14
  |
  = help: the lattice is 15 rows by 15 columns, counted from 0
",
    );
}

#[test]
fn a_site_is_one_terminal_only() {
    same(
        &rig_with("[[7, 9]]", "[[9, 5]]"),
        r"
error: site [9, 5] is an input and an output
 --> rig.toml:8:12
  |
7 | inputs = [[5, 5], [9, 5]]
  |                   ------ first here, as an input
8 | outputs = [[9, 5]]
  |            ^^^^^^
  |
  = help: every terminal is a site of its own: change or remove one of the two
",
    );
}

#[test]
fn a_limit_of_the_rig_shows_both_files() {
    let rig = format!("{RIG}\n[converters]\nfield_range = 2.0\n");
    same(
        &Files::new(EXPERIMENT, &rig).refusal(&[]),
        r"
error: `kick.range` is 4: the rig reaches ± 2 model units
  --> experiment.toml:17:9
   |
17 | range = 4.0
   |         ^^^ at most 2
   |
  ::: rig.toml:11:15
   |
11 | field_range = 2.0
   |               --- field_range = 2
   |
   = help: a kick is made with the bias fields' DACs
",
    );
}

#[test]
fn a_limit_that_the_rig_leaves_to_its_default_is_named() {
    same(
        &with_sets(&["kick.range=4.5"]),
        r"
error: `kick.range` is 4.5: the rig reaches ± 4 model units
 --> command line:1:18
  |
1 | --set kick.range=4.5
  |                  ^^^ at most 4
  |
  = note: `rig.toml` leaves it to its default: field_range = 4
  = help: a kick is made with the bias fields' DACs
",
    );
}

#[test]
fn a_missing_rig_points_at_its_name() {
    same(
        &experiment_with("\"rig.toml\"", "\"rigg.toml\""),
        r#"
error: cannot read `rigg.toml`: no such file or directory
 --> experiment.toml:2:7
  |
2 | rig = "rigg.toml"
  |       ^^^^^^^^^^^ named here, relative to the experiment file
  |
  = help: did you mean `rig.toml`?
"#,
    );
}

#[test]
fn an_override_is_shown_as_it_was_written() {
    same(
        &with_sets(&["rig.plant.replicas=0"]),
        r"
error: `plant.replicas` is 0: allowed is 1 to 4096 copies of the lattice
 --> command line:1:26
  |
1 | --set rig.plant.replicas=0
  |                          ^ 1 to 4096 copies of the lattice
",
    );
}

#[test]
fn a_wrong_type_says_what_it_should_be() {
    same(
        &experiment_with("min_us = 4000", "min_us = \"4 ms\""),
        r#"
error: `settle.min_us`: found string "4 ms", expected a whole number from 0 up, without quotes
  --> experiment.toml:11:10
   |
11 | min_us = "4 ms"
   |          ^^^^^^
   |
   = help: write the number alone: its unit is part of the key's name
"#,
    );
}

#[test]
fn a_missing_table_says_what_goes_into_it() {
    same(
        &experiment_with("[kick]\nrange = 4.0\nduration_us = 50\n", ""),
        r"
error: `kick` is missing
--> experiment.toml
 = help: add [kick] with range (model units) and duration_us
",
    );
}

#[test]
fn keep_is_refused_with_the_reason() {
    same(
        &with_sets(&["start.policy=keep"]),
        r#"
error: `start.policy` = "keep" is refused in training and evaluation
 --> command line:1:20
  |
1 | --set start.policy=keep
  |                    ^^^^ the state would remember its label
  |
  = help: a free phase that starts from the sample's last state is right about half of the time from any other start; write policy = "kick"
"#,
    );
}

// ---- what is refused: the essential words

#[test]
fn nan_and_inf_are_refused_by_name_in_both_files() {
    says(&experiment_with("beta = 0.03", "beta = nan"), &["`train.nudge.beta` is `nan`", "experiment.toml:8:8"]);
    says(&experiment_with("beta = 0.03", "beta = -inf"), &["`train.nudge.beta` is `-inf`"]);
    says(&experiment_with("beta = 0.03", "beta = 1e999"), &["`train.nudge.beta` is `1e999`"]);
    says(&rig_with("[lattice]", "[plant]\niq_noise = inf\n[lattice]"), &["`plant.iq_noise` is `inf`", "rig.toml:4:12"]);
    says(&with_sets(&["rig.timing.tau_us=nan"]), &["`timing.tau_us` is `nan`", "--set rig.timing.tau_us=nan"]);
    says(&with_sets(&["rig.lattice.inputs=[[nan, 1], [2, 3]]"]), &["`lattice.inputs[0][0]` is `nan`"]);
}

#[test]
fn missing_files() {
    let files = Files::new(EXPERIMENT, RIG);
    let error = config::load(files.0.path().join("experimnt.toml"), &[]).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }));
    says(&files.clean(&error), &["cannot read `experimnt.toml`", "did you mean `experiment.toml`?"]);
    let error = config::load(files.0.path().join("none/at/all.toml"), &[]).unwrap_err();
    says(&files.clean(&error), &["there is no readable folder `none/at`"]);
    let error = config::load(files.0.path(), &[]).unwrap_err();
    says(error.rendered(), &["cannot read"]);
    let error = config::load("/dev/zero", &[]).unwrap_err();
    says(error.rendered(), &["larger than 256 KiB"]);
}

#[test]
fn a_rig_file_is_no_experiment() {
    let files = Files::new(EXPERIMENT, RIG);
    let error = config::load(files.0.path().join("rig.toml"), &[]).unwrap_err();
    says(error.rendered(), &["is a rig file, an experiment file is needed"]);
}

#[test]
fn syntax_errors_show_their_line() {
    says(&experiment_with("min_us = 4000", "min_us = 4000 us"), &["this is not TOML", "experiment.toml:11:10"]);
    says(&experiment_with("[kick]", "[kick"), &["this is not TOML", "16 | [kick"]);
    says(&experiment_with("min_us = 4000", "min_us = 4000\nmin_us = 5"), &["this is not TOML", "duplicate key"]);
}

#[test]
fn wrong_shapes() {
    says(
        &with_sets(&["settle=[4000, 1000, 1, 0.001, 40000]"]),
        &["`settle` is an array, a table is expected", "[settle]"],
    );
    says(
        &with_sets(&["rig.lattice.inputs=[[1, 2, 3], [4, 5]]"]),
        &["`lattice.inputs[0]` has 3 entries, 2 are expected"],
    );
    says(&with_sets(&["rig.lattice.inputs=[5, 5]"]), &["`lattice.inputs[0]`: found integer `5`", "[row, column]"]);
    says(&with_sets(&["rig.lattice.inputs=[[5], [6, 6]]"]), &["`lattice.inputs[0]`", "[row, column]"]);
    says(&with_sets(&["rig.lattice.outputs=[[-1, 2]]"]), &["`lattice.outputs[0][0]`: found integer `-1`", "from 0 up"]);
    says(&with_sets(&["train=3"]), &["`train`: found integer `3`, expected a table"]);
    says(&with_sets(&["rig.lattice.geometry=4"]), &["`lattice.geometry`: expected a name in quotes"]);
    says(&with_sets(&["train.starts=1.5"]), &["`train.starts`: found floating point `1.5`, expected a whole number"]);
    says(&with_sets(&["train.starts=5000000000"]), &["`train.starts`: found integer `5000000000`"]);
    says(
        &with_sets(&["train.nudge.mode=symetric"]),
        &["cannot be \"symetric\"", "did you mean \"symmetric\"?", "\"random-sign\""],
    );
}

#[test]
fn bad_overrides_name_themselves() {
    says(&with_sets(&["train.seed"]), &["`--set train.seed`: there is no `=`", "--set rig.plant.replicas=8"]);
    says(&with_sets(&["train.seed="]), &["there is no value"]);
    says(&with_sets(&["=3"]), &["keys with dots"]);
    says(&with_sets(&["train..seed=3"]), &["keys with dots"]);
    says(&with_sets(&["a=1\nb=2"]), &["control characters"]);
    says(&with_sets(&["trian.seed=2"]), &["unknown key `trian`", "--set trian.seed=2", "did you mean `train`?"]);
    says(
        &with_sets(&["rig.plant.replica=2"]),
        &["unknown key `replica` in [plant]", "--set rig.plant.replica=2", "`replicas`"],
    );
    says(&with_sets(&["rig.plnt.replicas=2"]), &["unknown key `plnt`", "did you mean `plant`?"]);
    says(&with_sets(&["name.x=3"]), &["`name` is a value, not a table", "--set name.x=3"]);
    says(&with_sets(&["train={"]), &["this is not TOML", "--set train={"]);
    says(
        &with_sets(&["rig.device.port=ttyUSB0"]),
        &["`ttyUSB0` names no device", "/dev/serial/by-id/", "--set rig.device.port"],
    );
}

#[test]
fn lattices_that_make_no_sense() {
    says(&rig_with("rows = 15\n", ""), &["`rows` is missing in [lattice]", "geometry \"4nsq\" is a grid"]);
    says(&rig_with("rows = 15", "rows = 0"), &["`lattice.rows` is 0: allowed is 1 to 1024"]);
    says(&rig_with("[[7, 9]]", "[]"), &["`lattice.outputs` is empty"]);
    says(&rig_with("[[5, 5], [9, 5]]", "[[5, 5], [5, 5]]"), &["input [5, 5] is listed twice", "first here"]);
    says(&rig_with("[[7, 9]]", "[[7, 15]]"), &["column 15 of output [7, 15]: columns are 0..=14"]);
    says(
        &rig_with("\"4nsq\"", "\"layered\"\nlayers = [4, 3]"),
        &["`lattice.rows` has no meaning in a layered rig", "`lattice.outputs`"],
    );
    says(&rig_with("\"4nsq\"", "\"4nsq\"\nlayers = [4, 3]"), &["`lattice.layers` has no meaning"]);
    says(&rig_with("\"4nsq\"", "\"4nsq\"\noffsets = [[0, 1]]"), &["`lattice.offsets` has no meaning"]);
    says(&rig_with("\"4nsq\"", "\"offsets\""), &["`lattice.offsets` has 0 entries"]);
    says(
        &rig_with("\"4nsq\"", "\"offsets\"\noffsets = [[0, 1], [0, -1]]"),
        &["offset [0, -1] is given twice", "first here"],
    );
    says(&rig_with("\"4nsq\"", "\"offsets\"\noffsets = [[0, 0]]"), &["couple every site to itself"]);
    says(&rig_with("\"4nsq\"", "\"offsets\"\noffsets = [[-2147483648, 15]]"), &["couples nothing on 15 rows"]);
    says(&rig_with("rows = 15\ncolumns = 15", "rows = 1024\ncolumns = 1024"), &["1048576 sites", "16000"]);
    says(&rig_with("\"4nsq\"\nrows = 15", "\"all-to-all\"\nrows = 1000"), &["couplings: allowed are at most 4194304"]);
    let layers = "[lattice]\ngeometry = \"layered\"\nlayers = [9223372036854775807, 9223372036854775807, 3]\n";
    says(&Files::new(EXPERIMENT, &format!("name = \"x\"\n{layers}")).refusal(&[]), &["allowed is 1 to 16000 sites"]);
}

#[test]
fn experiments_that_make_no_sense() {
    says(&experiment_with("timeout_us = 40000", "timeout_us = 5999"), &["no state can settle before 6000 µs"]);
    says(&experiment_with("\"xor\"", "\"iris\""), &["task \"iris\" needs 4 input sites, rig `bench` has 2"]);
    says(&with_sets(&["settle.min_us=9"]), &["shorter than the rig's time unit"]);
    says(&with_sets(&["read.what=outputs"]), &["cannot be trained with"]);
    says(&with_sets(&["name=a/b"]), &["it becomes part of a folder's name"]);
    says(&with_sets(&["train.optimiser.beta2=1.0"]), &["0 up to but not including 1"]);
    says(&with_sets(&["train.optimiser.field_max=5"]), &["the rig reaches ± 4 model units"]);
    says(&with_sets(&["train.init.coupling_std=3"]), &["the rig reaches ± 2 model units"]);
    // Everything wrong with the values is said at once.
    says(
        &with_sets(&["eval.starts=0", "train.starts=0", "kick.range=0"]),
        &["`eval.starts`", "`train.starts`", "`kick.range`"],
    );
}

#[test]
fn bench_work_may_keep_the_state() {
    let files = Files::new(EXPERIMENT, RIG);
    let sets = strings(&["start.policy=keep", "read.what=outputs"]);
    let config = config::load_for(files.path(), &sets, Purpose::Bench).unwrap();
    assert_eq!(config.experiment.start.policy, StartPolicy::Keep);
    assert!(config::load_for(files.path(), &sets, Purpose::Eval).is_err());
    assert!(config::load_for(files.path(), &sets[1..], Purpose::Eval).is_ok());
}

#[test]
fn a_resolved_configuration_is_judged_again() {
    let text = Files::new(EXPERIMENT, RIG).load(&[]).unwrap().to_toml().unwrap();
    let refusal = |text: &str| config::from_resolved(text).unwrap_err().rendered().to_owned();
    says(
        &refusal(&text.replace("beta = 0.03", "beta = 30.0")),
        &["`train.nudge.beta` is 30", "resolved configuration:"],
    );
    says(&refusal(&text.replace("replicas", "replcas")), &["unknown key `replcas`"]);
    says(&refusal("x = 1"), &["there is no table [experiment]"]);
}

// ---- nothing panics

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), 0_usize..12, "[ -~é→\\n\\t\\r\\u{0}\u{7f}]{0,8}"), 1..4),
        in_rig: bool,
        set in "[a-z.=\\[\\]{}\"0-9é ]{0,24}",
        with_set: bool,
    ) {
        let mut text: Vec<char> = if in_rig { RIG } else { EXPERIMENT }.chars().collect();
        for (at, length, new) in cuts {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, new.chars());
        }
        let text: String = text.into_iter().collect();
        let files = if in_rig { Files::new(EXPERIMENT, &text) } else { Files::new(&text, RIG) };
        let sets = [set.as_str()];
        if let Err(error) = files.load(if with_set { &sets } else { &[] }) {
            prop_assert!(error.rendered().starts_with("error"), "{}", error);
        }
    }

    #[test]
    fn every_number_survives_the_record(
        beta in 0.001_f64..4.0, epsilon in 1e-300_f64..1.0, rate in 1e-12_f64..10.0, tau in 1e-6_f64..40.0, seed in 0_u64..=i64::MAX as u64,
    ) {
        let mut config = config::load(hil_config().join("xor-small.toml"), &[]).unwrap();
        config.experiment.train.nudge.beta = beta;
        config.experiment.train.optimiser.epsilon = Some(epsilon);
        config.experiment.train.optimiser.rate = rate;
        config.experiment.train.seed = seed;
        config.rig.timing.tau_us = tau;
        prop_assert_eq!(&config::from_resolved(&config.to_toml().unwrap()).unwrap(), &config);
    }
}
