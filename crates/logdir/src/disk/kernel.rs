//! Kernel files.

use super::{For, Stat, again, user_path};
use crate::sys::spawn::{self, Running};
use nix::dir::Dir as Listing;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::SystemTime;

/// Open directory.
#[derive(Debug)]
pub struct Dir(OwnedFd);

/// Open file.
#[derive(Debug)]
pub struct File(OwnedFd);

impl Dir {
    /// Opens the working directory.
    pub fn start() -> Result<Dir, Errno> {
        again(|| openat(AT_FDCWD, ".", open_flags(For::Reading), Mode::empty())).map(Dir)
    }

    /// Opens a directory by a user's path, relative to this directory. `user_path.rs` decides which
    /// links to follow; other links fail with ELOOP.
    pub fn open_dir(&self, path: &OsStr) -> Result<Dir, Errno> {
        let named = user_path::find(&self.0, path)?;
        let flags = open_flags(For::Reading) | OFlag::O_DIRECTORY | named.flags;
        again(|| openat(&named.dir, named.name.as_os_str(), flags, Mode::empty())).map(Dir)
    }

    /// Creates a directory.
    pub fn make_dir(&self, path: &OsStr, mode: u32) -> Result<(), Errno> {
        again(|| mkdirat(&self.0, path, Mode::from_bits_truncate(mode)))
    }

    /// Opens a file of this directory. Fails with ELOOP on a symbolic link, and with EMEDIUMTYPE
    /// (never returned by the kernel here) on other non-regular files.
    pub fn open(&self, name: &[u8], purpose: For) -> Result<File, Errno> {
        let flags = open_flags(purpose) | OFlag::O_NOFOLLOW;
        let file = match again(|| openat(&self.0, name, flags, mode(purpose))) {
            Ok(file) => File(file),
            Err(Errno::EACCES) if let For::AppendingAndReading(mode) = purpose => {
                return self.open(name, For::Appending(mode));
            }
            // FIFO without reader, or socket.
            Err(Errno::ENXIO) => return Err(Errno::EMEDIUMTYPE),
            Err(errno) => return Err(errno),
        };
        file.stat()?.refuse_others()?;
        Ok(file)
    }

    /// Opens any kind of file by a user's path, relative to this directory; links as in
    /// [`Dir::open_dir`].
    pub fn open_named(&self, path: &OsStr, purpose: For) -> Result<File, Errno> {
        let named = user_path::find(&self.0, path)?;
        let flags = open_flags(purpose) | named.flags;
        again(|| openat(&named.dir, named.name.as_os_str(), flags, mode(purpose))).map(File)
    }

    /// Metadata of a name, without following a symbolic link; `None` if missing.
    pub fn stat(&self, name: &[u8]) -> Result<Option<Stat>, Errno> {
        match again(|| fstatat(&self.0, name, AtFlags::AT_SYMLINK_NOFOLLOW)) {
            Ok(stat) => Ok(Some(stat.into())),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Sets permissions of a file that is no symbolic link.
    pub fn set_mode(&self, name: &[u8], mode: u32) -> Result<(), Errno> {
        let mode = Mode::from_bits_truncate(mode);
        again(|| fchmodat(&self.0, name, mode, FchmodatFlags::FollowSymlink))
    }

    /// Renames a file, replacing the target.
    pub fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        again(|| nix::fcntl::renameat(&self.0, from, &self.0, to))
    }

    /// Links a file to a new name; fails if the name exists.
    pub fn link(&self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        again(|| linkat(&self.0, from, &self.0, to, AtFlags::empty()))
    }

    /// Removes a name.
    pub fn remove(&self, name: &[u8]) -> Result<(), Errno> {
        again(|| unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir))
    }

    /// Calls `visit` with every directory entry's name.
    pub fn each_name(&self, visit: impl FnMut(&[u8])) -> Result<(), Errno> {
        each_name(&self.0, visit)
    }

    /// Fsyncs the directory's entries.
    pub fn sync(&self) -> Result<(), Errno> {
        again(|| nix::unistd::fsync(&self.0))
    }

    /// Starts a processor in this directory on the file `input`. Errors: opening its files, fork or exec.
    pub fn start_processor(&self, command: &OsStr, input: &[u8]) -> io::Result<Running> {
        spawn::processor(self.0.as_fd(), command, input)
    }
}

/// Calls `visit` with every name in an open directory, preserving its read position.
pub fn each_name(dir: impl AsFd, mut visit: impl FnMut(&[u8])) -> Result<(), Errno> {
    let flags = open_flags(For::Reading) | OFlag::O_DIRECTORY;
    let mut listing = again(|| Listing::openat(&dir, ".", flags, Mode::empty()))?;
    for entry in listing.iter() {
        visit(entry?.file_name().to_bytes());
    }
    Ok(())
}

impl File {
    /// Writes at the file position; returns bytes written, possibly fewer.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        again(|| nix::unistd::write(&self.0, bytes))
    }

    /// Reads at a position; 0 bytes at the end. EBADF: the file is not open for reading.
    pub fn read_at(&self, bytes: &mut [u8], pos: u64) -> Result<usize, Errno> {
        let pos = i64::try_from(pos).map_err(|_| Errno::EOVERFLOW)?;
        again(|| nix::sys::uio::pread(&self.0, bytes, pos))
    }

    /// Fsyncs the contents.
    pub fn sync(&self) -> Result<(), Errno> {
        again(|| nix::unistd::fsync(&self.0))
    }

    /// Sets permissions.
    pub fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        again(|| fchmod(&self.0, Mode::from_bits_truncate(mode)))
    }

    /// Creation time if the file system records it, else modification time.
    pub fn born(&self) -> Option<SystemTime> {
        let metadata = std::fs::File::from(self.0.try_clone().ok()?).metadata().ok()?;
        metadata.created().or_else(|_| metadata.modified()).ok()
    }

    /// Metadata.
    pub fn stat(&self) -> Result<Stat, Errno> {
        again(|| fstat(&self.0)).map(Stat::from)
    }
}

impl From<File> for OwnedFd {
    fn from(file: File) -> OwnedFd {
        file.0
    }
}

fn mode(purpose: For) -> Mode {
    Mode::from_bits_truncate(match purpose {
        For::Reading | For::Overwriting => 0,
        For::Appending(mode)
        | For::AppendingAndReading(mode)
        | For::Replacing(mode)
        | For::InPlace(mode) => mode,
    })
}

/// `O_NONBLOCK` turns a FIFO at this path into an error instead of a wait.
fn open_flags(purpose: For) -> OFlag {
    let purpose = match purpose {
        For::Reading => OFlag::O_RDONLY,
        For::Appending(_) => OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT,
        For::AppendingAndReading(_) => OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT,
        For::Replacing(_) => OFlag::O_WRONLY | OFlag::O_TRUNC | OFlag::O_CREAT,
        For::Overwriting => OFlag::O_WRONLY,
        For::InPlace(_) => OFlag::O_WRONLY | OFlag::O_CREAT,
    };
    purpose | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC
}
