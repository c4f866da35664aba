//! A log directory that is held open and locked: what its writer and its finisher share.

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
use nix::errno::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A disk that takes so long to confirm names is slow; others are faster than it takes to have a thread
/// wait for them.
const SLOW_SYNC: Duration = Duration::from_millis(1);

/// The directory, its settings and its lock, which lasts as long as anybody works here.
#[derive(Debug)]
pub struct LockedDir {
    /// The directory.
    pub dir: Dir,
    /// Its name and settings.
    pub spec: Settings,
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
    /// The disk took long to confirm names.
    is_slow: AtomicBool,
    archives: Mutex<Archives>,
    /// What failed last, and when.
    last_trouble: Mutex<Option<(Label, Failure)>>,
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

    /// It is over; the next time is news again.
    pub fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl LockedDir {
    /// Makes the directory if need be, opens it and takes its lock.
    pub fn open(start: &Dir, spec: &Settings, reporter: &Reporter) -> Result<LockedDir, Failure> {
        // As in 0.76 a directory that cannot be made shows in the next call.
        if start.make_dir(&spec.dir, crate::format::MODE_DIRECTORY).is_ok() {
            sync_parent(start, &spec.dir);
        }
        let name = spec.dir.as_bytes();
        let dir = start
            .open_dir(&spec.dir)
            .map_err(|errno| Failure::new(What::OpenDirectory, name, errno))?;
        let lock = Lock::take(&dir, name)?;
        Ok(LockedDir {
            dir,
            spec: spec.clone(),
            clock_behind: OnceUntilOver::default(),
            archives_stuck: OnceUntilOver::default(),
            contents_unsynced: OnceUntilOver::default(),
            names_unsynced: OnceUntilOver::default(),
            processors: Processors::default(),
            is_slow: AtomicBool::new(false),
            archives: Mutex::default(),
            last_trouble: Mutex::default(),
            reporter: reporter.clone(),
            _lock: lock,
        })
    }

    /// The directory as the user named it.
    pub fn name(&self) -> &[u8] {
        self.spec.dir.as_bytes()
    }

    /// The archives, for one at a time. They may be held for as long as a disk takes, so the event loop
    /// does not ask.
    pub fn archives(&self) -> MutexGuard<'_, Archives> {
        self.archives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports something that happened.
    pub fn report(&self, event: &Event) {
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

    /// Remembers a failure, for whoever asks.
    pub fn note(&self, failure: &Failure) {
        let mut last = self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((clock::now(), failure.clone()));
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

    /// Waits until the names in the directory are on disk. Nothing can be done where that fails but to
    /// say so, once until it succeeds; the contents are safe.
    pub fn sync_names(&self) {
        let begin = Instant::now();
        let synced = self.dir.sync();
        self.is_slow.store(begin.elapsed() > SLOW_SYNC, Ordering::Relaxed);
        match synced {
            Ok(()) => self.names_unsynced.forget(),
            Err(errno) if self.names_unsynced.is_news() => {
                self.report_failed(self.failure_here(What::Sync, errno));
            }
            Err(_) => {}
        }
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

/// A new directory is on disk when the one above it is. That one may be closed to us, and need not
/// be told: then it is as durable as with 0.76.
fn sync_parent(start: &Dir, path: &OsStr) {
    let parent = disk::split(path).map(|(parent, _)| parent).filter(|parent| !parent.is_empty());
    let opened = start.open_dir(parent.unwrap_or(OsStr::new(".")));
    let _ = opened.and_then(|parent| parent.sync());
}
