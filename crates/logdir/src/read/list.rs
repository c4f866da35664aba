//! Lists the log files of a directory in writing order.
//!
//! Listing uses names and metadata only and opens no file. It ignores `lock` entirely: a reader
//! that tries the lock can make a starting logger fail.

use crate::disk;
use crate::failure::{Failure, What};
use crate::format::{self, CURRENT, Code, PREVIOUS, PROCESSED};
use crate::label::{LABEL_LEN, Label};
use crate::lock_table::Identity;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, stat};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Attempts until two consecutive listings agree. No real writer renames a file between every two
/// of these; if one did, the last listing counts.
const TRIES_MAX: usize = 1000;

/// Seconds after its last write until a `processed` counts as left over by a dead writer. A live
/// writer renames `processed` immediately after it removes `previous`.
const NAMING_SECS_MAX: i64 = 60;

/// Open log directory.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    fd: OwnedFd,
    /// Device and inode.
    id: (u64, u64),
}

/// Role of a file in its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Finished file, named by its finishing time.
    Archive(Label, Code),
    /// `previous`, being finished.
    Previous,
    /// `current`.
    Current,
    /// Single file, named on its own, outside any log directory.
    Alone,
}

/// File as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Name in the directory.
    pub name: Vec<u8>,
    /// Role.
    pub role: Role,
    /// Inode, which the kernel may reuse after removal.
    pub inode: u64,
    /// Size in bytes.
    pub len: u64,
    /// Permission bits.
    pub mode: u32,
    /// Modification time: seconds since 1970, nanoseconds.
    pub modified: (i64, u32),
}

impl LogFile {
    fn new(name: &[u8], role: Role, stat: &FileStat) -> LogFile {
        LogFile {
            name: name.to_vec(),
            role,
            inode: stat.st_ino,
            len: u64::try_from(stat.st_size).unwrap_or(0),
            mode: stat.st_mode & 0o7777,
            modified: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        }
    }

    /// Label of an archive.
    pub fn label(&self) -> Option<Label> {
        match self.role {
            Role::Archive(label, _) => Some(label),
            Role::Previous | Role::Current | Role::Alone => None,
        }
    }

    /// True if the writer finished this file cleanly, so an unfinished line continues in the next
    /// file.
    pub fn is_whole(&self) -> bool {
        match self.role {
            Role::Archive(_, Code::Safe) | Role::Previous => true,
            Role::Archive(_, Code::Unfinished) | Role::Current | Role::Alone => false,
        }
    }
}

