//! Opens a log directory, and creates it if it is missing.
//!
//! A missing parent is created only on request: it may be a file system that is not mounted yet, and
//! then the log would fill the disk below the mount point.

use crate::disk::{self, Dir};
use crate::event::{Event, Reporter};
use crate::failure::{Failure, What};
use crate::format::{MODE_DIRECTORY, MODE_PARENT};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::iter::successors;
use std::os::unix::ffi::OsStrExt;

/// An open directory.
pub struct Opened {
    pub dir: Dir,
    /// The directory is new, and its own name is on disk.
    pub is_parent_synced: bool,
}

/// Opens a directory; creates it if missing, with its parents if `makes_parents`.
pub fn open_or_make(
    start: &Dir,
    path: &OsStr,
    makes_parents: bool,
    reporter: &Reporter,
) -> Result<Opened, Failure> {
    let mut made = start.make_dir(path, MODE_DIRECTORY);
    if made == Err(Errno::ENOENT) && makes_parents {
        make_parents(start, path, reporter)?;
        made = start.make_dir(path, MODE_DIRECTORY);
    }
    let is_parent_synced = made.is_ok() && sync_parent(start, path, reporter);
    match start.open_dir(path) {
        Ok(dir) => Ok(Opened { dir, is_parent_synced }),
        Err(Errno::ENOENT) => Err(reason_missing(start, path, made)),
        Err(errno) => Err(Failure::new(What::OpenDirectory, path.as_bytes(), errno)),
    }
}

/// Creates the missing parents, the upper ones first.
fn make_parents(start: &Dir, path: &OsStr, reporter: &Reporter) -> Result<(), Failure> {
    for parent in missing_parents(start, path).into_iter().rev() {
        match start.make_dir(parent, MODE_PARENT) {
            Ok(()) => {
                sync_parent(start, parent, reporter);
            }
            // Another logger has created it in the meantime.
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(Failure::new(What::Create, parent.as_bytes(), errno)),
        }
    }
    Ok(())
}

/// Finds out why a directory is still missing after `made`, the attempt to create it.
fn reason_missing(start: &Dir, path: &OsStr, made: Result<(), Errno>) -> Failure {
    let name = path.as_bytes();
    match (missing_parents(start, path).last(), made) {
        (Some(upper), _) => Failure::parent_missing(name, upper.as_bytes()),
        // Links to missing directories exist, and cannot be created.
        (None, Ok(()) | Err(Errno::EEXIST)) => {
            Failure::new(What::OpenDirectory, name, Errno::ENOENT)
        }
        (None, Err(errno)) => Failure::new(What::Create, name, errno),
    }
}

/// Missing parents, the upper ones last.
fn missing_parents<'a>(start: &Dir, path: &'a OsStr) -> Vec<&'a OsStr> {
    let parents = successors(parent(path), |path| parent(path));
    parents.take_while(|path| matches!(start.open_dir(path), Err(Errno::ENOENT))).collect()
}

/// The path without its last name; `None` if nothing is left.
fn parent(path: &OsStr) -> Option<&OsStr> {
    let (parent, _) = disk::split(path)?;
    let mut rest = parent.as_bytes();
    while let Some(shorter) = rest.strip_suffix(b"/.").or(rest.strip_suffix(b"/")) {
        rest = shorter;
    }
    // Only slashes are the root.
    let parent = if rest.is_empty() { parent } else { OsStr::from_bytes(rest) };
    (!parent.is_empty()).then_some(parent)
}

/// Syncs the parent: only then a new directory is on disk. After a failure, which is reported, the
/// new directory is as durable as with 0.76.
fn sync_parent(start: &Dir, path: &OsStr, reporter: &Reporter) -> bool {
    let parent = parent(path).unwrap_or(OsStr::new("."));
    match start.open_dir(parent).and_then(|parent| parent.sync()) {
        Ok(()) => true,
        Err(errno) => {
            reporter.report(&Event::Failed(Failure::new(What::Sync, parent.as_bytes(), errno)));
            false
        }
    }
}
