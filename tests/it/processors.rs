//! Processors (behaviour 10).

use crate::support::{Home, Logger, UNTIL_GO, differs, is_original, numbers, program, wait_until};
use nix::sys::signal::Signal;
use std::fs;
use std::io::Write;
use std::thread;

/// A logger with one line in `current` that has been told to rotate.
fn rotating(home: &Home, processor: &str) -> Logger {
    let mut logger = home.spawn(&[processor, "./d"]);
    logger.write(b"a\n");
    wait_until("the line", || home.read("d/current") == b"a\n");
    logger.signal_and_wait(Signal::SIGALRM);
    logger.write(b"b\n");
    logger
}

#[test]
fn a_processor_makes_the_archive() {
    let home = Home::new();
    home.run(&["s4096", "n100", "!tr 0-9 a-j", "./d"], &numbers(1, 3000)).check(0, "");
    let archives = home.archives("d");
    assert!(archives.len() > 2);
    let digits = |name: &String| home.read(format!("d/{name}")).iter().any(u8::is_ascii_digit);
    assert!(!archives.iter().any(digits));
    let translate = |byte: &u8| if byte.is_ascii_digit() { byte - b'0' + b'a' } else { *byte };
    let all: Vec<u8> = home.contents("d").iter().map(translate).collect();
    assert_eq!(all, numbers(1, 3000).iter().map(translate).collect::<Vec<u8>>());
    let names = [("@.s", 0o744), ("current", 0o744), ("lock", 0o600), ("state", 0o644)];
    let mut found = home.entries("d");
    found.dedup();
    assert_eq!(found, names.map(|(name, mode)| (name.to_owned(), mode)));
}

#[test]
fn state_goes_from_run_to_run() {
    let home = Home::new();
    let count = "!(cat <&4; echo run) | cat >&5; cat";
    home.run(&["s4096", "n100", count, "./d"], &numbers(1, 3000)).check(0, "");
    let runs = home.archives("d").len();
    assert_eq!(home.read("d/state"), b"run\n".repeat(runs));
    assert_eq!(home.contents("d"), numbers(1, 3000));
}

#[test]
fn a_processor_runs_in_the_directory_with_its_descriptors() {
    let home = Home::new();
    let look = "!pwd >seen; umask >>seen; echo \"$0\" >>seen; ls -l /proc/$$/fd >fds; \
                stat -c %a previous processed newstate >>seen; echo to stderr >&2";
    let logger = rotating(&home, look);
    wait_until("the archive", || home.archives("d").len() == 1);
    logger.end().check(0, "to stderr\n");
    let dir = home.path("d").canonicalize().expect("the directory");
    let seen = format!("{}\n0022\nsh\n744\n644\n644\n", dir.display());
    assert_eq!(String::from_utf8_lossy(&home.read("d/seen")), seen);
    let fds = String::from_utf8(home.read("d/fds")).expect("text");
    let targets: Vec<(&str, &str)> = fds
        .lines()
        .filter_map(|line| line.split_once(" -> "))
        .map(|(left, target)| (left.rsplit(' ').next().unwrap_or(left), target))
        .collect();
    let names = ["0", "1", "2", "4", "5"];
    let ours: Vec<&(&str, &str)> = targets.iter().filter(|(fd, _)| names.contains(fd)).collect();
    assert_eq!(ours.len(), 5, "{fds}");
    for (fd, target) in [("0", "/previous"), ("4", "/state"), ("5", "/newstate")] {
        assert!(ours.iter().any(|(f, t)| *f == fd && t.ends_with(target)), "{fd}: {fds}");
    }
    let inherited = fs::read_dir("/proc/self/fd").expect("proc").count();
    assert!(targets.len() <= 6 + inherited, "{fds}");
    for (_, target) in &targets {
        assert!(!target.ends_with("/lock") && !target.ends_with("/current"), "{fds}");
    }
}

#[test]
fn a_processor_has_default_signals() {
    differs("a_processor_has_default_signals", || {
        let home = Home::new();
        // As a careless supervisor might start it.
        let shell = format!("trap '' TERM ALRM PIPE CHLD; exec {} \"$@\"", program().display());
        // In the background: a shell may unblock what it is given before it runs a program and waits.
        let look = "!grep -E '^Sig(Ign|Blk)' /proc/self/status >signals & wait";
        let arguments = ["-c", &shell, "sh", look, "./d"];
        let mut logger = home.start(home.command_of("/bin/sh".as_ref(), &arguments));
        logger.write(b"a\n");
        wait_until("the line", || home.read("d/current") == b"a\n");
        logger.signal(Signal::SIGALRM);
        logger.write(b"b\n");
        wait_until("the archive", || home.archives("d").len() == 1);
        logger.end().check(0, "");
        let signals = String::from_utf8(home.read("d/signals")).expect("text");
        assert_eq!(signals.lines().count(), 2);
        for line in signals.lines() {
            let mask = line.split_whitespace().last().expect("a mask");
            let mask = u64::from_str_radix(mask, 16).expect("hexadecimal");
            for signal in [Signal::SIGTERM, Signal::SIGALRM, Signal::SIGPIPE, Signal::SIGCHLD] {
                assert_eq!(mask >> (signal as i32 - 1) & 1, 0, "{signal}: {signals}");
            }
        }
    });
}

