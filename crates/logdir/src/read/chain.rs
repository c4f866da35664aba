//! Reads one directory's lines, file after file, and joins lines that a writer split.
//!
//! A chain reads the files pushed by its caller; the caller decides which files exist and whether
//! more follow. An unfinished last line continues in the next file, unless its writer was
//! interrupted or the next file starts with a stamp.
//!
//! A file that cannot be read is skipped, or first tried again for as long as [`Chain::be_patient`] says.

use crate::clock;
use crate::failure::Failure;
use crate::format::Code;
use crate::read::Notice;
use crate::read::decode::Decoded;
use crate::read::label_counting;
use crate::read::lines::{BlockLines, Ending, Line, LineStart};
use crate::read::list::{Directory, LogFile, Role};
use crate::read::separator::FileSeparator;
use crate::read::snapshot::{ListedFile, Snapshot};
use crate::read::stamp::{Moment, STAMP_LEN_MAX, Stamp, StampParser};
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Lines of consecutive files.
pub struct Chain {
    directory: Arc<Directory>,
    /// Unopened files, each with its start offset.
    queue: VecDeque<(ListedFile, u64)>,
    reading: Option<Reading>,
    lines: Option<BlockLines>,
    stamps: StampParser,
    stamp: Option<Stamp>,
    /// Moment of the last stamped line.
    before: Option<Moment>,
    separator: FileSeparator,
    /// Set until an earlier file's held bytes are joined to this file or split off.
    at_joint: bool,
    /// The held bytes precede a read error.
    is_broken_off: bool,
    notices: Vec<Notice>,
    /// How long a file that cannot be read is tried again.
    patience: Duration,
    /// Time of the first failure, while a file is tried again.
    failing_since: Option<Instant>,
}

struct Reading {
    link: ListedFile,
    decoded: Decoded,
}

/// Result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// There is more data.
    More,
    /// The file ends here, or is skipped.
    End,
    /// The file could not be read, and will be tried again.
    Failed,
}

impl Chain {
    /// Creates an empty chain.
    pub fn new(directory: Arc<Directory>, stamps: StampParser) -> Chain {
        Chain {
            directory,
            queue: VecDeque::new(),
            reading: None,
            lines: None,
            stamps,
            stamp: None,
            before: None,
            separator: FileSeparator::default(),
            at_joint: false,
            is_broken_off: false,
            notices: Vec::new(),
            patience: Duration::ZERO,
            failing_since: None,
        }
    }

    /// Sets how long a file that cannot be read is tried again, with each [`Chain::advance`], before it is
    /// skipped.
    pub fn be_patient(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// True while a file that could not be read waits for another try.
    pub fn is_failing(&self) -> bool {
        self.failing_since.is_some()
    }

    /// Reads all files of a directory.
    pub fn of_all(snapshot: &Snapshot, stamps: StampParser) -> Chain {
        let mut chain = Chain::new(snapshot.directory.clone(), stamps);
        for link in &snapshot.files {
            chain.push(link.clone(), 0);
        }
        chain
    }

    /// Sets the moment for unstamped lines before the first stamp.
    pub fn begin_after(&mut self, moment: Option<Moment>) {
        self.before = moment;
    }

    /// Queues a file from `offset`, counted in decoded bytes.
    pub fn push(&mut self, link: ListedFile, offset: u64) {
        self.queue.push_back((link, offset));
    }

    /// Advances to the next line. False if no line is left, if a file [fails](Chain::is_failing), or if the
    /// last line is unfinished: [`Chain::finish`] delivers it; until then the caller can push files and the
    /// writer can write more.
    pub fn advance(&mut self) -> bool {
        loop {
            if self.advance_in_block() {
                return true;
            }
            match self.read_block() {
                Read::More => continue,
                Read::Failed => return false,
                Read::End => {}
            }
            if self.queue.is_empty() {
                return false;
            }
            if self.end_file() {
                return true;
            }
            if self.begin_file() == Read::Failed {
                return false;
            }
        }
    }

    /// Advances to an unfinished last line. False if nothing is left.
    pub fn finish(&mut self) -> bool {
        if self.at_joint && self.split_at_joint() {
            return true;
        }
        let is_unfinished = self.reading.as_ref().is_some_and(|reading| {
            matches!(reading.link.file.role, Role::Archive(_, Code::Unfinished))
        });
        let ending = if is_unfinished { Ending::Torn } else { Ending::Open };
        self.note_change();
        self.reading = None;
        self.give_rest(ending)
    }

    /// Current line.
    pub fn line(&self) -> Line<'_> {
        self.lines.as_ref().expect("a line was gone to").line()
    }

