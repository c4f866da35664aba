//! Lines counted by stretches of time, of one directory and of several.

use crate::logdir::bucket::Length;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::ops::Range;

/// The length to begin with, if `--by` is not given.
pub const FINEST: Length = Length::Seconds(60);
/// What is counted by next where that makes too many stretches.
const COARSER: [Length; 3] = [Length::Seconds(600), Length::Seconds(3600), Length::Day];
/// So many stretches from the first to the last line are what fits.
const FITTING_MAX: i64 = 48;
/// Stretches with lines that are held for one directory: two months of minutes.
const STRETCHES_MAX: usize = 100_000;

/// The lines of one directory.
#[derive(Debug)]
pub struct Counts {
    name: String,
    by: Length,
    zone: TimeZone,
    /// Counts by the start of their stretch, in seconds since 1970.
    counts: BTreeMap<i64, u64>,
    /// The stretch of the last line, and what was counted in it since.
    now: (Range<i64>, u64),
    /// Lines whose time nobody knows.
    pub timeless_count: u64,
    is_full: bool,
}

impl Counts {
    /// None yet.
    pub fn new(name: String, by: Length, zone: &TimeZone) -> Counts {
        Counts {
            name,
            by,
            zone: zone.clone(),
            counts: BTreeMap::new(),
            now: (0..0, 0),
            timeless_count: 0,
            is_full: false,
        }
    }

    /// Counts a line of this second. Where there are too many stretches, longer ones are taken, if that
    /// is allowed.
    pub fn add(&mut self, unix_secs: Option<i64>, may_coarsen: bool) {
        let Some(unix_secs) = unix_secs else {
            self.timeless_count += 1;
            return;
        };
        if !self.now.0.contains(&unix_secs) {
            let Some(stretch) = self.by.around(unix_secs, &self.zone) else {
                self.timeless_count += 1;
                return;
            };
            self.settle();
            if self.counts.len() >= STRETCHES_MAX {
                self.make_room(may_coarsen);
            }
            self.now = (self.by.around(unix_secs, &self.zone).unwrap_or(stretch), 0);
        }
        self.now.1 += 1;
    }

    /// Puts what was counted of the last stretch to the others.
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

    /// Counts by longer stretches.
    fn coarsen(&mut self, by: Length) {
        self.settle();
        self.by = by;
        let mut counts = BTreeMap::new();
        for (&start, count) in &self.counts {
            let stretch = by.around(start, &self.zone);
            *counts.entry(stretch.map_or(start, |stretch| stretch.start)).or_default() += count;
        }
        self.counts = counts;
    }

    /// Start of the first stretch, start of the last.
    fn extent(&self) -> Option<(i64, i64)> {
        Some((*self.counts.first_key_value()?.0, *self.counts.last_key_value()?.0))
    }
}

/// The lines of several directories, by the same stretches.
#[derive(Debug)]
pub struct CountsOfAll {
    all: Vec<Counts>,
    names: Vec<String>,
    by: Length,
    zone: TimeZone,
}

impl CountsOfAll {
    /// Puts directories side by side, by what fits where nobody asked for anything else. What is wrong
    /// where there are too many stretches.
    pub fn new(
        mut all: Vec<Counts>,
        wanted: Option<Length>,
        zone: TimeZone,
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

    /// Whether no line was counted.
    pub fn is_empty(&self) -> bool {
        self.all.iter().all(|counts| counts.counts.is_empty())
    }

    /// What the directories are called.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The starts of all stretches with lines in any directory, in order.
    pub fn starts(&self) -> Vec<i64> {
        let mut starts: Vec<i64> =
            self.all.iter().flat_map(|counts| counts.counts.keys().copied()).collect();
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    /// The counts of each directory in a stretch.
    pub fn at(&self, start: i64) -> Vec<u64> {
        self.all.iter().map(|counts| counts.counts.get(&start).copied().unwrap_or(0)).collect()
    }

    /// The largest count of a directory.
    pub fn largest(&self, number: usize) -> u64 {
        self.all[number].counts.values().copied().max().unwrap_or(0)
    }

    /// All lines of a directory.
    pub fn sum(&self, number: usize) -> u64 {
        self.all[number].counts.values().sum()
    }

    /// How long a stretch is.
    pub fn secs_of(&self, start: i64) -> i64 {
        self.by
            .around(start, &self.zone)
            .map_or(self.by.secs(), |stretch| stretch.end - stretch.start)
    }

    /// What people call a stretch.
    pub fn name_of(&self, start: i64) -> String {
        self.by.name(start, &self.zone)
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
        let mut counts = Counts::new("web".to_owned(), by, &TimeZone::UTC);
        for moment in moments {
            counts.add(Some(moment), may_coarsen);
        }
        counts
    }

    fn all(counts: Counts, wanted: Option<Length>) -> Result<CountsOfAll, String> {
        CountsOfAll::new(vec![counts], wanted, TimeZone::UTC)
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
