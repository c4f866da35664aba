//! Numbers for table cells: short, never wider than their column.

use ::logdir::label::Label;
use ::logdir::read::stamp::Moment;
use ::logdir::stamp;

const BYTE_UNITS: [char; 7] = ['B', 'K', 'M', 'G', 'T', 'P', 'E'];
const COUNT_UNITS: [char; 6] = ['k', 'M', 'G', 'T', 'P', 'E'];

/// Bytes in at most five characters: `0B`, `1023B`, `1.5K`, `97K`.
pub fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    // 1024 would print "1024" for 1023.5, which rounds up.
    while value >= 1023.5 {
        value /= 1024.0;
        unit += 1;
    }
    if unit > 0 && value < 9.95 {
        return format!("{value:.1}{}", BYTE_UNITS[unit]);
    }
    format!("{value:.0}{}", BYTE_UNITS[unit])
}

/// Counts in at most five characters: `0`, `99999`, `100k`, `1.2M`.
pub fn count(count: f64) -> String {
    if count < 99_999.5 {
        return if count > 0.0 && count < 9.95 && count.fract() != 0.0 {
            format!("{count:.1}")
        } else {
            format!("{count:.0}")
        };
    }
    let mut value = count / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < COUNT_UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(value < 9.95);
    format!("{value:.decimals$}{}", COUNT_UNITS[unit])
}

/// Durations in at most six characters: `5s`, `59m59s`, `23h59m`, `99d23h`, `1234d`.
pub fn span(secs: f64) -> String {
    let sign = if secs <= -1.0 { "-" } else { "" };
    let secs = secs.abs() as u64;
    let text = match secs {
        0..60 => format!("{secs}s"),
        60..3600 => format!("{}m{:02}s", secs / 60, secs % 60),
        3600..86_400 => format!("{}h{:02}m", secs / 3600, secs / 60 % 60),
        86_400..8_640_000 => format!("{}d{:02}h", secs / 86_400, secs / 3600 % 24),
        8_640_000.. => format!("{}d", (secs / 86_400).min(99_999)),
    };
    format!("{sign}{text}")
}

/// RFC 3339 in UTC, for scripts; `None` unless the year has four digits.
pub fn rfc3339(moment: Moment) -> Option<String> {
    stamp::format_utc(Label::from_unix(moment.unix_secs, moment.nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_short() {
        let cases = [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.0K"),
            (10_188, "9.9K"),
            (10_189, "10K"),
            (1_048_063, "1023K"),
            (1_048_064, "1.0M"),
            (u64::MAX, "16E"),
        ];
        for (number, expected) in cases {
            assert_eq!(bytes(number), expected, "{number}");
        }
    }

    #[test]
    fn counts_are_short() {
        let cases = [
            (0.0, "0"),
            (0.5, "0.5"),
            (3.0, "3"),
            (12.5, "12"),
            (99_999.0, "99999"),
            (99_999.5, "100k"),
            (999_499.0, "999k"),
            (999_500.0, "1.0M"),
            (20_000_000.0, "20M"),
        ];
        for (number, expected) in cases {
            assert_eq!(count(number), expected, "{number}");
        }
    }

    #[test]
    fn spans_are_short() {
        let cases = [
            (0.9, "0s"),
            (-0.9, "0s"),
            (-27.0, "-27s"),
            (61.0, "1m01s"),
            (86_399.0, "23h59m"),
            (90_000.0, "1d01h"),
            (8_640_000.0, "100d"),
            (f64::INFINITY, "99999d"),
        ];
        for (secs, expected) in cases {
            assert_eq!(span(secs), expected, "{secs}");
        }
    }
}
