//! How long trouble rests before it is tried again. The one place that decides it.

use crate::clock;
use crate::diag::{self, Failure};
use std::time::{Duration, Instant};

/// The pause of 0.76, and of a directory without `r`.
pub const PAUSE: Duration = Duration::from_secs(5);

/// A pause after a failed step, or none.
#[derive(Debug)]
pub struct Pause {
    length: Duration,
    until: Option<Instant>,
}

impl Default for Pause {
    fn default() -> Self {
        Pause::of(PAUSE)
    }
}

impl Pause {
    /// None yet; those that come will last so long.
    pub fn of(length: Duration) -> Pause {
        Pause { length, until: None }
    }

    /// Tells of the failure and begins to wait.
    pub fn start(&mut self, failure: &Failure) {
        diag::pausing(failure);
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
}
