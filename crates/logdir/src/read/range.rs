//! The part of a directory between two moments, found without reading the rest.
//!
//! Which files may hold lines of it is told by their names and first lines, where in a file by
//! bisection. Files that contradict themselves, because the clock was set back, are read from the
//! beginning.

use crate::read::decode::{self, Storage, storage};
use crate::read::list::Directory;
use crate::read::snapshot::{ListedFile, Snapshot};
use crate::read::stamp::{Moment, STAMP_LEN_MAX, Stamp, StampParser};
use crate::time::{Moments, Zone};
use memchr::{memchr, memrchr};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A file may be named and written so much earlier than the last line in it says, in seconds.
const SLACK_SECS: i64 = 2;
/// Bytes in which the first stamp of a file is looked for; more where a line of another file ends there.
const HEAD_LENS: [usize; 2] = [512, 16 * 1024];
/// Bytes looked at by one step of the bisection, and in the end of a file.
const PROBE_LEN: usize = 4 * 1024;
/// Bisection ends where so few bytes are left, and reading begins so many bytes earlier still, and ends
/// so many later: lines that are a little out of order are not missed.
pub const MARGIN_LEN: u64 = 64 * 1024;

/// Moments from `since` on and before `until`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first moment, or the first there is.
    pub since: Option<Moment>,
    /// The first moment beyond, or none.
    pub until: Option<Moment>,
}

/// Where to read for a range.
#[derive(Debug, Default)]
pub struct Plan {
    /// The files that may hold lines of it.
    pub parts: Vec<Part>,
    /// Whether lines have no stamps, so that only whole files could be chosen.
    pub is_unstamped: bool,
    /// The first moment that the directory knows of, if that is behind the start of the range.
    pub begins_at: Option<Moment>,
}

/// A file that may hold lines of a range.
#[derive(Debug)]
pub struct Part {
    /// The file.
    pub link: ListedFile,
    /// Where to begin; not always at the start of a line.
    pub offset: u64,
    /// Whether it has been shown to be in order as far as that was looked at.
    pub is_ordered: bool,
}

impl Range {
    /// True for the range of all lines.
    pub fn is_all(&self) -> bool {
        *self == Range::default()
    }

    /// True for a moment of the range.
    pub fn holds(&self, moment: Moment) -> bool {
        self.since.is_none_or(|since| moment >= since) && !self.is_before(moment)
    }

    /// Whether a line is in it that belongs to a moment, or to none that is known.
    pub fn holds_line(&self, moment: Option<Moment>) -> bool {
        moment.is_none_or(|moment| self.holds(moment))
    }

    /// Whether it ends before a moment.
    pub fn is_before(&self, moment: Moment) -> bool {
        self.until.is_some_and(|until| moment >= until)
    }

    /// The range with all of the hours in it that the local clock shows twice, if it begins or ends in them:
    /// only the order of their lines tells which of two moments a line is of.
    fn with_repeated_hours(self) -> Range {
        let before = |moment| around_repeated(moment).map_or(moment, |(before, _)| before);
        let after = |moment| around_repeated(moment).map_or(moment, |(_, after)| after);
        Range { since: self.since.map(before), until: self.until.map(after) }
    }

    /// Whether anything from `first` to `last` may be in it.
    fn touches(&self, first: Option<Moment>, last: Option<Moment>) -> bool {
        let begins_in_time = first.is_none_or(|first| !self.is_before(first));
        let lasts = |since| last.is_none_or(|last| last >= since);
        begins_in_time && self.since.is_none_or(lasts)
    }
}

/// Says where to read for a range. What cannot be read is left to whoever reads it.
pub fn plan(snapshot: &Snapshot, stamps: &mut StampParser, range: Range) -> Plan {
    if range.is_all() {
        let part = |link: &ListedFile| Part { link: link.clone(), offset: 0, is_ordered: false };
        return Plan { parts: snapshot.files.iter().map(part).collect(), ..Plan::default() };
    }
    let directory = &snapshot.directory;
    let firsts: Vec<Option<Stamp>> =
        snapshot.files.iter().map(|link| first_stamp(directory, link, stamps)).collect();
    if firsts.iter().all(Option::is_none) {
        return plan_unstamped(snapshot, range);
    }
    let oldest = firsts.iter().flatten().next().map(|stamp| stamp.moment);
    let begins_at = oldest.filter(|&oldest| range.since.is_some_and(|since| since < oldest));
    let has_local_dates = firsts.iter().flatten().any(|stamp| stamp.is_local_date());
    let range = if has_local_dates { range.with_repeated_hours() } else { range };
    let mut parts = Vec::new();
    let mut is_before_in_range = false;
    for (link, first) in snapshot.files.iter().zip(&firsts) {
        let first = first.map(|stamp| stamp.moment);
        let part = plan_file(directory, link, first, stamps, range)
            .or_else(|| is_before_in_range.then(|| rest_of_before(directory, link, stamps))?);
        is_before_in_range = part.is_some();
        parts.extend(part);
    }
    Plan { parts, is_unstamped: false, begins_at }
}

