//! Retry delay after failures, decided only here.

use crate::clock;
use crate::event::{Event, Reporter, Work};
use crate::failure::Failure;
use std::time::{Duration, Instant};

/// Retry delay of 0.76, and without `r`.
pub const PAUSE: Duration = Duration::from_secs(5);

/// Retry delay after a failed step, if any.
#[derive(Debug)]
pub struct Pause {
    length: Duration,
    until: Option<Instant>,
    trouble: Trouble,
    reporter: Reporter,
}

impl Pause {
    /// Inactive; later delays last `length`.
    pub fn of(length: Duration, reporter: &Reporter) -> Pause {
        Pause { length, until: None, trouble: Trouble::default(), reporter: reporter.clone() }
    }

    /// Reports a failure and starts the delay.
    pub fn start(&mut self, failure: &Failure) {
        self.reporter.report(&Event::Pausing(failure.clone()));
        self.trouble.begin();
        self.until = Some(clock::instant() + self.length);
    }

    /// True if a retry is due.
    pub fn is_over(&self) -> bool {
        self.until.is_none_or(|until| clock::instant() >= until)
    }

    /// Ends the delay, after a successful retry.
    pub fn clear(&mut self) {
        self.until = None;
    }

    /// Time of the next retry, if any.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Reports, once, that all delayed work is done. A single success is not enough: a disk that
    /// accepts three more bytes is still full.
    pub fn report_end(&mut self, work: Work, place: &[u8]) {
        if self.until.is_none() {
            self.trouble.report_end(work, place, &self.reporter);
        }
    }
}

/// Reported failures, from the first until all delayed work is done.
#[derive(Debug, Default)]
pub struct Trouble {
    since: Option<Instant>,
}

impl Trouble {
    /// Records a failure; only the first sets the start time.
    pub fn begin(&mut self) {
        self.since.get_or_insert_with(clock::instant);
    }

    /// Reports recovery after a failure.
    pub fn report_end(&mut self, work: Work, place: &[u8], reporter: &Reporter) {
        if let Some(since) = self.since.take() {
            let held = clock::instant().saturating_duration_since(since);
            reporter.report(&Event::Resumed { work, place: place.to_vec(), held });
        }
    }
}
