//! The line engine: blocks of input in, heads and bytes of selected lines out. Pure: no files, no
//! clock, no descriptors.
//!
//! A line is judged by its head, the first 1000 bytes with its stamp (or 8192), as soon as these are
//! there or the line ends. Bytes are copied at most once here: lines without a stamp are handed on from
//! where they lie in the block, stamped ones from the stage, and lines that go the same way in one
//! piece.

use crate::newlines::Newlines;
use crate::script::Script;
use crate::select::{HEAD_MAX, LONG_HEAD_MAX, Selector, Way};
use crate::stage::{STAGE_MAX, Stage};
use ::logdir::label::Label;
use ::logdir::stamp::{StampFormat, Stamper, Stamping};
use memchr::{memchr, memrchr};
use std::ops::Range;

/// The longest block [`Lines::take`] may be given, in bytes.
pub const BLOCK_MAX: usize = 64 * 1024 + LONG_HEAD_MAX;

/// The most bytes that one call of [`Lines::take`] hands to a sink.
pub const HANDED_MAX: usize = if STAGE_MAX > BLOCK_MAX { STAGE_MAX } else { BLOCK_MAX };

/// Where lines go. Sinks are numbered in the order of the script.
pub trait Sinks {
    /// A selected line has been judged: its first bytes, as many as decided, without the newline.
    /// Called for sinks that want heads.
    fn head(&mut self, sink: usize, head: &[u8]);
    /// Bytes of selected lines, newlines included, behind all that came before. Called for sinks
    /// that want bytes.
    fn bytes(&mut self, sink: usize, bytes: &[u8]);
}

/// What of a line has to be seen to decide who takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sees {
    /// Nothing: each sink takes every line or none, and no sink wants heads.
    Nothing,
    /// Its text, without the stamp if it gets one.
    Text,
    /// Its text with the stamp.
    Stamped,
}

/// Where in a line the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// In its head, which is not complete, or at its beginning.
    Head,
    /// Behind its head: the line has been judged, and the rest goes where the head went.
    Tail,
}

/// The engine of one stream.
#[derive(Debug)]
pub struct Lines {
    stamping: Stamping,
    /// Bytes of a head; at most [`LONG_HEAD_MAX`].
    head_max: usize,
    /// The stamp of a line whose first bytes have been seen and not been taken; empty if there is none.
    begun: Vec<u8>,
    selector: Selector,
    sees: Sees,
    position: Position,
    /// Stamped lines not handed on yet; empty between calls.
    stage: Stage,
    runs: Runs,
}

/// What each sink that wants bytes has to be given of the text at hand.
#[derive(Debug)]
struct Runs {
    /// The sinks that take the line at hand, or the last one.
    open: Vec<usize>,
    /// Their course.
    course: u64,
    /// Lines that have gone there since it changed.
    line_count: u64,
    /// Where in the text the bytes begin that the sink has not been given, by sink; 0 for those that take
    /// nothing.
    starts: Vec<usize>,
    /// Lines before that, by sink.
    counts: Vec<u64>,
}

impl Runs {
    /// The line from `start` on goes this way.
    #[inline]
    fn line(&mut self, text: &[u8], start: usize, way: &Way, to: &mut impl Sinks) {
        if self.course != way.course {
            self.change(text, start, way, to);
        }
        self.line_count += 1;
    }

    fn change(&mut self, text: &[u8], start: usize, way: &Way, to: &mut impl Sinks) {
        self.add_up();
        for &sink in self.open.iter().filter(|sink| !way.bytes.contains(sink)) {
            hand(sink, &text[std::mem::take(&mut self.starts[sink])..start], to);
        }
        for &sink in way.bytes.iter().filter(|sink| !self.open.contains(sink)) {
            self.starts[sink] = start;
        }
        self.open.clone_from(&way.bytes);
        self.course = way.course;
    }

    /// The text ends here, maybe within a line.
    fn end(&mut self, text: &[u8], to: &mut impl Sinks) {
        for &sink in &self.open {
            hand(sink, &text[std::mem::take(&mut self.starts[sink])..], to);
        }
    }

    fn add_up(&mut self) {
        for &sink in &self.open {
            self.counts[sink] += self.line_count;
        }
        self.line_count = 0;
    }
}

