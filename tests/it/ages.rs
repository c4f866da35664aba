//! What a log directory does in time (`R`, `k`), with the system's clock and with one that is set.

use crate::manual::example;
use crate::support::{Home, Logger, is_original, wait_until};
use nix::sys::signal::Signal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A multilog whose clock is off by what the file `clock` says; the time that only goes forward is left
/// alone. None where there is no libfaketime.
fn spawn_with_clock(home: &Home, script: &[&str]) -> Option<Logger> {
    let library =
        glob::glob("/usr/lib/*/faketime/libfaketimeMT.so.1").expect("a good pattern").next();
    let Some(Ok(library)) = library else {
        assert!(std::env::var_os("CI").is_none(), "libfaketime is not installed");
        eprintln!("skipped: libfaketime is not installed");
        return None;
    };
    let library: PathBuf = library;
    set_clock(home, "+0");
    let mut command = home.command(script);
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", home.path("clock"));
    command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command.env("NO_FAKE_STAT", "1").env("TZ", "UTC");
    Some(home.start(command))
}

/// Sets the clock to so far from the right time, such as `+3d`, or to a time at which it stands. Never seen
/// half written.
fn set_clock(home: &Home, offset: &str) {
    home.write("clock.new", offset, 0o644);
    std::fs::rename(home.path("clock.new"), home.path("clock")).expect("a clock");
}

fn write_and_wait(home: &Home, logger: &mut Logger, line: &str) {
    logger.write(line);
    wait_until(line, || home.contents("main").ends_with(line.as_bytes()));
}

fn archive(home: &Home, number: usize) -> Vec<u8> {
    let name = home.archives("main")[number].clone();
    home.read(format!("main/{name}"))
}

#[test]
fn a_file_ends_so_long_after_its_first_line() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let mut logger = home.spawn(&["R1", "./main"]);
    wait_until("the start", || home.path("main/current").exists());
    let start = Instant::now();
    logger.write(b"a\n");
    wait_until("the file", || home.archives("main").len() == 1);
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(archive(&home, 0), b"a\n");
    let start = Instant::now();
    logger.write(b"b\n");
    wait_until("the next file", || home.archives("main").len() == 2);
    assert!(start.elapsed() >= Duration::from_secs(1));
    // Nothing came since, so there is nothing to end.
    logger.end().check(0, "");
    assert_eq!((home.archives("main").len(), home.read("main/current").len()), (2, 0));
}

#[test]
fn an_age_goes_on_over_a_restart() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let script = example("R7d n52 ./main");
    home.run(&script, b"a\n").check(0, "");
    home.run(&script, b"b\n").check(0, "");
    assert_eq!(home.read("main/current"), b"a\nb\n");
    // Its first line is a second old or more by then.
    let born = Instant::now();
    wait_until("a second", || born.elapsed() > Duration::from_millis(1100));
    let mut logger = home.spawn(&["R1", "./main"]);
    wait_until("the file", || home.archives("main").len() == 1);
    assert_eq!(archive(&home, 0), b"a\nb\n");
    logger.write(b"c\n");
    logger.end().check(0, "");
}

#[test]
fn an_age_does_not_follow_the_clock() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let Some(mut logger) = spawn_with_clock(&home, &["t", "R1h", "./main"]) else { return };
    for (offset, line) in [("+0", "a\n"), ("+3d", "b\n"), ("-3d", "c\n"), ("+0", "d\n")] {
        set_clock(&home, offset);
        write_and_wait(&home, &mut logger, line);
    }
    logger.end().check(0, "");
    assert_eq!(home.archives("main"), [""; 0]);
}

#[test]
fn a_file_ends_where_the_wall_begins_a_new_day() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let Some(mut logger) = spawn_with_clock(&home, &example("R@1d n366 ./main")) else { return };
    // A clock that stands at noon, so that no day ends while this runs.
    let noon = |day: &str| format!("2026-11-{day} 12:00:00");
    for (day, line) in [("20", "a\n"), ("20", "b\n"), ("22", "c\n"), ("22", "d\n")] {
        set_clock(&home, &noon(day));
        write_and_wait(&home, &mut logger, line);
    }
    wait_until("the file", || home.archives("main").len() == 1);
    assert_eq!(archive(&home, 0), b"a\nb\n");
    // Back, and nothing ends; nor is there a storm.
    for (day, line) in [("18", "e\n"), ("18", "f\n"), ("20", "g\n")] {
        set_clock(&home, &noon(day));
        write_and_wait(&home, &mut logger, line);
    }
    let ended = logger.end();
    assert_eq!(ended.status.code(), Some(0));
    assert!(home.archives("main").len() <= 2, "{:?}", home.archives("main"));
    assert_eq!(home.contents("main"), b"a\nb\nc\nd\ne\nf\ng\n");
}

/// Ends `current` and waits until it is an archive.
fn rotate(home: &Home, logger: &Logger) {
    let before = home.archives("main");
    logger.signal(Signal::SIGALRM);
    wait_until("the file", || home.archives("main").iter().any(|name| !before.contains(name)));
    wait_until("its end", || !home.path("main/previous").exists());
}

#[test]
fn archives_go_when_they_are_too_old() {
    if is_original() {
        return;
    }
    let home = Home::new();
    home.make_dir("main");
    home.write("main/current", b"", 0o744);
    // Of 2001, of our time, and one that is no label and has no age.
    home.write("main/@400000003b4a39c200000000.s.gz", b"old\n", 0o744);
    home.write("main/@ABCDEFGHIJKLMNOPQRSTUVWX.s", b"foreign\n", 0o744);
    let logger = home.spawn(&example("k30d n1000 ./main"));
    wait_until("the old one to go", || home.archives("main").len() == 1);
    logger.end().check(0, "");
    assert_eq!(home.archives("main"), ["@ABCDEFGHIJKLMNOPQRSTUVWX.s"]);

    let mut logger = home.spawn(&["k2", "./main"]);
    write_and_wait(&home, &mut logger, "a\n");
    let start = Instant::now();
    rotate(&home, &logger);
    assert_eq!(home.archives("main").len(), 2);
    wait_until("it to go", || home.archives("main").len() == 1);
    assert!(start.elapsed() >= Duration::from_secs(2));
    logger.end().check(0, "");
}

#[test]
fn a_clock_that_is_set_makes_no_archive_old() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let Some(mut logger) = spawn_with_clock(&home, &["k1d", "n99", "./main"]) else { return };
    let mut all = Vec::new();
    for (offset, line) in
        [("+0", "a\n"), ("+30d", "b\n"), ("+60d", "c\n"), ("-30d", "d\n"), ("+0", "e\n")]
    {
        set_clock(&home, offset);
        write_and_wait(&home, &mut logger, line);
        rotate(&home, &logger);
        all.extend_from_slice(line.as_bytes());
        assert_eq!(home.contents("main"), all, "{offset}");
    }
    let ended = logger.end();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(home.archives("main").len(), 5);
}
