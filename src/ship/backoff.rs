//! How long to wait before the next try to reach the peer: doubled after each failure, chosen at random below
//! that, so that many senders do not come back at one moment.

use std::time::Duration;

/// The shortest and the longest wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The bound of the first wait.
    pub min: Duration,
    /// The bound of every later wait.
    pub max: Duration,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { min: Duration::from_millis(500), max: Duration::from_secs(30) }
    }
}

/// The waits of one outage.
#[derive(Debug)]
pub struct Backoff {
    retry: Retry,
    bound: Duration,
}

impl Backoff {
    /// No try has failed yet.
    pub fn new(retry: Retry) -> Backoff {
        Backoff { retry, bound: retry.min }
    }

    /// A try failed: how long to wait for the next one. `fraction` is a random number from 0 up to 1. A
    /// `floor` that the peer named (Retry-After) is obeyed.
    pub fn next(&mut self, fraction: f64, floor: Option<Duration>) -> Duration {
        let wait = self.bound.mul_f64(fraction.clamp(0.0, 1.0));
        self.bound = (self.bound * 2).min(self.retry.max);
        wait.max(floor.unwrap_or_default())
    }

    /// The peer answered: the next outage begins with the shortest wait.
    pub fn reset(&mut self) {
        self.bound = self.retry.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let retry = Retry { min: Duration::from_secs(1), max: Duration::from_secs(5) };
        let mut backoff = Backoff::new(retry);
        let waits: Vec<u64> = (0..5).map(|_| backoff.next(1.0, None).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        assert_eq!(backoff.next(0.0, None), Duration::ZERO);
        assert_eq!(backoff.next(0.5, Some(Duration::from_secs(60))).as_secs(), 60);
        backoff.reset();
        assert_eq!(backoff.next(0.5, None), Duration::from_millis(500));
    }
}
