//! What earlier versions wrote: refused by name in files that people write, read in the records of old runs.

use std::path::Path;

use xyloop_hil_config as config;

use crate::files::*;

#[test]
fn a_start_policy_is_refused_by_name_with_what_to_do() {
    same(
        &experiment_with("[kick]", "[start]\npolicy = \"kick\"\n\n[kick]"),
        r#"
error: `start.policy` is no setting any more: every shot starts from a kick
  --> experiment.toml:17:10
   |
17 | policy = "kick"
   |          ^^^^^^ a state that is kept would remember its label
   |
   = help: remove [start]; what a kick is, [kick] says
"#,
    );
    for set in ["start.policy=keep", "start={}"] {
        says(&with_sets(&[set]), &["`start.policy` is no setting any more", &format!("--set {set}"), "remove [start]"]);
    }
}

#[test]
fn the_record_of_a_run_of_format_1_is_read() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/run-format-1.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("[experiment.start]\npolicy = \"kick\""), "what this is about");
    let record = config::load_resolved(&file).unwrap();
    let today = config::load(hil_config().join("xor-small.toml"), &[]).unwrap();
    assert_eq!((&record.experiment, &record.rig), (&today.experiment, &today.rig));
    assert!(!record.to_toml().unwrap().contains("policy"));
    // It was never written otherwise: a record that was changed by hand is refused.
    let refused = config::from_resolved(&text.replace("policy = \"kick\"", "policy = \"keep\"")).unwrap_err();
    says(&refused.to_string(), &["`start.policy` is no setting any more"]);
}
