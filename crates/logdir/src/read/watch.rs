//! When to look at followed directories again: soon after something happened in one, where the system
//! tells, and each once in a while in any case.

use crate::read::list::Directory;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest time for which a directory is not looked at, whatever the system tells.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Watches directories by their numbers.
pub struct Watch {
    /// `None` if the inotify limit of the system is reached.
    inotify: Option<Inotify>,
    /// What each watch is for. Files of one directory have one watch in common.
    watched: HashMap<WatchDescriptor, Watched>,
    /// How often something got the name of each directory since it was last asked.
    arrivals: Vec<u32>,
    next_sweep: Instant,
}

/// A directory of the file system.
#[derive(Debug, Default)]
struct Watched {
    /// The numbers for which everything in it counts.
    numbers: Vec<usize>,
    /// The numbers for which a name in it counts.
    names: Vec<(OsString, usize)>,
}

impl Default for Watch {
    /// Watches nothing yet.
    fn default() -> Watch {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        Watch { inotify, watched: HashMap::new(), arrivals: Vec::new(), next_sweep: Instant::now() }
    }
}

impl Watch {
    /// Watches another directory by this number, under its old name.
    pub fn replace(&mut self, number: usize, directory: &Directory) {
        for watched in self.watched.values_mut() {
            watched.numbers.retain(|&known| known != number);
        }
        let is_unused = |watched: &Watched| watched.numbers.is_empty() && watched.names.is_empty();
        let old = self.watched.iter().find(|(_, watched)| is_unused(watched)).map(|(wd, _)| *wd);
        if let (Some(inotify), Some(descriptor)) = (&self.inotify, old) {
            // Where the directory is gone, its watch is gone too.
            let _ = inotify.rm_watch(descriptor);
            self.watched.remove(&descriptor);
        }
        self.add_inside(number, directory);
    }

    /// Watches one more directory by this number, or a file by itself in it, and what gets its name.
    pub fn add(&mut self, number: usize, directory: &Directory, file_alone: Option<&[u8]>) {
        self.arrivals.resize(self.arrivals.len().max(number + 1), 0);
        let path = directory.path();
        let (parent, name) = match file_alone {
            Some(name) => (Some(path), Some(OsStr::from_bytes(name))),
            None => (path.parent(), path.file_name()),
        };
        // Before the directory itself: what replaces it after that is noticed.
        if let (Some(parent), Some(name)) = (parent, name) {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            // The system reports two equal events that follow each other once. Between two arrivals there
            // is a departure, except where a file is renamed over another one.
            let events =
                AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVE | AddWatchFlags::IN_DELETE;
            if let Some(watched) = self.watch(parent, events) {
                watched.names.push((name.to_owned(), number));
            }
        }
        self.add_inside(number, directory);
    }

    fn add_inside(&mut self, number: usize, directory: &Directory) {
        let events = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE;
        if let Some(watched) = self.watch(directory.path(), events) {
            watched.numbers.push(number);
        }
    }

    /// None for a directory that cannot be watched. It is looked at when all are.
    fn watch(&mut self, path: &Path, events: AddWatchFlags) -> Option<&mut Watched> {
        let inotify = self.inotify.as_ref()?;
        // One directory may be watched for both reasons.
        let added = AddWatchFlags::from_bits_retain(libc::IN_MASK_ADD);
        let descriptor = inotify.add_watch(path, events | added).ok()?;
        Some(self.watched.entry(descriptor).or_default())
    }

    /// How often something got the name of this directory since [`Watch::forget_arrivals`].
    pub fn arrivals(&self, number: usize) -> u32 {
        self.arrivals.get(number).copied().unwrap_or(0)
    }

    /// Counts from 0 again.
    pub fn forget_arrivals(&mut self, number: usize) {
        self.arrivals[number] = 0;
    }

    /// What becomes readable when something has happened.
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// When all directories are looked at, whether something happens before or not.
    pub fn next_sweep(&self) -> Instant {
        self.next_sweep
    }

    /// Marks the directories that should be looked at now.
    pub fn mark(&mut self, marks: &mut [bool]) {
        let now = Instant::now();
        if self.next_sweep <= now {
            self.next_sweep = now + SWEEP_INTERVAL;
            marks.fill(true);
        }
        loop {
            let Some(inotify) = &self.inotify else { return };
            match inotify.read_events() {
                Ok(events) => {
                    for event in events {
                        self.note(event, marks);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }
    fn note(&mut self, event: InotifyEvent, marks: &mut [bool]) {
        let Some(watched) = self.watched.get(&event.wd) else {
            // The queue was full, so that nobody knows what has been missed; or a watch is gone, and
            // nothing was.
            return marks.fill(true);
        };
        watched.numbers.iter().for_each(|&number| marks[number] = true);
        let is_arrival =
            event.mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO);
        let is_it = |name: &OsString| is_arrival && event.name.as_ref() == Some(name);
        // They are counted only. A directory that is being copied would be read before it is whole.
        for (_, number) in watched.names.iter().filter(|(name, _)| is_it(name)) {
            self.arrivals[*number] = self.arrivals[*number].saturating_add(1);
        }
    }
}
