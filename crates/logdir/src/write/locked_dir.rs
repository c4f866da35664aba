//! A log directory that is held open and locked: what its writer and its worker share.

use crate::clock;
use crate::disk::{self, Dir};
use crate::event::{Event, Reporter};
use crate::failure::{Failure, What};
use crate::label::Label;
use crate::settings::Settings;
use crate::write::archives::Archives;
use crate::write::figures;
use crate::write::lock::Lock;
use crate::write::processor::Processors;
use crate::write::state::State;
use nix::errno::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A disk that takes so long to confirm names is slow; others are faster than it takes to have a thread
/// wait for them.
const SLOW_SYNC: Duration = Duration::from_millis(1);

/// The directory, its settings and its lock, which lasts as long as anybody works here.
#[derive(Debug)]
pub struct LockedDir {
    /// The directory.
    pub dir: Dir,
    /// Its settings.
    pub spec: Settings,
    /// Its name, as the user gave it.
    name: OsString,
    /// The clock stands behind the newest archive.
    pub clock_behind: OnceUntilOver,
    /// There are archives that cannot be removed.
    pub archives_stuck: OnceUntilOver,
    /// The disk refuses to confirm contents.
    pub contents_unsynced: OnceUntilOver,
    /// The disk refuses to confirm names.
    pub names_unsynced: OnceUntilOver,
    /// Those that finish its files.
    pub processors: Processors,
    /// No thread can be started.
    pub no_thread: OnceUntilOver,
    /// The disk took long to confirm names.
    is_slow: AtomicBool,
    /// Names given to files so far, and how many of these changes are on disk.
    names_changed: AtomicU64,
    names_synced: AtomicU64,
    /// The change of names from which on they are promised; none if 0.
    promised_by: AtomicU64,
    /// The name of the directory itself is on disk.
    is_parent_synced: AtomicBool,
    archives: Mutex<Archives>,
    /// What failed last, and when.
    last_trouble: Mutex<Option<(Label, Failure)>>,
    /// What readers see of the writer.
    pub state: State,
    reporter: Reporter,
    _lock: Lock,
}

/// Whether something that lasts has been told already, so that it is told once.
#[derive(Debug, Default)]
pub struct OnceUntilOver(AtomicBool);

impl OnceUntilOver {
    /// True for the first call since the beginning or since [`OnceUntilOver::forget`].
    pub fn is_news(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }

