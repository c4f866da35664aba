//! `logdir show -f` and cursors: every line once and in order, whatever the writer, the reader or somebody
//! else does meanwhile.
//!
//! With `MULTILOG_TEST_MATRIX=full` each case is run for as long and as often as docs/reliability.md says, and
//! `--nocapture` shows a line of figures for it.

use crate::peers::peer;
use crate::random::{Random, is_full, seeds};
use crate::show::LOGDIR;
use crate::support::{Home, Logger, program, wait_until};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Lines a second of a busy service.
const RATE: u64 = 20_000;
/// Runs of a reader that is killed that are made at once.
const RUNS_AT_ONCE: usize = 5;
/// Lines that may come twice for a reader that was killed: those since its cursor was written.
const CHECKPOINT_LINES: usize = 1000;

/// `logdir show` in universal time, writing to a file of this name.
pub fn reader(home: &Home, output: &str, arguments: &[&str]) -> Logger {
    let mut command = Command::new(LOGDIR);
    command.env("TZ", "UTC0").arg("show").args(arguments).current_dir(home.path(""));
    started(home, command, output)
}

/// The same, once it has got so far that it waits for lines.
pub fn following(home: &Home, arguments: &[&str]) -> Logger {
    let reader = reader(home, "output", arguments);
    wait_until_it_waits(&reader);
    reader
}

