//! What it costs to follow directories, and how soon a line comes.

use crate::Scale;
use crate::Trouble;
use crate::entrants::{LOGDIR, installed, our_multilog};
use crate::input::{MEGABYTE, Random, stamped_lines};
use crate::logger::{LINE, Logger};
use crate::process::{bytes_read, cpu, is_asleep, peak_kib, wait_until};
use crate::race::{Place, home};
use crate::report::{Limit, Outcome};
use crate::rows::SIZE;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const IDLE_COUNT: usize = 200;
/// How long idle directories are followed for each figure.
const IDLE_TIME: Duration = Duration::from_secs(10);
const IDLE_CPU_MAX: f64 = 0.2;
const IDLE_KIB_MAX: u64 = 20 * 1024;
/// Each directory is looked at once a second; a look is some calls.
const IDLE_CALLS_MAX: f64 = 10.0;

const BACKLOG_FILES: usize = 64;
const BACKLOG_FILE_LEN: usize = 16 * 1024 * 1024;
const BACKLOG_KIB_MAX: u64 = 32 * 1024;

const LINES_WITH_EVENTS: usize = 500;
const LINES_WITHOUT: usize = 12;
const P99_MILLIS_MAX: f64 = 20.0;
const SWEEP_MILLIS_MAX: f64 = 1100.0;

/// `logdir show` that follows. Killed when dropped.
struct Reader(Child);

impl Reader {
    fn start(command: &mut Command, home: &Path) -> Result<Reader, Trouble> {
        command.current_dir(home).stdin(Stdio::null());
        Ok(Reader(command.spawn()?))
    }

