//! Decides when to look at followed directories: soon after a file system event, and periodically
//! even without events.

use crate::read::list::Directory;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Maximum time between two looks, even without events.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Watches directories by number.
pub struct Watch {
    /// `None` after reaching the kernel's inotify limit.
    inotify: Option<Inotify>,
    /// Purpose of each watch. Files of one directory share a watch.
    watched: HashMap<WatchDescriptor, Watched>,
    /// Arrivals at each directory's path since the last check.
    arrivals: Vec<u32>,
    next_sweep: Instant,
}

/// Watched file system directory.
#[derive(Debug, Default)]
struct Watched {
    /// Directories for which any event counts.
    numbers: Vec<usize>,
    /// Directories for which only events of this name count.
    names: Vec<(OsString, usize)>,
}

impl Default for Watch {
    fn default() -> Watch {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        Watch { inotify, watched: HashMap::new(), arrivals: Vec::new(), next_sweep: Instant::now() }
    }
}

impl Watch {
    /// Watches a replacement directory under the old number.
    pub fn replace(&mut self, number: usize, directory: &Directory) {
        for watched in self.watched.values_mut() {
            watched.numbers.retain(|&known| known != number);
        }
        let is_unused = |watched: &Watched| watched.numbers.is_empty() && watched.names.is_empty();
        let old = self.watched.iter().find(|(_, watched)| is_unused(watched)).map(|(wd, _)| *wd);
        if let (Some(inotify), Some(descriptor)) = (&self.inotify, old) {
            // If the directory is gone, the kernel already removed its watch.
            let _ = inotify.rm_watch(descriptor);
            self.watched.remove(&descriptor);
        }
        self.add_inside(number, directory);
    }

    /// Watches a directory, or a single file in it, and any replacement at its path.
    pub fn add(&mut self, number: usize, directory: &Directory, file_alone: Option<&[u8]>) {
        self.arrivals.resize(self.arrivals.len().max(number + 1), 0);
        let path = directory.path();
        let (parent, name) = match file_alone {
            Some(name) => (Some(path), Some(OsStr::from_bytes(name))),
            None => (path.parent(), path.file_name()),
        };
        // The parent is watched first, so that a later replacement is noticed.
        if let (Some(parent), Some(name)) = (parent, name) {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            // The kernel merges two consecutive equal events. Between two arrivals there is a
            // departure, except if a rename replaces the entry.
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

    /// `None` for an unwatchable directory, which only the periodic sweep covers.
    fn watch(&mut self, path: &Path, events: AddWatchFlags) -> Option<&mut Watched> {
        let inotify = self.inotify.as_ref()?;
        // Keeps the directory's other watch reason.
        let added = AddWatchFlags::from_bits_retain(libc::IN_MASK_ADD);
        let descriptor = inotify.add_watch(path, events | added).ok()?;
        Some(self.watched.entry(descriptor).or_default())
    }

    /// Entries created at this directory's path since [`Watch::forget_arrivals`].
    pub fn arrivals(&self, number: usize) -> u32 {
        self.arrivals.get(number).copied().unwrap_or(0)
    }

    /// Resets the arrival count.
    pub fn forget_arrivals(&mut self, number: usize) {
        self.arrivals[number] = 0;
    }

    /// Descriptor that becomes readable after an event.
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// Next periodic look at all directories.
    pub fn next_sweep(&self) -> Instant {
        self.next_sweep
    }

    /// Marks directories to look at now.
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
            // The queue overflowed, so events were lost; or a watch was removed, and marking all is
            // harmless.
            return marks.fill(true);
        };
        watched.numbers.iter().for_each(|&number| marks[number] = true);
        let is_arrival =
            event.mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO);
        let is_it = |name: &OsString| is_arrival && event.name.as_ref() == Some(name);
        // Counted only: a directory being copied must not be read before the copy is complete.
        for (_, number) in watched.names.iter().filter(|(name, _)| is_it(name)) {
            self.arrivals[*number] = self.arrivals[*number].saturating_add(1);
        }
    }
}
