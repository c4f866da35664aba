//! Reads one directory's lines from last to first, reading little more than the requested lines.
//!
//! Lines equal those of forward reading: a line that a writer split across files is joined. A
//! compressed file cannot be read from its end, so it is decoded into an unnamed temporary file.

use crate::failure::Failure;
use crate::read::Notice;
use crate::read::decode::{Decoded, Storage, storage};
use crate::read::lines::{Ending, LINE_LEN_MAX, Line, LineStart, ZEROS_LEN};
use crate::read::list::{Directory, Role};
use crate::read::range::{self, MARGIN_LEN, Range};
use crate::read::separator::FileSeparator;
use crate::read::set_back::SetBack;
use crate::read::snapshot::{ListedFile, Snapshot};
use crate::read::stamp::{Moment, STAMP_LEN_MAX, Stamp, StampParser};
use crate::read::unnamed_file;
use memchr::memrchr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Initial block size in bytes, doubled each time a block contains no line start.
const BLOCK_LEN: usize = 8 * 1024;
/// Bytes searched backward for the stamp that an unstamped line belongs to.
const LOOK_BACK_LEN: usize = 1024 * 1024;

/// Reads one directory backward.
pub struct Backward {
    directory: Arc<Directory>,
    range: Range,
    stamps: StampParser,
    is_unstamped: bool,
    /// Unopened files, next file last, each with its `is_ordered`.
    files: Vec<(ListedFile, bool)>,
    /// Bytes to read from the next file; all if `None`.
    limit: Option<u64>,
    reading: Option<Reading>,
    /// File contents from `pos`, plus the rest of a line that continues in the next file.
    bytes: Vec<u8>,
    /// File offset of `bytes`.
    pos: u64,
    /// Bytes from here on were delivered. At most `bytes.len()`.
    end: usize,
    /// Range of the current line in `bytes`.
    given: std::ops::Range<usize>,
    ending: Ending,
    stamp: Option<Stamp>,
    moment: Option<Moment>,
    place: Option<LineStart>,
    separator: FileSeparator,
    set_back: SetBack,
    /// Bytes of consecutive lines before the range.
    beyond_len: u64,
    notices: Vec<Notice>,
}

struct Reading {
    link: ListedFile,
    is_ordered: bool,
    file: Arc<File>,
}

impl Backward {
    /// Reads a range backward.
    pub fn new(snapshot: &Snapshot, mut stamps: StampParser, range: Range) -> Backward {
        let plan = range::plan(snapshot, &mut stamps, range);
        let files = plan.parts.into_iter().map(|part| (part.link, part.is_ordered)).collect();
        let begins_at = plan.begins_at.map(Notice::BeginsAt);
        Backward {
            range,
            is_unstamped: plan.is_unstamped,
            notices: begins_at.into_iter().collect(),
            ..Backward::of(snapshot, stamps, files)
        }
    }

    /// Reads backward from an offset in the file with this index, or from its end.
    pub fn before(
        snapshot: &Snapshot,
        stamps: StampParser,
        number: usize,
        offset: Option<u64>,
    ) -> Backward {
        // At offset 0 the file need not be opened or decoded.
        let limit = offset.filter(|&offset| offset > 0);
        let count = if offset == limit { number + 1 } else { number };
        let files = snapshot.files.iter().take(count).map(|link| (link.clone(), false));
        Backward { limit, ..Backward::of(snapshot, stamps, files.collect()) }
    }

    fn of(snapshot: &Snapshot, stamps: StampParser, files: Vec<(ListedFile, bool)>) -> Backward {
        Backward {
            directory: snapshot.directory.clone(),
            range: Range::default(),
            stamps,
            is_unstamped: false,
            files,
            limit: None,
            reading: None,
            bytes: Vec::new(),
            pos: 0,
            end: 0,
            given: 0..0,
            ending: Ending::Newline,
            stamp: None,
            moment: None,
            place: None,
            separator: FileSeparator::default(),
            set_back: SetBack::new(snapshot.clone()),
            beyond_len: 0,
            notices: Vec::new(),
        }
    }

    /// Advances to the preceding line. False at the beginning.
    pub fn advance(&mut self) -> bool {
        while self.advance_any() {
            self.note_line();
            if self.is_in_range() {
                return true;
            }
        }
        false
    }

