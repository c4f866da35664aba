//! Moments as people read them, `YYYY-MM-DD HH:MM:SS.NNNNNNNNN`, at the price of a few additions.
//!
//! What local time is, the conversion that a calendar is made with decides. The calendar asks it for
//! stretches of time, not for each moment, and writes each second once.

use crate::label::NANOS_PER_SEC;
use crate::sys::local_time::LocalTime;

/// Says what the clock on the wall shows at a moment in seconds since 1970; none where it cannot.
pub type Conversion = fn(i64) -> Option<LocalTime>;

/// The longest time for which the conversion is not asked again.
///
/// Zones are whole quarters of an hour from universal time, so that quarters start and end on the
/// same day, and their changes fall between two of them.
const STRETCH_SECS: i64 = 900;
/// Years of 32 bits have up to 10 digits, `-MM-DD HH:MM:SS.` is 16 bytes.
const POINT_LEN_MAX: usize = 26;
/// Nanoseconds of 32 bits are up to 10 digits.
const TEXT_LEN_MAX: usize = POINT_LEN_MAX + 10;

/// Writes moments, each into the place of the one before.
#[derive(Debug)]
pub struct Calendar {
    conversion: Conversion,
    /// The stretch the last moment was in.
    stretch: Option<Stretch>,
    /// The second that `text` is of.
    written: Option<i64>,
    /// A second, the point behind it, and space for nanoseconds.
    text: [u8; TEXT_LEN_MAX],
    /// Bytes of `text` up to the point and with it, at most [`POINT_LEN_MAX`].
    point_len: usize,
}

impl Calendar {
    /// A calendar of the zone that `conversion` knows.
    pub fn new(conversion: Conversion) -> Calendar {
        Calendar { conversion, stretch: None, written: None, text: [0; TEXT_LEN_MAX], point_len: 0 }
    }

    /// Makes the calendar ask again, since the zone may be another one now.
    pub fn forget(&mut self) {
        self.stretch = None;
        self.written = None;
    }

    /// Appends a moment in seconds since 1970 and any nanoseconds to `output`.
    ///
    /// As in 0.76 the year is not padded, and nanoseconds that are no fraction of a second are
    /// printed with ten digits. False, and nothing appended, where the conversion fails or the year is
    /// below 0.
    pub fn append(&mut self, unix_secs: i64, nanos: u32, output: &mut Vec<u8>) -> bool {
        if self.written != Some(unix_secs) && self.write_second(unix_secs).is_none() {
            return false;
        }
        // Appended in full, then cut: a copy of fixed length is a few instructions, one of any length a
        // call.
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

/// Seconds on one day at which the clock on the wall goes like any clock.
#[derive(Debug)]
struct Stretch {
    start_secs: i64,
    len_secs: i64,
    start_time: LocalTime,
}

impl Stretch {
    /// The aligned quarter of an hour around a moment; only the moment itself where local time jumps,
    /// has a leap second or begins another day in that time.
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
            // Not reckoned from the second of the day, which cannot tell 23:59:60.
            0 => Some(self.start_time),
            _ if !(0..self.len_secs).contains(&since_secs) => None,
            _ => set_clock(self.start_time, second_of_day(self.start_time) + since_secs),
        }
    }
}

/// Whether local time got as far as it should between the first and the last second of a quarter.
fn goes_evenly(first: LocalTime, last: LocalTime) -> bool {
    let date = |time: LocalTime| (time.year, time.month, time.day);
    date(first) == date(last)
        // 23:59:60 counts as the second it delays, so that it would not be seen at the end.
        && last.second < 60
        && second_of_day(last) - second_of_day(first) == STRETCH_SECS - 1
}

fn second_of_day(time: LocalTime) -> i64 {
    (i64::from(time.hour) * 60 + i64::from(time.minute)) * 60 + i64::from(time.second)
}

/// The same day at another time.
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

/// Fills `digits` with the last digits of a number.
fn put_decimal(digits: &mut [u8], mut number: u32) {
    for digit in digits.iter_mut().rev() {
        *digit = decimal_digit(number % 10);
        number /= 10;
    }
}

/// Writes nine digits, or the ten of a number that is no fraction of a second, and returns how many.
fn put_nanos(digits: &mut [u8], nanos: u32) -> usize {
    if nanos >= NANOS_PER_SEC {
        put_decimal(&mut digits[..10], nanos);
        return 10;
    }
    digits[..9].copy_from_slice(&nine_digits(nanos));
    9
}

/// The digits of nanoseconds below 10^9.
pub fn nine_digits(nanos: u32) -> [u8; 9] {
    let mut digits = [decimal_digit(nanos / 100_000_000); 9];
    digits[1..].copy_from_slice(&eight_digits(nanos % 100_000_000));
    digits
}

fn decimal_digit(value: u32) -> u8 {
    assert!(value < 10);
    b'0' + value as u8
}

/// The digits of a number below 10^8, worked out side by side in one 64-bit number: first two groups
/// of four digits, then four of two, then eight of one, the first always in the lowest bits.
///
/// Each group is divided by a multiplication and a shift that are exact for numbers of its size.
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

    /// Where the zones below change: not on a minute, so that a change can fall anywhere.
    const CHANGE_SECS: i64 = 1_000_123;
    /// The end of the tenth day.
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

    /// A minute of 61 seconds.
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

    /// The obvious way: ask for each moment.
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
                // The zones above add to the moment, which is nothing that a calendar could help.
                let unix_secs = unix_secs.clamp(i64::MIN + 86_400, i64::MAX - 86_400);
                let text = append(&mut calendar, unix_secs, nanos);
                prop_assert_eq!(text, slow(ZONES[zone], unix_secs, nanos));
            }
        }
    }
}