    /// True from the first report until it is over.
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// It is over; the next time is news again.
    pub fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl LockedDir {
    /// Makes the directory if need be, opens it and takes its lock.
    pub fn open(
        start: &Dir,
        path: &OsStr,
        spec: &Settings,
        reporter: &Reporter,
    ) -> Result<LockedDir, Failure> {
        // As in 0.76 a directory that cannot be made shows in the next call.
        let is_parent_synced = start.make_dir(path, crate::format::MODE_DIRECTORY).is_ok()
            && sync_parent(start, path, reporter);
        let name = path.as_bytes();
        let dir =
            start.open_dir(path).map_err(|errno| Failure::new(What::OpenDirectory, name, errno))?;
        // A directory that may be read and not searched: every later call would fail.
        dir.stat(b".").map_err(|errno| Failure::new(What::OpenDirectory, name, errno))?;
        let lock = Lock::take(&dir, name)?;
        Ok(LockedDir {
            dir,
            spec: spec.clone(),
            name: path.to_owned(),
            clock_behind: OnceUntilOver::default(),
            archives_stuck: OnceUntilOver::default(),
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

    /// The directory as the user named it.
    pub fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// The archives, for one at a time. They may be held for as long as a disk takes, so the event loop
    /// does not ask.
    pub fn archives(&self) -> MutexGuard<'_, Archives> {
        self.archives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports something that happened.
    pub fn report(&self, event: &Event) {
        self.state.observe(&self.dir, event);
        self.reporter.report(event);
    }

    /// Reports a step that failed and will not be tried again.
    pub fn report_failed(&self, failure: Failure) {
        self.report(&Event::Failed(failure));
    }

    /// Where events of this directory go.
    pub fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Where events of this directory go, those that readers are shown among them.
    pub fn observing_reporter(self: &Arc<LockedDir>) -> Reporter {
        let place = Arc::clone(self);
        Reporter::new(move |event| place.report(event))
    }

    /// Remembers a failure, for whoever asks.
    pub fn note(&self, failure: &Failure) {
        let mut last = self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((clock::now(), failure.clone()));
    }

    /// The last failure that was remembered.
    pub fn last_failure(&self) -> Option<Failure> {
        let last = self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|(_, failure)| failure.clone())
    }

    /// The last failure that was remembered, in words.
    pub fn last_trouble(&self) -> String {
        let last = self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            None => figures::moment(None),
            Some((at, failure)) => format!("{} {failure}", figures::moment(Some(*at))),
        }
    }

    /// A failure on a file of the directory.
    pub fn failure(&self, what: What, file: &[u8], errno: Errno) -> Failure {
        Failure::new(what, [self.name(), b"/", file].concat(), errno)
    }

    /// A failure on the directory itself.
    pub fn failure_here(&self, what: What, errno: Errno) -> Failure {
        Failure::new(what, self.name(), errno)
    }

    /// Notes that a file gets a name now, and returns the number of that change.
    pub fn note_name(&self) -> u64 {
        self.names_changed.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The number of the last change of names that is known to be on disk.
    pub fn names_synced(&self) -> u64 {
        self.names_synced.load(Ordering::Acquire)
    }

    /// From now on somebody relies on what is durable: no name is removed before the names that replace it are
    /// on disk, even if the directory has to wait for that.
    pub fn promise_names(&self) {
        if !self.are_names_promised() {
            // What was removed earlier is on disk with the next sync.
            self.promised_by.store(self.note_name(), Ordering::Release);
        }
    }

    /// Whether somebody relies on what is durable.
    pub fn are_names_promised(&self) -> bool {
        self.promised_by.load(Ordering::Acquire) != 0
    }

    /// Whether the promise holds already.
    pub fn are_names_kept(&self) -> bool {
        let promised_by = self.promised_by.load(Ordering::Acquire);
        let is_synced = promised_by != 0 && promised_by <= self.names_synced();
        is_synced && self.is_parent_synced.load(Ordering::Acquire)
    }

    /// Waits until all names that are promised are on disk, the name of the directory itself among them.
    pub fn keep_names(&self) -> Result<(), Failure> {
        if !self.is_parent_synced.load(Ordering::Acquire) {
            let parent = OsStr::new("..");
            // A parent that is closed to us is as durable as with 0.76.
            if let Ok(opened) = self.dir.open_dir(parent) {
                let synced = opened.sync();
                synced.map_err(|errno| self.failure(What::Sync, parent.as_bytes(), errno))?;
            }
            self.is_parent_synced.store(true, Ordering::Release);
        }
        self.sync_names()
    }

    /// Waits until the names in the directory are on disk. If that fails, it is reported once until it
    /// succeeds, and the directory goes on: the contents are safe. Only a directory whose names are promised
    /// gets an error, so as to try again.
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

    /// Waits until the names in the directory are on disk.
    pub fn sync_names(&self) -> Result<(), Failure> {
        let changed = self.names_changed.load(Ordering::Acquire);
        let begin = Instant::now();
        let synced = self.dir.sync();
        self.is_slow.store(begin.elapsed() > SLOW_SYNC, Ordering::Relaxed);
        match synced {
            Ok(()) => {
                self.names_unsynced.forget();
            }
            // A file system that cannot sync a directory keeps names as well as it can.
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

    /// Renames a file that may have been renamed already: a file system in a network can do it and answer
    /// with an error.
    pub fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        match self.dir.rename(from, to) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Whether the disk is slow, as it was the last time.
    pub fn is_slow(&self) -> bool {
        #[cfg(test)]
        if self.dir.is_model() {
            return true;
        }
        self.is_slow.load(Ordering::Relaxed)
    }

    /// Removes a file that may be gone already.
    pub fn remove(&self, name: &[u8]) -> Result<(), Failure> {
        match self.dir.remove(name) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(self.failure(What::Remove, name, errno)),
        }
    }
}

/// A new directory is on disk when the directory above it is. Where that cannot be done the new directory is as
/// durable as with 0.76, and that is reported.
fn sync_parent(start: &Dir, path: &OsStr, reporter: &Reporter) -> bool {
    let parent = disk::split(path).map(|(parent, _)| parent).filter(|parent| !parent.is_empty());
    let parent = parent.unwrap_or(OsStr::new("."));
    match start.open_dir(parent).and_then(|parent| parent.sync()) {
        Ok(()) => true,
        Err(errno) => {
            reporter.report(&Event::Failed(Failure::new(What::Sync, parent.as_bytes(), errno)));
            false
        }
    }
}
