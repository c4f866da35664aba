use super::*;
use crate::syslog::{Form, Sender, parse};
use proptest::prelude::*;

const TIME: UnixTime = UnixTime { secs: 1_795_714_218, nanos: 523_315_999 };

fn header<'a>() -> Header<'a> {
    Header { pri: Pri::DEFAULT, time: Some(TIME), host: b"vm", app: b"t1", procid: b"", msgid: b"" }
}

#[track_caller]
fn check(header: &Header<'_>, elements: &[Element<'_>], text: &[u8], expected: &str) {
    let mut output = Vec::new();
    append_rfc5424(header, elements, text, &mut output);
    assert_eq!(String::from_utf8_lossy(&output), expected);
}

#[test]
fn a_message_of_rfc5424() {
    check(&header(), &[], b"hello", "<13>1 2026-11-26T17:30:18.523315Z vm t1 - - - hello");
    check(&header(), &[], b"", "<13>1 2026-11-26T17:30:18.523315Z vm t1 - - -");
    check(
        &Header { time: None, host: b"", app: b"", ..header() },
        &[Element { id: "a", params: &[("b", b"c")] }],
        b" two\nlines\0",
        "<13>1 - - - - - [a b=\"c\"]  two\\x0alines\\x00",
    );
}

#[test]
fn names_have_the_limits_of_the_rfc() {
    let long = [b'n'; 300];
    let long_header =
        Header { time: None, host: &long, app: &long, procid: &long, msgid: &long, ..header() };
    let name = |len: usize| "n".repeat(len);
    check(
        &long_header,
        &[],
        b"",
        &format!("<13>1 - {} {} {} {} -", name(255), name(48), name(128), name(32),),
    );
    check(
        &Header { time: None, host: b"a b", app: b"\xe9\n", ..header() },
        &[],
        b"",
        "<13>1 - a_b __ - - -",
    );
}

#[test]
fn a_message_of_rfc3164() {
    let header = BsdHeader {
        pri: Pri::DEFAULT,
        unix_secs: TIME.secs,
        utc_offset_secs: 0,
        host: b"vm",
        program: b"t1",
        pid: b"7",
    };
    for (header, expected) in [
        (header, "<13>Nov 26 17:30:18 vm t1[7]: two\\x0alines"),
        (BsdHeader { host: b"", ..header }, "<13>Nov 26 17:30:18 t1[7]: two\\x0alines"),
        (BsdHeader { pid: b"", ..header }, "<13>Nov 26 17:30:18 vm t1: two\\x0alines"),
        (BsdHeader { program: b"", ..header }, "<13>Nov 26 17:30:18 vm two\\x0alines"),
        (
            BsdHeader { program: b"a:b[c] d", ..header },
            "<13>Nov 26 17:30:18 vm a_b_c__d[7]: two\\x0alines",
        ),
        (
            BsdHeader { program: &[b'p'; 40], ..header },
            &format!("<13>Nov 26 17:30:18 vm {}[7]: two\\x0alines", "p".repeat(32)),
        ),
    ] {
        let mut output = Vec::new();
        append_rfc3164(&header, b"two\nlines", &mut output);
        assert_eq!(str::from_utf8(&output), Ok(expected));
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        number in 0_u8..=191,
        secs in 0_i64..4_000_000_000,
        host in "[!-,.-~]{1,40}",
        app in "[!-,.-~]{1,48}",
        pid in "[!-,.-~]{1,30}",
        text in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let text: Vec<u8> = text.into_iter().filter(|byte| !matches!(byte, 0 | b'\n')).collect();
        prop_assume!(!text.starts_with(b"\xef\xbb\xbf"));
        let header = Header {
            pri: Pri::from_number(number).unwrap(),
            time: Some(UnixTime { secs, nanos: 0 }),
            host: host.as_bytes(),
            app: app.as_bytes(),
            procid: pid.as_bytes(),
            msgid: b"",
        };
        let elements = [Element { id: "a", params: &[("b", b"]")] }];
        let mut output = Vec::new();
        append_rfc5424(&header, &elements, &text, &mut output);
        let message = parse(&output, Sender::Remote);
        prop_assert_eq!(message.form, Form::Rfc5424);
        prop_assert_eq!(message.pri, Some(header.pri));
        prop_assert_eq!(message.time.and_then(UnixTime::parse), header.time);
        prop_assert_eq!(message.host, Some(header.host));
        prop_assert_eq!(message.program, Some(header.app));
        prop_assert_eq!(message.pid, Some(header.procid));
        prop_assert_eq!(message.structured_data, Some(&b"[a b=\"\\]\"]"[..]));
        prop_assert_eq!(message.text, &text[..]);
    }

    #[test]
    fn a_tagged_message_of_rfc3164_is_read(
        host in proptest::option::of("[a-z][a-z0-9.-]{0,20}"),
        program in "[A-Za-z0-9_/.-]{1,32}",
        pid in proptest::option::of("[0-9]{1,7}"),
        text in "[^\u{0}\n]{0,60}",
    ) {
        let header = BsdHeader {
            pri: Pri::DEFAULT,
            unix_secs: TIME.secs,
            utc_offset_secs: 0,
            host: host.as_deref().unwrap_or_default().as_bytes(),
            program: program.as_bytes(),
            pid: pid.as_deref().unwrap_or_default().as_bytes(),
        };
        let mut output = Vec::new();
        append_rfc3164(&header, text.as_bytes(), &mut output);
        let message = parse(&output, Sender::Remote);
        prop_assert_eq!(message.host, host.as_deref().map(str::as_bytes));
        prop_assert_eq!(message.program, Some(program.as_bytes()));
        prop_assert_eq!(message.pid, pid.as_deref().map(str::as_bytes));
        prop_assert_eq!(message.text, text.as_bytes());
    }
}
