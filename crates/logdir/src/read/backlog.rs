//! The part of a directory that a reader with a saved position has not delivered: how much it is, how
//! old, and how long retention keeps it.
//!
//! Cost: one listing, the directory's vitals, and the first `LINES_MAX` undelivered lines,
//! regardless of how much is undelivered. Archives compressed since are decoded up to the position.

use crate::failure::Failure;
use crate::read::chain::Chain;
use crate::read::cursor::Position;
use crate::read::decode::{Storage, storage};
use crate::read::find::Location;
use crate::read::follow::{begins_any, find_file};
use crate::read::limits;
use crate::read::list::Role;
use crate::read::reported;
use crate::read::snapshot::{ListedFile, Snapshot};
use crate::read::stamp::{Moment, StampParser};
use crate::read::vitals::{self, secs_between};
use crate::read::writer;
use crate::read::{label_counting, range};
use crate::writer_state::Limits;
use std::path::Path;

/// Lines counted. More lines are estimated by the length of these.
const LINES_MAX: u64 = 1000;
const SECS_PER_MINUTE: f64 = 60.0;
/// multilog ends a file at a line end up to this many bytes before its size.
const EARLY_LEN: u64 = 2000;

/// Undelivered part of a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backlog {
    /// Complete lines.
    pub lines: u64,
    /// True if `lines` is an estimate.
    pub is_estimate: bool,
    /// Bytes as stored on disk, an unfinished last line included.
    pub len: u64,
    /// Moment of the first line that has a stamp.
    pub oldest: Option<Moment>,
    /// Seconds until retention removes the first line, at the pace of the last minute. `None` if
    /// nothing is undelivered, if the logger's limits are unknown, or if it writes nothing.
    pub kept_secs: Option<f64>,
    /// True if retention removed lines after the position.
    pub is_overtaken: bool,
}

/// Measures the lines of a log after a delivered position. `cursor` is the reader's cursor file, for which
/// the logger may hold archives.
pub fn backlog(
    place: &Location,
    position: &Position,
    cursor: &Path,
    now: Moment,
) -> Result<Backlog, Failure> {
    let snapshot = Snapshot::of_place(place)?;
    let counting = label_counting::detect(&snapshot);
    let mut stamps = counting.map_or_else(StampParser::assumed, StampParser::new);
    let first = FirstUndelivered::find(&snapshot, position, &mut stamps);
    let lens: Vec<u64> = snapshot.files.iter().map(|link| link.file.len).collect();
    let len = lens[first.number..].iter().sum::<u64>().saturating_sub(first.offset_on_disk);
    if len == 0 {
        return Ok(Backlog::default());
    }
    let counted = Counted::of(&snapshot, &first, &stamps);
    let (kept_secs, is_overtaken) = match place {
        Location::Directory(_) => {
            (kept_secs(&snapshot, first.number, cursor, &mut stamps, now)?, first.is_overtaken)
        }
        // Another program renames it, and its follower finds it again.
        Location::File(_) => (None, false),
    };
    Ok(Backlog {
        lines: counted.all(len),
        is_estimate: !counted.is_all,
        len,
        oldest: counted.oldest,
        kept_secs,
        is_overtaken,
    })
}

/// Where the undelivered lines begin.
struct FirstUndelivered {
    /// Index of the file.
    number: usize,
    /// Decoded offset in that file.
    offset: u64,
    /// Bytes before it on disk; 0 if the file is compressed.
    offset_on_disk: u64,
    is_overtaken: bool,
}

impl FirstUndelivered {
    fn find(
        snapshot: &Snapshot,
        position: &Position,
        stamps: &mut StampParser,
    ) -> FirstUndelivered {
        let files = &snapshot.files;
        let found = position
            .file
            .as_ref()
            .and_then(|file| Some((find_file(&snapshot.directory, files, file)?, file.offset)));
        let (mut number, mut offset, is_overtaken) = match found {
            Some((number, offset)) => (number, offset, false),
            None => after_last_line(snapshot, position, stamps),
        };
        // A file read to its end has nothing undelivered.
        let is_read = |link: &ListedFile, offset| offset > 0 && offset >= link.file.len;
        while files
            .get(number)
            .is_some_and(|link| is_read(link, offset) && is_plain(snapshot, link))
        {
            (number, offset) = (number + 1, 0);
        }
        let begins_within =
            offset > 0 && files.get(number).is_some_and(|link| is_plain(snapshot, link));
        let offset_on_disk = if begins_within { offset } else { 0 };
        FirstUndelivered { number, offset, offset_on_disk, is_overtaken }
    }
}

fn is_plain(snapshot: &Snapshot, link: &ListedFile) -> bool {
    let handle = link.open(&snapshot.directory).ok().flatten();
    handle.is_some_and(|handle| storage(&handle).is_ok_and(|kind| kind == Storage::Plain))
}

