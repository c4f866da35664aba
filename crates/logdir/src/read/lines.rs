//! Splits blocks of consecutive files into lines that know their position.
//!
//! Writers split a line at the file size limit, so a line may span files. Memory is bounded: an
//! overlong line is delivered in pieces.

use crate::read::list::LogFile;
use memchr::memchr;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

/// Bytes per read.
pub const BLOCK_LEN: usize = 64 * 1024;
/// Longer lines are delivered in pieces of this length.
pub const LINE_LEN_MAX: usize = 1024 * 1024;
/// Zeros at an unfinished line's end count as damage from this many on: file systems leave
/// thousands after a power cut.
pub const ZEROS_LEN: usize = 16;
/// Limit for zeros at a piece boundary, which may fall anywhere within a long line.
const ZEROS_LEN_IN_LINE: usize = 4096;

/// Start of a line or piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineStart {
    /// File that contains the start.
    pub file: Arc<LogFile>,
    /// Decoded offset in that file.
    pub offset: u64,
}

/// Kind of line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Newline.
    Newline,
    /// Continued in the next piece.
    Cut,
    /// Unfinished: the writer was interrupted.
    Torn,
    /// Unfinished so far, at the end of the last file.
    Open,
}

/// A line, or a piece of an overlong line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Bytes without the newline.
    pub bytes: &'a [u8],
    /// Kind of line end.
    pub ending: Ending,
    /// True if it continues the preceding piece.
    pub continues: bool,
}

/// Buffer of undelivered data.
#[derive(Debug)]
pub struct BlockLines {
    /// Bytes from `end` on are free space. `start <= searched <= end <= bytes.len()`.
    bytes: Vec<u8>,
    /// First undelivered byte.
    start: usize,
    /// No newline between `start` and `searched`.
    searched: usize,
    /// End of data read.
    end: usize,
    /// Source file ranges of the buffered bytes. The first range contains `start`.
    origins: VecDeque<Origin>,
    /// Last delivered line.
    given: Given,
    /// Its start.
    place: LineStart,
    /// Zeros dropped since the last call: start and count.
    zeros: Option<(LineStart, u64)>,
}

/// Buffer bytes from `pos` until the next origin belong to `file` at `offset`.
#[derive(Debug)]
struct Origin {
    pos: usize,
    file: Arc<LogFile>,
    offset: u64,
}

#[derive(Clone, Copy, Debug)]
struct Given {
    start: usize,
    end: usize,
    ending: Ending,
    continues: bool,
}

impl BlockLines {
    /// Creates an empty buffer for a file read from `offset`.
    pub fn new(file: Arc<LogFile>, offset: u64) -> BlockLines {
        let place = LineStart { file: file.clone(), offset };
        BlockLines {
            bytes: Vec::new(),
            start: 0,
            searched: 0,
            end: 0,
            origins: VecDeque::from([Origin { pos: 0, file, offset }]),
            given: Given { start: 0, end: 0, ending: Ending::Newline, continues: false },
            place,
            zeros: None,
        }
    }

    /// Starts another file: later reads belong to it.
    pub fn begin_file(&mut self, file: Arc<LogFile>, offset: u64) {
        if self.start == self.end {
            self.origins.clear();
        }
        self.origins.push_back(Origin { pos: self.end, file, offset });
    }

