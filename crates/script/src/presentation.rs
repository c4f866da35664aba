//! Presentation of lines by sink: prefix after the stamp (`p`), escapes for control characters and
//! invalid UTF-8 (`c`), alert and status length (`E`, `^`). Patterns match the original lines.
//!
//! Output does not depend on chunk boundaries, even inside a character.

use crate::head::HEAD_MAX;
use memchr::memchr;
use std::str::from_utf8;

/// Prefix limit in bytes: bounds the growth of empty lines.
pub const PREFIX_MAX: usize = 200;

/// Default alert length without `E`, in bytes.
pub const ALERT_MAX: usize = 200;

/// Presentation settings of one sink. The default leaves lines unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presentation {
    /// Prefix after the stamp, followed by a space; empty means none. At most [`PREFIX_MAX`] bytes.
    pub prefix: Vec<u8>,
    /// True to escape control characters and invalid UTF-8.
    pub is_escaped: bool,
}

/// Size of a status file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusSize {
    /// As 0.76: 1000 bytes, then at least one newline.
    Original,
    /// Fixed size, as in s6-log: line bytes, padded with newlines.
    Padded(usize),
    /// Line length plus newline.
    AsLine,
}

impl StatusSize {
    /// Line bytes in the status.
    pub fn line_max(self) -> usize {
        match self {
            StatusSize::Original => HEAD_MAX,
            StatusSize::Padded(len) => len,
            StatusSize::AsLine => usize::MAX,
        }
    }

    /// Status content, padded with newlines that overwrite a longer previous status.
    pub fn status(self, line: &[u8]) -> Vec<u8> {
        let len = match self {
            StatusSize::Original => HEAD_MAX + 1,
            StatusSize::Padded(len) => len,
            StatusSize::AsLine => line.len() + 1,
        };
        let mut status = line[..line.len().min(self.line_max())].to_vec();
        status.resize(len, b'\n');
        status
    }
}

impl Presentation {
    /// True if lines stay unchanged.
    pub fn is_plain(&self) -> bool {
        self.prefix.is_empty() && !self.is_escaped
    }
}

/// Appends an alert: at most `len_max` line bytes, dots if the line is longer, newline.
pub fn append_alert(line: &[u8], len_max: usize, alert: &mut Vec<u8>) {
    let shown = &line[..line.len().min(len_max)];
    alert.extend_from_slice(shown);
    if shown.len() < line.len() {
        alert.extend_from_slice(b"...");
    }
    alert.push(b'\n');
}

/// Presents one stream of lines.
#[derive(Debug)]
pub struct Presenter {
    presentation: Presentation,
    is_stamped: bool,
    part: LinePart,
    /// Incomplete UTF-8 character; at most three bytes.
    letter: Vec<u8>,
}

/// Position of the next byte in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinePart {
    LineStart,
    Stamp,
    Text,
}

impl Presenter {
    /// Starts at a line. With `is_stamped`, each line starts with a stamp that ends at the first
    /// space.
    pub fn new(presentation: Presentation, is_stamped: bool) -> Presenter {
        Presenter { presentation, is_stamped, part: LinePart::LineStart, letter: Vec::new() }
    }

    /// Appends the presented form of a stream piece to `output`, newlines included.
    pub fn push(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        let mut rest = piece;
        while !rest.is_empty() {
            rest = match self.part {
                LinePart::LineStart => {
                    self.begin_line(output);
                    rest
                }
                LinePart::Stamp => self.copy_stamp(rest, output),
                LinePart::Text => self.show_text(rest, output),
            };
        }
    }

    /// Presents one whole line, without newline.
    pub fn line(&mut self, line: &[u8]) -> Vec<u8> {
        assert!(self.part == LinePart::LineStart);
        let mut shown = Vec::with_capacity(line.len() + PREFIX_MAX);
        self.push(line, &mut shown);
        self.push(b"\n", &mut shown);
        shown.pop();
        shown
    }

    fn begin_line(&mut self, output: &mut Vec<u8>) {
        if self.is_stamped {
            self.part = LinePart::Stamp;
        } else {
            self.begin_text(output);
        }
    }

    fn begin_text(&mut self, output: &mut Vec<u8>) {
        if !self.presentation.prefix.is_empty() {
            output.extend_from_slice(&self.presentation.prefix);
            output.push(b' ');
        }
        self.part = LinePart::Text;
    }

