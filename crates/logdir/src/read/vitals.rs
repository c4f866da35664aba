//! Reports a directory's vitals: stamp convention, age and pace of its lines, from its first and
//! last bytes only.
//!
//! Cost: one listing, the head of the oldest file and [`TAIL_LEN`] bytes of the newest files,
//! regardless of directory size.

use crate::label::Counting;
use crate::read::decode::{Storage, storage};
use crate::read::list::Role;
use crate::read::range::{self, Since};
use crate::read::snapshot::{ListedFile, Snapshot};
use crate::read::stamp::{Moment, StampParser};
use crate::writer_state::Limits;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Newest bytes read to measure the pace.
pub const TAIL_LEN: u64 = 64 * 1024;
/// Files searched for the newest lines, since files may be empty.
pub const TAIL_FILES_MAX: usize = 32;
/// Period of the pace before now.
const MINUTE_SECS: i64 = 60;
/// Minimum time span of a burst, so that no pace is infinite.
const SPAN_SECS_MIN: f64 = 0.001;

/// Timestamp convention of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// TAI64N labels and their counting.
    Labels(Counting),
    /// Dates of svlogd, s6-log and multilog.
    Dates,
    /// Seconds since 1970 (daemontools-encore).
    Seconds,
    /// No timestamps.
    Unstamped,
}

/// Pace of lines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Lines per minute.
    pub lines: f64,
    /// Bytes per minute.
    pub bytes: f64,
    /// True if extrapolated from less than a minute, because more than [`TAIL_LEN`] bytes arrived
    /// within a minute.
    pub is_estimate: bool,
}

/// Vitals of a directory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vitals {
    /// Timestamp convention.
    pub convention: Convention,
    /// Moment of the oldest line.
    pub oldest: Option<Moment>,
    /// Moment of the newest line; time of the last write if lines have no stamps.
    pub newest: Option<Moment>,
    /// Pace in the last minute, if lines have stamps.
    pub pace: Option<Pace>,
    /// Retention in seconds under the running logger's limits, if lines keep their average pace
    /// since the oldest line. `None` if no limits are known.
    pub kept_secs: Option<f64>,
}

/// Measures a directory whose logger has these retention limits.
pub fn vitals(
    snapshot: &Snapshot,
    stamps: &mut StampParser,
    limits: Option<Limits>,
    now: Moment,
) -> Vitals {
    let tail = Tail::read(snapshot);
    let directory = &snapshot.directory;
    // Retention may remove the oldest file meanwhile.
    let oldest = snapshot.files.iter().take(TAIL_FILES_MAX).filter(|link| link.file.len > 0);
    let newest = snapshot.files.iter().rev().find(|link| link.file.len > 0);
    let seen = Seen::of(&tail, stamps, now);
    let pace = seen.last.map(|_| match seen.covers_minute(tail.is_all, now) {
        true => seen.pace(),
        false => {
            let since = range::bytes_since(snapshot, stamps, minute_before(now), TAIL_FILES_MAX);
            seen.pace_by_bytes(since, now)
        }
    });
    let written = newest.map(|link| link.file.modified);
    let oldest = oldest.take(2).find_map(|link| range::first_moment(directory, link, stamps));
    let age_secs = oldest.map(|oldest| secs_between(oldest, now)).filter(|&secs| secs > 0.0);
    Vitals {
        convention: seen.convention,
        oldest,
        newest: seen.last.or(written.map(|(unix_secs, nanos)| Moment { unix_secs, nanos })),
        pace,
        kept_secs: limits
            .zip(age_secs)
            .and_then(|(limits, age_secs)| kept_secs(snapshot, limits, age_secs)),
    }
}

/// Newest bytes of a directory.
struct Tail {
    /// Complete lines, except perhaps the last.
    bytes: Vec<u8>,
    /// True if the directory contains no older lines.
    is_all: bool,
}

impl Tail {
    fn read(snapshot: &Snapshot) -> Tail {
        let mut blocks = Vec::new();
        let mut left = TAIL_LEN;
        let mut is_all = true;
        for (count, link) in snapshot.files.iter().rev().enumerate() {
            let block = if count < TAIL_FILES_MAX { read_end(snapshot, link, left) } else { None };
            let Some((block, is_whole)) = block else {
                is_all = false;
                break;
            };
            left -= block.len() as u64;
            blocks.push(block);
            if !is_whole {
                is_all = false;
                break;
            }
        }
        blocks.reverse();
        let mut bytes = blocks.concat();
        if !is_all {
            let begin = memchr::memchr(b'\n', &bytes).map_or(0, |pos| pos + 1);
            bytes.drain(..begin);
        }
        Tail { bytes, is_all }
    }
}

