//! Labels before lines.

use crate::filters::{TAI64N, Watched, command, run};
use crate::peers::peer;
use crate::random::{Random, seeds};
use crate::support::numbers;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const STAMP_LEN: usize = 26;

/// Runs a tai64n and takes the stamps off again.
fn stamp(program: &Path, input: &[u8]) -> (Vec<String>, Vec<u8>) {
    let ended = run(command(program), input);
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
    let mut stamps = Vec::new();
    let mut lines = Vec::new();
    for line in ended.stdout.split_inclusive(|&byte| byte == b'\n') {
        let (stamp, rest) = line.split_at_checked(STAMP_LEN).expect("a stamp before each line");
        stamps.push(String::from_utf8(stamp.to_vec()).expect("a stamp is text"));
        lines.extend_from_slice(rest);
    }
    (stamps, lines)
}

/// Unix time of a stamp, after a look at its form.
#[track_caller]
fn unix_nanos(stamp: &str) -> i128 {
    let digits = stamp.strip_prefix('@').and_then(|rest| rest.strip_suffix(' ')).expect(stamp);
    assert!(digits.len() == 24 && !digits.contains(|digit: char| digit.is_uppercase()), "{stamp}");
    let [seconds, nanos] = [&digits[..16], &digits[16..]]
        .map(|digits| i128::from_str_radix(digits, 16).expect("hexadecimal digits"));
    assert!(nanos < 1_000_000_000, "{stamp}");
    (seconds - (1 << 62) - 10) * 1_000_000_000 + nanos
}

fn now_nanos() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    i128::try_from(since.as_nanos()).expect("it fits")
}

#[test]
fn a_stamp_is_the_time_at_which_its_line_was_read() {
    let mut programs = vec![TAI64N.into()];
    programs.extend(peer("tai64n"));
    for program in programs {
        let before = now_nanos();
        let (stamps, _) = stamp(&program, b"a\n\nb");
        let after = now_nanos();
        assert_eq!(stamps.len(), 3);
        for stamp in stamps {
            // 0.76 rounds to half a microsecond.
            assert!((before - 1000..after + 1000).contains(&unix_nanos(&stamp)), "{stamp}");
        }
    }
}

#[test]
fn stamps_of_tai64n_are_unique_and_rise() {
    let (stamps, lines) = stamp(TAI64N.as_ref(), &numbers(1, 300_000));
    assert_eq!(lines, numbers(1, 300_000));
    assert!(stamps.is_sorted_by(|earlier, later| earlier < later));
    // Those of one block, and there are more lines than blocks, are a nanosecond apart.
    let [first, second] = [&stamps[0], &stamps[1]].map(|stamp| unix_nanos(stamp));
    assert_eq!(second - first, 1);
}

#[test]
fn everything_but_the_stamps_is_as_it_was() {
    let mut random = Random::new(seeds(1).start);
    let mut inputs: Vec<Vec<u8>> = [
        "",
        "\n",
        "a",
        "a\n",
        "\n\n\nb",
        "@\0\r\n\u{ff}",
        &"x".repeat(200_000),
        &"\n".repeat(70_000),
    ]
    .map(|input| input.as_bytes().to_vec())
    .to_vec();
    // Around the sizes of its blocks and pieces.
    for len in [4095, 4096, 4097, 65_535, 65_536, 65_537] {
        inputs.push(random.text(b"ab@ \n", len));
        inputs.push([vec![b'x'; len], b"\ny".to_vec()].concat());
    }
    inputs.push((0..500_000).map(|_| u8::try_from(random.below(256)).unwrap_or(0)).collect());
    for input in inputs {
        let (stamps, lines) = stamp(TAI64N.as_ref(), &input);
        assert!(lines == input, "{} bytes", input.len());
        if let Some(original) = peer("tai64n") {
            let (expected_stamps, expected) = stamp(&original, &input);
            assert!(lines == expected, "{} bytes", input.len());
            assert_eq!(stamps.len(), expected_stamps.len());
        }
    }
}

#[test]
fn a_line_and_a_part_of_a_line_get_their_stamp_at_once() {
    let mut watched = Watched::start(command(TAI64N));
    watched.write("one\n");
    assert_eq!(&watched.read(STAMP_LEN + 4)[STAMP_LEN..], "one\n");
    watched.write("tw");
    let part = watched.read(STAMP_LEN + 2);
    assert_eq!(&part[STAMP_LEN..], "tw");
    let now = now_nanos();
    watched.write("o");
    assert_eq!(watched.read(1), "o");
    watched.write("\nthree");
    let rest = watched.read(1 + STAMP_LEN + 5);
    assert_eq!(&rest[..1], "\n");
    assert_eq!(&rest[1 + STAMP_LEN..], "three");
    // The line has the time of its first byte, the next one its own.
    assert!(unix_nanos(&part[..STAMP_LEN]) <= now);
    assert!(unix_nanos(&rest[1..=STAMP_LEN]) >= now);
    assert_eq!(watched.end(), "");
}
