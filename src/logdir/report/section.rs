//! A service's part of the report: two counts compared.

use crate::logdir::report::state::{Service, State};
use crate::logdir::report::words::Words;
use crate::logdir::tally::{HOURS, Tally};
use ::kinds::{Kind, KindHash};
use ::logdir::escape;
use ::logdir::read::stamp::Moment;
use jiff::civil::Date;

/// Rows of each list, without `--all`.
pub const ROWS_MAX: usize = 10;
/// Trouble is worse than before if it is more than so many times as frequent.
const WORSE_FACTOR: u64 = 2;

/// A kind in a list.
#[derive(Clone)]
pub struct Row {
    pub hash: KindHash,
    pub kind: Kind<Moment>,
    /// Lines in the period before.
    pub before: u64,
}

/// What is reported about a service.
pub struct Section {
    pub name: String,
    pub lines: u64,
    pub lines_before: u64,
    pub bytes: u64,
    pub bytes_before: u64,
    /// Kinds in the period.
    pub kind_count: usize,
    /// Lines of kinds beyond the bound.
    pub other_count: u64,
    /// Failures of the logger and its disk.
    pub logger: Vec<String>,
    pub new: Vec<Row>,
    pub gone: Vec<Row>,
    pub trouble: Vec<Row>,
    pub frequent: Vec<Row>,
    pub addresses: Vec<(String, u64)>,
    /// Addresses beyond the bound were not counted.
    pub is_sample: bool,
    pub hours: [u64; HOURS],
    pub hours_before: [u64; HOURS],
}

impl Section {
    pub fn new(
        name: String,
        now: &Tally,
        before: &Tally,
        logger: Vec<String>,
        words: &Words,
        state: Option<&State>,
        day: Date,
    ) -> Section {
        let rows = rows(now, before);
        let service = Service::new(&name);
        let known = state.filter(|state| state.knows(&service));
        let is_new = |row: &&Row| match known {
            Some(state) => state.is_new(&service, row.hash, day),
            None => row.before == 0,
        };
        let is_gone = |row: &&Row| match known {
            Some(state) => state.is_daily(&service, row.hash, day),
            None => true,
        };
        let is_missing = |row: &Row| now.kinds.get(row.hash).is_none();
        let earlier: Vec<Row> = rows_of(before).into_iter().filter(is_missing).collect();
        // Beyond the bound, a kind that is not kept is not known to be gone.
        let has_all = now.kinds.other_count() == 0;
        Section {
            lines: now.lines,
            lines_before: before.lines,
            bytes: now.bytes,
            bytes_before: before.bytes,
            kind_count: now.kinds.len(),
            other_count: now.kinds.other_count(),
            logger,
            new: rows.iter().filter(is_new).cloned().collect(),
            gone: earlier.iter().filter(|row| has_all && is_gone(row)).cloned().collect(),
            trouble: rows.iter().filter(|row| words.are_in(&row.kind.text)).cloned().collect(),
            addresses: now
                .addresses
                .sorted()
                .into_iter()
                .map(|(address, count)| (escape::shown(address), count))
                .collect(),
            is_sample: now.addresses.is_sample(),
            hours: now.hours,
            hours_before: before.hours,
            frequent: rows,
            name,
        }
    }

    /// Something is new, gone or wrong.
    pub fn is_notable(&self) -> bool {
        let is_worse = |row: &Row| row.kind.count > row.before.saturating_mul(WORSE_FACTOR);
        !self.new.is_empty()
            || !self.gone.is_empty()
            || !self.logger.is_empty()
            || self.trouble.iter().any(is_worse)
    }
}

fn rows(now: &Tally, before: &Tally) -> Vec<Row> {
    let count_before = |hash| before.kinds.get(hash).map_or(0, |kind| kind.count);
    let row = |(hash, kind): (KindHash, &Kind<Moment>)| Row {
        hash,
        kind: kind.clone(),
        before: count_before(hash),
    };
    now.kinds.sorted().into_iter().map(row).collect()
}

/// Kinds that are only in the period before.
fn rows_of(before: &Tally) -> Vec<Row> {
    let row = |(hash, kind): (KindHash, &Kind<Moment>)| Row {
        hash,
        kind: Kind { count: 0, ..kind.clone() },
        before: kind.count,
    };
    before.kinds.sorted().into_iter().map(row).collect()
}
