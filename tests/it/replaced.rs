//! What happens to `logdir show` when somebody replaces, cuts or damages what it reads, or nobody takes what
//! it writes.

use crate::follow::{
    check_numbers, following, reader, stop, told, wait_for_line, wait_until_it_waits,
};
use crate::show::{LOGDIR, archive, show, stamped};
use crate::support::{Home, Logger, wait_until};
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Lines that nobody can mistake for others.
fn lines(numbers: std::ops::RangeInclusive<u64>) -> String {
    numbers.map(|number| format!("{number} of a service\n")).collect()
}

fn log(home: &Home, numbers: std::ops::RangeInclusive<u64>) {
    home.run(&["t", "./main"], lines(numbers).as_bytes()).check(0, "");
}

/// Copies a directory with everything in it.
fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

/// Does something of several steps, of which the reader sees only the end: a directory is removed file by file,
/// and a reader that looks meanwhile reports that `current` was removed.
fn unseen(reader: &Logger, act: impl FnOnce()) {
    wait_until_it_waits(reader);
    reader.signal(Signal::SIGSTOP);
    act();
    reader.signal(Signal::SIGCONT);
}

#[test]
fn a_directory_is_followed_by_its_name() {
    let home = Home::in_memory();
    log(&home, 1..=3);
    let reader = following(&home, &["-f", "--raw", "main"]);
    fs::rename(home.path("main"), home.path("old")).expect("another name");
    log(&home, 4..=6);
    wait_for_line(&home, "output", 6);
    wait_until("it to be told", || told(&home).contains("was replaced by another one"));
    unseen(&reader, || {
        fs::remove_dir_all(home.path("main")).expect("to be removed");
        log(&home, 7..=9);
    });
    wait_for_line(&home, "output", 9);
    // Its events come too, and its lines.
    log(&home, 10..=12);
    wait_for_line(&home, "output", 12);
    stop(reader);
    check_numbers(&home, "output", 12);
    let told = told(&home);
    assert_eq!(told.matches("was replaced by another one").count(), 2, "{told}");
    // Of what was removed nobody knows whether it had been read.
    assert_eq!(told.matches("may be missing").count(), 1, "{told}");
    assert_eq!(told.lines().count(), 3, "{told}");
}

/// What a reader shows and reports after `act`, during which it did not run. The last line is number 9.
#[track_caller]
fn check_brief(operand: &str, act: impl FnOnce(&Home), replaced_count: usize) {
    let home = Home::in_memory();
    log(&home, 1..=3);
    let reader = following(&home, &["-f", "--raw", operand]);
    wait_for_line(&home, "output", 3);
    unseen(&reader, || act(&home));
    wait_for_line(&home, "output", 9);
    stop(reader);
    let output = String::from_utf8(home.read("output")).expect("text");
    let expected = [1, 2, 3, 7, 8, 9].map(|number| format!("{number} of a service"));
    let shown: Vec<&str> =
        output.lines().filter_map(|line| Some(line.split_once(' ')?.1)).collect();
    assert_eq!(shown, expected);
    let told = told(&home);
    assert_eq!(told.matches("may be missing").count(), 1, "{told}");
    assert_eq!(told.matches("was replaced by another one").count(), replaced_count, "{told}");
}

#[test]
fn a_directory_that_lives_too_briefly_leaves_a_gap() {
    let another = |home: &Home, from: u64| {
        fs::rename(home.path("main"), home.path(format!("old{from}"))).expect("another name");
        log(home, from..=from + 2);
    };
    check_brief("main", |home| [4, 7].into_iter().for_each(|from| another(home, from)), 1);
    // The first one comes back.
    let back = |home: &Home| {
        another(home, 4);
        fs::rename(home.path("main"), home.path("brief")).expect("another name");
        fs::rename(home.path("old4"), home.path("main")).expect("its old name");
        log(home, 7..=9);
    };
    check_brief("main", back, 0);
    // A file by itself.
    let another_file = |home: &Home, from: u64| {
        fs::remove_dir_all(home.path("other")).unwrap_or_default();
        home.run(&["t", "./other"], lines(from..=from + 2).as_bytes()).check(0, "");
        fs::remove_file(home.path("main/current")).expect("to be removed");
        fs::rename(home.path("other/current"), home.path("main/current")).expect("its place");
    };
    let files = |home: &Home| [4, 7].into_iter().for_each(|from| another_file(home, from));
    check_brief("main/current", files, 1);
}

