//! Wall clock as far as trusted for removing archives by age.
//!
//! Setting the clock forward ages no file. A forward step counts only after the maximum age has
//! passed: then every earlier file really is that old, and later files carry labels of the new
//! time. Setting the clock back makes files look younger, so they are kept longer. Suspend looks
//! like a forward step, so files are kept longer too.

use crate::clock;
use crate::label::{Label, NANOS_PER_SEC};
use std::time::{Duration, Instant};

/// Smaller gains between two calls are not treated as a clock step, in nanoseconds.
const GAIN_MAX: i128 = NANOS_PER_SEC as i128;

/// Needs regular calls of `now` to detect clock steps.
#[derive(Debug, Default)]
pub struct AgeClock {
    /// Last readings of both clocks.
    seen: Option<(Label, Instant)>,
    /// Forward steps not yet trusted.
    ahead: Duration,
    /// Time at which `ahead` becomes trusted.
    believed_at: Option<Instant>,
}

impl AgeClock {
    /// The time from which ages up to `age_max` are counted.
    pub fn now(&mut self, age_max: Duration) -> Label {
        let (now, moment) = (clock::now(), clock::instant());
        if let Some((then, seen_at)) = self.seen {
            let passed = moment.saturating_duration_since(seen_at).as_nanos();
            let gain = now.nanos_since(then).saturating_sub_unsigned(passed);
            if gain > GAIN_MAX {
                self.ahead = self.ahead.saturating_add(nanos(gain));
                self.believed_at = moment.checked_add(age_max);
            } else if gain < -GAIN_MAX {
                self.ahead = self.ahead.saturating_sub(nanos(gain));
            }
        }
        if self.believed_at.is_some_and(|believed_at| believed_at <= moment) {
            self.ahead = Duration::ZERO;
            self.believed_at = None;
        }
        self.seen = Some((now, moment));
        now.minus(self.ahead)
    }
}

fn nanos(nanos: i128) -> Duration {
    let secs = nanos.unsigned_abs() / u128::from(NANOS_PER_SEC);
    Duration::from_secs(u64::try_from(secs).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::by_hand;

    const DAY: Duration = Duration::from_secs(86_400);

    /// Seconds between trusted time and a never-adjusted clock.
    fn off_by(clock: &mut AgeClock, start: Label, passed: Duration) -> i128 {
        let nanos = clock.now(DAY).nanos_since(start).saturating_sub_unsigned(passed.as_nanos());
        (nanos + GAIN_MAX / 2).div_euclid(GAIN_MAX)
    }

    #[test]
    fn a_clock_set_forward_is_believed_when_the_age_has_passed() {
        by_hand::begin();
        let (start, mut clock) = (clock::now(), AgeClock::default());
        assert_eq!(off_by(&mut clock, start, Duration::ZERO), 0);
        by_hand::set_by(1_000_000);
        assert_eq!(off_by(&mut clock, start, Duration::ZERO), 0);
        by_hand::pass(DAY / 2);
        assert_eq!(off_by(&mut clock, start, DAY / 2), 0);
        by_hand::pass(DAY / 2);
        assert_eq!(off_by(&mut clock, start, DAY), 1_000_000);
    }

    #[test]
    fn a_clock_set_forward_by_mistake_and_back_is_as_if_nothing_had_happened() {
        by_hand::begin();
        let (start, mut clock) = (clock::now(), AgeClock::default());
        clock.now(DAY);
        by_hand::set_by(1_000_000);
        assert_eq!(off_by(&mut clock, start, Duration::ZERO), 0);
        by_hand::set_by(-1_000_000);
        by_hand::pass(DAY / 2);
        assert_eq!(off_by(&mut clock, start, DAY / 2), 0);
    }

    #[test]
    fn a_clock_set_back_is_believed_at_once() {
        by_hand::begin();
        let (start, mut clock) = (clock::now(), AgeClock::default());
        clock.now(DAY);
        by_hand::set_by(-1_000_000);
        assert_eq!(off_by(&mut clock, start, Duration::ZERO), -1_000_000);
    }
}
