//! Intervals for line counts: minutes and hours aligned to local wall-clock time, and calendar
//! days.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use std::ops::Range;

/// Seconds per ordinary day.
const DAY_SECS: i64 = 86_400;

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
    pub fn around(self, unix_secs: i64, zone: &TimeZone) -> Option<Range<i64>> {
        let zoned = zoned(unix_secs, zone)?;
        match self {
            Length::Seconds(secs) if is_split_by_change(unix_secs, secs, zone)? => {
                by_wall_clock(&zoned, secs)
            }
            Length::Seconds(secs) => {
                let local_secs = unix_secs + offset_secs(unix_secs, zone)?;
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

    /// Printed name: date, plus time for intervals shorter than a day.
    pub fn name(self, start_secs: i64, zone: &TimeZone) -> String {
        let form = match self {
            Length::Seconds(secs) if secs % 60 != 0 => "%Y-%m-%d %H:%M:%S",
            Length::Seconds(_) => "%Y-%m-%d %H:%M",
            Length::Day => "%Y-%m-%d",
        };
        zoned(start_secs, zone).map_or_else(String::new, |zoned| zoned.strftime(form).to_string())
    }
}

/// True if clocks change nearby by an amount other than a multiple of the length: an interval is
/// then longer or shorter by that amount.
fn is_split_by_change(unix_secs: i64, secs: i64, zone: &TimeZone) -> Option<bool> {
    let before = offset_secs(unix_secs.checked_sub(secs)?, zone)?;
    let after = offset_secs(unix_secs.checked_add(secs)?, zone)?;
    Some((after - before) % secs != 0)
}

fn offset_secs(unix_secs: i64, zone: &TimeZone) -> Option<i64> {
    Some(i64::from(zoned(unix_secs, zone)?.offset().seconds()))
}

/// Interval between two round wall-clock times.
fn by_wall_clock(zoned: &Zoned, secs: i64) -> Option<Range<i64>> {
    let (date, time) = (zoned.date(), zoned.time());
    let day_secs =
        (i64::from(time.hour()) * 60 + i64::from(time.minute())) * 60 + i64::from(time.second());
    let midnight = date.at(0, 0, 0, 0);
    let at = |day_secs: i64| {
        let civil = midnight.checked_add(day_secs.seconds()).ok()?;
        Some(zoned.time_zone().to_timestamp(civil).ok()?.as_second())
    };
    let start = day_secs - day_secs.rem_euclid(secs);
    Some(at(start)?..at(start + secs)?)
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
        // Berlin clocks advance on 2023-03-26 and return on 2023-10-29.
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        check(Length::Day, berlin, 1_679_800_000, "2023-03-26", DAY_SECS - 3600);
        check(Length::Day, berlin, 1_698_580_000, "2023-10-29", DAY_SECS + 3600);
        // Only the interval containing the change is an hour longer or shorter.
        let four = Length::Seconds(4 * 3600);
        for (secs_of_day, name, hours) in
            [(0, "00", 5), (4, "00", 5), (5, "04", 4), (9, "08", 4), (24, "20", 4)]
        {
            let at = 1_698_530_400 + secs_of_day * 3600 + 1800;
            check(four, berlin, at, &format!("2023-10-29 {name}:00"), hours * 3600);
        }
        for (secs_of_day, name, hours) in [(-1, "20", 4), (0, "00", 3), (2, "00", 3), (3, "04", 4)]
        {
            let at = 1_679_785_200 + secs_of_day * 3600 + 1800;
            let day = if secs_of_day < 0 { 25 } else { 26 };
            check(four, berlin, at, &format!("2023-03-{day} {name}:00"), hours * 3600);
        }
        // A repeated hour yields two rows.
        check(Length::Seconds(3600), berlin, 1_698_537_600 + 60, "2023-10-29 02:00", 3600);
        check(Length::Seconds(3600), berlin, 1_698_541_200 + 60, "2023-10-29 02:00", 3600);
        // Lord Howe returns its clocks by half an hour: one hour lasts 90 minutes.
        let lord_howe = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";
        for minutes in [1, 59, 61, 89] {
            let at = 1_680_357_600 + minutes * 60;
            check(Length::Seconds(3600), lord_howe, at, "2023-04-02 01:00", 5400);
        }
        check(Length::Seconds(60), "UTC0", -1, "1969-12-31 23:59", 60);
        assert_eq!(Length::Day.around(i64::MAX, &TimeZone::UTC), None);
    }
}