    /// Current line.
    pub fn line(&self) -> Line<'_> {
        Line { bytes: &self.bytes[self.given.clone()], ending: self.ending, continues: false }
    }

    /// Its stamp.
    pub fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// Moment of that line's stamp, or of the last stamped line before it.
    pub fn moment(&self) -> Option<Moment> {
        self.moment
    }

    /// Start of that line.
    pub fn place(&self) -> &LineStart {
        self.place.as_ref().expect("a line was gone to")
    }

    /// Unread bytes, as stored on disk.
    pub fn left_len(&self) -> u64 {
        self.files.iter().map(|(link, _)| link.file.len).sum::<u64>() + self.pos
    }

    /// Takes notices since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    fn is_in_range(&mut self) -> bool {
        if self.range.is_all() || self.is_unstamped {
            return true;
        }
        let Some(moment) = self.moment else { return false };
        if self.range.since.is_none_or(|since| moment >= since) {
            self.beyond_len = 0;
            return self.range.holds(moment);
        }
        self.beyond_len += self.given.len() as u64 + 1;
        let is_ordered = self.reading.as_ref().is_some_and(|reading| reading.is_ordered);
        if self.beyond_len > MARGIN_LEN && is_ordered {
            self.beyond_len = 0;
            (self.pos, self.end) = (0, 0);
        }
        false
    }

    fn note_line(&mut self) {
        let reading = self.reading.as_ref().expect("a file is being read");
        let handle = reading.file.clone();
        let file = reading.link.file.clone();
        let place = LineStart { file, offset: self.pos + self.given.start as u64 };
        let line = &self.bytes[self.given.clone()];
        self.stamp = self.stamps.parse(line);
        if self.stamp.is_some_and(Stamp::is_local_date) {
            if self.separator.update(line, &place, Some(handle), &mut self.stamps) {
                self.stamp = self.stamps.parse(line);
            }
            let stamp = self.stamp;
            self.stamp = stamp.map(|stamp| self.set_back.resolve(stamp, &place, &self.stamps));
        }
        self.place = Some(place);
        self.moment = match self.stamp {
            Some(stamp) => Some(stamp.moment),
            None if self.is_unstamped => None,
            None => self.moment_before(),
        };
        if self.ending == Ending::Torn {
            self.notices.extend(self.place.clone().map(Notice::Torn));
        }
    }

    fn advance_any(&mut self) -> bool {
        loop {
            if self.end == 0 && self.pos == 0 {
                if !self.begin_file() {
                    return false;
                }
                self.leave_out_zeros();
                continue;
            }
            let has_newline = self.end > 0 && self.bytes[self.end - 1] == b'\n';
            let text_end = self.end - usize::from(has_newline);
            let newline = memrchr(b'\n', &self.bytes[..text_end]);
            let is_too_long = text_end > LINE_LEN_MAX;
            if newline.is_none() && !is_too_long {
                if self.pos > 0 {
                    if !self.read_before() {
                        return false;
                    }
                    continue;
                }
                if self.join() {
                    continue;
                }
            }
            let start = newline.map_or(0, |pos| pos + 1);
            self.given = start..text_end;
            if has_newline {
                self.ending = Ending::Newline;
            }
            self.end = start;
            return true;
        }
    }

    /// Reads the block before `bytes`. False if reading fails.
    fn read_before(&mut self) -> bool {
        let Some(reading) = &self.reading else { return false };
        self.bytes.truncate(self.end.max(self.given.end));
        let len = self.pos.min(self.bytes.len().max(BLOCK_LEN) as u64);
        let mut bytes = vec![0; usize::try_from(len).expect("it is at most what is held")];
        if let Err(error) = reading.file.read_exact_at(&mut bytes, self.pos - len) {
            let place = self.directory.name_of(&reading.link.file.name);
            self.notices.push(Notice::Unreadable(Failure::of_reading(place, &error)));
            (self.pos, self.end) = (0, 0);
            return true;
        }
        let added = bytes.len();
        bytes.extend_from_slice(&self.bytes);
        self.bytes = bytes;
        self.pos -= len;
        self.end += added;
        self.given = self.given.start + added..self.given.end + added;
        true
    }

    /// Prepends the preceding file's unfinished line. False if the line starts in this file.
    fn join(&mut self) -> bool {
        if self.stamps.parse(&self.bytes[..self.end]).is_some() {
            return false;
        }
        if !self.ends_in_line_before() {
            return false;
        }
        let kept = self.bytes[..self.end].to_vec();
        let ending = self.ending;
        let joined = self.begin_file();
        self.bytes = kept;
        self.end = self.bytes.len();
        self.given = 0..0;
        self.ending = ending;
        joined
    }

    /// True if the preceding nonempty file ends within a line.
    fn ends_in_line_before(&mut self) -> bool {
        while let Some((link, _)) = self.files.last().filter(|(link, _)| link.file.is_whole()) {
            let last = open(&self.directory, link)
                .and_then(|file| file.map(|file| last_byte(&file)).transpose());
            match last {
                Ok(Some(Some(byte))) => return byte != b'\n',
                Ok(Some(None)) => {}
                // `begin_file` reports this error.
                Ok(None) | Err(_) => return false,
            }
            self.files.pop();
        }
        false
    }

    /// Opens the preceding file. False if none is left.
    fn begin_file(&mut self) -> bool {
        let is_last = self.reading.is_none();
        while let Some((link, is_ordered)) = self.files.pop() {
            let limit = self.limit.take().unwrap_or(u64::MAX);
            match open(&self.directory, &link).and_then(|file| {
                file.map(|file| Ok((file.metadata()?.len().min(limit), file))).transpose()
            }) {
                Ok(Some((len, file))) if len > 0 => {
                    self.ending = match link.file.role {
                        Role::Archive(_, crate::format::Code::Unfinished) => Ending::Torn,
                        _ if is_last => Ending::Open,
                        Role::Archive(..) | Role::Previous | Role::Current | Role::Alone => {
                            Ending::Torn
                        }
                    };
                    self.reading = Some(Reading { link, is_ordered, file });
                    self.bytes.clear();
                    (self.pos, self.end, self.given) = (len, 0, 0..0);
                    return true;
                }
                Ok(Some(_)) => {}
                Ok(None) => self.notices.push(Notice::Gone(link.file)),
                Err(error) => {
                    let place = self.directory.name_of(&link.file.name);
                    self.notices.push(Notice::Unreadable(Failure::of_reading(place, &error)));
                }
            }
        }
        false
    }

    /// Skips zeros that a power cut left at the file's end.
    fn leave_out_zeros(&mut self) {
        let Some(Reading { link, file, .. }) = &self.reading else { return };
        // `read_before` reports this error.
        let Ok(text_len) = text_len(file, self.pos) else { return };
        let count = self.pos - text_len;
        if count >= ZEROS_LEN as u64 {
            let place = LineStart { file: link.file.clone(), offset: text_len };
            self.notices.push(Notice::Zeros(place, count));
            self.pos = text_len;
        }
    }

    /// Moment of the last stamped line before the current line.
    fn moment_before(&mut self) -> Option<Moment> {
        let mut end = self.given.start;
        loop {
            while end > 0 {
                let start = memrchr(b'\n', &self.bytes[..end - 1]).map_or(0, |pos| pos + 1);
                if (start > 0 || self.pos == 0)
                    && let Some(stamp) = self.stamps.parse(&self.bytes[start..end - 1])
                {
                    let file = self.reading.as_ref()?.link.file.clone();
                    let place = LineStart { file, offset: self.pos + start as u64 };
                    return Some(self.set_back.resolve(stamp, &place, &self.stamps).moment);
                }
                if start == 0 {
                    break;
                }
                end = start;
            }
            if self.pos == 0 || self.bytes.len() > LOOK_BACK_LEN {
                break;
            }
            let start = self.given.start;
            if !self.read_before() {
                return None;
            }
            end += self.given.start - start;
        }
        if self.pos > 0 {
            return None;
        }
        self.moment_of_files_before()
    }

    /// Moment of the last stamped line in preceding files.
    fn moment_of_files_before(&mut self) -> Option<Moment> {
        // A stamp split at a file's end continues in the next file.
        let is_behind_first_line = self.given.start > 0;
        let mut rest = first_bytes(if is_behind_first_line { &self.bytes } else { &[] }).to_vec();
        for (link, _) in self.files.iter().rev() {
            let file = open(&self.directory, link).ok().flatten()?;
            let cut = match link.file.is_whole() {
                true => range::stamp_cut_at_end(&file, &rest, &mut self.stamps).ok()?,
                false => None,
            };
            let found = match cut {
                Some(found) => Some(found),
                None => range::last_stamp_within(&file, LOOK_BACK_LEN, &mut self.stamps).ok()?,
            };
            if let Some((offset, stamp)) = found {
                let place = LineStart { file: link.file.clone(), offset };
                return Some(self.set_back.resolve(stamp, &place, &self.stamps).moment);
            }
            if file.metadata().ok()?.len() > 0 {
                rest = range::first_bytes_of(&file).ok()?;
            }
        }
        None
    }
}

