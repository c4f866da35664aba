//! Writes and reads syslog times.
//!
//! This module contains its own calendar arithmetic: RFC 5424 requires only UTC, a dozen lines
//! without zone data. RFC 3164 times are customarily local and lack a year: the caller passes the
//! UTC offset, because zone data belongs to the system, and the current time.

use crate::buffer::append_decimal;

const SECS_PER_DAY: i64 = 86_400;
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
/// Years that RFC 3339 can express.
const YEARS: std::ops::RangeInclusive<i64> = 0..=9999;

/// Time in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime {
    /// Unix seconds.
    pub secs: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanos: u32,
}

/// Appends an RFC 5424 section 6.2.3 time in UTC: six fraction digits, upper-case T and Z, as
/// `2026-11-26T17:30:18.523315Z`. Further digits are cut: rsyslog misreads nine digits. A year
/// beyond four digits becomes `-`, no time.
pub fn append_rfc5424_time(time: UnixTime, output: &mut Vec<u8>) {
    let date = Date::from_days(time.secs.div_euclid(SECS_PER_DAY));
    if !YEARS.contains(&date.year) {
        output.push(b'-');
        return;
    }
    append_padded(date.year, 4, output);
    output.push(b'-');
    append_padded(date.month, 2, output);
    output.push(b'-');
    append_padded(date.day, 2, output);
    output.push(b'T');
    append_clock(time.secs.rem_euclid(SECS_PER_DAY), output);
    output.push(b'.');
    append_padded(i64::from(time.nanos) / 1000, 6, output);
    output.push(b'Z');
}

/// Appends an RFC 3164 section 4.1.2 time, as `Nov  6 17:40:08`: no year, space-padded day.
/// `utc_offset_secs` is the local UTC offset, positive east of Greenwich; receivers assume local
/// time.
pub fn append_bsd_time(unix_secs: i64, utc_offset_secs: i32, output: &mut Vec<u8>) {
    let secs = unix_secs.saturating_add(utc_offset_secs.into());
    let date = Date::from_days(secs.div_euclid(SECS_PER_DAY));
    output.extend_from_slice(MONTHS[date.month as usize - 1]);
    output.extend_from_slice(if date.day < 10 { b"  " } else { b" " });
    append_decimal(date.day as u64, output);
    output.push(b' ');
    append_clock(secs.rem_euclid(SECS_PER_DAY), output);
}

/// Appends `hh:mm:ss`.
fn append_clock(second_of_day: i64, output: &mut Vec<u8>) {
    append_padded(second_of_day / 3600, 2, output);
    output.push(b':');
    append_padded(second_of_day / 60 % 60, 2, output);
    output.push(b':');
    append_padded(second_of_day % 60, 2, output);
}

/// Appends the last `digit_count` decimal digits (at most six) of a non-negative number.
fn append_padded(number: i64, digit_count: usize, output: &mut Vec<u8>) {
    let mut digits = [0; 6];
    let mut rest = number;
    for digit in digits[..digit_count].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    output.extend_from_slice(&digits[..digit_count]);
}

/// Gregorian date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    year: i64,
    /// Month, from 1.
    month: i64,
    /// Day, from 1.
    day: i64,
}

impl Date {
    /// Date this many days after 1970-01-01.
    ///
    /// Years start in March here, so the leap day is last. Month lengths then repeat 31, 30, 31,
    /// 30, 31: 153 days per five months.
    fn from_days(days: i64) -> Date {
        // Days since 0000-03-01, in eras of 400 years.
        let days = days + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Date { year: era * 400 + year_of_era + i64::from(month <= 2), month, day }
    }

    /// Days since 1970-01-01; `None` if the month is shorter.
    fn to_days(self) -> Option<i64> {
        let year = self.year - i64::from(self.month <= 2);
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let month_from_march = (self.month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        (Date::from_days(days) == self).then_some(days)
    }
}

impl UnixTime {
    /// Parses all of `text` as an RFC 3339 time, as used in RFC 5424.
    ///
    /// Accepts further forms that senders write: any digit count (nine are used), lower-case `t`
    /// and `z`, leap seconds, offsets without colon.
    pub fn parse(text: &[u8]) -> Option<UnixTime> {
        let (time, len) = UnixTime::parse_prefix(text)?;
        (len == text.len()).then_some(time)
    }

    /// Parses a leading time; also returns its byte length.
    pub(crate) fn parse_prefix(bytes: &[u8]) -> Option<(UnixTime, usize)> {
        let mut scan = Scan { bytes, pos: 0 };
        let year = scan.number(4)?;
        scan.byte(b"-")?;
        let month = scan.number_within(2, 1..=12)?;
        scan.byte(b"-")?;
        let date = Date { year, month, day: scan.number_within(2, 1..=31)? };
        scan.byte(b"Tt")?;
        let second_of_day = scan.clock()?;
        let nanos = scan.fraction()?;
        let offset = scan.utc_offset()?;
        let secs = date.to_days()? * SECS_PER_DAY + second_of_day - offset;
        Some((UnixTime { secs, nanos }, scan.pos))
    }
}

/// RFC 3164 time, `Nov 26 17:40:08`.
///
/// The day may be padded with a space, padded with a zero, or unpadded. Routers add a year before
/// the clock or a fraction after it; the parser accepts both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BsdTime {
    /// Year, if sent.
    pub year: Option<i64>,
    /// Month, from 1.
    month: i64,
    day: i64,
    second_of_day: i64,
    /// Nanoseconds; 0 without fraction.
    pub nanos: u32,
}

