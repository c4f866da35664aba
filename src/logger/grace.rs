//! Processor shutdown: grace period, then SIGTERM, then SIGKILL.

use ::logdir::pause::PAUSE;
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// Grace period for processors after a termination request. 0.76 waits forever; nearly all
/// processors finish a file within this period.
const PROCESSOR_GRACE: Duration = Duration::from_secs(20);

/// Next signal for processors, with its deadline.
#[derive(Debug)]
pub struct Grace {
    next: Option<(Instant, Signal)>,
}

impl Grace {
    /// Starts the grace at a termination request.
    pub fn begin(now: Instant) -> Grace {
        Grace { next: Some((now + PROCESSOR_GRACE, Signal::SIGTERM)) }
    }

    /// Second request: returns the next signal early.
    pub fn escalate(&mut self, now: Instant) -> Option<Signal> {
        let (_, signal) = self.next.take()?;
        if signal == Signal::SIGTERM {
            self.next = Some((now + PAUSE, Signal::SIGKILL));
        }
        Some(signal)
    }

    /// Signal due now.
    pub fn due(&mut self, now: Instant) -> Option<Signal> {
        let is_due = self.deadline().is_some_and(|deadline| now >= deadline);
        if is_due { self.escalate(now) } else { None }
    }

    /// Deadline of the next signal.
    pub fn deadline(&self) -> Option<Instant> {
        self.next.map(|(deadline, _)| deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_asked_after_the_grace_and_killed_after_a_pause() {
        let begin = Instant::now();
        let mut grace = Grace::begin(begin);
        assert_eq!(grace.due(begin + PROCESSOR_GRACE - Duration::from_millis(1)), None);
        let asked = begin + PROCESSOR_GRACE;
        assert_eq!(grace.due(asked), Some(Signal::SIGTERM));
        assert_eq!(grace.due(asked), None);
        assert_eq!(grace.due(asked + PAUSE), Some(Signal::SIGKILL));
        assert_eq!((grace.due(asked + PAUSE), grace.deadline()), (None, None));
    }

    #[test]
    fn a_second_request_ends_the_grace() {
        let begin = Instant::now();
        let mut grace = Grace::begin(begin);
        assert_eq!(grace.escalate(begin), Some(Signal::SIGTERM));
        assert_eq!(grace.due(begin), None);
        assert_eq!(grace.escalate(begin), Some(Signal::SIGKILL));
        assert_eq!(grace.escalate(begin), None);
    }
}
