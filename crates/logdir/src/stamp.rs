//! Line stamps: kinds (`t`, `T`, `Tutc`, `Tlocal`), and writing and parsing of date stamps. TAI64N
//! labels, used by nearly every script, live in `label.rs`.

use crate::label::{Label, STAMP_LEN, Stamps, nanos_ahead};
use crate::sys::local_time::{self, LocalTime};
use crate::time::{Civil, Zone, calendar};
use std::io::Write;

/// Stamp format requested by a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampFormat {
    /// `t`: a TAI64N label.
    Tai64n,
    /// `T`: daemontools-encore's seconds since 1970, point, microseconds.
    Unix,
    /// `Tutc`: RFC 3339 in UTC, with nanoseconds.
    Utc,
    /// `Tlocal`: RFC 3339 in local time with UTC offset, with nanoseconds.
    Local,
}

/// Formats `2026-11-20T08:15:02.123456789Z`; `None` for years outside RFC 3339.
pub fn format_utc(label: Label) -> Option<String> {
    let (unix_secs, nanos) = label.to_unix();
    let time = Zone::Utc.at(unix_secs)?.civil();
    let Civil { year, month, day, hour, minute, second } = time;
    (0..=9999).contains(&year).then(|| {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
    })
}

/// Generates a stream's stamps, each later than the last.
pub trait Stamper {
    /// Sets the read time of an input block; its stamps count from there.
    fn set_clock(&mut self, now: Label);
    /// Bytes of the next stamp, including space.
    fn stamp_len(&mut self) -> usize;
    /// Writes the next stamp and a space into `room` of exactly that length.
    fn put_next(&mut self, room: &mut [u8]);
    /// Skips a stamp: its line gets none.
    fn skip(&mut self);
    /// Appends the next stamp and a space.
    fn append_to(&mut self, text: &mut Vec<u8>) {
        let start = text.len();
        text.resize(start + self.stamp_len(), 0);
        self.put_next(&mut text[start..]);
    }
}

impl Stamper for Stamps {
    fn set_clock(&mut self, now: Label) {
        Stamps::set_clock(self, now);
    }

    fn stamp_len(&mut self) -> usize {
        STAMP_LEN
    }

    fn put_next(&mut self, room: &mut [u8]) {
        Stamps::put_next(self, room);
    }

    fn skip(&mut self) {
        Stamps::skip(self);
    }
}

/// Generates date stamps. Everything except the fraction is formatted once per second.
#[derive(Debug)]
pub struct DateStamps {
    format: DateFormat,
    /// Time of the next line.
    upcoming: Label,
    /// Second formatted in `before` and `behind`, since 1970.
    written: Option<i64>,
    /// Text before the fraction, including the point.
    before: Vec<u8>,
    /// Text after the fraction: UTC offset if any, then space.
    behind: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DateFormat {
    Unix,
    Utc,
    Local,
}

impl DateFormat {
    /// Decimals of a second.
    fn fraction_len(self) -> usize {
        match self {
            DateFormat::Unix => 6,
            DateFormat::Utc | DateFormat::Local => 9,
        }
    }
}

/// Stamp generator of a stream.
#[derive(Debug)]
pub enum Stamping {
    /// No stamps.
    Off,
    /// TAI64N labels.
    Labels(Stamps),
    /// Date stamps.
    Dates(DateStamps),
}

impl Stamping {
    /// Generator for a script's format.
    pub fn new(format: Option<StampFormat>) -> Stamping {
        match format {
            None => Stamping::Off,
            Some(StampFormat::Tai64n) => Stamping::Labels(Stamps::new()),
            Some(StampFormat::Unix) => Stamping::Dates(DateStamps::new(DateFormat::Unix)),
            Some(StampFormat::Utc) => Stamping::Dates(DateStamps::new(DateFormat::Utc)),
            Some(StampFormat::Local) => Stamping::Dates(DateStamps::new(DateFormat::Local)),
        }
    }

