//! Line counts by interval, for single directories and several side by side.

use crate::logdir::bucket::Length;
use ::logdir::time::Zone;
use std::collections::BTreeMap;
use std::ops::Range;

/// Initial interval without `--by`.
pub const FINEST: Length = Length::Seconds(60);
/// Longer intervals, tried in order if a table gets too long.
const COARSER: [Length; 3] = [Length::Seconds(600), Length::Seconds(3600), Length::Day];
/// Most rows from first to last line without `--by`.
const FITTING_MAX: i64 = 48;
/// Bound of non-empty intervals per directory: two months of minutes.
const STRETCHES_MAX: usize = 100_000;

/// Counts of a single directory.
#[derive(Debug)]
pub struct Counts {
    name: String,
    by: Length,
    zone: Zone,
    /// Keys: interval start in seconds since 1970.
    counts: BTreeMap<i64, u64>,
    /// Current interval and its count so far.
    now: (Range<i64>, u64),
    /// Lines without a known time.
    pub timeless_count: u64,
    is_full: bool,
}

impl Counts {
    pub fn new(name: String, by: Length, zone: Zone) -> Counts {
        Counts {
            name,
            by,
            zone,
            counts: BTreeMap::new(),
            now: (0..0, 0),
            timeless_count: 0,
            is_full: false,
        }
    }

    /// Counts a line. Too many intervals are merged into longer ones if `may_coarsen`.
    pub fn add(&mut self, unix_secs: Option<i64>, may_coarsen: bool) {
        let Some(unix_secs) = unix_secs else {
            self.timeless_count += 1;
            return;
        };
        if !self.now.0.contains(&unix_secs) {
            let Some(stretch) = self.by.around(unix_secs, self.zone) else {
                self.timeless_count += 1;
                return;
            };
            self.settle();
            if self.counts.len() >= STRETCHES_MAX {
                self.make_room(may_coarsen);
            }
            self.now = (self.by.around(unix_secs, self.zone).unwrap_or(stretch), 0);
        }
        self.now.1 += 1;
    }

    /// Adds the current interval to `counts`.
    fn settle(&mut self) {
        if self.now.1 > 0 && !self.is_full {
            *self.counts.entry(self.now.0.start).or_default() += self.now.1;
        }
        self.now = (0..0, 0);
    }

    fn make_room(&mut self, may_coarsen: bool) {
        let coarser = COARSER.into_iter().find(|length| length.secs() > self.by.secs());
        match coarser.filter(|_| may_coarsen) {
            Some(length) => self.coarsen(length),
            None => self.is_full = true,
        }
    }

    fn coarsen(&mut self, by: Length) {
        self.settle();
        self.by = by;
        let mut counts = BTreeMap::new();
        for (&start, count) in &self.counts {
            let stretch = by.around(start, self.zone);
            *counts.entry(stretch.map_or(start, |stretch| stretch.start)).or_default() += count;
        }
        self.counts = counts;
    }

    /// Starts of the first and last intervals.
    fn extent(&self) -> Option<(i64, i64)> {
        Some((*self.counts.first_key_value()?.0, *self.counts.last_key_value()?.0))
    }
}

/// Counts of several directories by common intervals.
#[derive(Debug)]
pub struct CountsOfAll {
    all: Vec<Counts>,
    names: Vec<String>,
    by: Length,
    zone: Zone,
}

impl CountsOfAll {
    /// Aligns the directories on a common interval, longer if `--by` is absent. `Err` explains too
    /// many intervals.
    pub fn new(
        mut all: Vec<Counts>,
        wanted: Option<Length>,
        zone: Zone,
    ) -> Result<CountsOfAll, String> {
        for counts in &mut all {
            counts.settle();
        }
        if all.iter().any(|counts| counts.is_full) {
            return Err(
                "there are too many stretches of time to count by; take longer ones".to_owned()
            );
        }
        let by = wanted.unwrap_or_else(|| fitting(&all));
        for counts in &mut all {
            if counts.by != by {
                counts.coarsen(by);
            }
        }
        let names = all.iter().map(|counts| counts.name.clone()).collect();
        Ok(CountsOfAll { all, names, by, zone })
    }

