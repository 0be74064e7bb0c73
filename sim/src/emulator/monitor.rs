//! The emulator's monitor: QMP, JSON lines over a socket.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde_json::{Value, json};

use super::EmulatorError;

/// Longest wait for an answer: an emulator whose plant hangs does not answer either.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to an emulator's monitor.
pub struct Monitor {
    reader: BufReader<UnixStream>,
}

impl Monitor {
    /// Connects to the socket that `xyloop sim board` names when it has started.
    ///
    /// # Errors
    /// If nobody answers there, or not in QMP.
    pub fn connect(socket: &Path) -> Result<Self, EmulatorError> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut monitor = Self { reader: BufReader::new(stream) };
        monitor.line()?;
        monitor.ask("qmp_capabilities")?;
        Ok(monitor)
    }

    /// Lets it run: it is started stopped, so that not a byte is lost before somebody listens.
    ///
    /// # Errors
    /// If it does not do so.
    pub fn cont(&mut self) -> Result<(), EmulatorError> {
        self.ask("cont").map(drop)
    }

    /// Stops the machine, its clocks included.
    ///
    /// # Errors
    /// If it does not do so.
    pub fn stop(&mut self) -> Result<(), EmulatorError> {
        self.ask("stop").map(drop)
    }

    /// Presses the machine's reset button.
    ///
    /// # Errors
    /// If it does not do so.
    pub fn reset(&mut self) -> Result<(), EmulatorError> {
        self.ask("system_reset").map(drop)
    }

    /// Where a character device ended up: a pty's path, a socket's address.
    ///
    /// # Errors
    /// If there is no such device.
    pub fn character_device(&mut self, label: &str) -> Result<String, EmulatorError> {
        let devices = self.ask("query-chardev")?;
        let named = |device: &&Value| device["label"] == label;
        let filename = devices.as_array().and_then(|all| all.iter().find(named)).map(|device| &device["filename"]);
        filename
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| EmulatorError::Monitor(format!("no character device `{label}` in {devices}")))
    }

    fn ask(&mut self, command: &str) -> Result<Value, EmulatorError> {
        let request = json!({ "execute": command });
        writeln!(self.reader.get_mut(), "{request}")?;
        loop {
            let answer = self.line()?;
            if let Some(error) = answer.get("error") {
                return Err(EmulatorError::Monitor(format!("{command}: {error}")));
            }
            // Events come in between.
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
        }
    }

    fn line(&mut self) -> Result<Value, EmulatorError> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(EmulatorError::Monitor("it closed the connection".to_owned()));
        }
        serde_json::from_str(&line).map_err(|error| EmulatorError::Monitor(format!("{error} in {line:?}")))
    }
}
