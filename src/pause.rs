//! How long trouble rests before it is tried again. The one place that decides it.

use crate::clock;
use crate::diag::{self, Again, Failure};
use std::time::{Duration, Instant};

/// The pause of 0.76, and of a directory without `r`.
pub const PAUSE: Duration = Duration::from_secs(5);

/// A pause after a failed step, or none.
#[derive(Debug)]
pub struct Pause {
    length: Duration,
    until: Option<Instant>,
    trouble: Trouble,
}

impl Default for Pause {
    fn default() -> Self {
        Pause::of(PAUSE)
    }
}

impl Pause {
    /// None yet; those that come will last so long.
    pub fn of(length: Duration) -> Pause {
        Pause { length, until: None, trouble: Trouble::default() }
    }

    /// Tells of the failure and begins to wait.
    pub fn start(&mut self, failure: &Failure) {
        diag::pausing(failure);
        self.trouble.begin();
        self.until = Some(clock::moment() + self.length);
    }

    /// Whether the next try may be made.
    pub fn is_over(&self) -> bool {
        self.until.is_none_or(|until| clock::moment() >= until)
    }

    /// Ends the pause, after a try that succeeded.
    pub fn clear(&mut self) {
        self.until = None;
    }

    /// When the next try may be made, if there is trouble.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Tells, once, that what was held back by the trouble is done. A try that succeeded is not enough:
    /// a disk that takes three more bytes is as full as before.
    pub fn tell_end(&mut self, again: Again, place: &[u8]) {
        if self.until.is_none() {
            self.trouble.tell_end(again, place);
        }
    }
}

/// Trouble that has been told of, from the first failure to the end of what it held back.
#[derive(Debug, Default)]
pub struct Trouble {
    since: Option<Instant>,
}

impl Trouble {
    /// There is trouble, if there was none before.
    pub fn begin(&mut self) {
        self.since.get_or_insert_with(clock::moment);
    }

    /// Tells that it is over, if there was any.
    pub fn tell_end(&mut self, again: Again, place: &[u8]) {
        if let Some(since) = self.since.take() {
            diag::again(again, place, clock::moment().saturating_duration_since(since));
        }
    }
}
