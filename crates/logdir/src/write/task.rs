//! Background tasks of a log directory, one step per call.
//!
//! The worker's threads, the event loop if no thread can be started, and the tests all advance
//! tasks through this function. A step may block on the disk, but never for a pause: a pause is
//! returned as progress.

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

/// Polling interval for a running processor if the caller cannot block.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub enum Task {
    /// Makes an archive from a full file.
    Finish(Box<Finish>),
    /// Syncs `current` and its name.
    Sync(Arc<Current>),
    /// Removes archives older than `k`.
    RemoveAged,
    /// Removes the oldest archives on a full disk. The number is as [`has_made_room`] left it.
    MakeRoom(u64),
    /// Reports the directory's state: this text plus archives.
    ReportStatus(String),
}

/// At most one task of each kind runs at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Finishing a file; may wait for a processor.
    Finish,
    /// Syncing `current`.
    Sync,
    /// Short tasks.
    Chore,
}

/// Result of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The file is an archive.
    Finished,
    /// `current` is on disk.
    Synced,
    /// Syncing the contents failed for good.
    Unsynced,
    /// Syncing the directory failed.
    NamesUnsynced(Failure),
    /// Time until the next archive exceeds `k`, if any.
    NextAged(Option<Duration>),
    /// Whether archives were removed for a full disk since the last request, and the number to pass
    /// next.
    MadeRoom(bool, u64),
    StatusReported,
}

#[derive(Debug)]
pub enum Progress {
    /// Call again.
    More,
    /// Call again, not before this time.
    NotBefore(Instant),
    Done(Report),
}

/// A full file becoming an archive, with retry pauses.
#[derive(Debug)]
pub struct Finish {
    finishing: Finishing,
    outage: Trouble,
    retry_at: Option<Instant>,
    removed_for_room: u64,
}

impl Task {
    /// A task that makes an archive.
    pub fn finish(finishing: Finishing) -> Task {
        let (outage, retry_at, removed_for_room) = (Trouble::default(), None, 0);
        Task::Finish(Box::new(Finish { finishing, outage, retry_at, removed_for_room }))
    }

    pub fn kind(&self) -> Kind {
        match self {
            Task::Finish(_) => Kind::Finish,
            Task::Sync(_) => Kind::Sync,
            Task::RemoveAged | Task::MakeRoom(_) | Task::ReportStatus(_) => Kind::Chore,
        }
    }

    /// Performs the next step.
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

    /// Whether a failed step waits for its retry. Failed processors do not count: the logger's exit
    /// does not wait for them.
    pub fn is_failing(&self) -> bool {
        match self {
            Task::Finish(finish) => finish.retry_at.is_some() && !finish.is_at_processor(),
            Task::Sync(_) | Task::RemoveAged | Task::MakeRoom(_) | Task::ReportStatus(_) => false,
        }
    }

    /// Whether the pause is obsolete: it was for a processor, and processors are stopped.
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

/// Syncs the contents, and the directory if the file's name is promised and not yet on disk.
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

/// Reports the directory's state: `text`, archives if counted, and the last failure.
pub fn report_status(place: &LockedDir, text: &str, archives: Option<(u64, u64)>) {
    let archives = archives.map_or_else(
        || "not counted now".to_owned(),
        |(count, bytes)| format!("{count} files {bytes} bytes"),
    );
    let trouble = place.last_trouble();
    let text = format!("{text}, archives {archives}, last trouble {trouble}");
    place.report(&Event::Status { place: place.name().to_vec(), text });
}

/// Removes archives on a full disk, if `N` allows, and reports it. True if space may be free now:
/// the total of removed archives exceeds `removed_count`, which is then updated. A task that
/// removes nothing may have met the full disk just before another task made room.
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
