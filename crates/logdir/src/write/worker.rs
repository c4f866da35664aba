//! Worker of a log directory: a mailbox of tasks and at most two threads.
//!
//! A task arriving while the first thread is busy starts the second, so a hanging processor or a
//! pause never delays a sync, or freeing space on a full disk. If no thread can be started, the
//! event loop runs the task, as 0.76 does everything. `task.rs` contains the tasks.

use crate::clock;
use crate::failure::What;
use crate::sys::memory::find_memory;
use crate::sys::thread::{self, Thread};
use crate::wake::Wake;
use crate::write::locked_dir::LockedDir;
use crate::write::processor::Patience;
use crate::write::task::{Kind, Progress, Report, Task};
use nix::errno::Errno;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
#[cfg(test)]
use std::time::Duration;
use std::time::Instant;

/// Small stack: the deepest call starts a process.
const STACK_BYTES: usize = 256 * 1024;

/// Bytes a thread must be able to allocate: memory for a listing.
const THREAD_MEMORY: usize = 64 * 1024;

/// Bytes that must stay free beside a new thread, for the rest of the process. With less the loop works alone: a
/// failed allocation would abort the process (`softlimit -a`).
const MEMORY_LEFT: usize = 1024 * 1024;

/// One thread may wait for a processor while the other works.
const THREADS_MAX: usize = 2;

/// The event loop's handle of the worker.
#[derive(Debug)]
pub struct Worker {
    place: Arc<LockedDir>,
    mailbox: Arc<Mailbox>,
    threads: Vec<Thread>,
    /// Tasks without a thread, with the earliest time of their next step. At most one per kind.
    here: Vec<(Task, Option<Instant>)>,
    /// A task of this kind was given, and its report not yet taken.
    is_syncing: bool,
    is_at_chore: bool,
    wake: Wake,
    /// On the model disk: whether a thread would run. The test acts as the thread.
    #[cfg(test)]
    has_thread_by_hand: bool,
}

/// Shared by loop and threads.
#[derive(Debug)]
struct Mailbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// At most one per kind.
    tasks: VecDeque<Task>,
    /// At most one per kind.
    reports: VecDeque<Report>,
    idle_count: usize,
    finishing: Finishing,
    /// Start result of the newest thread.
    start: Start,
    /// No more tasks follow.
    is_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Awaited,
    /// Waiting for tasks.
    Ready,
    /// Allocation failed: with little memory left the C library cannot give a thread its heap.
    WithoutMemory,
}

/// State of the file being finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finishing {
    None,
    UnderWay,
    /// A failed step is in its pause.
    Failing,
}

impl Worker {
    /// A worker without threads so far. Calls `wake` for each report.
    pub fn new(place: &Arc<LockedDir>, wake: &Wake) -> Worker {
        let state = State {
            tasks: VecDeque::new(),
            reports: VecDeque::new(),
            idle_count: 0,
            finishing: Finishing::None,
            start: Start::Awaited,
            is_over: false,
        };
        Worker {
            place: Arc::clone(place),
            mailbox: Arc::new(Mailbox { state: Mutex::new(state), changed: Condvar::new() }),
            threads: Vec::new(),
            here: Vec::new(),
            is_syncing: false,
            is_at_chore: false,
            wake: wake.clone(),
            #[cfg(test)]
            has_thread_by_hand: false,
        }
    }

    /// Whether a task of this kind is running, so `give` is not allowed.
    pub fn is_busy(&self, kind: Kind) -> bool {
        match kind {
            Kind::Finish => self.mailbox.lock().finishing != Finishing::None,
            Kind::Sync => self.is_syncing,
            Kind::Chore => self.is_at_chore,
        }
    }

    /// Whether finishing a file is failing.
    pub fn is_failing(&self) -> bool {
        self.mailbox.lock().finishing == Finishing::Failing
    }