#[test]
fn a_copy_in_the_place_of_a_directory_doubles_nothing() {
    let home = Home::in_memory();
    log(&home, 1..=300);
    let reader = following(&home, &["-f", "-n", "300", "--raw", "main"]);
    wait_for_line(&home, "output", 300);
    fs::rename(home.path("main"), home.path("old")).expect("another name");
    copy_dir(&home.path("old"), &home.path("main"));
    log(&home, 301..=303);
    wait_for_line(&home, "output", 303);
    stop(reader);
    check_numbers(&home, "output", 303);
}

#[test]
fn a_followed_range_says_that_it_begins_before_the_oldest_line() {
    let home = Home::in_memory();
    log(&home, 1..=3);
    for arguments in [&["-f"][..], &["--cursor", "cursor"], &["-n", "2"], &[]] {
        let arguments = [arguments, &["--since", "yesterday", "main"]].concat();
        let reader = reader(&home, "output", &arguments);
        wait_until("it to be told", || told(&home).contains("there is nothing from before "));
        wait_for_line(&home, "output", 3);
        if arguments[0] == "-f" {
            wait_until_it_waits(&reader);
            reader.signal(Signal::SIGTERM);
        }
        assert_eq!(reader.wait().status.code(), Some(0));
        fs::remove_file(home.path("told")).expect("what was told");
    }
}

#[test]
fn a_directory_that_is_gone_is_waited_for_in_silence() {
    let home = Home::in_memory();
    log(&home, 1..=3);
    let reader = following(&home, &["-f", "--raw", "main"]);
    unseen(&reader, || fs::remove_dir_all(home.path("main")).expect("to be removed"));
    let looks = |reader: &Logger| {
        let io = fs::read_to_string(format!("/proc/{}/io", reader.pid())).expect("its calls");
        let reads = io.lines().find_map(|line| line.strip_prefix("syscr: ")).expect("a number");
        reads.parse::<u64>().expect("a number")
    };
    let before = looks(&reader);
    wait_until("it to look for it", || looks(&reader) > before + 4);
    assert_eq!(told(&home), "");
    log(&home, 4..=4);
    wait_for_line(&home, "output", 4);
    stop(reader);
    check_numbers(&home, "output", 4);
}

#[test]
fn a_file_by_itself_is_followed_by_its_name() {
    let home = Home::in_memory();
    home.write("log", lines(1..=5), 0o644);
    let reader = following(&home, &["-f", "--raw", "log"]);
    wait_for_line(&home, "output", 5);
    // What is appended after the new one is there belongs to the old one, and nobody reads it.
    let mut old = File::options().append(true).open(home.path("log")).expect("the file");
    fs::rename(home.path("log"), home.path("log.1")).expect("another name");
    old.write_all(lines(6..=7).as_bytes()).expect("to be written");
    wait_for_line(&home, "output", 7);
    home.write("log", lines(8..=9), 0o644);
    wait_for_line(&home, "output", 9);
    wait_until("it to be told", || told(&home).contains("log was replaced by another one"));
    File::options()
        .write(true)
        .open(home.path("log"))
        .expect("the file")
        .set_len(0)
        .expect("a cut");
    wait_until("the cut to be seen", || told(&home).contains("log was truncated"));
    let mut log = File::options().append(true).open(home.path("log")).expect("the file");
    log.write_all(lines(10..=10).as_bytes()).expect("to be written");
    wait_for_line(&home, "output", 10);
    reader.signal(Signal::SIGTERM);
    assert_eq!(reader.wait().status.code(), Some(2), "lines may be missing");
    check_numbers(&home, "output", 10);
}

