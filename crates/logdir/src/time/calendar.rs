//! Formats moments as `YYYY-MM-DD HH:MM:SS.NNNNNNNNN` with a few additions each.
//!
//! A conversion function defines local time. The calendar calls it once per stretch of time instead
//! of once per moment, and formats each second once.

use crate::label::NANOS_PER_SEC;
use crate::sys::local_time::LocalTime;

/// Converts seconds since 1970 to local time; `None` if impossible.
pub type Conversion = fn(i64) -> Option<LocalTime>;

/// Longest stretch between two calls of the conversion.
///
/// Zone offsets are multiples of a quarter hour from UTC, so quarter hours start and end on a
/// single day, and zone changes fall between two quarters.
const STRETCH_SECS: i64 = 900;
/// Years of 32 bits have up to 10 digits, `-MM-DD HH:MM:SS.` has 16 bytes.
const POINT_LEN_MAX: usize = 26;
/// Nanoseconds of 32 bits have up to 10 digits.
const TEXT_LEN_MAX: usize = POINT_LEN_MAX + 10;

/// Formats moments, reusing the previous text.
#[derive(Debug)]
pub struct Calendar {
    conversion: Conversion,
    /// Stretch of the last moment.
    stretch: Option<Stretch>,
    /// Second formatted in `text`.
    written: Option<i64>,
    /// Formatted second, point, and space for nanoseconds.
    text: [u8; TEXT_LEN_MAX],
    /// Bytes of `text` up to and including the point, at most [`POINT_LEN_MAX`].
    point_len: usize,
}

impl Calendar {
    /// Calendar of a `conversion`.
    pub fn new(conversion: Conversion) -> Calendar {
        Calendar { conversion, stretch: None, written: None, text: [0; TEXT_LEN_MAX], point_len: 0 }
    }

    /// Discards cached conversions, after a possible zone change.
    pub fn forget(&mut self) {
        self.stretch = None;
        self.written = None;
    }

    /// Appends a moment, given as seconds since 1970 plus nanoseconds, to `output`.
    ///
    /// As in 0.76, years are not padded, and nanoseconds of 10^9 or more print as ten digits.
    /// Returns `false` and appends nothing if conversion fails or the year is negative.
    pub fn append(&mut self, unix_secs: i64, nanos: u32, output: &mut Vec<u8>) -> bool {
        if self.written != Some(unix_secs) && self.write_second(unix_secs).is_none() {
            return false;
        }
        // Appends the full buffer, then truncates: copies of fixed length compile to a few
        // instructions, variable length to a call.
        let text_pos = output.len();
        output.extend_from_slice(&self.text);
        let nanos_len = put_nanos(&mut output[text_pos + self.point_len..], nanos);
        output.truncate(text_pos + self.point_len + nanos_len);
        true
    }

    fn write_second(&mut self, unix_secs: i64) -> Option<()> {
        let time = self.convert(unix_secs)?;
        let year = u32::try_from(time.year).ok()?;
        let year_len = decimal_len(year);
        put_decimal(&mut self.text[..year_len], year);
        let parts = [
            (b'-', time.month),
            (b'-', time.day),
            (b' ', time.hour),
            (b':', time.minute),
            (b':', time.second),
        ];
        let rest = self.text[year_len..].chunks_exact_mut(3);
        for (text, (before, number)) in rest.zip(parts) {
            text[0] = before;
            put_decimal(&mut text[1..], u32::from(number));
        }
        let point_pos = year_len + 3 * parts.len();
        self.text[point_pos] = b'.';
        self.point_len = point_pos + 1;
        assert!(self.point_len <= POINT_LEN_MAX);
        self.written = Some(unix_secs);
        Some(())
    }

    fn convert(&mut self, unix_secs: i64) -> Option<LocalTime> {
        if let Some(time) = self.stretch.as_ref().and_then(|known| known.at(unix_secs)) {
            return Some(time);
        }
        let stretch = Stretch::around(unix_secs, self.conversion)?;
        let time = stretch.at(unix_secs);
        self.stretch = Some(stretch);
        time
    }
}

/// Seconds of a single day during which local time runs evenly.
#[derive(Debug)]
struct Stretch {
    start_secs: i64,
    len_secs: i64,
    start_time: LocalTime,
}

impl Stretch {
    /// Aligned quarter hour around a moment; only the moment itself if local time jumps, has a leap
    /// second or changes its day within that quarter.
    fn around(unix_secs: i64, conversion: Conversion) -> Option<Stretch> {
        Stretch::quarter(unix_secs, conversion).or_else(|| {
            Some(Stretch { start_secs: unix_secs, len_secs: 1, start_time: conversion(unix_secs)? })
        })
    }

