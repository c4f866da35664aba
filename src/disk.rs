//! The calls that touch files, one system call each, relative to a directory that is held open.
//!
//! Everything that writes a log directory or a status file goes through here and nowhere else.
//! Nothing is decided or worded here; a call that a signal interrupts is made again.

use nix::dir::Dir as Listing;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// To be read from its beginning.
    Reading,
    /// To be written at its end; made with this mode if it is not there.
    Appending(u32),
    /// To be written anew; made with this mode if it is not there.
    Replacing(u32),
    /// To be written in place; it must be there.
    Overwriting,
}

/// An open directory.
#[derive(Debug)]
pub struct Dir(OwnedFd);

/// An open file.
#[derive(Debug)]
pub struct File(OwnedFd);

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Type and permissions.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Number of names.
    pub links: u64,
    /// Device and inode number.
    pub identity: (u64, u64),
}

impl From<FileStat> for Stat {
    fn from(stat: FileStat) -> Stat {
        Stat {
            mode: stat.st_mode,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            #[allow(
                clippy::useless_conversion,
                reason = "the width differs between architectures"
            )]
            links: stat.st_nlink.into(),
            identity: (stat.st_dev, stat.st_ino),
        }
    }
}

impl Dir {
    /// Opens the working directory.
    pub fn start() -> Result<Dir, Errno> {
        again(|| openat(AT_FDCWD, ".", open_flags(For::Reading), Mode::empty())).map(Dir)
    }

    /// Opens a directory by a path relative to this one.
    pub fn open_dir(&self, path: &OsStr) -> Result<Dir, Errno> {
        let flags = open_flags(For::Reading) | OFlag::O_DIRECTORY;
        again(|| openat(&self.0, path, flags, Mode::empty())).map(Dir)
    }

    /// Makes a directory.
    pub fn make_dir(&self, path: &OsStr, mode: u32) -> Result<(), Errno> {
        again(|| mkdirat(&self.0, path, Mode::from_bits_truncate(mode)))
    }

    /// Opens a file.
    pub fn open(&self, name: &[u8], purpose: For) -> Result<File, Errno> {
        let mode = match purpose {
            For::Reading | For::Overwriting => 0,
            For::Appending(mode) | For::Replacing(mode) => mode,
        };
        let mode = Mode::from_bits_truncate(mode);
        again(|| openat(&self.0, name, open_flags(purpose), mode)).map(File)
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
    pub fn each_name(&self, mut visit: impl FnMut(&[u8])) -> Result<(), Errno> {
        let flags = open_flags(For::Reading) | OFlag::O_DIRECTORY;
        let mut listing = again(|| Listing::openat(&self.0, ".", flags, Mode::empty()))?;
        for entry in listing.iter() {
            visit(entry?.file_name().to_bytes());
        }
        Ok(())
    }

    /// Waits until the names in the directory are on disk.
    pub fn sync(&self) -> Result<(), Errno> {
        again(|| nix::unistd::fsync(&self.0))
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl File {
    /// Writes some of `bytes` where the file stands; tells how many.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        again(|| nix::unistd::write(&self.0, bytes))
    }

    /// Writes some of `bytes` at the beginning of the file; tells how many.
    pub fn write_at_start(&self, bytes: &[u8]) -> Result<usize, Errno> {
        again(|| nix::sys::uio::pwrite(&self.0, bytes, 0))
    }

    /// Waits until the contents are on disk.
    pub fn sync(&self) -> Result<(), Errno> {
        again(|| nix::unistd::fsync(&self.0))
    }

    /// Sets the permissions.
    pub fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        again(|| fchmod(&self.0, Mode::from_bits_truncate(mode)))
    }

    /// What is known of the file.
    pub fn stat(&self) -> Result<Stat, Errno> {
        again(|| fstat(&self.0)).map(Stat::from)
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<File> for OwnedFd {
    fn from(file: File) -> OwnedFd {
        file.0
    }
}

/// `O_NONBLOCK` so that a FIFO in the place of a file is an error and not a wait.
fn open_flags(purpose: For) -> OFlag {
    let purpose = match purpose {
        For::Reading => OFlag::O_RDONLY,
        For::Appending(_) => OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT,
        For::Replacing(_) => OFlag::O_WRONLY | OFlag::O_TRUNC | OFlag::O_CREAT,
        For::Overwriting => OFlag::O_WRONLY,
    };
    purpose | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC
}

fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            answer => return answer,
        }
    }
}
