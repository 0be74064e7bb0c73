//! What was written to the chips and which edges there were, line by line, for tests and for a look afterwards.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

const HEADER: &str = "stamp_us,event,chip,channel,code,register\n";
/// Written out when so much has gathered, whatever the stream does.
const BLOCK: usize = 1 << 16;

/// A record in the making.
pub(super) struct Record {
    sink: Box<dyn Write + Send>,
    lines: String,
    failed: Option<io::Error>,
}

impl Record {
    /// Chips are powered up; a record that goes on has its header already.
    pub fn begin(sink: Box<dyn Write + Send>, goes_on: bool) -> io::Result<Self> {
        let lines = if goes_on { String::new() } else { HEADER.to_owned() };
        let mut record = Self { sink, lines, failed: None };
        record.line(0, "power", None, None, "");
        record.write()?;
        Ok(record)
    }

    pub fn line(
        &mut self,
        stamp_us: u64,
        event: &str,
        place: Option<(u8, Option<u8>)>,
        code: Option<u64>,
        register: &str,
    ) {
        let number = |number: Option<u8>| number.map_or(String::new(), |number| number.to_string());
        let (chip, channel) = (number(place.map(|place| place.0)), number(place.and_then(|place| place.1)));
        let code = code.map_or(String::new(), |code| format!("{code:04x}"));
        // Writing to a string does not fail.
        let _ = writeln!(self.lines, "{stamp_us},{event},{chip},{channel},{code},{register}");
        if self.lines.len() >= BLOCK
            && let Err(error) = self.write()
        {
            self.failed = Some(error);
        }
    }

    /// Hands whole lines to the system.
    pub fn flush(&mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.write(),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let written = self.sink.write_all(self.lines.as_bytes()).and_then(|()| self.sink.flush());
        self.lines.clear();
        written
    }
}