impl Lines {
    /// The engine of a script.
    pub fn new(script: &Script) -> Lines {
        let (mut selector, sees) = selector(script);
        let sink_count = selector.sink_count();
        let way = selector.judge(b"", 0);
        let is_shown = !way.heads.is_empty();
        let runs = Runs {
            open: way.bytes.clone(),
            course: way.course,
            line_count: 0,
            starts: vec![0; sink_count],
            counts: vec![0; sink_count],
        };
        Lines {
            stamping: Stamping::new(script.stamp),
            head_max: script.head_max(),
            begun: Vec::new(),
            sees: if selector.is_constant() && !is_shown { Sees::Nothing } else { sees },
            selector,
            position: Position::Head,
            stage: Stage::new(script.stamp.is_some()),
            runs,
        }
    }

    /// Takes the moment a block was read; the stamps of lines that begin in it count from there.
    pub fn set_clock(&mut self, now: Label) {
        self.stamping.set_clock(now);
    }

    /// How many lines have gone to each sink that wants bytes, one that has begun included.
    pub fn counts(&mut self) -> &[u64] {
        self.runs.add_up();
        &self.runs.counts
    }

    /// Takes lines from the beginning of `block` and tells how many bytes it took. What it did not
    /// take has to come again, with more behind it; 0 means that there is nothing but a part of a
    /// line's head. Hands on at most [`HANDED_MAX`] bytes a sink.
    pub fn take(&mut self, block: &[u8], to: &mut impl Sinks) -> usize {
        assert!(block.len() <= BLOCK_MAX);
        // Out of the way while the rest of the engine is at work.
        let mut stamping = std::mem::replace(&mut self.stamping, Stamping::Off);
        let taken = match (&mut stamping, self.position) {
            (Stamping::Off, _) if self.sees == Sees::Nothing => self.take_whole(block, to),
            (_, Position::Tail) => self.take_tail(block, to),
            (Stamping::Off, Position::Head) => self.take_plain(block, to),
            (Stamping::Labels(stamps), Position::Head) => self.take_stamped(stamps, block, to),
            (Stamping::Dates(stamps), Position::Head) => self.take_stamped(stamps, block, to),
        };
        self.stamping = stamping;
        taken
    }

    /// Whether a line has begun and not ended. `rest` is what [`Lines::take`] did not take.
    pub fn is_in_line(&self, rest: &[u8]) -> bool {
        self.position == Position::Tail || !rest.is_empty()
    }

    /// Ends the input. `rest` is what [`Lines::take`] did not take; a line without a newline gets one.
    pub fn end(&mut self, rest: &[u8], to: &mut impl Sinks) {
        match self.position {
            Position::Head if rest.is_empty() => {}
            Position::Head => {
                let line = [rest, b"\n"].concat();
                let taken = self.take(&line, to);
                assert!(taken == line.len());
            }
            Position::Tail => {
                assert!(rest.is_empty());
                self.runs.end(b"\n", to);
                self.position = Position::Head;
            }
        }
    }

    /// The rest of a line that has been judged.
    fn take_tail(&mut self, block: &[u8], to: &mut impl Sinks) -> usize {
        let end = match memchr(b'\n', block) {
            Some(newline) => {
                self.position = Position::Head;
                newline + 1
            }
            None => block.len(),
        };
        self.runs.end(&block[..end], to);
        end
    }

