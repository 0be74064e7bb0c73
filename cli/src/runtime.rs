//! The threads on which connections live; commands run on the main thread, where they may compute and write.

use tokio::runtime::{Builder, Runtime};

/// Starts them.
pub fn start() -> anyhow::Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Runs a command to its end.
pub fn block_on(command: impl Future<Output = anyhow::Result<bool>>) -> anyhow::Result<bool> {
    start()?.block_on(command)
}
