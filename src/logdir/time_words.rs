//! Moments as people write them on a command line.

use ::logdir::label::{Counting, Label};
use ::logdir::read::stamp::Moment;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

/// The moment that a text means, where it is `now`:
///
/// - `now`, `today`, `yesterday`, `tomorrow` (the latter three at midnight);
/// - `-2h`, `+5m`, `90s ago`, `1d 12h ago`: before or after now;
/// - `02:10`, `02:10:03.5`: today;
/// - `2026-11-21`, `2026-11-21 02:10:03.5`, with `T` or a space: local time;
/// - the same followed by `Z`, ` UTC` or an offset as `+01:00`;
/// - a TAI64N label; `@` and decimal digits for seconds since 1970.
pub fn parse(text: &str, now: &Zoned, counting: Counting) -> Option<Moment> {
    let text = text.trim();
    if text.starts_with('@') {
        return parse_label(text, counting);
    }
    named_day(text, now)
        .or_else(|| parse_span(text, now))
        .or_else(|| text.parse().ok())
        .or_else(|| parse_civil(text, now))
        .map(moment_of)
}

fn parse_label(text: &str, counting: Counting) -> Option<Moment> {
    if let Some(label) = Label::parse(text.as_bytes()) {
        let (unix_secs, nanos) = label.to_unix_by(counting);
        return (text.len() == ::logdir::label::LABEL_LEN).then_some(Moment { unix_secs, nanos });
    }
    Some(Moment { unix_secs: text[1..].parse().ok()?, nanos: 0 })
}

fn named_day(text: &str, now: &Zoned) -> Option<Timestamp> {
    let days = match text {
        "now" => return Some(now.timestamp()),
        "today" => 0,
        "yesterday" => -1,
        "tomorrow" => 1,
        _ => return None,
    };
    let date = now.date().checked_add(Span::new().days(days)).ok()?;
    Some(date.to_zoned(now.time_zone().clone()).ok()?.timestamp())
}

fn parse_span(text: &str, now: &Zoned) -> Option<Timestamp> {
    if !text.starts_with(['-', '+']) && !text.ends_with("ago") {
        return None;
    }
    let span: Span = text.parse().ok()?;
    Some(now.checked_add(span).ok()?.timestamp())
}

fn parse_civil(text: &str, now: &Zoned) -> Option<Timestamp> {
    let (text, zone) = match text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')) {
        Some(rest) => (rest.trim_end(), TimeZone::UTC),
        None => (text, now.time_zone().clone()),
    };
    let today = || now.with_time_zone(zone.clone()).date();
    let date_time = match (text.parse::<Date>(), text.contains(':')) {
        (Ok(date), false) => date.at(0, 0, 0, 0),
        _ => match text.parse::<Time>() {
            Ok(time) if text.contains(':') && !text.contains('-') => today().to_datetime(time),
            _ => text.parse::<DateTime>().ok()?,
        },
    };
    zone.to_timestamp(date_time).ok()
}

fn moment_of(timestamp: Timestamp) -> Moment {
    const NANOS: i128 = 1_000_000_000;
    let nanos = timestamp.as_nanosecond();
    // The range of a timestamp is a few thousand years, so both fit.
    Moment {
        unix_secs: i64::try_from(nanos.div_euclid(NANOS)).unwrap_or(i64::MAX),
        nanos: u32::try_from(nanos.rem_euclid(NANOS)).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(i64, u32)>) {
        // 2023-11-14 23:13:20 in a zone one hour east.
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let now = Timestamp::new(1_700_000_000, 0).unwrap().to_zoned(zone);
        let found = parse(text, &now, Counting::Ten);
        assert_eq!(found.map(|moment| (moment.unix_secs, moment.nanos)), expected, "{text}");
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        const MIDNIGHT: i64 = 1_699_916_400;
        check("now", Some((1_700_000_000, 0)));
        check("today", Some((MIDNIGHT, 0)));
        check("yesterday", Some((MIDNIGHT - 86_400, 0)));
        check("tomorrow", Some((MIDNIGHT + 86_400, 0)));
        check("-2h", Some((1_699_992_800, 0)));
        check("+5m", Some((1_700_000_300, 0)));
        check("-1h30m", Some((1_699_994_600, 0)));
        check("90s ago", Some((1_699_999_910, 0)));
        check("2 hours ago", Some((1_699_992_800, 0)));
        check("-1d", Some((1_699_913_600, 0)));
        check("02:10", Some((MIDNIGHT + 7800, 0)));
        check("02:10:03.5", Some((MIDNIGHT + 7803, 500_000_000)));
        check("02:10 UTC", Some((MIDNIGHT + 3600 + 7800, 0)));
        check("2023-11-14", Some((MIDNIGHT, 0)));
        check("2023-11-14 UTC", Some((MIDNIGHT + 3600, 0)));
        check("2023-11-14 02:10", Some((MIDNIGHT + 7800, 0)));
        check("2023-11-14T02:10:03", Some((MIDNIGHT + 7803, 0)));
        check("2023-11-14 22:13:20.000000001 UTC", Some((1_700_000_000, 1)));
        check("2023-11-14T22:13:20Z", Some((1_700_000_000, 0)));
        check("2023-11-14T22:13:20+02:00", Some((1_699_992_800, 0)));
        check("@400000006553f10a00000001", Some((1_700_000_000, 1)));
        check("@1700000000", Some((1_700_000_000, 0)));
        check("1969-12-31 23:59:59.5Z", Some((-1, 500_000_000)));
    }

    #[test]
    fn what_means_nothing_is_nothing() {
        for text in [
            "",
            "soon",
            "@",
            "@4000",
            "2023-13-01",
            "25:00",
            "-",
            "2h",
            "ago",
            "2023",
            "@400000006553f10a00000001x",
            "2023-11-14 02:10 PST",
        ] {
            // `@4000` is a number of seconds.
            let expected = (text == "@4000").then_some((4000, 0));
            check(text, expected);
        }
    }
}
