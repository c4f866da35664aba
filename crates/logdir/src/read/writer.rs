//! Detects a directory's writer without disturbing it.
//!
//! Trying the lock would make a starting logger fail, so `lock` is never opened: the kernel's lock
//! table shows the holder. Without a holder, the mode of `current` decides.

use crate::failure::{Failure, What};
use crate::format::{CURRENT, LOCK, PREVIOUS, is_complete};
use crate::lock_table;
use crate::read::find::Location;
use crate::read::list::{Directory, Role};

/// State of a directory's writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// Running, with its process number if the kernel shows it.
    Running(Option<i32>),
    /// Exited cleanly, or never started.
    Clean,
    /// Interrupted, and no other writer has started.
    Crashed,
}

/// Detects a directory's writer.
///
/// A writer takes the lock before it unmarks `current`, and marks `current` before it releases the
/// lock, so this function reads the mode first. If a writer exits and another starts in between,
/// that looks like a crash; a crash therefore counts only when seen twice.
pub fn writer(directory: &Directory) -> Result<Writer, Failure> {
    match look(directory)? {
        Writer::Crashed => look(directory),
        seen @ (Writer::Running(_) | Writer::Clean) => Ok(seen),
    }
}

/// Writer of a found directory; `None` for a single file.
pub fn of_place(place: &Location, directory: &Directory) -> Result<Option<Writer>, Failure> {
    match place {
        Location::Directory(_) => writer(directory).map(Some),
        Location::File(_) => Ok(None),
    }
}

fn look(directory: &Directory) -> Result<Writer, Failure> {
    let current = directory.file(CURRENT, Role::Current)?;
    let lock = directory.identity(LOCK)?;
    if let Some(lock) = lock {
        let holder = lock_table::holder(lock)
            .map_err(|error| Failure::of_io(What::Read, lock_table::LOCK_TABLE, &error))?;
        if let Some(holder) = holder {
            return Ok(Writer::Running(holder.pid()));
        }
    }
    let is_finished = match current {
        Some(current) => is_complete(current.mode),
        None => directory.file(PREVIOUS, Role::Previous)?.is_none(),
    };
    Ok(if is_finished { Writer::Clean } else { Writer::Crashed })
}
