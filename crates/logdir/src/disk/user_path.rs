//! What a path that the user wrote stands for, down to its last part.
//!
//! A symbolic link in the last place is followed, as by 0.76, if it belongs to whoever could do as much
//! without it: root, ourselves, the owner of the directory it is in. One that somebody else has put into
//! a directory where others may write is not. Linux does the same in sticky directories only
//! (`protected_symlinks`, proc_sys_fs(5)). Directories on the way are the user's choice.

use super::{Stat, again};
use memchr::memrchr;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, fstat, fstatat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::geteuid;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

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
    let mut dir = open_dir(start, OsStr::new("."))?;
    let mut path = path.to_owned();
    for _ in 0..LINK_MAX {
        let Some((parent, name)) = split(&path) else {
            // It ends in `..`, or is `/` or `.`.
            return Ok(Named { dir, name: path, flags: OFlag::empty() });
        };
        if !parent.is_empty() {
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
        path = again(|| readlinkat(&dir, name))?;
    }
    Err(Errno::ELOOP)
}

/// The last name in a path, and what stands before it, which may be empty. None where the path ends in `..`,
/// or is `/` or `.`.
///
/// As `Path::parent` and `Path::file_name`, which stand far from everything else in the program: to use them
/// takes a logger 150 KiB more, since a page of a program comes with its neighbours.
pub fn split(path: &OsStr) -> Option<(&OsStr, &OsStr)> {
    let mut rest = path.as_bytes();
    loop {
        rest = &rest[..end_of_name(rest)?];
        let start = memrchr(b'/', rest).map_or(0, |slash| slash + 1);
        let (parent, name) = rest.split_at(start);
        let parent = &parent[..end_of_name(parent).unwrap_or(parent.len())];
        match name {
            b"." => rest = parent,
            b".." => return None,
            _ => return Some((OsStr::from_bytes(parent), OsStr::from_bytes(name))),
        }
    }
}

/// Where the slashes at the end of a path begin. None where there is nothing else.
fn end_of_name(path: &[u8]) -> Option<usize> {
    path.iter().rposition(|&byte| byte != b'/').map(|last| last + 1)
}

/// Opens a directory to look up names in it, which may be more than to read it.
fn open_dir(start: impl AsFd, path: &OsStr) -> Result<OwnedFd, Errno> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use std::path::Path;

    proptest! {
        #[test]
        fn a_path_has_the_parts_that_the_standard_library_sees(
            path in vec(select(b"./ab".to_vec()), 0..9),
        ) {
            let path = OsStr::from_bytes(&path);
            let parts = split(path).map(|(parent, name)| (Path::new(parent), name));
            let path = Path::new(path);
            prop_assert_eq!(parts, path.parent().zip(path.file_name()));
        }
    }
}