    /// Sets the read time of an input block.
    pub fn set_clock(&mut self, now: Label) {
        match self {
            Stamping::Off => {}
            Stamping::Labels(stamps) => stamps.set_clock(now),
            Stamping::Dates(stamps) => stamps.set_clock(now),
        }
    }
}

impl DateStamps {
    fn new(format: DateFormat) -> DateStamps {
        let upcoming = Label::from_unix(0, 0);
        DateStamps { format, upcoming, written: None, before: Vec::new(), behind: Vec::new() }
    }

    /// Formats the next stamp's second unless already formatted. Local time is refreshed here: zone
    /// changes fall between two seconds, and replaced zone files are noticed.
    fn write_second(&mut self) {
        let (unix_secs, _) = self.upcoming.to_unix();
        if self.written == Some(unix_secs) {
            return;
        }
        self.written = Some(unix_secs);
        self.before.clear();
        self.behind.clear();
        match self.format {
            DateFormat::Unix => {
                append(&mut self.before, format_args!("{unix_secs}."));
                append(&mut self.behind, format_args!(" "));
            }
            DateFormat::Utc => {
                self.write_date(local_time::universal(unix_secs));
                append(&mut self.behind, format_args!("Z "));
            }
            DateFormat::Local => {
                local_time::refresh();
                let local = local_time::local(unix_secs).filter(has_whole_minutes);
                // UTC for offsets that RFC 3339 cannot express.
                let time = local.or_else(|| local_time::universal(unix_secs));
                self.write_date(time);
                let east_secs = time.map_or(0, |time| time.east_secs);
                let sign = if east_secs < 0 { '-' } else { '+' };
                let minutes = east_secs.abs() / 60;
                let (hours, minutes) = (minutes / 60, minutes % 60);
                append(&mut self.behind, format_args!("{sign}{hours:02}:{minutes:02} "));
            }
        }
    }

    /// Every moment of a system clock has a date.
    fn write_date(&mut self, time: Option<LocalTime>) {
        let Some(time) = time else { return };
        let LocalTime { year, month, day, hour, minute, second, east_secs: _ } = time;
        append(
            &mut self.before,
            format_args!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}."),
        );
    }
}

impl Stamper for DateStamps {
    fn set_clock(&mut self, now: Label) {
        if nanos_ahead(self.upcoming, now).is_none() {
            self.upcoming = now;
        }
    }

    fn stamp_len(&mut self) -> usize {
        self.write_second();
        self.before.len() + self.format.fraction_len() + self.behind.len()
    }

    fn put_next(&mut self, room: &mut [u8]) {
        self.write_second();
        let (_, nanos) = self.upcoming.to_unix();
        let (before, rest) = room.split_at_mut(self.before.len());
        let (fraction, behind) = rest.split_at_mut(self.format.fraction_len());
        before.copy_from_slice(&self.before);
        fraction.copy_from_slice(&calendar::nine_digits(nanos)[..fraction.len()]);
        behind.copy_from_slice(&self.behind);
        self.skip();
    }

    fn skip(&mut self) {
        self.upcoming = self.upcoming.next();
    }
}

/// Bytes of the longest date accepted by [`parse_date`], including space.
pub const DATE_LEN_MAX: usize = OFFSET_DATE.len();

/// Patterns of `Tutc` and `Tlocal`: 0 matches any digit, + matches either sign.
const UTC_DATE: &[u8] = b"0000-00-00T00:00:00.000000000Z ";
const OFFSET_DATE: &[u8] = b"0000-00-00T00:00:00.000000000+00:00 ";

/// True if `text` is a prefix of a `Tutc` or `Tlocal` date.
pub fn may_be_date(text: &[u8]) -> bool {
    [UTC_DATE, OFFSET_DATE].into_iter().any(|shape| {
        text.len() <= shape.len()
            && text.iter().zip(shape).all(|(&byte, &like)| is_like(byte, like))
    })
}

fn is_like(byte: u8, like: u8) -> bool {
    match like {
        b'0' => byte.is_ascii_digit(),
        b'+' => byte == b'+' || byte == b'-',
        other => byte == other,
    }
}

