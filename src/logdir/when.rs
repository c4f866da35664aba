//! Parses command-line times.

use ::logdir::label::Counting;
use ::logdir::read::stamp::{Moment, parse_time_like_a_stamp};
use ::logdir::time::{Civil, Zone};
use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, SpanRelativeTo, Timestamp, Unit};

/// Hint in errors about unreadable times.
pub const FORMS: &str = "write 02:10, 2026-11-21 02:10, today, yesterday, 2h, boot or a stamp";
/// Minimum digits of seconds since 1970 without `@`: shorter numbers may be years or typing errors.
const BARE_SECS_DIGITS_MIN: usize = 9;

/// Current time, and the zone for dates without zone.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub moment: Moment,
    pub zone: Zone,
}

impl Now {
    /// System time in local time.
    pub fn local() -> Now {
        let (unix_secs, nanos) = ::logdir::clock::now().to_unix();
        Now { moment: Moment { unix_secs, nanos }, zone: Zone::Local }
    }

    fn date(self) -> Option<Civil> {
        Some(self.zone.at(self.moment.unix_secs)?.civil())
    }
}

/// Day for a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayOfClock {
    /// Latest occurrence before now.
    Last,
    /// Today, even if still in the future.
    Today,
    /// First occurrence after a moment.
    FirstFrom(Moment),
}

/// Parses a time relative to `now`:
///
/// - `now`, `today`, `yesterday`, `tomorrow` (the latter three at midnight);
/// - `2h`, `-2h`, `90s ago`, `1d 12h ago`: before now; `+5m`, `5m ahead`: after now;
/// - `02:10`, `02:10:03.5`: a time on the day selected by `day`;
/// - `2026-11-21`, `2026-11-21 02:10:03.5`, with `T` or a space: local time;
/// - local forms followed by `Z`, ` UTC` or an offset as `+01:00`;
/// - any stamp accepted by the reader, in its writer's zone;
/// - `@` and seconds since 1970; without `@` from nine digits on.
pub fn parse(text: &str, now: Now, counting: Counting, day: DayOfClock) -> Option<Moment> {
    let text = text.trim();
    named_day(text, now)
        .or_else(|| parse_stamp(text, counting))
        .or_else(|| parse_seconds(text))
        .or_else(|| parse_timestamp(text))
        .or_else(|| parse_civil(text, now, day))
        .or_else(|| parse_span(text, now))
}

pub fn is_clock_time(text: &str) -> bool {
    let (text, _) = without_zone(text.trim());
    clock_time(text).is_some()
}

/// Non-negative seconds of a span such as `30s`, `5m` or `1h 30m`.
pub fn parse_secs(text: &str) -> Option<i64> {
    let span: Span = text.trim().parse().ok()?;
    let secs = span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).ok()?;
    (secs >= 0.0).then_some(secs as i64)
}

/// Parses a bare stamp. s6-log dates are local time, like other dates.
fn parse_stamp(text: &str, counting: Counting) -> Option<Moment> {
    if text.contains(' ') {
        return None;
    }
    parse_time_like_a_stamp(text.as_bytes(), counting)
}

