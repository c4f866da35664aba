//! Reads the lines of one log directory; the interface for other programs.
//!
//! A caller sees neither files, nor compression, nor split lines. To follow a live directory, see
//! [`crate::Follow`].

use crate::failure::Failure;
use crate::label::Counting;
use crate::read::Notice;
use crate::read::backward::Backward;
use crate::read::label_counting;
use crate::read::lines::{Ending, Line, LineStart};
use crate::read::list::Directory;
use crate::read::range::Range;
use crate::read::range_lines::RangeLines;
use crate::read::snapshot::Snapshot;
use crate::read::stamp::{Moment, Stamp, StampParser};
use std::path::Path;
use std::sync::Arc;

/// Open log directory with the files found at opening.
///
/// ```
/// # let directory = std::env::temp_dir().join(format!("reader-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// # std::fs::write(directory.join("current"), "@400000006553f10a00000000 started\n")?;
/// let reader = logdir::Reader::open(&directory)?;
/// let mut lines = reader.lines();
/// while let Some(line) = lines.next() {
///     assert_eq!(line.text(), b"started");
///     assert_eq!(line.moment.map(|moment| moment.unix_secs), Some(1_700_000_000));
/// }
/// assert!(lines.take_notices().is_empty());
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reader {
    snapshot: Snapshot,
    stamps: StampParser,
}

impl Reader {
    /// Lists a directory and opens the files that will be renamed.
    pub fn open(path: impl AsRef<Path>) -> Result<Reader, Failure> {
        let snapshot = Snapshot::of(&Arc::new(Directory::open(path.as_ref())?))?;
        let counting = label_counting::detect(&snapshot);
        let stamps = counting.map_or_else(StampParser::assumed, StampParser::new);
        Ok(Reader { snapshot, stamps })
    }

    /// Label counting: without leap seconds (daemontools) or with leap seconds (s6).
    pub fn counting(&self) -> Counting {
        self.stamps.counting()
    }

    /// All lines, oldest first.
    pub fn lines(&self) -> LogLines {
        self.range(None, None)
    }

    /// Lines from `since` (inclusive) until `until` (exclusive). An unstamped line belongs to the
    /// preceding line.
    pub fn range(&self, since: Option<Moment>, until: Option<Moment>) -> LogLines {
        let range = Range { since, until };
        LogLines::Forward(Box::new(RangeLines::new(&self.snapshot, self.stamps.clone(), range)))
    }

    /// Lines of [`Reader::range`], newest first.
    pub fn reverse(&self, since: Option<Moment>, until: Option<Moment>) -> LogLines {
        let range = Range { since, until };
        LogLines::Backward(Box::new(Backward::new(&self.snapshot, self.stamps.clone(), range)))
    }
}

/// Lines of a directory.
pub enum LogLines {
    /// Oldest first.
    Forward(Box<RangeLines>),
    /// Newest first.
    Backward(Box<Backward>),
}

/// A line, or a piece of a line longer than 1 MiB.
#[derive(Clone, Copy, Debug)]
pub struct LogLine<'a> {
    /// Line without its newline.
    pub bytes: &'a [u8],
    /// Bytes of the stamp and its separator.
    pub stamp_len: usize,
    /// Moment of its stamp, or of the last stamped line before it. `None` if no stamped line
    /// precedes.
    pub moment: Option<Moment>,
    /// Kind of line end.
    pub ending: Ending,
    /// True if these bytes continue the preceding piece.
    pub continues: bool,
    /// Name of the file that contains the line's start.
    pub file: &'a [u8],
    /// Decoded offset in that file.
    pub offset: u64,
}

impl<'a> LogLine<'a> {
    /// Line without its stamp.
    pub fn text(&self) -> &'a [u8] {
        &self.bytes[self.stamp_len..]
    }
}

impl LogLines {
    /// Next line, valid until the following call.
    #[expect(
        clippy::should_implement_trait,
        reason = "a line is lent, which an iterator cannot do"
    )]
    pub fn next(&mut self) -> Option<LogLine<'_>> {
        match self {
            LogLines::Forward(lines) => lines
                .advance()
                .then(|| log_line(lines.line(), lines.stamp(), lines.moment(), lines.place())),
            LogLines::Backward(lines) => lines
                .advance()
                .then(|| log_line(lines.line(), lines.stamp(), lines.moment(), lines.place())),
        }
    }

    /// Takes notices since the last call: damaged files, unfinished lines, and so on.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        match self {
            LogLines::Forward(lines) => lines.take_notices(),
            LogLines::Backward(lines) => lines.take_notices(),
        }
    }
}