/// Where lines after the last delivered line begin if its file was removed, or compressed before it
/// had a label: number, offset, and if lines in between are gone.
fn after_last_line(
    snapshot: &Snapshot,
    position: &Position,
    stamps: &mut StampParser,
) -> (usize, u64, bool) {
    let files = &snapshot.files;
    let Some(moment) = position.last_line.moment else {
        let first = position.file.as_ref();
        return (0, 0, first.is_some_and(|first| !begins_any(first, files, &snapshot.directory)));
    };
    let is_later =
        |link: &ListedFile| link.file.label().is_none_or(|label| stamps.moment_of(label) >= moment);
    let number = files.iter().position(is_later).unwrap_or(files.len());
    let oldest =
        files.first().and_then(|link| range::first_moment(&snapshot.directory, link, stamps));
    (number, 0, number == 0 && oldest.is_some_and(|oldest| oldest > moment))
}

/// The first undelivered lines.
#[derive(Default)]
struct Counted {
    count: u64,
    len: u64,
    oldest: Option<Moment>,
    is_all: bool,
}

impl Counted {
    fn of(snapshot: &Snapshot, first: &FirstUndelivered, stamps: &StampParser) -> Counted {
        let mut chain = Chain::new(snapshot.directory.clone(), stamps.clone());
        let mut offset = first.offset;
        for link in &snapshot.files[first.number..] {
            chain.push(link.clone(), std::mem::take(&mut offset));
        }
        let mut counted = Counted::default();
        while counted.count < LINES_MAX {
            if !chain.advance() {
                counted.is_all = true;
                break;
            }
            counted.count += 1;
            counted.len += chain.line().bytes.len() as u64 + 1;
            counted.oldest = counted.oldest.or(chain.stamp().map(|stamp| stamp.moment));
        }
        counted
    }

    /// Lines in `len` bytes.
    fn all(&self, len: u64) -> u64 {
        if self.is_all {
            return self.count;
        }
        let estimate = len as f64 * self.count as f64 / self.len.max(1) as f64;
        (estimate.round() as u64).max(self.count)
    }
}

fn kept_secs(
    snapshot: &Snapshot,
    first: usize,
    cursor: &Path,
    stamps: &mut StampParser,
    now: Moment,
) -> Result<Option<f64>, Failure> {
    let writer = Some(writer::writer(&snapshot.directory)?);
    let reported = reported::reported(&snapshot.directory, writer);
    let Some(limits) = limits::limits(&snapshot.directory, writer, &reported) else {
        return Ok(None);
    };
    let files: Vec<FileSize> = snapshot.files.iter().map(FileSize::of).collect();
    let named = snapshot.files[first].file.label().map(|label| stamps.moment_of(label));
    let age_secs = named.map_or(0.0, |named| secs_between(named, now).max(0.0));
    let vitals = vitals::vitals(snapshot, stamps, Some(limits), now);
    let len = files.iter().map(|file| file.len).sum();
    let age_of_all = vitals.oldest.map(|oldest| secs_between(oldest, now));
    let pace = bytes_per_sec(len, age_of_all, vitals.pace.map(|pace| pace.bytes));
    let by_limits = Room::of(limits, &files, first, age_secs).secs(pace);
    let held_for = reported.state.and_then(|state| state.held_for);
    let Some(held) = held_for.filter(|held| is_same_file(Path::new(&held.cursor), cursor)) else {
        return Ok(by_limits);
    };
    let archives = snapshot.files.iter().filter(|link| link.file.label().is_some());
    let archives_len: u64 = archives.map(|link| link.file.len).sum();
    Ok(with_hold(by_limits, held.len_max.saturating_sub(archives_len), pace))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    canonical(one) == canonical(other)
}

/// Seconds until a file is removed that is held while `room_len` bytes may still be written. The limits
/// and the hold must both be exceeded.
fn with_hold(by_limits: Option<f64>, room_len: u64, pace: Option<f64>) -> Option<f64> {
    let by_hold = Room { len: Some(room_len), secs: None }.secs(pace);
    by_limits.zip(by_hold).map(|(by_limits, by_hold)| by_limits.max(by_hold))
}

/// Pace of a directory whose `len` bytes are this old, and that has these bytes of the last minute. If
/// retention keeps lines for less than a minute, the rest of the minute is gone.
fn bytes_per_sec(len: u64, age_secs: Option<f64>, of_minute: Option<f64>) -> Option<f64> {
    match age_secs {
        Some(age) if age < SECS_PER_MINUTE => Some(len as f64 / age.max(1.0)),
        Some(_) | None => of_minute.map(|bytes| bytes / SECS_PER_MINUTE),
    }
}

/// Size of a file, in writing order.
#[derive(Clone, Copy, Debug)]
struct FileSize {
    len: u64,
    is_current: bool,
}

impl FileSize {
    fn of(link: &ListedFile) -> FileSize {
        FileSize { len: link.file.len, is_current: link.file.role == Role::Current }
    }
}

/// What must happen before retention removes a file: bytes written, or seconds passed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Room {
    len: Option<u64>,
    secs: Option<f64>,
}