/// Parses a `Tutc` or `Tlocal` date plus space at the start of a line: seconds since 1970,
/// nanoseconds, bytes consumed. Rejects other date forms: they may be the service's own text.
pub fn parse_date(line: &[u8]) -> Option<(i64, u32, usize)> {
    let len = [UTC_DATE.len(), OFFSET_DATE.len()].into_iter().find(|&len| {
        line.get(..len).is_some_and(|text| text[len - 1] == b' ' && may_be_date(text))
    })?;
    let number = |from: usize, len: usize| -> u32 {
        line[from..from + len].iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
    };
    let east_secs = match line[UTC_DATE.len() - 2] {
        b'+' => i64::from((number(30, 2) * 60 + number(33, 2)) * 60),
        b'-' => -i64::from((number(30, 2) * 60 + number(33, 2)) * 60),
        _ => 0,
    };
    let date = [number(0, 4), number(5, 2), number(8, 2)];
    let minute = Civil::new(date, [number(11, 2), number(14, 2), 0])?;
    let utc = Civil::from_secs(minute.secs() - east_secs)?;
    let second = u8::try_from(number(17, 2)).ok().filter(|&second| second <= 60)?;
    let moments = Zone::Utc.moments(Civil { second, ..utc })?;
    Some((moments.usual(), number(20, 9), len))
}

fn has_whole_minutes(time: &LocalTime) -> bool {
    time.east_secs % 60 == 0
}

