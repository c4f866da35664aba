//! What is done beside the event loop besides finishing files: syncing `current` now and then, removing
//! what is too old, making room on a full disk. One thread per log directory, started when it is first
//! needed, so that none of this waits for a processor.

use crate::event::Event;
use crate::failure::{Failure, What};
use crate::format::CURRENT;
use crate::wake::Wake;
use crate::write::archives::Excess;
use crate::write::current::Current;
use crate::write::locked_dir::LockedDir;
use nix::errno::Errno;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// The thread needs little.
const STACK_BYTES: usize = 256 * 1024;

/// One thing to do.
#[derive(Debug)]
pub enum Chore {
    /// fsync of `current`.
    Sync(Arc<Current>),
    /// Archives that are too old go.
    RemoveAged,
    /// The oldest archives go, since the disk is full.
    MakeRoom,
    /// Somebody asked how the directory is; archives are counted and the rest is known.
    ReportStatus(String),
}

/// How it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// All of `current` is on disk.
    Synced,
    /// What could not be synced never will be.
    Unsynced,
    /// When the next archive will be too old, if there is one.
    NextAged(Option<Duration>),
    /// Whether archives have been removed because the disk was full, since that was asked last.
    MadeRoom(bool),
    /// Somebody has the answer.
    Told,
}

/// The door to the thread.
#[derive(Debug)]
pub struct Keeper {
    chores: Option<Sender<Chore>>,
    reports: Option<Receiver<Report>>,
    is_busy: bool,
    wake: Wake,
    #[cfg(test)]
    by_hand: by_hand::ByHand,
}

impl Keeper {
    /// A keeper without a thread yet. It calls `wake` when something is done.
    pub fn new(wake: Wake) -> Keeper {
        Keeper {
            chores: None,
            reports: None,
            is_busy: false,
            wake,
            #[cfg(test)]
            by_hand: by_hand::ByHand::default(),
        }
    }

    /// Whether there is something under way, so that nothing else can be begun.
    pub fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Begins something. Must not be busy. The error is that of starting a thread.
    pub fn begin(&mut self, place: &Arc<LockedDir>, chore: Chore) -> Result<(), Failure> {
        assert!(!self.is_busy);
        #[cfg(test)]
        if place.dir.is_model() {
            return self.begin_by_hand(place, chore);
        }
        if self.chores.is_none() {
            self.start(place)?;
        }
        // Nobody takes it where the thread has panicked, which ends the program.
        self.is_busy = self.chores.as_ref().is_some_and(|chores| chores.send(chore).is_ok());
        Ok(())
    }

    fn start(&mut self, place: &Arc<LockedDir>) -> Result<(), Failure> {
        let (chores, to_do) = channel::<Chore>();
        let (done, reports) = channel();
        let (place, wake) = (Arc::clone(place), self.wake.clone());
        let failure = place.failure_here(What::Thread, Errno::EAGAIN);
        let work = move || {
            let mut removed_for_room = 0;
            for chore in to_do {
                // Nobody wants to hear of it when the log directory is closed.
                let _ = done.send(perform(&place, chore, &mut removed_for_room));
                wake.wake();
            }
        };
        let started = thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
        started.map_err(|_| failure)?;
        (self.chores, self.reports) = (Some(chores), Some(reports));
        Ok(())
    }

    /// What came of the last thing begun, told once.
    pub fn take_report(&mut self) -> Option<Report> {
        #[cfg(test)]
        if let Some(report) = self.by_hand.report.take() {
            self.is_busy = false;
            return Some(report);
        }
        let report = self.reports.as_ref()?.try_recv().ok()?;
        self.is_busy = false;
        Some(report)
    }
}

