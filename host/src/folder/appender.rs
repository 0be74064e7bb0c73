//! A file that only grows, by whole pieces: one `write` each, and a piece that failed half way is cut off again.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::FolderError;

/// Takes what an [`Appender`] writes: a file, or a test's stand-in for one.
pub(super) trait Sink: Write + Send + 'static {
    /// Cuts to `length` bytes, where the next write goes.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Sink for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length) // opened to append: the next write goes to the end
    }
}

/// Appends pieces that must not be torn.
#[derive(Debug)]
pub(super) struct Appender<S> {
    sink: S,
    path: PathBuf,
    /// Bytes of whole pieces.
    length: u64,
    /// Part of a failed piece may stand behind them.
    torn: bool,
}

impl Appender<File> {
    /// Makes a new file; one that is there already is never touched.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Self::new(file, path, 0))
    }

    /// Makes a new file, or goes on at the end of the one that is there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(Self::new(file, path, length))
    }
}

impl<S: Sink> Appender<S> {
    /// Goes on over an open sink that holds `length` bytes.
    pub fn new(sink: S, path: &Path, length: u64) -> Self {
        Self { sink, path: path.to_owned(), length, torn: false }
    }

    /// Returns where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of whole pieces.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Writes one piece with one `write` (as long as the system takes it whole). After an error the file ends where it
    /// ended before, and the same piece may be tried again.
    pub fn append(&mut self, piece: &[u8]) -> Result<(), FolderError> {
        self.try_append(piece).map_err(|error| FolderError::write(&self.path, error))
    }

    fn try_append(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.torn {
            self.sink.cut(self.length)?;
            self.torn = false;
        }
        let written = self.sink.write_all(piece);
        match written {
            Ok(()) => self.length += piece.len() as u64,
            Err(_) => self.torn = self.sink.cut(self.length).is_err(),
        }
        written
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Arc, Mutex};

    use super::*;

    /// A file in memory on a disk of limited size, which counts its writes. Clones are the same file.
    #[derive(Clone, Debug, Default)]
    pub struct Memory(pub Arc<Mutex<Disk>>);

    #[derive(Debug)]
    pub struct Disk {
        pub bytes: Vec<u8>,
        pub writes: Vec<usize>,
        pub room: usize,
        pub cuts_fail: bool,
    }

    impl Default for Disk {
        fn default() -> Self {
            Self { bytes: Vec::new(), writes: Vec::new(), room: usize::MAX, cuts_fail: false }
        }
    }

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            let taken = bytes.len().min(disk.room - disk.bytes.len());
            if taken == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.bytes.extend_from_slice(&bytes[..taken]);
            disk.writes.push(taken);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Memory {
        fn cut(&mut self, length: u64) -> io::Result<()> {
            let mut disk = self.0.lock().unwrap();
            if disk.cuts_fail {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            disk.bytes.truncate(length as usize);
            Ok(())
        }
    }

    #[test]
    fn a_torn_piece_is_cut_off_at_once_or_before_the_next_one() {
        for cuts_fail in [false, true] {
            let disk = Memory::default();
            let mut file = Appender::new(disk.clone(), Path::new("runs/x/log"), 0);
            file.append(b"whole").unwrap();
            (disk.0.lock().unwrap().room, disk.0.lock().unwrap().cuts_fail) = (8, cuts_fail);
            let error = file.append(b"too long").unwrap_err();
            assert!(error.to_string().contains("`runs/x/log`"), "{error}");
            assert!(error.advice().next.contains("free space"), "{error:?}");
            assert_eq!(disk.0.lock().unwrap().bytes, if cuts_fail { &b"wholetoo"[..] } else { b"whole" });

            (disk.0.lock().unwrap().room, disk.0.lock().unwrap().cuts_fail) = (99, false);
            file.append(b", again").unwrap();
            assert_eq!(disk.0.lock().unwrap().bytes, b"whole, again");
            assert_eq!(file.length(), 12);
        }
    }
}
