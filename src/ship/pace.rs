//! How many lines a second are sent: as many as possible, unless the user set a limit. Pure.

use std::time::{Duration, Instant};

/// A line older than this was held up by an outage.
pub const OLD_AFTER: Duration = Duration::from_secs(60);
/// The part of a second whose lines may be sent at once.
const BURST: f64 = 0.05;

/// Rate limits and the remaining allowance.
#[derive(Debug)]
pub struct Pace {
    rate: Option<f64>,
    catch_up: Option<f64>,
    /// Below 1 after the receiver pushed back; it recovers with each second that passes.
    share: f64,
    /// Lines that may be sent now.
    allowance: f64,
    looked: Instant,
}

impl Pace {
    /// Limits in lines per second: all lines, old lines.
    pub fn new(rate: Option<u32>, catch_up: Option<u32>, now: Instant) -> Pace {
        let (rate, catch_up) = (rate.map(f64::from), catch_up.map(f64::from));
        Pace { rate, catch_up, share: 1.0, allowance: 1.0, looked: now }
    }

    /// Whether a line may be sent now. `is_old` says that it is of an outage.
    pub fn allows(&mut self, is_old: bool, now: Instant) -> bool {
        let Some(rate) = self.limit(is_old) else { return true };
        let passed = now.saturating_duration_since(self.looked).as_secs_f64();
        self.looked = now;
        self.allowance = (self.allowance + passed * rate).min((rate * BURST).max(1.0));
        self.share = (self.share + passed * 0.1).min(1.0);
        self.allowance >= 1.0
    }

    /// A line was sent.
    pub fn note(&mut self) {
        self.allowance = (self.allowance - 1.0).max(0.0);
    }

    /// The receiver does not keep up: half as many old lines for a while.
    pub fn push_back(&mut self) {
        self.share = (self.share / 2.0).max(0.05);
    }

    /// When the next line may be sent.
    pub fn next(&self, is_old: bool) -> Option<Instant> {
        let rate = self.limit(is_old)?;
        let missing = (1.0 - self.allowance).max(0.0);
        Some(self.looked + Duration::from_secs_f64(missing / rate))
    }

    fn limit(&self, is_old: bool) -> Option<f64> {
        let catch_up = self.catch_up.filter(|_| is_old).map(|rate| (rate * self.share).max(1.0));
        match (self.rate, catch_up) {
            (Some(rate), Some(catch_up)) => Some(rate.min(catch_up)),
            (limit, None) | (None, limit) => limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_in(pace: &mut Pace, is_old: bool, begin: Instant, millis: u64) -> u32 {
        let mut count = 0;
        for millis in 0..millis {
            let now = begin + Duration::from_millis(millis);
            while pace.allows(is_old, now) {
                pace.note();
                count += 1;
                assert!(count < 100_000);
            }
        }
        count
    }

    #[test]
    fn a_limit_is_kept_and_old_lines_have_their_own() {
        let begin = Instant::now();
        let mut pace = Pace::new(Some(1000), Some(100), begin);
        let count = sent_in(&mut pace, false, begin, 1000);
        assert!((990..=1051).contains(&count), "{count}");
        let count = sent_in(&mut pace, true, begin + Duration::from_secs(1), 1000);
        assert!((95..=160).contains(&count), "{count}");
    }

    #[test]
    fn a_receiver_that_pushes_back_gets_half() {
        let begin = Instant::now();
        let mut pace = Pace::new(None, Some(1000), begin);
        sent_in(&mut pace, true, begin, 1);
        pace.push_back();
        let count = sent_in(&mut pace, true, begin, 1000);
        assert!((500..700).contains(&count), "{count}");
    }

    #[test]
    fn without_limits_nothing_waits() {
        let begin = Instant::now();
        let mut pace = Pace::new(None, None, begin);
        assert!((0..10_000).all(|_| pace.allows(true, begin)));
        assert_eq!(pace.next(true), None);
    }
}
