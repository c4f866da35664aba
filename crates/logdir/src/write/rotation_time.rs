//! Time-based rotation (multilog(8), `R`): a duration after the first byte, or the start of a new
//! hour, day or other period of local time.
//!
//! Durations use the monotonic clock: setting the wall clock ends no file. Periods use local time,
//! checked before lines are accepted and at least once a minute. A clock set forward into another
//! period ends the file once. A clock set back ends nothing; the file then belongs to the period
//! now current. An empty file never ends.

use crate::clock;
use crate::label::Label;
use crate::settings::RotateAfter;
use crate::sys::local_time::{self, LocalTime};
use std::time::{Duration, Instant};

const DAY_SECS: u64 = 86_400;

/// Interval between wall clock checks.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// End time of `current`.
#[derive(Debug)]
pub struct RotationTime {
    rule: RotateAfter,
    /// Period of the file, for period rules, and the earliest start of the next.
    stretch: Option<i64>,
    next_stretch: Option<Label>,
    /// Next check. `None` for an empty file or a time beyond `Instant`.
    look_at: Option<Instant>,
}

impl RotationTime {
    /// Rule for an empty file.
    pub fn new(rule: RotateAfter) -> RotationTime {
        RotationTime { rule, stretch: None, next_stretch: None, look_at: None }
    }

    /// Records the first byte.
    pub fn begin(&mut self) {
        self.resume(clock::now());
    }

    /// Records contents present since `born`.
    pub fn resume(&mut self, born: Label) {
        match self.rule {
            RotateAfter::Age(age) => {
                let passed = clock::now().nanos_since(born).max(0);
                let passed = Duration::from_nanos(u64::try_from(passed).unwrap_or(u64::MAX));
                self.look_at = clock::instant().checked_add(age.saturating_sub(passed));
            }
            RotateAfter::Aligned(length) => {
                self.stretch = stretch(born, length);
                self.next_stretch = None;
                self.look_at = Some(clock::instant());
            }
        }
    }

    /// Resets for a new, empty file.
    pub fn end(&mut self) {
        self.stretch = None;
        self.look_at = None;
    }

    pub fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Whether the file ends now.
    pub fn is_due(&mut self) -> bool {
        let Some(look_at) = self.look_at else { return false };
        let moment = clock::instant();
        let RotateAfter::Aligned(length) = self.rule else { return moment >= look_at };
        let now = clock::now();
        if moment < look_at && self.next_stretch.is_some_and(|next_stretch| now < next_stretch) {
            return false;
        }
        local_time::refresh();
        let present = stretch(now, length);
        if present > self.stretch && self.stretch.is_some() {
            return true;
        }
        let left = until_next(now, length);
        self.stretch = present;
        self.next_stretch = Some(now.plus(left));
        self.look_at = moment.checked_add(left.min(LOOK_EVERY));
        false
    }
}

/// Number of the period; increases with local time.
fn stretch(moment: Label, length: Duration) -> Option<i64> {
    local_time::local(moment.to_unix().0).map(|time| stretch_of(&time, length))
}

fn stretch_of(time: &LocalTime, length: Duration) -> i64 {
    let (days, length_secs) = (days_of(time), length.as_secs());
    if length_secs < DAY_SECS {
        let a_day = DAY_SECS.div_ceil(length_secs).cast_signed();
        days * a_day + (secs_of_day(time) / length_secs).cast_signed()
    } else {
        // Weeks begin on Monday.
        (days + 3).div_euclid((length_secs / DAY_SECS).cast_signed())
    }
}

/// Time until the next period may begin: midnight at the latest.
fn until_next(moment: Label, length: Duration) -> Duration {
    let (unix_secs, nanos) = moment.to_unix();
    let Some(time) = local_time::local(unix_secs) else { return LOOK_EVERY };
    let secs = secs_of_day(&time);
    let length_secs = length.as_secs().min(DAY_SECS);
    let left = (length_secs - secs % length_secs).min(DAY_SECS.saturating_sub(secs).max(1));
    Duration::from_secs(left).saturating_sub(Duration::from_nanos(nanos.into()))
}

fn secs_of_day(time: &LocalTime) -> u64 {
    u64::from(time.hour) * 3600 + u64::from(time.minute) * 60 + u64::from(time.second)
}

