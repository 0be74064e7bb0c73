//! What is refused: complete texts, as they are printed.

use crate::files::*;

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
fn a_chip_that_does_the_opposite_names_its_key() {
    same(
        &rig_with("[[7, 9]]", "[[7, 9]]\n[board]\nadc = \"ad5676r\"\ninput_dac = \"ads131m08\""),
        r#"
error: `board.input_dac` is "ads131m08", an ADC: a DAC belongs there
  --> rig.toml:11:13
   |
11 | input_dac = "ads131m08"
   |             ^^^^^^^^^^^ `ad5370` or `ad5676r`

error: `board.adc` is "ad5676r", a DAC: an ADC belongs there
  --> rig.toml:10:7
   |
10 | adc = "ad5676r"
   |       ^^^^^^^^^ `ad7606` or `ads131m08`
"#,
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
        r"
error: `start.policy` is no setting any more: every shot starts from a kick
 --> command line:1:20
  |
1 | --set start.policy=keep
  |                    ^^^^ a state that is kept would remember its label
  |
  = help: remove [start]; what a kick is, [kick] says
",
    );
}
