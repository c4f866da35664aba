//! The thread beside the event loop that finishes files, one per log directory, started when it is
//! first needed. It alone may sleep.

#[cfg(test)]
mod by_hand;

use crate::event::{Event, Work as Resumed};
use crate::failure::{Failure, What};
use crate::pause::Trouble;
use crate::wake::Wake;
use crate::write::finish::{Finishing, Step};
use crate::write::keeper;
use crate::write::locked_dir::LockedDir;
use nix::errno::Errno;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The thread needs little: its deepest call starts a process.
const STACK_BYTES: usize = 256 * 1024;

/// What the finisher has to do.
#[derive(Debug)]
enum Work {
    /// Nothing; waits for the next file.
    Idle,
    /// A file that has not been taken up yet.
    Waiting(Finishing),
    /// A file under way.
    Running,
    /// A file under way, after a step that failed. A processor that failed is no trouble: whoever ends
    /// the logger need not wait for it.
    Pausing,
    /// Nothing, and nothing will come.
    Over,
}

#[derive(Debug)]
struct Shared {
    work: Mutex<Work>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, work: Work) {
        *self.lock() = work;
        self.changed.notify_all();
    }
}

/// The door to the thread.
#[derive(Debug)]
pub struct Finisher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    wake: Wake,
    #[cfg(test)]
    by_hand: Option<by_hand::ByHand>,
}

impl Finisher {
    /// A finisher without a thread yet. It calls `wake` when a file is finished.
    pub fn new(wake: Wake) -> Finisher {
        let shared = Shared { work: Mutex::new(Work::Idle), changed: Condvar::new() };
        Finisher {
            shared: Arc::new(shared),
            thread: None,
            wake,
            #[cfg(test)]
            by_hand: None,
        }
    }

    /// Whether a file is under way, so that none can be started.
    pub fn is_busy(&self) -> bool {
        !matches!(*self.shared.lock(), Work::Idle)
    }

    /// Makes an end of the pause after a processor that failed, if the processors were stopped.
    pub fn hurry(&self) {
        // With the lock in hand, so that the thread does not miss it on its way to sleep.
        let _work = self.shared.lock();
        self.shared.changed.notify_all();
    }

    /// Whether a step failed and waits for its pause to pass.
    pub fn is_in_trouble(&self) -> bool {
        matches!(*self.shared.lock(), Work::Pausing)
    }

    /// Makes sure that there is a thread. The error is that of starting one.
    pub fn prepare(&mut self, place: &Arc<LockedDir>) -> Result<(), Failure> {
        #[cfg(test)]
        if place.dir.is_model() {
            return self.prepare_by_hand(place);
        }
        if self.thread.is_none() {
            let (shared, place, wake) =
                (Arc::clone(&self.shared), Arc::clone(place), self.wake.clone());
            let failure = place.failure_here(What::Thread, Errno::EAGAIN);
            let builder = thread::Builder::new().stack_size(STACK_BYTES);
            let started = builder.spawn(move || finish_files(&shared, &place, &wake));
            self.thread = Some(started.map_err(|_| failure)?);
        }
        Ok(())
    }

    fn is_prepared(&self) -> bool {
        #[cfg(test)]
        if self.by_hand.is_some() {
            return true;
        }
        self.thread.is_some()
    }

    /// Hands over a file. Must be prepared and not busy.
    pub fn start(&mut self, finishing: Finishing) {
        assert!(self.is_prepared() && !self.is_busy());
        self.shared.set(Work::Waiting(finishing));
    }

    /// Waits until the file under way is finished or the time has passed.
    pub fn wait(&self, longest: Duration) {
        let work = self.shared.lock();
        let busy = |work: &mut Work| !matches!(work, Work::Idle);
        drop(self.shared.changed.wait_timeout_while(work, longest, busy));
    }
}

impl Drop for Finisher {
    /// Ends the thread if it is idle; one that is at work ends with the process.
    fn drop(&mut self) {
        if !self.is_busy() {
            self.shared.set(Work::Over);
            if let Some(thread) = self.thread.take() {
                // A thread that panicked has already said why.
                let _ = thread.join();
            }
        }
    }
}

fn finish_files(shared: &Shared, place: &LockedDir, wake: &Wake) {
    let mut removed_for_room = 0;
    while let Some(mut finishing) = take_up(shared) {
        let mut trouble = Trouble::default();
        while finishing.step() != Step::Done {
            if let Err(failure) = finishing.advance(place) {
                place.note(&failure);
                if failure.is_of_full_disk() && keeper::has_made_room(place, &mut removed_for_room)
                {
                    continue;
                }
                place.report(&Event::Pausing(failure));
                trouble.begin();
                let is_trouble = finishing.step() != Step::RunProcessor;
                shared.set(if is_trouble { Work::Pausing } else { Work::Running });
                wake.wake();
                rest(shared, place.spec.pause, || !is_trouble && place.processors.are_stopped());
                shared.set(Work::Running);
            }
        }
        trouble.report_end(Resumed::Finishing, place.name(), place.reporter());
        shared.set(Work::Idle);
        wake.wake();
    }
}

/// Waits for the pause to pass, or for something that makes waiting needless.
fn rest(shared: &Shared, length: Duration, is_needless: impl Fn() -> bool) {
    let goes_on = |_: &mut Work| !is_needless();
    drop(shared.changed.wait_timeout_while(shared.lock(), length, goes_on));
}

fn take_up(shared: &Shared) -> Option<Finishing> {
    let mut work = shared.lock();
    loop {
        match std::mem::replace(&mut *work, Work::Running) {
            Work::Waiting(finishing) => return Some(finishing),
            Work::Over => return None,
            other => *work = other,
        }
        work = shared.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
    }
}