    /// Its stamp, if any.
    pub fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// Start of that line.
    pub fn place(&self) -> &LineStart {
        self.lines.as_ref().expect("a line was gone to").place()
    }

    /// Start of undelivered data, after the current line. `None` before the first file was opened.
    pub fn rest_place(&self) -> Option<LineStart> {
        self.lines.as_ref().map(BlockLines::rest_place)
    }

    /// Bytes of the unfinished last line, as far as they were read. Empty without such a line, and while
    /// another file waits that may finish it.
    pub fn half_line(&self) -> &[u8] {
        let lines = self.lines.as_ref().filter(|_| self.queue.is_empty());
        lines.map_or(&[], BlockLines::rest_text)
    }

    /// Stamp of that line.
    pub fn half_stamp(&self) -> Option<Stamp> {
        let continues = self.lines.as_ref()?.line().ending == Ending::Cut;
        let stamp = self.stamps.clone().parse(self.half_line()).filter(|_| !continues)?;
        Some(stamp.after(self.before))
    }

    /// Open file of that place, while the chain reads it.
    pub fn rest_handle(&self) -> Option<Arc<File>> {
        let (place, reading) = (self.rest_place()?, self.reading.as_ref()?);
        let link = &reading.link;
        link.handle.clone().filter(|_| link.file.inode == place.file.inode)
    }

    /// Handle of this file, while the chain reads it.
    pub fn handle_of(&self, file: &LogFile) -> Option<Arc<File>> {
        let link = &self.reading.as_ref()?.link;
        link.handle.clone().filter(|_| link.file.inode == file.inode)
    }

    /// Unread bytes, as stored on disk.
    pub fn left_len(&self) -> u64 {
        let len = |link: &ListedFile, offset: u64| link.file.len.saturating_sub(offset);
        let queued: u64 = self.queue.iter().map(|(link, offset)| len(link, *offset)).sum();
        let reading = self.reading.as_ref().zip(self.rest_place()).map_or(0, |(reading, place)| {
            let is_in_it = reading.link.file.inode == place.file.inode;
            len(&reading.link, if is_in_it { place.offset } else { 0 })
        });
        queued + reading
    }

    /// Updates the current file's listing entry.
    pub fn rename(&mut self, file: Arc<LogFile>) {
        if let Some(reading) = &mut self.reading {
            reading.link.file = file;
        }
    }

    /// Parser of its stamps.
    pub fn stamps(&self) -> StampParser {
        self.stamps.clone()
    }

    /// Frees memory while nothing is held.
    pub fn release(&mut self) {
        if let Some(lines) = &mut self.lines {
            lines.release();
        }
    }

    /// Drops the current file's undelivered data.
    pub fn skip_file(&mut self) {
        self.reading = None;
        self.at_joint = false;
        if let Some(lines) = &mut self.lines {
            lines.drop_rest();
        }
    }

    /// True if the current file shrank below the read position.
    pub fn is_truncated(&self) -> bool {
        let decoded = self.reading.as_ref().map(|reading| &reading.decoded);
        decoded.is_some_and(Decoded::is_beyond_end)
    }

    /// Sets the directory of files pushed from now on.
    pub fn move_to(&mut self, directory: Arc<Directory>) {
        self.directory = directory;
    }