#[test]
fn a_current_that_is_truncated_is_told() {
    let home = Home::in_memory();
    log(&home, 1..=3);
    let reader = following(&home, &["-f", "--raw", "main"]);
    wait_for_line(&home, "output", 3);
    fs::write(home.path("main/current"), "").expect("a cut");
    wait_until("the cut to be seen", || told(&home).contains("main/current was truncated"));
    log(&home, 4..=5);
    wait_for_line(&home, "output", 5);
    stop(reader);
    check_numbers(&home, "output", 5);
}

/// Runs a reader with a cursor on a pipe that nobody reads, asks it to end, and returns what it had
/// written by then.
fn end_blocked(home: &Home, arguments: &[&str], signal: Signal) -> Vec<u8> {
    let mut command = Command::new(LOGDIR);
    command.args(["show", "--raw", "--cursor", "cursor"]).args(arguments);
    command.current_dir(home.path("")).stdin(Stdio::null());
    let (mut output, input) = std::io::pipe().expect("a pipe");
    command.stdout(input);
    command.stderr(File::options().create(true).append(true).open(home.path("told")).expect("one"));
    let reader = home.start(command);
    // There is more than a pipe holds, so it waits for nothing else.
    wait_until_it_waits(&reader);
    reader.signal(signal);
    let ended = reader.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", told(home));
    let mut written = Vec::new();
    output.read_to_end(&mut written).expect("what was written");
    written
}

#[test]
fn a_reader_ends_while_nobody_takes_its_lines() {
    const COUNT: u64 = 20_000;
    for stamp in ["t", "+*"] {
        let home = Home::in_memory();
        let arguments = [stamp, "s4096", "n10000", "./main"];
        home.run(&arguments, lines(1..=COUNT).as_bytes()).check(0, "");
        let mut next = 1;
        for (arguments, signal) in [
            (&["-f", "main"][..], Signal::SIGTERM),
            (&["-f", "main"], Signal::SIGINT),
            (&["main"], Signal::SIGTERM),
        ] {
            let written = end_blocked(&home, arguments, signal);
            assert!(!written.is_empty());
            let text = String::from_utf8(written).expect("text");
            let whole: Vec<&str> =
                text.split_inclusive('\n').filter(|l| l.ends_with('\n')).collect();
            for line in whole {
                let expected = format!("{next} of a service\n");
                assert!(line.ends_with(&expected), "{line} and not {expected}");
                next += 1;
            }
        }
        let rest = reader(&home, "output", &["--raw", "--cursor", "cursor", "main"]);
        assert_eq!(rest.wait().status.code(), Some(0), "{}", told(&home));
        let output = String::from_utf8(home.read("output")).expect("text");
        let first = output.lines().next().unwrap_or_default();
        assert!(first.ends_with(&format!("{next} of a service")), "{first}, not {next}");
        assert_eq!(output.lines().count() as u64, COUNT + 1 - next);
        assert_eq!(told(&home), "");
    }
}

#[test]
fn what_is_removed_while_it_is_shown_is_told() {
    let home = Home::in_memory();
    let count = 20_000;
    home.run(&["s4096", "n10000", "./main"], lines(1..=count).as_bytes()).check(0, "");
    let mut command = Command::new(LOGDIR);
    command.args(["show", "main"]).current_dir(home.path("")).stdin(Stdio::null());
    let (mut output, input) = std::io::pipe().expect("a pipe");
    command.stdout(input).stderr(File::create(home.path("told")).expect("a file"));
    let reader = home.start(command);
    wait_until("the pipe to be full", || {
        let place = fs::read_to_string(format!("/proc/{}/wchan", reader.pid()));
        place.is_ok_and(|place| place.contains("pipe"))
    });
    let archives = home.archives("main");
    let gone = &archives[archives.len() - 2];
    fs::remove_file(home.path("main").join(gone)).expect("to be removed");
    let mut written = Vec::new();
    output.read_to_end(&mut written).expect("what was written");
    assert_eq!(reader.wait().status.code(), Some(2));
    let expected = format!(": {gone} was removed before it was read\n");
    assert!(told(&home).ends_with(&expected), "{}", told(&home));
    assert!(written.ends_with(format!("\n{count} of a service\n").as_bytes()));
}

