//! System clocks: wall clock and monotonic. All names and waits use these functions.

use crate::label::Label;
#[cfg(not(test))]
use std::time::Instant;
use std::time::SystemTime;

#[cfg(test)]
pub use by_hand::{instant, now};

/// Wall clock as a label.
#[cfg(not(test))]
pub fn now() -> Label {
    system_time()
}

/// Monotonic clock.
#[cfg(not(test))]
pub fn instant() -> Instant {
    Instant::now()
}

fn system_time() -> Label {
    label_of(SystemTime::now())
}

/// Label of a system time.
pub fn label_of(time: SystemTime) -> Label {
    let (unix_secs, nanos) = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos()),
        // Before 1970: whole seconds only.
        Err(before) => (-i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX) - 1, 0),
    };
    Label::from_unix(unix_secs, nanos)
}

/// Unit tests use the system's clocks, or clocks set per thread by a test.
#[cfg(test)]
pub mod by_hand {
    use crate::label::Label;
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    /// Start of simulated time.
    const BEGIN_SECS: i64 = 1_700_000_000;

    thread_local! {
        static TIME: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
        static SET_SECS: Cell<i64> = const { Cell::new(0) };
    }

    /// Stops both clocks; afterwards only [`pass`] and a microsecond per read advance them.
    pub fn begin() {
        TIME.set(Some((Instant::now(), Duration::ZERO)));
        SET_SECS.set(0);
    }

    /// Shifts the wall clock by seconds, negative for back.
    pub fn set_by(secs: i64) {
        SET_SECS.set(SET_SECS.get() + secs);
    }

    /// Advances both clocks.
    pub fn pass(time: Duration) {
        TIME.set(TIME.get().map(|(begin, passed)| (begin, passed + time)));
    }

    /// Monotonic clock.
    pub fn instant() -> Instant {
        TIME.get().map_or_else(Instant::now, |(begin, passed)| begin + passed)
    }

    /// Wall clock as a label.
    pub fn now() -> Label {
        pass(Duration::from_micros(1));
        let Some((_, passed)) = TIME.get() else { return super::system_time() };
        let unix_secs = BEGIN_SECS + SET_SECS.get() + passed.as_secs() as i64;
        Label::from_unix(unix_secs, passed.subsec_nanos())
    }
}
