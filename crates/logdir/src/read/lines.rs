//! Blocks of one file after the other, cut into lines that know where they stood.
//!
//! A line may be in several files: writers cut a line at the size of a file where it must. What is held
//! is bounded: a line that does not end is given out in pieces.

use crate::read::list::LogFile;
use memchr::memchr;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;

/// Bytes read at once.
pub const BLOCK_LEN: usize = 64 * 1024;
/// A longer line is given out in pieces of this length.
pub const LINE_LEN_MAX: usize = 1024 * 1024;
/// So many zeros where a line has no end are no text: a file system leaves thousands where the power went
/// away.
pub const ZEROS_LEN: usize = 16;
/// So many are none where a piece of a long line ends, which may be anywhere in it.
const ZEROS_LEN_IN_LINE: usize = 4096;

/// Where a line or a piece of one stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineStart {
    /// The file it starts in.
    pub file: Rc<LogFile>,
    /// Bytes before it in what the file decodes to.
    pub offset: u64,
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a newline.
    Newline,
    /// Not here: the next line is more of it.
    Cut,
    /// Nowhere: its writer was interrupted.
    Torn,
    /// Nowhere yet: there is no more of the last file.
    Open,
}

/// A line, or a piece of one that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The bytes, without the newline.
    pub bytes: &'a [u8],
    /// How it ends.
    pub ending: Ending,
    /// Whether it is more of the line before.
    pub continues: bool,
}

/// Holds what has been read and not yet been given out.
#[derive(Debug)]
pub struct BlockLines {
    /// Bytes from `end` on are there to be overwritten. `start <= searched <= end <= bytes.len()`.
    bytes: Vec<u8>,
    /// The first byte not given out.
    start: usize,
    /// No newline stands between `start` and here.
    searched: usize,
    /// What has been read ends here.
    end: usize,
    /// Which files the bytes are of. The first one holds `start`.
    origins: VecDeque<Origin>,
    /// What was given out last.
    given: Given,
    /// Where that starts.
    place: LineStart,
    /// Zeros that were left out since the last call: where they start, and how many.
    zeros: Option<(LineStart, u64)>,
}

/// From `pos` on, up to the next one, the bytes are those of `file` from `offset` on.
#[derive(Debug)]
struct Origin {
    pos: usize,
    file: Rc<LogFile>,
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
    /// Nothing yet, of a file that is read from `offset` on.
    pub fn new(file: Rc<LogFile>, offset: u64) -> BlockLines {
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

    /// Says that what is read from here on is that of another file.
    pub fn begin_file(&mut self, file: Rc<LogFile>, offset: u64) {
        if self.start == self.end {
            self.origins.clear();
        }
        self.origins.push_back(Origin { pos: self.end, file, offset });
    }

    /// Reads a block more. Zero at the end of the input.
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

    /// Goes to the next line, if it is there with its end, or to a piece of one that is too long.
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

    /// Zeros in the place of text that were left out since the last call.
    pub fn take_zeros(&mut self) -> Option<(LineStart, u64)> {
        self.zeros.take()
    }

    /// Goes to what is held, as a line that ends like this. False where nothing is.
    pub fn give_rest(&mut self, ending: Ending) -> bool {
        self.give_until(self.end, ending)
    }

    /// The same for what is held of other files than the last one.
    pub fn give_rest_of_earlier_files(&mut self, ending: Ending) -> bool {
        let pos = self.origins.back().map_or(self.end, |origin| origin.pos);
        self.give_until(pos, ending)
    }

    /// The line gone to.
    pub fn line(&self) -> Line<'_> {
        Line {
            bytes: &self.bytes[self.given.start..self.given.end],
            ending: self.given.ending,
            continues: self.given.continues,
        }
    }

    /// Where the line gone to starts.
    pub fn place(&self) -> &LineStart {
        &self.place
    }

    /// Where what is held starts: behind the line gone to.
    pub fn rest_place(&self) -> LineStart {
        let origin = &self.origins[0];
        let offset = origin.offset + (self.start - origin.pos) as u64;
        LineStart { file: origin.file.clone(), offset }
    }

    /// What is held.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// What is held of the last file, if there is also something of another one in front of it.
    pub fn rest_of_last_file(&self) -> Option<&[u8]> {
        let last = self.origins.back()?;
        (last.pos > self.start).then(|| &self.bytes[last.pos..self.end])
    }

    /// Leaves out what is held.
    pub fn drop_rest(&mut self) {
        self.start = self.end;
        self.searched = self.end;
    }

    /// Gives memory back that is not in use, at the price of getting it again.
    pub fn release(&mut self) {
        if self.start == self.end {
            self.make_room_at_start();
            self.given = Given { start: 0, end: 0, ..self.given };
            self.bytes = Vec::new();
        }
    }

    /// Gives a part that has no newline, without the zeros at its end. False where nothing is left of
    /// it, unless it has to end a line.
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
        if !Rc::ptr_eq(&self.place.file, &origin.file) {
            self.place.file = origin.file.clone();
        }
        self.place.offset = origin.offset + (self.start - origin.pos) as u64;
        let continues = self.given.ending == Ending::Cut;
        self.given = Given { start: self.start, end, ending, continues };
        self.begin_at(end + usize::from(ending == Ending::Newline));
    }

    /// Says that everything in front of this has been given out.
    fn begin_at(&mut self, start: usize) {
        self.start = start;
        self.searched = start;
        assert!(self.start <= self.end && self.end <= self.bytes.len());
        while self.origins.len() > 1 && self.origins[1].pos <= self.start {
            self.origins.pop_front();
        }
    }

    /// Makes room behind what is held, which then stands at the beginning.
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

/// Bytes before the zeros at the end, if there are at least so many of these.
fn text_len(bytes: &[u8], zeros_len: usize) -> usize {
    let text_len = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |pos| pos + 1);
    if bytes.len() - text_len < zeros_len { bytes.len() } else { text_len }
}
