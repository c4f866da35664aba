//! Opens a log directory: lock, examine, recover, open `current`.

use super::recover::{self, Found, Step};
use super::{End, LogDir, Overflowing, Rotation};
use crate::disk::{Dir, File, For, Stat};
use crate::event::Reporter;
use crate::failure::{Failure, What, errno_of};
use crate::format::{
    CURRENT, MODE_PARTIAL, MODE_PRIVATE, NEWSTATE, PREVIOUS, PROCESSED, STATE, is_complete,
};
use crate::pause::Pause;
use crate::settings::Settings;
use crate::sys::memory::reserve_for_rotation;
use crate::wake::Wake;
use crate::write::archives::{self, Excess};
use crate::write::current::{Current, Extents};
use crate::write::figures::Figures;
use crate::write::locked_dir::LockedDir;
use crate::write::mode_bits;
use crate::write::queue::Queue;
use crate::write::replaced::Watch;
use crate::write::timers::Timers;
use crate::write::waiting::Waiting;
use crate::write::worker::Worker;
use std::ffi::OsStr;
use std::sync::Arc;

impl LogDir {
    /// Opens a directory by a path relative to `start`, creating it if missing. Files left by a
    /// crash become archives. `wake` is called when `flush` has new work; `reporter` receives
    /// events from now on.
    ///
    /// # Errors
    /// The directory cannot be made, opened or recovered, or another writer has locked it.
    pub fn open(
        start: &Dir,
        path: &OsStr,
        spec: &Settings,
        wake: &Wake,
        reporter: &Reporter,
    ) -> Result<LogDir, Failure> {
        let place = LockedDir::open(start, path, spec, reporter)?;
        let [current, previous, processed, _, _] = look(&place)?;
        mode_bits::check(&place)?;
        let kept = [
            forget_renamed(&place, forget_published(&place, CURRENT, current)?, previous)?,
            forget_published(&place, PREVIOUS, previous)?,
            forget_published(&place, PROCESSED, processed)?,
        ];
        let has_forgotten = kept != [current, previous, processed];
        let [found, previous, processed] = kept.map(found_as);
        let steps = recover::decide(found, previous, processed);
        let has_changed = has_forgotten || !steps.is_empty();
        for step in steps {
            perform(&place, step)?;
        }
        let mut current = self::current(&place, What::Append)?;
        let named_by = place.note_name();
        if found == Found::Complete {
            // Otherwise a power cut could leave a longer file still marked complete.
            current.sync().map_err(|errno| place.failure(What::Sync, CURRENT, errno))?;
        }
        if has_changed {
            // After a power cut, a reused working name must not be taken for the removed file.
            place.confirm_names()?;
        }
        let mut waiting = Waiting::default();
        if place.spec.processor.is_some() {
            // Closed meanwhile: a listing may need the last free descriptor.
            drop(current);
            waiting = Waiting::find_at_start(&place)?;
            current = self::current(&place, What::Append)?;
        }
        let no_memory = |errno| place.failure_here(What::OpenDirectory, errno);
        let queue = Queue::reserved(spec.queue_max).map_err(no_memory)?;
        reserve_for_rotation().map_err(|error| no_memory(errno_of(&error)))?;
        let stat = current.stat().map_err(|errno| place.failure(What::Stat, CURRENT, errno))?;
        let named =
            place.dir.stat(CURRENT).map_err(|errno| place.failure(What::Stat, CURRENT, errno))?;
        let watch = Watch::new(named.is_some_and(|named| named.identity == stat.identity));
        let current = Current::new(current, 0, named_by);
        let place = Arc::new(place);
        let timers = Timers::new(spec, || (stat.size > 0).then(|| current.born()));
        place.state.opened(&place.dir);
        archives::check_hold(&place);
        Ok(LogDir {
            pause: Pause::of(spec.pause, &place.observing_reporter()),
            worker: Worker::new(&place, wake),
            place,
            extents: Extents::new(&current),
            current,
            is_synced_ahead: false,
            sync_wanted: None,
            is_sync_failing: false,
            removed_for_room: 0,
            size: stat.size,
            is_at_line_start: true,
            queue,
            cut_pos: None,
            overflow: Overflowing::No,
            gap: None,
            has_dropped: false,
            rotation: Rotation::None,
            watch,
            waiting,
            disk_full: None,
            timers,
            figures: Figures::default(),
            end: End::Open,
        })
    }
}

