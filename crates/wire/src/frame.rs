//! Messages in a TCP stream (RFC 6587): counted (`LEN SP MESSAGE`) or newline-terminated. Senders
//! mix both in a session, so the reader judges each frame by its first bytes.

use crate::buffer::{ReadBuffer, append_decimal, copy_prefix};
use std::fmt;

/// Digits of a count. RFC 6587 sets no limit; a longer digit run belongs to a line's text.
const COUNT_DIGITS_MAX: usize = 9;
/// Longest undecided header: digits plus space.
const HEADER_LEN_MAX: usize = COUNT_DIGITS_MAX + 1;

/// Framing of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By the count before it (RFC 6587 section 3.4.1).
    Counted,
    /// By the newline after it (RFC 6587 section 3.4.2).
    Line,
}

/// End of a [`Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Count reached.
    Count,
    /// A newline, not included in `bytes`.
    Newline,
    /// A NUL, not included in `bytes`, after [`FrameReader::end_lines_at_nul`].
    Nul,
    /// Message longer than the limit. The next frame holds its next piece.
    Continues,
    /// Input ended inside a line, or `missing_len` bytes before a count was complete.
    EndOfInput {
        /// Counted bytes never received; 0 for a line.
        missing_len: usize,
    },
}

/// Message. A message longer than the reader's limit arrives in several frames, its pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Message bytes, without count and newline; limited to the reader's maximum.
    pub bytes: &'a [u8],
    /// Counted or line.
    pub framing: Framing,
    /// Piece number within the message, from 0.
    pub piece: u32,
    /// Cause of the end.
    pub ending: Ending,
}

impl Frame<'_> {
    /// True for a complete message in a single piece.
    pub fn is_whole(&self) -> bool {
        let is_ended = match self.ending {
            Ending::Count | Ending::Newline | Ending::Nul => true,
            Ending::Continues | Ending::EndOfInput { .. } => false,
        };
        self.piece == 0 && is_ended
    }
}

/// Message being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a frame's first byte.
    Start,
    /// Inside a line: `piece` pieces returned; `searched_len` unparsed bytes contain no end.
    Line { piece: u32, searched_len: usize },
    /// Inside a counted message: `piece` pieces returned; `left_len` bytes remaining.
    Counted { piece: u32, left_len: usize },
}

/// Splits a stream into messages.
///
/// Rule, measured with rsyslog and HAProxy: a frame that starts with digits, space and `<` is
/// counted; any other frame is a line. (rsyslog treats every leading digit as a count and swallows
/// such lines.) A count has no leading zero (RFC 6587 section 3.4.1) and at most nine digits.
///
/// Memory: the message limit plus a count. Longer messages arrive completely, in pieces.
#[derive(Debug)]
pub struct FrameReader {
    buffer: ReadBuffer,
    len_max: usize,
    nul_ends_line: bool,
    is_ended: bool,
    state: State,
}

impl FrameReader {
    /// Reader for messages up to `len_max` bytes; longer messages arrive in pieces.
    pub fn new(len_max: usize) -> FrameReader {
        assert!(len_max > 0, "messages have no length");
        let buffer = ReadBuffer::new(len_max.saturating_add(HEADER_LEN_MAX + 1));
        FrameReader { buffer, len_max, nul_ends_line: false, is_ended: false, state: State::Start }
    }

    /// Treats NUL as a line end too: Python's `SysLogHandler` sends NUL over TCP. RFC 6587 section
    /// 3.4.2 mentions such senders; by default a NUL is line text.
    pub fn end_lines_at_nul(mut self) -> FrameReader {
        self.nul_ends_line = true;
        self
    }

    /// Space for the next read. Empty only while [`next_frame`](Self::next_frame) has a frame.
    pub fn space(&mut self) -> &mut [u8] {
        self.buffer.space()
    }

    /// Counts `len` bytes of [`space`](Self::space) as read.
    pub fn filled(&mut self, len: usize) {
        self.buffer.filled(len);
    }

    /// Copies as much of `input` as fits; returns the byte count. The rest fits after some
    /// [`next_frame`](Self::next_frame) calls.
    pub fn push(&mut self, input: &[u8]) -> usize {
        let len = copy_prefix(input, self.buffer.space());
        self.buffer.filled(len);
        len
    }

    /// Frees an idle session's memory; the next read allocates it again. Callers use this after a
    /// quiet period, so a thousand idle sessions cost nothing.
    pub fn free_unused(&mut self) {
        self.buffer.free_unused();
    }

    /// Ends the input: an unfinished message becomes a frame.
    pub fn end_input(&mut self) {
        self.is_ended = true;
    }