    fn quarter(unix_secs: i64, conversion: Conversion) -> Option<Stretch> {
        let start_secs = unix_secs.checked_sub(unix_secs.rem_euclid(STRETCH_SECS))?;
        let start_time = conversion(start_secs)?;
        let end_time = conversion(start_secs.checked_add(STRETCH_SECS - 1)?)?;
        goes_evenly(start_time, end_time).then_some(Stretch {
            start_secs,
            len_secs: STRETCH_SECS,
            start_time,
        })
    }

    fn at(&self, unix_secs: i64) -> Option<LocalTime> {
        let since_secs = unix_secs.checked_sub(self.start_secs)?;
        match since_secs {
            // The second of the day cannot represent 23:59:60, so the start's own time is used.
            0 => Some(self.start_time),
            _ if !(0..self.len_secs).contains(&since_secs) => None,
            _ => set_clock(self.start_time, second_of_day(self.start_time) + since_secs),
        }
    }
}

/// True if local time advances evenly from first to last second of a quarter.
fn goes_evenly(first: LocalTime, last: LocalTime) -> bool {
    let date = |time: LocalTime| (time.year, time.month, time.day);
    date(first) == date(last)
        // 23:59:60 converts like the second after it, so the sum alone would miss a leap second at
        // the end.
        && last.second < 60
        && second_of_day(last) - second_of_day(first) == STRETCH_SECS - 1
}

fn second_of_day(time: LocalTime) -> i64 {
    (i64::from(time.hour) * 60 + i64::from(time.minute)) * 60 + i64::from(time.second)
}

/// Replaces the time of day.
fn set_clock(day: LocalTime, second_of_day: i64) -> Option<LocalTime> {
    let second_of_day = u32::try_from(second_of_day).ok()?;
    Some(LocalTime {
        hour: u8::try_from(second_of_day / 3600).ok()?,
        minute: u8::try_from(second_of_day / 60 % 60).ok()?,
        second: u8::try_from(second_of_day % 60).ok()?,
        ..day
    })
}

fn decimal_len(number: u32) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Fills `digits` with a number's last digits.
fn put_decimal(digits: &mut [u8], mut number: u32) {
    for digit in digits.iter_mut().rev() {
        *digit = decimal_digit(number % 10);
        number /= 10;
    }
}

/// Writes nine digits, or ten for numbers of 10^9 and more; returns their count.
fn put_nanos(digits: &mut [u8], nanos: u32) -> usize {
    if nanos >= NANOS_PER_SEC {
        put_decimal(&mut digits[..10], nanos);
        return 10;
    }
    digits[..9].copy_from_slice(&nine_digits(nanos));
    9
}

/// Digits of nanoseconds below 10^9.
pub fn nine_digits(nanos: u32) -> [u8; 9] {
    let mut digits = [decimal_digit(nanos / 100_000_000); 9];
    digits[1..].copy_from_slice(&eight_digits(nanos % 100_000_000));
    digits
}

fn decimal_digit(value: u32) -> u8 {
    assert!(value < 10);
    b'0' + value as u8
}

