//! Parses timestamps at line starts: TAI64N labels, and the optional dates of multilog, svlogd,
//! s6-log and daemontools-encore.
//!
//! A date in one of these forms written by the logged program counts too; it is just as reliable.

use crate::format::{TINYLOG_DATE_LEN, parse_tinylog_date};
use crate::label::{Counting, LABEL_LEN, Label, LabelParser};
use crate::read::separator::{SPACE_DATE_LEN, Separator};
use crate::stamp;
use crate::time::{Civil, Zone, ZoneReader};

pub use crate::time::Moment;

/// Longest stamp, including spaces.
pub const STAMP_LEN_MAX: usize = stamp::DATE_LEN_MAX;

/// Stamp at a line's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its moment; the earlier moment if a clock change repeated this date.
    pub moment: Moment,
    /// The later moment if a clock change repeated this date.
    pub later: Option<Moment>,
    /// Bytes of the stamp.
    pub len: usize,
    /// Bytes of the stamp and its separator.
    pub end: usize,
}

impl Stamp {
    fn new(moment: Moment, len: usize, end: usize) -> Stamp {
        Stamp { moment, later: None, len, end }
    }

    /// Chooses between the two moments of a repeated date, given the preceding line's moment. Files
    /// are in writing order, so a step back within the repeated hours means that the clock was set
    /// back.
    #[must_use]
    pub fn after(self, before: Option<Moment>) -> Stamp {
        match (self.later, before) {
            (Some(later), Some(before)) if self.moment < before => {
                Stamp { moment: later, later: None, ..self }
            }
            _ => self,
        }
    }

    /// True for a local date, which a clock change may repeat.
    pub fn is_local_date(self) -> bool {
        self.len == SPACE_DATE_LEN
    }

    /// Latest possible moment.
    pub fn latest(self) -> Moment {
        self.later.unwrap_or(self.moment)
    }
}

/// Parses the stamps of one directory.
#[derive(Clone, Debug)]
pub struct StampParser {
    labels: LabelParser,
    /// Counting is assumed, not detected.
    is_assumed: bool,
    separator: Separator,
    /// s6-log dates.
    local: ZoneReader,
    /// svlogd dates.
    utc: ZoneReader,
}

impl StampParser {
    /// Creates a parser with known label counting.
    pub fn new(counting: Counting) -> StampParser {
        StampParser {
            labels: LabelParser::new(counting),
            is_assumed: false,
            separator: Separator::Unknown,
            local: ZoneReader::new(Zone::Local),
            utc: ZoneReader::new(Zone::Utc),
        }
    }

    /// Creates a parser that assumes daemontools counting until detected otherwise.
    pub fn assumed() -> StampParser {
        StampParser { is_assumed: true, ..StampParser::new(Counting::Ten) }
    }

    /// True if label counting is only assumed.
    pub fn is_assumed(&self) -> bool {
        self.is_assumed
    }

    /// Label counting in use.
    pub fn counting(&self) -> Counting {
        self.labels.counting()
    }

    /// Sets the date separator of the file to be parsed next.
    pub fn set_separator(&mut self, separator: Separator) {
        self.separator = separator;
    }

    /// Moment of a label.
    pub fn moment_of(&self, label: Label) -> Moment {
        let (unix_secs, nanos) = label.to_unix_by(self.counting());
        Moment { unix_secs, nanos }
    }

    /// Parses the stamp at a line's start; the line's first bytes suffice.
    pub fn parse(&mut self, line: &[u8]) -> Option<Stamp> {
        match *line.first()? {
            b'@' => self.parse_label(line),
            b'0'..=b'9' => parse_rfc3339(line)
                .or_else(|| self.parse_date(line))
                .or_else(|| parse_seconds(line))
                .or_else(|| parse_tinylog(line)),
            _ => None,
        }
    }

    fn parse_label(&mut self, line: &[u8]) -> Option<Stamp> {
        let (unix_secs, nanos) = self.labels.parse(line)?;
        let moment = Moment { unix_secs, nanos };
        match line.get(LABEL_LEN) {
            None => Some(Stamp::new(moment, LABEL_LEN, LABEL_LEN)),
            Some(b' ') => Some(Stamp::new(moment, LABEL_LEN, LABEL_LEN + 1)),
            Some(_) => None,
        }
    }

    /// `YYYY-MM-DD` and time: after `_` or `T` five decimals and UTC (svlogd), after a space nine
    /// decimals and local time (s6-log, tai64nlocal).
    fn parse_date(&mut self, line: &[u8]) -> Option<Stamp> {
        let date = numbers(line.get(..10)?, [4, 2, 2], b'-')?;
        let time = numbers(line.get(11..19)?, [2, 2, 2], b':')?;
        let decimals_len = if line[10] == b' ' { 9 } else { 5 };
        let len = 20 + decimals_len;
        let decimals = number(line.get(20..len)?)?;
        if line[19] != b'.' || line.get(len).is_some_and(|&byte| byte != b' ') {
            return None;
        }
        let civil = Civil::new(date, time)?;
        let moments = match line[10] {
            b'_' | b'T' => self.utc.moments(civil)?,
            b' ' => self.local.moments(civil)?,
            _ => return None,
        };
        let nanos = decimals * 10_u32.pow(9 - decimals_len as u32);
        let spaces_count = line[len..].iter().take(3).take_while(|&&byte| byte == b' ').count();
        let spaces_len = match line[10] {
            b' ' => self.separator.len(spaces_count),
            _ => spaces_count.min(1),
        };
        let at = |unix_secs| Moment { unix_secs, nanos };
        let later = moments.later().map(at);
        Some(Stamp { later, ..Stamp::new(at(moments.usual()), len, len + spaces_len) })
    }
}