/// Opens `current` for appending and sets the mode of a file being written. Until then a new file
/// has mode 0600, as in 0.76.
pub fn current(place: &LockedDir, what: What) -> Result<File, Failure> {
    let opened = place.dir.open(CURRENT, For::AppendingAndReading(MODE_PRIVATE));
    let current = opened.map_err(|errno| place.failure(what, CURRENT, errno))?;
    let marked = current.set_mode(MODE_PARTIAL);
    marked.map_err(|errno| place.failure(What::SetMode, CURRENT, errno))?;
    Ok(current)
}

fn found_as(stat: Option<Stat>) -> Found {
    match stat {
        None => Found::Absent,
        Some(stat) if is_complete(stat.mode) => Found::Complete,
        Some(stat) if stat.size == 0 => Found::Empty,
        Some(_) => Found::Partial,
    }
}

/// Examines the files of a rotation. Results stay valid while the lock is held.
///
/// Irregular files need the user who created them: a directory has the bit that would mean
/// complete, a link would lead elsewhere, a FIFO would swallow lines. Nothing changes before this
/// check.
fn look(place: &LockedDir) -> Result<[Option<Stat>; 5], Failure> {
    let names = [
        (CURRENT, What::Append),
        (PREVIOUS, What::Read),
        (PROCESSED, What::Read),
        (STATE, What::WriteTo),
        (NEWSTATE, What::WriteTo),
    ];
    let mut stats = [None; 5];
    for ((name, what), stat) in names.into_iter().zip(&mut stats) {
        *stat = place.dir.stat(name).map_err(|errno| place.failure(What::Stat, name, errno))?;
        stat.map_or(Ok(()), |stat| stat.refuse_others())
            .map_err(|errno| place.failure(what, name, errno))?;
    }
    Ok(stats)
}

/// Removes the working name of a file that already has an archive name.
///
/// After a power cut a removed name can reappear beside later names. Such a `current` must not
/// grow. Such a `processed` was made from an earlier `previous`: the present `previous` holds other
/// lines. Such a `previous` needs no further name.
fn forget_published(
    place: &LockedDir,
    name: &'static [u8],
    stat: Option<Stat>,
) -> Result<Option<Stat>, Failure> {
    match stat {
        Some(stat) if stat.links > 1 && archives::find(place, stat.identity)?.is_some() => {
            place.remove(name)?;
            Ok(None)
        }
        Some(_) | None => Ok(stat),
    }
}

/// Removes the name `current` of a file also named `previous`: a power cut can leave both names
/// after a rename, and the mark belongs to `previous`.
fn forget_renamed(
    place: &LockedDir,
    current: Option<Stat>,
    previous: Option<Stat>,
) -> Result<Option<Stat>, Failure> {
    match (current, previous) {
        (Some(current), Some(previous)) if current.identity == previous.identity => {
            place.remove(CURRENT)?;
            Ok(None)
        }
        (_, _) => Ok(current),
    }
}

fn perform(place: &LockedDir, step: Step) -> Result<(), Failure> {
    match step {
        Step::Forget(name) => {
            let _ = place.dir.remove(name);
        }
        Step::Remove(name) => place.remove(name)?,
        Step::Publish(name, code) => {
            let archive = place.archives().publish(place, name, code)?;
            place.confirm_names()?;
            place.remove(name)?;
            place.archives().prune(place, archive.as_deref(), Excess::Any)?;
        }
        Step::MakeState => {
            let made = place.dir.open(STATE, For::Replacing(MODE_PARTIAL));
            let state = made.map_err(|errno| place.failure(What::WriteTo, STATE, errno))?;
            let marked = state.set_mode(MODE_PARTIAL);
            marked.map_err(|errno| place.failure(What::SetMode, STATE, errno))?;
        }
    }
    Ok(())
}