fn log_line<'a>(
    line: Line<'a>,
    stamp: Option<Stamp>,
    moment: Option<Moment>,
    start: &'a LineStart,
) -> LogLine<'a> {
    LogLine {
        bytes: line.bytes,
        stamp_len: stamp.map_or(0, |stamp| stamp.end),
        moment,
        ending: line.ending,
        continues: line.continues,
        file: &start.file.name,
        offset: start.offset,
    }
}

#[cfg(test)]
#[path = "../../models/slow_reader.rs"]
mod slow_reader;

#[cfg(test)]
mod tests {
    use super::slow_reader::{self, File};
    use super::*;
    use crate::label::Label;
    use proptest::prelude::*;
    use std::fs;
    use std::io::Write;

    const START: i64 = 1_700_000_000;

    fn at(secs: i64) -> Moment {
        Moment { unix_secs: START + secs, nanos: 0 }
    }

    fn stamp(secs: i64) -> String {
        let label = Label::from_unix(START + secs, 0).format();
        String::from_utf8(label.to_vec()).unwrap()
    }

    /// Creates a directory of these files, the last named `current`; every third file is
    /// compressed.
    fn directory(files: &[File], is_compressed: bool) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (number, file) in files.iter().enumerate() {
            let code = if file.is_whole { "s" } else { "u" };
            let name = match number + 1 == files.len() {
                true => "current".to_owned(),
                false => format!("{}.{code}", stamp(10_000 + number as i64)),
            };
            let contents = match is_compressed && number % 3 == 0 && name != "current" {
                true => gzip(&file.contents),
                false => file.contents.clone(),
            };
            fs::write(dir.path().join(name), contents).unwrap();
        }
        dir
    }

    fn gzip(contents: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(contents).unwrap();
        encoder.finish().unwrap()
    }

    type Found = (String, Option<Moment>);

    fn shown(bytes: &[u8]) -> String {
        bytes.escape_ascii().to_string()
    }

    fn read(mut lines: LogLines) -> Vec<Found> {
        let mut found = Vec::new();
        while let Some(line) = lines.next() {
            found.push((shown(line.bytes), line.moment));
        }
        found
    }

    /// Lines of the slow reader, and the last stamp's moment.
    fn slow(files: &[File]) -> Vec<Found> {
        let mut stamps = StampParser::new(Counting::Ten);
        let lines = slow_reader::lines(files, |line| stamps.parse(line).is_some());
        let mut moment = None;
        let mut with_moment = |line: Vec<u8>| {
            moment = stamps.parse(&line).map(|stamp| stamp.moment).or(moment);
            (shown(&line), moment)
        };
        lines.into_iter().map(&mut with_moment).collect()
    }

    #[track_caller]
    fn check(files: &[(bool, &str)], expected: &[&str]) {
        let file = |&(is_whole, contents): &(bool, &str)| File {
            is_whole,
            contents: contents.as_bytes().to_vec(),
        };
        let files: Vec<File> = files.iter().map(file).collect();
        let dir = directory(&files, false);
        let reader = Reader::open(dir.path()).unwrap();
        let texts =
            |lines| -> Vec<String> { read(lines).into_iter().map(|(text, _)| text).collect() };
        let expected: Vec<String> = expected.iter().map(|text| shown(text.as_bytes())).collect();
        assert_eq!(texts(reader.lines()), expected, "{files:?}");
        let mut backward = texts(reader.reverse(None, None));
        backward.reverse();
        assert_eq!(backward, expected, "backward: {files:?}");
        assert_eq!(slow(&files).len(), expected.len(), "slow: {files:?}");
    }

    #[test]
    fn lines_are_joined_unless_a_writer_was_interrupted_or_a_stamp_begins() {
        check(&[(false, "")], &[]);
        check(&[(false, "a\n\nb")], &["a", "", "b"]);
        check(&[(true, "a\n"), (false, "b\n")], &["a", "b"]);
        check(&[(true, "a"), (false, "b\n")], &["ab"]);
        check(&[(true, "a"), (true, "b"), (false, "c")], &["abc"]);
        check(&[(true, "a"), (true, ""), (false, "c\n")], &["ac"]);
        check(&[(false, "a"), (false, "b\n")], &["a", "b"]);
        check(&[(true, "a"), (false, "\nb\n")], &["a", "b"]);
        let stamped = format!("{} b\n", stamp(0));
        check(&[(true, "a"), (false, &stamped)], &["a", stamped.trim_end()]);
        let cut = format!("{} b", stamp(0));
        check(&[(true, &cut), (false, "c\nd\n")], &[&format!("{cut}c"), "d"]);
    }

    #[test]
    fn zeros_that_a_power_cut_leaves_are_left_out() {
        let zeros = "\0".repeat(slow_reader::ZEROS_LEN);
        check(&[(false, &zeros), (false, "a\n")], &["a"]);
        check(&[(false, &format!("b{zeros}")), (false, "a\n")], &["b", "a"]);
        check(
            &[(false, &format!("b{}", &zeros[1..])), (false, "a\n")],
            &[&format!("b{}", &zeros[1..]), "a"],
        );
    }

    #[test]
    fn unstamped_lines_after_a_file_outside_the_range_are_outside_too() {
        let file = |is_whole, text: String| File { is_whole, contents: text.into_bytes() };
        let files = [
            file(true, format!("{} a\n", stamp(1))),
            file(true, format!("{} b\nstill b", stamp(5))),
            file(true, String::new()),
            file(false, format!(" and b\nb again\n{} c\n", stamp(9))),
        ];
        let dir = directory(&files, false);
        let mut reader = Reader::open(dir.path()).unwrap();
        reader.stamps = StampParser::new(Counting::Ten);
        let all = slow(&files);
        for since in 0..12 {
            for until in since..12 {
                let range = Range { since: Some(at(since)), until: Some(at(until)) };
                let is_in_it = |line: &&Found| line.1.is_some_and(|moment| range.holds(moment));
                let wanted: Vec<_> = all.iter().filter(is_in_it).cloned().collect();
                assert_eq!(read(reader.range(range.since, range.until)), wanted, "{since} {until}");
                let mut backward = read(reader.reverse(range.since, range.until));
                backward.reverse();
                assert_eq!(backward, wanted, "backward: {since} {until}");
            }
        }
    }

    /// Text pieces: stamped lines, unstamped lines, and fragments for splits.
    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[ab@]{0,12}\n",
            1 => "[x-z]{300,600}\n",
            2 => Just("\n".to_owned()),
            1 => "[0-9]{1,3}",
        ]
    }

    /// Lines in stamp order, split into files at random; no stamp spans three files.
    fn files() -> impl Strategy<Value = Vec<File>> {
        let lines = prop::collection::vec((piece(), 0..3_i64, any::<bool>()), 0..60);
        let cuts = prop::collection::vec((64..2_000_usize, any::<bool>()), 0..6);
        (lines, cuts).prop_map(|(lines, cuts)| {
            let mut text = String::new();
            let mut secs = 0;
            for (piece, passed, is_stamped) in lines {
                secs += passed;
                if is_stamped && (text.is_empty() || text.ends_with('\n')) {
                    text += &stamp(secs);
                    text.push(' ');
                }
                text += &piece;
            }
            let mut rest = text.into_bytes();
            let mut files = Vec::new();
            for (cut, is_whole) in cuts {
                let after = rest.split_off(cut.min(rest.len()));
                files.push(File { is_whole, contents: std::mem::replace(&mut rest, after) });
            }
            files.push(File { is_whole: false, contents: rest });
            files
        })
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_slow_reader(
            files in files(),
            is_compressed: bool,
            since in prop::option::of(0..60_i64),
            until in prop::option::of(0..60_i64),
        ) {
            let dir = directory(&files, is_compressed);
            let mut reader = Reader::open(dir.path()).unwrap();
            reader.stamps = StampParser::new(Counting::Ten);
            let all = slow(&files);
            prop_assert_eq!(&read(reader.lines()), &all);
            let mut backward = read(reader.reverse(None, None));
            backward.reverse();
            prop_assert_eq!(&backward, &all);
            // If a piece has no stamps, the range selects whole files.
            let has_stamp = |file: &File| {
                let mut lines = file.contents.split(|&byte| byte == b'\n');
                lines.any(|line| StampParser::new(Counting::Ten).parse(line).is_some())
            };
            if files.iter().any(has_stamp) {
                let range = Range { since: since.map(at), until: until.map(at) };
                let is_in_it = |line: &&Found| {
                    range.is_all() || line.1.is_some_and(|moment| range.holds(moment))
                };
                let wanted: Vec<_> = all.iter().filter(is_in_it).cloned().collect();
                prop_assert_eq!(&read(reader.range(range.since, range.until)), &wanted);
                let mut backward = read(reader.reverse(range.since, range.until));
                backward.reverse();
                prop_assert_eq!(&backward, &wanted);
            }
        }
    }
}
