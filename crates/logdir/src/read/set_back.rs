//! Resolves dates that a clock showed twice, for readers that do not start at the first line.
//!
//! Only line order distinguishes the two moments. The repeated hours are therefore read forward
//! once, up to the first line written after the clock was set back.

use crate::read::lines::LineStart;
use crate::read::range::Range;
use crate::read::range_lines::RangeLines;
use crate::read::snapshot::Snapshot;
use crate::read::stamp::{Moment, Stamp, StampParser};

/// Clock changes within a directory's files.
pub struct SetBack {
    snapshot: Snapshot,
    /// Most recently used change.
    known: Option<Change>,
}

struct Change {
    /// The earlier moments of all repeated dates are within these hours.
    hours: Range,
    /// First line after the change: file index and offset. `None` if no line follows the change.
    first: Option<(usize, u64)>,
}

impl SetBack {
    /// Starts without known changes.
    pub fn new(snapshot: Snapshot) -> SetBack {
        SetBack { snapshot, known: None }
    }

    /// Resolves the stamp of a line that starts at `place`.
    pub fn resolve(&mut self, stamp: Stamp, place: &LineStart, stamps: &StampParser) -> Stamp {
        let Some(later) = stamp.later else { return stamp };
        let is_known = self.known.as_ref().is_some_and(|known| known.hours.holds(stamp.moment));
        if !is_known {
            self.known = Some(self.find(stamp.moment, later, stamps));
        }
        let first = self.known.as_ref().and_then(|known| known.first);
        let here = (self.snapshot.number_of(place), place.offset);
        match first.is_some_and(|first| here >= first) {
            true => Stamp { moment: later, later: None, ..stamp },
            false => stamp,
        }
    }

    fn find(&self, earlier: Moment, later: Moment, stamps: &StampParser) -> Change {
        let shift_secs = later.unix_secs - earlier.unix_secs;
        let hours = Range {
            since: Some(Moment { unix_secs: earlier.unix_secs - shift_secs, nanos: 0 }),
            until: Some(Moment { unix_secs: later.unix_secs + shift_secs, nanos: 0 }),
        };
        let mut raw = stamps.clone();
        let mut lines = RangeLines::new(&self.snapshot, stamps.clone(), hours);
        let mut first = None;
        while first.is_none() && lines.advance() {
            let is_later = lines.stamp().is_some_and(|stamp| {
                raw.parse(lines.line().bytes).and_then(|raw| raw.later) == Some(stamp.moment)
            });
            if is_later {
                let place = lines.place();
                first = Some((self.snapshot.number_of(place), place.offset));
            }
        }
        Change { hours, first }
    }
}
