//! What a sink shows does not depend on how its stream is cut, and is what showing it letter by letter
//! gives. The first byte tells how long the pieces are, the second what is asked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use script::presentation::{Presentation, Presenter};

fuzz_target!(|input: &[u8]| {
    let [piece_len, flags, input @ ..] = input else { return };
    let (is_escaped, is_stamped) = (flags & 1 != 0, flags & 2 != 0);
    let prefix = if flags & 4 != 0 { b"web:".to_vec() } else { Vec::new() };
    let presentation = Presentation { prefix, is_escaped };
    let mut stream = input.to_vec();
    stream.push(b'\n');
    let mut presenter = Presenter::new(presentation.clone(), is_stamped);
    let mut shown = Vec::new();
    for piece in stream.chunks(usize::from(*piece_len).max(1)) {
        presenter.push(piece, &mut shown);
    }
    // A stamp ends at the first space, which may be lines behind; the stream goes on as text there.
    let expected = if is_stamped {
        slow_stamped(&presentation, &stream)
    } else {
        slow(&presentation, &stream)
    };
    assert_eq!(shown.escape_ascii().to_string(), expected.escape_ascii().to_string());
});

fn slow_stamped(presentation: &Presentation, stream: &[u8]) -> Vec<u8> {
    let mut shown = Vec::new();
    let mut rest = stream;
    while let Some(space) = rest.iter().position(|&byte| byte == b' ') {
        let (stamp, behind) = rest.split_at(space + 1);
        let line =
            behind.iter().position(|&byte| byte == b'\n').map_or(behind.len(), |end| end + 1);
        shown.extend_from_slice(stamp);
        shown.extend(slow(presentation, &behind[..line]));
        rest = &behind[line..];
    }
    shown.extend_from_slice(rest);
    shown
}

/// Lines without stamps.
fn slow(presentation: &Presentation, lines: &[u8]) -> Vec<u8> {
    let mut shown = Vec::new();
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        if !presentation.prefix.is_empty() {
            shown.extend_from_slice(&[&presentation.prefix[..], b" "].concat());
        }
        if !presentation.is_escaped {
            shown.extend_from_slice(line);
            continue;
        }
        for chunk in line.utf8_chunks() {
            for letter in chunk.valid().chars() {
                let is_plain = !letter.is_control() || letter == '\t' || letter == '\n';
                let mut bytes = [0; 4];
                let bytes = letter.encode_utf8(&mut bytes).as_bytes();
                shown.extend(if is_plain { bytes.to_vec() } else { escaped(bytes) });
            }
            shown.extend(escaped(chunk.invalid()));
        }
    }
    shown
}

fn escaped(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("\\x{byte:02x}").into_bytes()).collect()
}
