//! Dates of a zone: local time of a moment, and moments of a local date.
//!
//! The C library answers only the first question. For the second this module asks the first for
//! each offset used near the date, so both directions always agree, including leap seconds of
//! `right/*`.

use crate::sys::local_time::{self, LocalTime};
use crate::time::civil::Civil;

/// Time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// Machine zone, or `TZ`.
    Local,
    /// Always UTC.
    Utc,
}

/// Moments of a local date, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moments {
    /// A single moment.
    Once(i64),
    /// Two, because clocks were set back.
    Twice {
        /// Before the change.
        earlier: i64,
        /// After the change.
        later: i64,
    },
    /// None, because clocks skipped this date.
    Skipped {
        /// By the offset after the change: a moment before it.
        earlier: i64,
        /// By the offset before the change: a moment after it.
        later: i64,
    },
}

impl Moments {
    /// Most likely moment: the earlier of two; for a skipped date, as shown by a clock without the
    /// change.
    pub fn usual(self) -> i64 {
        match self {
            Moments::Once(moment) => moment,
            Moments::Twice { earlier, .. } => earlier,
            Moments::Skipped { later, .. } => later,
        }
    }

    /// Later of two moments; `None` otherwise.
    pub fn later(self) -> Option<i64> {
        match self {
            Moments::Twice { later, .. } => Some(later),
            Moments::Once(_) | Moments::Skipped { .. } => None,
        }
    }
}

/// Largest offset from UTC: POSIX rules allow up to 24:59:59, plus equal summer time.
const EAST_SECS_MAX: i64 = 50 * 3600;
/// Spacing of offset queries. Zones never changed twice within this time.
const STEP_SECS: i64 = 3600;

impl Zone {
    /// Local time from seconds since 1970. `None` if the year overflows.
    pub fn at(self, unix_secs: i64) -> Option<LocalTime> {
        match self {
            Zone::Local => local_time::local(unix_secs),
            Zone::Utc => local_time::universal(unix_secs),
        }
    }

    /// Moments of a local date. `None` beyond the C library's years.
    ///
    /// A leap second missing from the zone repeats the second before it, as in labels that count
    /// leap seconds.
    pub fn moments(self, civil: Civil) -> Option<Moments> {
        // UTC clocks never go back, so a matching moment is unique.
        if self == Zone::Utc && self.at(civil.secs())?.civil() == civil {
            return Some(Moments::Once(civil.secs()));
        }
        let offsets = self.offsets_near(civil.secs())?;
        self.moments_by(civil, &offsets)
    }

    /// Moments of a date, given all offsets near it.
    fn moments_by(self, civil: Civil, offsets: &[i64]) -> Option<Moments> {
        let secs = civil.secs();
        let shows = |moment: &i64| self.at(*moment).is_some_and(|time| time.civil() == civil);
        let mut found: Vec<i64> =
            offsets.iter().map(|offset| secs - offset).filter(shows).collect();
        found.sort_unstable();
        match (found.first(), found.last()) {
            (Some(&earlier), Some(&later)) if earlier < later => {
                Some(Moments::Twice { earlier, later })
            }
            (Some(&moment), _) => Some(Moments::Once(moment)),
            _ if civil.second == 60 => self.moments_by(Civil { second: 59, ..civil }, offsets),
            _ => {
                let (least, most) = (offsets.iter().min()?, offsets.iter().max()?);
                Some(Moments::Skipped { earlier: secs - most, later: secs - least })
            }
        }
    }

    /// Offsets from UTC in effect near a date, including leap seconds of the zone.
    fn offsets_near(self, secs: i64) -> Option<Vec<i64>> {
        let mut offsets = Vec::with_capacity(2);
        let mut asked = secs.checked_sub(EAST_SECS_MAX)?;
        let last = secs.checked_add(EAST_SECS_MAX)?;
        while asked <= last {
            let offset = self.at(asked)?.civil().secs() - asked;
            if !offsets.contains(&offset) {
                offsets.push(offset);
            }
            asked += STEP_SECS;
        }
        // Changes may fall between two queries; only offsets valid around the date count.
        let reaches = |offset: &i64| self.is_near(secs - offset, *offset);
        if offsets.len() > 2 {
            offsets.retain(reaches);
        }
        Some(offsets)
    }

    /// True if an offset is in effect within a day of a moment.
    fn is_near(self, moment: i64, offset: i64) -> bool {
        (-24..=24).any(|hours| {
            let asked = moment + hours * STEP_SECS;
            self.at(asked).is_some_and(|time| time.civil().secs() - asked == offset)
        })
    }
}

/// Dates within a quarter hour share their offsets unless the zone changes during it.
const QUARTER_SECS: i64 = 900;

/// Converts many dates of a zone, querying offsets once per quarter hour.
#[derive(Clone, Debug)]
pub struct ZoneReader {
    zone: Zone,
    /// Cached quarter hour and its conversion.
    known: Option<(i64, Known)>,
}

/// Conversion of dates within a quarter hour.
#[derive(Clone, Debug)]
enum Known {
    /// Each date is `secs - offset`.
    Once(i64),
    /// Each date has two moments, by these offsets.
    Twice(i64, i64),
    /// The zone changes; candidate offsets.
    Offsets(Vec<i64>),
}

impl ZoneReader {
    /// Converter for this zone.
    pub fn new(zone: Zone) -> ZoneReader {
        ZoneReader { zone, known: None }
    }

    /// As [`Zone::moments`].
    pub fn moments(&mut self, civil: Civil) -> Option<Moments> {
        // Leap seconds are always computed in full: arithmetic counts them with the next quarter.
        if civil.second == 60 {
            return self.zone.moments(civil);
        }
        let secs = civil.secs();
        let quarter = secs.div_euclid(QUARTER_SECS);
        let known = match self.known.take() {
            Some((number, known)) if number == quarter => known,
            _ => self.learn(quarter * QUARTER_SECS)?,
        };
        let moments = match &known {
            Known::Once(offset) => Some(Moments::Once(secs - offset)),
            &Known::Twice(before, after) => {
                Some(Moments::Twice { earlier: secs - before, later: secs - after })
            }
            Known::Offsets(offsets) => self.zone.moments_by(civil, offsets),
        };
        self.known = Some((quarter, known));
        moments
    }

    /// Determines the conversion for the quarter at `start`.
    fn learn(&self, start: i64) -> Option<Known> {
        let last = start + QUARTER_SECS - 1;
        let offsets = self.zone.offsets_near(start)?;
        let at = |secs: i64| self.zone.moments_by(Civil::from_secs(secs)?, &offsets);
        let known = match (at(start)?, at(last)?) {
            (Moments::Once(first), Moments::Once(end)) if end - first == last - start => {
                Known::Once(start - first)
            }
            (
                Moments::Twice { earlier, later },
                Moments::Twice { earlier: earlier_end, later: later_end },
            ) if earlier_end - earlier == last - start && later_end - later == last - start => {
                Known::Twice(start - earlier, start - later)
            }
            _ => Known::Offsets(offsets),
        };
        Some(known)
    }
}
