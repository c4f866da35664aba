//! `logdir show -f` and cursors: every line once and in order, whatever the writer, the reader or somebody
//! else does meanwhile.

use crate::peers::peer;
use crate::random::{Random, seeds};
use crate::show::LOGDIR;
use crate::support::{Home, Logger, program, wait_until};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Lines a second of a busy service.
const RATE: u64 = 20_000;
/// Lines that may come twice for a reader that was killed: those since its cursor was written.
const CHECKPOINT_LINES: usize = 1000;

/// `logdir show` in universal time, writing to a file of this name.
fn reader(home: &Home, output: &str, arguments: &[&str]) -> Logger {
    let mut command = Command::new(LOGDIR);
    command.env("TZ", "UTC0").arg("show").args(arguments).current_dir(home.path(""));
    started(home, command, output)
}

/// The same, once it has got so far that it waits for lines.
fn following(home: &Home, arguments: &[&str]) -> Logger {
    let reader = reader(home, "output", arguments);
    wait_until_it_waits(&reader);
    reader
}

/// A reader that waits has got as far as to answer signals.
fn wait_until_it_waits(reader: &Logger) {
    wait_until("the reader to wait", || {
        let place = fs::read_to_string(format!("/proc/{}/wchan", reader.pid()));
        place.is_ok_and(|place| place.contains("poll"))
    });
}

fn started(home: &Home, mut command: Command, output: &str) -> Logger {
    command.stdin(Stdio::piped());
    command.stdout(File::create(home.path(output)).expect("a file for output"));
    command.stderr(File::options().create(true).append(true).open(home.path("told")).expect("one"));
    home.start(command)
}

/// What readers told on stderr. Writers have a file of their own.
fn told(home: &Home) -> String {
    String::from_utf8(home.read("told")).expect("text")
}

/// A directory as its writer makes it, with nothing in it.
fn prepared(writer: &Path, arguments: &[&str]) -> Home {
    let home = Home::in_memory();
    home.make_dir("main");
    feed(&home, writer, arguments, 0..0, RATE);
    home
}

/// Feeds numbered lines to a logger, evenly, and ends it. The text behind each number is as long as told.
fn feed(home: &Home, program: &Path, arguments: &[&str], numbers: std::ops::Range<u64>, rate: u64) {
    let mut command = home.command_of(program, arguments);
    command.stderr(Stdio::null());
    let mut logger = home.start(command);
    let start = Instant::now();
    let first = numbers.start;
    let step = (rate / 200).max(1);
    let mut number = first;
    while number < numbers.end {
        let end = numbers.end.min(number + step);
        logger.write((number..end).map(|n| format!("{n} of a service\n")).collect::<String>());
        number = end;
        let due = Duration::from_secs_f64((number - first) as f64 / rate as f64);
        thread::sleep(due.saturating_sub(start.elapsed()));
    }
    logger.end();
}

/// The numbers of the lines in an output; a last line without an end was not delivered.
#[track_caller]
fn numbers(output: &[u8]) -> Vec<u64> {
    let text = String::from_utf8_lossy(output);
    let ended = text.rfind('\n').map_or("", |end| &text[..end]);
    let number = |line: &str| {
        let text = line.strip_suffix(" of a service").unwrap_or_else(|| panic!("cut: {line}"));
        text.rsplit(' ').next().expect("a word").parse().unwrap_or_else(|_| panic!("cut: {line}"))
    };
    ended.lines().map(number).collect()
}

/// Every number once and in order; the first place where that is not so.
#[track_caller]
fn check_numbers(home: &Home, output: &str, count: u64) {
    let found = numbers(&home.read(output));
    let wrong = (1..=count).zip(&found).position(|(expected, found)| expected != *found);
    let around = wrong.map(|pos| &found[pos.saturating_sub(1)..found.len().min(pos + 2)]);
    let told = told(home);
    assert!(wrong.is_none(), "{around:?} after {wrong:?} lines: {told}");
    assert_eq!(found.len() as u64, count, "{told}");
}

#[track_caller]
fn wait_for_line(home: &Home, output: &str, number: u64) {
    let line = format!("{number} of a service\n");
    wait_until(&line, || home.read(output).ends_with(line.as_bytes()));
}

#[track_caller]
fn stop(reader: Logger) {
    reader.signal(Signal::SIGTERM);
    let ended = reader.wait();
    assert!(matches!(ended.status.code(), Some(0 | 2)), "{ended:?}");
}

