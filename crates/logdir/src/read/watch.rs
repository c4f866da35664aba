//! When to look at followed directories again: soon after something happened in one, where the system
//! tells, and each once in a while in any case.

use crate::read::list::Directory;
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
    /// Which directories have each watch: files of one directory have one in common.
    numbers: HashMap<WatchDescriptor, Vec<usize>>,
    next_sweep: Instant,
}

impl Watch {
    /// Watches these directories.
    pub fn new<'a>(directories: impl IntoIterator<Item = &'a Directory>) -> Watch {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        let mut watch = Watch { inotify, numbers: HashMap::new(), next_sweep: Instant::now() };
        for (number, directory) in directories.into_iter().enumerate() {
            watch.add(number, directory);
        }
        watch
    }

    /// Watches another directory by this number.
    pub fn replace(&mut self, number: usize, directory: &Directory) {
        for numbers in self.numbers.values_mut() {
            numbers.retain(|&known| known != number);
        }
        let unused = |numbers: &Vec<usize>| numbers.is_empty();
        let old = self.numbers.iter().find(|(_, numbers)| unused(numbers)).map(|(wd, _)| *wd);
        if let (Some(inotify), Some(descriptor)) = (&self.inotify, old) {
            // Where the directory is gone, its watch is gone too.
            let _ = inotify.rm_watch(descriptor);
            self.numbers.remove(&descriptor);
        }
        self.add(number, directory);
    }

    /// Watches one more directory by this number.
    pub fn add(&mut self, number: usize, directory: &Directory) {
        let events = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE;
        // A directory that cannot be watched is looked at when all are.
        if let Some(inotify) = &self.inotify
            && let Ok(descriptor) = inotify.add_watch(directory.path(), events)
        {
            self.numbers.entry(descriptor).or_default().push(number);
        }
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
        let Some(inotify) = &self.inotify else { return };
        loop {
            match inotify.read_events() {
                Ok(events) => {
                    for event in events {
                        match self.numbers.get(&event.wd) {
                            Some(numbers) => numbers.iter().for_each(|&n| marks[n] = true),
                            // The queue was full, so that nobody knows what has been missed; or a watch
                            // is gone, and nothing was.
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