impl Directory {
    /// Opens a directory by path.
    pub fn open(path: &Path) -> Result<Directory, Failure> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = openat(AT_FDCWD, path, flags, Mode::empty())
            .map_err(|errno| Failure::new(What::OpenDirectory, path_bytes(path), errno))?;
        let stat = fstat(&fd).map_err(|errno| Failure::new(What::Stat, path_bytes(path), errno))?;
        Ok(Directory { path: path.to_owned(), fd, id: (stat.st_dev, stat.st_ino) })
    }

    /// True if the path now leads to another directory. A missing path does not count as a
    /// replacement.
    pub fn is_replaced(&self) -> bool {
        before_look();
        stat(&self.path).is_ok_and(|stat| {
            (stat.st_dev, stat.st_ino) != self.id && is_kind(&stat, SFlag::S_IFDIR)
        })
    }

    /// True if its path still leads here.
    pub fn is_there(&self) -> bool {
        before_look();
        stat(&self.path).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.id)
    }

    /// True if the directory was removed.
    pub fn is_removed(&self) -> bool {
        before_look();
        fstat(&self.fd).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Path used to open it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file for reading. A named pipe does not block the call.
    pub fn open_file(&self, name: &[u8]) -> Result<File, Failure> {
        before_look();
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        openat(&self.fd, OsStr::from_bytes(name), flags, Mode::empty())
            .map(File::from)
            .map_err(|errno| self.failure(What::Read, name, errno))
    }

    /// Opens a listed file. `None` if its name is missing or now belongs to another file.
    pub fn open_listed(&self, file: &LogFile) -> Result<Option<File>, Failure> {
        let handle = match self.open_file(&file.name) {
            Ok(handle) => handle,
            Err(failure) if failure.errno() == Some(Errno::ENOENT) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let stat = fstat(&handle).map_err(|errno| self.failure(What::Stat, &file.name, errno))?;
        Ok((stat.st_ino == file.inode).then_some(handle))
    }

    /// Metadata of this name, if it is a regular file.
    pub fn file(&self, name: &[u8], role: Role) -> Result<Option<LogFile>, Failure> {
        before_look();
        match fstatat(&self.fd, OsStr::from_bytes(name), AtFlags::empty()) {
            Ok(stat) if is_regular(&stat) => Ok(Some(LogFile::new(name, role, &stat))),
            Ok(_) | Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.failure(What::Stat, name, errno)),
        }
    }

    /// Metadata of this name, whatever its type, without following links.
    pub fn stat(&self, name: &[u8]) -> Result<Option<FileStat>, Failure> {
        match fstatat(&self.fd, OsStr::from_bytes(name), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.failure(What::Stat, name, errno)),
        }
    }

    /// Device and inode of this name, without opening it.
    pub fn identity(&self, name: &[u8]) -> Result<Option<Identity>, Failure> {
        match fstatat(&self.fd, OsStr::from_bytes(name), AtFlags::empty()) {
            Ok(stat) => Ok(Some(Identity::of(stat.st_dev, stat.st_ino))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.failure(What::Stat, name, errno)),
        }
    }

    /// Failure at a file of this directory.
    pub fn failure(&self, what: What, name: &[u8], errno: Errno) -> Failure {
        Failure::new(what, self.name_of(name), errno)
    }

    /// Directory name for messages.
    pub fn name(&self) -> Vec<u8> {
        path_bytes(&self.path)
    }

    /// File name for messages.
    pub fn name_of(&self, name: &[u8]) -> Vec<u8> {
        path_bytes(&self.path.join(OsStr::from_bytes(name)))
    }

    /// Lists log files in writing order. A rotation in progress may give a file two names; the list
    /// holds it once.
    pub fn list(&self) -> Result<Vec<Arc<LogFile>>, Failure> {
        let mut files = self.list_once()?;
        for _ in 0..TRIES_MAX {
            let again = self.list_once()?;
            if same_files(&files, &again) {
                return Ok(again.into_iter().map(Arc::new).collect());
            }
            files = again;
        }
        Ok(files.into_iter().map(Arc::new).collect())
    }

    /// Lists log files like [`Directory::list`]. `None` while a processor's output is still named
    /// `processed`: that file replaces `previous` and would be missing.
    ///
    /// The check runs between two equal listings, since the final rename may precede the check.
    pub fn list_settled(&self) -> Result<Option<Vec<Arc<LogFile>>>, Failure> {
        let mut files = self.list_once()?;
        for _ in 0..TRIES_MAX {
            let has_previous = files.iter().any(|file| file.role == Role::Previous);
            let is_settled = has_previous || !self.has_new_processed()?;
            let again = self.list_once()?;
            if same_files(&files, &again) {
                return Ok(is_settled.then(|| again.into_iter().map(Arc::new).collect()));
            }
            files = again;
        }
        Ok(None)
    }

    /// True if `processed` exists and is not left over.
    fn has_new_processed(&self) -> Result<bool, Failure> {
        let processed = self.file(PROCESSED, Role::Previous)?;
        let now = crate::clock::now().to_unix().0;
        Ok(processed.is_some_and(|file| (now - file.modified.0).abs() < NAMING_SECS_MAX))
    }

    /// Calls `visit` for each directory entry.
    pub fn each_name(&self, visit: impl FnMut(&[u8])) -> Result<(), Failure> {
        before_look();
        let failure = |errno| Failure::new(What::Read, path_bytes(&self.path), errno);
        disk::each_name(&self.fd, visit).map_err(failure)
    }

    /// Reads names in the order a file receives them: `current`, `previous`, archive. A file
    /// renamed meanwhile may appear twice but is never missed.
    fn list_once(&self) -> Result<Vec<LogFile>, Failure> {
        let current = self.file(CURRENT, Role::Current)?;
        let previous = self.file(PREVIOUS, Role::Previous)?;
        let mut names = Vec::new();
        self.each_name(|name| {
            if let Some((label, code)) = format::parse_any_archive_name(name) {
                names.push((name.to_vec(), Role::Archive(label, code)));
            }
        })?;
        names.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        // During compression, the copy is incomplete.
        names.dedup_by(|copy, original| is_copy(&copy.0, &original.0));
        let mut files = Vec::with_capacity(names.len() + 2);
        let mut inodes = HashSet::with_capacity(names.len() + 2);
        for (name, role) in names {
            let file = self.file(&name, role)?;
            files.extend(file.filter(|file| inodes.insert(file.inode)));
        }
        let is_processed = previous.is_some() && self.is_processed(&files)?;
        let previous = previous.filter(|_| !is_processed);
        let unfinished = previous.into_iter().chain(current);
        files.extend(unfinished.filter(|file| inodes.insert(file.inode)));
        Ok(files)
    }

    /// True if the archives already include the processor's output for `previous`.
    fn is_processed(&self, archives: &[LogFile]) -> Result<bool, Failure> {
        let processed = self.file(PROCESSED, Role::Previous)?;
        Ok(processed.is_some_and(|copy| archives.iter().any(|known| known.inode == copy.inode)))
    }
}

/// Hook for tests that change the directory here.
#[cfg(test)]
use crate::interleavings::before_look;
#[cfg(not(test))]
fn before_look() {}

/// True if no file was renamed between two listings; `current` may have grown.
fn same_files(one: &[LogFile], other: &[LogFile]) -> bool {
    let identity = |file: &LogFile| (file.role, file.inode);
    one.iter().map(identity).eq(other.iter().map(identity))
}

/// True for a compressed copy's name: `@label.s.gz` of `@label.s`.
fn is_copy(name: &[u8], original: &[u8]) -> bool {
    original.len() == LABEL_LEN + 2
        && name.strip_prefix(original).is_some_and(|more| more[0] == b'.')
}

fn is_regular(stat: &FileStat) -> bool {
    is_kind(stat, SFlag::S_IFREG)
}

fn is_kind(stat: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == kind
}

fn path_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}
