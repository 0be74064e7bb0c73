//! Child processes whose output is collected while they run, and which never outlive the test.

use std::{
    fmt,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::DEADLINE;

/// A process that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// Everything it printed.
    pub stdout: String,
    /// Everything it said beside.
    pub stderr: String,
}

impl Finished {
    /// Fails the test unless it ended with this exit code.
    #[must_use]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        assert!(!self.stderr.contains("panicked at"), "{self}");
        self
    }

    /// Fails the test unless stderr has all these words.
    #[must_use]
    pub fn expect_stderr(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not on stderr\n{self}");
        }
        self
    }

    /// Its stdout, one line of JSON.
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n--- stdout\n{}--- stderr\n{}", self.status, self.stdout, self.stderr)
    }
}

/// A process that runs. It is killed when this is dropped.
pub struct Running {
    child: Child,
    heard: Arc<Heard>,
}

/// What the process has said so far.
#[derive(Default)]
struct Heard {
    streams: Mutex<[Stream; 2]>,
    news: Condvar,
}

impl Heard {
    /// Also after a failed wait, which panics with the lock held: the text is whole.
    fn lock(&self) -> MutexGuard<'_, [Stream; 2]> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Stream {
    text: String,
    ended: bool,
}

const STDOUT: usize = 0;
const STDERR: usize = 1;

impl Running {
    /// The most memory the process ever held, bytes, as the system counts it.
    #[cfg(target_os = "linux")]
    pub fn peak_memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    }

    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let heard = Arc::new(Heard::default());
        listen(child.stdout.take().unwrap(), &heard, STDOUT);
        listen(child.stderr.take().unwrap(), &heard, STDERR);
        Self { child, heard }
    }

    /// Waits for a line on stdout that has these words; the line.
    pub fn wait_for_stdout(&self, words: &str) -> String {
        self.wait_for(STDOUT, words)
    }

    /// Waits for a line on stderr that has these words; the line.
    pub fn wait_for_stderr(&self, words: &str) -> String {
        self.wait_for(STDERR, words)
    }

    fn wait_for(&self, stream: usize, words: &str) -> String {
        // Lines arrive whole.
        let found =
            |streams: &[Stream; 2]| streams[stream].text.lines().find(|line| line.contains(words)).map(str::to_owned);
        let streams = self.wait_until(|streams| found(streams).is_some() || streams[stream].ended);
        found(&streams).unwrap_or_else(|| panic!("`{words}` was not said, but:\n{}", said(&streams)))
    }

    fn wait_until(&self, condition: impl Fn(&[Stream; 2]) -> bool) -> MutexGuard<'_, [Stream; 2]> {
        self.wait_until_within(DEADLINE, condition)
    }

    fn wait_until_within(
        &self,
        patience: Duration,
        condition: impl Fn(&[Stream; 2]) -> bool,
    ) -> MutexGuard<'_, [Stream; 2]> {
        let due = Instant::now() + patience;
        let mut streams = self.heard.lock();
        while !condition(&streams) {
            let left = due.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited too long; so far it has said:\n{}", said(&streams));
            streams = self.heard.news.wait_timeout(streams, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        streams
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        self.signal("INT");
    }

    /// Ctrl-C, and waits for its end.
    pub fn stop(&self) {
        self.interrupt();
        drop(self.wait_until(|streams| streams.iter().all(|stream| stream.ended)));
    }

    /// Stops it as if its machine slept.
    pub fn suspend(&self) {
        self.signal("STOP");
    }

    /// Lets it run on.
    pub fn wake(&self) {
        self.signal("CONT");
    }

    /// `kill -9`: no chance to do anything.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub fn finish(self) -> Finished {
        self.finish_within(DEADLINE)
    }

    /// Waits for the end of something that takes long.
    pub fn finish_within(mut self, patience: Duration) -> Finished {
        // Both streams end with the process: it starts no others.
        let (stdout, stderr) = {
            let streams = self.wait_until_within(patience, |streams| streams.iter().all(|stream| stream.ended));
            (streams[STDOUT].text.clone(), streams[STDERR].text.clone())
        };
        Finished { status: self.child.wait().unwrap(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(source: impl Read + Send + 'static, heard: &Arc<Heard>, stream: usize) {
    let heard = Arc::clone(heard);
    thread::spawn(move || {
        let mut source = BufReader::new(source);
        let mut line = Vec::new();
        while source.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            heard.lock()[stream].text.push_str(&String::from_utf8_lossy(&line));
            heard.news.notify_all();
            line.clear();
        }
        heard.lock()[stream].ended = true;
        heard.news.notify_all();
    });
}

fn said(streams: &[Stream; 2]) -> String {
    format!("--- stdout\n{}--- stderr\n{}", streams[STDOUT].text, streams[STDERR].text)
}
