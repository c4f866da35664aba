//! Messages that a stream dropped before a receiver took them, as the numbers of its messages tell.
//!
//! Each delivery has the number of its message in the stream, and its own number among the deliveries of the
//! consumer. Where two deliveries follow each other and two messages do not, those between are gone.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// At least so long between two reports of one stream.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// One delivery of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Number of the message in the stream.
    pub message: u64,
    /// Number among all deliveries of the consumer.
    pub nth: u64,
    /// The message was not delivered before.
    pub is_first: bool,
}

/// Finds and counts them.
#[derive(Debug, Default)]
pub struct Gaps {
    last: Option<Delivery>,
    /// Last missing number that was counted: a gap is found again on each connection until a message after it is
    /// delivered.
    counted_to: u64,
    untold: u64,
    /// First and last missing number of those not told.
    range: Option<(u64, u64)>,
    /// When the next report may be made.
    due: Option<Instant>,
}

impl Gaps {
    /// A connection begins. These messages were gone before anybody took them.
    pub fn begin(&mut self, missing: Option<RangeInclusive<u64>>) {
        self.last = None;
        if let Some(missing) = missing {
            self.count(missing);
        }
    }

    /// Takes a delivery, in the order of arrival.
    pub fn note(&mut self, delivery: Delivery) {
        if let Some(last) = self.last.replace(delivery)
            && last.is_first
            && delivery.is_first
            && delivery.nth == last.nth + 1
            && delivery.message > last.message + 1
        {
            self.count(last.message + 1..=delivery.message - 1);
        }
    }

    fn count(&mut self, missing: RangeInclusive<u64>) {
        let first = (*missing.start()).max(self.counted_to + 1);
        let last = *missing.end();
        if first > last {
            return;
        }
        self.counted_to = last;
        self.untold += last - first + 1;
        self.range = Some((self.range.map_or(first, |(first, _)| first), last));
    }

    /// Time of the next report, if messages are missing.
    pub fn due(&self) -> Option<Instant> {
        (self.untold > 0).then(|| self.due.unwrap_or_else(Instant::now))
    }

    /// Text of the next report, once its time has come.
    pub fn take_text(&mut self, now: Instant) -> Option<String> {
        if self.due.is_some_and(|due| now < due) {
            return None;
        }
        let (first, last) = self.range.take()?;
        self.due = Some(now + TELL_EVERY);
        let messages = match std::mem::take(&mut self.untold) {
            1 => "1 message".to_owned(),
            count => format!("{count} messages"),
        };
        Some(format!(
            "the stream dropped {messages} between its numbers {first} and {last} before a receiver took them"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(missing: Option<RangeInclusive<u64>>, deliveries: &[(u64, u64, bool)], told: &str) {
        let mut gaps = Gaps::default();
        gaps.begin(missing.clone());
        for &(message, nth, is_first) in deliveries {
            gaps.note(Delivery { message, nth, is_first });
        }
        // A new connection finds the first gap again.
        gaps.begin(missing);
        let text = gaps.take_text(Instant::now()).unwrap_or_default();
        let numbers: Vec<&str> =
            text.split(' ').filter(|word| word.parse::<u64>().is_ok()).collect();
        assert_eq!(numbers.join(" "), told, "{text}");
        assert_eq!(gaps.due(), None);
    }

    #[test]
    fn a_gap_is_where_deliveries_follow_and_messages_do_not() {
        check(None, &[(5, 1, true), (6, 2, true)], "");
        check(None, &[(5, 1, true), (8, 2, true)], "2 6 7");
        check(None, &[(5, 1, true), (7, 2, true), (8, 3, true), (100, 4, true)], "92 6 99");
        // Another receiver has what was delivered between.
        check(None, &[(5, 1, true), (8, 4, true)], "");
        // A message that is delivered again stands anywhere.
        check(None, &[(90, 8, true), (5, 9, false), (91, 10, true)], "");
        check(None, &[(5, 9, false), (91, 10, true)], "");
        check(Some(6..=95), &[(96, 6, true), (97, 7, true)], "90 6 95");
        check(Some(6..=6), &[(7, 6, true)], "1 6 6");
    }

    #[test]
    fn a_stream_that_drops_again_and_again_is_reported_once_a_minute() {
        let mut gaps = Gaps::default();
        let now = Instant::now();
        let mut told = Vec::new();
        for second in 0..120 {
            gaps.note(Delivery { message: 1 + 2 * second, nth: second, is_first: true });
            told.extend(gaps.take_text(now + Duration::from_secs(second)).map(|_| second));
        }
        assert_eq!(told, [1, 61]);
    }
}
