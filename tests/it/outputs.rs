//! Where lines go and how they are shown there, beyond 0.76: `1`, `p`, `c`, `E`, `^`, beside s6-log where
//! it has the same.

use crate::peers::peer;
use crate::random::{Random, SEED_VARIABLE, seeds};
use crate::support::{Ended, Home, Logger, is_original, numbers, program, wait_until};
use crate::trouble::SmallDisk;
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::{PipeReader, Read, pipe};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

const SCRIPT_COUNT: u64 = 60;

/// Whether there is nothing to test, since 0.76 has none of this.
fn is_skipped() -> bool {
    if is_original() {
        eprintln!("skipped: 0.76 has no such action");
    }
    is_original()
}

/// Runs a script and returns what it writes to stdout.
fn stdout_of(script: &[&str], input: &[u8]) -> Vec<u8> {
    let home = Home::new();
    let mut command = home.command(script);
    command.stdout(File::create(home.path("stdout")).expect("a file"));
    home.start(command).feed_and_end(input).check(0, "");
    home.read("stdout")
}

#[track_caller]
fn check(script: &[&str], input: &[u8], expected: &[u8]) {
    if !is_skipped() {
        let shown = stdout_of(script, input).escape_ascii().to_string();
        assert_eq!(shown, expected.escape_ascii().to_string(), "{script:?}");
    }
}

#[test]
fn stdout_takes_selected_lines_whole() {
    check(&["1"], b"a\n\0\xff\nb", b"a\n\0\xff\nb\n");
    check(&["-a*", "1"], b"a\nb\nab\n", b"b\n");
    let long = [vec![b'x'; 200_000], b"\n".to_vec()].concat();
    check(&["1"], &long, &long);
    check(&["-y", "1", "./d"], &long, &long);
}

#[test]
fn stdout_and_a_directory_take_the_same_lines() {
    if is_skipped() {
        return;
    }
    let home = Home::new();
    let input = numbers(1, 20_000);
    let mut command = home.command(&["t", "s10000000", "./d", "1"]);
    command.stdout(File::create(home.path("stdout")).expect("a file"));
    home.start(command).feed_and_end(&input).check(0, "");
    assert!(home.read("stdout") == home.read("d/current"));
}

#[test]
fn lines_of_several_actions_come_in_order_where_each_goes_one_way() {
    let script = ["-*", "+*1*", "pone", "1", "f", "pother", "1"];
    check(&script, b"1\n2\n21\n3\n", b"one 1\nother 2\none 21\nother 3\n");
    // A line too long to wait for its end is not mixed with another.
    let long = vec![b'x'; 200_000];
    let shown = if is_original() { Vec::new() } else { stdout_of(&["pa", "1", "pb", "1"], &long) };
    for line in shown.split_inclusive(|&byte| byte == b'\n') {
        assert!(line.ends_with(b"\n"), "every piece is ended");
        let text = line.strip_prefix(b"a ").or(line.strip_prefix(b"b ")).unwrap_or(line);
        assert!(text[..text.len() - 1].iter().all(|&byte| byte == b'x'), "no mixture");
    }
}

/// A logger whose stdout is a pipe.
fn piped(home: &Home, script: &[&str]) -> (Logger, PipeReader) {
    let (reader, writer) = pipe().expect("a pipe");
    let mut command = home.command(script);
    command.stdout(Stdio::from(writer));
    (home.start(command), reader)
}

#[test]
fn a_stdout_that_nobody_reads_any_more_stops_nothing() {
    if is_skipped() {
        return;
    }
    let home = Home::new();
    let (mut logger, reader) = piped(&home, &["s10000000", "1", "./d"]);
    logger.write("a\n");
    wait_until("the first line", || home.read("d/current") == b"a\n");
    drop(reader);
    let input = numbers(1, 50_000);
    logger.write(&input);
    let message = "multilog: warning: unable to write standard output: broken pipe\n";
    logger.end().check(0, message);
    assert!(home.read("d/current") == [&b"a\n"[..], &input].concat());
}