/// If the local date of a moment is that of two moments, some moment before the first of all such dates, and
/// some moment after the last.
fn around_repeated(moment: Moment) -> Option<(Moment, Moment)> {
    let date = Zone::Local.at(moment.unix_secs)?.civil();
    let Moments::Twice { earlier, later } = Zone::Local.moments(date)? else { return None };
    let at = |unix_secs| Moment { unix_secs, nanos: 0 };
    Some((at(earlier - (later - earlier)), at(later + (later - earlier))))
}

/// Whole files, by when they were written.
fn plan_unstamped(snapshot: &Snapshot, range: Range) -> Plan {
    let mut parts = Vec::new();
    let mut first = None;
    for link in &snapshot.files {
        let last = modified(link);
        if range.touches(first, Some(last)) {
            parts.push(Part { link: link.clone(), offset: 0, is_ordered: false });
        }
        first = Some(last);
    }
    Plan { parts, is_unstamped: true, begins_at: None }
}

fn modified(link: &ListedFile) -> Moment {
    let (unix_secs, nanos) = link.file.modified;
    Moment { unix_secs, nanos }
}

/// None where the file can hold nothing of the range.
fn plan_file(
    directory: &Directory,
    link: &ListedFile,
    first: Option<Moment>,
    stamps: &mut StampParser,
    range: Range,
) -> Option<Part> {
    let whole = Part { link: link.clone(), offset: 0, is_ordered: false };
    let Some(first) = first else { return Some(whole) };
    let named = link.file.label().map(|label| late(stamps.moment_of(label)));
    let is_contradictory = named.is_some_and(|named| named < first) || late(modified(link)) < first;
    if is_contradictory {
        return Some(whole);
    }
    if !range.touches(Some(first), named) {
        return None;
    }
    let Ok(Some(handle)) = link.open(directory) else { return Some(whole) };
    // The same file, also if it is renamed before it is read.
    let link = ListedFile { file: link.file.clone(), handle: Some(handle.clone()) };
    match plan_inside(&handle, first, stamps, range) {
        Ok(Inside::Nothing) => None,
        Ok(Inside::From(offset)) => Some(Part { link, offset, is_ordered: true }),
        Ok(Inside::Anywhere) | Err(_) => Some(Part { link, offset: 0, is_ordered: false }),
    }
}

/// A file beyond the range that begins with lines without stamps: they belong to the last line of the file
/// before it.
fn rest_of_before(
    directory: &Directory,
    link: &ListedFile,
    stamps: &mut StampParser,
) -> Option<Part> {
    let handle = link.open(directory).ok().flatten()?;
    let head = decode::head(&handle, STAMP_LEN_MAX).ok()?;
    stamps.parse(&head).is_none().then(|| Part { link: link.clone(), offset: 0, is_ordered: true })
}

fn late(moment: Moment) -> Moment {
    Moment { unix_secs: moment.unix_secs.saturating_add(SLACK_SECS), ..moment }
}

enum Inside {
    Nothing,
    From(u64),
    Anywhere,
}

fn plan_inside(
    file: &File,
    first: Moment,
    stamps: &mut StampParser,
    range: Range,
) -> io::Result<Inside> {
    if storage(file)? != Storage::Plain {
        return Ok(Inside::Anywhere);
    }
    let len = file.metadata()?.len();
    let last = last_moment(file, len, stamps)?;
    if last.is_some_and(|last| last < first) {
        return Ok(Inside::Anywhere);
    }
    if !range.touches(Some(first), last) {
        return Ok(Inside::Nothing);
    }
    let Some(since) = range.since else { return Ok(Inside::From(0)) };
    let offset = bisect(file, len, stamps, since)?;
    Ok(Inside::From(offset.saturating_sub(MARGIN_LEN)))
}

/// Somewhere before the first line that is not before `since`, and at most [`MARGIN_LEN`] before it.
fn bisect(file: &File, len: u64, stamps: &mut StampParser, since: Moment) -> io::Result<u64> {
    let (mut before, mut beyond) = (0, len);
    while beyond - before > MARGIN_LEN {
        let middle = before + (beyond - before) / 2;
        match moment_after(file, middle, beyond, stamps)? {
            Some((pos, moment)) if moment < since => before = pos,
            Some(_) | None => beyond = middle,
        }
    }
    Ok(before)
}

/// The first stamped line that starts behind `pos` and before `end`.
fn moment_after(
    file: &File,
    pos: u64,
    end: u64,
    stamps: &mut StampParser,
) -> io::Result<Option<(u64, Moment)>> {
    let mut pos = pos;
    while pos < end {
        let block = read_at(file, pos, PROBE_LEN)?;
        if let Some((line_pos, stamp)) = first_stamped(&block, 0, stamps) {
            return Ok(Some((pos + line_pos as u64, stamp.moment)));
        }
        // A stamp that the block cut is in the next one.
        let step = block.len().saturating_sub(STAMP_LEN_MAX);
        if step == 0 {
            break;
        }
        pos += step as u64;
    }
    Ok(None)
}