/// A reader that waits has got as far as to answer signals.
pub fn wait_until_it_waits(reader: &Logger) {
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
pub fn told(home: &Home) -> String {
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
pub fn check_numbers(home: &Home, output: &str, count: u64) {
    let found = numbers(&home.read(output));
    let wrong = (1..=count).zip(&found).position(|(expected, found)| expected != *found);
    let around = wrong.map(|pos| &found[pos.saturating_sub(1)..found.len().min(pos + 2)]);
    let told = told(home);
    assert!(wrong.is_none(), "{around:?} after {wrong:?} lines: {told}");
    assert_eq!(found.len() as u64, count, "{told}");
}

#[track_caller]
pub fn wait_for_line(home: &Home, output: &str, number: u64) {
    let line = format!("{number} of a service\n");
    wait_until(&line, || home.read(output).ends_with(line.as_bytes()));
}

#[track_caller]
pub fn stop(reader: Logger) {
    reader.signal(Signal::SIGTERM);
    let ended = reader.wait();
    assert!(matches!(ended.status.code(), Some(0 | 2)), "{ended:?}");
}

/// The multilog under test, and the original.
fn writers() -> Vec<PathBuf> {
    std::iter::once(program()).chain(peer("multilog")).collect()
}

/// How much of something is done, every day and in full.
fn extent(short: u64, full: u64) -> u64 {
    if is_full() { full } else { short }
}

/// How many seconds a writer is followed.
fn seconds() -> u64 {
    extent(2, 6)
}

/// A line of figures, where `--nocapture` shows it.
fn figures(case: &str, text: &str) {
    let extent = if is_full() { "in full" } else { "short" };
    let _ = writeln!(std::io::stdout(), "follow {case}, {extent}: {text}");
}

/// Follows one writer from its first line to its last, and says how many archives it made.
#[track_caller]
fn check_all(case: &str, writer: &Path, arguments: &[&str], count: u64, rate: u64) -> usize {
    let home = prepared(writer, arguments);
    let reader = following(&home, &["-f", "--raw", "main"]);
    feed(&home, writer, arguments, 1..count + 1, rate);
    wait_for_line(&home, "output", count);
    stop(reader);
    check_numbers(&home, "output", count);
    assert_eq!(told(&home), "");
    let (archive_count, writer) = (home.archives("main").len(), writer.display());
    let lost = "0 lost, 0 doubled";
    figures(case, &format!("{writer}: {count} lines, {archive_count} archives, {lost}"));
    archive_count
}

#[test]
fn thousands_of_rotations_lose_and_double_nothing() {
    for writer in writers() {
        let arguments = ["t", "s4096", "n10000", "./main"];
        let archive_count = check_all("F1", &writer, &arguments, RATE * seconds(), RATE);
        let least = extent(300, 1000);
        assert!(archive_count as u64 >= least, "{archive_count} files are no thousands");
    }
}

#[test]
fn the_usual_size_and_a_burst_lose_and_double_nothing() {
    for writer in writers() {
        check_all("F2", &writer, &["t", "./main"], RATE * seconds(), RATE);
        check_all("F2", &writer, &["t", "n1000", "./main"], 200_000, u64::from(u32::MAX));
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
            check_all("F4", &writer, &arguments, RATE / 10 * seconds(), RATE / 10);
        }
    }
}

#[test]
fn directories_of_the_rest_of_the_family_are_followed() {
    if let Some(s6_log) = peer("s6-log") {
        check_all("F8", &s6_log, &["-b", "t", "s4096", "n10000", "./main"], RATE, RATE);
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

/// Kills of the reader in each run.
const KILLS: usize = 12;

/// Readers that are killed, with one seed after the other, some at once.
#[track_caller]
fn check_runs(case: &str, run_count: u64, beside: Beside, arguments: &[&str], rate: u64) {
    let seeds: Vec<u64> = seeds(run_count).collect();
    let mut doubled = Vec::new();
    for seeds in seeds.chunks(RUNS_AT_ONCE) {
        thread::scope(|scope| {
            let run = |&seed| scope.spawn(move || check_kills(seed, beside, arguments, rate));
            let runs: Vec<_> = seeds.iter().map(run).collect();
            doubled.extend(runs.into_iter().map(|run| run.join().expect("a run that passed")));
        });
    }
    let kills = KILLS * seeds.len();
    let limit = KILLS * CHECKPOINT_LINES;
    let most = doubled.iter().max().expect("a run");
    let runs = format!("{} runs, {kills} kills", seeds.len());
    let lost = format!("0 lost, at most {most} of {limit} doubled in a run, 0 after TERM");
    figures(case, &format!("{}: {runs}, {lost}", arguments.join(" ")));
}

/// What else happens in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// A job of cron compresses archives.
    Compressor,
}

/// Compresses archives as a job of cron does, again and again, until nobody writes any more.
fn compress(home: &Home, beside: Beside, is_over: &AtomicBool) {
    while beside == Beside::Compressor && !is_over.load(Ordering::Relaxed) {
        let mut gzip = Command::new("gzip");
        gzip.arg("-1q").current_dir(home.path("main")).stderr(Stdio::null());
        let plain = home.archives("main").into_iter().filter(|name| name.ends_with(".s"));
        let plain: Vec<String> = plain.take(200).collect();
        if !plain.is_empty() {
            gzip.args(plain).status().expect("gzip runs");
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A reader with a cursor that is killed while a writer writes, again and again, and ended in order
/// twice at the end. How many lines came twice.
#[track_caller]
fn check_kills(seed: u64, beside: Beside, arguments: &[&str], rate: u64) -> usize {
    let mut random = Random::new(seed);
    let home = prepared(&program(), arguments);
    let count = rate * 2;
    let follow = ["-f", "--raw", "--cursor", "cursor", "main"];
    let mut outputs = Vec::new();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (home, is_over) = (&home, &is_over);
        scope.spawn(move || compress(home, beside, is_over));
        let feeder = scope.spawn(move || {
            feed(home, &program(), arguments, 1..count + 1, rate);
            is_over.store(true, Ordering::Relaxed);
        });
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
    doubled
}

#[track_caller]
fn in_order(numbers: Vec<u64>) -> Vec<u64> {
    assert!(numbers.is_sorted_by(|one, other| one < other), "out of order");
    numbers
}

#[test]
fn kills_of_the_reader_lose_nothing() {
    check_runs("F3", extent(2, 10), Beside::Nothing, &["t", "s4096", "n10000", "./main"], RATE);
}

#[test]
fn kills_of_the_reader_lose_nothing_beside_a_job_that_compresses() {
    let arguments = ["t", "s4096", "n10000", "./main"];
    check_runs("R31", extent(2, 100), Beside::Compressor, &arguments, RATE / 5);
}

/// A file that was `previous` when the reader listed, and was compressed before it listed again.
#[test]
fn a_file_that_is_compressed_between_two_looks_comes_once() {
    let Some(strace) = peer("strace") else { return };
    let home = prepared(&program(), &["s4096", "n1000", "./main"]);
    let program = program();
    let program = program.to_str().expect("a path");
    let delay = "inject=fsync:delay_enter=300000";
    let traced = ["-f", "-o", "/dev/null", "-e", "trace=fsync", "-e", delay, program];
    let arguments = [&traced[..], &["s4096", "n1000", "./main"]].concat();
    let mut logger = home.start(home.command_of(&strace, &arguments));
    let mut number = 0;
    let mut write = |logger: &mut Logger, count: u64| {
        let lines = (number + 1..=number + count).map(|n| format!("{n} of a service\n"));
        logger.write(lines.collect::<String>());
        number += count;
        number
    };
    let last = write(&mut logger, 10);
    let reader = following(&home, &["-f", "-n", "100000", "--raw", "main"]);
    wait_for_line(&home, "output", last);
    // Two files are full, and the first has its name.
    let last = write(&mut logger, 230);
    wait_for_line(&home, "output", last);
    wait_until("the name", || {
        !home.archives("main").is_empty() && !home.path("main/previous").exists()
    });
    reader.signal(Signal::SIGSTOP);
    let gzip = Command::new("gzip").arg(home.path("main").join(&home.archives("main")[0])).status();
    assert!(gzip.expect("gzip runs").success());
    write(&mut logger, 230);
    wait_until("the next name", || home.archives("main").len() > 1);
    reader.signal(Signal::SIGCONT);
    let last = write(&mut logger, 5);
    wait_for_line(&home, "output", last);
    stop(reader);
    logger.end();
    check_numbers(&home, "output", last);
    assert_eq!(told(&home), "");
}

#[test]
fn kills_of_the_reader_lose_nothing_behind_gzip() {
    check_runs(
        "F4",
        extent(1, 10),
        Beside::Nothing,
        &["t", "s4096", "n10000", "!gzip -1", "./main"],
        RATE / 10,
    );
}

#[test]
fn kills_of_the_reader_lose_nothing_behind_zstd() {
    let Some(_) = peer("zstd") else { return };
    check_runs(
        "F4",
        extent(1, 10),
        Beside::Nothing,
        &["t", "s4096", "n10000", "!zstd -q -1", "./main"],
        RATE / 10,
    );
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
        let torn = format!("{torn_count} torn lines told");
        figures("F5", &format!("{}: 8 kills, {len} bytes once, {torn}", writer.display()));
    }
}

#[test]
fn what_retention_takes_before_it_is_read_is_told() {
    for writer in writers() {
        let home = prepared(&writer, &["t", "s4096", "n3", "./main"]);
        let reader = following(&home, &["-f", "--utc", "main"]);
        let count = RATE * extent(2, 12);
        thread::scope(|scope| {
            let home = &home;
            let writer = &writer;
            let feeder = scope.spawn(move || {
                feed(home, writer, &["t", "s4096", "n3", "./main"], 1..count + 1, RATE);
            });
            wait_until("some lines", || home.read("output").len() > 100_000);
            reader.signal(Signal::SIGSTOP);
            thread::sleep(Duration::from_secs(extent(1, 10)));
            reader.signal(Signal::SIGCONT);
            feeder.join().expect("the feeder ends");
        });
        wait_for_line(&home, "output", count);
        stop(reader);
        let output = String::from_utf8(home.read("output")).expect("text");
        let (missing_count, gap_count) = check_gaps(&output, &told(&home));
        let gaps = format!("{missing_count} runs of lines missing, all in {gap_count} gaps told");
        figures("F6", &format!("{}: {count} lines, {gaps}", writer.display()));
    }
}

/// Every missing run of numbers lies in a gap that was told. How many there are of both.
#[track_caller]
fn check_gaps(output: &str, stderr: &str) -> (usize, usize) {
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
    (missing_count, gaps.len())
}

/// Whether the file system gives a new file the inode of one that was removed.
fn gives_inodes_again(home: &Home) -> bool {
    let inode = |number| {
        let path = home.path(format!("inode{number}"));
        fs::write(&path, "x").expect("a file");
        let inode = fs::metadata(&path).expect("the file").ino();
        fs::remove_file(path).expect("the file");
        inode
    };
    let inodes: BTreeSet<u64> = (0..50).map(inode).collect();
    inodes.len() < 50
}

/// Whether a file of the directory has the inode by which the cursor knows the last one.
fn has_inode_of_cursor(home: &Home) -> bool {
    let cursor = String::from_utf8(home.read("cursor")).expect("text");
    let file = cursor.lines().find_map(|line| line.strip_prefix("file ")).unwrap_or_default();
    let known = file.split(' ').next().and_then(|inode| inode.parse().ok());
    let inode = |name: &String| fs::metadata(home.path("main").join(name)).expect("a file").ino();
    home.names("main").iter().any(|name| Some(inode(name)) == known)
}

#[test]
fn a_cursor_is_never_taken_for_a_place_in_another_file() {
    // tmpfs counts on, ext4 gives the inode of a file that was removed to the next one.
    let home = Home::new();
    let mut number = 1;
    let mut delivered = Vec::new();
    let cycles = seeds(extent(25, 200));
    let cycle_count = cycles.clone().count();
    let mut reused_count = 0;
    for cycle in cycles {
        // Seven files at least.
        let count = 250 + 150 * (cycle % 7);
        let lines: String =
            (number..number + count).map(|n| format!("{n:020} of a service\n")).collect();
        home.run(&["t", "s4096", "n3", "./main"], lines.as_bytes()).check(0, "");
        reused_count += usize::from(has_inode_of_cursor(&home));
        number += count;
        let output = format!("output{cycle}");
        let reader = reader(&home, &output, &["--raw", "--cursor", "cursor", "main"]);
        assert!(reader.wait().status.code().is_some_and(|code| code != 1), "cycle {cycle}");
        let found = in_order(numbers(&home.read(&output)));
        assert_eq!(found.last(), Some(&(number - 1)), "cycle {cycle}");
        let first = found.first().copied().unwrap_or_default();
        if let Some(before) = delivered.last() {
            assert!(first > before + 1, "cycle {cycle} resumed at {first}, behind {before}");
            let stderr = told(&home);
            assert!(stderr.contains("may be missing"), "cycle {cycle}: {stderr}");
            fs::remove_file(home.path("told")).expect("what was told");
        }
        assert!(found.iter().copied().eq(first..number), "cycle {cycle}");
        delivered.extend(found);
    }
    if gives_inodes_again(&home) {
        assert!(reused_count > 0, "no inode was given again");
    } else {
        eprintln!("no inode is given again in {}", home.path("").display());
    }
    let places = format!("{reused_count} with the inode of the cursor given to another file");
    figures("F7", &format!("{cycle_count} cycles, {places}, 0 wrong places"));
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
        let writer = writer.display();
        figures("F8", &format!("{writer}: two hours back, 6000 lines, 0 lost, 0 doubled"));
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
    let count = RATE * extent(1, 6);
    feed(&home, &program(), &["t", "s4096", "n10000", "./main"], 1..count + 1, RATE);
    wait_for_line(&home, "output", count);
    stop(reader);
    check_numbers(&home, "output", count);
    figures("F9", &format!("without inotify: {count} lines, 0 lost, 0 doubled"));
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
    let in_use = "logdir: fatal: unable to lock cursor cursor: already in use by another process\n";
    assert_eq!(stderr, in_use);
    stop(first);
    let mut file = File::create(home.path("cursor")).expect("a cursor");
    file.write_all(b"no cursor\n").expect("to be written");
    let third = reader(&home, "third", &["--cursor", "cursor", "main"]).wait();
    assert_eq!(third.status.code(), Some(2));
    let no_cursor =
        "logdir: fatal: unable to understand cursor cursor: not written by logdir show --cursor\n";
    assert_eq!(told(&home), in_use.to_owned() + no_cursor);
    assert_eq!(home.read("cursor"), b"no cursor\n");
}

#[test]
fn a_cursor_is_not_kept_in_a_log_directory() {
    let home = Home::new();
    home.run(&["t", "./main"], b"1 of a service\n").check(0, "");
    let names = home.names("main");
    for cursor in ["main/cursor", "main/../main/cursor", "main/current"] {
        let ended = reader(&home, "output", &["--cursor", cursor, "."]).wait();
        assert_eq!(ended.status.code(), Some(2));
        assert_eq!(home.names("main"), names);
    }
    let stderr = told(&home);
    let first = "logdir: fatal: unable to keep cursor main/cursor: readers do not write into log directories\n";
    assert!(stderr.starts_with(first), "{stderr}");
}

#[test]
fn following_ends_with_its_range() {
    let home = Home::new();
    home.run(&["t", "./main"], b"1 of a service\n").check(0, "");
    let past = reader(&home, "past", &["-f", "--until", "-1h", "main"]).wait();
    assert_eq!((past.status.code(), home.read("past")), (Some(1), Vec::new()));
    let soon = reader(&home, "soon", &["-f", "--until", "+1s", "main"]).wait();
    assert_eq!(soon.status.code(), Some(0));
    assert_eq!(numbers(&home.read("soon")), [1]);
    assert_eq!(told(&home), "");
}
