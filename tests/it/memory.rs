//! Memory does not grow with the input: neither with the length of a line nor with the number of
//! lines or patterns.

use crate::support::{Home, Logger, wait_until};
use std::fs;

/// The most memory that may have been resident at once, in KiB, code and the C library included. Measured
/// with these tests: 3800 to 4500, of which 3400 are code, in a build that is not optimised; 2400 to 3200 in
/// a release, 2200 of them code (0.76: 1400, all but 100 of them code).
const RESIDENT_MAX: u64 = 5120;

/// What memory of its own may become more by, in KiB, from the first megabyte to the last. A queue that was
/// needed keeps 256; a byte that is kept for each line makes 1000.
const GROWN_MAX: u64 = 768;

/// What is written at a time.
const PIECE_LEN: usize = 64 * 1024;
/// So many of them are the first megabyte.
const FIRST_PIECES: usize = 16;
const LINE_LEN: usize = 100_000_000;
const LINE_COUNT: usize = 1_000_000;
const PATTERN_COUNT: usize = 1000;

/// Feeds some input over and over, then the end of it, and measures while the logger waits for more.
#[track_caller]
fn check(actions: &[String], unit: &[u8], count: usize, end: &[u8]) {
    let home = Home::in_memory();
    let log = ["s1000000", "n3", "./d"].map(str::to_owned);
    let mut logger = home.spawn(&[actions, &log].concat());
    let piece = unit.repeat(PIECE_LEN / unit.len());
    let piece_count = count * unit.len() / piece.len();
    let mut first = 0;
    for number in 0..piece_count {
        if number == FIRST_PIECES {
            logger.wait_until_asleep();
            first = kib(&logger, "smaps_rollup", "Anonymous:");
        }
        logger.write(&piece);
    }
    logger.write(end);
    wait_until("the end of the input", || home.contents("d").ends_with(end));
    let resident = kib(&logger, "status", "VmHWM:");
    assert!(resident < RESIDENT_MAX, "{resident} KiB were resident");
    let last = kib(&logger, "smaps_rollup", "Anonymous:");
    assert!(first > 0 && last < first + GROWN_MAX, "{first} KiB have become {last}");
    logger.end().check(0, "");
}

/// A number of KiB that the kernel tells of the logger.
fn kib(logger: &Logger, file: &str, name: &str) -> u64 {
    let told = fs::read_to_string(format!("/proc/{}/{file}", logger.pid())).expect("it runs");
    let line = told.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    number.expect("the kernel tells it").parse().expect("a number")
}

/// None of them matches a line of these tests, and none is a part of another.
fn patterns() -> Vec<String> {
    (0..PATTERN_COUNT).map(|number| format!("-*{number}*{}", number % 7)).collect()
}

fn stamped() -> Vec<String> {
    vec!["t".to_owned()]
}

#[test]
fn a_line_that_never_ends_is_not_kept() {
    check(&[], b"x", LINE_LEN, b"#");
}

#[test]
fn a_stamped_line_that_never_ends_is_not_kept() {
    check(&stamped(), b"x", LINE_LEN, b"#");
}

#[test]
fn a_judged_line_that_never_ends_is_not_kept() {
    check(&patterns(), b"x", LINE_LEN, b"#");
}

#[test]
fn many_short_lines_are_not_kept() {
    check(&[], b"x\n", LINE_COUNT, b"end\n");
}

#[test]
fn many_short_stamped_lines_are_not_kept() {
    check(&stamped(), b"x\n", LINE_COUNT, b"end\n");
}

#[test]
fn many_short_judged_lines_are_not_kept() {
    check(&patterns(), b"x\n", LINE_COUNT, b"end\n");
}
