//! Opening a log directory: lock it, find out what is there, put it in order, open `current`.

use super::recover::{self, Found, Step};
use super::{End, LogDir, Overflowing, Rotation};
use crate::disk::{Dir, File, For, Stat};
use crate::event::Reporter;
use crate::failure::{Failure, What};
use crate::format::{
    CURRENT, MODE_PARTIAL, MODE_PRIVATE, NEWSTATE, PREVIOUS, PROCESSED, STATE, is_complete,
};
use crate::pause::Pause;
use crate::settings::Settings;
use crate::wake::Wake;
use crate::write::archives::{self, Excess};
use crate::write::current::{Current, Extents};
use crate::write::figures::Figures;
use crate::write::locked_dir::LockedDir;
use crate::write::mode_bits;
use crate::write::queue::Queue;
use crate::write::timers::Timers;
use crate::write::waiting::Waiting;
use crate::write::worker::Worker;
use nix::errno::Errno;
use std::ffi::OsStr;
use std::sync::Arc;

/// Bytes that a rotation needs at most with the usual number of files; less than the allocator gives back to
/// the system.
const MEMORY_RESERVE: usize = 96 * 1024;

impl LogDir {
    /// Opens a directory by a path relative to `start`, making it if need be. What a crash left there
    /// is made archives of. `wake` is called when something happens that a `flush` would go on from;
    /// `reporter` gets what happens from here on.
    ///
    /// # Errors
    /// The directory cannot be made or opened, is locked by another writer, or cannot be put in order.
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
        let current = self::current(&place, What::Append)?;
        let named_by = place.note_name();
        if found == Found::Complete {
            // Or else a power cut could leave it with more in it and still marked as complete.
            current.sync().map_err(|errno| place.failure(What::Sync, CURRENT, errno))?;
        }
        if has_changed {
            // A working name that is used again must not be taken for the one that was removed here.
            place.confirm_names()?;
        }
        let waiting = match place.spec.processor {
            Some(_) => Waiting::find_at_start(&place)?,
            None => Waiting::default(),
        };
        let no_memory = |errno| place.failure_here(What::OpenDirectory, errno);
        let queue = Queue::reserved(spec.queue_max).map_err(no_memory)?;
        reserve_memory().map_err(no_memory)?;
        let stat = current.stat().map_err(|errno| place.failure(What::Stat, CURRENT, errno))?;
        let current = Current::new(current, 0, named_by);
        let place = Arc::new(place);
        let timers = Timers::new(spec, || (stat.size > 0).then(|| current.born()));
        place.state.opened(&place.dir);
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
            waiting,
            disk_full: None,
            timers,
            figures: Figures::default(),
            end: End::Open,
        })
    }
}

/// Takes the memory that a rotation needs, for listings and names, and gives it back to the allocator, which
/// keeps that little for the next who asks. Otherwise a thread's stack could take the last of it (`softlimit`).
fn reserve_memory() -> Result<(), Errno> {
    let mut reserve = Vec::<u8>::new();
    reserve.try_reserve_exact(MEMORY_RESERVE).map_err(|_| Errno::ENOMEM)?;
    // Or else the compiler sees that nobody uses it.
    drop(std::hint::black_box(reserve));
    Ok(())
}

/// Opens `current` for appending and says that it is being written. It has mode 0600 until then if
/// it is new, as in 0.76.
pub fn current(place: &LockedDir, what: What) -> Result<File, Failure> {
    let opened = place.dir.open(CURRENT, For::Appending(MODE_PRIVATE));
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

/// What there is of the files of a rotation. The lock is held, so it is still true when it is used.
///
/// What is no regular file can only be moved by whoever put it there: a directory has the bit that would
/// say complete, a link would lead out of the directory, a FIFO would swallow lines. Nothing is touched
/// before.
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

/// Removes the working name of a file that is an archive already.
///
/// After a power cut a removed name can be back, beside names that were given later. A `current` of this
/// kind must not grow. A `processed` of this kind was made from an earlier `previous`: the `previous` that is
/// there now holds other lines. A `previous` of this kind needs no other name.
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

/// Removes the name `current` of a file that is `previous` too: a power cut can leave both names of a file that
/// was renamed, and its mark is that of `previous`.
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

/// Does one step.
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
