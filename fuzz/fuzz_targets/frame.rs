//! A stream of counted frames and lines: however it is split into reads, the frames are the same, and
//! together with their counts and ends they are the stream.
//!
//! The first two bytes are the bound of a message and the length of a read; the highest bit of the first
//! lets a NUL end lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::frame::{Ending, FrameReader, Framing};

/// A frame that outlives its reader: bytes, framing, piece, ending.
type Owned = (Vec<u8>, Framing, u32, Ending);

fuzz_target!(|input: &[u8]| {
    let [settings, chunk_len, stream @ ..] = input else { return };
    let reader = || {
        let reader = FrameReader::new(1 + usize::from(settings & 0x7f));
        if settings & 0x80 != 0 { reader.end_lines_at_nul() } else { reader }
    };
    let at_once = read(reader(), stream, stream.len().max(1));
    let chunk_len = 1 + usize::from(*chunk_len);
    assert_eq!(read(reader(), stream, chunk_len), at_once);
    assert_eq!(written(&at_once), stream);
});

fn read(mut reader: FrameReader, stream: &[u8], chunk_len: usize) -> Vec<Owned> {
    let mut frames = Vec::new();
    for chunk in stream.chunks(chunk_len) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let len = reader.push(rest);
            assert!(len > 0, "a reader without frames has space");
            rest = &rest[len..];
            take(&mut reader, &mut frames);
        }
    }
    reader.end_input();
    take(&mut reader, &mut frames);
    assert!(!reader.is_in_message());
    frames
}

fn take(reader: &mut FrameReader, frames: &mut Vec<Owned>) {
    while let Some(frame) = reader.next_frame() {
        frames.push((frame.bytes.to_vec(), frame.framing, frame.piece, frame.ending));
    }
}

/// The stream that has these frames.
fn written(frames: &[Owned]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut message = Vec::new();
    for (bytes, framing, piece, ending) in frames {
        assert_eq!(*piece == 0, message.is_empty(), "pieces follow each other");
        message.extend_from_slice(bytes);
        let (missing_len, end): (usize, &[u8]) = match ending {
            Ending::Continues => continue,
            Ending::Count => (0, b""),
            Ending::Newline => (0, b"\n"),
            Ending::Nul => (0, b"\0"),
            Ending::EndOfInput { missing_len } => (*missing_len, b""),
        };
        if *framing == Framing::Counted {
            stream.extend_from_slice(format!("{} ", message.len() + missing_len).as_bytes());
        }
        stream.append(&mut message);
        stream.extend_from_slice(end);
    }
    assert!(message.is_empty(), "the last piece ends a message");
    stream
}
