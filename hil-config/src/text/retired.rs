//! Keys that earlier versions had: refused by name with what to do, ignored in the record of an old run.

use toml::de::{DeTable, DeValue};

use super::document::Document;
use super::issue::Issue;

/// Finds keys in an experiment file that mean nothing any more.
pub(super) fn check(document: &Document<'_>) -> Vec<Issue> {
    if !document.root.contains_key("start") {
        return Vec::new();
    }
    let issue = Issue::at("start.policy", "`start.policy` is no setting any more: every shot starts from a kick");
    let issue = issue.label("a state that is kept would remember its label");
    vec![issue.help("remove [start]; what a kick is, [kick] says")]
}

/// Takes out of a run's record what earlier versions wrote into every one. Anything else is left to be refused.
pub(super) fn forget(experiment: &mut Document<'_>) {
    let is_kick = |table: &DeTable<'_>| {
        table.iter().all(|(key, value)| key.get_ref() == "policy" && value.get_ref().as_str() == Some("kick"))
    };
    if experiment
        .root
        .get("start")
        .is_some_and(|start| matches!(start.get_ref(), DeValue::Table(table) if is_kick(table)))
    {
        experiment.root.remove("start");
    }
}