    /// Accepts a task. No task of its kind may be running.
    pub fn give(&mut self, task: Task) {
        assert!(!self.is_busy(task.kind()));
        match task.kind() {
            Kind::Finish => self.mailbox.lock().finishing = Finishing::UnderWay,
            Kind::Sync => self.is_syncing = true,
            Kind::Chore => self.is_at_chore = true,
        }
        match self.have_thread() {
            Ok(()) => {
                self.place.no_thread.forget();
                self.mailbox.lock().tasks.push_back(task);
                self.mailbox.changed.notify_all();
            }
            Err(error) => {
                if self.place.no_thread.is_news() {
                    let errno = error.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw);
                    self.place.report_failed(self.place.failure_here(What::Thread, errno));
                }
                self.here.push((task, None));
                self.advance_here();
            }
        }
    }

    /// Whether to start an early sync: none is running, and a thread would run it.
    pub fn can_sync_ahead(&mut self) -> bool {
        !self.is_syncing && self.have_thread().is_ok()
    }

    /// Takes a finished task's report.
    pub fn take_report(&mut self) -> Option<Report> {
        let report = self.mailbox.lock().reports.pop_front()?;
        match report {
            Report::Finished => {}
            Report::Synced | Report::Unsynced | Report::NamesUnsynced(_) => self.is_syncing = false,
            Report::NextAged(_) | Report::MadeRoom(..) | Report::StatusReported => {
                self.is_at_chore = false;
            }
        }
        Some(report)
    }

    /// Advances tasks without a thread, as far as possible without waiting.
    pub fn advance_here(&mut self) {
        #[cfg(test)]
        if self.has_thread_by_hand {
            return;
        }
        while self.advance_each() {}
    }

    /// Next step time of tasks without a thread.
    pub fn deadline(&self) -> Option<Instant> {
        #[cfg(test)]
        if self.has_thread_by_hand {
            return None;
        }
        self.here.iter().filter_map(|(_, not_before)| *not_before).min()
    }

    /// Ends a processor's retry pause after processors were stopped.
    pub fn hurry(&self) {
        // Holds the lock, so a thread about to sleep cannot miss the notification.
        let _state = self.mailbox.lock();
        self.mailbox.changed.notify_all();
    }

    /// Waits until no file is being finished, at most `longest`.
    #[cfg(test)]
    pub fn wait(&self, longest: Duration) {
        let is_busy = |state: &mut State| state.finishing != Finishing::None;
        drop(self.mailbox.changed.wait_timeout_while(self.mailbox.lock(), longest, is_busy));
    }

    /// On the model disk: performs one step of each task a thread would run. False if nothing was
    /// left.
    #[cfg(test)]
    pub fn advance_by_hand(&mut self) -> bool {
        let given = std::mem::take(&mut self.mailbox.lock().tasks);
        self.here.extend(given.into_iter().map(|task| (task, None)));
        self.advance_each()
    }

    /// Performs one step of each task without a thread. False if nothing was left.
    fn advance_each(&mut self) -> bool {
        let mut has_advanced = false;
        let place = Arc::clone(&self.place);
        for (mut task, _) in std::mem::take(&mut self.here) {
            let progress = task.advance(&place, Patience::Looks);
            self.mailbox.note(&task, &progress, Patience::Looks);
            match progress {
                Progress::More => self.here.push((task, Some(clock::instant()))),
                Progress::NotBefore(moment) => {
                    self.here.push((task, Some(moment)));
                    continue;
                }
                Progress::Done(_) => self.wake.wake(),
            }
            has_advanced = true;
        }
        has_advanced
    }

    /// Ensures that a thread takes the next task soon.
    fn have_thread(&mut self) -> io::Result<()> {
        #[cfg(test)]
        if self.place.dir.is_model() {
            if !self.has_thread_by_hand {
                self.place.dir.start_thread()?;
                self.has_thread_by_hand = true;
            }
            return Ok(());
        }
        let (idle_count, task_count) = {
            let state = self.mailbox.lock();
            (state.idle_count, state.tasks.len())
        };
        if idle_count > task_count || self.threads.len() == THREADS_MAX {
            return Ok(());
        }
        if self.wake.fd().is_none() {
            return Err(io::Error::from_raw_os_error(Errno::EMFILE as i32));
        }
        find_memory(STACK_BYTES + MEMORY_LEFT)?;
        let (mailbox, place) = (Arc::clone(&self.mailbox), Arc::clone(&self.place));
        let wake = self.wake.clone();
        self.mailbox.lock().start = Start::Awaited;
        let thread = thread::spawn(STACK_BYTES, move || {
            if mailbox.begin() {
                work(&mailbox, &place, &wake);
            }
        })?;
        if self.mailbox.has_begun() {
            self.threads.push(thread);
            return Ok(());
        }
        thread.join();
        Err(io::Error::from_raw_os_error(Errno::ENOMEM as i32))
    }
}

