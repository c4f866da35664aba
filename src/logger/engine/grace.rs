//! How long the end of the logger waits for processors: a grace, then TERM for them, then KILL.

use ::logdir::pause::PAUSE;
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// How long a processor may go on after the logger was asked to end. 0.76 waits for ever; nearly all
/// processors are through a file by then.
const PROCESSOR_GRACE: Duration = Duration::from_secs(20);

/// What processors will be sent next, and when.
#[derive(Debug)]
pub struct Grace {
    next: Option<(Instant, Signal)>,
}

impl Grace {
    /// The logger was asked to end.
    pub fn begin(now: Instant) -> Grace {
        Grace { next: Some((now + PROCESSOR_GRACE, Signal::SIGTERM)) }
    }

    /// The logger was asked again: the signal whose time has not come yet.
    pub fn escalate(&mut self, now: Instant) -> Option<Signal> {
        let (_, signal) = self.next.take()?;
        if signal == Signal::SIGTERM {
            self.next = Some((now + PAUSE, Signal::SIGKILL));
        }
        Some(signal)
    }

    /// The signal whose time has come.
    pub fn due(&mut self, now: Instant) -> Option<Signal> {
        let is_due = self.deadline().is_some_and(|deadline| now >= deadline);
        if is_due { self.escalate(now) } else { None }
    }

    /// When the next signal is due.
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
