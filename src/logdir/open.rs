//! Opening a log directory: lock it, find out what is there, put it in order, open `current`.

use super::recover::{self, Found, Step};
use super::{End, LogDir, Rotation};
use crate::diag::{Failure, What};
use crate::disk::{Dir, File, For};
use crate::format::{
    CURRENT, MODE_PARTIAL, MODE_PRIVATE, NEWSTATE, PREVIOUS, PROCESSED, STATE, is_complete,
};
use crate::logdir::archives::{self, Archives};
use crate::logdir::finisher::Finisher;
use crate::logdir::place::Place;
use crate::pause::Pause;
use crate::script::LogSpec;
use crate::wake::Wake;
use nix::errno::Errno;
use std::sync::Arc;

impl LogDir {
    /// Opens a directory by a path relative to `start`, making it if need be. What a crash left there
    /// is made archives of. `wake` is called when something happens that a `flush` would go on from.
    ///
    /// # Errors
    /// The directory cannot be made or opened, is locked by another writer, or cannot be put in order.
    pub fn open(start: &Dir, spec: &LogSpec, wake: &Wake) -> Result<LogDir, Failure> {
        let place = Place::open(start, spec)?;
        refuse_directories(&place)?;
        forget_published(&place)?;
        let found = find(&place, CURRENT)?;
        let steps = recover::decide(found, find(&place, PREVIOUS)?, find(&place, PROCESSED)?);
        let mut archives = Archives::default();
        for step in steps {
            perform(&place, &mut archives, step)?;
        }
        let current = current(&place, What::Append)?;
        if found == Found::Complete {
            // Or else a power cut could leave it with more in it and still marked as complete.
            current.sync().map_err(|errno| place.failure(What::Sync, CURRENT, errno))?;
        } else {
            place.sync_names();
        }
        let stat = current.stat().map_err(|errno| place.failure(What::Stat, CURRENT, errno))?;
        Ok(LogDir {
            place: Arc::new(place),
            current,
            size: stat.size,
            buffer: Vec::new(),
            cut_pos: None,
            rotation: Rotation::None,
            pause: Pause::of(spec.pause),
            finisher: Finisher::new(wake.clone()),
            end: End::Open,
        })
    }
}

/// Opens `current` for appending and says that it is being written. It has mode 0600 until then if
/// it is new, as in 0.76.
pub fn current(place: &Place, what: What) -> Result<File, Failure> {
    let opened = place.dir.open(CURRENT, For::Appending(MODE_PRIVATE));
    let current = opened.map_err(|errno| place.failure(what, CURRENT, errno))?;
    let marked = current.set_mode(MODE_PARTIAL);
    marked.map_err(|errno| place.failure(What::SetMode, CURRENT, errno))?;
    Ok(current)
}

fn find(place: &Place, name: &[u8]) -> Result<Found, Failure> {
    let stat = place.dir.stat(name).map_err(|errno| place.failure(What::Stat, name, errno))?;
    Ok(match stat {
        None => Found::Absent,
        Some(stat) if is_complete(stat.mode) => Found::Complete,
        Some(stat) if stat.size == 0 => Found::Empty,
        Some(_) => Found::Partial,
    })
}

/// A directory in the place of a file has the bit that would say complete, and can only be moved by whoever
/// put it there. Nothing is touched before.
fn refuse_directories(place: &Place) -> Result<(), Failure> {
    let names = [
        (CURRENT, What::Append),
        (PREVIOUS, What::Read),
        (PROCESSED, What::Read),
        (STATE, What::WriteTo),
        (NEWSTATE, What::WriteTo),
    ];
    for (name, what) in names {
        let stat = place.dir.stat(name).map_err(|errno| place.failure(What::Stat, name, errno))?;
        if stat.is_some_and(|stat| stat.is_dir()) {
            return Err(place.failure(what, name, Errno::EISDIR));
        }
    }
    Ok(())
}

/// A `current` that is an archive as well must not grow: its name goes. A power cut leaves one where the
/// archive's name reached the disk and the renaming before it did not.
fn forget_published(place: &Place) -> Result<(), Failure> {
    let stat = place.dir.stat(CURRENT);
    match stat.map_err(|errno| place.failure(What::Stat, CURRENT, errno))? {
        Some(stat) if stat.links > 1 && archives::has_archive(place, stat.identity)? => {
            place.remove(CURRENT)
        }
        Some(_) | None => Ok(()),
    }
}

fn perform(place: &Place, archives: &mut Archives, step: Step) -> Result<(), Failure> {
    match step {
        Step::Forget(name) => {
            let _ = place.dir.remove(name);
            Ok(())
        }
        Step::Remove(name) => place.remove(name),
        Step::Publish(name, code) => {
            let archive = archives.publish(place, name, code)?;
            place.sync_names();
            place.remove(name)?;
            archives.prune(place, archive.as_deref())
        }
        Step::MakeState => {
            let made = place.dir.open(STATE, For::Replacing(MODE_PARTIAL));
            let state = made.map_err(|errno| place.failure(What::WriteTo, STATE, errno))?;
            let marked = state.set_mode(MODE_PARTIAL);
            marked.map_err(|errno| place.failure(What::SetMode, STATE, errno))
        }
    }
}
