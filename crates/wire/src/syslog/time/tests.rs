use super::*;
use proptest::prelude::*;

#[track_caller]
fn check_rfc5424(secs: i64, nanos: u32, expected: &str) {
    let mut output = Vec::new();
    append_rfc5424_time(UnixTime { secs, nanos }, &mut output);
    assert_eq!(str::from_utf8(&output), Ok(expected));
}

#[test]
fn six_digits_in_utc() {
    check_rfc5424(0, 0, "1970-01-01T00:00:00.000000Z");
    check_rfc5424(1_795_714_218, 523_315_999, "2026-11-26T17:30:18.523315Z");
    check_rfc5424(-1, 999_999_999, "1969-12-31T23:59:59.999999Z");
    check_rfc5424(951_782_400, 1_000, "2000-02-29T00:00:00.000001Z");
    check_rfc5424(4_107_542_400, 999, "2100-03-01T00:00:00.000000Z");
    check_rfc5424(253_402_300_799, 0, "9999-12-31T23:59:59.000000Z");
    check_rfc5424(253_402_300_800, 0, "-");
    check_rfc5424(-62_167_219_200, 0, "0000-01-01T00:00:00.000000Z");
    check_rfc5424(-62_167_219_201, 0, "-");
    check_rfc5424(i64::MAX, 0, "-");
    check_rfc5424(i64::MIN, 0, "-");
}

#[test]
fn the_day_of_rfc3164_is_padded_with_a_space() {
    for (secs, offset, expected) in [
        (1_795_714_218, 0, "Nov 26 17:30:18"),
        (1_795_714_218, 3600 * 7, "Nov 27 00:30:18"),
        (1_793_923_200, 0, "Nov  6 00:00:00"),
        (0, -1, "Dec 31 23:59:59"),
        (0, 0, "Jan  1 00:00:00"),
    ] {
        let mut output = Vec::new();
        append_bsd_time(secs, offset, &mut output);
        assert_eq!(str::from_utf8(&output), Ok(expected));
    }
}

#[test]
fn times_of_rfc3339_are_read() {
    for (text, secs, nanos) in [
        ("1970-01-01T00:00:00Z", 0, 0),
        ("2026-11-26T17:30:18.523315+00:00", 1_795_714_218, 523_315_000),
        ("2026-11-26T18:30:18.5+01:00", 1_795_714_218, 500_000_000),
        ("2026-11-26T12:00:18.123456789-05:30", 1_795_714_218, 123_456_789),
        ("2026-11-26t17:30:18.1234567899z", 1_795_714_218, 123_456_789),
        ("2026-11-26T17:30:18+0000", 1_795_714_218, 0),
        ("2016-12-31T23:59:60Z", 1_483_228_800, 0),
        ("2024-02-29T00:00:00Z", 1_709_164_800, 0),
    ] {
        assert_eq!(UnixTime::parse(text.as_bytes()), Some(UnixTime { secs, nanos }), "{text}");
    }
    for invalid in [
        "",
        "-",
        "2026",
        "2026-11-26",
        "2026-11-26 17:30:18Z",
        "2026-11-26T17:30:18",
        "2026-02-29T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-11-31T00:00:00Z",
        "2026-11-26T24:00:00Z",
        "2026-11-26T17:60:18Z",
        "2026-11-26T17:30:61Z",
        "2026-11-26T17:30:18.Z",
        "2026-11-26T17:30:18Zx",
        "2026-11-26T17:30:18+1",
        "+2026-11-26T17:30:18Z",
        "2026-11-26T17:30:18,5Z",
    ] {
        assert_eq!(UnixTime::parse(invalid.as_bytes()), None, "{invalid}");
    }
}

#[test]
fn a_time_without_a_year_is_the_nearest_one() {
    let at = |text: &str, now: &str| {
        let now = UnixTime::parse(now.as_bytes()).unwrap().secs;
        let secs = BsdTime::parse(text.as_bytes()).unwrap().to_unix(now, 0)?;
        let mut output = Vec::new();
        append_rfc5424_time(UnixTime { secs, nanos: 0 }, &mut output);
        Some(String::from_utf8(output).unwrap()[..19].to_string())
    };
    for (text, now, expected) in [
        ("Nov 26 17:40:08", "2026-11-26T17:40:09Z", "2026-11-26T17:40:08"),
        ("Dec 31 23:59:59", "2027-01-01T00:00:01Z", "2026-12-31T23:59:59"),
        ("Jan  1 00:00:01", "2026-12-31T23:59:59Z", "2027-01-01T00:00:01"),
        ("Feb 29 12:00:00", "2027-01-01T00:00:00Z", "2028-02-29T12:00:00"),
        ("Nov 26 1999 17:40:08", "2026-11-26T17:40:09Z", "1999-11-26T17:40:08"),
    ] {
        assert_eq!(at(text, now).as_deref(), Some(expected), "{text}");
    }
    // No year near 2026 has the day.
    assert_eq!(at("Feb 29 12:00:00", "2026-06-01T00:00:00Z"), None);
    assert_eq!(at("Nov 31 12:00:00", "2026-06-01T00:00:00Z"), None);
    let time = BsdTime::parse(b"Nov 26 17:40:08.25").unwrap();
    assert_eq!(time.nanos, 250_000_000);
    assert_eq!(time.to_unix(1_795_714_218, 3600), Some(1_795_714_808 - 3600));
    for now in [i64::MIN, i64::MAX] {
        assert!(time.to_unix(now, 0).is_some());
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(secs in -62_167_219_200..253_402_300_800_i64, micros in 0..1_000_000_u32) {
        let time = UnixTime { secs, nanos: micros * 1000 };
        let mut text = Vec::new();
        append_rfc5424_time(time, &mut text);
        prop_assert_eq!(UnixTime::parse(&text), Some(time));
        let mut text = Vec::new();
        append_bsd_time(secs, 3600, &mut text);
        let read = BsdTime::parse(&text).unwrap().to_unix(secs, 3600);
        prop_assert_eq!(read, Some(secs));
    }

    #[test]
    fn each_day_follows_the_one_before(days in -1_000_000..1_000_000_i64) {
        let (date, next) = (Date::from_days(days), Date::from_days(days + 1));
        prop_assert_eq!(date.to_days(), Some(days));
        let is_next_day = next == Date { day: date.day + 1, ..date };
        let is_next_month = next == Date { month: date.month + 1, day: 1, ..date };
        let is_next_year = next == Date { year: date.year + 1, month: 1, day: 1 } && date.month == 12;
        prop_assert!(is_next_day || (is_next_month && date.day >= 28) || (is_next_year && date.day == 31));
    }
}
