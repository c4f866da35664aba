//! When to look at followed directories again: soon after something happened in one, where the system
//! tells, and each once in a while in any case.

use crate::reader::list::Directory;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// The longest time for which a directory is not looked at, whatever the system tells.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Watches directories by their numbers.
pub struct Watch {
    /// None where the system has no more of it to give.
    inotify: Option<Inotify>,
    numbers: HashMap<WatchDescriptor, usize>,
    count: usize,
    next_sweep: Instant,
}

impl Watch {
    /// Watches these directories.
    pub fn new<'a>(directories: impl IntoIterator<Item = &'a Directory>) -> Watch {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        let mut watch =
            Watch { inotify, numbers: HashMap::new(), count: 0, next_sweep: Instant::now() };
        for directory in directories {
            watch.add(directory);
        }
        watch
    }

    fn add(&mut self, directory: &Directory) {
        let number = self.count;
        self.count += 1;
        let events = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE;
        // A directory that cannot be watched is looked at when all are.
        if let Some(inotify) = &self.inotify
            && let Ok(descriptor) = inotify.add_watch(directory.path(), events)
        {
            self.numbers.insert(descriptor, number);
        }
    }

    /// What becomes readable when something has happened.
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// How long there is nothing to look at unless something happens.
    pub fn timeout(&self) -> Duration {
        self.next_sweep.saturating_duration_since(Instant::now())
    }

    /// Marks the directories that should be looked at now.
    pub fn mark(&mut self, marks: &mut [bool]) {
        if self.timeout().is_zero() {
            self.next_sweep = Instant::now() + SWEEP_INTERVAL;
            marks.fill(true);
        }
        let Some(inotify) = &self.inotify else { return };
        loop {
            match inotify.read_events() {
                Ok(events) => {
                    for event in events {
                        match self.numbers.get(&event.wd) {
                            Some(&number) => marks[number] = true,
                            // The queue was full, so that nobody knows what has been missed.
                            None => marks.fill(true),
                        }
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }
}
