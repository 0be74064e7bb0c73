//! The one place that listens for signals: Ctrl-C, the end of the terminal, the end of the machine.

use tokio::signal::unix::{Signal, SignalKind, signal};
use xyloop::device::StopFlag;

use crate::exit_code;

/// Waits for Ctrl-C, for SIGTERM (service managers, shut-down) or for SIGHUP (the terminal was closed). It listens from the
/// moment it was made.
pub struct End([Signal; 3]);

impl End {
    /// Listens from now on. Call it on a runtime.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn listen() -> std::io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hang_up] = kinds.map(signal);
        Ok(Self([interrupt?, terminate?, hang_up?]))
    }

    /// Returns when one of them comes.
    pub async fn wait(&mut self) {
        let [interrupt, terminate, hang_up] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}

/// Returns a flag that the first signal sets, so that a run stops at the next shot boundary; the second one ends the
/// program at once (outputs then go safe by the device's deadman).
pub fn stop_flag() -> StopFlag {
    let stop = StopFlag::default();
    let flag = stop.clone();
    let Ok(mut end) = End::listen() else { return stop };
    tokio::spawn(async move {
        loop {
            end.wait().await;
            if flag.is_set() {
                std::process::exit(exit_code::FAILED.into());
            }
            eprintln!("stopping after the shot in progress (once more to stop at once)");
            flag.set();
        }
    });
    stop
}