/// Does one thing. `removed_for_room` is as [`has_made_room`] left it.
fn perform(place: &LockedDir, chore: Chore, removed_for_room: &mut u64) -> Report {
    match chore {
        Chore::Sync(current) => match current.sync() {
            Ok(()) => Report::Synced,
            Err(errno) => {
                let failure = place.failure(What::Sync, CURRENT, errno);
                place.note(&failure);
                if place.contents_unsynced.is_news() {
                    place.report_failed(failure);
                }
                Report::Unsynced
            }
        },
        Chore::RemoveAged => {
            let mut archives = place.archives();
            if let Err(failure) = archives.prune(place, None, Excess::Age) {
                place.report_failed(failure);
            }
            Report::NextAged(archives.next_aged(place))
        }
        Chore::MakeRoom => Report::MadeRoom(has_made_room(place, removed_for_room)),
        Chore::ReportStatus(text) => {
            let count = place.archives().count(place);
            report_status(place, &text, count.ok());
            Report::Told
        }
    }
}

/// Tells how the directory is: `text`, the archives where they could be counted, and the last trouble.
pub fn report_status(place: &LockedDir, text: &str, archives: Option<(u64, u64)>) {
    let archives = archives.map_or_else(
        || "not counted now".to_owned(),
        |(count, bytes)| format!("{count} files {bytes} bytes"),
    );
    let trouble = place.last_trouble();
    let text = format!("{text}, archives {archives}, last trouble {trouble}");
    place.report(&Event::Status { place: place.name().to_vec(), text });
}

/// Removes archives for a full disk, where `N` allows it, and says so. Tells whether there may be room now:
/// whether more have been removed since the start than `removed_count`, which is brought up to date. Whoever
/// finds none to remove may have met the disk just before the other thread made room.
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
mod by_hand {
    //! In unit tests on the model disk: what the thread would do, when the test says so.

    use super::{Chore, Keeper, Report, perform};
    use crate::failure::{Failure, What};
    use crate::write::locked_dir::LockedDir;
    use std::sync::Arc;

    #[derive(Debug, Default)]
    pub struct ByHand {
        place: Option<Arc<LockedDir>>,
        chore: Option<Chore>,
        removed_for_room: u64,
        pub report: Option<Report>,
    }

    impl Keeper {
        pub fn begin_by_hand(
            &mut self,
            place: &Arc<LockedDir>,
            chore: Chore,
        ) -> Result<(), Failure> {
            if self.by_hand.place.is_none() {
                let started = place.dir.start_thread();
                started.map_err(|errno| place.failure_here(What::Thread, errno))?;
                self.by_hand.place = Some(Arc::clone(place));
            }
            self.by_hand.chore = Some(chore);
            self.is_busy = true;
            Ok(())
        }

        /// False if there is nothing to do.
        pub fn advance(&mut self) -> bool {
            let (Some(place), Some(chore)) = (&self.by_hand.place, self.by_hand.chore.take())
            else {
                return false;
            };
            let report = perform(place, chore, &mut self.by_hand.removed_for_room);
            self.by_hand.report = Some(report);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Dir;
    use crate::settings::Settings;
    use std::fs;

    #[test]
    fn room_that_somebody_else_has_made_counts_once() {
        let _alone = crate::faults::alone();
        let home = tempfile::tempdir().unwrap();
        let spec = Settings { number_min: Some(1), ..Settings::new(home.path()) };
        let place = LockedDir::open(&Dir::start().unwrap(), &spec, &crate::event::told::reporter())
            .unwrap();
        let add = |number: u32| {
            fs::write(home.path().join(format!("@40000000{number:016x}.s")), "a\n").unwrap();
            place.archives().forget();
        };
        (1..=3).for_each(add);
        let (mut one, mut other) = (0, 0);
        assert!(has_made_room(&place, &mut one), "two are removed");
        assert!(
            has_made_room(&place, &mut other),
            "nothing is left to remove, but it was just now"
        );
        assert!(!has_made_room(&place, &mut one) && !has_made_room(&place, &mut other));
        add(4);
        assert!(has_made_room(&place, &mut other) && has_made_room(&place, &mut one));
        assert!(!has_made_room(&place, &mut one));
    }
}