#[test]
fn a_processor_that_fails_is_run_again_with_the_same_input() {
    let home = Home::new();
    let twice = "!cat >>seen; echo junk; echo x >>count; test $(wc -l <count) -gt 2 || exit 1; \
                 cat seen >&5";
    let logger = rotating(&home, twice);
    wait_until("the archive", || home.archives("d").len() == 1);
    let warning = "multilog: warning: processor failed in ./d, pausing\n";
    logger.end().check_warnings(0, &warning.repeat(2));
    let archive = home.archives("d").remove(0);
    assert_eq!(home.read(format!("d/{archive}")), b"junk\n", "output of the last run only");
    assert_eq!(home.read("d/count"), b"x\nx\nx\n");
    let state = home.read("d/state");
    let input = &state[..state.len() / 3];
    assert_eq!(state, input.repeat(3), "the same input each time");
    assert!(input.starts_with(b"a\n"));
}

#[test]
fn a_processor_that_crashes_is_told_once_with_its_signal() {
    differs("a_processor_that_crashes_is_told_once_with_its_signal", || {
        let home = Home::new();
        let logger = rotating(&home, "!test -e crashed || { >crashed; kill -9 $$; }; cat");
        wait_until("the archive", || home.archives("d").len() == 1);
        let warning = "multilog: warning: processor crashed in ./d, pausing: killed by SIGKILL\n";
        logger.end().check_warnings(0, warning);
        assert_eq!(home.contents("d"), b"a\nb\n");
    });
}

#[test]
fn input_goes_on_while_a_processor_runs() {
    differs("input_goes_on_while_a_processor_runs", || {
        let home = Home::new();
        let mut logger = rotating(&home, UNTIL_GO);
        logger.write(b"c\n");
        wait_until("the lines", || home.read("d/current") == b"b\nc\n");
        home.write("d/go", b"", 0o644);
        wait_until("the archive", || home.archives("d").len() == 1);
        logger.end().check(0, "");
        assert_eq!(home.contents("d"), b"a\nb\nc\n");
    });
}

#[test]
fn a_directory_that_waits_for_its_processor_holds_back_input_and_loses_nothing() {
    let home = Home::new();
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut command = home.command(&["s4096", "n1000", UNTIL_GO, "./d"]);
    command.stdin(reader);
    let logger = home.start(command);
    let feeder = thread::spawn(move || writer.write_all(&numbers(1, 200_000)));
    wait_until("the processor", || home.path("d/processed").exists());
    // 0.76 waits with an empty `current`.
    wait_until("a full file", || is_original() || home.read("d/current").len() >= 2096);
    assert!(!feeder.is_finished(), "input is held back");
    home.write("d/go", b"", 0o644);
    feeder.join().expect("the feeder").expect("all is read");
    logger.end().check(0, "");
    assert_eq!(home.contents("d"), numbers(1, 200_000));
}

#[test]
fn a_clean_directory_without_state_can_be_processed() {
    differs("a_clean_directory_without_state_can_be_processed", || {
        let home = Home::new();
        home.make_dir("d");
        home.write("d/current", b"old\n", 0o744);
        let mut logger = home.spawn(&["!cat", "./d"]);
        logger.write(b"a\n");
        wait_until("the line", || home.read("d/current") == b"old\na\n");
        logger.signal(Signal::SIGALRM);
        logger.write(b"b\n");
        wait_until("the archive", || home.archives("d").len() == 1);
        logger.end().check(0, "");
    });
}

#[test]
fn an_empty_output_makes_an_empty_archive() {
    let home = Home::new();
    let logger = rotating(&home, "!exit 0");
    wait_until("the archive", || home.archives("d").len() == 1);
    logger.end().check(0, "");
    let archive = home.archives("d").remove(0);
    assert_eq!(home.read(format!("d/{archive}")), b"");
}

#[test]
fn a_processor_without_a_command_is_run() {
    let home = Home::new();
    let logger = rotating(&home, "!");
    wait_until("the archive", || home.archives("d").len() == 1);
    logger.end().check(0, "");
    let archive = home.archives("d").remove(0);
    assert_eq!(home.read(format!("d/{archive}")), b"");
}
