//! A request to stop, set by Ctrl-C: looked at between shots, awaited by whatever waits for a device.

use std::sync::Arc;

use tokio::sync::watch;

/// Asks for a stop. Clones are the same request.
#[derive(Clone, Debug)]
pub struct StopFlag(Arc<watch::Sender<bool>>);

impl Default for StopFlag {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl StopFlag {
    /// Asks for a stop.
    pub fn set(&self) {
        self.0.send_replace(true);
    }

    /// Says if a stop was asked for.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when a stop is asked for; at once if it was.
    pub async fn wait(&self) {
        // Cannot fail: the sender is ours.
        let _ = self.0.subscribe().wait_for(|set| *set).await;
    }
}
