//! Dates of a zone: what a clock there shows at a moment, and which moments it may have shown a date at.
//!
//! The C library answers the first question only. The second is answered by asking the first for each
//! offset that the zone has near the date, so the two always agree, leap seconds of `right/*` included.

use crate::sys::local_time::{self, LocalTime};
use crate::time::civil::Civil;

/// A zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The zone of the machine, or of `TZ`.
    Local,
    /// UTC.
    Utc,
}

/// The moments at which the clock of a zone shows a date, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moments {
    /// One.
    Once(i64),
    /// Two, because the clock was set back.
    Twice {
        /// Before it was set back.
        earlier: i64,
        /// After it was set back.
        later: i64,
    },
    /// None, because the clock was set forward past the date.
    Skipped {
        /// The date in the offset after the change: a moment before it.
        earlier: i64,
        /// The date in the offset before the change: a moment after it.
        later: i64,
    },
}

impl Moments {
    /// The moment that people mean most often: the earlier of two; of a date that was skipped, the moment
    /// that a clock shows which nobody set forward.
    pub fn usual(self) -> i64 {
        match self {
            Moments::Once(moment) => moment,
            Moments::Twice { earlier, .. } => earlier,
            Moments::Skipped { later, .. } => later,
        }
    }

    /// The later one, if the date is that of two moments.
    pub fn later(self) -> Option<i64> {
        match self {
            Moments::Twice { later, .. } => Some(later),
            Moments::Once(_) | Moments::Skipped { .. } => None,
        }
    }
}

/// Zones differ from UTC by at most this much: a POSIX rule may say up to 24:59:59, and summer time as
/// much more.
const EAST_SECS_MAX: i64 = 50 * 3600;
/// Offsets are asked for so far apart. No zone ever changed twice in that time.
const STEP_SECS: i64 = 3600;

impl Zone {
    /// What the clock shows at a moment in seconds since 1970. `None` if the year does not fit.
    pub fn at(self, unix_secs: i64) -> Option<LocalTime> {
        match self {
            Zone::Local => local_time::local(unix_secs),
            Zone::Utc => local_time::universal(unix_secs),
        }
    }

    /// The moments at which the clock shows a date. `None` beyond the years that the C library knows.
    ///
    /// A leap second that the zone does not have is the second before it once more, as in labels that
    /// count leap seconds.
    pub fn moments(self, civil: Civil) -> Option<Moments> {
        // UTC is never set back, so a moment that fits is the only one.
        if self == Zone::Utc && self.at(civil.secs())?.civil() == civil {
            return Some(Moments::Once(civil.secs()));
        }
        let offsets = self.offsets_near(civil.secs())?;
        self.moments_by(civil, &offsets)
    }

    /// The moments of a date if the zone has only these offsets near it.
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

    /// The offsets from UTC that are in force near a date, leap seconds of the zone included.
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
        // A change may be anywhere between two answers; only those that reach the date count.
        let reaches = |offset: &i64| self.is_near(secs - offset, *offset);
        if offsets.len() > 2 {
            offsets.retain(reaches);
        }
        Some(offsets)
    }

    /// Whether an offset is in force within a day of a moment.
    fn is_near(self, moment: i64, offset: i64) -> bool {
        (-24..=24).any(|hours| {
            let asked = moment + hours * STEP_SECS;
            self.at(asked).is_some_and(|time| time.civil().secs() - asked == offset)
        })
    }
}

/// Dates of one quarter of an hour have the same offsets, unless the zone changes in it.
const QUARTER_SECS: i64 = 900;

/// Reads many dates of a zone. It asks for the offsets once a quarter of an hour.
#[derive(Clone, Debug)]
pub struct ZoneReader {
    zone: Zone,
    /// A quarter, and how moments of it are found.
    known: Option<(i64, Known)>,
}

/// How the moments of dates in one quarter of an hour are found.
#[derive(Clone, Debug)]
enum Known {
    /// Each date is `secs - offset`.
    Once(i64),
    /// Each date is that of two moments, by these offsets.
    Twice(i64, i64),
    /// A change is in it.
    Offsets(Vec<i64>),
}

impl ZoneReader {
    /// A reader of dates of this zone.
    pub fn new(zone: Zone) -> ZoneReader {
        ZoneReader { zone, known: None }
    }

    /// As [`Zone::moments`].
    pub fn moments(&mut self, civil: Civil) -> Option<Moments> {
        // A leap second is always worked out in full: it counts as the first second of the next quarter.
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

    /// Finds out how dates in the quarter from `start` on are read.
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
