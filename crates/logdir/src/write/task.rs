//! What is done for a log directory beside its event loop: one task, one step a call.
//!
//! The worker's threads, the event loop where there is no thread, and the tests all advance tasks by this one
//! function. A step may take as long as the disk does; a pause never does, it is an answer.

use crate::clock;
use crate::event::{Event, Work};
use crate::failure::{Failure, What};
use crate::format::CURRENT;
use crate::pause::Trouble;
use crate::write::archives::Excess;
use crate::write::current::Current;
use crate::write::finish::{Finishing, Step};
use crate::write::locked_dir::LockedDir;
use crate::write::processor::Patience;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a processor runs before somebody who cannot wait looks at it again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One thing to do.
#[derive(Debug)]
pub enum Task {
    /// A full file becomes an archive.
    Finish(Box<Finish>),
    /// fsync of `current`, and of its name.
    Sync(Arc<Current>),
    /// Archives that are too old are removed.
    RemoveAged,
    /// The oldest archives are removed, since the disk is full. The number is as [`has_made_room`] left it.
    MakeRoom(u64),
    /// The state of the directory is reported: this text, and the archives.
    ReportStatus(String),
}

/// Of each kind one task at a time is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Finishing a file, which may wait for a processor.
    Finish,
    /// Syncing `current`.
    Sync,
    /// All others, which are short.
    Chore,
}

/// The result of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The file is an archive.
    Finished,
    /// All of `current` is on disk.
    Synced,
    /// The contents of `current` could not be synced, and never will be.
    Unsynced,
    /// The names in the directory could not be synced.
    NamesUnsynced(Failure),
    /// When the next archive will be too old, if there is one.
    NextAged(Option<Duration>),
    /// Whether archives have been removed because the disk was full since that was asked last, and the number
    /// to ask with next.
    MadeRoom(bool, u64),
    /// The state was reported.
    StatusReported,
}

/// How far a task has come.
#[derive(Debug)]
pub enum Progress {
    /// There is a next step.
    More,
    /// There is a next step, but not before this.
    NotBefore(Instant),
    /// It is done.
    Done(Report),
}

/// A full file on its way to being an archive, with the pauses between tries.
#[derive(Debug)]
pub struct Finish {
    finishing: Finishing,
    outage: Trouble,
    retry_at: Option<Instant>,
    removed_for_room: u64,
}

impl Task {
    /// A full file becomes an archive.
    pub fn finish(finishing: Finishing) -> Task {
        let (outage, retry_at, removed_for_room) = (Trouble::default(), None, 0);
        Task::Finish(Box::new(Finish { finishing, outage, retry_at, removed_for_room }))
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Task::Finish(_) => Kind::Finish,
            Task::Sync(_) => Kind::Sync,
            Task::RemoveAged | Task::MakeRoom(_) | Task::ReportStatus(_) => Kind::Chore,
        }
    }

    /// Does the next step.
    pub fn advance(&mut self, place: &LockedDir, patience: Patience) -> Progress {
        Progress::Done(match self {
            Task::Finish(finish) => return finish.advance(place, patience),
            Task::Sync(current) => sync(place, current),
            Task::RemoveAged => {
                let mut archives = place.archives();
                if let Err(failure) = archives.prune(place, None, Excess::Age) {
                    place.report_failed(failure);
                }
                Report::NextAged(archives.next_aged(place))
            }
            Task::MakeRoom(removed_for_room) => {
                let has_made_room = has_made_room(place, removed_for_room);
                Report::MadeRoom(has_made_room, *removed_for_room)
            }
            Task::ReportStatus(text) => {
                let count = place.archives().count(place);
                report_status(place, text, count.ok());
                Report::StatusReported
            }
        })
    }

    /// Whether a step failed and is tried again after a pause. A processor that failed does not count: who
    /// ends the logger need not wait for it.
    pub fn is_failing(&self) -> bool {
        match self {
            Task::Finish(finish) => finish.retry_at.is_some() && !finish.is_at_processor(),
            Task::Sync(_) | Task::RemoveAged | Task::MakeRoom(_) | Task::ReportStatus(_) => false,
        }
    }

    /// Whether a pause has become needless: it was for a processor, and none is started any more.
    pub fn is_pause_needless(&self, place: &LockedDir) -> bool {
        match self {
            Task::Finish(finish) => finish.is_at_processor() && place.processors.are_stopped(),
            Task::Sync(_) | Task::RemoveAged | Task::MakeRoom(_) | Task::ReportStatus(_) => false,
        }
    }
}

impl Finish {
    fn is_at_processor(&self) -> bool {
        self.finishing.step() == Step::RunProcessor
    }

