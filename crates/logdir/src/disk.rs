//! File system calls, one each, relative to an open directory.
//!
//! All writes to log directories and status files go through [`Dir`] and [`File`]. These types
//! decide and report nothing; they retry calls interrupted by signals. In unit tests both may use a
//! model disk that fails, stops or loses power on demand.

#[cfg(test)]
mod either;
mod kernel;
#[cfg(test)]
#[path = "../faults/model.rs"]
pub mod model;
mod user_path;

pub use crate::sys::again;
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

/// Purpose of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Read from its start.
    Reading,
    /// Append; created with this mode if missing.
    Appending(u32),
    /// As `Appending`, and readable with [`File::read_at`] where the user may read the file.
    AppendingAndReading(u32),
    /// Truncate and write; created with this mode if missing.
    Replacing(u32),
    /// Overwrite an existing file in place.
    Overwriting,
    /// Overwrite in place; created with this mode if missing.
    InPlace(u32),
}

/// Metadata of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// File type and permissions.
    pub mode: u32,
    /// Size in bytes.
    pub size: u64,
    /// Number of links.
    pub links: u64,
    /// Device and inode number.
    pub identity: (u64, u64),
}

impl Stat {
    /// True for directories.
    pub fn is_dir(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }

    /// True for symbolic links.
    pub fn is_link(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFLNK
    }

    /// Rejects everything except regular files: EISDIR, ELOOP, EMEDIUMTYPE.
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
