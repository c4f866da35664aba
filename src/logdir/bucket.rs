//! Stretches of time that lines are counted in: minutes and hours that begin where the clock on the wall
//! says so, and days.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use std::ops::Range;

/// Seconds of a day that has as many as most.
const DAY_SECS: i64 = 86_400;

/// How long a stretch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many seconds, which are a part of a day.
    Seconds(i64),
    /// A day of the calendar.
    Day,
}

impl Length {
    /// Reads `30s`, `1m`, `2h` or `1d`. None where it is no such thing, or no part of a day.
    pub fn parse(text: &str) -> Option<Length> {
        let unit = text.chars().next_back()?;
        let number: i64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
        let secs = match unit {
            's' => number,
            'm' => number.checked_mul(60)?,
            'h' => number.checked_mul(3600)?,
            'd' if number == 1 => return Some(Length::Day),
            _ => return None,
        };
        (1..DAY_SECS).contains(&secs).then_some(())?;
        (DAY_SECS % secs == 0).then_some(Length::Seconds(secs))
    }

    /// How long it is, but for days on which clocks are changed.
    pub fn secs(self) -> i64 {
        match self {
            Length::Seconds(secs) => secs,
            Length::Day => DAY_SECS,
        }
    }

    /// The stretch that a moment is in, in seconds since 1970. None beyond the years of the calendar.
    pub fn around(self, unix_secs: i64, zone: &TimeZone) -> Option<Range<i64>> {
        let zoned = zoned(unix_secs, zone)?;
        match self {
            Length::Seconds(secs) => {
                let local_secs = unix_secs + i64::from(zoned.offset().seconds());
                let start = unix_secs - local_secs.rem_euclid(secs);
                Some(start..start + secs)
            }
            Length::Day => {
                let start = zoned.start_of_day().ok()?;
                let end = start.checked_add(1.day()).ok()?.start_of_day().ok()?;
                Some(start.timestamp().as_second()..end.timestamp().as_second())
            }
        }
    }

    /// The stretch as people call it: its date, and its time unless it is a day.
    pub fn name(self, start_secs: i64, zone: &TimeZone) -> String {
        let form = match self {
            Length::Seconds(secs) if secs % 60 != 0 => "%Y-%m-%d %H:%M:%S",
            Length::Seconds(_) => "%Y-%m-%d %H:%M",
            Length::Day => "%Y-%m-%d",
        };
        zoned(start_secs, zone).map_or_else(String::new, |zoned| zoned.strftime(form).to_string())
    }
}

fn zoned(unix_secs: i64, zone: &TimeZone) -> Option<Zoned> {
    Some(Timestamp::from_second(unix_secs).ok()?.to_zoned(zone.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_parts_of_a_day() {
        assert_eq!(Length::parse("1m"), Some(Length::Seconds(60)));
        assert_eq!(Length::parse("30s"), Some(Length::Seconds(30)));
        assert_eq!(Length::parse("12h"), Some(Length::Seconds(43_200)));
        assert_eq!(Length::parse("1d"), Some(Length::Day));
        for text in ["", "m", "0m", "-1m", "7m", "24h", "2d", "1w", "1", "1\u{b5}", "1e3s"] {
            assert_eq!(Length::parse(text), None, "{text}");
        }
    }

    #[track_caller]
    fn check(length: Length, zone: &str, unix_secs: i64, name: &str, expected_secs: i64) {
        let zone = TimeZone::posix(zone).unwrap();
        let found = length.around(unix_secs, &zone).unwrap();
        assert!(found.contains(&unix_secs));
        assert_eq!(length.name(found.start, &zone), name);
        assert_eq!(found.end - found.start, expected_secs);
        assert_eq!(length.around(found.start, &zone), Some(found.clone()));
        assert_eq!(length.around(found.end - 1, &zone), Some(found));
    }

    #[test]
    fn stretches_begin_where_the_clock_on_the_wall_says_so() {
        const AT: i64 = 1_700_000_000;
        check(Length::Seconds(30), "UTC0", AT, "2023-11-14 22:13:00", 30);
        check(Length::Seconds(60), "UTC0", AT, "2023-11-14 22:13", 60);
        check(Length::Seconds(3600), "UTC0", AT, "2023-11-14 22:00", 3600);
        check(Length::Seconds(3600), "IST-5:30", AT, "2023-11-15 03:00", 3600);
        check(Length::Day, "IST-5:30", AT, "2023-11-15", DAY_SECS);
        // Clocks are set forward on 2023-03-26 and back on 2023-10-29.
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        check(Length::Day, berlin, 1_679_800_000, "2023-03-26", DAY_SECS - 3600);
        check(Length::Day, berlin, 1_698_580_000, "2023-10-29", DAY_SECS + 3600);
        check(Length::Seconds(60), "UTC0", -1, "1969-12-31 23:59", 60);
        assert_eq!(Length::Day.around(i64::MAX, &TimeZone::UTC), None);
    }
}
