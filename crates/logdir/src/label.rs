//! TAI64N labels: `@` plus 24 hexadecimal digits, before lines and in archive names.
//!
//! Only this file converts between labels and Unix time. Daemontools always counts 10 seconds
//! between both and no leap seconds. The `tai64` crate counts 37 in clock conversions and has
//! announced 37 everywhere, so tests compare only bytes with it.

use crate::time::leap_seconds;
use std::time::Duration;

/// Bytes of a label: `@` and 24 digits.
pub const LABEL_LEN: usize = 25;
/// Digits of a label's seconds.
pub const SECONDS_LEN: usize = 16;
/// Digits of a label's nanoseconds.
pub const NANOS_LEN: usize = 8;
/// Bytes of a stamp: label plus space.
pub const STAMP_LEN: usize = LABEL_LEN + 1;
/// Nanoseconds per second.
pub const NANOS_PER_SEC: u32 = 1_000_000_000;

/// Hexadecimal digits; daemontools writes and reads only lowercase.
const HEX: &[u8; 16] = b"0123456789abcdef";
const _: () = assert!((NANOS_PER_SEC as usize).is_multiple_of(HEX.len()));

/// Label seconds of 1970. The 10 belongs to daemontools' format and never changes, so this crate
/// defines it instead of taking a package's value. Sums are modulo 2^64, as in 0.76.
const UNIX_START: u64 = (1 << 62) + 10;
const _: () = assert!(UNIX_START == 0x4000_0000_0000_000a);

/// Largest clock lag after the last label that still counts as late instead of set back.
///
/// Each line of a block advances labels by a nanosecond, so labels lead the clock by at most one
/// block of lines, far below this bound. A larger lag means the clock was set back; labels then
/// follow the clock back, as in 0.76.
const BEHIND_NANOS_MAX: i128 = 1_000_000;

/// TAI64N moment: `seconds` is 2^62 + 10 + Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    seconds: u64,
    nanos: u32,
}

/// Counting of label seconds; labels themselves do not carry this information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// 2^62 + 10 + Unix time: daemontools, encore, svlogd, multilog.
    Ten,
    /// Counts every leap second since 1972: s6 and nosh.
    Leap,
}

/// Label text in a file: `@` and 24 lowercase hexadecimal digits.
pub type LabelText = [u8; LABEL_LEN];

impl Label {
    /// Label from seconds since 1970 and nanoseconds below 10^9.
    pub fn from_unix(unix_secs: i64, nanos: u32) -> Label {
        assert!(nanos < NANOS_PER_SEC);
        Label { seconds: UNIX_START.wrapping_add_signed(unix_secs), nanos }
    }

    /// Seconds since 1970, nanoseconds.
    pub fn to_unix(self) -> (i64, u32) {
        (unix_secs(self.seconds), self.nanos)
    }

    /// As [`Label::to_unix`], with the given counting.
    pub fn to_unix_by(self, counting: Counting) -> (i64, u32) {
        (unix_secs_by(self.seconds, counting), self.nanos)
    }

    /// Label seconds: 2^62 + 10 + Unix time.
    pub fn seconds(self) -> u64 {
        self.seconds
    }

    /// Label one nanosecond later.
    #[must_use]
    pub fn next(self) -> Label {
        if self.nanos + 1 < NANOS_PER_SEC {
            Label { seconds: self.seconds, nanos: self.nanos + 1 }
        } else {
            Label { seconds: self.seconds.saturating_add(1), nanos: 0 }
        }
    }

    /// Text form.
    pub fn format(self) -> LabelText {
        let mut text = [b'@'; LABEL_LEN];
        text[1..9].copy_from_slice(&format_eight((self.seconds >> 32) as u32));
        text[9..17].copy_from_slice(&format_eight(self.seconds as u32));
        text[17..].copy_from_slice(&format_eight(self.nanos));
        text
    }

    /// Parses `@` and exactly 24 lowercase digits at the start of `text`.
    ///
    /// Ignores the rest of `text`. Rejects nanoseconds of 10^9 and more: no writer produces them.
    pub fn parse(text: &[u8]) -> Option<Label> {
        let (seconds, rest) = text.strip_prefix(b"@")?.split_first_chunk()?;
        let seconds = parse_seconds(seconds)?;
        Some(Label { seconds, nanos: parse_nanos_of_label(rest)? })
    }