    pub fn is_empty(&self) -> bool {
        self.all.iter().all(|counts| counts.counts.is_empty())
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Starts of all non-empty intervals, ascending.
    pub fn starts(&self) -> Vec<i64> {
        let mut starts: Vec<i64> =
            self.all.iter().flat_map(|counts| counts.counts.keys().copied()).collect();
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    /// Counts by directory for an interval.
    pub fn at(&self, start: i64) -> Vec<u64> {
        self.all.iter().map(|counts| counts.counts.get(&start).copied().unwrap_or(0)).collect()
    }

    pub fn largest(&self, number: usize) -> u64 {
        self.all[number].counts.values().copied().max().unwrap_or(0)
    }

    pub fn sum(&self, number: usize) -> u64 {
        self.all[number].counts.values().sum()
    }

    pub fn secs_of(&self, start: i64) -> i64 {
        self.by
            .around(start, self.zone)
            .map_or(self.by.secs(), |stretch| stretch.end - stretch.start)
    }

    pub fn name_of(&self, start: i64) -> String {
        self.by.name(start, self.zone)
    }
}

fn fitting(all: &[Counts]) -> Length {
    let extents = || all.iter().filter_map(Counts::extent);
    let first = extents().map(|(first, _)| first).min().unwrap_or(0);
    let last = extents().map(|(_, last)| last).max().unwrap_or(0);
    let counted_by = all.iter().map(|counts| counts.by.secs()).max().unwrap_or(0);
    let fits = |length: &Length| {
        length.secs() >= counted_by && (last - first) / length.secs() < FITTING_MAX
    };
    std::iter::once(FINEST).chain(COARSER).find(fits).unwrap_or(Length::Day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(by: Length, may_coarsen: bool, moments: impl IntoIterator<Item = i64>) -> Counts {
        let mut counts = Counts::new("web".to_owned(), by, Zone::Utc);
        for moment in moments {
            counts.add(Some(moment), may_coarsen);
        }
        counts
    }

    fn all(counts: Counts, wanted: Option<Length>) -> Result<CountsOfAll, String> {
        CountsOfAll::new(vec![counts], wanted, Zone::Utc)
    }

    #[test]
    fn lines_are_counted_in_any_order() {
        let all = all(counted(FINEST, true, [60, 119, 0, 61, 120]), None).unwrap();
        assert_eq!(all.starts(), [0, 60, 120]);
        assert_eq!([all.at(0), all.at(60), all.at(120), all.at(180)].concat(), [1, 3, 1, 0]);
        assert_eq!((all.largest(0), all.sum(0)), (3, 5));
    }

    #[test]
    fn what_fits_is_taken_where_nobody_asks() {
        let by = |last: i64| all(counted(FINEST, true, [0, last]), None).unwrap().by;
        assert_eq!(by(0), Length::Seconds(60));
        assert_eq!(by(47 * 60), Length::Seconds(60));
        assert_eq!(by(48 * 60), Length::Seconds(600));
        assert_eq!(by(8 * 3600), Length::Seconds(3600));
        assert_eq!(by(48 * 3600), Length::Day);
        assert_eq!(by(10_000 * 86_400), Length::Day);
    }

    #[test]
    fn too_many_stretches_are_made_longer_or_refused() {
        let moments = || (0..=STRETCHES_MAX as i64).map(|number| number * 60);
        let counts = counted(FINEST, true, moments());
        assert!(counts.counts.len() < STRETCHES_MAX / 5);
        let all_counts = all(counts, None).unwrap();
        assert_eq!(all_counts.sum(0), STRETCHES_MAX as u64 + 1);
        assert!(all(counted(FINEST, false, moments()), Some(FINEST)).is_err());
    }

    #[test]
    fn moments_that_no_calendar_knows_are_counted_apart() {
        let mut counts = counted(FINEST, true, [i64::MAX, 0]);
        counts.add(None, true);
        assert_eq!(counts.timeless_count, 2);
        assert_eq!(all(counts, None).unwrap().sum(0), 1);
    }
}