/// The multilog under test, and the original.
fn writers() -> Vec<PathBuf> {
    std::iter::once(program()).chain(peer("multilog")).collect()
}

/// How many seconds a writer is followed; more in a long run.
fn seconds() -> u64 {
    seeds(1).count() as u64 + 1
}

/// Follows one writer from its first line to its last.
#[track_caller]
fn check_all(writer: &Path, arguments: &[&str], count: u64, rate: u64) {
    let home = prepared(writer, arguments);
    let reader = following(&home, &["-f", "--raw", "main"]);
    feed(&home, writer, arguments, 1..count + 1, rate);
    wait_for_line(&home, "output", count);
    stop(reader);
    check_numbers(&home, "output", count);
    assert_eq!(told(&home), "");
}

#[test]
fn thousands_of_rotations_lose_and_double_nothing() {
    for writer in writers() {
        check_all(&writer, &["t", "s4096", "n10000", "./main"], RATE * seconds(), RATE);
    }
}

#[test]
fn the_usual_size_and_a_burst_lose_and_double_nothing() {
    for writer in writers() {
        check_all(&writer, &["t", "./main"], RATE * seconds(), RATE);
        check_all(&writer, &["t", "n1000", "./main"], 200_000, u64::from(u32::MAX));
    }
}

#[test]
fn processors_lose_and_double_nothing() {
    for writer in writers() {
        for processor in ["!gzip -1", "!zstd -q -1"] {
            if peer(&processor[1..5]).is_none() {
                continue;
            }
            let arguments = ["t", "s4096", "n1000", processor, "./main"];
            check_all(&writer, &arguments, RATE / 10 * seconds(), RATE / 10);
        }
    }
}

#[test]
fn directories_of_the_rest_of_the_family_are_followed() {
    if let Some(s6_log) = peer("s6-log") {
        check_all(&s6_log, &["-b", "t", "s4096", "n10000", "./main"], RATE, RATE);
    }
    if let Some(svlogd) = peer("svlogd") {
        let home = Home::in_memory();
        home.make_dir("main");
        home.write("main/config", "s4096\nn10000\n", 0o644);
        feed(&home, &svlogd, &["-tt", "./main"], 0..0, RATE);
        let reader = following(&home, &["-f", "--raw", "main"]);
        feed(&home, &svlogd, &["-tt", "./main"], 1..RATE + 1, RATE);
        wait_for_line(&home, "output", RATE);
        stop(reader);
        check_numbers(&home, "output", RATE);
    }
}

/// A reader with a cursor that is killed while a writer writes, again and again, and ended in order
/// twice at the end.
fn check_kills(seed: u64, arguments: &[&str], rate: u64) {
    const KILLS: usize = 12;
    let mut random = Random::new(seed);
    let home = prepared(&program(), arguments);
    let count = rate * 2;
    let follow = ["-f", "--raw", "--cursor", "cursor", "main"];
    let mut outputs = Vec::new();
    thread::scope(|scope| {
        let home = &home;
        let feeder = scope.spawn(move || feed(home, &program(), arguments, 1..count + 1, rate));
        for kill in 0..KILLS {
            let output = format!("output{kill}");
            let reader = reader(home, &output, &follow);
            thread::sleep(Duration::from_millis(20 + random.below(200) as u64));
            reader.signal(Signal::SIGKILL);
            drop(reader);
            outputs.push(output);
        }
        let reader = reader(home, "ended", &follow);
        wait_until("some lines", || !home.read("ended").is_empty() || feeder.is_finished());
        wait_until_it_waits(&reader);
        reader.signal(Signal::SIGTERM);
        let code = reader.wait().status.code();
        // On a busy machine those that were killed may have shown everything: it then found no line.
        assert!(matches!(code, Some(0..=2)), "{code:?}");
        feeder.join().expect("the feeder ends");
    });
    let last = reader(&home, "last", &["--raw", "--cursor", "cursor", "main"]);
    assert_eq!(last.wait().status.code().map(|code| code < 2), Some(true));
    let mut delivered: Vec<u64> =
        outputs.iter().flat_map(|output| in_order(numbers(&home.read(output)))).collect();
    let (ended, last) =
        (in_order(numbers(&home.read("ended"))), in_order(numbers(&home.read("last"))));
    if let (Some(before), Some(first)) = (ended.last(), last.first()) {
        assert_eq!(before + 1, *first, "an end in order doubles nothing");
    }
    delivered.extend(ended);
    delivered.extend(last);
    let distinct: BTreeSet<u64> = delivered.iter().copied().collect();
    assert!(distinct.iter().copied().eq(1..=count), "{} of {count}, seed {seed}", distinct.len());
    let doubled = delivered.len() - distinct.len();
    assert!(doubled <= KILLS * CHECKPOINT_LINES, "{doubled} lines came twice, seed {seed}");
}

