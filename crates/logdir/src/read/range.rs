//! Finds the part of a directory between two moments without reading the rest.
//!
//! File names and first lines select the files; bisection finds the offset within a file. Files
//! with unordered stamps, caused by a clock set back, are read from the beginning.

use crate::read::decode::{self, Storage, storage};
use crate::read::list::Directory;
use crate::read::snapshot::{ListedFile, Snapshot};
use crate::read::stamp::{Moment, STAMP_LEN_MAX, Stamp, StampParser};
use crate::time::{Moments, Zone};
use memchr::{memchr, memrchr};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Seconds by which a file name or mtime may precede the file's last stamp.
const SLACK_SECS: i64 = 2;
/// Bytes searched for a file's first stamp; the larger value if another file's line ends there.
const HEAD_LENS: [usize; 2] = [512, 16 * 1024];
/// Bytes read per bisection step, and at a file's end.
const PROBE_LEN: usize = 4 * 1024;
/// Bisection stops at this many bytes. Reading begins this many bytes earlier and ends this many
/// later, so slightly unordered lines are not missed.
pub const MARGIN_LEN: u64 = 64 * 1024;

/// Moments from `since` (inclusive) until `until` (exclusive).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// First moment; unbounded if `None`.
    pub since: Option<Moment>,
    /// First moment after the range; unbounded if `None`.
    pub until: Option<Moment>,
}

/// Files and offsets to read for a range.
#[derive(Debug, Default)]
pub struct Plan {
    /// Files that may hold lines of the range.
    pub parts: Vec<Part>,
    /// Lines have no stamps, so only whole files are selected.
    pub is_unstamped: bool,
    /// First known moment of the directory, if later than the range's start.
    pub begins_at: Option<Moment>,
}

/// File that may hold lines of a range.
#[derive(Debug)]
pub struct Part {
    /// The file.
    pub link: ListedFile,
    /// Read offset; may be within a line.
    pub offset: u64,
    /// True if no stamp read so far is out of order.
    pub is_ordered: bool,
}

impl Range {
    /// True for the range of all lines.
    pub fn is_all(&self) -> bool {
        *self == Range::default()
    }

    /// True if the range contains this moment.
    pub fn holds(&self, moment: Moment) -> bool {
        self.since.is_none_or(|since| moment >= since) && !self.is_before(moment)
    }

    /// True if the range contains a line of this moment; always true for `None`.
    pub fn holds_line(&self, moment: Option<Moment>) -> bool {
        moment.is_none_or(|moment| self.holds(moment))
    }

    /// True if the range ends before this moment.
    pub fn is_before(&self, moment: Moment) -> bool {
        self.until.is_some_and(|until| moment >= until)
    }

    /// Extends a range that begins or ends in local hours repeated by a clock change. Only line
    /// order tells which of two moments a repeated date means.
    fn with_repeated_hours(self) -> Range {
        let before = |moment| around_repeated(moment).map_or(moment, |(before, _)| before);
        let after = |moment| around_repeated(moment).map_or(moment, |(_, after)| after);
        Range { since: self.since.map(before), until: self.until.map(after) }
    }

    /// True if the interval `first` to `last` may overlap the range.
    fn touches(&self, first: Option<Moment>, last: Option<Moment>) -> bool {
        let begins_in_time = first.is_none_or(|first| !self.is_before(first));
        let lasts = |since| last.is_none_or(|last| last >= since);
        begins_in_time && self.since.is_none_or(lasts)
    }
}

/// Plans which files and offsets to read. The reader reports unreadable files.
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
    let mut left_out = None;
    for (link, first) in snapshot.files.iter().zip(&firsts) {
        let first = first.map(|stamp| stamp.moment);
        let part = plan_file(directory, link, first, stamps, range)
            .or_else(|| is_before_in_range.then(|| rest_of_before(directory, link, stamps))?);
        is_before_in_range = part.is_some();
        if let Some(before) = left_out.filter(|_| is_before_in_range)
            && begins_in_file_before(directory, link, stamps)
        {
            parts.push(end_of_before(directory, before, &parts));
        }
        left_out = part.is_none().then_some(link);
        parts.extend(part);
    }
    Plan { parts, is_unstamped: false, begins_at }
}

/// If a moment's local date occurs twice: a moment before, and a moment after, all such dates.
fn around_repeated(moment: Moment) -> Option<(Moment, Moment)> {
    let date = Zone::Local.at(moment.unix_secs)?.civil();
    let Moments::Twice { earlier, later } = Zone::Local.moments(date)? else { return None };
    let at = |unix_secs| Moment { unix_secs, nanos: 0 };
    Some((at(earlier - (later - earlier)), at(later + (later - earlier))))
}

/// Selects whole files by mtime.
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

/// `None` if the file holds no line of the range.
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
    // The handle stays valid if the file is renamed before reading.
    let link = ListedFile { file: link.file.clone(), handle: Some(handle.clone()) };
    match plan_inside(&handle, first, stamps, range) {
        Ok(Inside::Nothing) => None,
        Ok(Inside::From(offset)) => Some(Part { link, offset, is_ordered: true }),
        Ok(Inside::Anywhere) | Err(_) => Some(Part { link, offset: 0, is_ordered: false }),
    }
}