fn append(text: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Stamps of lines read at these moments.
    fn stamps(format: DateFormat, moments: &[(i64, u32)]) -> Vec<String> {
        let mut stamps = DateStamps::new(format);
        let stamp = |&(unix_secs, nanos): &(i64, u32)| {
            stamps.set_clock(Label::from_unix(unix_secs, nanos));
            let (stamp_len, mut text) = (stamps.stamp_len(), Vec::new());
            stamps.append_to(&mut text);
            assert_eq!(text.len(), stamp_len);
            String::from_utf8(text).expect("ASCII")
        };
        moments.iter().map(stamp).collect()
    }

    #[test]
    fn stamps_of_encore_are_seconds_and_microseconds() {
        let moments = [(0, 0), (1_763_626_502, 123_456_789), (1_763_626_502, 999_999_999)];
        let expected = ["0.000000 ", "1763626502.123456 ", "1763626502.999999 "];
        assert_eq!(stamps(DateFormat::Unix, &moments), expected);
    }

    #[test]
    fn universal_stamps_are_rfc_3339() {
        let moments =
            [(0, 0), (1_763_626_502, 123_456_789), (951_782_400, 5), (253_402_300_799, 0)];
        let expected = [
            "1970-01-01T00:00:00.000000000Z ",
            "2025-11-20T08:15:02.123456789Z ",
            "2000-02-29T00:00:00.000000005Z ",
            "9999-12-31T23:59:59.000000000Z ",
        ];
        assert_eq!(stamps(DateFormat::Utc, &moments), expected);
    }

    #[test]
    fn stamps_of_a_block_are_a_nanosecond_apart_across_a_second() {
        let mut stamps = DateStamps::new(DateFormat::Utc);
        stamps.set_clock(Label::from_unix(59, 999_999_999));
        let mut text = Vec::new();
        stamps.append_to(&mut text);
        stamps.append_to(&mut text);
        let expected = b"1970-01-01T00:00:59.999999999Z 1970-01-01T00:01:00.000000000Z ";
        assert_eq!(text.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    #[test]
    fn moments_are_written_where_their_year_has_four_digits() {
        let written = |unix_secs, nanos| format_utc(Label::from_unix(unix_secs, nanos));
        let first = "0000-01-01T00:00:00.000000000Z";
        let last = "9999-12-31T23:59:59.999999999Z";
        assert_eq!(written(-62_167_219_200, 0).as_deref(), Some(first));
        assert_eq!(written(-62_167_219_201, 999_999_999), None);
        assert_eq!(written(1_700_000_000, 10).as_deref(), Some("2023-11-14T22:13:20.000000010Z"));
        assert_eq!(written(253_402_300_799, 999_999_999).as_deref(), Some(last));
        assert_eq!(written(253_402_300_800, 0), None);
        assert_eq!(written(i64::MAX, 0), None);
    }

    #[track_caller]
    fn check_date(line: &str, expected: Option<(i64, u32)>) {
        let parsed = parse_date(line.as_bytes());
        assert_eq!(parsed.map(|(unix_secs, nanos, _)| (unix_secs, nanos)), expected, "{line}");
        if let Some((_, _, len)) = parsed {
            assert_eq!(line.as_bytes()[len - 1], b' ');
            (0..=len).for_each(|len| assert!(may_be_date(&line.as_bytes()[..len])));
        }
    }

    #[test]
    fn dates_are_read_as_they_are_written() {
        check_date("1970-01-01T00:00:00.000000000Z x", Some((0, 0)));
        check_date("2025-11-20T08:15:02.123456789Z ", Some((1_763_626_502, 123_456_789)));
        check_date("2025-11-20T09:15:02.123456789+01:00 x", Some((1_763_626_502, 123_456_789)));
        check_date("2025-11-20T02:45:02.123456789-05:30 ", Some((1_763_626_502, 123_456_789)));
        check_date("2000-02-29T00:00:00.000000005Z ", Some((951_782_400, 5)));
        check_date("2016-12-31T23:59:60.000000000Z ", Some((1_483_228_799, 0)));
        check_date("9999-12-31T23:59:59.999999999Z ", Some((253_402_300_799, 999_999_999)));
    }

    #[test]
    fn any_other_date_is_none() {
        for line in [
            "",
            "2025",
            "2025-11-20T08:15:02.123456789Z",
            "2025-11-20T08:15:02.123456789Zx",
            "2025-11-20T08:15:02.123456789+01:00x",
            "2025-11-20T08:15:02.123456Z ",
            "2025-11-20 08:15:02.123456789Z ",
            "2025-13-20T08:15:02.123456789Z ",
            "2025-00-20T08:15:02.123456789Z ",
            "2025-11-31T08:15:02.123456789Z ",
            "2025-02-29T08:15:02.123456789Z ",
            "2025-11-00T08:15:02.123456789Z ",
            "2025-11-20T24:15:02.123456789Z ",
            "2025-11-20T08:60:02.123456789Z ",
            "2025-11-20T08:15:61.123456789Z ",
        ] {
            check_date(line, None);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(unix_secs in 0..253_402_300_800_i64, nanos in 0..1_000_000_000_u32) {
            for format in [DateFormat::Utc, DateFormat::Local] {
                let stamp = stamps(format, &[(unix_secs, nanos)]).remove(0);
                let expected = Some((unix_secs, nanos, stamp.len()));
                // Local time may already be in year 10000.
                prop_assert!(parse_date(stamp.as_bytes()) == expected || stamp.starts_with("10000"));
            }
        }

        #[test]
        fn local_stamps_are_the_moment_they_say(unix_secs in 0..4_000_000_000_i64) {
            let stamp = stamps(DateFormat::Local, &[(unix_secs, 7)]).remove(0);
            let utc = stamps(DateFormat::Utc, &[(unix_secs, 7)]).remove(0);
            let seconds = |text: &str| -> i64 {
                let number = |from: usize| -> i64 { text[from..from + 2].parse().expect("digits") };
                (number(11) * 60 + number(14)) * 60 + number(17)
            };
            prop_assert_eq!(stamp.len(), utc.len() + 5);
            let hours: i64 = stamp[29..32].parse().expect("hours");
            let minutes: i64 = stamp[33..35].parse().expect("minutes");
            let east = hours * 3600 + hours.signum() * minutes * 60;
            prop_assert_eq!((seconds(&stamp) - east).rem_euclid(86_400), seconds(&utc));
        }
    }
}
