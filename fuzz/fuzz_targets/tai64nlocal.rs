//! Stamps become dates however the input is cut, the same as when it is read byte by byte and reckoned
//! with numbers of any size. The first byte of the input tells how long the pieces are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logdir::label::Counting;
use multilog::filter::tai64nlocal::{Converter, STAMP_LEN_MAX};

/// Digits of a stamp that count.
const DIGITS_LEN: usize = 24;
const SECS_PER_DAY: i128 = 86_400;
/// The last year of which localtime(3) has heard.
const YEAR_MAX: i128 = i32::MAX as i128 + 1900;

fuzz_target!(|input: &[u8]| {
    let Some((&piece_len, input)) = input.split_first() else { return };
    let mut converter = Converter::utc(Counting::Ten);
    let mut output = Vec::new();
    for piece in input.chunks(usize::from(piece_len).max(1)) {
        converter.refresh();
        converter.push(piece, &mut output);
    }
    converter.finish(&mut output);
    assert_eq!(output.escape_ascii().to_string(), slow(input).escape_ascii().to_string());
});

fn slow(input: &[u8]) -> Vec<u8> {
    input.split_inclusive(|&byte| byte == b'\n').flat_map(slow_line).collect()
}

fn slow_line(line: &[u8]) -> Vec<u8> {
    if let Some(space) = line.iter().position(|&byte| byte == b' ')
        && let Some(date) = multilog_date(&line[..space])
    {
        return [date.as_bytes(), &line[space..]].concat();
    }
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let rest = line.strip_prefix(b"@").unwrap_or_default();
    let (digits, behind) =
        rest.split_at(rest.iter().position(|byte| !is_digit(byte)).unwrap_or(rest.len()));
    match date(digits) {
        Some(date) if digits.len() < STAMP_LEN_MAX => [date.as_bytes(), behind].concat(),
        Some(_) | None => line.to_vec(),
    }
}

/// The date of the last digits, where there are enough of them.
fn date(digits: &[u8]) -> Option<String> {
    let digits = str::from_utf8(digits.last_chunk::<DIGITS_LEN>()?).ok()?;
    let seconds = u64::from_str_radix(&digits[..16], 16).ok()?;
    let nanos = u32::from_str_radix(&digits[16..], 16).ok()?;
    let unix_secs = i128::from(seconds.wrapping_sub((1 << 62) + 10).cast_signed());
    let (year, month, day) = civil(unix_secs.div_euclid(SECS_PER_DAY));
    let second = unix_secs.rem_euclid(SECS_PER_DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    (0..=YEAR_MAX)
        .contains(&year)
        .then(|| format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{nanos:09}"))
}

/// A date as `Tutc` and `Tlocal` write it, in universal time.
fn multilog_date(text: &[u8]) -> Option<String> {
    let text = str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let shape: String =
        text.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect();
    let (time, zone) = shape.split_at_checked(29)?;
    if time != "0000-00-00T00:00:00.000000000" || !["Z", "+00:00", "-00:00"].contains(&zone) {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<i128>().ok();
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let wanted = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let guess = (wanted.0 - 1970) * 365 + wanted.0 / 4 + wanted.1 * 30;
    let day = (guess - 1000..guess + 1000).find(|&day| civil(day) == wanted)?;
    let east = if zone == "Z" { 0 } else { number(30, 32)? * 60 + number(33, 35)? };
    let east = if zone.starts_with('-') { -east } else { east };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // A leap second is the second before it once more.
    let unix_secs = ((day * 24 + hour) * 60 + minute - east) * 60 + second.min(59);
    let (year, month, day) = civil(unix_secs.div_euclid(SECS_PER_DAY));
    let second = unix_secs.rem_euclid(SECS_PER_DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let nanos = &text[20..29];
    (year >= 0)
        .then(|| format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{nanos}"))
}

/// The date of a day counted from 1970-01-01, in years that begin with March.
fn civil(day: i128) -> (i128, i128, i128) {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i128::from(month <= 2), month, of_month)
}
