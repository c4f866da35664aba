//! Line engine: reads input blocks; returns heads and bytes of selected lines. Pure: no files,
//! clock or descriptors.
//!
//! The engine judges a line by its head (first 1000 bytes including the stamp, or 8192) as soon as
//! the head is complete or the line ends. Bytes are copied at most once: unstamped lines are passed
//! directly from the block, stamped lines from a buffer; neighbouring lines with equal routes are
//! passed together.

mod pending_ranges;

use crate::action::{Script, StampFormat};
use crate::buffers::Buffers;
use crate::head::HEAD_MAX;
use crate::newlines::{self, Newlines};
use crate::select::{Route, Selector};
use crate::stamped_buffer::StampedBuffer;
use crate::stamper::Stamper;
use memchr::{memchr, memrchr};
use pending_ranges::PendingRanges;
use std::ops::Range;

/// Longest block for [`Lines::take`], in bytes.
pub const BLOCK_MAX: usize = Buffers::Usual.block_max();

/// Most bytes per sink from one [`Lines::take`] call.
pub const HANDED_MAX: usize = Buffers::Usual.handed_max();

/// Receiver of selected lines. Sinks are numbered in script order.
pub trait Sinks {
    /// Receives a selected line's head: the deciding bytes, without newline. Called for sinks that
    /// want heads.
    fn head(&mut self, sink: usize, head: &[u8]);
    /// Receives bytes of selected lines in stream order, newlines included. Called for sinks that
    /// want bytes.
    fn bytes(&mut self, sink: usize, bytes: &[u8]);
}

/// Line part that decides the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JudgedBy {
    /// Nothing: each sink receives all lines or none, and no sink wants heads.
    Nothing,
    /// Text without the stamp.
    Text,
    /// Text with its stamp.
    Stamped,
}

/// Position of the next byte in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// At line start, or inside an incomplete head.
    Head,
    /// After the head: the line is judged; its tail follows the head's route.
    Tail,
}

/// Line engine of one stream.
#[derive(Debug)]
pub struct Lines {
    /// True if the script adds stamps.
    is_stamped: bool,
    /// Head length; at most [`LONG_HEAD_MAX`].
    head_max: usize,
    /// Stamp of a line whose incomplete head remains in the block; otherwise empty.
    begun: Vec<u8>,
    selector: Selector,
    judged_by: JudgedBy,
    position: Position,
    /// Stamped lines not handed on yet; empty between calls.
    buffer: StampedBuffer,
    pending: PendingRanges,
}

impl Lines {
    /// Engine for a script, with the usual buffers.
    pub fn new(script: &Script) -> Lines {
        Lines::with_buffers(script, Buffers::Usual)
    }

    /// Engine for a script. If no block exceeds [`Buffers::block_max`], a sink receives at most
    /// [`Buffers::handed_max`] bytes per call.
    pub fn with_buffers(script: &Script, buffers: Buffers) -> Lines {
        let (mut selector, judged_by) = selector(script);
        let sink_count = selector.sink_count();
        let route = selector.judge(b"", 0);
        let is_shown = !route.heads.is_empty();
        let pending = PendingRanges::new(sink_count, route);
        Lines {
            is_stamped: script.stamp.is_some(),
            head_max: script.head_max(),
            begun: Vec::new(),
            judged_by: if selector.is_constant() && !is_shown {
                JudgedBy::Nothing
            } else {
                judged_by
            },
            selector,
            position: Position::Head,
            buffer: StampedBuffer::new(script.stamp.is_some(), buffers),
            pending,
        }
    }

    /// Lines passed to each byte sink, including an unfinished line.
    pub fn counts(&mut self) -> &[u64] {
        self.pending.counts()
    }