fn first_bytes(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(STAMP_LEN_MAX)]
}

/// File length without trailing zeros.
fn text_len(file: &File, len: u64) -> io::Result<u64> {
    let mut block = [0; BLOCK_LEN];
    let mut end = len;
    // The first read is one byte, since most files end with a newline.
    let mut step = 1;
    while end > 0 {
        let start = end.saturating_sub(step);
        let read = &mut block[..usize::try_from(end - start).unwrap_or(0)];
        file.read_exact_at(read, start)?;
        if let Some(pos) = read.iter().rposition(|&byte| byte != 0) {
            return Ok(start + pos as u64 + 1);
        }
        end = start;
        step = BLOCK_LEN as u64;
    }
    Ok(0)
}

fn last_byte(file: &File) -> io::Result<Option<u8>> {
    let len = file.metadata()?.len();
    let mut byte = [0];
    match len.checked_sub(1) {
        Some(pos) => file.read_exact_at(&mut byte, pos).map(|()| Some(byte[0])),
        None => Ok(None),
    }
}

/// Opens a file for random access. `None` if the file is gone.
fn open(directory: &Directory, link: &ListedFile) -> io::Result<Option<Arc<File>>> {
    let from_failure =
        |failure: Failure| io::Error::from(failure.errno().unwrap_or(nix::errno::Errno::EIO));
    let Some(file) = link.open(directory).map_err(from_failure)? else { return Ok(None) };
    if storage(&file)? == Storage::Plain {
        return Ok(Some(file));
    }
    let mut plain = unnamed_file::create()?;
    if let Some(mut decoded) = Decoded::new(file, 0)? {
        io::copy(&mut decoded, &mut plain)?;
    }
    Ok(Some(Arc::new(plain)))
}
