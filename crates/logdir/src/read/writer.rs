//! Detects a directory's writer without disturbing it.
//!
//! Trying the lock would make a starting logger fail, so the kernel's lock table shows the holder.
//! Without a holder, the mode of `current` decides. If it looks like a crash and the table may be
//! incomplete, because this process is in a PID namespace or `/proc` is not mounted, `lock` is opened
//! and the lock is tested without being taken.

use crate::failure::{Failure, errno_of, reason};
use crate::format::{CURRENT, LOCK, PREVIOUS, is_complete};
use crate::lock_table::{self, FIRST_NAMESPACE};
use crate::read::find::Location;
use crate::read::list::{Directory, Role};
use nix::errno::Errno;
use std::os::unix::ffi::OsStrExt;

/// State of a directory's writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// Running, with its process number if the kernel shows it.
    Running(Option<i32>),
    /// Exited cleanly, or never started.
    Clean,
    /// Interrupted, and no other writer has started.
    Crashed,
    /// Running or interrupted: the lock table cannot be read, for this reason.
    Unknown(Errno),
}

/// Detects a directory's writer.
///
/// A writer takes the lock before it unmarks `current`, and marks `current` before it releases the
/// lock, so this function reads the mode first. If a writer exits and another starts in between,
/// that looks like a crash; a crash therefore counts only when seen twice.
pub fn writer(directory: &Directory) -> Result<Writer, Failure> {
    match look(directory)? {
        Writer::Crashed => look(directory),
        seen @ (Writer::Running(_) | Writer::Clean | Writer::Unknown(_)) => Ok(seen),
    }
}

/// Writer of a found directory; `None` for a single file.
pub fn of_place(place: &Location, directory: &Directory) -> Result<Option<Writer>, Failure> {
    match place {
        Location::Directory(_) => writer(directory).map(Some),
        Location::File(_) => Ok(None),
    }
}

/// Explains why a writer is unknown; `None` for every other state.
pub fn unseen(directory: &Directory, writer: Option<Writer>) -> Option<Failure> {
    let Some(Writer::Unknown(errno)) = writer else { return None };
    let why = match errno {
        Errno::ENOENT => "/proc is not mounted".to_owned(),
        errno => format!("unable to read {}: {}", lock_table::LOCK_TABLE, reason(&errno.into())),
    };
    Some(Failure::writer_unseen(directory.path().as_os_str().as_bytes(), why))
}

fn look(directory: &Directory) -> Result<Writer, Failure> {
    let current = directory.file(CURRENT, Role::Current)?;
    let table = directory.identity(LOCK)?.map_or(Ok(None), lock_table::holder);
    if let Ok(Some(holder)) = table {
        return Ok(Writer::Running(holder.pid()));
    }
    let is_finished = match current {
        Some(current) => is_complete(current.mode),
        None => directory.file(PREVIOUS, Role::Previous)?.is_none(),
    };
    match table {
        _ if is_finished => Ok(Writer::Clean),
        Ok(_) if lock_table::own_namespace() == Some(FIRST_NAMESPACE) => Ok(Writer::Crashed),
        _ if has_record_lock(directory) => Ok(Writer::Running(None)),
        Ok(_) => Ok(Writer::Crashed),
        // Without the table a writer that takes only flock(2) cannot be seen.
        Err(error) => Ok(Writer::Unknown(errno_of(&error))),
    }
}

/// Tests the lock without taking it. False if this user may not open it.
fn has_record_lock(directory: &Directory) -> bool {
    directory.open_file(LOCK).is_ok_and(|lock| lock_table::has_record_lock(lock) == Ok(true))
}