    /// True if an unfinished message waits for more bytes.
    pub fn is_in_message(&self) -> bool {
        self.state != State::Start || !self.buffer.unparsed().is_empty()
    }

    /// Next message or piece; `None` until more input arrives.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        if self.state == State::Start {
            let (state, header_len) = start_of(self.buffer.unparsed(), self.is_ended)?;
            self.state = state;
            self.buffer.take(header_len);
        }
        match self.state {
            State::Start => None,
            State::Line { piece, searched_len } => self.line(piece, searched_len),
            State::Counted { piece, left_len } => self.counted(piece, left_len),
        }
    }

    fn line(&mut self, piece: u32, searched_len: usize) -> Option<Frame<'_>> {
        let unparsed = self.buffer.unparsed();
        let unsearched = &unparsed[searched_len..unparsed.len().min(self.len_max + 1)];
        let end = if self.nul_ends_line {
            memchr::memchr2(b'\n', 0, unsearched)
        } else {
            memchr::memchr(b'\n', unsearched)
        };
        let (len, ending) = match end {
            Some(pos) if unsearched[pos] == 0 => (searched_len + pos, Ending::Nul),
            Some(pos) => (searched_len + pos, Ending::Newline),
            None if unparsed.len() > self.len_max => (self.len_max, Ending::Continues),
            None if self.is_ended => (unparsed.len(), Ending::EndOfInput { missing_len: 0 }),
            None => {
                self.state = State::Line { piece, searched_len: unparsed.len() };
                return None;
            }
        };
        let (state, trailer_len) = match ending {
            Ending::Continues => {
                (State::Line { piece: piece.saturating_add(1), searched_len: 0 }, 0)
            }
            Ending::EndOfInput { .. } => (State::Start, 0),
            Ending::Count | Ending::Newline | Ending::Nul => (State::Start, 1),
        };
        self.state = state;
        let bytes = &self.buffer.take(len + trailer_len)[..len];
        Some(Frame { bytes, framing: Framing::Line, piece, ending })
    }

    fn counted(&mut self, piece: u32, left_len: usize) -> Option<Frame<'_>> {
        let unparsed_len = self.buffer.unparsed().len();
        let (len, ending, state) = if left_len > self.len_max && unparsed_len >= self.len_max {
            let left_len = left_len - self.len_max;
            let state = State::Counted { piece: piece.saturating_add(1), left_len };
            (self.len_max, Ending::Continues, state)
        } else if unparsed_len >= left_len {
            (left_len, Ending::Count, State::Start)
        } else if self.is_ended {
            let missing_len = left_len - unparsed_len;
            (unparsed_len, Ending::EndOfInput { missing_len }, State::Start)
        } else {
            return None;
        };
        self.state = state;
        Some(Frame { bytes: self.buffer.take(len), framing: Framing::Counted, piece, ending })
    }
}

/// Determines framing and header length from a frame's first bytes. `None` until enough bytes
/// arrive.
fn start_of(bytes: &[u8], is_ended: bool) -> Option<(State, usize)> {
    let line = Some((State::Line { piece: 0, searched_len: 0 }, 0));
    let digit_count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_count = (1..=COUNT_DIGITS_MAX).contains(&digit_count) && bytes[0] != b'0';
    match bytes.get(digit_count..).unwrap_or_default() {
        [] if bytes.is_empty() => None,
        [] | [b' '] if is_count && !is_ended => None,
        [b' ', b'<', ..] if is_count => {
            let value = |len: usize, digit: &u8| len * 10 + usize::from(digit - b'0');
            let left_len = bytes[..digit_count].iter().fold(0, value);
            Some((State::Counted { piece: 0, left_len }, digit_count + 1))
        }
        _ => line,
    }
}

/// Error: message cannot be written as a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainsNewline;

impl fmt::Display for ContainsNewline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message with a newline is no line")
    }
}

impl std::error::Error for ContainsNewline {}

/// Appends a counted frame (RFC 6587 section 3.4.1, RFC 5425 section 4.3). Readers recognise it by
/// the message's leading `<`, present in every syslog message.
pub fn append_counted(message: &[u8], output: &mut Vec<u8>) {
    append_decimal(message.len() as u64, output);
    output.push(b' ');
    output.extend_from_slice(message);
}

/// Appends message and newline (RFC 6587 section 3.4.2). Measured: syslog-ng removes a CR before
/// the newline, so only counted frames preserve every byte.
///
/// # Errors
///
/// Appends nothing if the message contains a newline, because readers would see two messages.
pub fn append_line(message: &[u8], output: &mut Vec<u8>) -> Result<(), ContainsNewline> {
    if memchr::memchr(b'\n', message).is_some() {
        return Err(ContainsNewline);
    }
    output.extend_from_slice(message);
    output.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests;
