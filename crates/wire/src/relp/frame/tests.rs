use super::*;
use proptest::prelude::*;

const DATA_LEN_MAX: usize = 20;

#[track_caller]
fn check(bytes: &str, expected: Result<Option<(u32, &str, &str)>, FrameError>) {
    let parsed = parse_frame(bytes.as_bytes(), DATA_LEN_MAX);
    let text = |bytes| str::from_utf8(bytes).unwrap();
    let parsed = parsed.map(|frame| {
        frame.map(|(frame, len)| {
            assert_eq!(len, bytes.find('\n').unwrap() + 1, "{bytes:?}");
            (frame.txnr, text(frame.command), text(frame.data))
        })
    });
    assert_eq!(parsed, expected, "{bytes:?}");
}

#[test]
fn frames_are_parsed() {
    check("2 syslog 5 <13>a\n", Ok(Some((2, "syslog", "<13>a"))));
    check("2 syslog 5 <13>a\n3 syslog 0\n", Ok(Some((2, "syslog", "<13>a"))));
    check("4 close 0\n", Ok(Some((4, "close", ""))));
    check("0 serverclose 0\n", Ok(Some((0, "serverclose", ""))));
    check("999999999 a 1 x\n", Ok(Some((999_999_999, "a", "x"))));
    check("02 syslog 01 x\n", Ok(Some((2, "syslog", "x"))));
    check(
        "1 abcdefghijklmnopqrstuvwxyzabcdef 0\n",
        Ok(Some((1, "abcdefghijklmnopqrstuvwxyzabcdef", ""))),
    );
    check("1 a 20 12345678901234567890\n", Ok(Some((1, "a", "12345678901234567890"))));
}

#[test]
fn each_beginning_of_a_frame_waits_for_more() {
    for frame in ["2 syslog 5 <13>a\n", "4 close 0\n", "999999999 a 1 x\n"] {
        for len in 0..frame.len() {
            check(&frame[..len], Ok(None));
        }
    }
}

#[test]
fn what_is_no_frame_is_found_at_the_first_wrong_byte() {
    for (bytes, error) in [
        ("x", FrameError::Txnr),
        (" 1 a 0\n", FrameError::Txnr),
        ("-1", FrameError::Txnr),
        ("1x", FrameError::Txnr),
        ("1\n", FrameError::Txnr),
        ("1234567890", FrameError::Txnr),
        ("1  ", FrameError::Command),
        ("1 S", FrameError::Command),
        ("1 SYSLOG 0\n", FrameError::Command),
        ("1 a1", FrameError::Command),
        ("1 a\n", FrameError::Command),
        ("1 abcdefghijklmnopqrstuvwxyzabcdefg", FrameError::Command),
        ("1 a x", FrameError::Length),
        ("1 a  ", FrameError::Length),
        ("1 a \n", FrameError::Length),
        ("1 a 5\n", FrameError::Length),
        ("1 a 0x", FrameError::Length),
        ("1 a 1234567890", FrameError::Length),
        // librelp rejects a space after length 0.
        ("1 a 0 ", FrameError::Trailer),
        ("1 a 0\r\n", FrameError::Length),
        ("1 a 1 xX", FrameError::Trailer),
        ("1 a 1 x\r\n", FrameError::Trailer),
        ("1 a 21 ", FrameError::TooLong { len: 21, len_max: 20 }),
        ("1 a 999999999 ", FrameError::TooLong { len: 999_999_999, len_max: 20 }),
    ] {
        check(bytes, Err(error));
        assert!(error.to_string().starts_with("a frame "));
    }
}

#[test]
fn transaction_numbers_begin_again_after_the_largest() {
    assert_eq!(next_txnr(1), 2);
    assert_eq!(next_txnr(TXNR_MAX), 1);
    assert_eq!(distance(5, 5), 0);
    assert_eq!(distance(TXNR_MAX, 1), 1);
    assert_eq!(distance(TXNR_MAX - 1, 3), 4);
}

proptest! {
    #[test]
    fn what_is_written_is_parsed(
        txnr in 0..=TXNR_MAX,
        command in "[a-z]{1,32}",
        data in proptest::collection::vec(any::<u8>(), 0..100),
        rest in proptest::collection::vec(any::<u8>(), 0..10),
    ) {
        let mut bytes = Vec::new();
        append_frame(txnr, &command, &data, &mut bytes);
        let len = bytes.len();
        prop_assert!(len <= data.len() + OVERHEAD_LEN_MAX);
        for start_len in 0..len {
            prop_assert_eq!(parse_frame(&bytes[..start_len], 100), Ok(None));
        }
        bytes.extend(rest);
        let frame = Frame { txnr, command: command.as_bytes(), data: &data };
        prop_assert_eq!(parse_frame(&bytes, 100), Ok(Some((frame, len))));
    }

    #[test]
    fn an_error_stays_whatever_follows(bytes in proptest::collection::vec(
        proptest::sample::select(b"019 \nabX".to_vec()), 0..30,
    )) {
        let whole = parse_frame(&bytes, 5);
        for len in 0..bytes.len() {
            match parse_frame(&bytes[..len], 5) {
                Ok(None) => (),
                early => prop_assert_eq!(&early, &whole),
            }
        }
    }
}