/// Parses a complete text as any writer's stamp, for `--since`. A repeated date yields the earlier
/// moment.
pub fn parse_time_like_a_stamp(text: &[u8], counting: Counting) -> Option<Moment> {
    // Some stamp parsers require the separator.
    [b" ".as_slice(), b": "].into_iter().find_map(|separator| {
        let stamp = StampParser::new(counting).parse(&[text, separator].concat())?;
        (stamp.len == text.len()).then_some(stamp.moment)
    })
}

/// RFC 3339 dates of multilog's `Tutc` and `Tlocal`.
fn parse_rfc3339(line: &[u8]) -> Option<Stamp> {
    let (unix_secs, nanos, end) = stamp::parse_date(line)?;
    Some(Stamp::new(Moment { unix_secs, nanos }, end - 1, end))
}

/// daemontools-encore's `seconds.micros`; ten digits cover the years 2001 to 2286.
fn parse_seconds(line: &[u8]) -> Option<Stamp> {
    const LEN: usize = 17;
    let (unix_secs, micros) = (number(line.get(..10)?)?, number(line.get(11..LEN)?)?);
    if line[10] != b'.' || line.get(LEN).is_some_and(|&byte| byte != b' ') {
        return None;
    }
    let moment = Moment { unix_secs: unix_secs.into(), nanos: micros * 1000 };
    Some(Stamp::new(moment, LEN, line.len().min(LEN + 1)))
}

/// `yyyymmddThhmmss.uuuuuu: ` of perp's tinylog, in UTC.
fn parse_tinylog(line: &[u8]) -> Option<Stamp> {
    const SEPARATOR: &[u8] = b": ";
    let (unix_secs, nanos) = parse_tinylog_date(line)?;
    let moment = Moment { unix_secs, nanos };
    let is_separated = line[TINYLOG_DATE_LEN..].starts_with(SEPARATOR);
    is_separated.then(|| Stamp::new(moment, TINYLOG_DATE_LEN, TINYLOG_DATE_LEN + SEPARATOR.len()))
}

/// Parses three numbers with these digit counts, separated by `between`.
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

/// Parses at most ten decimal digits.
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
        check("20231114T221320.000042: a", Some((1_700_000_000, 42_000, "a")));
        check("20231114T221320.000042:  a", Some((1_700_000_000, 42_000, " a")));
        check("1700000000.000042 a", Some((1_700_000_000, 42_000, "a")));
        check("1700000000.000042", Some((1_700_000_000, 42_000, "")));
        check("2016-12-31_23:59:60.00000 a", Some((1_483_228_799, 0, "a")));
    }

    /// Formats a moment like s6-log, in the test's zone.
    fn local_date(moment: Moment) -> String {
        let Civil { year, month, day, hour, minute, second } =
            Zone::Local.at(moment.unix_secs).unwrap().civil();
        let nanos = moment.nanos;
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{nanos:09}")
    }

    const AT: Moment = Moment { unix_secs: 1_700_000_000, nanos: 123_456_789 };

    #[test]
    fn dates_with_a_space_are_local_time() {
        let expected = |text| Some((AT.unix_secs, AT.nanos, text));
        check(&format!("{}  a", local_date(AT)), expected("a"));
        check(&format!("{} a", local_date(AT)), expected("a"));
        check(&format!("{}   a", local_date(AT)), expected("  a"));
        check(&local_date(AT), expected(""));
        check(&format!("{}x", local_date(AT)), None);
    }

    #[test]
    fn a_step_back_means_the_later_of_two_moments() {
        let at = |unix_secs| Moment { unix_secs, nanos: 0 };
        let stamp = Stamp { moment: at(100), later: Some(at(3700)), len: 0, end: 0 };
        assert_eq!(stamp.after(None).moment, at(100));
        assert_eq!(stamp.after(Some(at(100))).moment, at(100));
        assert_eq!(stamp.after(Some(at(101))).moment, at(3700));
        assert_eq!(Stamp { later: None, ..stamp }.after(Some(at(101))).moment, at(100));
    }

    #[test]
    fn stamps_are_times_by_themselves() {
        let parsed = |text: &str| parse_time_like_a_stamp(text.as_bytes(), Counting::Ten);
        let whole = |nanos| Some(Moment { unix_secs: 1_700_000_000, nanos });
        assert_eq!(parsed("@400000006553f10a00000001"), whole(1));
        assert_eq!(parsed("2023-11-14_22:13:20.12345"), whole(123_450_000));
        assert_eq!(parsed("2023-11-14T22:13:20.12345"), whole(123_450_000));
        assert_eq!(parsed("2023-11-14T22:13:20.000000001Z"), whole(1));
        assert_eq!(parsed("2023-11-15T00:13:20.000000001+02:00"), whole(1));
        assert_eq!(parsed("1700000000.000042"), whole(42_000));
        assert_eq!(parsed("20231114T221320.000042"), whole(42_000));
        assert_eq!(parsed(&local_date(AT)), Some(AT));
        for text in ["", "2023-11-14", "02:10", "1700000000", "1700000000.000042 ", "-2h"] {
            assert_eq!(parsed(text), None, "{text}");
        }
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
            "20231114T221320.000042 a",
            "20231114T221320.000042:a",
            "20231314T221320.000042: a",
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