    /// Label minus a duration; saturates at the first label.
    #[must_use]
    pub fn minus(self, time: Duration) -> Label {
        let nanos = self.nanos_since(Label { seconds: 0, nanos: 0 });
        let left = nanos.saturating_sub_unsigned(time.as_nanos()).max(0).unsigned_abs();
        let nanos_per_sec = u128::from(NANOS_PER_SEC);
        // The difference is below `self`, whose seconds fit 64 bits.
        Label { seconds: (left / nanos_per_sec) as u64, nanos: (left % nanos_per_sec) as u32 }
    }

    /// Label plus a duration; saturates at the last label's last second.
    #[must_use]
    pub fn plus(self, time: Duration) -> Label {
        let nanos = self.nanos + time.subsec_nanos();
        let carried = u64::from(nanos / NANOS_PER_SEC);
        let seconds = self.seconds.saturating_add(time.as_secs()).saturating_add(carried);
        Label { seconds, nanos: nanos % NANOS_PER_SEC }
    }

    /// Nanoseconds since `earlier`; negative if `earlier` is later.
    pub fn nanos_since(self, earlier: Label) -> i128 {
        let secs = i128::from(self.seconds) - i128::from(earlier.seconds);
        secs * i128::from(NANOS_PER_SEC) + i128::from(self.nanos) - i128::from(earlier.nanos)
    }
}

/// Generates a stream's stamps: unique, and strictly increasing unless the clock is set back.
#[derive(Debug)]
pub struct Stamps {
    /// Label for the next line.
    upcoming: Label,
    /// Text of `upcoming` except its last digit: fifteen of sixteen consecutive lines differ only
    /// there.
    text: [u8; STAMP_LEN],
}

impl Stamps {
    /// New stream; [`Stamps::set_clock`] sets its first stamp.
    pub fn new() -> Stamps {
        let mut stamps =
            Stamps { upcoming: Label { seconds: 0, nanos: 0 }, text: [b' '; STAMP_LEN] };
        stamps.set_clock(stamps.upcoming);
        stamps
    }

    /// Sets the read time of an input block: the next stamp is `now`, or the last stamp plus a
    /// nanosecond if the clock has not passed it.
    pub fn set_clock(&mut self, now: Label) {
        if nanos_ahead(self.upcoming, now).is_none() {
            self.upcoming = now;
        }
        self.format();
    }

    /// Writes the next line's stamp into `room` ([`STAMP_LEN`] bytes) and advances a nanosecond.
    ///
    /// Digits are written directly to their final place: copying a fresh stamp waits for its own
    /// bytes, which cost half the time of short lines.
    #[inline]
    pub fn put_next(&mut self, room: &mut [u8]) {
        room.copy_from_slice(&self.text);
        room[LABEL_LEN - 1] = HEX[self.upcoming.nanos as usize % HEX.len()];
        self.skip();
    }

    /// Skips a label: its line gets no stamp.
    #[inline]
    pub fn skip(&mut self) {
        // The second can only end after the last digit wraps.
        if self.upcoming.nanos as usize % HEX.len() < HEX.len() - 1 {
            self.upcoming.nanos += 1;
        } else {
            self.upcoming = self.upcoming.next();
            self.format();
        }
    }

    fn format(&mut self) {
        self.text[..LABEL_LEN].copy_from_slice(&self.upcoming.format());
    }
}

impl Default for Stamps {
    fn default() -> Self {
        Stamps::new()
    }
}

/// Lead of a stream's next stamp over a clock that continues it. `None` if the stream must restart
/// from the clock: the clock is ahead or was set back.
pub fn nanos_ahead(upcoming: Label, now: Label) -> Option<i128> {
    Some(upcoming.nanos_since(now)).filter(|ahead| (0..BEHIND_NANOS_MAX).contains(ahead))
}

/// Parses label seconds, any number.
pub fn parse_seconds(digits: &[u8; SECONDS_LEN]) -> Option<u64> {
    let (high, low) = digits.split_at(8);
    Some(u64::from(parse_eight(high)?) << 32 | u64::from(parse_eight(low)?))
}

/// Parses label nanoseconds, any number.
pub fn parse_nanos(digits: &[u8; NANOS_LEN]) -> Option<u32> {
    parse_eight(digits)
}

fn parse_nanos_of_label(digits: &[u8]) -> Option<u32> {
    parse_nanos(digits.first_chunk()?).filter(|&nanos| nanos < NANOS_PER_SEC)
}

/// Parses label seconds as seconds since 1970. Remembers the last second: most lines share it.
#[derive(Clone, Debug)]
pub struct SecondsParser {
    counting: Counting,
    digits: [u8; SECONDS_LEN],
    /// Value of `digits`.
    unix_secs: i64,
}