    /// Processes lines from the start of `block` and returns the bytes consumed. The caller passes
    /// the remaining bytes again with more data; 0 means an incomplete head. Each sink receives at
    /// most [`HANDED_MAX`] bytes per call. `stamps` creates stamps exactly if the script requests
    /// them; the caller sets its clock after each read.
    pub fn take<S: Stamper>(&mut self, block: &[u8], stamps: &mut S, to: &mut impl Sinks) -> usize {
        assert!(block.len() <= BLOCK_MAX);
        assert!(S::MAKES_STAMPS == self.is_stamped);
        match (S::MAKES_STAMPS, self.position) {
            (false, _) if self.judged_by == JudgedBy::Nothing => self.take_whole(block, to),
            (_, Position::Tail) => self.take_tail(block, to),
            (false, Position::Head) => self.take_plain(block, to),
            (true, Position::Head) => self.take_stamped(block, stamps, to),
        }
    }

    /// True inside an unfinished line. `rest` holds the bytes that [`Lines::take`] did not consume.
    pub fn is_in_line(&self, rest: &[u8]) -> bool {
        self.position == Position::Tail || !rest.is_empty()
    }

    /// Ends the input; adds a newline to an unfinished line. `rest` holds the bytes that
    /// [`Lines::take`] did not consume.
    pub fn end(&mut self, rest: &[u8], stamps: &mut impl Stamper, to: &mut impl Sinks) {
        match self.position {
            Position::Head if rest.is_empty() => {}
            Position::Head => {
                let line = [rest, b"\n"].concat();
                let taken = self.take(&line, stamps, to);
                assert!(taken == line.len());
            }
            Position::Tail => {
                assert!(rest.is_empty());
                self.pending.end(b"\n", to);
                self.position = Position::Head;
            }
        }
    }

    /// Passes on the rest of a judged line.
    fn take_tail(&mut self, block: &[u8], to: &mut impl Sinks) -> usize {
        let end = match memchr(b'\n', block) {
            Some(newline) => {
                self.position = Position::Head;
                newline + 1
            }
            None => block.len(),
        };
        self.pending.end(&block[..end], to);
        end
    }

    /// Passes unjudged lines: all bytes up to the last newline, then the part of an unfinished line
    /// beyond head length.
    fn take_whole(&mut self, block: &[u8], to: &mut impl Sinks) -> usize {
        let whole = memrchr(b'\n', block).map_or(0, |newline| newline + 1);
        if self.position == Position::Tail && whole == 0 {
            return self.take_tail(block, to);
        }
        // Lines are counted at their start.
        let begun_before = u64::from(self.position == Position::Tail);
        let is_begun = block.len() - whole >= self.head_max;
        let newlines = newlines::count(&block[..whole]) as u64;
        self.pending.count_lines(newlines - begun_before + u64::from(is_begun));
        self.position = if is_begun { Position::Tail } else { Position::Head };
        let end = if is_begun { block.len() } else { whole };
        self.pending.end(&block[..end], to);
        end
    }

    /// Lines without stamps.
    fn take_plain(&mut self, block: &[u8], to: &mut impl Sinks) -> usize {
        let mut newlines = Newlines::new(block);
        let mut pos = 0;
        while self.position == Position::Head {
            let rest = &block[pos..];
            let (head_len, line_len) = match newlines.next() {
                Some(newline) => ((newline - pos).min(self.head_max), newline + 1 - pos),
                None if rest.len() >= self.head_max => {
                    self.position = Position::Tail;
                    (self.head_max, rest.len())
                }
                None => break,
            };
            let head = &rest[..head_len];
            let route = self.selector.judge(head, 0);
            give_head(route, head, to);
            self.pending.add_line(block, pos, route, to);
            pos += line_len;
        }
        self.pending.end(&block[..pos], to);
        pos
    }

