//! What a path that the user wrote stands for, down to its last part.
//!
//! A symbolic link in the last place is followed, as by 0.76, if it belongs to whoever could do as much
//! without it: root, ourselves, the owner of the directory it is in. One that somebody else has put into
//! a directory where others may write is not. Linux does the same in sticky directories only
//! (`protected_symlinks`, proc_sys_fs(5)). Directories on the way are the user's choice.

use super::{Stat, again};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, fstat, fstatat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::geteuid;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// As many links in a row as the kernel follows.
const LINK_MAX: usize = 40;

/// A name in a directory.
pub struct Named {
    /// The directory that has it.
    pub dir: OwnedFd,
    /// The name.
    pub name: OsString,
    /// What else to open it with, so that nobody can put a link there meanwhile.
    pub flags: OFlag,
}

/// Finds what `path`, relative to `start`, stands for. There need not be anything.
pub fn find(start: impl AsFd, path: &OsStr) -> Result<Named, Errno> {
    let mut dir = open_dir(start, Path::new("."))?;
    let mut path = PathBuf::from(path);
    for _ in 0..LINK_MAX {
        let Some(name) = path.file_name() else {
            // It ends in `..`, or is `/` or `.`.
            return Ok(Named { dir, name: path.into(), flags: OFlag::empty() });
        };
        if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
            dir = open_dir(&dir, parent)?;
        }
        let is_link = match again(|| fstatat(&dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)) {
            Ok(stat) if Stat::from(stat).is_link() => is_trusted(&dir, stat.st_uid)?,
            Ok(_) | Err(Errno::ENOENT) => false,
            Err(errno) => return Err(errno),
        };
        if !is_link {
            return Ok(Named { dir, name: name.to_owned(), flags: OFlag::O_NOFOLLOW });
        }
        if is_proc(&dir) {
            // As /dev/stdout is one: what its links say is no path.
            return Ok(Named { dir, name: name.to_owned(), flags: OFlag::empty() });
        }
        path = again(|| readlinkat(&dir, name))?.into();
    }
    Err(Errno::ELOOP)
}

/// Opens a directory to look up names in it, which may be more than to read it.
fn open_dir(start: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    again(|| openat(&start, path, flags, Mode::empty()))
}

/// Whether the owner of a link in `dir` is one whose links are followed.
fn is_trusted(dir: &OwnedFd, owner: u32) -> Result<bool, Errno> {
    let is_known = owner == 0 || owner == geteuid().as_raw();
    if is_known || again(|| fstat(dir))?.st_uid == owner { Ok(true) } else { Err(Errno::ELOOP) }
}

fn is_proc(dir: &OwnedFd) -> bool {
    fstatfs(dir).is_ok_and(|stat| stat.filesystem_type() == PROC_SUPER_MAGIC)
}