#[test]
fn a_closed_stdout_is_told_of_and_stops_nothing() {
    if is_skipped() {
        return;
    }
    let home = Home::new();
    let program = crate::support::program();
    let mut command = home.command_of("/bin/sh".as_ref(), &["-c", "exec \"$0\" 1 ./d >&-"]);
    command.arg(program);
    let message = "multilog: warning: unable to write standard output: file descriptor not open\n";
    home.start(command).feed_and_end(b"a\n").check(0, message);
    assert_eq!(home.read("d/current"), b"a\n");
}

#[test]
fn a_stdout_that_is_read_slowly_stops_nothing_and_what_it_misses_is_counted() {
    if is_skipped() {
        return;
    }
    let home = Home::new();
    let (mut logger, mut reader) = piped(&home, &["s10000000", "1", "./d"]);
    let input = numbers(1, 200_000);
    let feeder = logger.feed(&input);
    // Nobody reads, and all of it reaches the directory.
    wait_until("the last line", || home.read("d/current").ends_with(b"\n200000\n"));
    feeder.join().expect("the feeder ends");
    assert!(home.read("d/current") == input);
    let reader = thread::spawn(move || {
        let mut shown = Vec::new();
        reader.read_to_end(&mut shown).expect("a pipe can be read");
        shown
    });
    let ended = logger.end();
    let shown = reader.join().expect("the reader ends");
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(ended.warnings().lines().count(), 1);
    let counts = counts(&ended, "standard output was read too slowly: ", " were dropped");
    assert!(counts.0 > 0 && input.starts_with(&shown), "whole lines from the beginning");
    assert_eq!(counts, lines_and_bytes(&input[shown.len()..]));
}

fn lines_and_bytes(bytes: &[u8]) -> (usize, usize) {
    (bytes.iter().filter(|&&byte| byte == b'\n').count(), bytes.len())
}

/// The lines and bytes that the one warning of this kind tells.
#[track_caller]
fn counts(ended: &Ended, before: &str, behind: &str) -> (usize, usize) {
    let warnings = ended.warnings();
    let told = |line: &str| -> Option<(usize, usize)> {
        let (_, rest) = line.split_once(before)?;
        let (lines, bytes) = rest.strip_suffix(behind)?.split_once(" lines (")?;
        Some((lines.parse().ok()?, bytes.strip_suffix(" bytes)")?.parse().ok()?))
    };
    let told: Vec<(usize, usize)> = warnings.lines().filter_map(told).collect();
    assert_eq!(told.len(), 1, "{warnings}");
    told[0]
}

/// What is told of lines that a full disk made drop.
const NO_ROOM: [&str; 2] =
    ["unable to write standard output, ", " were dropped: out of disk space"];

#[test]
fn a_stdout_on_a_device_that_stays_full_is_told_as_that_and_its_lines_are_counted() {
    if is_skipped() {
        return;
    }
    let home = Home::new();
    let mut command = home.command(&["1", "s10000000", "./d"]);
    command.stdout(File::options().write(true).open("/dev/full").expect("a full device"));
    let input = numbers(1, 200_000);
    let ended = home.start(command).feed_and_end(&input);
    assert_eq!(ended.status.code(), Some(0));
    assert!(home.read("d/current") == input);
    let pausing =
        "multilog: warning: unable to write standard output, pausing: out of disk space\n";
    assert!(ended.warnings().starts_with(pausing), "{}", ended.warnings());
    let dropped = counts(&ended, NO_ROOM[0], NO_ROOM[1]);
    let left = counts(&ended, "giving up on standard output: ", " are not written");
    assert!(dropped.0 > 0 && left.0 > 0);
    assert_eq!((dropped.0 + left.0, dropped.1 + left.1), lines_and_bytes(&input));
    assert!(!ended.warnings().contains("slowly"));
}

/// A logger whose stdout is a file on a small disk, with all of it in a directory too, on which there was
/// no room for these lines.
fn start_on_full_disk(home: &Home, disk: &SmallDisk, input: &[u8]) -> Logger {
    let mut command = home.command(&["1", "s10000000", "./d"]);
    command.stdout(File::create(home.path("disk/out")).expect("a file"));
    let mut logger = home.start(command);
    disk.fill(8192);
    logger.write(input);
    logger.wait_for_stderr("unable to write standard output, pausing: out of disk space\n");
    wait_until("the lines", || home.read("d/current") == input);
    disk.empty();
    logger
}

