//! The settings of log directories that 0.76 does not have: each with its example from the manual, and
//! beside s6-log where that has it.

use crate::peers::peer;
use crate::support::{Home, Logger, differs, is_original, numbers, wait_until};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// The arguments of an example, which has to stand in the manual.
#[track_caller]
fn example(script: &str) -> Vec<&str> {
    let manual = include_str!("../../docs/multilog.8");
    assert!(manual.contains(&format!("\n.Dl multilog {script}\n")), "not in the manual: {script}");
    script.split(' ').map(|argument| argument.trim_matches('\'')).collect()
}

fn sizes(home: &Home, dir: &str) -> Vec<usize> {
    home.archives(dir).iter().map(|name| home.read(Path::new(dir).join(name)).len()).collect()
}

#[test]
fn a_unit_behind_the_size_counts() {
    differs("a_unit_behind_the_size_counts", || {
        let home = Home::new();
        home.run(&example("s64k n20 ./main"), &numbers(1, 50_000)).check(0, "");
        assert_eq!(home.contents("main"), numbers(1, 50_000));
        let sizes = sizes(&home, "main");
        assert_eq!(sizes.len(), 4);
        assert!(sizes.iter().all(|size| (63_536..=65_536).contains(size)), "{sizes:?}");
    });
}

#[test]
fn what_else_follows_the_digits_of_a_size_does_not_matter() {
    let home = Home::new();
    home.run(&["s6000x", "n20", "./a", "s6000kb", "./b"], &numbers(1, 4000)).check(0, "");
    for dir in ["a", "b"] {
        assert_eq!(home.contents(dir), numbers(1, 4000));
        let sizes = sizes(&home, dir);
        assert!(sizes.len() > 2 && sizes.iter().all(|size| (4000..=6000).contains(size)));
    }
}

/// One line at a time, each in `current` before the next one: s6-log looks at the size only between
/// reads.
fn feed_line_by_line(home: &Home, mut logger: Logger, dir: &str, lines: &[u8]) {
    let mut fed = 0;
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        logger.write(line);
        fed += line.len();
        wait_until("the line", || home.contents(dir).len() >= fed);
    }
    assert_eq!(logger.end().status.code(), Some(0));
}

#[test]
fn the_tolerance_is_that_of_s6_log() {
    if is_original() {
        return;
    }
    let Some(s6_log) = peer("s6-log") else { return };
    for tolerance in ["l100", "l2000", "l2048"] {
        let home = Home::in_memory();
        let script = ["n99", "s4096", tolerance];
        let ours = home.spawn(&[&script[..], &["./ours"]].concat());
        feed_line_by_line(&home, ours, "ours", &numbers(1, 2500));
        let theirs =
            home.start(home.command_of(&s6_log, &[&["-b"], &script[..], &["./s6"]].concat()));
        feed_line_by_line(&home, theirs, "s6", &numbers(1, 2500));
        assert_eq!(sizes(&home, "ours"), sizes(&home, "s6"), "{tolerance}");
        assert!(sizes(&home, "ours").len() > 1);
    }
    let home = Home::new();
    home.run(&example("s1m l100 ./main"), b"a\n").check(0, "");
    assert_eq!(home.contents("main"), b"a\n");
}

/// How long it takes until a processor that fails has been run so often.
fn time_of_runs(home: &Home, logger: &mut Logger, count: usize) -> Duration {
    let start = Instant::now();
    logger.write(b"a\n");
    wait_until("the line", || home.read("d/current") == b"a\n");
    logger.signal(Signal::SIGALRM);
    wait_until("the runs", || home.read("d/runs").len() >= count);
    start.elapsed()
}

