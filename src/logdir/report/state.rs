//! The state of reports: which kinds each service had on which days, as hashes.
//!
//! A line for each kind: first day, last day, number of days, hash, service.

use crate::logdir::replace::replace;
use crate::logdir::tally::Tally;
use ::kinds::KindHash;
use ::logdir::failure::reason;
use jiff::civil::Date;
use jiff::{Span, ToSpan};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// First line of the file.
const HEAD: &str = "logdir report state 1";
/// Days after which a kind is forgotten.
const DAYS_KEPT: i64 = 30;
/// Kinds kept: about 10 MB. The kinds seen last stay.
const KINDS_MAX: usize = 100_000;
/// Bytes of a file that is read.
const LEN_MAX: u64 = 64 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    first: Date,
    last: Date,
    day_count: i64,
}

/// Kinds by service.
#[derive(Debug, Default, PartialEq)]
pub struct State(BTreeMap<Service, BTreeMap<KindHash, Seen>>);

/// The name of a service as states have it: without line ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service(String);

impl Service {
    pub fn new(name: &str) -> Service {
        Service(name.replace(['\n', '\r'], "?"))
    }
}

impl State {
    /// Reads a state. A file that does not exist yet is empty.
    pub fn read(path: &Path) -> Result<State, String> {
        let failed = |why: &str| format!("unable to read state {}: {why}", path.display());
        let len = match std::fs::metadata(path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(State::default());
            }
            Err(error) => return Err(failed(&reason(&error))),
        };
        if len > LEN_MAX {
            return Err(failed("it is too long"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(&reason(&error)))?;
        State::parse(&text).ok_or_else(|| failed("not written by logdir report --state"))
    }

    fn parse(text: &str) -> Option<State> {
        let mut lines = text.lines();
        if lines.next()? != HEAD || !text.ends_with('\n') {
            return None;
        }
        let mut state = State::default();
        for line in lines {
            let [first, last, day_count, hash, service] =
                line.splitn(5, ' ').collect::<Vec<_>>().try_into().ok()?;
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            let day_count = day_count.parse().ok()?;
            if !(1..=days_between(first, last) + 1).contains(&day_count) {
                return None;
            }
            let seen = Seen { first, last, day_count };
            let kinds = state.0.entry(Service::new(service)).or_default();
            kinds.insert(KindHash::parse(hash)?, seen);
        }
        Some(state)
    }

    fn format(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for (Service(service), kinds) in &self.0 {
            for (hash, Seen { first, last, day_count }) in kinds {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{first} {last} {day_count} {hash} {service}");
            }
        }
        text
    }

    fn seen(&self, service: &Service, hash: KindHash) -> Option<&Seen> {
        self.0.get(service)?.get(&hash)
    }

    /// True if a report had the kind.
    pub fn has(&self, service: &Service, hash: KindHash) -> bool {
        self.seen(service, hash).is_some()
    }

    /// True if an earlier report had the service.
    pub fn knows(&self, service: &Service) -> bool {
        self.0.contains_key(service)
    }

    /// True if no day before had the kind.
    pub fn is_new(&self, service: &Service, hash: KindHash, day: Date) -> bool {
        self.seen(service, hash).is_none_or(|seen| seen.first >= day)
    }

    /// True if every day up to the day before had the kind, and at least two.
    pub fn is_daily(&self, service: &Service, hash: KindHash, day: Date) -> bool {
        self.seen(service, hash).is_some_and(|seen| {
            let is_every = days_between(seen.first, seen.last) + 1 == seen.day_count;
            is_every && seen.day_count >= 2 && seen.last == plus_days(day, -1)
        })
    }

    /// Adds the kinds of a day; for a service that is not known yet, those of the day before too.
    pub fn note(&mut self, service: &Service, now: &Tally, before: &Tally, day: Date) {
        let is_known = self.knows(service);
        let kinds = self.0.entry(service.clone()).or_default();
        if !is_known {
            add(kinds, before, plus_days(day, -1));
        }
        add(kinds, now, day);
    }

    /// Forgets old kinds and replaces the file: a crash leaves the former or the new one.
    pub fn save(&mut self, path: &Path, day: Date) -> Result<(), String> {
        self.forget(plus_days(day, -DAYS_KEPT));
        let mut days: Vec<Date> =
            self.0.values().flat_map(BTreeMap::values).map(|seen| seen.last).collect();
        if days.len() > KINDS_MAX {
            days.sort_unstable();
            self.forget(days[days.len() - KINDS_MAX]);
        }
        self.cut();
        let failed = |error: std::io::Error| {
            format!("unable to replace state {}: {}", path.display(), reason(&error))
        };
        replace(path, self.format().as_bytes()).map_err(failed)
    }

    /// Forgets kinds that were seen last before a day.
    fn forget(&mut self, oldest: Date) {
        self.0.values_mut().for_each(|kinds| kinds.retain(|_, seen| seen.last >= oldest));
    }

    /// Keeps [`KINDS_MAX`] kinds of equal age.
    fn cut(&mut self) {
        let mut left_count = KINDS_MAX;
        for kinds in self.0.values_mut() {
            while kinds.len() > left_count {
                kinds.pop_last();
            }
            left_count -= kinds.len();
        }
    }
}

fn add(kinds: &mut BTreeMap<KindHash, Seen>, tally: &Tally, day: Date) {
    for (hash, _) in tally.kinds.sorted() {
        let new = Seen { first: day, last: day, day_count: 1 };
        let seen = kinds.entry(hash).or_insert(new);
        if day < seen.first || day > seen.last {
            seen.day_count += 1;
            seen.first = seen.first.min(day);
            seen.last = seen.last.max(day);
        }
    }
}

fn plus_days(day: Date, days: i64) -> Date {
    day.saturating_add(days.days())
}

fn days_between(first: Date, last: Date) -> i64 {
    let span: Span = last - first;
    i64::from(span.get_days())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for line in lines {
            tally.kinds.add(line.as_bytes(), None);
        }
        tally
    }