    /// Adds a notice.
    pub fn add_notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    /// Takes notices since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Advances within data already read.
    fn advance_in_block(&mut self) -> bool {
        let Some(lines) = &mut self.lines else { return false };
        if self.at_joint {
            let next = lines.rest_of_last_file().unwrap_or_default();
            if next.len() < STAMP_LEN_MAX && !next.contains(&b'\n') {
                return false;
            }
            if self.split_at_joint() {
                return true;
            }
        }
        let is_there = self.lines.as_mut().is_some_and(BlockLines::advance);
        if is_there {
            self.parse_stamp();
        }
        is_there
    }

    /// Decides whether an unfinished line continues in the next file; if not, advances to it.
    fn split_at_joint(&mut self) -> bool {
        self.at_joint = false;
        let Some(lines) = &mut self.lines else { return false };
        let next = lines.rest_of_last_file().unwrap_or_default();
        if self.stamps.parse(first_line(next)).is_none() {
            return false;
        }
        let is_there = lines.give_rest_of_earlier_files(Ending::Torn);
        self.after_rest(is_there, Ending::Torn)
    }

    /// Reads another block.
    fn read_block(&mut self) -> Read {
        let Some(reading) = &mut self.reading else { return Read::End };
        let lines = self.lines.as_mut().expect("a file is being read");
        match lines.read(&mut reading.decoded) {
            Ok(len) => {
                self.failing_since = None;
                if len > 0 { Read::More } else { Read::End }
            }
            Err(error) => {
                let file = reading.link.file.clone();
                let place = self.directory.name_of(&file.name);
                if self.will_retry(&Failure::of_reading(place, &error), &file) {
                    return Read::Failed;
                }
                self.reading = None;
                self.is_broken_off = true;
                Read::End
            }
        }
    }

    /// Reports a failure, once while the file is tried again. True if it will be. Damaged contents stay as they
    /// are, so only failed system calls are made again.
    fn will_retry(&mut self, failure: &Failure, file: &Arc<LogFile>) -> bool {
        let now = clock::instant();
        let may_pass = failure.errno().is_some() && !self.patience.is_zero();
        if self.failing_since.is_none() {
            self.notices.push(Notice::Unreadable(failure.clone()));
        }
        if may_pass && now < *self.failing_since.get_or_insert(now) + self.patience {
            return true;
        }
        if self.failing_since.take().is_some() {
            self.notices.push(Notice::Gone(file.clone()));
        }
        false
    }

    /// Closes a file that another file follows. Advances to its unfinished line unless that line
    /// continues there.
    fn end_file(&mut self) -> bool {
        if self.at_joint && self.split_at_joint() {
            return true;
        }
        self.note_change();
        match self.reading.take() {
            Some(reading) if reading.link.file.is_whole() => false,
            Some(_) | None => self.give_rest(Ending::Torn),
        }
    }

    /// Reports an archive modified after the listing. A compressed copy is another file, and an
    /// unfinished archive may still be finished.
    fn note_change(&mut self) {
        let Some(Reading { link, .. }) = &self.reading else { return };
        let metadata = link.handle.as_ref().and_then(|handle| handle.metadata().ok());
        let is_changed = metadata.is_some_and(|now| {
            let modified = (now.mtime(), u32::try_from(now.mtime_nsec()).unwrap_or(0));
            let is_same = now.len() == link.file.len && modified == link.file.modified;
            now.ino() == link.file.inode && !is_same
        });
        if is_changed && matches!(link.file.role, Role::Archive(_, Code::Safe)) {
            self.notices.push(Notice::Changed(self.directory.name_of(&link.file.name)));
        }
    }