#[track_caller]
fn in_order(numbers: Vec<u64>) -> Vec<u64> {
    assert!(numbers.is_sorted_by(|one, other| one < other), "out of order");
    numbers
}

#[test]
fn kills_of_the_reader_lose_nothing() {
    for seed in seeds(2) {
        check_kills(seed, &["t", "s4096", "n10000", "./main"], RATE);
    }
}

#[test]
fn kills_of_the_reader_lose_nothing_behind_a_processor() {
    for seed in seeds(1) {
        check_kills(seed, &["t", "s4096", "n10000", "!gzip -1", "./main"], RATE / 10);
        check_kills(seed, &["t", "s4096", "n10000", "!zstd -q -1", "./main"], RATE / 10);
    }
}

#[test]
fn every_byte_of_a_writer_that_is_killed_comes_once() {
    for writer in writers() {
        let home = prepared(&writer, &["s4096", "n1000", "./main"]);
        let reader = following(&home, &["-f", "--raw", "main"]);
        let line = |number: u64| format!("<{number}:{}>\n", "x".repeat(10_000));
        for kill in 0..8_u64 {
            let mut command = home.command_of(&writer, &["s4096", "n1000", "./main"]);
            command.stderr(Stdio::null());
            let mut logger = home.start(command);
            let size = home.contents("main").len();
            for number in kill * 10..kill * 10 + 10 {
                logger.write(line(number));
            }
            let enough = size + 50_000 + 1000 * usize::try_from(kill).expect("small");
            wait_until("it to write", || home.contents("main").len() > enough);
            logger.signal(Signal::SIGKILL);
            drop(logger);
        }
        home.run_of(&writer, &["s4096", "n1000", "./main"], line(99).as_bytes());
        wait_until("the last line", || home.read("output").ends_with(line(99).as_bytes()));
        stop(reader);
        let without_ends = |bytes: Vec<u8>| -> Vec<u8> {
            bytes.into_iter().filter(|&byte| byte != b'\n').collect()
        };
        let output = home.read("output");
        let text = String::from_utf8_lossy(&output).into_owned();
        let (output, contents) = (without_ends(output), without_ends(home.contents("main")));
        let (len, expected) = (output.len(), contents.len());
        assert!(output == contents, "{writer:?}: {len} bytes of {expected}: {}", told(&home));
        let is_whole = |line: &&str| line.starts_with('<') && line.ends_with('>');
        let torn_count = text.lines().filter(|line| !is_whole(line)).count();
        let stderr = told(&home);
        assert_eq!(stderr.matches(" is torn").count(), torn_count, "{writer:?}: {stderr}");
    }
}

#[test]
fn what_retention_takes_before_it_is_read_is_told() {
    for writer in writers() {
        let home = prepared(&writer, &["t", "s4096", "n3", "./main"]);
        let reader = following(&home, &["-f", "--utc", "main"]);
        let count = RATE * seconds();
        thread::scope(|scope| {
            let home = &home;
            let writer = &writer;
            let feeder = scope.spawn(move || {
                feed(home, writer, &["t", "s4096", "n3", "./main"], 1..count + 1, RATE);
            });
            wait_until("some lines", || home.read("output").len() > 100_000);
            reader.signal(Signal::SIGSTOP);
            thread::sleep(Duration::from_millis(500 * seconds()));
            reader.signal(Signal::SIGCONT);
            feeder.join().expect("the feeder ends");
        });
        wait_for_line(&home, "output", count);
        stop(reader);
        let output = String::from_utf8(home.read("output")).expect("text");
        check_gaps(&output, &told(&home));
    }
}

/// Every missing run of numbers lies in a gap that was told.
#[track_caller]
fn check_gaps(output: &str, stderr: &str) {
    let gap = |line: &str| {
        let (_, rest) = line.split_once("lines from between ")?;
        let (from, rest) = rest.split_once(" and ")?;
        Some((from.to_owned(), rest.split_once(" may be")?.0.to_owned()))
    };
    let gaps: Vec<(String, String)> = stderr.lines().filter_map(gap).collect();
    let numbers = in_order(numbers(output.as_bytes()));
    let times: Vec<&str> = output.lines().map(|line| &line[..29]).collect();
    let mut missing_count = 0;
    for pos in 1..numbers.len() {
        if numbers[pos] != numbers[pos - 1] + 1 {
            missing_count += 1;
            let (before, after) = (times[pos - 1], times[pos]);
            let told =
                gaps.iter().any(|(from, to)| from.as_str() <= before && to.as_str() >= after);
            assert!(told, "{before} to {after} is missing: {stderr}");
        }
    }
    assert!(missing_count > 0, "retention took nothing");
}

