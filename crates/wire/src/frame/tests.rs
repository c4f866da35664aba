use super::*;
use proptest::prelude::*;

/// Frame that outlives its reader.
type Owned = (Vec<u8>, Framing, u32, Ending);

fn read(reader: &mut FrameReader, chunks: &[&[u8]]) -> Vec<Owned> {
    let mut frames = Vec::new();
    let mut take_all = |reader: &mut FrameReader| {
        while let Some(frame) = reader.next_frame() {
            frames.push((frame.bytes.to_vec(), frame.framing, frame.piece, frame.ending));
        }
    };
    for chunk in chunks {
        let mut rest = *chunk;
        while !rest.is_empty() {
            let len = reader.push(rest);
            assert!(len > 0, "a reader without frames has space");
            rest = &rest[len..];
            take_all(reader);
        }
    }
    reader.end_input();
    take_all(reader);
    assert!(!reader.is_in_message());
    frames
}

const LINE: (Framing, Ending) = (Framing::Line, Ending::Newline);
const COUNTED: (Framing, Ending) = (Framing::Counted, Ending::Count);

fn cut_line() -> (Framing, Ending) {
    (Framing::Line, Ending::EndOfInput { missing_len: 0 })
}

fn cut_count(missing_len: usize) -> (Framing, Ending) {
    (Framing::Counted, Ending::EndOfInput { missing_len })
}

/// Checks an input's frames, read at once and bytewise.
#[track_caller]
fn check(len_max: usize, input: &str, expected: &[(&str, (Framing, Ending))]) {
    let bytes = input.as_bytes();
    for chunk_len in [bytes.len().max(1), 1] {
        let chunks: Vec<&[u8]> = bytes.chunks(chunk_len).collect();
        let frames = read(&mut FrameReader::new(len_max), &chunks);
        let frames: Vec<_> = frames
            .iter()
            .map(|(bytes, framing, _, ending)| {
                (str::from_utf8(bytes).unwrap(), (*framing, *ending))
            })
            .collect();
        assert_eq!(frames, expected, "{input:?} in chunks of {chunk_len}");
    }
}

#[test]
fn lines_end_at_a_newline() {
    check(100, "", &[]);
    check(100, "\n", &[("", LINE)]);
    check(100, "<13>a\n<13>b\n", &[("<13>a", LINE), ("<13>b", LINE)]);
    check(100, "a\r\n\n", &[("a\r", LINE), ("", LINE)]);
    check(100, "<13>a\n<13>unfinished", &[("<13>a", LINE), ("<13>unfinished", cut_line())]);
}

#[test]
fn counted_frames_follow_each_other_without_a_newline() {
    check(100, "5 <13>a7 <13>b\nc", &[("<13>a", COUNTED), ("<13>b\nc", COUNTED)]);
    check(
        100,
        "5 <13>a\n5 <13>b\n",
        &[("<13>a", COUNTED), ("", LINE), ("<13>b", COUNTED), ("", LINE)],
    );
    check(100, "9 <13>a", &[("<13>a", cut_count(4))]);
    check(100, "1 <13>a\n", &[("<", COUNTED), ("13>a", LINE)]);
}

#[test]
fn counted_frames_and_lines_mix_in_a_session() {
    check(100, "5 <13>a<13>b\n5 <13>c", &[("<13>a", COUNTED), ("<13>b", LINE), ("<13>c", COUNTED)]);
}

#[test]
fn frames_of_logger_and_haproxy() {
    // Test vectors 6, 16, 17, 15 and 5; HAProxy writes no newline after counted frames.
    let logger = "<13>1 2026-11-26T17:40:08.386430+00:00 vm tag - - [timeQuality tzKnown=\"1\" isSynced=\"0\"] tcp octets";
    let haproxy = "<128>1 2026-11-26T18:14:15.714699+00:00 - haproxy 27310 - - backend app has no server available!";
    let raw =
        "2026-11-26T17:40:11.832540+00:00 192.0.2.7:49644 [26/Nov/2026:17:40:08.825] main app/ap01";
    let line = "<13>Nov 26 17:40:08 tag: stream";
    check(
        8192,
        &format!("99 {logger}96 {haproxy}{raw}\n{line}\n96 {haproxy}"),
        &[(logger, COUNTED), (haproxy, COUNTED), (raw, LINE), (line, LINE), (haproxy, COUNTED)],
    );
}

#[test]
fn only_digits_a_space_and_a_bracket_are_a_count() {
    for line in [
        "2026-11-26T17:40:11.832540+00:00 192.0.2.7:49644 x",
        "404 not found",
        "12",
        "12 ",
        "12  <13>x",
        "12<13>x",
        "012 <13>x",
        "0 <13>x",
        "1234567890 <13>x",
        " 5 <13>a",
        "+5 <13>a",
        "5\t<13>a",
    ] {
        check(100, &format!("{line}\n5 <13>a"), &[(line, LINE), ("<13>a", COUNTED)]);
        check(100, line, &[(line, cut_line())]);
    }
    check(100, "123456789 <13>x", &[("<13>x", cut_count(123_456_784))]);
}