    fn copy_stamp<'a>(&mut self, rest: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
        let end = memchr(b' ', rest).map(|space| space + 1);
        let (stamp, behind) = rest.split_at(end.unwrap_or(rest.len()));
        output.extend_from_slice(stamp);
        if end.is_some() {
            self.begin_text(output);
        }
        behind
    }

    fn show_text<'a>(&mut self, rest: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
        let newline = memchr(b'\n', rest);
        let (text, behind) = rest.split_at(newline.unwrap_or(rest.len()));
        if self.presentation.is_escaped {
            self.escape(text, output);
        } else {
            output.extend_from_slice(text);
        }
        match newline {
            None => behind,
            Some(_) => {
                // A newline ends an incomplete character.
                self.escape_letter(output);
                output.push(b'\n');
                self.part = LinePart::LineStart;
                &behind[1..]
            }
        }
    }

    fn escape(&mut self, text: &[u8], output: &mut Vec<u8>) {
        for &byte in text {
            if self.letter.is_empty() && byte.is_ascii() {
                push_ascii(byte, output);
            } else {
                self.go_on_with_letter(byte, output);
            }
        }
    }

    /// Handles a non-ASCII byte, or a byte after an incomplete character.
    fn go_on_with_letter(&mut self, byte: u8, output: &mut Vec<u8>) {
        self.letter.push(byte);
        match from_utf8(&self.letter) {
            Ok(letter) if letter.chars().any(char::is_control) => self.escape_letter(output),
            Ok(_) => output.append(&mut self.letter),
            // Incomplete character.
            Err(error) if error.error_len().is_none() => {}
            Err(_) => {
                // The byte ends the invalid character but may begin a valid character.
                self.letter.pop();
                let is_first = self.letter.is_empty();
                self.escape_letter(output);
                match byte {
                    _ if is_first => push_escape(byte, output),
                    _ if byte.is_ascii() => push_ascii(byte, output),
                    _ => self.go_on_with_letter(byte, output),
                }
            }
        }
    }

    fn escape_letter(&mut self, output: &mut Vec<u8>) {
        self.letter.drain(..).for_each(|byte| push_escape(byte, output));
    }
}

fn push_ascii(byte: u8, output: &mut Vec<u8>) {
    if byte.is_ascii_control() && byte != b'\t' {
        push_escape(byte, output);
    } else {
        output.push(byte);
    }
}

