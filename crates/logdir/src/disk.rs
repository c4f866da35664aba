//! The calls that touch files, one system call each, relative to a directory that is held open.
//!
//! Everything that writes a log directory or a status file goes through [`Dir`] and [`File`] and nothing
//! else does. Nothing is decided or worded here; a call that a signal interrupts is made again. In unit
//! tests both may also stand on a model disk that fails, stops or loses its power on demand.

#[cfg(test)]
mod either;
mod kernel;
#[cfg(test)]
#[path = "../faults/model.rs"]
pub mod model;
mod user_path;

#[cfg(not(test))]
pub use crate::sys::spawn::Running as Processor;
#[cfg(test)]
pub use either::{Dir, File, Processor};
pub use kernel::each_name;
#[cfg(not(test))]
pub use kernel::{Dir, File};
pub use user_path::split;

use nix::errno::Errno;
use nix::sys::stat::FileStat;

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
    /// To be written in place; made with this mode if it is not there.
    InPlace(u32),
}

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

impl Stat {
    /// Whether this is a directory.
    pub fn is_dir(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }

    /// Whether this is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFLNK
    }

    /// An error for everything but a regular file: EISDIR, ELOOP, EMEDIUMTYPE.
    pub fn refuse_others(&self) -> Result<(), Errno> {
        match self.mode & libc::S_IFMT {
            libc::S_IFREG => Ok(()),
            libc::S_IFDIR => Err(Errno::EISDIR),
            libc::S_IFLNK => Err(Errno::ELOOP),
            _ => Err(Errno::EMEDIUMTYPE),
        }
    }
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

fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            answer => return answer,
        }
    }
}