#[test]
fn the_pause_after_trouble_is_as_long_as_asked_for() {
    if is_original() {
        return;
    }
    let Some(s6_log) = peer("s6-log") else { return };
    let command = "printf . >>runs; exit 1";
    let within = Duration::from_millis(5 * 200)..Duration::from_secs(5);
    let home = Home::new();
    let mut ours = home.spawn(&["r200", &format!("!{command}"), "./d"]);
    let took = time_of_runs(&home, &mut ours, 6);
    assert!(within.contains(&took), "{took:?}");
    drop(ours);
    let home = Home::new();
    let mut theirs = home.start(home.command_of(&s6_log, &["r200", &format!("?{command}"), "./d"]));
    let took = time_of_runs(&home, &mut theirs, 6);
    assert!(within.contains(&took), "s6-log {took:?}");
    drop(theirs);
    let home = Home::new();
    home.run(&example("r1000 '!gzip' ./main"), b"a\n").check(0, "");
    assert_eq!(home.contents("main"), b"a\n");
}

#[test]
fn finished_files_get_the_ending_that_is_asked_for() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let script = example("wgz '!gzip' ./main");
    home.make_dir("main");
    home.write("main/current", b"torn\n", 0o644);
    home.write("main/previous", b"1\n", 0o744);
    home.write("main/processed", b"processed\n", 0o744);
    let mut logger = home.spawn(&script);
    logger.write(b"2\n");
    wait_until("the line", || home.read("main/current") == b"2\n");
    logger.signal(Signal::SIGALRM);
    wait_until("the file", || home.archives("main").len() == 3);
    wait_until("its end", || !home.path("main/processed").exists());
    logger.end().check(0, "");
    let endings: Vec<String> =
        home.archives("main").iter().map(|name| name[25..].to_owned()).collect();
    assert_eq!(endings, [".gz", ".u", ".gz"]);
    let newest = home.path("main").join(&home.archives("main")[2]);
    let unpacked = Command::new("gzip").arg("-dc").arg(newest).output().expect("gzip");
    assert_eq!(unpacked.stdout, b"2\n");
}

#[test]
fn the_original_counts_and_removes_files_of_any_ending() {
    let Some(original) = peer("multilog") else { return };
    if is_original() {
        return;
    }
    let home = Home::new();
    home.run(&["s4096", "n99", "ws.zst", "./d"], &numbers(1, 3000)).check(0, "");
    let before = home.archives("d");
    assert!(before.len() > 4 && before.iter().all(|name| name.ends_with(".s.zst")));
    home.run_of(&original, &["s4096", "n4", "./d"], &numbers(3001, 4000)).check(0, "");
    let between = home.archives("d");
    assert_eq!(between.len(), 3);
    // And back: those of both are counted and the oldest go.
    home.run(&["s4096", "n3", "w1", "./d"], &numbers(4001, 4500)).check(0, "");
    let after = home.archives("d");
    assert_eq!(after.len(), 2);
    assert!(after[1].ends_with(".1") && after[0] >= between[1]);
    assert!(numbers(1, 4500).ends_with(&home.contents("d")));
}

#[test]
fn a_supervisor_is_told_when_everything_is_open() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let script = example("d3 t ./main");
    let program = crate::support::program();
    let mut command = home.command_of(Path::new("/bin/sh"), &["-c", "exec \"$0\" \"$@\" 3>ready"]);
    command.arg(&program).args(["./first"]).args(&script);
    let mut logger = home.start(command);
    wait_until("the word", || home.read("ready") == b"\n");
    assert!(home.path("main/current").exists());
    let fd = fs::read_link(format!("/proc/{}/fd/3", logger.pid()));
    assert!(fd.map_or(true, |file| file != home.path("ready")), "it is closed");
    logger.write(b"a\n");
    let ended = logger.end();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(home.contents("first"), b"a\n");
}

#[test]
fn a_descriptor_that_is_not_open_is_fatal_before_anything_is_made() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let ended = home.run(&["d77", "./d"], b"a\n");
    ended.check(111, "multilog: fatal: unable to use descriptor 77: file descriptor not open\n");
    assert!(!home.path("d").exists());
}

#[test]
fn a_setting_without_its_value_is_named() {
    if is_original() {
        return;
    }
    let home = Home::new();
    home.run(&["r5s", "w", "./d"], b"a\n").check(
        0,
        "multilog: warning: ignoring unknown action r5s: r needs milliseconds\n\
         multilog: warning: ignoring unknown action w: w needs the ending of finished files, \
         without a slash and not u\n",
    );
    assert_eq!(home.contents("d"), b"a\n");
}