    /// Stamps as many lines as fit in the buffer.
    fn take_stamped(
        &mut self,
        block: &[u8],
        stamps: &mut impl Stamper,
        to: &mut impl Sinks,
    ) -> usize {
        let mut newlines = Newlines::new(block);
        let (mut pos, mut lines) = (0, 0);
        while self.position == Position::Head {
            match self.judged_by {
                JudgedBy::Nothing if self.begun.is_empty() => {
                    (pos, lines) = self.buffer_unseen(stamps, block, &mut newlines, (pos, lines));
                }
                JudgedBy::Text if self.begun.is_empty() => {
                    pos = self.buffer_judged(stamps, block, &mut newlines, pos, to);
                }
                JudgedBy::Nothing | JudgedBy::Text | JudgedBy::Stamped => {}
            }
            let stamp_len = self.stamp_len(stamps);
            let text_max = self.head_max - stamp_len;
            let Some(text_len) = text_len(newlines.next(), pos, block.len(), text_max) else {
                if block.len() > pos {
                    self.begin_line(stamps);
                }
                break;
            };
            if !self.buffer.fits(stamp_len + text_len) {
                break;
            }
            let end = pos + text_len;
            if block[end - 1] != b'\n' {
                self.position = Position::Tail;
            }
            self.buffer_line(stamps, block, pos..end, to);
            pos = end;
            lines += 1;
        }
        if self.judged_by == JudgedBy::Nothing {
            self.pending.count_lines(lines);
        }
        self.pending.end(self.buffer.bytes(), to);
        self.buffer.clear();
        pos
    }

    /// Fast path for most scripts: stamps whole unjudged lines until a line exceeds the head length
    /// or the buffer's room. Starts at the given byte and line counts and updates both.
    fn buffer_unseen(
        &mut self,
        stamps: &mut impl Stamper,
        block: &[u8],
        newlines: &mut Newlines,
        (mut pos, mut lines): (usize, u64),
    ) -> (usize, u64) {
        let mut ahead = newlines.clone();
        while let Some(newline) = ahead.next() {
            let text_max = self.head_max - stamps.stamp_len();
            if newline - pos > text_max || !self.buffer.put_line(stamps, block, pos..newline + 1) {
                break;
            }
            *newlines = ahead.clone();
            (pos, lines) = (newline + 1, lines + 1);
        }
        (pos, lines)
    }

    /// Fast path for lines judged by text.
    fn buffer_judged(
        &mut self,
        stamps: &mut impl Stamper,
        block: &[u8],
        newlines: &mut Newlines,
        mut pos: usize,
        to: &mut impl Sinks,
    ) -> usize {
        let mut ahead = newlines.clone();
        while let Some(newline) = ahead.next() {
            let line = pos..newline + 1;
            let text_max = self.head_max - stamps.stamp_len();
            if line.len() > text_max || !self.buffer.fits(stamps.stamp_len() + line.len()) {
                break;
            }
            let start = self.buffer.len();
            if self.is_taken(&block[pos..newline], to) {
                self.buffer.put_line(stamps, block, line);
                let head = without_newline(&self.buffer.bytes()[start..]);
                give_head(self.selector.route(), head, to);
            } else {
                stamps.skip();
            }
            *newlines = ahead.clone();
            pos = newline + 1;
        }
        pos
    }

    /// Stamp length of the current line.
    fn stamp_len(&self, stamps: &mut impl Stamper) -> usize {
        if self.begun.is_empty() { stamps.stamp_len() } else { self.begun.len() }
    }

    /// Creates the stamp after the line's first bytes arrive, before the line is stored.
    fn begin_line(&mut self, stamps: &mut impl Stamper) {
        if self.begun.is_empty() {
            self.begun.resize(stamps.stamp_len(), 0);
            stamps.put_next(&mut self.begun);
        }
    }

    /// Stores and judges a line; judges first if possible, so unselected lines are never stored.
    #[inline]
    fn buffer_line(
        &mut self,
        stamps: &mut impl Stamper,
        block: &[u8],
        line: Range<usize>,
        to: &mut impl Sinks,
    ) {
        let (start, stamp_len) = (self.buffer.len(), self.stamp_len(stamps));
        if self.judged_by == JudgedBy::Text
            && !self.is_taken(without_newline(&block[line.clone()]), to)
        {
            self.skip_stamp(stamps);
            return;
        }
        if self.begun.is_empty() {
            self.buffer.put_next_stamp(stamps);
        } else {
            self.buffer.put(&self.begun, 0..self.begun.len());
            self.begun.clear();
        }
        self.buffer.put(block, line);
        let head = without_newline(&self.buffer.bytes()[start..]);
        if self.judged_by == JudgedBy::Stamped {
            let route = self.selector.judge(head, stamp_len);
            self.pending.add_line(self.buffer.bytes(), start, route, to);
        }
        if self.judged_by != JudgedBy::Nothing {
            give_head(self.selector.route(), head, to);
        }
    }