impl Room {
    /// Room of file `first`, which got its label `age_secs` ago.
    fn of(limits: Limits, files: &[FileSize], first: usize, age_secs: f64) -> Room {
        let current_len = files.last().filter(|file| file.is_current).map_or(0, |file| file.len);
        let later_count = (files.len() - first).saturating_sub(1) as u64;
        let by_number = limits.number.zip(limits.size).map(|(number, size)| {
            // The rotation that removes the file is the last of these.
            let len = size.saturating_sub(EARLY_LEN).max(size / 2);
            number.saturating_sub(later_count).saturating_mul(len).saturating_sub(current_len)
        });
        let held: u64 = files[first..].iter().map(|file| file.len).sum();
        let by_total = limits.total.map(|total| total.saturating_sub(held));
        Room {
            len: by_number.into_iter().chain(by_total).min(),
            secs: limits.age.map(|age| (age.as_secs_f64() - age_secs).max(0.0)),
        }
    }

    /// Seconds until the file is removed, at a pace of bytes per second.
    fn secs(self, pace: Option<f64>) -> Option<f64> {
        let pace = pace.filter(|&pace| pace > 0.0);
        let by_len = self.len.zip(pace).map(|(len, pace)| len as f64 / pace);
        [by_len, self.secs].into_iter().flatten().reduce(f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The last file is `current`.
    fn files(lens: &[u64]) -> Vec<FileSize> {
        let file = |(number, &len)| FileSize { len, is_current: number + 1 == lens.len() };
        lens.iter().enumerate().map(file).collect()
    }

    #[test]
    fn the_limit_that_is_met_first_decides() {
        let by_number = Limits { size: Some(4000), number: Some(3), ..Limits::default() };
        let by_total = Limits { total: Some(5000), ..Limits::default() };
        let check = |limits, lens: &[u64], first, expected| {
            let room = Room::of(limits, &files(lens), first, 0.0);
            assert_eq!(room, Room { len: expected, secs: None }, "{lens:?} {first}");
        };
        check(by_number, &[2000, 2000, 800], 0, Some(1200));
        check(by_number, &[2000, 2000, 800], 1, Some(3200));
        check(by_number, &[2000, 2000, 800], 2, Some(5200));
        check(by_number, &[800], 0, Some(5200));
        check(by_number, &[2000, 2000, 2000, 2000, 800], 0, Some(0));
        let large = Limits { size: Some(1_000_000), ..by_number };
        check(large, &[998_000, 800], 0, Some(2 * 998_000 - 800));
        check(by_total, &[2000, 2000, 800], 0, Some(200));
        check(by_total, &[2000, 2000, 800], 1, Some(2200));
        check(by_total, &[2000, 2000, 2000, 800], 0, Some(0));
        let both = Limits { total: Some(20_000), ..by_number };
        check(both, &[2000, 2000, 800], 0, Some(1200));
        check(Limits { number: Some(3), ..Limits::default() }, &[2000, 800], 0, None);
    }

    #[test]
    fn room_lasts_as_long_as_the_pace_and_the_age_allow() {
        let room = |age_secs| {
            let age = Some(Duration::from_secs(90));
            let limits = Limits { size: Some(4000), number: Some(2), age, ..Limits::default() };
            Room::of(limits, &files(&[2000, 800]), 0, age_secs)
        };
        assert_eq!(room(0.0).secs(Some(40.0)), Some(30.0));
        assert_eq!(room(70.0).secs(Some(40.0)), Some(20.0));
        assert_eq!(room(99.0).secs(None), Some(0.0));
        assert_eq!(Room { len: Some(9), secs: None }.secs(Some(0.0)), None);
    }

    #[test]
    fn a_hold_keeps_what_the_limits_do_not() {
        assert_eq!(with_hold(Some(0.0), 1000, Some(10.0)), Some(100.0));
        assert_eq!(with_hold(Some(200.0), 1000, Some(10.0)), Some(200.0));
        assert_eq!(with_hold(Some(0.0), 0, Some(10.0)), Some(0.0));
        assert_eq!(with_hold(Some(0.0), 1000, None), None, "nothing is written");
        assert_eq!(with_hold(None, 1000, Some(10.0)), None);
    }

    #[test]
    fn a_directory_that_keeps_less_than_a_minute_is_as_fast_as_what_it_keeps() {
        for (age, of_minute, expected) in [
            (Some(20.0), Some(4000.0), Some(200.0)),
            (Some(0.1), None, Some(4000.0)),
            (Some(60.0), Some(4000.0), Some(4000.0 / 60.0)),
            (None, Some(600.0), Some(10.0)),
            (None, None, None),
        ] {
            assert_eq!(bytes_per_sec(4000, age, of_minute), expected, "{age:?} {of_minute:?}");
        }
    }

    #[test]
    fn lines_beyond_the_counted_ones_are_as_long_as_these() {
        let counted = Counted { count: 1000, len: 100_000, oldest: None, is_all: false };
        assert_eq!(counted.all(1_000_050), 10_001);
        assert_eq!(Counted { is_all: true, ..counted }.all(1_000_050), 1000);
    }
}
