//! The kernel's files.

use super::{For, Stat, again, user_path};
use crate::sys::spawn::{self, ProcessorFiles, Running};
use nix::dir::Dir as Listing;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::SystemTime;

/// An open directory.
#[derive(Debug)]
pub struct Dir(OwnedFd);

/// An open file.
#[derive(Debug)]
pub struct File(OwnedFd);

impl Dir {
    /// Opens the working directory.
    pub fn start() -> Result<Dir, Errno> {
        again(|| openat(AT_FDCWD, ".", open_flags(For::Reading), Mode::empty())).map(Dir)
    }

    /// Opens a directory by a path of the user, relative to this one. Which links are followed is decided
    /// in `named.rs`; one that is not is ELOOP.
    pub fn open_dir(&self, path: &OsStr) -> Result<Dir, Errno> {
        let named = user_path::find(&self.0, path)?;
        let flags = open_flags(For::Reading) | OFlag::O_DIRECTORY | named.flags;
        again(|| openat(&named.dir, named.name.as_os_str(), flags, Mode::empty())).map(Dir)
    }

    /// Makes a directory.
    pub fn make_dir(&self, path: &OsStr, mode: u32) -> Result<(), Errno> {
        again(|| mkdirat(&self.0, path, Mode::from_bits_truncate(mode)))
    }

    /// Opens a file of this directory. A link in its place is not followed (ELOOP), and what else is no
    /// regular file is not opened (EMEDIUMTYPE, which the kernel itself never answers here).
    pub fn open(&self, name: &[u8], purpose: For) -> Result<File, Errno> {
        let flags = open_flags(purpose) | OFlag::O_NOFOLLOW;
        let file = match again(|| openat(&self.0, name, flags, mode(purpose))) {
            Ok(file) => File(file),
            // A FIFO that nobody reads, or a socket.
            Err(Errno::ENXIO) => return Err(Errno::EMEDIUMTYPE),
            Err(errno) => return Err(errno),
        };
        file.stat()?.refuse_others()?;
        Ok(file)
    }

    /// Opens a file of any kind by a path of the user, relative to this directory; links as for
    /// [`Dir::open_dir`].
    pub fn open_named(&self, path: &OsStr, purpose: For) -> Result<File, Errno> {
        let named = user_path::find(&self.0, path)?;
        let flags = open_flags(purpose) | named.flags;
        again(|| openat(&named.dir, named.name.as_os_str(), flags, mode(purpose))).map(File)
    }

    /// What a name stands for (the link itself where it is a symbolic one), or none if it is not
    /// there.
    pub fn stat(&self, name: &[u8]) -> Result<Option<Stat>, Errno> {
        match again(|| fstatat(&self.0, name, AtFlags::AT_SYMLINK_NOFOLLOW)) {
            Ok(stat) => Ok(Some(stat.into())),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Gives a file another name, replacing what has it.
    pub fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        again(|| nix::fcntl::renameat(&self.0, from, &self.0, to))
    }

    /// Gives a file one more name, which must be new.
    pub fn link(&self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        again(|| linkat(&self.0, from, &self.0, to, AtFlags::empty()))
    }

    /// Takes a name away.
    pub fn remove(&self, name: &[u8]) -> Result<(), Errno> {
        again(|| unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir))
    }

    /// Calls `visit` with every name in the directory.
    pub fn each_name(&self, visit: impl FnMut(&[u8])) -> Result<(), Errno> {
        each_name(&self.0, visit)
    }

    /// Waits until the names in the directory are on disk.
    pub fn sync(&self) -> Result<(), Errno> {
        again(|| nix::unistd::fsync(&self.0))
    }

    /// Starts a processor in this directory. The error is that of fork or exec.
    pub fn start_processor(&self, command: &OsStr, files: ProcessorFiles) -> io::Result<Running> {
        spawn::processor(self.0.as_fd(), command, files)
    }
}

/// Calls `visit` with every name in an open directory, whose own position stays where it is.
pub fn each_name(dir: impl AsFd, mut visit: impl FnMut(&[u8])) -> Result<(), Errno> {
    let flags = open_flags(For::Reading) | OFlag::O_DIRECTORY;
    let mut listing = again(|| Listing::openat(&dir, ".", flags, Mode::empty()))?;
    for entry in listing.iter() {
        visit(entry?.file_name().to_bytes());
    }
    Ok(())
}

impl File {
    /// Writes some of `bytes` where the file stands; tells how many.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        again(|| nix::unistd::write(&self.0, bytes))
    }

    /// Waits until the contents are on disk.
    pub fn sync(&self) -> Result<(), Errno> {
        again(|| nix::unistd::fsync(&self.0))
    }

    /// Sets the permissions.
    pub fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        again(|| fchmod(&self.0, Mode::from_bits_truncate(mode)))
    }

    /// When the file was made, where the file system knows it, or was written last.
    pub fn born(&self) -> Option<SystemTime> {
        let metadata = std::fs::File::from(self.0.try_clone().ok()?).metadata().ok()?;
        metadata.created().or_else(|_| metadata.modified()).ok()
    }

    /// What is known of the file.
    pub fn stat(&self) -> Result<Stat, Errno> {
        again(|| fstat(&self.0)).map(Stat::from)
    }
}

impl From<File> for OwnedFd {
    fn from(file: File) -> OwnedFd {
        file.0
    }
}

/// The mode of a file that is made.
fn mode(purpose: For) -> Mode {
    Mode::from_bits_truncate(match purpose {
        For::Reading | For::Overwriting => 0,
        For::Appending(mode) | For::Replacing(mode) | For::InPlace(mode) => mode,
    })
}

/// `O_NONBLOCK` so that a FIFO in the place of a file is an error and not a wait.
fn open_flags(purpose: For) -> OFlag {
    let purpose = match purpose {
        For::Reading => OFlag::O_RDONLY,
        For::Appending(_) => OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT,
        For::Replacing(_) => OFlag::O_WRONLY | OFlag::O_TRUNC | OFlag::O_CREAT,
        For::Overwriting => OFlag::O_WRONLY,
        For::InPlace(_) => OFlag::O_WRONLY | OFlag::O_CREAT,
    };
    purpose | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC
}