impl SecondsParser {
    /// Remembers the first second of all.
    pub fn new(counting: Counting) -> SecondsParser {
        let unix_secs = unix_secs_by(0, counting);
        SecondsParser { counting, digits: [b'0'; SECONDS_LEN], unix_secs }
    }

    /// As [`parse_seconds`], then [`unix_secs_by`].
    pub fn parse(&mut self, digits: &[u8; SECONDS_LEN]) -> Option<i64> {
        if *digits != self.digits {
            self.unix_secs = unix_secs_by(parse_seconds(digits)?, self.counting);
            self.digits = *digits;
        }
        Some(self.unix_secs)
    }
}

/// Parses labels of one counting as times since 1970.
#[derive(Clone, Debug)]
pub struct LabelParser(SecondsParser);

impl LabelParser {
    /// Parses labels with this counting.
    pub fn new(counting: Counting) -> LabelParser {
        LabelParser(SecondsParser::new(counting))
    }

    /// Counting of its labels.
    pub fn counting(&self) -> Counting {
        self.0.counting
    }

    /// As [`Label::parse`], then [`Label::to_unix_by`].
    pub fn parse(&mut self, text: &[u8]) -> Option<(i64, u32)> {
        let (seconds, rest) = text.strip_prefix(b"@")?.split_first_chunk()?;
        Some((self.0.parse(seconds)?, parse_nanos_of_label(rest)?))
    }
}

/// Label seconds as seconds since 1970, modulo 2^64 as in 0.76.
pub fn unix_secs(seconds: u64) -> i64 {
    seconds.wrapping_sub(UNIX_START).cast_signed()
}

/// As [`unix_secs`], with the given counting.
pub fn unix_secs_by(seconds: u64, counting: Counting) -> i64 {
    match counting {
        Counting::Ten => unix_secs(seconds),
        Counting::Leap => leap_seconds::take_off(unix_secs(seconds)),
    }
}

// The functions below process eight digits at once, one per byte of a 64-bit number. Every byte sum
// stays below 256: no carry between bytes.

/// Repeats a byte eight times.
const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Top bits of all bytes.
const TOP: u64 = all(0x80);