    /// Judges a line's text before storing; true if any sink wants the line.
    #[inline]
    fn is_taken(&mut self, text: &[u8], to: &mut impl Sinks) -> bool {
        let route = self.selector.judge(text, 0);
        self.pending.add_line(self.buffer.bytes(), self.buffer.len(), route, to);
        !route.is_nowhere()
    }

    /// Drops the stamp of a line without takers.
    fn skip_stamp(&mut self, stamps: &mut impl Stamper) {
        if self.begun.is_empty() {
            stamps.skip();
        }
        self.begun.clear();
    }
}

/// Builds the selector and chooses the line part that it judges.
fn selector(script: &Script) -> (Selector, JudgedBy) {
    let behind_label = match script.stamp {
        Some(StampFormat::Tai64n) if script.head_max() == HEAD_MAX => {
            Selector::behind_label(&script.actions)
        }
        None
        | Some(StampFormat::Tai64n | StampFormat::Unix | StampFormat::Utc | StampFormat::Local) => {
            None
        }
    };
    match behind_label {
        Some(selector) => (selector, JudgedBy::Text),
        None if script.stamp.is_none() => (Selector::new(&script.actions), JudgedBy::Text),
        None => (Selector::new(&script.actions), JudgedBy::Stamped),
    }
}

/// Length of judgeable text from `pos`: a whole line including newline, or a longer line's head.
/// `None` for an incomplete head.
fn text_len(newline: Option<usize>, pos: usize, end: usize, text_max: usize) -> Option<usize> {
    match newline {
        Some(newline) if newline - pos <= text_max => Some(newline + 1 - pos),
        Some(_) | None => (end - pos >= text_max).then_some(text_max),
    }
}