/// Days since 1970-01-01, by the calendar alone.
fn days_of(time: &LocalTime) -> i64 {
    // With years starting in March, the leap day falls at the end.
    let (year, month) = match time.month {
        1 | 2 => (time.year - 1, i64::from(time.month) + 9),
        month => (time.year, i64::from(month) - 3),
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + i64::from(time.day) - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::by_hand;

    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(DAY_SECS);

    fn time(year: i64, month: u8, day: u8) -> LocalTime {
        LocalTime { year, month, day, hour: 0, minute: 0, second: 0, east_secs: 0 }
    }

    #[test]
    fn days_are_those_of_the_system() {
        for days in (-800_000..800_000).step_by(37) {
            let time = local_time::universal(days * DAY_SECS.cast_signed()).unwrap();
            assert_eq!(days_of(&time), days, "{time:?}");
        }
        assert_eq!(days_of(&time(1970, 1, 1)), 0);
        assert_eq!(days_of(&time(2000, 2, 29)), 11_016);
    }

    /// A file started at the beginning of a day.
    fn begun(rule: RotateAfter) -> RotationTime {
        by_hand::begin();
        let time = local_time::local(clock::now().to_unix().0).unwrap();
        by_hand::set_by(-secs_of_day(&time).cast_signed());
        let mut file = RotationTime::new(rule);
        assert!(!file.is_due(), "it is empty");
        file.begin();
        assert!(!file.is_due());
        file
    }

    #[test]
    fn an_age_does_not_depend_on_the_clock() {
        let mut file = begun(RotateAfter::Age(HOUR));
        by_hand::set_by(1_000_000);
        assert!(!file.is_due());
        by_hand::set_by(-2_000_000);
        by_hand::pass(HOUR - Duration::from_secs(1));
        assert!(!file.is_due());
        by_hand::pass(Duration::from_secs(1));
        assert!(file.is_due());
        file.end();
        assert!(!file.is_due());
    }

    #[test]
    fn an_age_counts_what_passed_before_the_start() {
        let mut file = begun(RotateAfter::Age(HOUR));
        file.resume(clock::now().minus(HOUR - Duration::from_secs(1)));
        assert!(!file.is_due());
        by_hand::pass(Duration::from_secs(1));
        assert!(file.is_due());
        file.resume(Label::from_unix(i64::MAX, 0));
        assert!(!file.is_due(), "born in the future");
        file.resume(Label::from_unix(0, 0));
        assert!(file.is_due());
    }

    /// Whether the file ends within `time`, checked at each requested moment.
    fn ends_within(file: &mut RotationTime, time: Duration) -> bool {
        let until = clock::instant() + time;
        while let Some(look_at) = file.look_at().filter(|&look_at| look_at <= until) {
            by_hand::pass(look_at.saturating_duration_since(clock::instant()));
            if file.is_due() {
                return true;
            }
        }
        by_hand::pass(until.saturating_duration_since(clock::instant()));
        false
    }

    #[test]
    fn stretches_end_where_the_wall_says_so() {
        for (rule, length) in [(HOUR, HOUR), (DAY, DAY), (HOUR * 5, HOUR * 5)] {
            let mut file = begun(RotateAfter::Aligned(rule));
            assert!(!ends_within(&mut file, length - Duration::from_secs(2)), "{rule:?}");
            assert!(ends_within(&mut file, Duration::from_secs(3)), "{rule:?}");
            file.end();
            file.begin();
            assert!(!ends_within(&mut file, Duration::from_secs(30)), "{rule:?}");
        }
    }

    #[test]
    fn a_clock_set_forward_ends_a_stretch_once_and_one_set_back_none() {
        let mut file = begun(RotateAfter::Aligned(DAY));
        by_hand::set_by(3 * 86_400);
        assert!(file.is_due(), "before the next line is taken");
        file.end();
        file.begin();
        assert!(!ends_within(&mut file, HOUR));
        by_hand::set_by(-3 * 86_400);
        assert!(!ends_within(&mut file, HOUR * 20));
        assert!(ends_within(&mut file, HOUR * 4), "the stretch it is in now");
    }

    #[test]
    fn weeks_begin_on_monday() {
        let week = |day| stretch_of(&time(2023, 11, day), DAY * 7);
        assert_ne!(week(19), week(20), "2023-11-20 is a Monday");
        assert_eq!(week(20), week(26));
        assert_eq!(week(26) + 1, week(27));
    }
}
