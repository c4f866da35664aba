//! Leap seconds, counted in labels of s6 and nosh but not of daemontools.
//!
//! Source: IERS Bulletin C up to number 72; future leap seconds must be added here. No leap second
//! is planned, and leap seconds end by 2035.

/// End of each leap second: the following day's first Unix second.
const ENDS: [i64; 27] = [
    78_796_800,    // 1972-07-01
    94_694_400,    // 1973-01-01
    126_230_400,   // 1974-01-01
    157_766_400,   // 1975-01-01
    189_302_400,   // 1976-01-01
    220_924_800,   // 1977-01-01
    252_460_800,   // 1978-01-01
    283_996_800,   // 1979-01-01
    315_532_800,   // 1980-01-01
    362_793_600,   // 1981-07-01
    394_329_600,   // 1982-07-01
    425_865_600,   // 1983-07-01
    489_024_000,   // 1985-07-01
    567_993_600,   // 1988-01-01
    631_152_000,   // 1990-01-01
    662_688_000,   // 1991-01-01
    709_948_800,   // 1992-07-01
    741_484_800,   // 1993-07-01
    773_020_800,   // 1994-07-01
    820_454_400,   // 1996-01-01
    867_715_200,   // 1997-07-01
    915_148_800,   // 1999-01-01
    1_136_073_600, // 2006-01-01
    1_230_768_000, // 2009-01-01
    1_341_100_800, // 2012-07-01
    1_435_708_800, // 2015-07-01
    1_483_228_800, // 2017-01-01
];

/// Removes leap seconds from a count of seconds since 1970. A leap second maps to the second before
/// it, which a Linux clock shows twice.
pub fn take_off(secs: i64) -> i64 {
    // Nearly all logs are younger than the last leap second.
    let last = ENDS.len();
    if secs >= ENDS[last - 1] + last as i64 {
        return secs - last as i64;
    }
    let passed = (0..).zip(&ENDS).take_while(|&(before, end)| secs >= end + before).count();
    secs - passed as i64
}

/// True if a count of seconds since 1970 with leap seconds points at a leap second.
pub fn is_at_one(secs: i64) -> bool {
    (0..).zip(&ENDS).any(|(before, end)| secs == end + before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_second_is_the_second_before_it_once_more() {
        for (before, end) in (0..).zip(ENDS) {
            assert_eq!(take_off(end + before - 2), end - 2, "{before}");
            assert_eq!(take_off(end + before - 1), end - 1, "{before}");
            assert_eq!(take_off(end + before), end - 1, "{before}");
            assert_eq!(take_off(end + before + 1), end, "{before}");
        }
        assert_eq!(take_off(0), 0);
        assert_eq!(take_off(i64::MIN), i64::MIN);
        assert_eq!(take_off(i64::MAX), i64::MAX - 27);
    }

    #[test]
    fn leap_seconds_are_known_from_those_beside_them() {
        for (before, end) in (0..).zip(ENDS) {
            let around = [-1, 0, 1].map(|offset| is_at_one(end + before + offset));
            assert_eq!(around, [false, true, false], "{before}");
        }
        assert!(![i64::MIN, 0, i64::MAX].into_iter().any(is_at_one));
    }
}
