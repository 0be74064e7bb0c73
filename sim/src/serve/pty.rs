//! A pseudo-terminal to serve a device on, and a name for it that stays the same from one start to the next.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags},
    pty::OpenptFlags,
    termios::OptionalActions,
};

use super::ServeError;

/// A pseudo-terminal in raw mode: master, the other end kept open, and its path.
pub(super) fn open() -> rustix::io::Result<(OwnedFd, OwnedFd, PathBuf)> {
    let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    rustix::pty::grantpt(&master)?;
    rustix::pty::unlockpt(&master)?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    let path = Path::new(&*name.to_string_lossy()).to_path_buf();
    let slave = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
    let mut termios = rustix::termios::tcgetattr(&slave)?;
    termios.make_raw();
    rustix::termios::tcsetattr(&slave, OptionalActions::Now, &termios)?;
    Ok((master, slave, path))
}

/// A symbolic link to a pty, as udev makes them in /dev/serial/by-id. Removed with this, unless it leads elsewhere by then.
pub(super) struct Link {
    path: PathBuf,
    pty: PathBuf,
}

impl Link {
    /// Makes the link. One that is there already is replaced, anything else is not.
    pub fn make(path: &Path, pty: &Path) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Link { path: path.to_owned(), source };
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_symlink() => fs::remove_file(path).map_err(failed)?,
            Ok(_) => return Err(ServeError::LinkTaken { path: path.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // Fails if somebody was quicker: nothing but a link is ever replaced.
        unix::fs::symlink(pty, path).map_err(failed)?;
        // A host may run in another folder.
        let path = std::path::absolute(path).map_err(failed)?;
        Ok(Self { path, pty: pty.to_owned() })
    }

    /// Where it is, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Another device may have taken the name over.
        if fs::read_link(&self.path).is_ok_and(|leads_to| leads_to == self.pty) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
