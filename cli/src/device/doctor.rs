//! `xyloop device doctor`: why a device does not work, and what to do about it.

use anyhow::Context;
use xyloop::{
    checkup::{self, Examination, RigFile, Subject, System, Verdict},
    rig::wanted,
};

use super::whom::{Known, Whom};
use crate::offer;

/// Arguments of `device doctor`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    whom: Whom,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Checks that failed: the report has been printed.
#[derive(Debug, thiserror::Error)]
#[error("{} of {of} checks failed: {}", .failed.len(), .failed.join(", "))]
pub struct Unwell {
    failed: Vec<&'static str>,
    of: usize,
}

/// Examines and prints; `true` if nothing failed. What did fail is an error.
pub async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let Known { rig, route, port, baud } = arguments.whom.known()?;
    let rig =
        rig.map(|(rig, file, array)| RigFile { wanted: wanted(&rig, &array), deadman_ms: rig.timing.deadman_ms, file });
    let subject = Subject { port: &port, baud, rig, system: System::default() };
    let examination = with_commands(checkup::examine(route, &subject).await);
    if arguments.json {
        println!("{}", serde_json::to_string(&examination).context("the report cannot be written as JSON")?);
    } else {
        print(&examination);
    }
    let failed = examination.with_verdict(Verdict::Failed);
    if failed.is_empty() { Ok(true) } else { Err(Unwell { failed, of: examination.checks.len() }.into()) }
}

/// Says which commands of this program help, where the examination offers a step.
fn with_commands(mut examination: Examination) -> Examination {
    for finding in &mut examination.checks {
        let action = finding.action.take();
        // Where all is well there is nothing to be done next, only something to be known.
        let clause = if finding.verdict == Verdict::Ok { &mut finding.found } else { &mut finding.next };
        *clause = offer::joined(clause, action.as_ref());
    }
    examination
}

fn print(examination: &Examination) {
    println!("{}", examination.place);
    for finding in &examination.checks {
        println!("{:7}  {:15}  {}", finding.verdict.name(), finding.check, finding.found);
        for (name, text) in [("why", &finding.why), ("next", &finding.next)] {
            if !text.is_empty() {
                println!("{:7}  {:15}  {name}: {text}", "", "");
            }
        }
    }
    if !examination.not_examined.is_empty() {
        println!("not looked at: {}", examination.not_examined.join(", "));
    }
    let count = |verdict| examination.with_verdict(verdict).len();
    let (all, failed, warnings) = (examination.checks.len(), count(Verdict::Failed), count(Verdict::Warning));
    println!("{all} checks: {failed} failed, {warnings} with a warning");
}
