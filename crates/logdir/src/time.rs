//! Moments, and the dates and times of day that people call them by.
//!
//! What local time is, the C library alone decides, as it does for 0.76: it knows every form of `TZ`
//! (names, `:NAME`, paths, POSIX rules, `right/*`, `TZDIR`). Dates are shown and read with the same
//! calls, so a date that was shown is always read as the moment it came from.
//!
//! Reading order: [`civil`] (dates without a zone), [`zone`] (dates of a zone, both ways), [`calendar`]
//! (many moments written fast), [`leap_seconds`] (labels of s6 and nosh).

pub mod calendar;
pub mod civil;
pub mod leap_seconds;
pub mod zone;

pub use civil::Civil;
pub use zone::{Moments, Zone, ZoneReader};

use crate::label::NANOS_PER_SEC;

/// A moment: what lines are ordered by.
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

    /// The moment that is this many nanoseconds after 1970. `None` if its seconds do not fit 64 bits.
    pub fn from_nanos(nanos: i128) -> Option<Moment> {
        let nanos_per_sec = i128::from(NANOS_PER_SEC);
        Some(Moment {
            unix_secs: i64::try_from(nanos.div_euclid(nanos_per_sec)).ok()?,
            // A remainder of a division by 10^9.
            nanos: nanos.rem_euclid(nanos_per_sec) as u32,
        })
    }
}