fn format_eight(value: u32) -> [u8; 8] {
    let value = u64::from(value);
    let fours = (value | value << 16) & 0x0000_ffff_0000_ffff;
    let pairs = (fours | fours << 8) & 0x00ff_00ff_00ff_00ff;
    let values = (pairs | pairs << 4) & all(0x0f);
    let letters = ((values + all(0x80 - 10)) & TOP) >> 7;
    (values + all(b'0') + letters * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

fn parse_eight(digits: &[u8]) -> Option<u32> {
    let text = u64::from_be_bytes(digits.try_into().ok()?);
    let ascii = text & !TOP;
    // A byte's top bit is set if the digit is at least 0x80 minus the addend.
    let decimal = (ascii + all(0x80 - b'0')) & !(ascii + all(0x80 - b'9' - 1));
    let letter = (ascii + all(0x80 - b'a')) & !(ascii + all(0x80 - b'f' - 1));
    if (decimal | letter) & !text & TOP != TOP {
        return None;
    }
    // Low four bits: the value for '0' to '9', counted from 1 for 'a' to 'f'.
    let values = (text & all(0x0f)) + ((letter & TOP) >> 7) * 9;
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    Some((fours | fours >> 16) as u32)
}

/// Value of a lowercase hexadecimal digit; daemontools writes and reads only lowercase.
pub fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Stamper;
    use proptest::prelude::*;

    #[track_caller]
    fn check(unix_secs: i64, nanos: u32, text: &str) {
        let label = Label::from_unix(unix_secs, nanos);
        assert_eq!(std::str::from_utf8(&label.format()), Ok(text));
        assert_eq!(Label::parse(text.as_bytes()), Some(label));
        assert_eq!(label.to_unix(), (unix_secs, nanos));
    }

    #[test]
    fn labels_count_ten_seconds_and_nanoseconds() {
        check(0, 0, "@400000000000000a00000000");
        check(-1, 0, "@400000000000000900000000");
        check(-11, 999_999_999, "@3fffffffffffffff3b9ac9ff");
        // Example of tai64nlocal's manual page: 1999-08-23 21:03:43 only in leap-second zones.
        check(935_467_455, 0x2ef0_2e94, "@4000000037c219c92ef02e94");
    }

    proptest! {
        #[test]
        fn a_parser_of_labels_that_knows_the_last_second_parses_alike(
            texts in prop::collection::vec("@?4000000000000(00a|00A|01b|0g)[0-4f][0-9a-f]{7} ?", 1..20),
            counting in prop::sample::select(vec![Counting::Ten, Counting::Leap]),
        ) {
            let mut parser = LabelParser::new(counting);
            for text in &texts {
                let expected = Label::parse(text.as_bytes()).map(|label| label.to_unix_by(counting));
                prop_assert_eq!(parser.parse(text.as_bytes()), expected, "{}", text);
            }
        }
    }

    #[test]
    fn the_first_label_may_be_the_first_second_of_all() {
        let text = b"@000000000000000000000001";
        let expected = Label::parse(text).map(Label::to_unix);
        assert_eq!(LabelParser::new(Counting::Ten).parse(text), expected);
    }

    #[test]
    fn labels_are_reckoned_with() {
        let label = Label::from_unix(1_700_000_000, 5);
        assert_eq!(label.minus(Duration::new(1, 6)), Label::from_unix(1_699_999_998, 999_999_999));
        assert_eq!(label.minus(Duration::new(1, 6)).plus(Duration::new(1, 6)), label);
        assert_eq!(label.minus(Duration::ZERO), label);
        assert_eq!(label.minus(Duration::MAX), Label { seconds: 0, nanos: 0 });
    }

    #[test]
    fn what_is_no_label_is_refused() {
        let refused: [&[u8]; 7] = [
            b"",
            b"@",
            b"@400000000000000a0000000",
            b"4000000000000000a00000000",
            b"@400000000000000A00000000",
            b"@400000000000000a3b9aca00",
            b"@400000000000000g00000000",
        ];
        for text in refused {
            assert_eq!(Label::parse(text), None, "{}", text.escape_ascii());
        }
        assert!(Label::parse(b"@400000000000000a00000000.s").is_some());
    }

    fn next(stamps: &mut Stamps) -> Vec<u8> {
        let mut text = Vec::new();
        stamps.append_to(&mut text);
        text
    }

    #[test]
    fn stamps_of_a_block_are_a_nanosecond_apart() {
        let start = Label::from_unix(1_700_000_000, 999_999_998);
        let mut stamps = Stamps::new();
        stamps.set_clock(start);
        let mut expected = start;
        for _ in 0..300 {
            let stamp = next(&mut stamps);
            assert_eq!(stamp[..LABEL_LEN], expected.format());
            assert_eq!(stamp[LABEL_LEN], b' ');
            expected = expected.next();
        }
    }

    #[test]
    fn stamps_go_on_where_the_clock_stands_still_and_back_where_it_is_set_back() {
        let start = Label::from_unix(1_700_000_000, 5);
        let mut stamps = Stamps::new();
        stamps.set_clock(start);
        let first = next(&mut stamps);
        stamps.set_clock(start);
        let second = next(&mut stamps);
        assert!(second > first);
        let earlier = Label::from_unix(1_699_999_999, 5);
        stamps.set_clock(earlier);
        assert_eq!(next(&mut stamps)[..LABEL_LEN], earlier.format());
    }

    #[test]
    fn seconds_beyond_all_times_are_counted_around() {
        for (text, unix_secs) in [
            (b"@000000000000000000000000", -(1 << 62) - 10),
            (b"@ffffffffffffffff00000000", -(1 << 62) - 11),
            (b"@8000000000000000000003e8", (1 << 62) - 10),
        ] {
            assert_eq!(Label::parse(text).unwrap().to_unix().0, unix_secs);
        }
    }

    proptest! {
        #[test]
        fn digits_worked_on_side_by_side_are_those_of_the_standard_library(
            value: u32, text in "[0-9a-f]{8}", junk: [u8; 8], pos in 0..8_usize,
        ) {
            prop_assert_eq!(format_eight(value).to_vec(), format!("{value:08x}").into_bytes());
            prop_assert_eq!(parse_eight(text.as_bytes()), u32::from_str_radix(&text, 16).ok());
            let mut digits: [u8; 8] = text.as_bytes().try_into().unwrap();
            digits[pos] = junk[pos];
            for digits in [digits, junk] {
                let are_digits = digits.iter().all(|&digit| hex_value(digit).is_some());
                prop_assert_eq!(parse_eight(&digits).is_some(), are_digits);
            }
        }
    }
}
