//! What is refused: the essential words.

use std::error::Error as _;

use xyloop_hil_config::{self as config, Purpose};

use crate::files::*;

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
    assert!(error.source().is_some());
    says(&files.clean(&error), &["cannot read `experimnt.toml`", "did you mean `experiment.toml`?"]);
    let error = config::load(files.0.path().join("none/at/all.toml"), &[]).unwrap_err();
    says(&files.clean(&error), &["there is no readable folder `none/at`"]);
    let error = config::load(files.0.path(), &[]).unwrap_err();
    says(&error.to_string(), &["cannot read"]);
    let error = config::load("/dev/zero", &[]).unwrap_err();
    says(&error.to_string(), &["larger than 256 KiB"]);
}

#[test]
fn a_rig_file_is_no_experiment() {
    let files = Files::new(EXPERIMENT, RIG);
    let error = config::load(files.0.path().join("rig.toml"), &[]).unwrap_err();
    says(&error.to_string(), &["is a rig file, an experiment file is needed"]);
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
        &with_sets(&["link.codec=dleta"]),
        &["`link.codec` cannot be \"dleta\"", "did you mean \"delta\"?", "\"words\""],
    );
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
fn serial_numbers_that_no_device_can_have() {
    for serial in [String::new(), "x".repeat(65)] {
        let set = format!("rig.device.serial_number=\"{serial}\"");
        let words = ["`device.serial_number` has", "allowed are 1 to 64", "the device says it with its identity"];
        says(&with_sets(&[&set]), &words);
    }
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

fn planes_with(old: &str, new: &str) -> String {
    assert!(PLANES.contains(old), "{old}");
    Files::new(EXPERIMENT, &PLANES.replacen(old, new, 1)).refusal(&[])
}

#[test]
fn planes_that_make_no_sense() {
    says(
        &planes_with("geometry = \"lcl\"", "geometry = \"lcl\"\nrows = 3\nlayers = [3, 3]"),
        &[
            "`lattice.rows` has no meaning in an lcl rig",
            "`lattice.layers` has no meaning",
            "the first plane is the inputs",
        ],
    );
    says(&planes_with("\"lcl\"", "\"4nsq\""), &["`lattice.planes` has no meaning", "geometry = \"lcl\""]);
    says(
        &planes_with("rows = 23", "rows = 24"),
        &["plane 1 has 24 rows", "23 places on the 28 below", "rig.toml:11:8", "23 rows", "window 6, stride 1"],
    );
    says(&planes_with("window = 6", "window = 29"), &["plane 1 has 23 rows", "no window fits"]);
    says(&planes_with("window = 6", "window = 0"), &["`lattice.planes[1].window` is 0: allowed is 1 to 1024"]);
    says(
        &planes_with("window = 6", "stride = 2"),
        &["`lattice.planes[1].stride` has no meaning: the plane has no window"],
    );
    says(&planes_with("rows = 28", "rows = 28\ninside = \"sq\""), &["`lattice.planes[0].inside` has no meaning"]);
    says(&planes_with("\"sq\"", "\"layered\""), &["`lattice.planes[1].inside` is \"layered\"", "3nsq"]);
    says(
        &planes_with("\"sq\"", "\"offsets\"\noffsets = [[0, 1], [0, 0]]"),
        &["offset [0, 0] would couple every site to itself", "rig.toml:15"],
    );
    says(&planes_with("\"sq\"", "\"offsets\""), &["`lattice.planes[1].offsets` has 0 entries"]);
    says(&planes_with("\"sq\"", "\"sq\"\noffsets = [[0, 1]]"), &["`lattice.planes[1].offsets` has no meaning"]);
    says(&planes_with("\"sq\"", "\"sq\"\nwindows = 3"), &["unknown key `windows`", "did you mean `window`?"]);
    says(&planes_with("columns = 28\n", ""), &["`columns` is missing in [lattice.planes.0]"]);
    says(
        &planes_with("rows = 1\ncolumns = 10", "rows = 120\ncolumns = 120"),
        &["7637656 couplings: allowed are at most 4194304"],
    );
    let one = "name = \"x\"\n[lattice]\ngeometry = \"lcl\"\n[[lattice.planes]]\nrows = 3\ncolumns = 3\n";
    says(&Files::new(EXPERIMENT, one).refusal(&[]), &["`lattice.planes` has 1 planes: allowed are 2 to 256"]);
    says(
        &Files::new(EXPERIMENT, PLANES).refusal(&[]),
        &["needs 2 input sites, rig `mnist` has 784", "[[lattice.planes]]"],
    );
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
    says(
        &with_sets(&["train.nudge.beta=0.0005"]),
        &["only 4.10 steps of the rig's field DACs", "0.0009765625 or more"],
    );
    says(&with_sets(&["rig.converters.field_bits=8"]), &["`train.nudge.beta` is 0.03", "one step is 0.03125"]);
    says(&with_sets(&["kick.range=0.9"]), &["range × duration_us / tau_us is 4.500", "would remember its label"]);
    says(&with_sets(&["read.what=contrast"]), &["exclude each other", "without weighing them"]);
    assert!(Files::new(EXPERIMENT, RIG).load(&["read.what=contrast", "train.guard.basin=count"]).is_ok());
    let modelled = ["train.nudge.mode=linear-response", "train.guard.basin=count", "read.what=contrast"];
    says(&with_sets(&modelled), &["needs `read.what` = \"phases\"", "without nudges there is no contrast"]);
    assert!(Files::new(EXPERIMENT, RIG).load(&modelled[..1]).is_ok());
    // Everything wrong with the values is said at once.
    says(
        &with_sets(&["eval.starts=0", "train.starts=0", "kick.range=0"]),
        &["`eval.starts`", "`train.starts`", "`kick.range`"],
    );
}

#[test]
fn who_only_needs_the_rig_may_read_the_outputs_alone() {
    let files = Files::new(EXPERIMENT, RIG);
    let sets = strings(&["read.what=outputs"]);
    assert!(config::load_for(files.path(), &sets, Purpose::Train).is_err());
    assert!(config::load_for(files.path(), &sets, Purpose::Rig).is_ok());
}

#[test]
fn a_resolved_configuration_is_judged_again() {
    let text = Files::new(EXPERIMENT, RIG).load(&[]).unwrap().to_toml().unwrap();
    let refusal = |text: &str| config::from_resolved(text).unwrap_err().to_string();
    says(
        &refusal(&text.replace("beta = 0.03", "beta = 30.0")),
        &["`train.nudge.beta` is 30", "resolved configuration:"],
    );
    says(&refusal(&text.replace("replicas", "replcas")), &["unknown key `replcas`"]);
    says(&refusal("x = 1"), &["there is no table [experiment]"]);
}
