//! Our side of the comparison: reads commands from stdin, one a line, and answers each with one line on stdout, so that a
//! script can time two programs in turns. Times are of the computation alone, on this one thread.
//!
//! | Command | What it does |
//! |---|---|
//! | `load NAME STEPS DIR` | makes a workload and writes its numbers into the folder (see [`Workload::write`]) |
//! | `origin` | free equilibria of step 0 from its cold starts: where warm steps begin; writes `origin.npy` |
//! | `cold K` | the EP step K from cold starts |
//! | `warm K` | the EP step K from the free equilibria of step K − 1; K = 1 starts from the origin |
//! | `nudge symmetric`, `nudge response` | how the gradients of the steps that follow are made |
//! | `settle-cold K`, `settle-warm K` | the free phase alone; a warm one leaves where warm steps go on |
//! | `reference K SAMPLES` | free equilibria by the accurate flow; writes `reference.npy` |
//!
//! An answer is `ok` with figures as `key=value`, or `error` with the reason. Steps write `ours-free.npy` and
//! `ours-{couplings,field_x,field_y}.npy` (the gradient).

use std::io::{BufRead, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use xyloop_benches::clock::time;
use xyloop_benches::npy;
use xyloop_benches::ours::{Effort, Ours, Start};
use xyloop_benches::workload::{BETA, Workload};
use xyloop_lattice::{Parameters, step::Nudge};

fn main() -> Result<()> {
    let mut lines = std::io::stdin().lock().lines();
    let mut next: Option<String> = None;
    loop {
        let line = match next.take() {
            Some(line) => line,
            None => match lines.next() {
                Some(line) => line?,
                None => return Ok(()),
            },
        };
        if !line.starts_with("load ") {
            say(&format!("error: `{line}` before `load NAME STEPS DIR`"))?;
            continue;
        }
        match load(&line) {
            Ok((workload, steps, folder)) => {
                say(&format!("ok sites={} couplings={}", workload.graph.len(), workload.graph.couplings().len()))?;
                let mut side = Side {
                    ours: Ours::new(&workload),
                    parameters: (0..steps).map(|step| workload.parameters(step)).collect(),
                    workload: &workload,
                    folder,
                    warm: None,
                };
                // Another `load` ends this workload.
                for line in lines.by_ref() {
                    let line = line?;
                    if line.starts_with("load ") {
                        next = Some(line);
                        break;
                    }
                    match side.answer(&line) {
                        Ok(figures) => say(&format!("ok {figures}"))?,
                        Err(error) => say(&format!("error: {error:#}"))?,
                    }
                }
            }
            Err(error) => say(&format!("error: {error:#}"))?,
        }
    }
}

fn say(answer: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{answer}")?;
    Ok(out.flush()?)
}

fn load(line: &str) -> Result<(Workload, usize, PathBuf)> {
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    let [_, name, steps, folder] = words[..] else { bail!("write `load NAME STEPS DIR`") };
    let steps = steps.parse().with_context(|| format!("`{steps}` is no number of steps"))?;
    let (workload, folder) = (Workload::named(name)?, PathBuf::from(folder));
    workload.write(&folder, steps).with_context(|| format!("cannot write into {}", folder.display()))?;
    Ok((workload, steps, folder))
}

struct Side<'w> {
    workload: &'w Workload,
    ours: Ours<'w>,
    parameters: Vec<Parameters>,
    folder: PathBuf,
    /// The step whose free equilibria our batch holds, if warm steps may go on from there.
    warm: Option<usize>,
}

impl Side<'_> {
    fn answer(&mut self, line: &str) -> Result<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["origin"] => {
                let effort = self.ours.settle(&self.parameters[0], Start::Cold(&self.workload.starts(0)));
                self.write("origin", &self.ours.free())?;
                self.warm = Some(0);
                Ok(figures(effort))
            }
            ["nudge", "symmetric"] => {
                self.ours.nudge = Nudge::Symmetric { beta: BETA };
                Ok(String::new())
            }
            ["nudge", "response"] => {
                self.ours.nudge = Nudge::LinearResponse;
                Ok(String::new())
            }
            ["reference", step, samples] => {
                let (step, samples) = (self.step(step)?, samples.parse::<usize>()?.min(self.workload.batch));
                let starts = self.workload.starts(step);
                let (free, took) = time(|| self.ours.reference(&self.parameters[step], &starts, samples));
                self.write("reference", &free)?;
                Ok(format!("seconds={:.6} cpu={:.6}", took.wall, took.cpu))
            }
            [kind @ ("cold" | "warm" | "settle-cold" | "settle-warm"), step] => {
                let step = self.step(step)?;
                let warm = kind.ends_with("warm");
                let starts = if warm { Vec::new() } else { self.workload.starts(step) };
                if warm {
                    self.check_warm(step)?;
                }
                let start = if warm { Start::Warm } else { Start::Cold(&starts) };
                let parameters = &self.parameters[step];
                let (effort, took) = if kind.starts_with("settle") {
                    time(|| self.ours.settle(parameters, start))
                } else {
                    let (done, took) = time(|| self.ours.step(parameters, start));
                    self.write("ours-couplings", &done.gradient.couplings)?;
                    self.write("ours-field_x", &done.gradient.field_x)?;
                    self.write("ours-field_y", &done.gradient.field_y)?;
                    (Effort::from(&done), took)
                };
                self.write("ours-free", &self.ours.free())?;
                self.warm = warm.then_some(step);
                Ok(format!("seconds={:.6} cpu={:.6} {}", took.wall, took.cpu, figures(effort)))
            }
            _ => bail!("unknown command `{line}`"),
        }
    }

    fn step(&self, word: &str) -> Result<usize> {
        let step = word.parse::<usize>().with_context(|| format!("`{word}` is no step"))?;
        let steps = self.parameters.len();
        if step < steps { Ok(step) } else { Err(anyhow!("step {step} of {steps}: load more")) }
    }

    fn check_warm(&self, step: usize) -> Result<()> {
        match self.warm {
            Some(last) if last + 1 == step => Ok(()),
            Some(last) => bail!("warm step {step} after step {last}: they follow one another"),
            None => bail!("warm step {step} before `origin`, or after a cold one"),
        }
    }

    fn write(&self, name: &str, values: &[f64]) -> Result<()> {
        let sites = self.workload.graph.len();
        let shape: &[usize] = if matches!(name, "ours-free" | "origin" | "reference") {
            &[values.len() / sites, sites]
        } else {
            &[values.len()]
        };
        let path = self.folder.join(format!("{name}.npy"));
        npy::write(&path, shape, values).with_context(|| format!("cannot write {}", path.display()))
    }
}

fn figures(effort: Effort) -> String {
    let Effort { passes, factorisations, unsettled } = effort;
    format!("passes={passes} factorisations={factorisations} unsettled={unsettled}")
}