    /// Opens the next queued file.
    fn begin_file(&mut self) -> Read {
        let Some((link, offset)) = self.queue.pop_front() else { return Read::End };
        match self.open(link.clone(), offset) {
            Ok(Some((link, decoded))) => {
                match &mut self.lines {
                    Some(lines) => {
                        self.at_joint = !lines.rest().is_empty();
                        lines.begin_file(link.file.clone(), offset);
                    }
                    None => self.lines = Some(BlockLines::new(link.file.clone(), offset)),
                }
                self.reading = Some(Reading { link, decoded });
                Read::More
            }
            Ok(None) => {
                self.failing_since = None;
                Read::End
            }
            Err(failure) if self.will_retry(&failure, &link.file) => {
                self.queue.push_front((link, offset));
                Read::Failed
            }
            Err(_) => Read::End,
        }
    }

    /// Opens a file, or its copy if a program compressed it since the listing. `None` if both are
    /// gone.
    fn open(
        &mut self,
        link: ListedFile,
        offset: u64,
    ) -> Result<Option<(ListedFile, Decoded)>, Failure> {
        let mut link = link;
        link.handle = match link.open(&self.directory)? {
            Some(handle) => Some(handle),
            None => self.open_copy(&link.file)?,
        };
        let Some(handle) = link.handle.clone() else {
            self.notices.push(Notice::Gone(link.file));
            return Ok(None);
        };
        let decoded = Decoded::new(handle, offset).map_err(|error| {
            Failure::of_reading(self.directory.name_of(&link.file.name), &error)
        })?;
        Ok(decoded.map(|decoded| (link, decoded)))
    }

    /// Opens the archive that has a missing archive's label.
    fn open_copy(&self, file: &LogFile) -> Result<Option<Arc<File>>, Failure> {
        let Some(label) = file.label() else { return Ok(None) };
        let listed = self.directory.list()?;
        let Some(copy) = listed.iter().find(|copy| copy.label() == Some(label)) else {
            return Ok(None);
        };
        Ok(self.directory.open_listed(copy)?.map(Arc::new))
    }

    fn give_rest(&mut self, ending: Ending) -> bool {
        let is_there = self.lines.as_mut().is_some_and(|lines| lines.give_rest(ending));
        self.after_rest(is_there, ending)
    }

    fn after_rest(&mut self, is_there: bool, ending: Ending) -> bool {
        let zeros = self.lines.as_mut().and_then(BlockLines::take_zeros);
        self.notices.extend(zeros.map(|(place, count)| Notice::Zeros(place, count)));
        // The read error is already reported, and the writer did not cause it.
        let is_broken_off = std::mem::take(&mut self.is_broken_off);
        if is_there {
            self.parse_stamp();
            if ending == Ending::Torn && !is_broken_off {
                self.notices.push(Notice::Torn(self.place().clone()));
            }
        }
        is_there
    }

    fn parse_stamp(&mut self) {
        let lines = self.lines.as_ref().expect("a line was gone to");
        let line = lines.line();
        let parse = |stamps: &mut StampParser| match line.continues {
            true => None,
            false => stamps.parse(line.bytes),
        };
        self.stamp = parse(&mut self.stamps);
        if self.stamp.is_some_and(Stamp::is_local_date) {
            // Asked only here: a handle costs more than the rest of a line.
            let handle = self.rest_handle();
            if self.separator.update(line.bytes, lines.place(), handle, &mut self.stamps) {
                self.stamp = parse(&mut self.stamps);
            }
        }
        if self.stamps.is_assumed() {
            self.find_counting();
        }
        if let Some(stamp) = &mut self.stamp {
            if stamp.later.is_some() {
                *stamp = stamp.after(self.before);
            }
            self.before = Some(stamp.moment);
        }
    }

    /// Detects label counting from the first label that shows it.
    fn find_counting(&mut self) {
        let line = self.lines.as_ref().expect("a line was gone to").line().bytes;
        let (Some(stamp), Some(handle)) = (self.stamp, self.rest_handle()) else { return };
        if line[0] == b'@'
            && let Some(counting) = label_counting::detect_by(stamp.moment.unix_secs, &handle)
        {
            self.stamps = StampParser::new(counting);
            self.stamp = self.stamps.parse(line);
        }
    }
}

fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == b'\n').next().unwrap_or_default()
}
