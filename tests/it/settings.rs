//! The settings of log directories that 0.76 does not have: each with its example from the manual, and
//! beside s6-log where that has it.

use crate::manual::example;
use crate::peers::peer;
use crate::support::{Home, Logger, differs, is_original, numbers, wait_until};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub fn sizes(home: &Home, dir: &str) -> Vec<usize> {
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
    let script = ["s6000x", "n20", "./a", "s6000kb", "./b"];
    let ended = home.run(&script, &numbers(1, 4000));
    assert_eq!(ended.status.code(), Some(0));
    for dir in ["a", "b"] {
        assert_eq!(home.contents(dir), numbers(1, 4000));
        let sizes = sizes(&home, dir);
        assert!(sizes.len() > 2 && sizes.iter().all(|size| (4000..=6000).contains(size)));
    }
}

/// One line at a time, each in `current` before the next one: s6-log looks at the size only between
/// reads.
pub fn feed_line_by_line(home: &Home, mut logger: Logger, dir: &str, lines: &[u8]) {
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
fn the_total_size_is_that_of_s6_log() {
    if is_original() {
        return;
    }
    let Some(s6_log) = peer("s6-log") else { return };
    // s6-log counts archives, n counts current too.
    for (total, number) in [("S9000", "99"), ("S4000", "99"), ("S1", "99"), ("S90000", "3")] {
        let home = Home::in_memory();
        let (ours, theirs) =
            (format!("n{}", number.parse::<u64>().unwrap() + 1), format!("n{number}"));
        let logger = home.spawn(&[&ours, "s4096", total, "./ours"]);
        feed_line_by_line_to_the_last(&home, logger, "ours");
        let script = ["-b", &theirs, "s4096", total, "./s6"];
        let logger = home.start(home.command_of(&s6_log, &script));
        feed_line_by_line_to_the_last(&home, logger, "s6");
        if total == "S1" {
            // The file just finished is never removed here.
            assert_eq!((sizes(&home, "ours").len(), sizes(&home, "s6").len()), (1, 0));
        } else {
            assert_eq!(sizes(&home, "ours"), sizes(&home, "s6"), "{total}");
        }
        assert_eq!(home.read("ours/current"), home.read("s6/current"), "{total}");
    }
    let home = Home::new();
    home.run(&example("s1m n1000 S500m ./main"), b"a\n").check(0, "");
    assert_eq!(home.contents("main"), b"a\n");
}

/// The same where files go meanwhile.
fn feed_line_by_line_to_the_last(home: &Home, mut logger: Logger, dir: &str) {
    let current = || home.read(Path::new(dir).join("current"));
    wait_until("the start", || home.path(dir).join("current").exists());
    for number in 1..=3000 {
        let before = current();
        logger.write(numbers(number, number));
        wait_until("the line", || current() != before);
    }
    assert_eq!(logger.end().status.code(), Some(0));
}

#[test]
fn the_pause_after_trouble_is_as_long_as_asked_for() {
    if is_original() {
        return;
    }
    let Some(s6_log) = peer("s6-log") else { return };
    let command = "printf . >>runs; exit 1";
    // Far less than the five pauses would be without `r`, on a busy machine too.
    let within = Duration::from_millis(5 * 200)..Duration::from_secs(20);
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
fn a_dirty_current_is_synced_in_time() {
    if is_original() {
        return;
    }
    let Some(strace) = peer("strace") else { return };
    let home = Home::new();
    let program = crate::support::program();
    let mut command = home.command_of(&strace, &["-f", "-y", "-e", "trace=fsync", "-o", "trace"]);
    command.arg(&program).args(example("t y1 ./main"));
    let mut logger = home.start(command);
    let syncs = || {
        let trace = String::from_utf8_lossy(&home.read("trace")).into_owned();
        trace.matches("/main/current>)").count()
    };
    wait_until("the start", || home.path("main/current").exists());
    assert_eq!(syncs(), 0);
    logger.write(b"a\n");
    wait_until("the sync", || syncs() == 1);
    // Not again for nothing.
    logger.write(b"b\n");
    wait_until("the next sync", || syncs() == 2);
    logger.end().check(0, "");
    assert_eq!(syncs(), 3, "and the one at the end");
}

#[test]
fn usr1_tells_how_every_directory_is() {
    differs("usr1_tells_how_every_directory_is", || {
        let home = Home::new();
        let mut logger = home.spawn(&["s4096", "./a", "-*", "./b"]);
        logger.write(numbers(1, 600));
        wait_until("the lines", || home.contents("a").ends_with(b"\n600\n"));
        wait_until("the file", || home.archives("a").len() == 1);
        wait_until("its end", || !home.path("a/previous").exists());
        logger.signal(Signal::SIGUSR1);
        logger.wait_for_stderr("multilog: status: ./b: ");
        logger.wait_for_stderr("multilog: status: ./a: ");
        let stderr = logger.stderr();
        let line = |dir: &str| {
            let start = format!("multilog: status: {dir}: ");
            stderr.lines().find_map(|line| line.strip_prefix(&start)).expect("a line").to_owned()
        };
        let size = home.read("a/current").len();
        let archived = 2292 - size;
        let rest = line("./a");
        assert!(
            rest.starts_with(&format!(
                "in 600 lines 2292 bytes, written 600 lines 2292 bytes, dropped 0 lines 0 bytes, \
                 queued 0 lines 0 bytes, current {size} bytes, last rotation 20"
            )),
            "{rest}"
        );
        assert!(
            rest.ends_with(&format!("Z, archives 1 files {archived} bytes, last trouble never")),
            "{rest}"
        );
        assert_eq!(
            line("./b"),
            "in 0 lines 0 bytes, written 0 lines 0 bytes, dropped 0 lines 0 bytes, queued 0 lines \
             0 bytes, current 0 bytes, last rotation never, archives 0 files 0 bytes, last trouble \
             never"
        );
        logger.write(b"more\n");
        assert_eq!(logger.end().status.code(), Some(0));
        assert!(home.contents("a").ends_with(b"more\n"));
    });
}

#[test]
fn a_supervisor_is_told_when_everything_is_open() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let script = example("t d3 ./main");
    let program = crate::support::program();
    let mut command = home.command_of(Path::new("/bin/sh"), &["-c", "exec \"$0\" \"$@\" 3>ready"]);
    command.arg(&program).args(&script).arg("./other");
    let mut logger = home.start(command);
    wait_until("the word", || home.read("ready") == b"\n");
    assert!(home.path("main/current").exists());
    let fd = format!("/proc/{}/fd/3", logger.pid());
    let is_told = |file: std::path::PathBuf| file == home.path("ready");
    wait_until("it to be closed", || !fs::read_link(&fd).is_ok_and(is_told));
    logger.write(b"a\n");
    logger.end().check(0, "");
    assert!(home.contents("main").starts_with(b"@") && home.contents("other").ends_with(b" a\n"));
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
