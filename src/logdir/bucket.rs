//! Intervals for line counts: minutes and hours aligned to local wall-clock time, and calendar
//! days.

use ::logdir::time::civil::DAY_SECS;
use ::logdir::time::{Civil, Zone};
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Seconds, a divisor of a day.
    Seconds(i64),
    Day,
}

impl Length {
    /// Parses `30s`, `1m`, `2h` or `1d`. `None` if malformed or not a divisor of a day.
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

    /// Seconds of an interval on ordinary days.
    pub fn secs(self) -> i64 {
        match self {
            Length::Seconds(secs) => secs,
            Length::Day => DAY_SECS,
        }
    }

    /// Interval containing a moment, in seconds since 1970. `None` outside calendar years.
    pub fn around(self, unix_secs: i64, zone: Zone) -> Option<Range<i64>> {
        let civil = zone.at(unix_secs)?.civil();
        match self {
            Length::Seconds(secs) if is_split_by_change(unix_secs, secs, zone)? => {
                by_wall_clock(civil, secs, zone)
            }
            Length::Seconds(secs) => {
                let start = unix_secs - civil.secs().rem_euclid(secs);
                Some(start..start + secs)
            }
            Length::Day => {
                let midnight = civil.midnight();
                let next = midnight.plus_days(1)?;
                Some(zone.moments(midnight)?.usual()..zone.moments(next)?.usual())
            }
        }
    }

    /// Printed name: date, plus time for intervals shorter than a day.
    pub fn name(self, start_secs: i64, zone: Zone) -> String {
        let Some(civil) = zone.at(start_secs).map(|time| time.civil()) else {
            return String::new();
        };
        let text = civil.to_string();
        let len = match self {
            Length::Seconds(secs) if secs % 60 != 0 => 0,
            Length::Seconds(_) => ":00".len(),
            Length::Day => " 00:00:00".len(),
        };
        text[..text.len() - len].to_owned()
    }
}

/// True if clocks change nearby by an amount other than a multiple of the length: an interval is
/// then longer or shorter by that amount.
fn is_split_by_change(unix_secs: i64, secs: i64, zone: Zone) -> Option<bool> {
    let before = offset_secs(unix_secs.checked_sub(secs)?, zone)?;
    let after = offset_secs(unix_secs.checked_add(secs)?, zone)?;
    Some((after - before) % secs != 0)
}

/// What the clock shows beyond the seconds since 1970; leap seconds of the zone are part of it.
fn offset_secs(unix_secs: i64, zone: Zone) -> Option<i64> {
    Some(zone.at(unix_secs)?.civil().secs() - unix_secs)
}

/// Interval between two round wall-clock times.
fn by_wall_clock(civil: Civil, secs: i64, zone: Zone) -> Option<Range<i64>> {
    let start = civil.secs() - civil.secs().rem_euclid(secs);
    let at = |civil_secs: i64| Some(zone.moments(Civil::from_secs(civil_secs)?)?.usual());
    Some(at(start)?..at(start + secs)?)
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
    fn check(length: Length, unix_secs: i64, name: &str, expected_secs: i64) {
        let found = length.around(unix_secs, Zone::Utc).unwrap();
        assert!(found.contains(&unix_secs));
        assert_eq!(length.name(found.start, Zone::Utc), name);
        assert_eq!(found.end - found.start, expected_secs);
        assert_eq!(length.around(found.start, Zone::Utc), Some(found.clone()));
        assert_eq!(length.around(found.end - 1, Zone::Utc), Some(found));
    }

    /// Tests of other zones run the program: TZ applies to a whole process.
    #[test]
    fn stretches_begin_where_the_clock_on_the_wall_says_so() {
        const AT: i64 = 1_700_000_000;
        check(Length::Seconds(30), AT, "2023-11-14 22:13:00", 30);
        check(Length::Seconds(60), AT, "2023-11-14 22:13", 60);
        check(Length::Seconds(3600), AT, "2023-11-14 22:00", 3600);
        check(Length::Day, AT, "2023-11-14", DAY_SECS);
        check(Length::Seconds(60), -1, "1969-12-31 23:59", 60);
        assert_eq!(Length::Day.around(i64::MAX, Zone::Utc), None);
    }
}