    fn advance(&mut self, place: &LockedDir, patience: Patience) -> Progress {
        let is_needless = self.is_at_processor() && place.processors.are_stopped();
        if let Some(retry_at) = self.retry_at.filter(|at| !is_needless && clock::instant() < *at) {
            return Progress::NotBefore(retry_at);
        }
        self.retry_at = None;
        let step = self.finishing.step();
        match self.finishing.advance(place, patience) {
            Ok(()) if self.finishing.step() == Step::Done => {
                self.outage.report_end(Work::Finishing, place.name(), place.reporter());
                place.state.resume(&place.dir);
                if !place.contents_unsynced.is_on() {
                    place.state.synced(&place.dir);
                }
                Progress::Done(Report::Finished)
            }
            Ok(()) if step == Step::AwaitProcessor && self.finishing.step() == step => {
                Progress::NotBefore(clock::instant() + LOOK_AGAIN)
            }
            Ok(()) => Progress::More,
            Err(failure) => self.pause(place, failure),
        }
    }

    fn pause(&mut self, place: &LockedDir, failure: Failure) -> Progress {
        place.note(&failure);
        if failure.is_of_full_disk() && has_made_room(place, &mut self.removed_for_room) {
            return Progress::More;
        }
        place.report(&Event::Pausing(failure));
        self.outage.begin();
        let retry_at = clock::instant() + place.spec.pause;
        self.retry_at = Some(retry_at);
        Progress::NotBefore(retry_at)
    }
}

/// Syncs the contents, and the names if those of the file are not known to be on disk and matter.
fn sync(place: &LockedDir, current: &Current) -> Report {
    if let Err(errno) = current.sync_rest() {
        let failure = place.failure(What::Sync, CURRENT, errno);
        place.note(&failure);
        if place.contents_unsynced.is_news() {
            place.report_failed(failure);
        }
        return Report::Unsynced;
    }
    let is_named = current.extent().named_by() <= place.names_synced() && place.are_names_kept();
    if place.are_names_promised() && !is_named {
        return place.keep_names().map_or_else(Report::NamesUnsynced, |()| Report::Synced);
    }
    place.state.synced(&place.dir);
    Report::Synced
}

/// Reports the state of the directory: `text`, the archives if they could be counted, and the last failure.
pub fn report_status(place: &LockedDir, text: &str, archives: Option<(u64, u64)>) {
    let archives = archives.map_or_else(
        || "not counted now".to_owned(),
        |(count, bytes)| format!("{count} files {bytes} bytes"),
    );
    let trouble = place.last_trouble();
    let text = format!("{text}, archives {archives}, last trouble {trouble}");
    place.report(&Event::Status { place: place.name().to_vec(), text });
}

/// Removes archives for a full disk, if `N` allows it, and reports it. True if there may be room now: if more
/// have been removed since the start than `removed_count`, which is brought up to date. A task that finds none
/// to remove may have met the full disk just before another task made room.
pub fn has_made_room(place: &LockedDir, removed_count: &mut u64) -> bool {
    if place.spec.number_min.is_none() {
        return false;
    }
    let mut archives = place.archives();
    match archives.prune(place, None, Excess::FullDisk) {
        Ok(0) => {}
        Ok(count) => place.report(&Event::MadeRoom { place: place.name().to_vec(), count }),
        Err(failure) => place.report_failed(failure),
    }
    let before = std::mem::replace(removed_count, archives.removed_for_room());
    *removed_count > before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Dir;
    use crate::settings::Settings;
    use std::fs;

    #[test]
    fn room_that_another_task_has_made_counts_once() {
        let _alone = crate::faults::alone();
        let home = tempfile::tempdir().unwrap();
        let spec = Settings { number_min: Some(1), ..Settings::default() };
        let place = LockedDir::open(
            &Dir::start().unwrap(),
            home.path().as_os_str(),
            &spec,
            &crate::event::told::reporter(),
        )
        .unwrap();
        let add = |number: u32| {
            fs::write(home.path().join(format!("@40000000{number:016x}.s")), "a\n").unwrap();
            place.archives().forget();
        };
        (1..=3).for_each(add);
        let (mut first, mut second) = (0, 0);
        assert!(has_made_room(&place, &mut first), "two are removed");
        assert!(
            has_made_room(&place, &mut second),
            "nothing is left to remove, but it was just now"
        );
        assert!(!has_made_room(&place, &mut first) && !has_made_room(&place, &mut second));
        add(4);
        assert!(has_made_room(&place, &mut second) && has_made_room(&place, &mut first));
        assert!(!has_made_room(&place, &mut first));
    }
}