fn without_newline(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Passes a head to each selected head sink.
fn give_head(route: &Route, head: &[u8], to: &mut impl Sinks) {
    for &sink in &route.heads {
        to.head(sink, head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::stamper::NoStamps;
    use model::{Given, Read};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use stamps::{Label, NANOS_PER_SEC, STAMP_LEN};
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    mod model;
    mod stamps;

    /// First time in tests: the first line's stamp.
    fn start() -> Label {
        after(0)
    }

    fn parse(arguments: &[impl AsRef<[u8]>]) -> Script {
        let arguments: Vec<OsString> =
            arguments.iter().map(|text| OsString::from_vec(text.as_ref().to_vec())).collect();
        crate::parse(&arguments).expect("a good script").0
    }

    /// Stream cut into reads of one length.
    fn cut(stream: &[u8], read_len: usize) -> Vec<Read> {
        let read = |bytes: &[u8]| Read { now: start(), bytes: bytes.to_vec() };
        stream.chunks(read_len).map(read).collect()
    }

    /// Checks the output of one alert and one log directory after the actions, for several cuts of
    /// the stream.
    #[track_caller]
    fn check(actions: &[&str], stream: &[u8], heads: &[&[u8]], bytes: &[u8]) {
        let script = parse(&[actions, &["e", "./d"]].concat());
        for read_len in [1, 2, 7, 973, 974, 975, 999, 1000, 1001, 4096] {
            let reads = cut(stream, read_len);
            let given = model::given(&script, &reads);
            assert_eq!(given[0].heads, heads, "reads of {read_len}");
            assert_eq!(given[1].bytes, bytes, "reads of {read_len}");
            assert_eq!(given, model::expected(&script, &reads), "reads of {read_len}");
        }
    }

    /// Line of `len` bytes, with and without newline.
    #[track_caller]
    fn check_length(len: usize, head_len: usize) {
        let line = vec![b'x'; len];
        let ended = [line.as_slice(), b"\n"].concat();
        check(&[], &line, &[&line[..head_len]], &ended);
        check(&[], &ended, &[&line[..head_len]], &ended);
        // A pattern of exact head length matches; a byte more does not.
        let exactly = format!("-{}", "x".repeat(head_len));
        check(&[&exactly], &ended, &[], b"");
        let longer = format!("-{}", "x".repeat(head_len + 1));
        check(&[&longer], &ended, &[&line[..head_len]], &ended);
    }

    /// Checks heads with stamps.
    #[track_caller]
    fn check_stamped_length(len: usize, head_len: usize) {
        let line = [&start().format()[..], b" ", &vec![b'x'; len]].concat();
        let ended = [line.as_slice(), b"\n"].concat();
        check(&["t"], &line[STAMP_LEN..], &[&line[..head_len]], &ended);
        check(&["t"], &ended[STAMP_LEN..], &[&line[..head_len]], &ended);
        let exactly = format!("-@* {}", "x".repeat(head_len - STAMP_LEN));
        check(&["t", &exactly], &ended[STAMP_LEN..], &[], b"");
        let longer = format!("-@* {}", "x".repeat(head_len - STAMP_LEN + 1));
        check(&["t", &longer], &ended[STAMP_LEN..], &[&line[..head_len]], &ended);
    }

    #[test]
    fn the_first_1000_bytes_of_a_line_are_its_head() {
        check_length(1, 1);
        check_length(999, 999);
        check_length(1000, 1000);
        check_length(1001, 1000);
        check_length(5000, 1000);
    }

    #[test]
    fn the_stamp_is_part_of_the_head() {
        check_stamped_length(1, 27);
        check_stamped_length(973, 999);
        check_stamped_length(974, 1000);
        check_stamped_length(975, 1000);
        check_stamped_length(976, 1000);
        check_stamped_length(5000, 1000);
    }

    #[test]
    fn no_input_is_no_line_and_a_newline_is_an_empty_one() {
        check(&[], b"", &[], b"");
        check(&["t"], b"", &[], b"");
        check(&[], b"\n", &[b""], b"\n");
        check(&["-"], b"\n\nx\n\n", &[b"x"], b"x\n");
        let stamp = [&start().format()[..], b" "].concat();
        check(&["t"], b"\n", &[&stamp], &[&stamp[..], b"\n"].concat());
    }

    #[test]
    fn every_byte_but_newline_is_ordinary() {
        check(&[], b"\0\n", &[b"\0"], b"\0\n");
        check(&[], b"\0\r\xff", &[b"\0\r\xff"], b"\0\r\xff\n");
        check(&["-*", "+*\0"], b"a\nb\0\n\0c", &[b"b\0"], b"b\0\n");
    }

    #[test]
    fn the_tail_of_a_line_goes_where_its_head_went() {
        let stream = ["x".repeat(2000), "y".repeat(2000), "x".repeat(1000)].join("\n");
        let kept = ["x".repeat(2000), "x".repeat(1000), String::new()].join("\n");
        let head = "x".repeat(1000);
        let heads = [head.as_bytes(), head.as_bytes()];
        check(&["-y*"], stream.as_bytes(), &heads, kept.as_bytes());
    }

    fn any_action() -> impl Strategy<Value = Vec<u8>> {
        let lengths = select(vec![973, 974, 975, 999, 1000, 1001]);
        let pattern = prop_oneof![
            4 => few_letters(),
            2 => few_letters().prop_map(|text| [b"@* ", &text[..]].concat()),
            1 => lengths.prop_map(|len| vec![b'a'; len]),
            1 => select(vec!["*", "@*"]).prop_map(|text| text.as_bytes().to_vec()),
        ];
        let rule = (select(vec!["+", "-"]), pattern);
        let expression = select(vec!["^$", "^a+$", "[^ab]", "b$", "^.{1100}"]);
        prop_oneof![
            8 => rule.prop_map(|(sign, pattern)| [sign.as_bytes(), &pattern].concat()),
            1 => select(vec!["F", "S", "f"]).prop_map(|text| text.as_bytes().to_vec()),
            // An expression enlarges the head of every line.
            1 => expression.prop_map(|text| [b"X\0+", text.as_bytes(), b"\0S"].concat()),
            6 => select(vec!["e", "=status", "./d"]).prop_map(|text| text.as_bytes().to_vec()),
        ]
    }

    fn few_letters() -> impl Strategy<Value = Vec<u8>> {
        vec(select(b"ab*@ \0\xff".to_vec()), 0..6)
    }

    /// Some lines, the last one without its newline.
    fn any_lines() -> impl Strategy<Value = Vec<u8>> {
        let lengths = select(vec![199, 200, 201, 973, 974, 975, 976, 999, 1000, 1001, 5000]);
        let long = |(len, end): (usize, Vec<u8>)| [vec![b'a'; len], end].concat();
        let many = |(count, line): (usize, Vec<u8>)| vec![line; count].join(&b'\n');
        prop_oneof![
            8 => few_letters(),
            4 => (lengths, few_letters()).prop_map(long),
            1 => (64_000..70_000usize, few_letters()).prop_map(long),
            // Exceeds one buffer or one read.
            1 => (1..4000usize, few_letters()).prop_map(many),
        ]
    }

    /// A moment so many nanoseconds after the start.
    fn after(nanos: u64) -> Label {
        let nanos_per_sec = u64::from(NANOS_PER_SEC);
        let unix_secs = 1_700_000_000 + (nanos / nanos_per_sec).cast_signed();
        Label::from_unix(unix_secs, (nanos % nanos_per_sec) as u32)
    }

    fn any_reads() -> impl Strategy<Value = Vec<Read>> {
        let stream = vec(any_lines(), 0..8).prop_map(|lines| lines.join(&b'\n'));
        let lengths = vec(select(vec![1, 2, 30, 998, 999, 1000, 1001, 4096, 65_536]), 1..6);
        let pauses = vec(select(vec![0, 1, 5000, 1_500_000_000]), 1..6);
        (stream, lengths, pauses).prop_map(|(stream, lengths, pauses)| {
            let mut reads = Vec::new();
            let mut rest = stream.as_slice();
            let mut nanos = 0;
            for (&len, pause) in lengths.iter().cycle().zip(pauses.iter().cycle()) {
                if rest.is_empty() {
                    break;
                }
                let bytes;
                (bytes, rest) = rest.split_at(rest.len().min(len));
                nanos += pause;
                reads.push(Read { now: after(nanos), bytes: bytes.to_vec() });
            }
            reads
        })
    }

    proptest! {
        #[test]
        fn agrees_with_doing_every_action_on_every_line(
            stamp in select(vec!["", "t", "T", "Tutc", "Tlocal"]),
            actions in vec(any_action(), 0..10),
            reads in any_reads(),
        ) {
            let mut arguments = vec![stamp.as_bytes()];
            arguments.extend(actions.iter().flat_map(|text| text.split(|&byte| byte == 0)));
            let script = parse(&arguments);
            let (given, expected) = (model::given(&script, &reads), model::expected(&script, &reads));
            prop_assert_eq!(given.len(), expected.len());
            for (sink, (given, expected)) in given.iter().zip(&expected).enumerate() {
                prop_assert!(given == expected, "sink {} differs", sink);
                prop_assert!(stamp != "t" || has_increasing_stamps(given));
            }
        }
    }

    fn has_increasing_stamps(given: &Given) -> bool {
        let lines = given.bytes.split_inclusive(|&byte| byte == b'\n');
        let stamps: Vec<&[u8]> = lines.map(|line| &line[..STAMP_LEN]).collect();
        stamps.is_sorted_by(|one, next| one < next)
    }
}
