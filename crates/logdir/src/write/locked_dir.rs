//! An open, locked log directory, shared by its writer and worker.

use crate::clock;
use crate::disk::Dir;
use crate::event::{Event, Reporter};
use crate::failure::{Failure, What};
use crate::label::Label;
use crate::settings::Settings;
use crate::write::archives::Archives;
use crate::write::figures;
use crate::write::lock::Lock;
use crate::write::new_dir::{self, Opened};
use crate::write::processor::Processors;
use crate::write::state::State;
use nix::errno::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A directory sync longer than this marks the disk as slow. On a faster disk handing the sync to a
/// thread costs more than the sync itself.
const SLOW_SYNC: Duration = Duration::from_millis(1);

/// Directory, settings and lock. The lock lasts until writer and worker have dropped their
/// references.
#[derive(Debug)]
pub struct LockedDir {
    pub dir: Dir,
    pub spec: Settings,
    /// Path as given by the user.
    name: OsString,
    /// The clock is earlier than the newest archive.
    pub clock_behind: OnceUntilOver,
    /// Some archives cannot be removed.
    pub archives_stuck: OnceUntilOver,
    /// The cursor of a hold says nothing.
    pub hold_useless: OnceUntilOver,
    /// Archives exceed the hold.
    pub hold_used_up: OnceUntilOver,
    /// fsync of contents fails.
    pub contents_unsynced: OnceUntilOver,
    /// fsync of the directory fails.
    pub names_unsynced: OnceUntilOver,
    pub processors: Processors,
    /// Starting a thread fails.
    pub no_thread: OnceUntilOver,
    /// The last directory sync was slow.
    is_slow: AtomicBool,
    /// Name changes so far, and the last change on disk.
    names_changed: AtomicU64,
    names_synced: AtomicU64,
    /// First name change covered by the promise; 0 without promise.
    promised_by: AtomicU64,
    /// The directory's own name is on disk.
    is_parent_synced: AtomicBool,
    archives: Mutex<Archives>,
    /// Last failure and its time.
    last_trouble: Mutex<Option<(Label, Failure)>>,
    /// State shown to readers.
    pub state: State,
    reporter: Reporter,
    _lock: Lock,
}

/// Reports a lasting condition only once.
#[derive(Debug, Default)]
pub struct OnceUntilOver(AtomicBool);

impl OnceUntilOver {
    /// True on the first call, and on the first call after [`OnceUntilOver::forget`].
    pub fn is_news(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }

    /// True between the first report and `forget`.
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Ends the condition: its next occurrence is reported.
    pub fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl LockedDir {
    /// Makes the directory if missing, opens and locks it.
    pub fn open(
        start: &Dir,
        path: &OsStr,
        spec: &Settings,
        reporter: &Reporter,
    ) -> Result<LockedDir, Failure> {
        let name = path.as_bytes();
        let Opened { dir, is_parent_synced } =
            new_dir::open_or_make(start, path, spec.makes_parents, reporter)?;
        // Without search permission every later call would fail.
        dir.stat(b".").map_err(|errno| Failure::new(What::OpenDirectory, name, errno))?;
        let lock = Lock::take(&dir, name, spec.lock_patience)?;
        Ok(LockedDir {
            dir,
            spec: spec.clone(),
            name: path.to_owned(),
            clock_behind: OnceUntilOver::default(),
            archives_stuck: OnceUntilOver::default(),
            hold_useless: OnceUntilOver::default(),
            hold_used_up: OnceUntilOver::default(),
            contents_unsynced: OnceUntilOver::default(),
            names_unsynced: OnceUntilOver::default(),
            processors: Processors::default(),
            no_thread: OnceUntilOver::default(),
            is_slow: AtomicBool::new(false),
            names_changed: AtomicU64::new(0),
            names_synced: AtomicU64::new(0),
            promised_by: AtomicU64::new(0),
            is_parent_synced: AtomicBool::new(is_parent_synced),
            archives: Mutex::default(),
            last_trouble: Mutex::default(),
            state: State::new(spec),
            reporter: reporter.clone(),
            _lock: lock,
        })
    }

    pub fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// The archives, locked. A task may hold the lock as long as a disk call takes, so the event
    /// loop never asks.
    pub fn archives(&self) -> MutexGuard<'_, Archives> {
        self.archives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports an event.
    pub fn report(&self, event: &Event) {
        self.state.observe(&self.dir, event);
        self.reporter.report(event);
    }

    /// Reports a failed step without a retry.
    pub fn report_failed(&self, failure: Failure) {
        self.report(&Event::Failed(failure));
    }

    pub fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Like [`LockedDir::reporter`], and updates the state shown to readers.
    pub fn observing_reporter(self: &Arc<LockedDir>) -> Reporter {
        let place = Arc::clone(self);
        Reporter::new(move |event| place.report(event))
    }

    /// Records a failure for the status line.
    pub fn note(&self, failure: &Failure) {
        let mut last = self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((clock::now(), failure.clone()));
    }

    pub fn last_failure(&self) -> Option<Failure> {
        let last = self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|(_, failure)| failure.clone())
    }

