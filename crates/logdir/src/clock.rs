//! The time of day, and the time that only goes forward. Everything that names or waits asks here.

use crate::label::Label;
#[cfg(not(test))]
use std::time::Instant;
use std::time::SystemTime;

#[cfg(test)]
pub use by_hand::{instant, now};

/// The system's time as a label.
#[cfg(not(test))]
pub fn now() -> Label {
    system_time()
}

/// The time that only goes forward.
#[cfg(not(test))]
pub fn instant() -> Instant {
    Instant::now()
}

fn system_time() -> Label {
    label_of(SystemTime::now())
}

/// A moment as the system tells it, as a label.
pub fn label_of(time: SystemTime) -> Label {
    let (unix_secs, nanos) = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos()),
        // A clock before 1970 is counted in whole seconds.
        Err(before) => (-i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX) - 1, 0),
    };
    Label::from_unix(unix_secs, nanos)
}

/// In unit tests: the system's clocks, or ones that a test sets for its own thread.
#[cfg(test)]
pub mod by_hand {
    use crate::label::Label;
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    /// When time begins where a test makes it.
    const BEGIN_SECS: i64 = 1_700_000_000;

    thread_local! {
        static TIME: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
        static SET_SECS: Cell<i64> = const { Cell::new(0) };
    }

    /// Stops both clocks; only [`pass`], and a microsecond for every look, moves them.
    pub fn begin() {
        TIME.set(Some((Instant::now(), Duration::ZERO)));
        SET_SECS.set(0);
    }

    /// Sets the time of day forward, or back, by so many seconds.
    pub fn set_by(secs: i64) {
        SET_SECS.set(SET_SECS.get() + secs);
    }

    /// Moves both clocks on.
    pub fn pass(time: Duration) {
        TIME.set(TIME.get().map(|(begin, passed)| (begin, passed + time)));
    }

    /// The time that only goes forward.
    pub fn instant() -> Instant {
        TIME.get().map_or_else(Instant::now, |(begin, passed)| begin + passed)
    }

    /// The time of day as a label.
    pub fn now() -> Label {
        pass(Duration::from_micros(1));
        let Some((_, passed)) = TIME.get() else { return super::system_time() };
        let unix_secs = BEGIN_SECS + SET_SECS.get() + passed.as_secs() as i64;
        Label::from_unix(unix_secs, passed.subsec_nanos())
    }
}