/// Digits of a number below 10^8, computed in parallel in a 64-bit number: two groups of four
/// digits, then four of two, then eight single digits; the first group always occupies the lowest
/// bits.
///
/// Each division is a multiplication and shift, exact for groups of that size.
fn eight_digits(number: u32) -> [u8; 8] {
    assert!(number < 100_000_000);
    let fours = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | (pairs - 10 * tens) << 8;
    (digits | 0x3030_3030_3030_3030).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::local_time::universal;
    use proptest::prelude::*;

    fn append(calendar: &mut Calendar, unix_secs: i64, nanos: u32) -> Option<String> {
        let mut output = Vec::new();
        let appended = calendar.append(unix_secs, nanos, &mut output);
        assert_eq!(appended, !output.is_empty());
        appended.then(|| String::from_utf8(output).unwrap())
    }

    fn text(conversion: Conversion, unix_secs: i64, nanos: u32) -> Option<String> {
        append(&mut Calendar::new(conversion), unix_secs, nanos)
    }

    #[track_caller]
    fn check(unix_secs: i64, nanos: u32, expected: &str) {
        assert_eq!(text(universal, unix_secs, nanos).as_deref(), Some(expected));
    }

    #[test]
    fn moments_are_written_as_the_original_writes_them() {
        check(0, 0, "1970-01-01 00:00:00.000000000");
        check(-1, 999_999_999, "1969-12-31 23:59:59.999999999");
        check(935_467_445, 500, "1999-08-24 04:04:05.000000500");
        check(0, 1_000_000_000, "1970-01-01 00:00:00.1000000000");
        check(0, u32::MAX, "1970-01-01 00:00:00.4294967295");
        check(-62_135_596_800, 1, "1-01-01 00:00:00.000000001");
        check(-62_167_219_200, 0, "0-01-01 00:00:00.000000000");
        check(253_402_300_800, 0, "10000-01-01 00:00:00.000000000");
        check(67_768_036_191_676_799, u32::MAX, "2147485547-12-31 23:59:59.4294967295");
    }

    #[test]
    fn years_below_0_and_years_that_do_not_fit_are_not_written() {
        for unix_secs in [-62_167_219_201, 67_768_036_191_676_800, i64::MAX, i64::MIN] {
            assert_eq!(text(universal, unix_secs, 0), None, "{unix_secs}");
        }
    }

    #[test]
    fn digits_worked_out_side_by_side_are_those_of_the_standard_library() {
        for four in 0..10_000_u32 {
            for number in [four * 10_001, four * 10_000 + 9_999 - four] {
                assert_eq!(eight_digits(number), format!("{number:08}").as_bytes());
            }
        }
    }

    /// Change of the test zones: off the minute, since changes may happen at any second.
    const CHANGE_SECS: i64 = 1_000_123;
    /// End of the tenth day.
    const LEAP_SECS: i64 = 10 * 86_400;

    fn skips_an_hour(unix_secs: i64) -> Option<LocalTime> {
        universal(unix_secs + if unix_secs < CHANGE_SECS { 0 } else { 3600 })
    }

    fn repeats_an_hour(unix_secs: i64) -> Option<LocalTime> {
        universal(unix_secs - if unix_secs < CHANGE_SECS { 0 } else { 3600 })
    }

    fn half_past_and_a_bit(unix_secs: i64) -> Option<LocalTime> {
        universal(unix_secs + 1803)
    }

    fn leaps_at_midnight(unix_secs: i64) -> Option<LocalTime> {
        leap(unix_secs, LEAP_SECS, 0)
    }

    fn leaps_at_half_past(unix_secs: i64) -> Option<LocalTime> {
        leap(unix_secs, LEAP_SECS, 5 * 3600 + 1800)
    }

    fn leaps_at_the_end_of_a_stretch(unix_secs: i64) -> Option<LocalTime> {
        leap(unix_secs, LEAP_SECS + STRETCH_SECS - 1, 1)
    }

    /// Zone with a 61-second minute.
    fn leap(unix_secs: i64, leap_secs: i64, east_secs: i64) -> Option<LocalTime> {
        let passed = i64::from(unix_secs >= leap_secs);
        let mut time = universal(unix_secs - passed + east_secs)?;
        time.second += u8::from(unix_secs == leap_secs);
        Some(time)
    }

    fn ends(unix_secs: i64) -> Option<LocalTime> {
        universal(unix_secs).filter(|_| unix_secs < CHANGE_SECS)
    }

    const ZONES: [Conversion; 8] = [
        universal,
        skips_an_hour,
        repeats_an_hour,
        half_past_and_a_bit,
        leaps_at_midnight,
        leaps_at_half_past,
        leaps_at_the_end_of_a_stretch,
        ends,
    ];

    /// Reference implementation: converts each moment.
    fn slow(conversion: Conversion, unix_secs: i64, nanos: u32) -> Option<String> {
        let time = conversion(unix_secs).filter(|time| time.year >= 0)?;
        Some(format!(
            "{}-{:02}-{:02} {:02}:{:02}:{:02}.{nanos:09}",
            time.year, time.month, time.day, time.hour, time.minute, time.second
        ))
    }

    #[test]
    fn every_second_around_a_change_is_that_of_the_conversion() {
        for (number, conversion) in ZONES.into_iter().enumerate() {
            let mut calendar = Calendar::new(conversion);
            for around in [CHANGE_SECS, LEAP_SECS, -62_167_219_200] {
                for unix_secs in around - 4000..around + 4000 {
                    let text = append(&mut calendar, unix_secs, 7);
                    assert_eq!(text, slow(conversion, unix_secs, 7), "zone {number}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn moments_in_any_order_are_those_of_the_conversion(
            zone in 0..ZONES.len(),
            moments in prop::collection::vec(
                (
                    prop_oneof![
                        any::<i64>(),
                        CHANGE_SECS - 2000..CHANGE_SECS + 2000,
                        LEAP_SECS - 2000..LEAP_SECS + 2000,
                        -70_000_000_000..70_000_000_000_i64,
                    ],
                    any::<u32>(),
                ),
                1..40,
            ),
        ) {
            let mut calendar = Calendar::new(ZONES[zone]);
            for (unix_secs, nanos) in moments {
                // Test zones add to the moment; clamping keeps their sums from overflowing.
                let unix_secs = unix_secs.clamp(i64::MIN + 86_400, i64::MAX - 86_400);
                let text = append(&mut calendar, unix_secs, nanos);
                prop_assert_eq!(text, slow(ZONES[zone], unix_secs, nanos));
            }
        }
    }
}
