//! How much of the input is gone when a logger is killed: read, and in no file.

use crate::support::{Home, UNTIL_GO, is_original, numbers, wait_until};
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::io::Seek;
use std::path::Path;

/// What multilog(8) promises: a block and the beginning of a line.
const STREAMING_MAX: u64 = 72 * 1024;

/// What multilog(8) promises while a directory waits: the least `q`, and a block.
const WAITING_MAX: u64 = (128 + 72) * 1024;

/// Runs for each kill: on a busy machine a logger may end before it is killed.
const TRIES: usize = 5;

/// Bytes that a logger with this script has read and not written when it is killed, after `is_time` holds.
fn lost_at_a_kill(input: &Path, script: &[&str], is_time: impl Fn(&Home) -> bool) -> u64 {
    let lost = (0..TRIES).find_map(|_| try_kill(input, script, &is_time));
    lost.expect("a logger that is killed before its end")
}

/// `None` if the logger ended by itself.
fn try_kill(input: &Path, script: &[&str], is_time: impl Fn(&Home) -> bool) -> Option<u64> {
    let home = &Home::in_memory();
    let mut input = File::open(input).expect("an input");
    let mut command = home.command(script);
    command.stdin(input.try_clone().expect("a copy"));
    let logger = home.start(command);
    wait_until("the time of the kill", || is_time(home));
    if script.len() > 2 {
        logger.wait_until_asleep();
    }
    logger.signal(Signal::SIGKILL);
    if logger.wait().signal() != Some(9) {
        return None;
    }
    let read = input.stream_position().expect("a position");
    let len = |name: &str| {
        fs::metadata(home.path(Path::new("d").join(name))).map_or(0, |file| file.len())
    };
    Some(read - len("previous") - len("current"))
}

#[test]
fn a_kill_loses_no_more_than_the_manual_says() {
    // The figures are those of our manual; the original has its own.
    if is_original() {
        return;
    }
    let home = Home::in_memory();
    let input = home.path("input");
    fs::write(&input, numbers(1, 4_000_000)).expect("an input");
    for step in 0..20 {
        let begin = 100_000 * step;
        let is_time = |home: &Home| {
            fs::metadata(home.path("d/current")).is_ok_and(|current| current.len() > begin)
        };
        let lost = lost_at_a_kill(&input, &["s16777215", "./d"], is_time);
        assert!(lost <= STREAMING_MAX, "{lost} bytes");
    }
    let has_two =
        |home: &Home| home.path("d/previous").exists() && home.read("d/current").len() > 4000;
    let lost = lost_at_a_kill(&input, &["s8192", UNTIL_GO, "./d"], has_two);
    assert!(lost <= WAITING_MAX, "{lost} bytes");
    assert!(lost > 0, "nothing was held");
}