    fn day(number: i8) -> Date {
        jiff::civil::date(2026, 11, number)
    }

    #[test]
    fn a_kind_is_new_on_its_first_day_only() {
        let mut state = State::default();
        let [web, dns] = ["web", "dns"].map(Service::new);
        let hash = |text: &str| KindHash::of(text.as_bytes());
        state.note(&web, &tally(&["a", "b"]), &tally(&["a"]), day(2));
        assert!(!state.is_new(&web, hash("a"), day(2)));
        assert!(state.is_new(&web, hash("b"), day(2)) && state.is_new(&web, hash("b"), day(1)));
        assert!(!state.is_new(&web, hash("b"), day(3)));
        assert!(state.is_daily(&web, hash("a"), day(3)));
        assert!(!state.is_daily(&web, hash("b"), day(3)));
        assert!(!state.is_daily(&web, hash("a"), day(4)));
        assert!(state.is_new(&dns, hash("a"), day(3)) && !state.knows(&dns));
        let before = state.format();
        state.note(&web, &tally(&["a", "b"]), &tally(&["a"]), day(2));
        assert_eq!(state.format(), before);
    }

    #[test]
    fn what_is_written_is_read_and_old_kinds_are_forgotten() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("state");
        let mut state = State::read(&path).expect("an empty state");
        state.note(&Service::new("a b/main"), &tally(&["x"]), &tally(&[]), day(1));
        state.save(&path, day(1)).expect("saved");
        assert_eq!(State::read(&path), Ok(State::parse(&state.format()).expect("a state")));
        state.save(&path, plus_days(day(1), DAYS_KEPT + 1)).expect("saved");
        assert_eq!(state.format(), format!("{HEAD}\n"));
    }

    #[test]
    fn other_files_are_refused() {
        for text in ["", "x\n", "logdir report state 1", "logdir report state 1\n2026-11-01\n"] {
            assert_eq!(State::parse(text), None, "{text}");
        }
        let parsed = |days: &str| State::parse(&format!("{HEAD}\n{days} 0123456789abcdef web\n"));
        for days in ["2026-11-01 2026-11-03 1", "2026-11-01 2026-11-03 3"] {
            assert!(parsed(days).is_some(), "{days}");
        }
        for days in [
            "2026-11-01 2026-11-03 0",
            "2026-11-01 2026-11-03 4",
            "2026-11-03 2026-11-01 1",
            "2026-11-01 2026-11-03 9223372036854775807",
            "-9999-01-01 9999-12-31 -1",
        ] {
            assert_eq!(parsed(days), None, "{days}");
        }
    }
    /// Lines of a state, and others.
    const LINES: &str = "20[0-9]{2}-1[0-2]-[0-3][0-9] 2026-1[12]-[0-2][0-9] [0-9]{1,19} [0-9a-f]{16} .{0,9}|.{0,20}";

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            lines in proptest::collection::vec(LINES, 0..4)
        ) {
            let text = format!("{HEAD}\n{}\n", lines.join("\n"));
            if let Some(mut state) = State::parse(&text) {
                state.note(&Service::new("web"), &tally(&["x"]), &tally(&["y"]), day(2));
                prop_assert_eq!(State::parse(&state.format()), Some(state));
            }
        }
    }
}