/// A directory whose writer lost its power while it wrote, with so many zeros in its last file.
fn without_power(zeros_count: usize) -> (Home, String) {
    let home = Home::in_memory();
    home.make_dir("main");
    let name = archive(3, 'u');
    let torn = stamped(3, 3);
    let text = stamped(1, 2) + torn.trim_end();
    let contents = [text.as_bytes(), &vec![0; zeros_count]].concat();
    home.write(Path::new("main").join(&name), contents, 0o644);
    home.write("main/current", stamped(4, 5), 0o744);
    (home, name)
}

#[test]
fn zeros_that_a_power_cut_left_are_told_and_not_shown() {
    for count in [16, 4096, 3 * 1024 * 1024 + 5] {
        let (home, name) = without_power(count);
        let forward = show(&home, &["--raw", "main"]);
        assert_eq!(String::from_utf8_lossy(&forward.stdout), stamped(1, 5));
        let zeros =
            format!(": {count} zeros at byte 83 of {name} are left out: a power cut leaves them");
        assert_eq!(forward.stderr.matches(&zeros).count(), 1, "{}", forward.stderr);
        assert_eq!(forward.stderr.matches(" is torn").count(), 1, "{}", forward.stderr);
        let backward = show(&home, &["--raw", "-r", "main"]);
        let reversed: String = stamped(1, 5).lines().rev().map(|l| format!("{l}\n")).collect();
        assert_eq!(String::from_utf8_lossy(&backward.stdout), reversed);
        assert_eq!(backward.stderr.matches(&zeros).count(), 1, "{}", backward.stderr);
        let last = show(&home, &["--raw", "-n", "3", "main"]);
        assert_eq!(String::from_utf8_lossy(&last.stdout), stamped(3, 5));
        assert_eq!(last.stderr.matches(&zeros).count(), 1, "{}", last.stderr);
    }
    // So few may be what a program logged.
    let (home, _) = without_power(15);
    let few = show(&home, &["--raw", "main"]);
    assert!(few.stdout.windows(15).any(|bytes| bytes == [0; 15]));
    assert!(!few.stderr.contains("zeros"), "{}", few.stderr);
}

#[test]
fn zeros_in_a_current_are_left_out_when_its_writer_starts_again() {
    let home = Home::in_memory();
    home.make_dir("main");
    let torn = "2 of a serv";
    let contents = [(lines(1..=1) + torn).as_bytes(), &[0; 5000]].concat();
    home.write("main/current", contents, 0o644);
    let reader = following(&home, &["-f", "--raw", "main"]);
    home.run(&["./main"], lines(3..=3).as_bytes()).check(0, "");
    wait_until("the last line", || home.read("output").ends_with(lines(3..=3).as_bytes()));
    stop(reader);
    let expected = lines(1..=1) + torn + "\n" + &lines(3..=3);
    assert_eq!(String::from_utf8_lossy(&home.read("output")), expected);
    assert!(told(&home).contains(" 5000 zeros at byte "), "{}", told(&home));
}

#[test]
fn a_current_that_an_editor_takes_from_the_logger_is_reported() {
    let home = Home::in_memory();
    log(&home, 1..=3);
    let reader = following(&home, &["-f", "--raw", "main"]);
    wait_for_line(&home, "output", 3);
    let sed = Command::new("sed").args(["-i", "s/x/y/"]).arg(home.path("main/current")).status();
    assert!(sed.expect("sed runs").success());
    wait_until("it to be told", || {
        told(&home).contains("main/current was removed or replaced by another program")
    });
    log(&home, 4..=6);
    wait_for_line(&home, "output", 6);
    reader.signal(Signal::SIGTERM);
    assert_eq!(reader.wait().status.code(), Some(2));
    check_numbers(&home, "output", 6);
    assert_eq!(told(&home).matches("may be missing").count(), 2, "{}", told(&home));
}