fn push_escape(byte: u8, output: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let (high, low) = (usize::from(byte >> 4), usize::from(byte & 0xf));
    output.extend_from_slice(&[b'\\', b'x', DIGITS[high], DIGITS[low]]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Simple reference: line by line, character by character.
    fn slow(presentation: &Presentation, is_stamped: bool, input: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        for line in input.split_inclusive(|&byte| byte == b'\n') {
            let text_pos =
                if is_stamped { line.iter().position(|&byte| byte == b' ') } else { None };
            let (stamp, text) = line.split_at(text_pos.map_or(0, |pos| pos + 1));
            output.extend_from_slice(stamp);
            if !presentation.prefix.is_empty() {
                output.extend_from_slice(&[&presentation.prefix[..], b" "].concat());
            }
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            if presentation.is_escaped {
                for chunk in text.utf8_chunks() {
                    for letter in chunk.valid().chars() {
                        if letter.is_control() && letter != '\t' {
                            letter
                                .encode_utf8(&mut [0; 4])
                                .bytes()
                                .for_each(|byte| output.extend(format!("\\x{byte:02x}").bytes()));
                        } else {
                            output.extend(letter.encode_utf8(&mut [0; 4]).bytes());
                        }
                    }
                    chunk
                        .invalid()
                        .iter()
                        .for_each(|byte| output.extend(format!("\\x{byte:02x}").bytes()));
                }
            } else {
                output.extend_from_slice(text);
            }
            output.push(b'\n');
        }
        output
    }

    fn presentation(prefix: &str, is_escaped: bool) -> Presentation {
        Presentation { prefix: prefix.into(), is_escaped }
    }

    fn shown(presentation: &Presentation, is_stamped: bool, pieces: &[&[u8]]) -> Vec<u8> {
        let mut presenter = Presenter::new(presentation.clone(), is_stamped);
        let mut output = Vec::new();
        pieces.iter().for_each(|piece| presenter.push(piece, &mut output));
        output
    }

    #[track_caller]
    fn check(prefix: &str, is_escaped: bool, input: &[u8], expected: &str) {
        let presentation = presentation(prefix, is_escaped);
        for piece_len in 1..=input.len() {
            let pieces: Vec<&[u8]> = input.chunks(piece_len).collect();
            let shown = shown(&presentation, false, &pieces);
            assert_eq!(
                shown.escape_ascii().to_string(),
                expected.as_bytes().escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn a_prefix_stands_before_each_line() {
        check("web:", false, b"a\n\nb\x1b\n", "web: a\nweb: \nweb: b\u{1b}\n");
    }

    #[test]
    fn control_characters_and_what_is_no_utf_8_are_escaped() {
        check("", true, b"\x1b[31mred\x07\x7f\0\r\n", "\\x1b[31mred\\x07\\x7f\\x00\\x0d\n");
        check("", true, b"a\tb \\x1b\n", "a\tb \\x1b\n");
        check(
            "",
            true,
            "aé\u{20ac}\u{1f600}\u{9b}z\n".as_bytes(),
            "aé\u{20ac}\u{1f600}\\xc2\\x9bz\n",
        );
        check(
            "",
            true,
            b"\xff\xc3(\xe2\x82\n\xe2\x82\xac\xf0\x9f\x98z\n",
            "\\xff\\xc3(\\xe2\\x82\n€\\xf0\\x9f\\x98z\n",
        );
        check("", true, b"\xc0\xaf\xed\xa0\x80\xf5\n", "\\xc0\\xaf\\xed\\xa0\\x80\\xf5\n");
        check("p", true, b"\n\xc3\n\xa9\n", "p \np \\xc3\np \\xa9\n");
    }

    #[test]
    fn a_prefix_stands_behind_the_stamp() {
        let presentation = presentation("web:", true);
        let shown = shown(&presentation, true, &[b"@4000", b"00 a\x1b", b" b\n@", b"1 ", b"\n"]);
        assert_eq!(shown, b"@400000 web: a\\x1b b\n@1 web: \n");
    }

    #[test]
    fn alerts_are_cut_and_statuses_padded() {
        let alert = |alert_max, line: &[u8]| {
            let mut alert = Vec::new();
            append_alert(line, alert_max, &mut alert);
            alert
        };
        assert_eq!(alert(3, b"abc"), b"abc\n");
        assert_eq!(alert(3, b"abcd"), b"abc...\n");
        assert_eq!(alert(0, b""), b"\n");
        let status = |size: StatusSize, line: &[u8]| size.status(line);
        assert_eq!(status(StatusSize::Padded(5), b"abc"), b"abc\n\n");
        assert_eq!(status(StatusSize::Padded(2), b"abc"), b"ab");
        assert_eq!(status(StatusSize::AsLine, b"abc"), b"abc\n");
        for len in [0, 999, 1000, 1001, 5000] {
            let status = status(StatusSize::Original, &vec![b'x'; len]);
            assert_eq!(status.len(), 1001);
            assert_eq!(status.iter().filter(|&&byte| byte == b'x').count(), len.min(1000));
        }
    }

    #[test]
    fn a_line_is_shown_without_its_newline() {
        let mut presenter = Presenter::new(presentation("p", true), false);
        assert_eq!(presenter.line(b"a\xc3"), b"p a\\xc3");
        assert_eq!(presenter.line(b""), b"p ");
    }

    proptest! {
        #[test]
        fn agrees_with_showing_letter_by_letter_however_it_is_cut(
            prefix in prop_oneof![Just(""), Just("web:")],
            is_escaped: bool,
            is_stamped: bool,
            lines in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>().prop_filter("no newline", |&byte| byte != b'\n'), 0..12),
                    "[aé€\u{1f600}\u{9b}\u{1b}\t ]{0,6}".prop_map(String::into_bytes),
                    prop::collection::vec(
                        prop::sample::select(b"a \x1b\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\xf4\x90".to_vec()),
                        0..12,
                    ),
                ],
                0..8,
            ),
            cuts in prop::collection::vec(0..7_usize, 0..20),
        ) {
            let presentation = presentation(prefix, is_escaped);
            let stamp: &[u8] = if is_stamped { b"@4 " } else { b"" };
            let input: Vec<u8> =
                lines.iter().flat_map(|line| [stamp, line, b"\n"].concat()).collect();
            let mut pieces = Vec::new();
            let mut rest = input.as_slice();
            for cut in cuts {
                let (piece, behind) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = behind;
            }
            pieces.push(rest);
            let expected = slow(&presentation, is_stamped, &input);
            let shown = shown(&presentation, is_stamped, &pieces);
            prop_assert_eq!(shown.escape_ascii().to_string(), expected.escape_ascii().to_string());
        }
    }
}
