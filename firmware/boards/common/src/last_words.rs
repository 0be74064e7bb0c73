//! Last words: what a firmware leaves behind when it ends, in memory that survives a reset, read at the next boot.
//!
//! A record is plain words. Boards keep it in a section that the start-up code leaves alone, copy it out ([`Record`]) and in
//! again. After power-on it holds anything: magic number and CRC-32C tell.
//!
//! ```text
//! word 0  "XYLW"   1  CRC-32C of the words behind   2  boots since power-on   3  cause (0: none), length << 8
//! 4 to 33 text, UTF-8, zeros behind it
//! ```

use core::fmt::{self, Write};

use xyloop_protocol::crc::Crc32c;

pub use xyloop_protocol::message::BootCause;

/// Words of a record.
pub const RECORD_WORDS: usize = 34;
/// Longest text in bytes.
pub const TEXT_MAX: usize = 4 * (RECORD_WORDS - HEAD);

const HEAD: usize = 4;
const MAGIC: u32 = u32::from_le_bytes(*b"XYLW");
/// What is told when the record says that there was something and not what.
const DAMAGED: &str = "the firmware's last words are damaged";

/// Causes by their number in a record; 0 is none.
const CAUSES: [BootCause; 8] = [
    BootCause::Unknown,
    BootCause::PowerOn,
    BootCause::Pin,
    BootCause::Asked,
    BootCause::Watchdog,
    BootCause::Panic,
    BootCause::HardFault,
    BootCause::BrownOut,
];

fn number_of(cause: BootCause) -> u8 {
    CAUSES.iter().position(|other| *other == cause).map_or(1, |index| index as u8 + 1)
}

/// A text of at most [`TEXT_MAX`] bytes; what does not fit is cut off at a character.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text {
    bytes: [u8; TEXT_MAX],
    length: usize,
}

impl Text {
    /// No text.
    pub const EMPTY: Self = Self { bytes: [0; TEXT_MAX], length: 0 };

    /// The text that formatting gives: `Text::of(format_args!("{panic}"))`.
    pub fn of(arguments: fmt::Arguments<'_>) -> Self {
        let mut text = Self::EMPTY;
        // Nothing that a text refuses: it cuts.
        let _ = text.write_fmt(arguments);
        text
    }

    /// As a string.
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        // Behind something that was cut nothing follows.
        let end = more.floor_char_boundary(TEXT_MAX - self.length);
        if let (Some(place), Some(part)) =
            (self.bytes.get_mut(self.length..self.length + end), more.as_bytes().get(..end))
        {
            place.copy_from_slice(part);
            self.length += end;
        }
        if end < more.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What a boot finds out about the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Why this boot.
    pub cause: BootCause,
    /// Boots since power-on, this one included.
    pub boots: u32,
    /// What the firmware left behind before it ended; empty if nothing.
    pub note: Text,
}

/// A record as it lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record(pub [u32; RECORD_WORDS]);

impl Record {
    /// The record of a firmware that has nothing to say yet.
    pub fn silent(boots: u32) -> Self {
        Self::sealed(boots, 0, &Text::EMPTY)
    }

    /// The record with what the firmware says before it ends. Earlier last words stay: what came first is the cause of
    /// what came after.
    #[must_use]
    pub fn with_words(&self, cause: BootCause, text: &Text) -> Self {
        match self.open() {
            Some((_, Some(_), _)) => *self,
            Some((boots, None, _)) => Self::sealed(boots, number_of(cause), text),
            None => Self::sealed(1, number_of(cause), text),
        }
    }

    /// At boot: what happened, and the record to keep from now on. `by_hardware` is the cause that the chip's own registers
    /// give; it counts when power was lost, when the pin was pulled, and when there are no last words.
    pub fn begin(&self, by_hardware: BootCause) -> (Boot, Self) {
        let damaged = Text::of(format_args!("{DAMAGED}"));
        let (boots, cause, note) = match self.open() {
            Some((boots, cause, text)) => (boots.wrapping_add(1), cause.unwrap_or(by_hardware), text),
            None if self.0[0] == MAGIC => (1, BootCause::Unknown, damaged),
            None => (1, by_hardware, Text::EMPTY),
        };
        let boot = match by_hardware {
            BootCause::PowerOn | BootCause::BrownOut => Boot { cause: by_hardware, boots: 1, note: Text::EMPTY },
            BootCause::Pin => Boot { cause: by_hardware, boots, note },
            _ => Boot { cause, boots, note },
        };
        (boot, Self::silent(boot.boots))
    }

