//! What stands before a line to tell its time: labels, and the dates that multilog, svlogd, s6-log and
//! daemontools-encore write where they are asked for them.
//!
//! A date that the logged program wrote itself in one of these forms counts too: it tells the time just
//! as well.

use crate::label::{Counting, LABEL_LEN, Label, NANOS_PER_SEC};
use crate::stamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// No stamp is longer, its spaces included.
pub const STAMP_LEN_MAX: usize = stamp::DATE_LEN_MAX;

/// A moment: what lines are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Seconds since 1970.
    pub unix_secs: i64,
    /// Nanoseconds below 10^9.
    pub nanos: u32,
}

impl Moment {
    /// Nanoseconds since 1970.
    pub fn to_nanos(self) -> i128 {
        i128::from(self.unix_secs) * i128::from(NANOS_PER_SEC) + i128::from(self.nanos)
    }
}

/// A stamp at the start of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The moment it tells.
    pub moment: Moment,
    /// Bytes of the stamp itself.
    pub len: usize,
    /// Bytes of it and what separates it from the text.
    pub end: usize,
}

/// Reads the stamps of one directory.
#[derive(Clone, Debug)]
pub struct StampParser {
    counting: Counting,
    /// Whether that is only assumed.
    is_assumed: bool,
    /// The zone of s6-log's dates. Looked up when the first of them is met.
    zone: Option<TimeZone>,
}

impl StampParser {
    /// Stamps with labels that are counted like this.
    pub fn new(counting: Counting) -> StampParser {
        StampParser { counting, is_assumed: false, zone: None }
    }

    /// Stamps with labels that are counted as those of daemontools, until somebody finds out.
    pub fn assumed() -> StampParser {
        StampParser { is_assumed: true, ..StampParser::new(Counting::Ten) }
    }

    /// Whether it is only assumed how labels are counted.
    pub fn is_assumed(&self) -> bool {
        self.is_assumed
    }

    /// How labels are counted.
    pub fn counting(&self) -> Counting {
        self.counting
    }

    /// The moment a label stands for.
    pub fn moment_of(&self, label: Label) -> Moment {
        let (unix_secs, nanos) = label.to_unix_by(self.counting);
        Moment { unix_secs, nanos }
    }

    /// The stamp at the start of a line, or of the first bytes of one.
    pub fn parse(&mut self, line: &[u8]) -> Option<Stamp> {
        match *line.first()? {
            b'@' => self.parse_label(line),
            b'0'..=b'9' => parse_rfc3339(line)
                .or_else(|| self.parse_date(line))
                .or_else(|| parse_seconds(line)),
            _ => None,
        }
    }

    fn parse_label(&self, line: &[u8]) -> Option<Stamp> {
        let moment = self.moment_of(Label::parse(line)?);
        match line.get(LABEL_LEN) {
            None => Some(Stamp { moment, len: LABEL_LEN, end: LABEL_LEN }),
            Some(b' ') => Some(Stamp { moment, len: LABEL_LEN, end: LABEL_LEN + 1 }),
            Some(_) => None,
        }
    }

    /// `YYYY-MM-DD` and the time: behind `_` or `T` five decimals and universal time (svlogd), behind a
    /// space nine decimals and local time (s6-log).
    fn parse_date(&mut self, line: &[u8]) -> Option<Stamp> {
        let [year, month, day] = numbers(line.get(..10)?, [4, 2, 2], b'-')?;
        let [hour, minute, second] = numbers(line.get(11..19)?, [2, 2, 2], b':')?;
        let decimals_len = if line[10] == b' ' { 9 } else { 5 };
        let len = 20 + decimals_len;
        let decimals = number(line.get(20..len)?)?;
        if line[19] != b'.' || line.get(len).is_some_and(|&byte| byte != b' ') {
            return None;
        }
        // A leap second is the second before it, as in labels that are counted with them.
        let date = DateTime::new(
            i16::try_from(year).ok()?,
            i8::try_from(month).ok()?,
            i8::try_from(day).ok()?,
            i8::try_from(hour).ok()?,
            i8::try_from(minute).ok()?,
            i8::try_from(second.min(59 + u32::from(second > 60))).ok()?,
            0,
        )
        .ok()?;
        let zone = match line[10] {
            b'_' | b'T' => &TimeZone::UTC,
            b' ' => self.zone.get_or_insert_with(TimeZone::system),
            _ => return None,
        };
        let unix_secs = zone.to_timestamp(date).ok()?.as_second();
        let nanos = decimals * 10_u32.pow(9 - decimals_len as u32);
        let spaces = line[len..].iter().take(2).take_while(|&&byte| byte == b' ').count();
        Some(Stamp { moment: Moment { unix_secs, nanos }, len, end: len + spaces })
    }
}

