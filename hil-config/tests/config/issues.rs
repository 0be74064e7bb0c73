//! A refusal as data: what a program, and not a person, reads of it.

use serde_json::{Value, json};
use xyloop_hil_config::{ConfigError, ConfigIssue};

use crate::files::*;

fn error(experiment: &str, rig: &str, sets: &[&str]) -> ConfigError {
    Files::new(experiment, rig).load(sets).unwrap_err()
}

fn one(error: &ConfigError) -> &ConfigIssue {
    let [issue] = error.issues() else { panic!("one issue is expected:\n{error}") };
    issue
}

/// The issue as JSON, with the folder's name taken out.
fn data(issue: &ConfigIssue) -> Value {
    let mut data = serde_json::to_value(issue).unwrap();
    if let Some(file) = data["file"].as_str() {
        data["file"] = json!(file.rsplit('/').next());
    }
    data
}

#[test]
fn a_value_out_of_range() {
    let error = error(&EXPERIMENT.replace("beta = 0.03", "beta = 20"), RIG, &[]);
    let wanted = json!({
        "file": "experiment.toml", "path": "train.nudge.beta", "line": 8, "column": 8,
        "what": "`train.nudge.beta` is 20: allowed is above 0, at most 10 (model units)",
        "allowed": "above 0, at most 10 (model units)", "hint": null,
    });
    assert_eq!(data(one(&error)), wanted);
    assert_eq!(error.to_string(), one(&error).to_string());
}

#[test]
fn an_unknown_key() {
    let error = error(&EXPERIMENT.replace("beta = 0.03", "betta = 0.03"), RIG, &[]);
    let wanted = json!({
        "file": "experiment.toml", "path": "train.nudge.betta", "line": 8, "column": 1,
        "what": "unknown key `betta` in [train.nudge]",
        "allowed": "mode, cost, beta, clip", "hint": "did you mean `beta`?",
    });
    assert_eq!(data(one(&error)), wanted);
}

#[test]
fn a_missing_key_is_named_although_it_is_written_nowhere() {
    let error = error(&EXPERIMENT.replace("min_us = 4000\n", ""), RIG, &[]);
    let issue = one(&error);
    assert_eq!((issue.path.as_deref(), issue.line), (Some("settle.min_us"), Some(10)), "{error}");
}

#[test]
fn an_override_is_a_line_of_the_command() {
    let error = error(EXPERIMENT, RIG, &["rig.plant.iq_noise=3", "eval.starts=0"]);
    let issue = data(one(&error));
    assert_eq!((&issue["file"], &issue["path"]), (&json!("command line"), &json!("eval.starts")), "{error}");
    assert_eq!((&issue["line"], &issue["column"]), (&json!(1), &json!("--set eval.starts=0".len())), "{error}");
}

#[test]
fn several_issues_are_several_and_columns_are_counted_in_characters() {
    let rig = RIG.replace("[[7, 9]]", "[[7, 9]]\n[board]\nadc = \"ad5676r\" # é\n\"input_dac\" = \"ads131m08\"");
    let error = error(EXPERIMENT, &rig, &[]);
    let places: Vec<_> = error.issues().iter().map(|issue| (issue.path.as_deref(), issue.line, issue.column)).collect();
    assert_eq!(places, [(Some("board.input_dac"), Some(11), Some(15)), (Some("board.adc"), Some(10), Some(7))]);
    assert_eq!(error.issues()[1].allowed.as_deref(), Some("`ad7606` or `ads131m08`"));
    let rig = RIG.replace("name = \"bench\"", "name = \"bench\"\ndescription = 'äöü'; x = 1");
    let issue = data(one(&Files::new(EXPERIMENT, &rig).load(&[]).unwrap_err()));
    assert_eq!((&issue["line"], &issue["column"], &issue["path"]), (&json!(2), &json!(20), &Value::Null), "{issue}");
}

#[test]
fn issues_of_a_record_are_named_by_the_records_keys() {
    let text = Files::new(EXPERIMENT, RIG).load(&[]).unwrap().to_toml().unwrap().replace("beta = 0.03", "beta = 30.0");
    let error = xyloop_hil_config::from_resolved(&text).unwrap_err();
    assert_eq!(one(&error).path.as_deref(), Some("experiment.train.nudge.beta"));
}

#[test]
fn what_is_in_no_text_has_no_place() {
    let error = error(EXPERIMENT, RIG, &["train.seed"]);
    let issue = data(one(&error));
    for key in ["file", "path", "line", "column", "allowed"] {
        assert_eq!(issue[key], Value::Null, "{key}");
    }
    assert!(issue["hint"].as_str().unwrap().contains("--set table.key=value"));
    let files = Files::new(EXPERIMENT, RIG);
    let error = xyloop_hil_config::load(files.0.path().join("experimnt.toml"), &[]).unwrap_err();
    assert_eq!(data(one(&error))["file"], "experimnt.toml");
}
