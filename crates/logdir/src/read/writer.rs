//! Who writes a directory, told without disturbing whoever does.
//!
//! Trying the lock would make a logger fail that starts at that moment, so `lock` is never opened: the
//! kernel's table of locks tells who has it. What it does not tell, the mode of `current` does.

use crate::failure::{Failure, What};
use crate::format::{CURRENT, LOCK, PREVIOUS, is_complete};
use crate::lock_table;
use crate::read::find::Location;
use crate::read::list::{Directory, Role};

/// What the writer of a directory does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// It runs; its process number where the kernel tells it.
    Running(Option<i32>),
    /// It ended in order, or has never been.
    Clean,
    /// It was interrupted, and nobody has taken the directory over yet.
    Crashed,
}

/// Tells who writes a directory.
///
/// A writer takes the lock before it unmarks `current`, and marks that before it gives the lock up, so
/// the mode is looked at first. One that ends and another that starts in between would look like a
/// crash; so that is believed only when it is seen twice.
pub fn writer(directory: &Directory) -> Result<Writer, Failure> {
    match look(directory)? {
        Writer::Crashed => look(directory),
        seen @ (Writer::Running(_) | Writer::Clean) => Ok(seen),
    }
}

/// The same of what was found; a file by itself has no writer.
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