/// What `Tutc` and `Tlocal` of multilog write.
fn parse_rfc3339(line: &[u8]) -> Option<Stamp> {
    let (unix_secs, nanos, end) = stamp::parse_date(line)?;
    Some(Stamp { moment: Moment { unix_secs, nanos }, len: end - 1, end })
}

/// daemontools-encore's `seconds.micros`, as long as they were and will be from 2001 to 2286.
fn parse_seconds(line: &[u8]) -> Option<Stamp> {
    const LEN: usize = 17;
    let (unix_secs, micros) = (number(line.get(..10)?)?, number(line.get(11..LEN)?)?);
    if line[10] != b'.' || line.get(LEN).is_some_and(|&byte| byte != b' ') {
        return None;
    }
    let moment = Moment { unix_secs: unix_secs.into(), nanos: micros * 1000 };
    Some(Stamp { moment, len: LEN, end: line.len().min(LEN + 1) })
}

/// Decimal numbers of these lengths with `between` between them, and nothing else.
fn numbers(text: &[u8], lens: [usize; 3], between: u8) -> Option<[u32; 3]> {
    let mut found = [0; 3];
    let mut pos = 0;
    for (value, len) in found.iter_mut().zip(lens) {
        if pos > 0 && text[pos - 1] != between {
            return None;
        }
        *value = number(text.get(pos..pos + len)?)?;
        pos += len + 1;
    }
    Some(found)
}

/// A number of at most ten decimal digits, and nothing else.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |value, &digit| {
        let digit = digit.checked_sub(b'0').filter(|&digit| digit < 10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<(i64, u32, &str)>) {
        let mut stamps = StampParser::new(Counting::Ten);
        stamps.zone = Some(TimeZone::fixed(jiff::tz::offset(2)));
        let found = stamps.parse(line.as_bytes());
        let found = found.map(|stamp| {
            assert!(stamp.end - stamp.len <= 2 && stamp.end <= STAMP_LEN_MAX);
            (stamp.moment.unix_secs, stamp.moment.nanos, &line[stamp.end..])
        });
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn stamps_of_all_writers_are_read() {
        check("@400000006553f10a00000001 a b", Some((1_700_000_000, 1, "a b")));
        check("@400000006553f10a00000001", Some((1_700_000_000, 1, "")));
        check("2023-11-14_22:13:20.12345 a", Some((1_700_000_000, 123_450_000, "a")));
        check("2023-11-14T22:13:20.00001 a", Some((1_700_000_000, 10_000, "a")));
        check("2023-11-14T22:13:20.000000001Z a", Some((1_700_000_000, 1, "a")));
        check("2023-11-15T00:13:20.000000001+02:00 a", Some((1_700_000_000, 1, "a")));
        check("2023-11-15 00:13:20.123456789  a", Some((1_700_000_000, 123_456_789, "a")));
        check("1700000000.000042 a", Some((1_700_000_000, 42_000, "a")));
        check("1700000000.000042", Some((1_700_000_000, 42_000, "")));
        check("2016-12-31_23:59:60.00000 a", Some((1_483_228_799, 0, "a")));
    }

    #[test]
    fn what_is_nearly_a_stamp_is_text() {
        for line in [
            "",
            "@",
            "@400000006553f10a00000001x",
            "@400000006553f10a0000001 a",
            "@400000006553f10aff000001 a",
            "2023-11-14_22:13:20.1234 a",
            "2023-11-14_22:13:20.123456 a",
            "2023-11-14x22:13:20.12345 a",
            "2023-13-14_22:13:20.12345 a",
            "2023-11-14_22:13:61.12345 a",
            "2023-11-14_22-13-20.12345 a",
            "2023-11-14 22:13:20.12345 a",
            "2023-11-14",
            "1700000000.00042 a",
            "17000000000.000042 a",
            "9999999999.000042 a",
            " @400000006553f10a00000001 a",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn labels_of_s6_have_27_seconds_more() {
        let stamp = StampParser::new(Counting::Leap).parse(b"@400000006553f10a00000001 a");
        assert_eq!(stamp.unwrap().moment, Moment { unix_secs: 1_699_999_973, nanos: 1 });
    }
}
