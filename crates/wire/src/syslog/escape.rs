//! Text escapes for bytes that messages or lines cannot hold.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` on one line: newline becomes `\x0a`, NUL becomes `\x00`, other bytes stay.
///
/// Receivers end lines at newlines; measured, syslog-ng ends a message at NUL.
pub fn append_on_one_line(text: &[u8], output: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(pos) = memchr::memchr2(b'\n', 0, rest) {
        output.extend_from_slice(&rest[..pos]);
        append_hex(rest[pos], output);
        rest = &rest[pos + 1..];
    }
    output.extend_from_slice(rest);
}

/// Appends a byte as `\xNN`.
pub fn append_hex(byte: u8, output: &mut Vec<u8>) {
    output.extend_from_slice(b"\\x");
    output.push(HEX[usize::from(byte >> 4)]);
    output.push(HEX[usize::from(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newline_and_nul_become_text() {
        for (text, expected) in [
            (&b""[..], &b""[..]),
            (b"two\nlines\ttab", b"two\\x0alines\ttab"),
            (b"\0\0", b"\\x00\\x00"),
            (b"\x1b[31m\x9b\xe9\r\\", b"\x1b[31m\x9b\xe9\r\\"),
        ] {
            let mut output = Vec::new();
            append_on_one_line(text, &mut output);
            assert_eq!(output, expected);
        }
    }
}
