//! How long something took, and how much memory the process has had.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What a measured stretch took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Took {
    /// Seconds on the wall.
    pub wall: f64,
    /// Seconds of processor time of all threads of this process: what is left when other programs disturb.
    pub cpu: f64,
}

/// Runs something and says what it took.
pub fn time<T>(run: impl FnOnce() -> T) -> (T, Took) {
    let (start, cpu) = (Instant::now(), processor());
    let result = run();
    (result, Took { wall: start.elapsed().as_secs_f64(), cpu: (processor().saturating_sub(cpu)).as_secs_f64() })
}

fn processor() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Largest resident memory of this process so far, bytes; `None` where `/proc` does not say.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The middle value (of an even number the upper one); NaN of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
