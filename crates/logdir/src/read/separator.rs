//! Detects how many spaces separate a date from the text.
//!
//! s6-log writes two spaces after a date, tai64nlocal writes one after equal dates, so a file's
//! lines decide. A wrong guess would drop a leading space of the text or add one.

use crate::read::decode;
use crate::read::lines::LineStart;
use crate::read::list::LogFile;
use crate::read::stamp::StampParser;
use std::fs::File;
use std::sync::Arc;

/// Bytes examined per file.
const HEAD_LEN: usize = 16 * 1024;

/// Spaces after a date of the form shared by s6-log and tai64nlocal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Separator {
    /// File unknown: two spaces if exactly two follow, otherwise one.
    #[default]
    Unknown,
    /// One: tai64nlocal.
    One,
    /// Two: s6-log.
    Two,
}

impl Separator {
    /// Decides from a file's first lines. A single space proves tai64nlocal, since s6-log always
    /// writes two. More than two spaces in every line also mean tai64nlocal.
    pub fn of_lines(head: &[u8]) -> Separator {
        let mut found = Separator::Unknown;
        for line in head.split_inclusive(|&byte| byte == b'\n') {
            let Some(text) = line.get(SPACE_DATE_LEN..).filter(|_| is_space_date(line)) else {
                continue;
            };
            match (text.iter().take_while(|&&byte| byte == b' ').count(), found) {
                (1, _) => return Separator::One,
                // The head ends within these spaces.
                (count, _) if count == text.len() => {}
                (2, _) => found = Separator::Two,
                (_, Separator::Unknown) => found = Separator::One,
                _ => {}
            }
        }
        found
    }

    /// Separator length among this many spaces.
    pub fn len(self, spaces_count: usize) -> usize {
        match self {
            Separator::Unknown if spaces_count == 2 => 2,
            Separator::Two => spaces_count.min(2),
            Separator::Unknown | Separator::One => spaces_count.min(1),
        }
    }
}

/// Bytes of `YYYY-MM-DD HH:MM:SS.NNNNNNNNN`.
pub const SPACE_DATE_LEN: usize = 29;

/// True for a line that begins with a date of s6-log or tai64nlocal.
pub fn is_space_date(line: &[u8]) -> bool {
    const SHAPE: &[u8; SPACE_DATE_LEN] = b"0000-00-00 00:00:00.000000000";
    line.len() >= SPACE_DATE_LEN
        && line.iter().zip(SHAPE).all(|(&byte, &like)| match like {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

/// Separator of each file, while lines are read file after file.
#[derive(Debug, Default)]
pub struct FileSeparator {
    /// File whose separator the stamp parser uses.
    file: Option<Arc<LogFile>>,
}

impl FileSeparator {
    /// Sets the parser's separator for this line's file, unless already set. True if the line must
    /// be parsed again.
    pub fn update(
        &mut self,
        line: &[u8],
        place: &LineStart,
        handle: Option<Arc<File>>,
        stamps: &mut StampParser,
    ) -> bool {
        let is_known = self.file.as_ref().is_some_and(|file| Arc::ptr_eq(file, &place.file));
        if is_known || !is_space_date(line) {
            return false;
        }
        // The line reader reports unreadable files.
        let head = handle.and_then(|handle| decode::head(&handle, HEAD_LEN).ok());
        let separator = head.map_or(Separator::Unknown, |head| Separator::of_lines(&head));
        stamps.set_separator(separator);
        self.file = (separator != Separator::Unknown).then(|| place.file.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Counting;

    #[track_caller]
    fn check_separator(lines: &[&str], separator: Separator, expected: &[&str]) {
        let lines: Vec<String> =
            lines.iter().map(|text| format!("2023-11-14 22:13:20.123456789{text}\n")).collect();
        assert_eq!(Separator::of_lines(lines.concat().as_bytes()), separator, "{lines:?}");
        let mut stamps = StampParser::new(Counting::Ten);
        stamps.set_separator(separator);
        for (line, expected) in lines.iter().zip(expected) {
            let stamp = stamps.parse(line.as_bytes()).unwrap();
            assert_eq!(&line[stamp.end..].trim_end_matches('\n'), expected, "{line}");
        }
    }

    #[test]
    fn the_lines_of_a_file_tell_how_many_spaces_separate() {
        check_separator(&[], Separator::Unknown, &[]);
        check_separator(&["  a", "   b", "  "], Separator::Two, &["a", " b", ""]);
        check_separator(&["  a", " b", "   c"], Separator::One, &[" a", "b", "  c"]);
        check_separator(&["   two spaces"], Separator::One, &["  two spaces"]);
        check_separator(&["   b", "  a"], Separator::Two, &[" b", "a"]);
        assert_eq!(Separator::of_lines(b"2023-11-14 22:13:20.123456789  "), Separator::Unknown);
    }
}
