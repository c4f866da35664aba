//! How long to wait after a failure before the next try. The one place that decides it.

use crate::clock;
use crate::event::{Event, Reporter, Work};
use crate::failure::Failure;
use std::time::{Duration, Instant};

/// The pause of 0.76, and of a directory without `r`.
pub const PAUSE: Duration = Duration::from_secs(5);

/// A pause after a failed step, or none.
#[derive(Debug)]
pub struct Pause {
    length: Duration,
    until: Option<Instant>,
    trouble: Trouble,
    reporter: Reporter,
}

impl Pause {
    /// None yet; those that come will last so long.
    pub fn of(length: Duration, reporter: &Reporter) -> Pause {
        Pause { length, until: None, trouble: Trouble::default(), reporter: reporter.clone() }
    }

    /// Reports the failure and begins to wait.
    pub fn start(&mut self, failure: &Failure) {
        self.reporter.report(&Event::Pausing(failure.clone()));
        self.trouble.begin();
        self.until = Some(clock::instant() + self.length);
    }

    /// Whether the next try may be made.
    pub fn is_over(&self) -> bool {
        self.until.is_none_or(|until| clock::instant() >= until)
    }

    /// Ends the pause, after a try that succeeded.
    pub fn clear(&mut self) {
        self.until = None;
    }

    /// When the next try may be made, if there was a failure.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Reports, once, that everything that was held by the failure is done. A try that succeeded is not
    /// enough: a disk that takes three more bytes is as full as before.
    pub fn report_end(&mut self, work: Work, place: &[u8]) {
        if self.until.is_none() {
            self.trouble.report_end(work, place, &self.reporter);
        }
    }
}

/// Failures that have been reported, from the first one to the end of what they held.
#[derive(Debug, Default)]
pub struct Trouble {
    since: Option<Instant>,
}

impl Trouble {
    /// Something failed; only the first time counts.
    pub fn begin(&mut self) {
        self.since.get_or_insert_with(clock::instant);
    }

    /// Reports that it is over, if anything had failed.
    pub fn report_end(&mut self, work: Work, place: &[u8], reporter: &Reporter) {
        if let Some(since) = self.since.take() {
            let held = clock::instant().saturating_duration_since(since);
            reporter.report(&Event::Resumed { work, place: place.to_vec(), held });
        }
    }
}