    /// Lines that need not be looked at: all of them up to the last newline, and behind it what is longer
    /// than a head.
    fn take_whole(&mut self, block: &[u8], to: &mut impl Sinks) -> usize {
        let whole = memrchr(b'\n', block).map_or(0, |newline| newline + 1);
        if self.position == Position::Tail && whole == 0 {
            return self.take_tail(block, to);
        }
        // A line is counted where it begins.
        let begun_before = u64::from(self.position == Position::Tail);
        let is_begun = block.len() - whole >= self.head_max;
        let newlines = bytecount::count(&block[..whole], b'\n') as u64;
        self.runs.line_count += newlines - begun_before + u64::from(is_begun);
        self.position = if is_begun { Position::Tail } else { Position::Head };
        let end = if is_begun { block.len() } else { whole };
        self.runs.end(&block[..end], to);
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
            let way = self.selector.judge(head, 0);
            give_head(way, head, to);
            self.runs.line(block, pos, way, to);
            pos += line_len;
        }
        self.runs.end(&block[..pos], to);
        pos
    }

    /// Lines with stamps, as many as fit on the stage.
    fn take_stamped(
        &mut self,
        stamps: &mut impl Stamper,
        block: &[u8],
        to: &mut impl Sinks,
    ) -> usize {
        let mut newlines = Newlines::new(block);
        let (mut pos, mut lines) = (0, 0);
        while self.position == Position::Head {
            match self.sees {
                Sees::Nothing if self.begun.is_empty() => {
                    (pos, lines) = self.stage_unseen(stamps, block, &mut newlines, (pos, lines));
                }
                Sees::Text if self.begun.is_empty() => {
                    pos = self.stage_judged(stamps, block, &mut newlines, pos, to);
                }
                Sees::Nothing | Sees::Text | Sees::Stamped => {}
            }
            let stamp_len = self.stamp_len(stamps);
            let text_max = self.head_max - stamp_len;
            let Some(text_len) = text_len(newlines.next(), pos, block.len(), text_max) else {
                if block.len() > pos {
                    self.begin_line(stamps);
                }
                break;
            };
            if !self.stage.fits(stamp_len + text_len) {
                break;
            }
            let end = pos + text_len;
            if block[end - 1] != b'\n' {
                self.position = Position::Tail;
            }
            self.stage_line(stamps, block, pos..end, to);
            pos = end;
            lines += 1;
        }
        if self.sees == Sees::Nothing {
            self.runs.line_count += lines;
        }
        self.runs.end(self.stage.bytes(), to);
        self.stage.clear();
        pos
    }

    /// Whole lines that nobody looks at, up to one that is longer than a head or does not fit: most lines of
    /// most scripts, with few questions a line. Goes on from where the bytes and lines taken are, and tells
    /// where they are then.
    fn stage_unseen(
        &mut self,
        stamps: &mut impl Stamper,
        block: &[u8],
        newlines: &mut Newlines,
        (mut pos, mut lines): (usize, u64),
    ) -> (usize, u64) {
        let mut ahead = newlines.clone();
        while let Some(newline) = ahead.next() {
            let text_max = self.head_max - stamps.stamp_len();
            if newline - pos > text_max || !self.stage.put_line(stamps, block, pos..newline + 1) {
                break;
            }
            *newlines = ahead.clone();
            (pos, lines) = (newline + 1, lines + 1);
        }
        (pos, lines)
    }

    /// The same for lines that are judged by their text.
    fn stage_judged(
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
            if line.len() > text_max || !self.stage.fits(stamps.stamp_len() + line.len()) {
                break;
            }
            let start = self.stage.len();
            if self.is_taken(&block[pos..newline], to) {
                self.stage.put_line(stamps, block, line);
                let head = without_newline(&self.stage.bytes()[start..]);
                give_head(self.selector.way(), head, to);
            } else {
                stamps.skip();
            }
            *newlines = ahead.clone();
            pos = newline + 1;
        }
        pos
    }

    /// Bytes of the stamp of the line at hand.
    fn stamp_len(&self, stamps: &mut impl Stamper) -> usize {
        if self.begun.is_empty() { stamps.stamp_len() } else { self.begun.len() }
    }

    /// A line whose first bytes are there gets its stamp now, though it is not put together yet.
    fn begin_line(&mut self, stamps: &mut impl Stamper) {
        if self.begun.is_empty() {
            self.begun.resize(stamps.stamp_len(), 0);
            stamps.put_next(&mut self.begun);
        }
    }

    /// Puts a line together and decides who takes it, in the order that is possible: what nobody takes
    /// is not put together.
    #[inline]
    fn stage_line(
        &mut self,
        stamps: &mut impl Stamper,
        block: &[u8],
        line: Range<usize>,
        to: &mut impl Sinks,
    ) {
        let (start, stamp_len) = (self.stage.len(), self.stamp_len(stamps));
        if self.sees == Sees::Text && !self.is_taken(without_newline(&block[line.clone()]), to) {
            self.skip_stamp(stamps);
            return;
        }
        if self.begun.is_empty() {
            self.stage.put_next_stamp(stamps);
        } else {
            self.stage.put(&self.begun, 0..self.begun.len());
            self.begun.clear();
        }
        self.stage.put(block, line);
        let head = without_newline(&self.stage.bytes()[start..]);
        if self.sees == Sees::Stamped {
            let way = self.selector.judge(head, stamp_len);
            self.runs.line(self.stage.bytes(), start, way, to);
        }
        if self.sees != Sees::Nothing {
            give_head(self.selector.way(), head, to);
        }
    }

    /// Judges a line by its text before it is put on the stage; whether anybody takes it.
    #[inline]
    fn is_taken(&mut self, text: &[u8], to: &mut impl Sinks) -> bool {
        let way = self.selector.judge(text, 0);
        self.runs.line(self.stage.bytes(), self.stage.len(), way, to);
        !way.is_nowhere()
    }

    /// Nobody takes the line that this stamp is for.
    fn skip_stamp(&mut self, stamps: &mut impl Stamper) {
        if self.begun.is_empty() {
            stamps.skip();
        }
        self.begun.clear();
    }
}

