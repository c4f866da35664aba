//! Memory does not grow with the input: neither with the length of a line nor with the number of
//! lines or patterns.

use crate::support::{Home, Logger, wait_until};
use std::fs;

/// The most memory that may have been resident at once, in KiB. Half of it is the code of a build that
/// is not optimised.
const RESIDENT_MAX: u64 = 5120;

/// What is written at a time.
const PIECE_LEN: usize = 64 * 1024;
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
    for _ in 0..count * unit.len() / piece.len() {
        logger.write(&piece);
    }
    logger.write(end);
    wait_until("the end of the input", || home.contents("d").ends_with(end));
    let resident = resident_max(&logger);
    assert!(resident < RESIDENT_MAX, "{resident} KiB were resident");
    logger.end().check(0, "");
}

/// The most memory that has been resident, in KiB.
fn resident_max(logger: &Logger) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", logger.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
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
