//! Trains `hil-config/xor-small.toml` with the library alone: its own progress, its own condition to stop.
//!
//!     cargo run --release -p xyloop --example train_in_20_lines

use std::{error::Error, path::Path};

use xyloop::{
    config,
    device::StopFlag,
    run::{Prepared, unobserved},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hil-config/xor-small.toml");
    let config = config::load(&file, &["train.seed=1".to_owned()])?;
    let mut run = Prepared::training(config)?.connect(None, unobserved(), StopFlag::default()).await?;
    run.train_until(|epoch| {
        if epoch.epoch % 50 == 0 {
            println!("epoch {:4}: D {:.4}, {:3.0} % right", epoch.epoch, epoch.mean_distance, 100.0 * epoch.accuracy);
        }
        epoch.in_a_row >= 10
    })
    .await?;
    run.judge().await?;
    let report = run.close().await?;
    let verdict = report.evaluation.ok_or("stopped before it was judged")?;
    println!("{} of {} right, kept in {}", verdict.right, verdict.evaluations, report.folder.path().display());
    Ok(())
}
