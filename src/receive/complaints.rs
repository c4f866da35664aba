//! Messages about clients. A few in a row are printed; a flood is counted, and its count is printed with its last
//! message, so that strangers cannot fill our own log.

use std::time::{Duration, Instant};

/// Messages that may be printed in a row.
const BURST: u32 = 10;
/// After such a row one message may be printed in this time.
const ONE_EVERY: Duration = Duration::from_secs(5);

/// Messages about clients: allowance, and omitted messages.
#[derive(Debug)]
pub struct Complaints {
    /// Messages that may be printed now, at most [`BURST`].
    left: u32,
    /// Since when the next of them is earned.
    earning_since: Instant,
    /// Messages that were not printed.
    omitted_count: u64,
    /// The last of them.
    omitted: String,
}

impl Complaints {
    /// Nothing was printed.
    pub fn new(now: Instant) -> Complaints {
        Complaints { left: BURST, earning_since: now, omitted_count: 0, omitted: String::new() }
    }

    /// Takes a message. Returns what is to be printed now.
    pub fn take(&mut self, text: &str, now: Instant) -> Option<String> {
        self.earn(now);
        if self.left > 0 && self.omitted_count == 0 {
            self.left -= 1;
            return Some(text.to_owned());
        }
        self.omitted_count += 1;
        text.clone_into(&mut self.omitted);
        self.take_omitted(now)
    }

    /// When the count of omitted messages may be printed.
    pub fn due(&self) -> Option<Instant> {
        (self.omitted_count > 0).then_some(self.earning_since + ONE_EVERY)
    }

    /// The last omitted message with the count of those before it, if it is time.
    pub fn take_omitted(&mut self, now: Instant) -> Option<String> {
        self.earn(now);
        if self.left == 0 || self.omitted_count == 0 {
            return None;
        }
        self.left -= 1;
        self.take_rest()
    }

    /// Takes the last omitted message now, at the end of the program.
    pub fn take_rest(&mut self) -> Option<String> {
        let text = std::mem::take(&mut self.omitted);
        match std::mem::take(&mut self.omitted_count) {
            0 => None,
            1 => Some(text),
            count => Some(format!("{text} (after {} such messages that were left out)", count - 1)),
        }
    }

    fn earn(&mut self, now: Instant) {
        while self.left < BURST && now >= self.earning_since + ONE_EVERY {
            self.left += 1;
            self.earning_since += ONE_EVERY;
        }
        if self.left == BURST {
            self.earning_since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_messages_are_printed_and_a_flood_is_counted() {
        let begin = Instant::now();
        let at = |secs| begin + Duration::from_secs(secs);
        let mut complaints = Complaints::new(begin);
        let printed = (0..BURST + 3).filter_map(|n| complaints.take(&format!("client {n}"), begin));
        let printed: Vec<String> = printed.collect();
        let expected: Vec<String> = (0..BURST).map(|n| format!("client {n}")).collect();
        assert_eq!(printed, expected);
        assert_eq!((complaints.due(), complaints.take_omitted(at(4))), (Some(at(5)), None));
        let last = "client 12 (after 2 such messages that were left out)";
        assert_eq!(complaints.take_omitted(at(5)).as_deref(), Some(last));
        assert_eq!((complaints.due(), complaints.take_omitted(at(99))), (None, None));
        assert_eq!(complaints.take("client 13", at(99)).as_deref(), Some("client 13"));
    }

    #[test]
    fn what_was_left_out_is_printed_with_the_next_message_or_at_the_end() {
        let begin = Instant::now();
        let mut complaints = Complaints::new(begin);
        (0..BURST).for_each(|_| assert!(complaints.take("first", begin).is_some()));
        assert_eq!(complaints.take("second", begin), None);
        let later = begin + ONE_EVERY;
        let text = "third (after 1 such messages that were left out)";
        assert_eq!(complaints.take("third", later).as_deref(), Some(text));
        assert_eq!(complaints.take("fourth", later), None);
        assert_eq!(complaints.take_rest().as_deref(), Some("fourth"));
        assert_eq!(complaints.take_rest(), None);
    }

    #[test]
    fn an_hour_of_flood_prints_little() {
        let begin = Instant::now();
        let mut complaints = Complaints::new(begin);
        let at = |ms| begin + Duration::from_millis(ms);
        let count = (0..3_600_000).step_by(7).filter(|&ms| complaints.take("x", at(ms)).is_some());
        assert_eq!(count.count(), BURST as usize + 3600 / 5 - 1);
    }
}
