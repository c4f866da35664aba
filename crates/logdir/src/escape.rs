//! Escapes terminal control bytes, for lines, names and messages alike.
//!
//! Anyone able to log a line or create a file controls these bytes, and terminals accept commands
//! that change title, screen or input.

/// Appends text safe for terminals: printable UTF-8 and TAB unchanged; control characters, C1
/// controls, bidirectional controls and invalid UTF-8 as `\xHH`.
pub fn append(text: &[u8], to: &mut Vec<u8>) {
    if text.iter().all(|&byte| is_plain(byte)) {
        return to.extend_from_slice(text);
    }
    for chunk in text.utf8_chunks() {
        let mut bytes = [0; 4];
        for char in chunk.valid().chars() {
            let bytes = char.encode_utf8(&mut bytes).as_bytes();
            if is_shown(char) {
                to.extend_from_slice(bytes);
            } else {
                append_escaped(bytes, to);
            }
        }
        append_escaped(chunk.invalid(), to);
    }
}

/// Terminal-safe text, by [`append`].
pub fn shown(text: &[u8]) -> String {
    let mut shown = Vec::new();
    append(text, &mut shown);
    String::from_utf8(shown).expect("what is not UTF-8 was escaped")
}

/// Appends text of several lines, keeping newlines.
pub fn append_lines(text: &[u8], to: &mut Vec<u8>) {
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        to.extend_from_slice(if number > 0 { b"\n" } else { b"" });
        append(line, to);
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t')
}

fn is_shown(char: char) -> bool {
    let turns = matches!(char,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(char, '\u{2028}' | '\u{2029}');
    char == '\t' || !(char.is_control() || turns || breaks)
}

fn append_escaped(bytes: &[u8], to: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for &byte in bytes {
        let digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        to.extend_from_slice(b"\\x");
        to.extend_from_slice(&digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &[u8], expected: &str) {
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn what_a_terminal_obeys_is_shown() {
        check(b"plain\ttext", "plain\ttext");
        check("gr\u{fc}\u{df}e \u{65e5}".as_bytes(), "gr\u{fc}\u{df}e \u{65e5}");
        check(b"\x1b[31m\x07\x7f\r\0\n", "\\x1b[31m\\x07\\x7f\\x0d\\x00\\x0a");
        check("\u{9b}31m".as_bytes(), "\\xc2\\x9b31m");
        check(b"\x9b31m\xff", "\\x9b31m\\xff");
        check("\u{202e}".as_bytes(), "\\xe2\\x80\\xae");
    }

    #[test]
    fn lines_stay_lines() {
        let mut lines = Vec::new();
        append_lines(b"one\ntwo\x1b\n", &mut lines);
        assert_eq!(lines, b"one\ntwo\\x1b\n");
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_control_character(text: Vec<u8>) {
            prop_assert!(shown(&text).chars().all(|char| char == '\t' || !char.is_control()));
        }
    }
}