/// A file after the range may begin with unstamped lines that belong to the preceding file's last
/// line.
fn rest_of_before(
    directory: &Directory,
    link: &ListedFile,
    stamps: &mut StampParser,
) -> Option<Part> {
    let is_rest = begins_in_file_before(directory, link, stamps);
    is_rest.then(|| Part { link: link.clone(), offset: 0, is_ordered: true })
}

/// True if a file can be read and begins without a stamp: its first lines then belong to the
/// preceding file's last line.
fn begins_in_file_before(
    directory: &Directory,
    link: &ListedFile,
    stamps: &mut StampParser,
) -> bool {
    let head = |handle: Arc<File>| decode::head(&handle, STAMP_LEN_MAX).ok();
    let head = link.open(directory).ok().flatten().and_then(head);
    head.is_some_and(|head| stamps.parse(&head).is_none())
}

/// A file without lines of the range, read because the first lines of the next file have the moment
/// of its last line.
fn end_of_before(directory: &Directory, link: &ListedFile, parts: &[Part]) -> Part {
    // A part of a line at the offset would have the moment of an earlier file's last line.
    let is_after_others = !parts.is_empty();
    let handle = link.open(directory).ok().flatten();
    let is_plain = |file: &Arc<File>| matches!(storage(file), Ok(Storage::Plain));
    let plain = handle.filter(|file| !is_after_others && is_plain(file));
    let len = plain.and_then(|file| Some(file.metadata().ok()?.len())).unwrap_or(0);
    Part { link: link.clone(), offset: len.saturating_sub(MARGIN_LEN), is_ordered: true }
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
    let offset = bisect(file, len, MARGIN_LEN, stamps, since)?;
    Ok(Inside::From(offset.saturating_sub(MARGIN_LEN)))
}

/// Offset at most `margin_len` before the first line at or after `since`.
fn bisect(
    file: &File,
    len: u64,
    margin_len: u64,
    stamps: &mut StampParser,
    since: Moment,
) -> io::Result<u64> {
    let (mut before, mut beyond) = (0, len);
    while beyond - before > margin_len {
        let middle = before + (beyond - before) / 2;
        match moment_after(file, middle, beyond, stamps)? {
            Some((pos, moment)) if moment < since => before = pos,
            Some(_) | None => beyond = middle,
        }
    }
    Ok(before)
}

/// Bytes written since a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// Bytes, at most a kilobyte too many.
    pub bytes: u64,
    /// The moment asked for, or a later one if older files are compressed, unreadable or too many.
    pub from: Moment,
}

/// Bisection for a number of bytes stops at this many.
const COUNT_MARGIN_LEN: u64 = 1024;

/// Counts the bytes of lines from a moment on by the first stamps of the newest files, at most `file_max`,
/// and by bisection. `None` if the newest file has no stamp.
pub fn bytes_since(
    snapshot: &Snapshot,
    stamps: &mut StampParser,
    since: Moment,
    file_max: usize,
) -> Option<Since> {
    let mut known: Option<Since> = None;
    let files = snapshot.files.iter().rev().filter(|link| link.file.len > 0);
    for link in files.take(file_max) {
        let Some((first, len, after)) = count_file(&snapshot.directory, link, stamps, since) else {
            return known;
        };
        let bytes = known.map_or(0, |known| known.bytes);
        if first < since {
            return Some(Since { bytes: bytes + len - after, from: since });
        }
        known = Some(Since { bytes: bytes + len, from: first });
    }
    let is_all = snapshot.files.iter().filter(|link| link.file.len > 0).count() <= file_max;
    known.map(|known| if is_all { Since { from: since, ..known } } else { known })
}

/// First moment of a file, its length, and the bytes before a moment.
fn count_file(
    directory: &Directory,
    link: &ListedFile,
    stamps: &mut StampParser,
    since: Moment,
) -> Option<(Moment, u64, u64)> {
    let first = first_moment(directory, link, stamps)?;
    let handle = link.open(directory).ok().flatten()?;
    if storage(&handle).ok()? != Storage::Plain {
        return None;
    }
    let len = handle.metadata().ok()?.len();
    let before = match first < since {
        true => bisect(&handle, len, COUNT_MARGIN_LEN, stamps, since).ok()?,
        false => 0,
    };
    Some((first, len, before))
}

/// First stamped line that starts after `pos` and before `end`.
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
        // The next block contains a stamp that this block cuts.
        let step = block.len().saturating_sub(STAMP_LEN_MAX);
        if step == 0 {
            break;
        }
        pos += step as u64;
    }
    Ok(None)
}

/// First stamp after a newline after `pos`, and its line's offset.
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

/// First moment near a file's beginning, if any.
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

/// Last moment near a file's end, if any. A stamp split at the end counts only with the next file's
/// bytes.
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

/// Last stamp within this many bytes of a file's end, and its line's offset.
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

/// Stamp that is split between a file's end and `rest` in the next file, and its line's offset.
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

/// First bytes of a file, up to the longest stamp.
pub fn first_bytes_of(file: &File) -> io::Result<Vec<u8>> {
    read_at(file, 0, STAMP_LEN_MAX)
}

/// Offset after a file's last newline; 0 if it has none.
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

/// Last stamped line and its offset.
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
