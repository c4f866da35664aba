//! Resolves a user's path up to its last component.
//!
//! A symbolic link as last component is followed, as by 0.76, if its owner has equal power anyway:
//! root, our own user, or the owner of the link's directory. Links created by others in a directory
//! writable for them are refused. Linux refuses these only in sticky directories
//! (`protected_symlinks`, proc_sys_fs(5)). Earlier components are the user's choice.

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

/// Longest chain of links, equal to the kernel's limit.
const LINK_MAX: usize = 40;

/// Resolved path: open directory plus name.
pub struct Named {
    /// Parent directory.
    pub dir: OwnedFd,
    /// Name in `dir`.
    pub name: OsString,
    /// Extra open flags, to refuse a link placed there in the meantime.
    pub flags: OFlag,
}

/// Resolves `path` relative to `start`. The file may be missing.
pub fn find(start: impl AsFd, path: &OsStr) -> Result<Named, Errno> {
    let mut dir = open_dir(start, OsStr::new("."))?;
    let mut path = path.to_owned();
    for _ in 0..LINK_MAX {
        let Some((parent, name)) = split(&path) else {
            // Path `/` or `.`, or trailing `..`.
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
            // Links such as /dev/stdout contain no real path.
            return Ok(Named { dir, name: name.to_owned(), flags: OFlag::empty() });
        }
        path = again(|| readlinkat(&dir, name))?;
    }
    Err(Errno::ELOOP)
}

/// Last component of a path, and the possibly empty text before it. `None` for paths that end in
/// `..`, and for `/` and `.`.
///
/// Replaces `Path::parent` and `Path::file_name`, located far from all other code in the
/// executable: calling them costs a logger 150 KiB more memory, because the kernel maps
/// neighbouring pages along.
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

/// Start of trailing slashes. `None` for slashes only.
fn end_of_name(path: &[u8]) -> Option<usize> {
    path.iter().rposition(|&byte| byte != b'/').map(|last| last + 1)
}

/// Opens a directory for lookups only, which needs less permission than reading.
fn open_dir(start: impl AsFd, path: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    again(|| openat(&start, path, flags, Mode::empty()))
}

/// True if `dir` allows links with this owner.
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
