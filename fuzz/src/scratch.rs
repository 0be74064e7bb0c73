//! A folder of this process for files that have to be on a disk to be read.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// Removed when dropped. libFuzzer ends a process without dropping anything: `.ci/fuzz` then removes its parent.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// In memory where the system has a folder for that: a fuzzer writes thousands of files a second.
    pub fn new() -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let parent = match std::env::var_os("XYLOOP_FUZZ_SCRATCH") {
            Some(parent) => parent.into(),
            None if Path::new("/dev/shm").is_dir() => PathBuf::from("/dev/shm"),
            None => std::env::temp_dir(),
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("xyloop-fuzz-{}-{number}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: it is in a folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}
