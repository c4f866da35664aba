//! Bytes that a terminal would obey, shown instead.
//!
//! Whoever can write a line into a log can write any byte into it, and whoever reads the log may have a
//! terminal that lets bytes change its title, its screen or its input.

/// Appends text as a terminal can show it: printable UTF-8 and TAB as they are; control characters, C1
/// controls, what turns the direction of writing, and bytes that are no UTF-8 as `\xHH`.
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
        let mut shown = Vec::new();
        append(text, &mut shown);
        assert_eq!(String::from_utf8(shown).unwrap(), expected);
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

    proptest! {
        #[test]
        fn no_bytes_make_a_control_character(text: Vec<u8>) {
            let mut shown = Vec::new();
            append(&text, &mut shown);
            let shown = String::from_utf8(shown).unwrap();
            prop_assert!(shown.chars().all(|char| char == '\t' || !char.is_control()));
        }
    }
}