    fn sealed(boots: u32, cause: u8, text: &Text) -> Self {
        let mut words = [0; RECORD_WORDS];
        words[0] = MAGIC;
        words[2] = boots;
        words[3] = u32::from(cause) | (text.length as u32) << 8;
        for (word, bytes) in words[HEAD..].iter_mut().zip(text.bytes.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        words[1] = crc(&words[2..]);
        Self(words)
    }

    /// Boots, cause if there are last words, and their text; `None` if this is no record.
    fn open(&self) -> Option<(u32, Option<BootCause>, Text)> {
        let [magic, sum, boots, head, text @ ..] = &self.0;
        if *magic != MAGIC || *sum != crc(&self.0[2..]) {
            return None;
        }
        let cause = match *head as u8 {
            0 => None,
            number => Some(*CAUSES.get(usize::from(number) - 1)?),
        };
        let mut note = Text { length: (*head >> 8) as usize, ..Text::EMPTY };
        for (bytes, word) in note.bytes.as_chunks_mut::<4>().0.iter_mut().zip(text) {
            *bytes = word.to_le_bytes();
        }
        let text = note.bytes.get(..note.length)?;
        core::str::from_utf8(text).ok()?;
        Some((*boots, cause, note))
    }
}

fn crc(words: &[u32]) -> u32 {
    let mut crc = Crc32c::new();
    for word in words {
        crc.update(&word.to_le_bytes());
    }
    crc.finish()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;

    use super::*;

    fn panicked() -> (Text, Record) {
        let text = Text::of(format_args!("controller.rs:{}: {}", 12, "index out of range"));
        (text, Record::silent(6).with_words(BootCause::Panic, &text))
    }

    #[test]
    fn what_was_said_is_heard_once_at_the_next_boot() {
        let (text, record) = panicked();
        let (boot, next) = record.begin(BootCause::Asked);
        assert_eq!(boot, Boot { cause: BootCause::Panic, boots: 7, note: text });
        assert_eq!(boot.note.as_str(), "controller.rs:12: index out of range");
        let (boot, _) = next.begin(BootCause::Watchdog);
        assert_eq!(boot, Boot { cause: BootCause::Watchdog, boots: 8, note: Text::EMPTY });
    }

    #[test]
    fn what_memory_holds_after_power_on_is_no_record() {
        for word in [0, u32::MAX, 0x5555_aaaa] {
            let (boot, _) = Record([word; RECORD_WORDS]).begin(BootCause::PowerOn);
            assert_eq!(boot, Boot { cause: BootCause::PowerOn, boots: 1, note: Text::EMPTY });
            let (boot, _) = Record([word; RECORD_WORDS]).begin(BootCause::Watchdog);
            assert_eq!(boot.cause, BootCause::Watchdog);
        }
        // Nor does a record that outlived a short power cut count.
        assert_eq!(panicked().1.begin(BootCause::BrownOut).0.note, Text::EMPTY);
    }

    #[test]
    fn a_damaged_record_reads_as_unknown_whatever_bit_it_is() {
        let (_, record) = panicked();
        for bit in 32..32 * RECORD_WORDS {
            let mut damaged = record;
            damaged.0[bit / 32] ^= 1 << (bit % 32);
            let (boot, next) = damaged.begin(BootCause::Asked);
            assert_eq!((boot.cause, boot.boots, boot.note.as_str()), (BootCause::Unknown, 1, DAMAGED), "bit {bit}");
            assert_eq!(next, Record::silent(1));
        }
    }

    #[test]
    fn the_first_words_are_the_last() {
        let (text, record) = panicked();
        let again = record.with_words(BootCause::HardFault, &Text::of(format_args!("pc 0x10000000")));
        assert_eq!(again, record);
        // Even a record that is lost can be written: a fault before the first line of main.
        let lost = Record([7; RECORD_WORDS]).with_words(BootCause::HardFault, &text);
        assert_eq!(lost.begin(BootCause::Asked).0.cause, BootCause::HardFault);
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        for before in TEXT_MAX - 3..=TEXT_MAX {
            let text = Text::of(format_args!("{}{}{}", "x".repeat(before), "φφ", "more"));
            let want = before + if before + 2 <= TEXT_MAX { 2 } else { 0 };
            assert_eq!(text.as_str().len(), want, "{before} bytes before");
            assert!(!text.as_str().contains("more"));
            let record = Record::silent(1).with_words(BootCause::Panic, &text);
            assert_eq!(format!("{:?}", record.begin(BootCause::Asked).0.note), format!("{:?}", text.as_str()));
        }
    }
}