/// Who decides, and what it has to see for it.
fn selector(script: &Script) -> (Selector, Sees) {
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
        Some(selector) => (selector, Sees::Text),
        None if script.stamp.is_none() => (Selector::new(&script.actions), Sees::Text),
        None => (Selector::new(&script.actions), Sees::Stamped),
    }
}

/// How much of the text from `pos` on can be judged, given where its newline is: all of it with the
/// newline, or the head of a longer line. None where that is not there yet.
fn text_len(newline: Option<usize>, pos: usize, end: usize, text_max: usize) -> Option<usize> {
    match newline {
        Some(newline) if newline - pos <= text_max => Some(newline + 1 - pos),
        Some(_) | None => (end - pos >= text_max).then_some(text_max),
    }
}

fn without_newline(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Gives the head of a line to those who take it and want one.
fn give_head(way: &Way, head: &[u8], to: &mut impl Sinks) {
    for &sink in &way.heads {
        to.head(sink, head);
    }
}

fn hand(sink: usize, bytes: &[u8], to: &mut impl Sinks) {
    if !bytes.is_empty() {
        to.bytes(sink, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{self, Action};
    use ::logdir::label::{NANOS_PER_SEC, STAMP_LEN};
    use ::logdir::stamp::StampFormat;
    use model::{Given, Read};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    mod model;

    /// The first moment of the tests; the stamp of the first line.
    fn start() -> Label {
        after(0)
    }

    fn parse(arguments: &[impl AsRef<[u8]>]) -> Script {
        let arguments: Vec<OsString> =
            arguments.iter().map(|text| OsString::from_vec(text.as_ref().to_vec())).collect();
        script::parse(&arguments).expect("a good script").0
    }

    /// The stream in reads of the given length.
    fn cut(stream: &[u8], read_len: usize) -> Vec<Read> {
        let read = |bytes: &[u8]| Read { now: start(), bytes: bytes.to_vec() };
        stream.chunks(read_len).map(read).collect()
    }

    /// One alert and one log directory behind the actions are given these, however the stream is cut.
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

    /// A line of `len` bytes, with and without its newline.
    #[track_caller]
    fn check_length(len: usize, head_len: usize) {
        let line = vec![b'x'; len];
        let ended = [line.as_slice(), b"\n"].concat();
        check(&[], &line, &[&line[..head_len]], &ended);
        check(&[], &ended, &[&line[..head_len]], &ended);
        // The head alone decides, and there is no more of it than this.
        let exactly = format!("-{}", "x".repeat(head_len));
        check(&[&exactly], &ended, &[], b"");
        let longer = format!("-{}", "x".repeat(head_len + 1));
        check(&[&longer], &ended, &[&line[..head_len]], &ended);
    }

    /// The same with a stamp before the line.
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
            // An expression changes how much of every line is seen.
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
            // As many as do not fit on one stage or into one read.
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
        let stamps: Vec<Option<Label>> = lines.map(Label::parse).collect();
        stamps.iter().all(Option::is_some) && stamps.is_sorted_by(|one, next| one < next)
    }
}