/// Reads at most `len_max` bytes from the end of a file; true if they are the whole file. `None`
/// for a compressed or unreadable file.
fn read_end(snapshot: &Snapshot, link: &ListedFile, len_max: u64) -> Option<(Vec<u8>, bool)> {
    if link.file.len == 0 && link.file.role != Role::Current {
        return Some((Vec::new(), true));
    }
    let handle = link.open(&snapshot.directory).ok().flatten()?;
    if storage(&handle).ok()? != Storage::Plain {
        return None;
    }
    // The file may have grown since the listing.
    let len = handle.metadata().ok()?.len();
    let start = len.saturating_sub(len_max);
    let block = read_from(&handle, start, usize::try_from(len - start).ok()?)?;
    Some((block, start == 0))
}

fn read_from(file: &File, start: u64, len: usize) -> Option<Vec<u8>> {
    let mut block = vec![0; len];
    file.read_exact_at(&mut block, start).ok()?;
    Some(block)
}

/// Stamps and counts of a tail.
struct Seen {
    convention: Convention,
    first: Option<Moment>,
    last: Option<Moment>,
    /// Lines and bytes of the last minute, and of the whole tail.
    in_minute: (u64, u64),
    in_all: (u64, u64),
}

impl Seen {
    fn of(tail: &Tail, stamps: &mut StampParser, now: Moment) -> Seen {
        let mut seen = Seen {
            convention: Convention::Unstamped,
            first: None,
            last: None,
            in_minute: (0, 0),
            in_all: (0, 0),
        };
        let minute_ago = minute_before(now);
        for line in tail.bytes.split_inclusive(|&byte| byte == b'\n') {
            if let Some(stamp) = stamps.parse(line.strip_suffix(b"\n").unwrap_or(line)) {
                seen.convention = convention(&line[..stamp.len], stamps.counting());
                seen.first = seen.first.or(Some(stamp.moment));
                seen.last = Some(stamp.moment);
            }
            // An unstamped line belongs to the preceding line.
            let Some(moment) = seen.last else { continue };
            add(&mut seen.in_all, line);
            if moment > minute_ago {
                add(&mut seen.in_minute, line);
            }
        }
        seen
    }

    /// True if no line of the last minute is before the tail.
    fn covers_minute(&self, is_all: bool, now: Moment) -> bool {
        is_all || self.first.is_none_or(|first| first <= minute_before(now))
    }

    /// Pace if the tail has every line of the last minute.
    fn pace(&self) -> Pace {
        let (lines, bytes) = self.in_minute;
        Pace { lines: lines as f64, bytes: bytes as f64, is_estimate: false }
    }

    /// Pace if the last minute has more lines than the tail, by their bytes and the average length of a line
    /// in the tail. Bytes known of less than a minute stand for all of it.
    fn pace_by_bytes(&self, since: Option<Since>, now: Moment) -> Pace {
        let (lines, bytes) = self.in_all;
        let from = since.map(|since| since.from).or(self.first).unwrap_or(now);
        let counted = since.map_or(bytes, |since| since.bytes.max(bytes)) as f64;
        let span_secs = secs_between(from, now).max(SPAN_SECS_MIN);
        let factor = match since {
            Some(since) if since.from <= minute_before(now) => 1.0,
            Some(_) | None => MINUTE_SECS as f64 / span_secs,
        };
        let bytes_a_line = bytes as f64 / (lines.max(1)) as f64;
        let bytes = counted * factor;
        Pace { lines: (bytes / bytes_a_line.max(1.0)).round(), bytes, is_estimate: true }
    }
}

fn add((lines, bytes): &mut (u64, u64), line: &[u8]) {
    *lines += 1;
    *bytes += line.len() as u64;
}

fn minute_before(now: Moment) -> Moment {
    Moment { unix_secs: now.unix_secs.saturating_sub(MINUTE_SECS), ..now }
}

/// Seconds between two moments.
pub fn secs_between(from: Moment, to: Moment) -> f64 {
    let secs = to.unix_secs.saturating_sub(from.unix_secs) as f64;
    secs + (f64::from(to.nanos) - f64::from(from.nanos)) / 1e9
}

