//! How long the end of the logger waits for processors: a grace, then TERM for them, then KILL.

use crate::clock;
use crate::pause::PAUSE;
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// How long a processor may go on after the logger was asked to end. 0.76 waits for ever; nearly all
/// processors are through a file by then.
const PROCESSOR_GRACE: Duration = Duration::from_secs(20);

/// What processors will be sent next, and when.
#[derive(Debug)]
pub struct Patience {
    next: Option<(Instant, Signal)>,
}

impl Patience {
    /// The logger was asked to end.
    pub fn begin() -> Patience {
        Patience { next: Some((clock::moment() + PROCESSOR_GRACE, Signal::SIGTERM)) }
    }

    /// The logger was asked again: the signal whose time has not come yet.
    pub fn lose(&mut self) -> Option<Signal> {
        let (_, signal) = self.next.take()?;
        if signal == Signal::SIGTERM {
            self.next = Some((clock::moment() + PAUSE, Signal::SIGKILL));
        }
        Some(signal)
    }

    /// The signal whose time has come.
    pub fn due(&mut self) -> Option<Signal> {
        let is_due = self.deadline().is_some_and(|deadline| clock::moment() >= deadline);
        if is_due { self.lose() } else { None }
    }

    /// When the next one is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.next.map(|(deadline, _)| deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::by_hand;

    #[test]
    fn processors_are_asked_after_the_grace_and_killed_after_a_pause() {
        by_hand::begin();
        let mut patience = Patience::begin();
        by_hand::pass(PROCESSOR_GRACE - Duration::from_millis(1));
        assert_eq!(patience.due(), None);
        by_hand::pass(Duration::from_millis(1));
        assert_eq!(patience.due(), Some(Signal::SIGTERM));
        assert_eq!(patience.due(), None);
        by_hand::pass(PAUSE);
        assert_eq!(patience.due(), Some(Signal::SIGKILL));
        assert_eq!((patience.due(), patience.deadline()), (None, None));
    }

    #[test]
    fn who_asks_again_does_not_wait() {
        by_hand::begin();
        let mut patience = Patience::begin();
        assert_eq!(patience.lose(), Some(Signal::SIGTERM));
        assert_eq!(patience.due(), None);
        assert_eq!(patience.lose(), Some(Signal::SIGKILL));
        assert_eq!(patience.lose(), None);
    }
}