    fn following(home: &Path, arguments: &[&str]) -> Result<Reader, Trouble> {
        let mut command = Command::new(LOGDIR);
        command.args(["show", "-f", "--raw"]).args(arguments).stdout(Stdio::null());
        Reader::start(&mut command, home)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn wait_until_it_waits(&self) -> Result<(), Trouble> {
        wait_until("it to wait", || bytes_read(self.pid()) > 0 && is_asleep(self.pid()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Both fail where it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Processor, memory and system calls for two hundred directories in which nothing happens.
pub fn idle(_: Scale) -> Result<Vec<Outcome>, Trouble> {
    let home = home(Place::Memory)?;
    for (number, line) in (0..IDLE_COUNT).zip(stamped_lines()) {
        let dir = home.path().join(format!("services/s{number}"));
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("current"), line)?;
    }
    let reader = Reader::following(home.path(), &["services"])?;
    reader.wait_until_it_waits()?;
    // Its start is over, and a sweep.
    thread::sleep(Duration::from_secs(2));
    let before = cpu(reader.pid())?;
    thread::sleep(IDLE_TIME);
    let used = cpu(reader.pid())?.saturating_sub(before);
    let percent = 100.0 * used.as_secs_f64() / IDLE_TIME.as_secs_f64();
    let kib = peak_kib(reader.pid())?;
    let calls =
        calls_of(&reader, home.path())? as f64 / IDLE_TIME.as_secs_f64() / IDLE_COUNT as f64;
    let work = "200 idle directories followed with `logdir show -f`";
    Ok(vec![
        limit(
            &format!("{work}: processor"),
            format!("{percent:.2} %"),
            &format!("at most {IDLE_CPU_MAX} %"),
            percent <= IDLE_CPU_MAX,
        ),
        limit(
            &format!("{work}: peak memory (RSS)"),
            format!("{kib} KiB"),
            &format!("at most {IDLE_KIB_MAX} KiB"),
            kib <= IDLE_KIB_MAX,
        ),
        limit(
            &format!("{work}: system calls a second for each"),
            format!("{calls:.1}"),
            &format!("at most {IDLE_CALLS_MAX}"),
            calls <= IDLE_CALLS_MAX,
        ),
    ])
}

/// System calls in [`IDLE_TIME`].
fn calls_of(reader: &Reader, home: &Path) -> Result<u64, Trouble> {
    let strace = installed("strace").ok_or("strace is not installed")?;
    let mut command = Command::new(strace);
    command.args(["-c", "-f", "-o", "calls", "-p", &reader.pid().to_string()]);
    command.current_dir(home).stderr(Stdio::null());
    let mut strace = command.spawn()?;
    thread::sleep(IDLE_TIME);
    kill(Pid::from_raw(strace.id() as i32), Signal::SIGINT)?;
    strace.wait()?;
    let summary = fs::read_to_string(home.join("calls"))?;
    let total = summary.lines().rev().find(|line| line.ends_with("total"));
    let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    calls.ok_or_else(|| format!("no total in the summary of strace: {summary}").into())
}

/// Memory of a reader that has a gibibyte to catch up with.
pub fn backlog(_: Scale) -> Result<Vec<Outcome>, Trouble> {
    let home = home(Place::Memory)?;
    let dir = home.path().join("main");
    fs::create_dir(&dir)?;
    let mut contents = Vec::with_capacity(BACKLOG_FILE_LEN + 4096);
    for line in stamped_lines() {
        contents.extend_from_slice(&line);
        if contents.len() >= BACKLOG_FILE_LEN {
            break;
        }
    }
    for number in 0..BACKLOG_FILES {
        fs::write(dir.join(format!("@400000007000{number:04x}00000000.s")), &contents)?;
    }
    fs::write(dir.join("current"), "")?;
    let reader = Reader::following(home.path(), &["--cursor", "cursor", "main"])?;
    let len = (BACKLOG_FILES * contents.len()) as u64;
    wait_until("all to be read", || bytes_read(reader.pid()) >= len && is_asleep(reader.pid()))?;
    let kib = peak_kib(reader.pid())?;
    let work = format!("{} MB of backlog followed: peak memory (RSS)", len as usize / MEGABYTE);
    Ok(vec![limit(
        &work,
        format!("{kib} KiB"),
        &format!("at most {BACKLOG_KIB_MAX} KiB"),
        kib <= BACKLOG_KIB_MAX,
    )])
}

/// From the write into the logger to the line out of the reader, with events and without.
pub fn latency(_: Scale) -> Result<Vec<Outcome>, Trouble> {
    let with = latencies(Command::new(LOGDIR), LINES_WITH_EVENTS, Duration::from_millis(10))?;
    let strace = installed("strace").ok_or("strace is not installed")?;
    let mut traced = Command::new(strace);
    // In the background, so that the process is the reader's.
    traced.args([
        "-D",
        "--seccomp-bpf",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=inotify_init1",
    ]);
    traced.args(["-e", "inject=inotify_init1:error=EMFILE", LOGDIR]);
    let without = latencies(traced, LINES_WITHOUT, Duration::from_millis(900))?;
    let p99 = with[with.len() * 99 / 100];
    let longest = *without.last().ok_or("no line")?;
    eprintln!(
        "   median {:.2} ms, p99 {p99:.2} ms; without inotify {longest:.0} ms",
        with[with.len() / 2]
    );
    let work = "from the write into `multilog` to the line out of `logdir show -f`";
    Ok(vec![
        limit(
            &format!("{work}: p99"),
            format!("{p99:.1} ms"),
            &format!("at most {P99_MILLIS_MAX} ms"),
            p99 <= P99_MILLIS_MAX,
        ),
        limit(
            &format!("{work}, where there is no inotify: the longest of {LINES_WITHOUT}"),
            format!("{longest:.0} ms"),
            &format!("at most {SWEEP_MILLIS_MAX} ms"),
            longest <= SWEEP_MILLIS_MAX,
        ),
    ])
}

/// Milliseconds that lines took, the shortest time first. Before each of them nothing happens for some
/// time up to `quiet`.
fn latencies(mut command: Command, count: usize, quiet: Duration) -> Result<Vec<f64>, Trouble> {
    let logger = Logger::start(&our_multilog(&["t", SIZE, "./main"]))?;
    logger.write_and_wait()?;
    command.args(["show", "-f", "--raw", "-n", "1", "main"]).stdout(Stdio::piped());
    let mut reader = Reader::start(&mut command, logger.home())?;
    let mut lines = BufReader::new(reader.0.stdout.take().ok_or("its output")?);
    // The line that was there says that it has begun.
    read_line(&mut lines)?;
    let mut random = Random(9);
    let mut millis = Vec::new();
    for _ in 0..count {
        thread::sleep(quiet.mul_f64(random.below(1000) as f64 / 1000.0));
        let start = Instant::now();
        logger.stdin()?.write_all(LINE)?;
        read_line(&mut lines)?;
        millis.push(start.elapsed().as_secs_f64() * 1e3);
    }
    millis.sort_by(f64::total_cmp);
    Ok(millis)
}

fn read_line(lines: &mut BufReader<ChildStdout>) -> Result<(), Trouble> {
    let len = lines.read_line(&mut String::new())?;
    if len > 0 { Ok(()) } else { Err("the reader has ended".into()) }
}

fn limit(work: &str, ours: String, target: &str, met: bool) -> Outcome {
    let (work, target) = (work.to_owned(), target.to_owned());
    Outcome::Limit(Limit { work, ours, theirs: None, target, met })
}