/// Seconds since 1970, optionally with decimals.
fn parse_seconds(text: &str) -> Option<Moment> {
    let (digits, is_marked) = match text.strip_prefix('@') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let (secs, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(secs.strip_prefix('-').unwrap_or(secs))
        || !is_number(decimals)
        || decimals.is_empty()
        || !(is_marked || secs.len() >= BARE_SECS_DIGITS_MIN)
    {
        return None;
    }
    let nanos = format!("{decimals:0<9.9}").parse().ok()?;
    Some(Moment { unix_secs: secs.parse().ok()?, nanos })
}

fn named_day(text: &str, now: Now) -> Option<Moment> {
    let days = match text {
        "now" => return Some(now.moment),
        "today" => 0,
        "yesterday" => -1,
        "tomorrow" => 1,
        _ => return None,
    };
    moment_at(now.date()?.midnight().plus_days(days)?, 0, now.zone)
}

/// Parses spans before now, or after now with a suffix or sign. Days and months follow the
/// calendar.
fn parse_span(text: &str, now: Now) -> Option<Moment> {
    let (span, is_ahead) = match text.strip_suffix("ahead") {
        Some(span) => (span.trim_end(), true),
        None => (text, text.starts_with('+')),
    };
    // Otherwise 24:00:00 would parse as a span.
    let span: Span = if span.contains(':') { None } else { span.parse().ok() }?;
    let span = if is_ahead || span.is_negative() { span } else { span.negate() };
    let time = span.years(0).months(0).weeks(0).days(0);
    let days = Span::new()
        .years(span.get_years())
        .months(span.get_months())
        .weeks(span.get_weeks())
        .days(span.get_days());
    let from = match days.is_zero() {
        true => now.moment,
        false => {
            let date_time = date_time_of(now.date()?)?.checked_add(days).ok()?;
            moment_at(civil_of(date_time)?, now.moment.nanos, now.zone)?
        }
    };
    let nanos = jiff::SignedDuration::try_from(time).ok()?.as_nanos();
    Moment::from_nanos(from.to_nanos().checked_add(nanos)?)
}

fn parse_civil(text: &str, now: Now, day: DayOfClock) -> Option<Moment> {
    let (text, is_utc) = without_zone(text);
    let zone = if is_utc { Zone::Utc } else { now.zone };
    if let Some(time) = clock_time(text) {
        return on_day(time, Now { zone, ..now }, day);
    }
    let date_time = match text.parse::<Date>() {
        Ok(date) if !text.contains(':') => date.at(0, 0, 0, 0),
        _ => text.parse::<DateTime>().ok()?,
    };
    let nanos = u32::try_from(date_time.subsec_nanosecond()).ok()?;
    moment_at(civil_of(date_time)?, nanos, zone)
}

/// Text without UTC suffix; true if there was a suffix.
fn without_zone(text: &str) -> (&str, bool) {
    let rest = text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z'));
    rest.map_or((text, false), |rest| (rest.trim_end(), true))
}

fn clock_time(text: &str) -> Option<Time> {
    let is_time = text.contains(':') && !text.contains('-');
    is_time.then(|| text.parse().ok()).flatten()
}

/// Time of day on the selected day.
fn on_day(time: Time, now: Now, day: DayOfClock) -> Option<Moment> {
    let nanos = u32::try_from(time.subsec_nanosecond()).ok()?;
    let at = |date: Civil| {
        let [hour, minute, second] =
            [time.hour(), time.minute(), time.second()].map(|part| u8::try_from(part).ok());
        let date = Civil { hour: hour?, minute: minute?, second: second?, ..date };
        moment_at(date, nanos, now.zone)
    };
    match day {
        DayOfClock::Today => at(now.date()?),
        DayOfClock::Last => match at(now.date()?)? {
            today if today <= now.moment => Some(today),
            _ => at(now.date()?.plus_days(-1)?),
        },
        DayOfClock::FirstFrom(from) => {
            let date = now.zone.at(from.unix_secs)?.civil();
            match at(date)? {
                first if first >= from => Some(first),
                _ => at(date.plus_days(1)?),
            }
        }
    }
}

/// Moment of a zoned date; the earlier if clocks repeated it.
/// The time of day of `moment`, days earlier by the calendar.
pub fn days_before(moment: Moment, days: i64, zone: Zone) -> Option<Moment> {
    let date = zone.at(moment.unix_secs)?.civil().plus_days(days.checked_neg()?)?;
    moment_at(date, moment.nanos, zone)
}

fn moment_at(date: Civil, nanos: u32, zone: Zone) -> Option<Moment> {
    Some(Moment { unix_secs: zone.moments(date)?.usual(), nanos })
}

fn civil_of(date_time: DateTime) -> Option<Civil> {
    let part = |part: i8| u32::try_from(part).ok();
    let year = u32::try_from(date_time.year()).ok()?;
    Civil::new(
        [year, part(date_time.month())?, part(date_time.day())?],
        [part(date_time.hour())?, part(date_time.minute())?, part(date_time.second())?],
    )
}

fn date_time_of(date: Civil) -> Option<DateTime> {
    let Civil { year, month, day, hour, minute, second } = date;
    let [month, day, hour, minute, second] =
        [month, day, hour, minute, second.min(59)].map(|part| i8::try_from(part).ok());
    let year = i16::try_from(year).ok()?;
    DateTime::new(year, month?, day?, hour?, minute?, second?, 0).ok()
}

/// Date with UTC offset.
fn parse_timestamp(text: &str) -> Option<Moment> {
    let nanos = text.parse::<Timestamp>().ok()?.as_nanosecond();
    let moment = Moment::from_nanos(nanos)?;
    moment_at(Civil::from_secs(moment.unix_secs)?, moment.nanos, Zone::Utc)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-14 22:13:20. Tests of other zones run the program: TZ applies to a whole process.
    const NOW: i64 = 1_700_000_000;
    const MIDNIGHT: i64 = 1_699_920_000;

    #[track_caller]
    fn check_on(day: DayOfClock, text: &str, expected: Option<(i64, u32)>) {
        let now = Now { moment: Moment { unix_secs: NOW, nanos: 0 }, zone: Zone::Utc };
        let found = parse(text, now, Counting::Ten, day);
        assert_eq!(found.map(|moment| (moment.unix_secs, moment.nanos)), expected, "{text}");
    }

    #[track_caller]
    fn check(text: &str, expected: Option<(i64, u32)>) {
        check_on(DayOfClock::Last, text, expected);
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        check("now", Some((NOW, 0)));
        check("today", Some((MIDNIGHT, 0)));
        check("yesterday", Some((MIDNIGHT - 86_400, 0)));
        check("tomorrow", Some((MIDNIGHT + 86_400, 0)));
        check("02:10", Some((MIDNIGHT + 7800, 0)));
        check("02:10:03.5", Some((MIDNIGHT + 7803, 500_000_000)));
        check("02:10 UTC", Some((MIDNIGHT + 7800, 0)));
        check("2023-11-14", Some((MIDNIGHT, 0)));
        check("2023-11-14 UTC", Some((MIDNIGHT, 0)));
        check("2023-11-14 02:10", Some((MIDNIGHT + 7800, 0)));
        check("2023-11-14T02:10:03", Some((MIDNIGHT + 7803, 0)));
        check("2023-11-14 22:13:20.000000001 UTC", Some((NOW, 1)));
        check("2023-11-14T22:13:20Z", Some((NOW, 0)));
        check("2023-11-14T22:13:20+02:00", Some((NOW - 7200, 0)));
        check("@400000006553f10a00000001", Some((NOW, 1)));
        check("@1700000000", Some((NOW, 0)));
        check("@4000", Some((4000, 0)));
        check("@-1", Some((-1, 0)));
        check("1969-12-31 23:59:59.5Z", Some((-1, 500_000_000)));
    }

    #[test]
    fn spans_are_before_now_unless_they_say_otherwise() {
        for text in ["2h", "-2h", "2h ago", "2 hours ago", "120m", "2h00m"] {
            check(text, Some((NOW - 7200, 0)));
        }
        for text in ["+5m", "5m ahead", "300s ahead"] {
            check(text, Some((NOW + 300, 0)));
        }
        check("-1h30m", Some((NOW - 5400, 0)));
        check("90s ago", Some((NOW - 90, 0)));
        check("-1d", Some((NOW - 86_400, 0)));
        check("1d 12h ago", Some((NOW - 129_600, 0)));
    }

    /// Stamps copied from a log line or from `--format` output parse.
    #[test]
    fn stamps_are_times_in_the_zone_of_their_writer() {
        // svlogd -tt and -ttt: UTC.
        check("2023-11-14_22:13:20.12345", Some((NOW, 123_450_000)));
        check("2023-11-14T22:13:20.12345", Some((NOW, 123_450_000)));
        // daemontools-encore, and --format unix.
        check("1700000000.000042", Some((NOW, 42_000)));
        check("1700000000.000000042", Some((NOW, 42)));
        check("1700000000", Some((NOW, 0)));
        // s6-log, and --format local and short: local time.
        check("2023-11-14 22:13:20.000000042", Some((NOW, 42)));
        check("2023-11-14 22:13:20.042", Some((NOW, 42_000_000)));
        // Tutc and Tlocal, and --format rfc3339.
        check("2023-11-14T22:13:20.000000042Z", Some((NOW, 42)));
        check("2023-11-15T00:13:20.000000042+02:00", Some((NOW, 42)));
        // `--format relative`, and ages of status.
        check("  1m01s ago", Some((NOW - 61, 0)));
        check("   5s ahead", Some((NOW + 5, 0)));
        check("1d02h", Some((NOW - 93_600, 0)));
    }

    #[test]
    fn a_time_of_day_belongs_to_the_day_that_is_meant() {
        let last = |text, expected| check_on(DayOfClock::Last, text, Some((expected, 0)));
        last("22:13:20", NOW);
        last("23:50", MIDNIGHT - 600);
        last("23:50 UTC", MIDNIGHT - 600);
        let today = |text, expected| check_on(DayOfClock::Today, text, Some((expected, 0)));
        today("23:50", MIDNIGHT + 85_800);
        today("02:10", MIDNIGHT + 7800);
        let from = Moment { unix_secs: MIDNIGHT - 600, nanos: 0 };
        let first =
            |text, expected| check_on(DayOfClock::FirstFrom(from), text, Some((expected, 0)));
        first("23:50", MIDNIGHT - 600);
        first("00:10", MIDNIGHT + 600);
        first("23:49", MIDNIGHT + 85_740);
    }

    #[test]
    fn only_times_of_day_are_times_of_day() {
        for text in ["02:10", "02:10:03.5", "02:10 UTC", "02:10Z"] {
            assert!(is_clock_time(text), "{text}");
        }
        for text in ["2023-11-14 02:10", "2h", "now", "2023-11-14T22:13:20+02:00", "25:00"] {
            assert!(!is_clock_time(text), "{text}");
        }
    }

    #[test]
    fn a_span_is_a_number_of_seconds() {
        for (text, expected) in [("30s", 30), ("5m", 300), ("1h30m", 5400), ("1d", 86_400)] {
            assert_eq!(parse_secs(text), Some(expected), "{text}");
        }
        for text in ["", "5", "-5m", "soon"] {
            assert_eq!(parse_secs(text), None, "{text}");
        }
    }

    #[test]
    fn what_means_nothing_is_nothing() {
        for text in [
            "",
            "soon",
            "@",
            "@x",
            "@1.",
            "2023-13-01",
            "25:00",
            "-",
            "ago",
            "2023",
            "2023-11-14_22:13:20",
            "@400000006553f10a00000001x",
            "2023-11-14 02:10 PST",
        ] {
            check(text, None);
        }
    }
}