    /// Text of the last failure.
    pub fn last_trouble(&self) -> String {
        let last = self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            None => figures::moment(None),
            Some((at, failure)) => format!("{} {failure}", figures::moment(Some(*at))),
        }
    }

    /// A failure on a file of this directory.
    pub fn failure(&self, what: What, file: &[u8], errno: Errno) -> Failure {
        Failure::new(what, [self.name(), b"/", file].concat(), errno)
    }

    /// A failure on the directory itself.
    pub fn failure_here(&self, what: What, errno: Errno) -> Failure {
        Failure::new(what, self.name(), errno)
    }

    /// Counts a name change and returns its number.
    pub fn note_name(&self) -> u64 {
        self.names_changed.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Number of the last name change on disk.
    pub fn names_synced(&self) -> u64 {
        self.names_synced.load(Ordering::Acquire)
    }

    /// From now on a caller relies on `durable`: no name is removed before its replacement is on
    /// disk, even if the directory has to wait.
    pub fn promise_names(&self) {
        if !self.are_names_promised() {
            // The next sync also covers earlier removals.
            self.promised_by.store(self.note_name(), Ordering::Release);
        }
    }

    /// Whether a caller relies on `durable`.
    pub fn are_names_promised(&self) -> bool {
        self.promised_by.load(Ordering::Acquire) != 0
    }

    /// Whether the promise already holds.
    pub fn are_names_kept(&self) -> bool {
        let promised_by = self.promised_by.load(Ordering::Acquire);
        let is_synced = promised_by != 0 && promised_by <= self.names_synced();
        is_synced && self.is_parent_synced.load(Ordering::Acquire)
    }

    /// Waits until all promised names, including the directory's own, are on disk.
    pub fn keep_names(&self) -> Result<(), Failure> {
        if !self.is_parent_synced.load(Ordering::Acquire) {
            let parent = OsStr::new("..");
            // An unreadable parent is as durable as with 0.76.
            if let Ok(opened) = self.dir.open_dir(parent) {
                let synced = opened.sync();
                synced.map_err(|errno| self.failure(What::Sync, parent.as_bytes(), errno))?;
            }
            self.is_parent_synced.store(true, Ordering::Release);
        }
        self.sync_names()
    }

    /// Syncs the directory. A failure is reported once until success, and the directory continues:
    /// its contents are safe. Only a directory with promised names returns the error, for a retry.
    pub fn confirm_names(&self) -> Result<(), Failure> {
        match self.sync_names() {
            Err(failure) if self.are_names_promised() => Err(failure),
            Ok(()) => Ok(()),
            Err(failure) => {
                if self.names_unsynced.is_news() {
                    self.report_failed(failure);
                }
                Ok(())
            }
        }
    }

    /// Syncs the directory.
    pub fn sync_names(&self) -> Result<(), Failure> {
        let changed = self.names_changed.load(Ordering::Acquire);
        let begin = Instant::now();
        let synced = self.dir.sync();
        self.is_slow.store(begin.elapsed() > SLOW_SYNC, Ordering::Relaxed);
        match synced {
            Ok(()) => {
                self.names_unsynced.forget();
            }
            // A file system without directory sync keeps names as well as it can.
            Err(errno @ (Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOSYS)) => {
                if self.names_unsynced.is_news() {
                    self.report_failed(self.failure_here(What::Sync, errno));
                }
            }
            Err(errno) => return Err(self.failure_here(What::Sync, errno)),
        }
        self.names_synced.fetch_max(changed, Ordering::AcqRel);
        Ok(())
    }

    /// Renames a file, accepting ENOENT: a network file system can complete a rename and still
    /// return an error.
    pub fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        match self.dir.rename(from, to) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Whether the last directory sync was slow.
    pub fn is_slow(&self) -> bool {
        #[cfg(test)]
        if self.dir.is_model() {
            return true;
        }
        self.is_slow.load(Ordering::Relaxed)
    }

    /// Removes a file, accepting ENOENT.
    pub fn remove(&self, name: &[u8]) -> Result<(), Failure> {
        match self.dir.remove(name) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(self.failure(What::Remove, name, errno)),
        }
    }
}
