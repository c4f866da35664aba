//! Moments, and their dates and times of day.
//!
//! Only the C library decides local time, as for 0.76: it knows every form of `TZ` (names, `:NAME`,
//! paths, POSIX rules, `right/*`, `TZDIR`). Printing and parsing dates use identical calls, so a
//! printed date always parses back to its moment.
//!
//! Reading order: [`civil`] (dates without zone), [`zone`] (dates with zone, both directions),
//! [`calendar`] (fast formatting of many moments), [`leap_seconds`] (labels of s6 and nosh).

pub mod calendar;
pub mod civil;
pub mod leap_seconds;
pub mod zone;

pub use civil::Civil;
pub use zone::{Moments, Zone, ZoneReader};

use crate::label::NANOS_PER_SEC;

/// Moment; lines are ordered by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Seconds since 1970.
    pub unix_secs: i64,
    /// Nanoseconds below 10^9.
    pub nanos: u32,
}

impl Moment {
    /// Nanoseconds since 1970.
    pub fn to_nanos(self) -> i128 {
        i128::from(self.unix_secs) * i128::from(NANOS_PER_SEC) + i128::from(self.nanos)
    }

    /// Seconds since 1970 with nine decimals.
    pub fn to_unix_text(self) -> String {
        let nanos = self.to_nanos();
        let sign = if nanos < 0 { "-" } else { "" };
        let (nanos, second) = (nanos.unsigned_abs(), u128::from(NANOS_PER_SEC));
        format!("{sign}{}.{:09}", nanos / second, nanos % second)
    }

    /// Moment from nanoseconds since 1970. `None` if its seconds exceed 64 bits.
    pub fn from_nanos(nanos: i128) -> Option<Moment> {
        let nanos_per_sec = i128::from(NANOS_PER_SEC);
        Some(Moment {
            unix_secs: i64::try_from(nanos.div_euclid(nanos_per_sec)).ok()?,
            // Remainders modulo 10^9 fit.
            nanos: nanos.rem_euclid(nanos_per_sec) as u32,
        })
    }
}