fn convention(stamp: &[u8], counting: Counting) -> Convention {
    match stamp {
        [b'@', ..] => Convention::Labels(counting),
        stamp if stamp.get(10) == Some(&b'.') => Convention::Seconds,
        _ => Convention::Dates,
    }
}

/// Shortest retention among all limits, extrapolated from the oldest line's age.
fn kept_secs(snapshot: &Snapshot, limits: Limits, age_secs: f64) -> Option<f64> {
    let files = || snapshot.files.iter().map(|link| &link.file);
    let archives = || files().filter(|file| file.label().is_some());
    let secs_for = |share: f64| (share > 0.0).then_some(share * age_secs);
    let bytes: u64 = files().map(|file| file.len).sum();
    // The size limit applies before compression.
    let by_number = match (limits.size, limits.number) {
        (Some(size), Some(number)) if is_plain(snapshot) => {
            secs_for(size as f64 * number as f64 / bytes as f64)
        }
        (_, Some(number)) => {
            let count = archives().count();
            (count > 0).then(|| number as f64 / count as f64 * age_secs)
        }
        (_, None) => None,
    };
    let archived: u64 = archives().map(|file| file.len).sum();
    let by_total = limits
        .total
        .filter(|_| archived > 0)
        .map(|total| total as f64 / archived as f64 * age_secs);
    let by_age = limits.age.map(|age| age.as_secs_f64());
    let all = [by_number, by_total, by_age].into_iter().flatten();
    all.filter(|secs| secs.is_finite()).reduce(f64::min)
}

/// True unless the newest archive is compressed.
fn is_plain(snapshot: &Snapshot) -> bool {
    let newest = snapshot.files.iter().rev().find(|link| link.file.label().is_some());
    let handle = newest.and_then(|link| link.open(&snapshot.directory).ok().flatten());
    handle.is_none_or(|handle| storage(&handle).is_ok_and(|kind| kind == Storage::Plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment { unix_secs: 1_700_000_000, nanos: 0 };

    fn seen(lines: &str) -> Seen {
        let tail = Tail { bytes: lines.as_bytes().to_vec(), is_all: false };
        Seen::of(&tail, &mut StampParser::new(Counting::Ten), NOW)
    }

    /// Lines of these ages.
    fn lines(ages: impl IntoIterator<Item = i64>) -> String {
        let line = |age| format!("{:010}.000000 a\n", NOW.unix_secs - age);
        ages.into_iter().map(line).collect()
    }

    #[track_caller]
    fn check(text: &str, is_all: bool, expected: Option<f64>) {
        let seen = seen(text);
        let pace = seen.covers_minute(is_all, NOW).then(|| seen.pace());
        assert_eq!(pace.map(|pace| pace.lines), expected);
        assert!(pace.is_none_or(|pace| !pace.is_estimate));
    }

    #[test]
    fn a_tail_that_covers_the_minute_is_counted() {
        check(&lines([90, 61, 60, 59, 1]), false, Some(2.0));
        check(&(lines([90, 59]) + "more\n"), false, Some(2.0));
        check(&lines([30, 20, 10]), true, Some(3.0));
        check(&lines([30, 20, 10]), false, None);
        check(&lines([7200, 7199]), false, Some(0.0));
    }

    #[test]
    fn bytes_before_the_tail_count_as_lines_of_its_length() {
        let seen = seen(&lines([30, 20, 10]));
        let line_len = lines([1]).len() as u64;
        let check = |from: Moment, expected: f64| {
            let pace = seen.pace_by_bytes(Some(Since { bytes: 1000 * line_len, from }), NOW);
            assert_eq!((pace.lines, pace.is_estimate), (expected, true));
        };
        check(minute_before(NOW), 1000.0);
        check(Moment { unix_secs: NOW.unix_secs - 30, nanos: 0 }, 2000.0);
        assert_eq!(seen.pace_by_bytes(None, NOW).lines, 6.0);
    }

    #[test]
    fn the_last_stamp_tells_the_convention() {
        assert_eq!(seen("no stamp\n").convention, Convention::Unstamped);
        assert_eq!(seen(&lines([1])).convention, Convention::Seconds);
        assert_eq!(seen("2023-11-14_22:13:20.12345 a\n").convention, Convention::Dates);
        let label = "@400000006553f10a00000001 a\nmore\n";
        assert_eq!(seen(label).convention, Convention::Labels(Counting::Ten));
    }
}