impl Drop for Worker {
    /// Lets running tasks finish in their threads, and joins idle threads.
    fn drop(&mut self) {
        let is_idle = {
            let mut state = self.mailbox.lock();
            state.is_over = true;
            state.idle_count == self.threads.len() && state.tasks.is_empty()
        };
        self.mailbox.changed.notify_all();
        if is_idle {
            for thread in self.threads.drain(..) {
                thread.join();
            }
        }
    }
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a task's progress. A waiting caller is a thread, idle after its task.
    fn note(&self, task: &Task, progress: &Progress, patience: Patience) {
        let mut state = self.lock();
        if task.kind() == Kind::Finish {
            state.finishing = match progress {
                Progress::Done(_) => Finishing::None,
                Progress::NotBefore(_) if task.is_failing() => Finishing::Failing,
                Progress::More | Progress::NotBefore(_) => Finishing::UnderWay,
            };
        }
        if let Progress::Done(report) = progress {
            state.reports.push_back(report.clone());
            state.idle_count += usize::from(patience == Patience::Waits);
        }
        self.changed.notify_all();
    }

    /// Starts a thread as idle. False without memory.
    fn begin(&self) -> bool {
        let has_memory = std::hint::black_box(Vec::<u8>::new()).try_reserve(THREAD_MEMORY).is_ok();
        let mut state = self.lock();
        state.start = if has_memory { Start::Ready } else { Start::WithoutMemory };
        state.idle_count += usize::from(has_memory);
        self.changed.notify_all();
        has_memory
    }

    /// Waits for a started thread's first step, no longer than its start takes. False without
    /// memory.
    fn has_begun(&self) -> bool {
        let is_awaited = |state: &mut State| state.start == Start::Awaited;
        let state = self.changed.wait_while(self.lock(), is_awaited);
        state.unwrap_or_else(PoisonError::into_inner).start == Start::Ready
    }

    /// Waits for a task. `None` after the last.
    fn take(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            // Finishing a file may take longest, so other kinds run first.
            let pos = state.tasks.iter().position(|task| task.kind() != Kind::Finish).unwrap_or(0);
            if let Some(task) = state.tasks.remove(pos) {
                state.idle_count -= 1;
                return Some(task);
            }
            if state.is_over {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until `until`, or until `is_needless` holds.
    fn rest(&self, until: Instant, is_needless: impl Fn() -> bool) {
        let length = until.saturating_duration_since(clock::instant());
        let goes_on = |_: &mut State| !is_needless();
        drop(self.changed.wait_timeout_while(self.lock(), length, goes_on));
    }
}

/// Thread main loop: runs each task to its end.
fn work(mailbox: &Mailbox, place: &LockedDir, wake: &Wake) {
    while let Some(mut task) = mailbox.take() {
        loop {
            let progress = task.advance(place, Patience::Waits);
            mailbox.note(&task, &progress, Patience::Waits);
            match progress {
                // The step may have made bytes durable.
                Progress::More if place.are_names_promised() => wake.wake(),
                Progress::More => {}
                Progress::NotBefore(moment) => {
                    wake.wake();
                    mailbox.rest(moment, || task.is_pause_needless(place));
                }
                Progress::Done(_) => {
                    wake.wake();
                    break;
                }
            }
        }
    }
}
