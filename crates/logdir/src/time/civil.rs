//! Wall-clock dates and times without zone: validity, and seconds between two.

/// Seconds per day without leap second.
pub const DAY_SECS: i64 = 86_400;

/// Wall-clock time to the second. Fields are ordered from year to second, so that comparison
/// follows time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Civil {
    /// Year; 0 precedes year 1.
    pub year: i64,
    /// From 1 to 12.
    pub month: u8,
    /// From 1 to the month's last day.
    pub day: u8,
    /// From 0 to 23.
    pub hour: u8,
    /// From 0 to 59.
    pub minute: u8,
    /// From 0 to 60; 60 means leap second.
    pub second: u8,
}

/// `2026-11-21 02:10:03`.
impl std::fmt::Display for Civil {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let &Civil { year, month, day, hour, minute, second } = self;
        write!(to, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

impl Civil {
    /// Date and time of day; `None` unless both exist.
    pub fn new(date: [u32; 3], time: [u32; 3]) -> Option<Civil> {
        let [year, month, day] = date;
        let [hour, minute, second] = time;
        let is_date = (1..=12).contains(&month) && day >= 1 && day <= month_len(year, month);
        (is_date && hour < 24 && minute < 60 && second <= 60).then_some(Civil {
            year: year.into(),
            month: month as u8,
            day: day as u8,
            hour: hour as u8,
            minute: minute as u8,
            second: second as u8,
        })
    }

    /// Seconds since 1970-01-01 00:00:00 of this clock, with days of 86,400 seconds. A leap second
    /// counts as the following second.
    pub fn secs(self) -> i64 {
        let of_day = (i64::from(self.hour) * 60 + i64::from(self.minute)) * 60;
        days_from_civil(self.year, self.month.into(), self.day.into()) * DAY_SECS
            + of_day
            + i64::from(self.second)
    }

    /// Wall-clock time from seconds since 1970-01-01 00:00:00. `None` if the year overflows.
    pub fn from_secs(secs: i64) -> Option<Civil> {
        let (year, month, day) = civil_from_days(secs.div_euclid(DAY_SECS))?;
        let of_day = secs.rem_euclid(DAY_SECS);
        Some(Civil {
            year,
            month,
            day,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
        })
    }

    /// Midnight at the start of this day.
    pub fn midnight(self) -> Civil {
        Civil { hour: 0, minute: 0, second: 0, ..self }
    }

    /// Adds days, keeping the time of day. `None` if the year overflows.
    pub fn plus_days(self, days: i64) -> Option<Civil> {
        let secs = self.midnight().secs().checked_add(days.checked_mul(DAY_SECS)?)?;
        let date = Civil::from_secs(secs)?;
        Some(Civil { year: date.year, month: date.month, day: date.day, ..self })
    }
}

fn month_len(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

/// Days in 400 years; the calendar then repeats.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01. Years start in March here: the leap day is then a year's
/// last.
const EPOCH_DAYS: i64 = 719_468;

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let era_days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    year.div_euclid(400) * ERA_DAYS + era_days - EPOCH_DAYS
}

fn civil_from_days(days: i64) -> Option<(i64, u8, u8)> {
    let days = days.checked_add(EPOCH_DAYS)?;
    let of_era = days.rem_euclid(ERA_DAYS);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + days.div_euclid(ERA_DAYS) * 400 + i64::from(month <= 2);
    Some((year, u8::try_from(month).ok()?, u8::try_from(day).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::local_time;
    use proptest::prelude::*;

    #[track_caller]
    fn check(date: [u32; 3], time: [u32; 3], expected: Option<i64>) {
        let civil = Civil::new(date, time);
        assert_eq!(civil.map(Civil::secs), expected, "{date:?} {time:?}");
    }

    #[test]
    fn dates_that_exist_are_counted_from_1970() {
        check([1970, 1, 1], [0, 0, 0], Some(0));
        check([1969, 12, 31], [23, 59, 59], Some(-1));
        check([2023, 11, 14], [22, 13, 20], Some(1_700_000_000));
        check([2000, 2, 29], [0, 0, 0], Some(951_782_400));
        check([2016, 12, 31], [23, 59, 60], Some(1_483_228_800));
        check([9999, 12, 31], [23, 59, 59], Some(253_402_300_799));
        check([0, 1, 1], [0, 0, 0], Some(-62_167_219_200));
    }

    #[test]
    fn other_dates_are_none() {
        check([2023, 2, 29], [0, 0, 0], None);
        check([1900, 2, 29], [0, 0, 0], None);
        check([2023, 4, 31], [0, 0, 0], None);
        check([2023, 0, 1], [0, 0, 0], None);
        check([2023, 13, 1], [0, 0, 0], None);
        check([2023, 1, 0], [0, 0, 0], None);
        check([2023, 1, 1], [24, 0, 0], None);
        check([2023, 1, 1], [0, 60, 0], None);
        check([2023, 1, 1], [0, 0, 61], None);
    }

    #[test]
    fn days_are_added_across_months() {
        let last = Civil::new([2024, 2, 28], [12, 0, 1]).unwrap();
        assert_eq!(last.plus_days(2), Civil::new([2024, 3, 1], [12, 0, 1]));
        assert_eq!(last.plus_days(-59), Civil::new([2023, 12, 31], [12, 0, 1]));
        assert_eq!(last.plus_days(i64::MAX), None);
    }

    proptest! {
        #[test]
        fn dates_are_those_of_the_c_library(secs in -70_000_000_000..300_000_000_000_i64) {
            let civil = Civil::from_secs(secs).unwrap();
            prop_assert_eq!(civil.secs(), secs);
            prop_assert_eq!(local_time::universal(secs).unwrap().civil(), civil);
        }
    }
}