#[test]
fn a_stdout_on_a_full_disk_gets_what_was_held_when_there_is_room() {
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(&home) else { return };
    if is_skipped() {
        return;
    }
    // More than there is room for, and less than is held.
    let input = numbers(1, 10_000);
    let logger = start_on_full_disk(&home, &disk, &input);
    logger.wait_for_stderr(
        "multilog: info: writing to standard output again, nothing lost, held for ",
    );
    assert_eq!(logger.end().status.code(), Some(0));
    assert!(home.read("disk/out") == input);
}

#[test]
fn a_stdout_on_a_full_disk_misses_the_lines_that_are_told_of() {
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(&home) else { return };
    if is_skipped() {
        return;
    }
    let input = numbers(1, 100_000);
    let mut logger = start_on_full_disk(&home, &disk, &input);
    let again = "multilog: info: writing to standard output again, lines were dropped, held for ";
    logger.wait_for_stderr(again);
    logger.write("last\n");
    let ended = logger.end();
    assert_eq!(ended.status.code(), Some(0));
    let out = home.read("disk/out");
    let shown = out.strip_suffix(b"last\n").expect("the last line");
    assert!(input.starts_with(shown), "whole lines from the beginning");
    let missing = lines_and_bytes(&input[shown.len()..]);
    assert_eq!(counts(&ended, NO_ROOM[0], NO_ROOM[1]), missing);
    assert!(missing.0 > 0 && !ended.warnings().contains("slowly"));
}

#[test]
fn a_stdout_that_has_room_a_moment_too_late_is_not_waited_for() {
    let Some(strace) = peer("strace") else { return };
    if is_skipped() {
        return;
    }
    let home = Home::new();
    let program = program();
    let program = program.to_str().expect("a path");
    // Between being told that stdout has no room and waiting for some, a tenth of a second passes.
    let inject = "inject=ppoll:delay_exit=100000";
    let traced = ["-o", "trace", "-e", "trace=read,ppoll", "-e", inject, program, "1", "./d"];
    let (mut reader, writer) = pipe().expect("a pipe");
    let mut command = home.command_of(&strace, &traced);
    command.stdout(writer);
    let mut logger = home.start(command);
    // More than a pipe holds, and no more than it holds twice.
    let input = numbers(1, 15_000);
    logger.write(&input);
    wait_until("the lines", || home.contents("d") == input);
    logger.close_stdin();
    let trace = || String::from_utf8_lossy(&home.read("trace")).into_owned();
    wait_until("the end of the input", || trace().contains("read(0, \"\""));
    let end = thread::spawn(move || logger.end().check(0, ""));
    thread::sleep(Duration::from_millis(30));
    let mut shown = vec![0; input.len()];
    reader.read_exact(&mut shown).expect("all of it");
    assert!(shown == input);
    end.join().expect("it ends");
}

#[test]
fn a_stuck_stdout_does_not_stop_the_end() {
    if is_skipped() {
        return;
    }
    let home = Home::new();
    let (mut logger, reader) = piped(&home, &["1", "s10000000", "./d"]);
    let input = numbers(1, 20_000);
    logger.write(&input);
    wait_until("the lines", || home.read("d/current") == input);
    logger.signal(Signal::SIGTERM);
    let ended = logger.wait();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(told.starts_with("multilog: warning: giving up on standard output: "), "{told}");
    assert_eq!(ended.status.code(), Some(0));
    drop(reader);
}

#[test]
fn a_prefix_stands_behind_the_stamp_until_it_is_ended() {
    check(&["pweb:", "1", "p", "1"], b"a\n", b"web: a\na\n");
    check(&["pa b", "1"], b"\nx\n", b"a b \na b x\n");
    if !is_skipped() {
        let shown = stdout_of(&["Tutc", "pweb:", "-*a", "1"], b"a\nb\n");
        let shown = String::from_utf8(shown).expect("text");
        let (stamp, rest) = shown.split_once(' ').expect("a stamp");
        assert!(stamp.ends_with('Z') && rest == "web: b\n", "{shown}");
    }
}