/// The first stamp behind a newline that is behind `pos`, and where its line starts.
fn first_stamped(block: &[u8], pos: usize, stamps: &mut StampParser) -> Option<(usize, Stamp)> {
    let mut pos = pos;
    while let Some(len) = memchr(b'\n', &block[pos..]) {
        pos += len + 1;
        if let Some(stamp) = stamps.parse(first_bytes(&block[pos..])) {
            return Some((pos, stamp));
        }
    }
    None
}

fn first_bytes(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(STAMP_LEN_MAX)]
}

/// The first moment in a file, where it has one near its beginning.
pub fn first_moment(
    directory: &Directory,
    link: &ListedFile,
    stamps: &mut StampParser,
) -> Option<Moment> {
    first_stamp(directory, link, stamps).map(|stamp| stamp.moment)
}

fn first_stamp(
    directory: &Directory,
    link: &ListedFile,
    stamps: &mut StampParser,
) -> Option<Stamp> {
    let handle = link.open(directory).ok().flatten()?;
    HEAD_LENS.iter().find_map(|&len| {
        let head = decode::head(&handle, len).ok()?;
        stamps
            .parse(first_bytes(&head))
            .or_else(|| first_stamped(&head, 0, stamps).map(|(_, stamp)| stamp))
    })
}

/// The last moment in a file, if there is one near its end. A stamp that the file ends within is of a moment
/// that only the next file tells.
fn last_moment(file: &File, len: u64, stamps: &mut StampParser) -> io::Result<Option<Moment>> {
    let tail = read_at(file, len.saturating_sub(PROBE_LEN as u64), PROBE_LEN)?;
    let cut = &tail[memrchr(b'\n', &tail).map_or(0, |pos| pos + 1)..];
    let may_be_cut_stamp =
        !cut.is_empty() && cut.len() < STAMP_LEN_MAX && stamps.parse(cut).is_none();
    Ok(match may_be_cut_stamp {
        true => None,
        false => last_stamped(&tail, stamps).map(|(_, stamp)| stamp.latest()),
    })
}

/// The last stamp in a file, if there is one in this many bytes at its end, and the offset of its line.
pub fn last_stamp_within(
    file: &File,
    tail_len: usize,
    stamps: &mut StampParser,
) -> io::Result<Option<(u64, Stamp)>> {
    let len = file.metadata()?.len();
    let mut tail_len_now = PROBE_LEN;
    loop {
        let start = len.saturating_sub(tail_len_now as u64);
        let tail = read_at(file, start, tail_len_now)?;
        if let Some((pos, stamp)) = last_stamped(&tail, stamps) {
            return Ok(Some((start + pos as u64, stamp)));
        }
        if tail_len_now >= tail_len || tail.len() as u64 >= len {
            return Ok(None);
        }
        tail_len_now *= 4;
    }
}

/// The stamp that begins at the end of a file and goes on with `rest` in the next one, and where its line
/// starts.
pub fn stamp_cut_at_end(
    file: &File,
    rest: &[u8],
    stamps: &mut StampParser,
) -> io::Result<Option<(u64, Stamp)>> {
    let len = file.metadata()?.len();
    let tail = read_at(file, len.saturating_sub(STAMP_LEN_MAX as u64), STAMP_LEN_MAX)?;
    let start = memrchr(b'\n', &tail).map_or(0, |pos| pos + 1);
    if start == tail.len() {
        return Ok(None);
    }
    let line = [&tail[start..], rest].concat();
    let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let stamp = stamps.parse(first_bytes(line));
    Ok(stamp.map(|stamp| (len - (tail.len() - start) as u64, stamp)))
}

/// Bytes at the start of a file, as many as a stamp may have.
pub fn first_bytes_of(file: &File) -> io::Result<Vec<u8>> {
    read_at(file, 0, STAMP_LEN_MAX)
}

/// The position behind the last newline of a file, or its beginning where there is none.
pub fn end_of_lines(file: &File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(MARGIN_LEN);
        let block = read_at(file, start, usize::try_from(end - start).unwrap_or(0))?;
        if let Some(pos) = memrchr(b'\n', &block) {
            return Ok(start + pos as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// The last stamped line, and where it starts.
fn last_stamped(tail: &[u8], stamps: &mut StampParser) -> Option<(usize, Stamp)> {
    let mut end = tail.len();
    loop {
        let start = memrchr(b'\n', &tail[..end]).map_or(0, |pos| pos + 1);
        if let Some(stamp) = stamps.parse(first_bytes(&tail[start..end])) {
            return Some((start, stamp));
        }
        end = start.checked_sub(1)?;
    }
}

fn read_at(file: &File, pos: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut block = vec![0; len];
    let read = file.read_at(&mut block, pos)?;
    block.truncate(read);
    Ok(block)
}