    /// Reads another block. Returns 0 at end of input.
    pub fn read(&mut self, input: &mut impl Read) -> io::Result<usize> {
        self.make_room();
        loop {
            match input.read(&mut self.bytes[self.end..]) {
                Ok(len) => {
                    self.end += len;
                    return Ok(len);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Advances to the next complete line, or to a piece of an overlong line.
    pub fn advance(&mut self) -> bool {
        if let Some(len) = memchr(b'\n', &self.bytes[self.searched..self.end]) {
            let newline_pos = self.searched + len;
            self.give(newline_pos, Ending::Newline);
            return true;
        }
        self.searched = self.end;
        self.end - self.start > LINE_LEN_MAX
            && self.give_until(self.start + LINE_LEN_MAX, Ending::Cut)
    }

    /// Takes zeros dropped since the last call.
    pub fn take_zeros(&mut self) -> Option<(LineStart, u64)> {
        self.zeros.take()
    }

    /// Advances to the undelivered rest as a line with this ending. False if nothing is left.
    pub fn give_rest(&mut self, ending: Ending) -> bool {
        self.give_until(self.end, ending)
    }

    /// Advances to undelivered bytes of earlier files, excluding the last file.
    pub fn give_rest_of_earlier_files(&mut self, ending: Ending) -> bool {
        let pos = self.origins.back().map_or(self.end, |origin| origin.pos);
        self.give_until(pos, ending)
    }

    /// Current line.
    pub fn line(&self) -> Line<'_> {
        Line {
            bytes: &self.bytes[self.given.start..self.given.end],
            ending: self.given.ending,
            continues: self.given.continues,
        }
    }

    /// Start of the current line.
    pub fn place(&self) -> &LineStart {
        &self.place
    }

    /// Start of undelivered data, after the current line.
    pub fn rest_place(&self) -> LineStart {
        let origin = &self.origins[0];
        let offset = origin.offset + (self.start - origin.pos) as u64;
        LineStart { file: origin.file.clone(), offset }
    }

    /// Undelivered data.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Undelivered data, without the zeros that a power cut leaves.
    pub fn rest_text(&self) -> &[u8] {
        let rest = self.rest();
        &rest[..text_len(rest, ZEROS_LEN)]
    }

    /// Undelivered data of the last file, if data of an earlier file precedes it.
    pub fn rest_of_last_file(&self) -> Option<&[u8]> {
        let last = self.origins.back()?;
        (last.pos > self.start).then(|| &self.bytes[last.pos..self.end])
    }

    /// Drops undelivered data.
    pub fn drop_rest(&mut self) {
        self.start = self.end;
        self.searched = self.end;
    }

    /// Frees unused memory; later reads allocate again.
    pub fn release(&mut self) {
        if self.start == self.end {
            self.make_room_at_start();
            self.given = Given { start: 0, end: 0, ..self.given };
            self.bytes = Vec::new();
        }
    }

    /// Delivers bytes without a newline, minus trailing zeros. False if nothing remains, unless a
    /// line must be ended.
    fn give_until(&mut self, end: usize, ending: Ending) -> bool {
        let zeros_len = if ending == Ending::Cut { ZEROS_LEN_IN_LINE } else { ZEROS_LEN };
        let text_len = text_len(&self.bytes[self.start..end.max(self.start)], zeros_len);
        let zeros_pos = self.start + text_len;
        let must_end = self.given.ending == Ending::Cut && ending != Ending::Cut;
        let has_text = text_len > 0 || must_end;
        if has_text {
            self.give(zeros_pos, ending);
        }
        if zeros_pos < end {
            let place = self.rest_place();
            self.zeros.get_or_insert((place, 0)).1 += (end - zeros_pos) as u64;
            self.begin_at(end);
        }
        has_text
    }

    fn give(&mut self, end: usize, ending: Ending) {
        let origin = &self.origins[0];
        if !Arc::ptr_eq(&self.place.file, &origin.file) {
            self.place.file = origin.file.clone();
        }
        self.place.offset = origin.offset + (self.start - origin.pos) as u64;
        let continues = self.given.ending == Ending::Cut;
        self.given = Given { start: self.start, end, ending, continues };
        self.begin_at(end + usize::from(ending == Ending::Newline));
    }

    /// Marks everything before `start` as delivered.
    fn begin_at(&mut self, start: usize) {
        self.start = start;
        self.searched = start;
        assert!(self.start <= self.end && self.end <= self.bytes.len());
        while self.origins.len() > 1 && self.origins[1].pos <= self.start {
            self.origins.pop_front();
        }
    }

    /// Moves undelivered data to the buffer's start and makes room after it.
    fn make_room(&mut self) {
        self.make_room_at_start();
        if self.bytes.len() - self.end < BLOCK_LEN / 2 || self.bytes.is_empty() {
            self.bytes.resize((self.end + BLOCK_LEN).next_multiple_of(BLOCK_LEN), 0);
        }
    }

    fn make_room_at_start(&mut self) {
        self.bytes.copy_within(self.start..self.end, 0);
        for origin in &mut self.origins {
            let behind = self.start.saturating_sub(origin.pos);
            origin.offset += behind as u64;
            origin.pos -= self.start.min(origin.pos);
        }
        self.end -= self.start;
        self.searched -= self.start;
        self.start = 0;
    }
}

/// Length without trailing zeros, if there are at least `zeros_len`.
fn text_len(bytes: &[u8], zeros_len: usize) -> usize {
    let text_len = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |pos| pos + 1);
    if bytes.len() - text_len < zeros_len { bytes.len() } else { text_len }
}