#[test]
fn patterns_see_lines_without_prefix_and_escapes() {
    check(&["pweb:", "c", "-web*", "-*\\*", "1"], b"a\x1b\n", b"web: a\\x1b\n");
    check(&["pweb:", "c", "X", "-\x1b", "1"], b"a\x1b\nb\n", b"web: b\n");
}

#[test]
fn escapes_leave_text_and_take_the_rest() {
    let input = "tab\tand é, €\n\x1b[2J\x07\r\n\u{9b}31m\n".as_bytes();
    let shown = "tab\tand é, €\n\\x1b[2J\\x07\\x0d\n\\xc2\\x9b31m\n".as_bytes();
    check(&["c", "1"], input, shown);
    check(&["1", "c"], input, input);
    check(&["c", "1"], b"\xff\xc3\n\xa9\0", b"\\xff\\xc3\n\\xa9\\x00\n");
}

#[test]
fn every_kind_of_sink_shows_prefix_and_escapes() {
    if is_skipped() {
        return;
    }
    let home = Home::new();
    let script = ["./plain", "pweb:", "c", "./log", "=status", "e"];
    let ended = home.run(&script, b"a\x1bb\n");
    assert_eq!(home.read("plain/current"), b"a\x1bb\n");
    assert_eq!(home.read("log/current"), b"web: a\\x1bb\n");
    assert_eq!(ended.stderr, b"web: a\\x1bb\n");
    let status = home.read("status");
    assert!(status.starts_with(b"web: a\\x1bb\n\n") && status.len() == 1001);
}

#[test]
fn letters_cut_by_reads_and_blocks_are_whole() {
    if is_skipped() {
        return;
    }
    // Long lines of letters of three bytes, so that reads of any length cut them.
    let line = format!("{}\n", "€".repeat(30_000));
    let input = line.repeat(20);
    let home = Home::in_memory();
    home.run(&["s10000000", "c", "p>", "./d"], input.as_bytes()).check(0, "");
    assert!(home.read("d/current") == format!("> {line}").repeat(20).into_bytes());
    // The same with a log directory that rotates, and where every byte becomes four.
    let home = Home::in_memory();
    let input = [vec![0x1b; 300_000], b"\n".to_vec()].concat();
    home.run(&["s5000000", "c", "./d"], &input).check(0, "");
    assert!(home.read("d/current") == format!("{}\n", "\\x1b".repeat(300_000)).into_bytes());
}

#[test]
fn alerts_and_status_files_are_as_long_as_asked_for() {
    if is_skipped() {
        return;
    }
    let home = Home::new();
    let line = "x".repeat(9000);
    let alert = |script: &[&str]| {
        String::from_utf8(home.run(script, line.as_bytes()).stderr).expect("text")
    };
    assert_eq!(alert(&["E3", "e"]), "xxx...\n");
    assert_eq!(alert(&["E3", "pweb:", "e"]), "web: xxx...\n");
    assert_eq!(alert(&["E999", "e"]).len(), 999 + 4);
    assert_eq!(alert(&["E1000", "e"]).len(), 1000 + 4);
    assert_eq!(alert(&["E5k", "e"]).len(), 5 * 1024 + 4);
    assert_eq!(alert(&["E0", "e"]).len(), 8193);
    for (script, len) in [("^10", 10), ("^2k", 2048), ("^0", 8193)] {
        home.run(&[script, "=status"], line.as_bytes()).check(0, "");
        assert_eq!(
            home.read("status").len(),
            len.max(if script == "^0" { 0 } else { 10 }),
            "{script}"
        );
        std::fs::remove_file(home.path("status")).expect("it is there");
    }
    home.run(&["^0", "=status"], b"a long one\nshort\n").check(0, "");
    assert_eq!(home.read("status"), b"short\n");
    home.run(&["^0", "=status"], b"x\n").check(0, "");
    assert_eq!(home.read("status"), b"x\n");
}