#[test]
fn a_message_as_long_as_the_bound_is_whole_and_a_longer_one_arrives_in_pieces() {
    let continued = (Framing::Line, Ending::Continues);
    check(5, "<1>ab\n", &[("<1>ab", LINE)]);
    check(5, "<1>abc\n", &[("<1>ab", continued), ("c", LINE)]);
    check(5, "<1>abcdefg\nx\n", &[("<1>ab", continued), ("cdefg", LINE), ("x", LINE)]);
    check(5, "<1>abcdefgh", &[("<1>ab", continued), ("cdefg", continued), ("h", cut_line())]);
    let continued = (Framing::Counted, Ending::Continues);
    check(5, "5 <1>ab", &[("<1>ab", COUNTED)]);
    check(
        5,
        "6 <1>abc6 <1>abc",
        &[("<1>ab", continued), ("c", COUNTED), ("<1>ab", continued), ("c", COUNTED)],
    );
    check(5, "12 <1>ab", &[("<1>ab", continued), ("", cut_count(7))]);
    check(1, "ab\n", &[("a", (Framing::Line, Ending::Continues)), ("b", LINE)]);
}

#[test]
fn pieces_are_numbered_and_only_a_complete_message_is_whole() {
    let mut reader = FrameReader::new(2);
    let mut wholes = Vec::new();
    for chunk in [&b"abc\nd\n3 <1"[..], b">e"] {
        assert_eq!(reader.push(chunk), chunk.len());
        while let Some(frame) = reader.next_frame() {
            wholes.push((frame.piece, frame.is_whole()));
        }
    }
    reader.end_input();
    while let Some(frame) = reader.next_frame() {
        wholes.push((frame.piece, frame.is_whole()));
    }
    let (piece, whole) = (false, true);
    // `ab`, `c`, `d`, `<1`, `>`, and an unfinished `e`.
    assert_eq!(wholes, [(0, piece), (1, piece), (0, whole), (0, piece), (1, piece), (0, piece)]);
}

#[test]
fn a_nul_ends_a_line_only_on_request() {
    let input: &[&[u8]] = &[b"<12>a\0<12>b\n"];
    let frames = read(&mut FrameReader::new(100), input);
    assert_eq!(frames[0].0, b"<12>a\0<12>b");
    let frames = read(&mut FrameReader::new(100).end_lines_at_nul(), input);
    assert_eq!((&frames[0].0[..], frames[0].3), (&b"<12>a"[..], Ending::Nul));
    assert_eq!((&frames[1].0[..], frames[1].3), (&b"<12>b"[..], Ending::Newline));
}

#[test]
fn memory_stays_bounded_however_long_a_message_is() {
    let mut reader = FrameReader::new(1000);
    let mut left_len = 10_000_000;
    while left_len > 0 {
        let space = reader.space();
        let len = space.len().min(left_len);
        assert!((1..=2000).contains(&len));
        space[..len].fill(b'x');
        reader.filled(len);
        left_len -= len;
        while let Some(frame) = reader.next_frame() {
            assert_eq!((frame.bytes.len(), frame.ending), (1000, Ending::Continues));
        }
    }
}

#[test]
fn a_message_with_a_newline_is_not_written_as_a_line() {
    let mut output = b"before".to_vec();
    assert_eq!(append_line(b"<13>a\nb", &mut output), Err(ContainsNewline));
    assert_eq!(output, b"before");
}

/// Realistic syslog messages in both framings.
fn messages() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let byte = proptest::sample::select(b"<1> \n\0x9\xff".to_vec());
    let message = proptest::collection::vec(byte, 0..40);
    proptest::collection::vec((any::<bool>(), message), 0..12)
}

/// Cuts bytes at positions, each taken modulo their number.
fn split<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        messages in messages(),
        cuts in proptest::collection::vec(any::<usize>(), 0..20),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (is_counted, text) in messages {
            let message = [b"<".as_slice(), &text].concat();
            if is_counted {
                append_counted(&message, &mut stream);
                expected.push((message, Framing::Counted, 0, Ending::Count));
            } else if append_line(&message, &mut stream).is_ok() {
                expected.push((message, Framing::Line, 0, Ending::Newline));
            }
        }
        let frames = read(&mut FrameReader::new(100), &split(&stream, &cuts));
        prop_assert_eq!(frames, expected);
    }

    #[test]
    fn any_split_into_reads_gives_the_same_frames(
        input in proptest::collection::vec(proptest::sample::select(b"<1>05 \n\0x".to_vec()), 0..200),
        cuts in proptest::collection::vec(any::<usize>(), 0..20),
        len_max in 1_usize..30,
        nul_ends_line in any::<bool>(),
    ) {
        let reader = || {
            let reader = FrameReader::new(len_max);
            if nul_ends_line { reader.end_lines_at_nul() } else { reader }
        };
        let at_once = read(&mut reader(), &[&input]);
        prop_assert_eq!(&read(&mut reader(), &split(&input, &cuts)), &at_once);
        // Only counts and line ends may be lost.
        let is_text = |byte: &&u8| matches!(byte, b'<' | b'>' | b'x');
        let texts: Vec<u8> = at_once.iter().flat_map(|frame| frame.0.iter().copied()).collect();
        prop_assert_eq!(
            texts.iter().filter(is_text).collect::<Vec<_>>(),
            input.iter().filter(is_text).collect::<Vec<_>>()
        );
    }
}