#[test]
fn a_cursor_is_never_taken_for_a_place_in_another_file() {
    // On a real file system, which gives a new file the inode of one that was removed.
    let home = Home::new();
    let mut number = 1;
    let mut delivered = Vec::new();
    for cycle in seeds(25) {
        let count = 100 + 150 * (cycle % 7);
        let lines: String =
            (number..number + count).map(|n| format!("{n:020} of a service\n")).collect();
        home.run(&["t", "s4096", "n3", "./main"], lines.as_bytes()).check(0, "");
        number += count;
        let output = format!("output{cycle}");
        let reader = reader(&home, &output, &["--raw", "--cursor", "cursor", "main"]);
        assert!(reader.wait().status.code().is_some_and(|code| code != 1), "cycle {cycle}");
        let found = in_order(numbers(&home.read(&output)));
        assert_eq!(found.last(), Some(&(number - 1)), "cycle {cycle}");
        let first = found.first().copied().unwrap_or_default();
        let expected = delivered.last().map_or(1, |last| last + 1);
        if first != expected && !delivered.is_empty() {
            assert!(first > expected, "cycle {cycle} resumed at {first}, not at {expected}");
            let stderr = told(&home);
            assert!(stderr.contains("may be missing"), "cycle {cycle}: {stderr}");
        }
        assert!(found.iter().copied().eq(first..number), "cycle {cycle}");
        delivered.extend(found);
    }
}

#[test]
fn a_clock_that_is_set_back_loses_nothing() {
    let Some(faketime) = peer("faketime") else { return };
    for writer in writers() {
        let home = prepared(&writer, &["t", "s4096", "n10000", "./main"]);
        let reader = following(&home, &["-f", "--raw", "main"]);
        for (part, offset) in ["+0", "-1h", "-2h"].into_iter().enumerate() {
            let first = 1 + 2000 * part as u64;
            let arguments =
                ["-f", offset, writer.to_str().expect("a path"), "t", "s4096", "n10000", "./main"];
            feed(&home, &faketime, &arguments, first..first + 2000, RATE);
        }
        wait_for_line(&home, "output", 6000);
        stop(reader);
        check_numbers(&home, "output", 6000);
    }
}

#[test]
fn without_inotify_the_results_are_the_same() {
    let Some(strace) = peer("strace") else { return };
    let home = prepared(&program(), &["t", "s4096", "n10000", "./main"]);
    let mut command = Command::new(strace);
    // In the background, so that signals are for the reader.
    command.args(["-D", "-qq", "-o", "trace", "-e", "trace=inotify_init1"]);
    command.args([
        "-e",
        "inject=inotify_init1:error=EMFILE",
        LOGDIR,
        "show",
        "-f",
        "--raw",
        "main",
    ]);
    command.current_dir(home.path(""));
    let reader = started(&home, command, "output");
    wait_until("inotify to fail", || home.read("trace").ends_with(b"(INJECTED)\n"));
    feed(&home, &program(), &["t", "s4096", "n10000", "./main"], 1..RATE + 1, RATE);
    wait_for_line(&home, "output", RATE);
    stop(reader);
    check_numbers(&home, "output", RATE);
}

#[test]
fn two_readers_do_not_share_a_cursor() {
    let home = Home::new();
    home.run(&["t", "./main"], b"1 of a service\n").check(0, "");
    let first = reader(&home, "first", &["-f", "--cursor", "cursor", "main"]);
    wait_for_line(&home, "first", 1);
    let second = reader(&home, "second", &["--cursor", "cursor", "main"]).wait();
    assert_eq!(second.status.code(), Some(2));
    let stderr = told(&home);
    assert!(stderr.contains("unable to lock cursor cursor: "), "{stderr}");
    stop(first);
    let mut file = File::create(home.path("cursor")).expect("a cursor");
    file.write_all(b"no cursor\n").expect("to be written");
    let third = reader(&home, "third", &["--cursor", "cursor", "main"]).wait();
    assert_eq!(third.status.code(), Some(2));
}