impl BsdTime {
    /// Parses all of `text`.
    pub fn parse(text: &[u8]) -> Option<BsdTime> {
        let (time, len) = BsdTime::parse_prefix(text)?;
        (len == text.len()).then_some(time)
    }

    /// Parses a leading time; also returns its byte length.
    pub(crate) fn parse_prefix(bytes: &[u8]) -> Option<(BsdTime, usize)> {
        let name = bytes.first_chunk()?;
        let month = MONTHS.iter().position(|month| *month == name)? as i64 + 1;
        let mut scan = Scan { bytes, pos: name.len() };
        scan.byte(b" ")?;
        let day = scan.day()?;
        scan.byte(b" ")?;
        let year = scan.year_and_space();
        let second_of_day = scan.clock()?;
        let nanos = scan.fraction()?;
        Some((BsdTime { year, month, day, second_of_day, nanos }, scan.pos))
    }

    /// Unix seconds. A missing year becomes the year nearest to `now_secs`, so in January a
    /// December time belongs to last year. `utc_offset_secs` is the sender's UTC offset. `None` if
    /// no nearby year contains this day.
    pub fn to_unix(self, now_secs: i64, utc_offset_secs: i32) -> Option<i64> {
        let moment_in = |year| {
            let days = Date { year, month: self.month, day: self.day }.to_days()?;
            Some(days * SECS_PER_DAY + self.second_of_day - i64::from(utc_offset_secs))
        };
        let this_year = Date::from_days(now_secs.div_euclid(SECS_PER_DAY)).year.clamp(0, 9999);
        match self.year {
            Some(year) => moment_in(year),
            None => (this_year - 1..=this_year + 1)
                .filter_map(moment_in)
                .min_by_key(|secs| secs.abs_diff(now_secs)),
        }
    }
}

/// Left-to-right parser position.
struct Scan<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    /// Takes a byte listed in `allowed`.
    fn byte(&mut self, allowed: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|byte| allowed.contains(byte))?;
        self.pos += 1;
        Some(byte)
    }

    /// Takes exactly `digit_count` digits.
    fn number(&mut self, digit_count: usize) -> Option<i64> {
        let digits = self.bytes.get(self.pos..self.pos + digit_count)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.pos += digit_count;
        Some(digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    }

    fn number_within(
        &mut self,
        digit_count: usize,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        self.number(digit_count).filter(|number| range.contains(number))
    }

    /// Takes `hh:mm:ss`; returns the second of day. A leap second equals the following second.
    fn clock(&mut self) -> Option<i64> {
        let hour = self.number_within(2, 0..=23)?;
        self.byte(b":")?;
        let minute = self.number_within(2, 0..=59)?;
        self.byte(b":")?;
        Some((hour * 60 + minute) * 60 + self.number_within(2, 0..=60)?)
    }

    /// Takes an optional point with digits; returns nanoseconds.
    fn fraction(&mut self) -> Option<u32> {
        if self.byte(b".").is_none() {
            return Some(0);
        }
        let start = self.pos;
        let mut nanos = 0;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            if self.pos - start < 9 {
                nanos = nanos * 10 + u32::from(digit - b'0');
            }
            self.pos += 1;
        }
        let digit_count = self.pos - start;
        (digit_count > 0).then(|| nanos * 10_u32.pow(9_u32.saturating_sub(digit_count as u32)))
    }

    /// Takes `Z` or `+hh:mm`; returns seconds.
    fn utc_offset(&mut self) -> Option<i64> {
        let sign = match self.byte(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hours = self.number_within(2, 0..=23)?;
        self.byte(b":");
        Some(sign * (hours * 60 + self.number_within(2, 0..=59)?) * 60)
    }

    /// Takes a one- or two-digit day, optionally padded.
    fn day(&mut self) -> Option<i64> {
        let is_padded = self.byte(b" ").is_some();
        let two_digits = if is_padded { None } else { self.number(2) };
        let day = match two_digits {
            Some(day) => day,
            None => self.number(1)?,
        };
        (1..=31).contains(&day).then_some(day)
    }

    /// Takes an optional year plus space.
    fn year_and_space(&mut self) -> Option<i64> {
        let start = self.pos;
        let year = self.number(4).filter(|_| self.byte(b" ").is_some());
        if year.is_none() {
            self.pos = start;
        }
        year
    }
}

#[cfg(test)]
mod tests;