/// A script in the words of both.
fn any_script(random: &mut Random) -> Vec<String> {
    let mut script = Vec::new();
    for _ in 0..1 + random.below(4) {
        for _ in 0..random.below(3) {
            script.push(match random.below(6) {
                0 => "f".to_owned(),
                1 => random.choose(&["p", "pweb", "pa b:"]).to_string(),
                2 => random.choose(&["^1", "^7", "^30", "^1001", "^2000", "^0"]).to_string(),
                3 => random.choose(&["E5", "E100", "E0"]).to_string(),
                _ => random.choose(&["-a", "+b$", "-^[ab]*$", "+.*", "-[[:digit:]]"]).to_string(),
            });
        }
        script.push(random.choose(&["1", "=status", "=other", "2", "./a"]).to_string());
    }
    // s6-log does not open a directory twice either.
    let mut is_first = true;
    script.retain(|action| action != "./a" || std::mem::take(&mut is_first));
    // It warns of a script that does not end so.
    script.push("1".to_owned());
    script
}

/// What s6-log's alerts begin with.
const ALERT: &str = "s6-log: alert: ";

#[test]
fn lines_go_where_they_go_with_s6_log() {
    let Some(s6_log) = peer("s6-log") else { return };
    if is_skipped() {
        return;
    }
    for seed in seeds(SCRIPT_COUNT) {
        let mut random = Random::new(seed);
        let script = any_script(&mut random);
        let mut lines = Vec::new();
        for _ in 0..60 {
            // It does not cut a line that is longer by three bytes only.
            let len = if random.once_in(20) { 1500 } else { *random.choose(&[0, 1, 3, 5, 9, 12]) };
            lines.extend(random.text(b"ab1 \xe9", len));
            lines.push(b'\n');
        }
        let run = |program, first: &str, alert: &str| {
            let home = Home::in_memory();
            let script = script.iter().map(|action| match action.as_str() {
                "2" => alert,
                action => action,
            });
            let script: Vec<&str> = [first].into_iter().chain(script).collect();
            let mut command = home.command_of(program, &script);
            command.stdout(File::create(home.path("stdout")).expect("a file"));
            let ended = home.start(command).feed_and_end(&lines);
            assert_eq!(ended.status.code(), Some(0), "{script:?}");
            let stderr = String::from_utf8_lossy(&ended.stderr).replace(ALERT, "");
            let mut stdout = home.read("stdout");
            // Where several actions write, each is in order; their lines are compared as a whole.
            if script.iter().filter(|action| **action == "1").count() > 1 {
                let mut sorted: Vec<Vec<u8>> =
                    stdout.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
                sorted.sort();
                stdout = sorted.concat();
            }
            let files = ["status", "other", "a/current"].map(|name| home.read(name));
            (stdout, stderr, files)
        };
        let program = crate::support::program();
        let ours = run(&program, "X", "e");
        let theirs = run(&s6_log, "--", "2");
        assert!(ours.1 == theirs.1, "alerts, {script:?}, {SEED_VARIABLE}={seed}");
        assert!(ours.0 == theirs.0, "stdout, {script:?}, {SEED_VARIABLE}={seed}");
        for (number, (ours, theirs)) in ours.2.iter().zip(&theirs.2).enumerate() {
            assert!(ours == theirs, "file {number}, {script:?}, {SEED_VARIABLE}={seed}");
        }
    }
}

#[test]
fn alerts_of_any_length_are_those_of_s6_log() {
    let Some(s6_log) = peer("s6-log") else { return };
    if is_skipped() {
        return;
    }
    for (prefix, size) in [("p", 200), ("pweb:", 200), ("p", 1000), ("pweb:", 1000), ("pa b", 5)] {
        // Up to three bytes more it shows instead of dots.
        let lens = [0, 1, 5, 199, 200, 201, 1000, 1001, 1004, 8000];
        let lens = lens.into_iter().filter(|len| !(size + 1..=size + 3).contains(len));
        let lines: Vec<String> = lens.map(|len| "x".repeat(len) + "\n").collect();
        let run = |program: &Path, alert| {
            let size = format!("E{size}");
            let home = Home::in_memory();
            // It warns of a script that does not end so.
            let ended =
                home.run_of(program, &[prefix, &size, alert, "1"], lines.concat().as_bytes());
            assert_eq!(ended.status.code(), Some(0));
            String::from_utf8_lossy(&ended.stderr).replace(ALERT, "")
        };
        let (ours, theirs) = (run(&program(), "e"), run(&s6_log, "2"));
        assert_eq!(ours.lines().count(), lines.len());
        assert_eq!(ours, theirs, "{prefix} {size}");
    }
}
