//! Lines of every kind, and what a receiver has to make of them: each field as it was meant, nothing cut, and parts that
//! join.

use super::{Ship, param};
use crate::support::{Home, wait_until};
use logdir::label::Label;
use logdir::stamp::format_utc;

/// Bytes of a time with six digits, without its zone.
const TIME_LEN: usize = "2026-11-20T08:15:02.123456".len();

/// What a receiver writes for each message: facility, severity, time, host, program, structured data, text.
const FIELDS: usize = 7;

fn lines() -> Vec<Vec<u8>> {
    vec![
        b"nul \0 in it".to_vec(),
        b"latin \xe9".to_vec(),
        b"escape \x1b[31m".to_vec(),
        b"12 digits first".to_vec(),
        b"".to_vec(),
        b"<13>looks like a message".to_vec(),
        b"tab\tin it".to_vec(),
        "\u{fc}ml\u{e4}ut ] \" \\ | ".into(),
        (0..10_000).map(|n: u32| b'a' + (n % 26) as u8).collect(),
        (0..131_000).map(|n: u32| b'0' + (n % 10) as u8).collect(),
        b"end".to_vec(),
    ]
}

/// Logs the lines and sends them.
#[track_caller]
pub fn send(home: &Home, url: &str) {
    let text: Vec<u8> = lines().iter().flat_map(|line| [&line[..], b"\n"].concat()).collect();
    let ended = home.run(&["t", "s16777215", "l0", "./log"], &text);
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    let options = ["--once", "--pri", "local3.notice", "--app", "web", url, "./log"];
    let mut ship = Ship::start(home, &options);
    assert_eq!(ship.wait().code(), Some(0), "{}", ship.stderr());
}

/// Waits until a file of the receiver has all lines, and checks it: a message a line, its fields after each other
/// with `|` between them.
#[track_caller]
pub fn check(home: &Home, file: &str) {
    wait_until("the last line", || home.read(file).ends_with(b"|end\n"));
    let written = home.read(file);
    let mut joined: Vec<(String, Vec<u8>)> = Vec::new();
    for message in written.strip_suffix(b"\n").expect("lines").split(|&byte| byte == b'\n') {
        let fields: Vec<&[u8]> = message.splitn(FIELDS, |&byte| byte == b'|').collect();
        let names: Vec<&[u8]> = [&fields[..2], &fields[3..5]].concat();
        let expected: [&[u8]; 4] = [b"local3", b"notice", b"here", b"web"];
        assert_eq!(names, expected, "{}", message.escape_ascii());
        let structured_data = String::from_utf8(fields[5].to_vec()).expect("UTF-8");
        assert_eq!(param(&structured_data, "dir"), "./log");
        let label = Label::parse(param(&structured_data, "label").as_bytes()).expect("a label");
        let time = format_utc(label).expect("a year with four digits");
        assert_eq!(fields[2][..TIME_LEN], time.as_bytes()[..TIME_LEN]);
        let id = param(&structured_data, "cursor").to_owned();
        match joined.last_mut() {
            Some((last, text)) if *last == id => {
                assert!(structured_data.contains(&format!(" id=\"{id}\"")), "{structured_data}");
                text.extend_from_slice(fields[6]);
            }
            _ => joined.push((id, fields[6].to_vec())),
        }
    }
    let expected: Vec<Vec<u8>> = lines().iter().map(|line| without_nul(line)).collect();
    assert_eq!(joined.len(), expected.len());
    for ((_, text), line) in joined.iter().zip(&expected) {
        assert!(text == line, "{} bytes instead of {}", text.len(), line.len());
    }
}

/// A line as messages have it.
fn without_nul(line: &[u8]) -> Vec<u8> {
    line.iter().flat_map(|&byte| if byte == 0 { b"\\x00".to_vec() } else { vec![byte] }).collect()
}
