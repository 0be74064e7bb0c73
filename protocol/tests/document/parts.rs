//! Bytes with what they mean, and how they are written down.

use std::fmt::Write;

use serde::Serialize;

/// Bytes on a row.
const WIDTH: usize = 16;
/// Columns of the bytes beside a meaning.
const COLUMN: usize = 3 * 8;

/// Consecutive stretches of bytes, each with its meaning.
#[derive(Clone, Default)]
pub struct Parts(Vec<(Vec<u8>, String)>);

impl Parts {
    pub fn raw(&mut self, bytes: &[u8], meaning: impl Into<String>) {
        self.0.push((bytes.to_vec(), meaning.into()));
    }

    /// A value as it is encoded in a message.
    pub fn value(&mut self, value: &(impl Serialize + ?Sized), meaning: impl Into<String>) {
        let mut buffer = [0; 512];
        let bytes = postcard::to_slice(value, &mut buffer).unwrap();
        self.raw(bytes, meaning);
    }

    pub fn append(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(bytes, _)| bytes.clone()).collect()
    }

    /// One row or more for each part.
    pub fn write(&self, out: &mut String) {
        for (bytes, meaning) in &self.0 {
            let mut meaning = meaning.as_str();
            for (index, row) in bytes.chunks(COLUMN / 3).enumerate() {
                let more = if index > 0 { "  " } else { "" };
                let line = format!("    {:<COLUMN$}{more}{meaning}", hex(row));
                writeln!(out, "{}", line.trim_end()).unwrap();
                meaning = "";
            }
        }
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Bytes of a line, in rows under each other.
pub fn rows(out: &mut String, head: &str, bytes: &[u8]) {
    let indent = " ".repeat(head.chars().count());
    for (index, row) in bytes.chunks(WIDTH).enumerate() {
        writeln!(out, "{}{}", if index == 0 { head } else { &indent }, hex(row)).unwrap();
    }
}

/// A block of text as it stands in the document.
pub fn fenced(text: &str) -> String {
    format!("```text\n{}\n```", text.trim_end())
}
