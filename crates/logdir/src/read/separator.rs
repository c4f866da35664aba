//! How many spaces stand between a date and the text.
//!
//! s6-log writes two after its dates and tai64nlocal writes one after the same dates, so the lines of a file
//! decide. Otherwise a text that begins with spaces would lose one of them, or get one more.

use crate::read::decode;
use crate::read::lines::LineStart;
use crate::read::list::LogFile;
use crate::read::stamp::StampParser;
use std::fs::File;
use std::rc::Rc;

/// Bytes of a file that are looked at.
const HEAD_LEN: usize = 16 * 1024;

/// How many spaces separate a date of the form that both s6-log and tai64nlocal write from the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Separator {
    /// Nothing is known of the file: two if there are exactly two, else one.
    #[default]
    Unknown,
    /// One: tai64nlocal.
    One,
    /// Two: s6-log.
    Two,
}

impl Separator {
    /// What the first lines of a file tell: one space in any of them was written by tai64nlocal, since s6-log
    /// always writes two; more than two in all of them were written by tai64nlocal too.
    pub fn of_lines(head: &[u8]) -> Separator {
        let mut found = Separator::Unknown;
        for line in head.split_inclusive(|&byte| byte == b'\n') {
            let Some(text) = line.get(SPACE_DATE_LEN..).filter(|_| is_space_date(line)) else {
                continue;
            };
            match (text.iter().take_while(|&&byte| byte == b' ').count(), found) {
                (1, _) => return Separator::One,
                // The rest of the line is not in the head.
                (count, _) if count == text.len() => {}
                (2, _) => found = Separator::Two,
                (_, Separator::Unknown) => found = Separator::One,
                _ => {}
            }
        }
        found
    }

    /// How many of these spaces separate.
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

/// Whether a line begins with a date as s6-log and tai64nlocal write it.
pub fn is_space_date(line: &[u8]) -> bool {
    const SHAPE: &[u8; SPACE_DATE_LEN] = b"0000-00-00 00:00:00.000000000";
    line.len() >= SPACE_DATE_LEN
        && line.iter().zip(SHAPE).all(|(&byte, &like)| match like {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

/// The separator of the files that lines are read from, one file after the other.
#[derive(Debug, Default)]
pub struct FileSeparator {
    /// The file that the parser of stamps was last told of.
    file: Option<Rc<LogFile>>,
}

impl FileSeparator {
    /// Tells the parser how dates are separated in the file of this line, unless it knows. True if that may
    /// change what the line was parsed to.
    pub fn update(
        &mut self,
        line: &[u8],
        place: &LineStart,
        handle: Option<Rc<File>>,
        stamps: &mut StampParser,
    ) -> bool {
        let is_known = self.file.as_ref().is_some_and(|file| Rc::ptr_eq(file, &place.file));
        if is_known || !is_space_date(line) {
            return false;
        }
        // A file that cannot be read is reported by those who read its lines.
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
