//! What the matrix repeats: a run that logs to three directories and a status file, and the one after it.
//!
//! Its input is a socket that keeps packets apart: each read brings one of them, whoever reads and
//! whenever, and what a dead logger has not read is there to be counted.

use super::account::{Account, Lines};
use super::strace::{self, Harm, Injection, View};
use crate::support::{Home, program, wait_until};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, killpg};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The log directories: few files, all lines, some lines and a processor with its state.
pub const DIRS: [&str; 3] = ["few", "all", "some"];

/// The original knows no `r`, and pauses for five seconds.
const SCRIPT: [&str; 13] = [
    "-*c:*",
    "e",
    "+*",
    "=status",
    "r50",
    "s4096",
    "n3",
    "./few",
    "n1000",
    "./all",
    "-*h:*",
    "!read n <&4; echo $((n+1)) >&5; cat",
    "./some",
];

/// How many lines come, in packets of so many.
const LINE_COUNT: u64 = 100;
const PACKET_LINE_COUNT: u64 = 6;

/// No packet is longer: the original reads so many bytes at once.
const PACKET_LEN_MAX: usize = 1024;

/// The line that the last run brings.
const LAST: u64 = 900;

/// Longer than any run takes, all its pauses included.
const HUNG_AFTER: Duration = Duration::from_secs(90);

/// The exit code of a failed start, and of a failed sync at the end.
const EXIT_FATAL: i32 = 111;

/// How often a run that ended is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The matrix's unit of work.
pub struct Workload {
    strace: PathBuf,
}

fn line(number: u64) -> Vec<u8> {
    let kind = char::from(b'a' + (number % 10) as u8);
    format!("{number:04} {kind}: {}\n", "x".repeat(60 + (number * 37 % 90) as usize)).into_bytes()
}

/// The number of a whole line.
fn number(bytes: &[u8]) -> Option<u64> {
    let number = std::str::from_utf8(bytes.get(..4)?).ok()?.parse().ok()?;
    (line(number) == bytes).then_some(number)
}

fn takes(dir: &str, number: u64) -> bool {
    dir != "some" || number % 10 != 7
}

/// The lines of a directory among these.
fn lines_of(dir: &str, numbers: impl Iterator<Item = u64>) -> Vec<u64> {
    numbers.filter(|&number| takes(dir, number)).collect()
}

/// A socket that holds all of the input, and its end.
fn input() -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (reader, writer) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).expect("a socket");
    for first in (0..LINE_COUNT).step_by(PACKET_LINE_COUNT as usize) {
        let last = (first + PACKET_LINE_COUNT).min(LINE_COUNT);
        let packet = (first..last).flat_map(line).collect::<Vec<u8>>();
        assert!(packet.len() <= PACKET_LEN_MAX);
        send(writer.as_raw_fd(), &packet, MsgFlags::empty()).expect("there is room for it");
    }
    reader
}

/// What nobody has read.
fn drain(reader: &OwnedFd) -> Vec<u8> {
    let mut rest = Vec::new();
    let mut packet = [0; PACKET_LEN_MAX];
    loop {
        match recv(reader.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT).expect("a packet") {
            0 => return rest,
            len => rest.extend_from_slice(&packet[..len]),
        }
    }
}

impl Workload {
    pub fn new(strace: PathBuf) -> Workload {
        Workload { strace }
    }

    /// How often each call is made where nothing goes wrong.
    pub fn count_calls(&self, view: &View) -> BTreeMap<String, usize> {
        let home = Home::in_memory();
        let ended = self.run_under_strace(&home, view, &[], &input());
        assert_eq!(ended.and_then(|status| status.code()), Some(0), "nothing goes wrong");
        strace::count_calls(&trace(&home))
    }

    /// One repetition: harm, a second start, and what became of the lines.
    pub fn run(&self, view: &View, injection: &Injection, successor: &Path) -> Account {
        let about = format!("{injection:?} on {:?}, then {}", view.paths, successor.display());
        let mut account = Account::default();
        let home = Home::in_memory();
        let reader = input();
        let Some(status) = self.run_under_strace(&home, view, &injection.options(), &reader) else {
            account.hang(&about);
            return account;
        };
        let trace = trace(&home);
        let killed = status.signal() == Some(Signal::SIGKILL as i32);
        account.tried =
            usize::from(killed || injection.harm != Harm::Kill && trace.contains("(INJECTED)"));
        wait_until("the locks to be free", || DIRS.iter().all(|dir| is_free(&home, dir)));
        let rest = drain(&reader);
        let read_count = LINE_COUNT - rest.iter().filter(|&&byte| byte == b'\n').count() as u64;
        if !(killed && injection.harm == Harm::Kill) {
            check_end(status, read_count, &mut account, &about);
        }
        let written: BTreeMap<&str, Vec<u64>> =
            DIRS.iter().map(|&dir| (dir, written(&home, dir))).collect();
        if !self.run_last(&home, successor, &rest) {
            account.hang(&about);
            return account;
        }
        for dir in DIRS {
            let kept = if killed { written[dir].clone() } else { lines_of(dir, 0..read_count) };
            let lines = expected(&home, dir, &kept, read_count);
            account.compare(dir, &lines, &about);
        }
        check_untruths(&home, &trace, &mut account, &about);
        account
    }

    /// None where it hangs.
    fn run_under_strace(
        &self,
        home: &Home,
        view: &View,
        injection: &[String],
        input: &OwnedFd,
    ) -> Option<ExitStatus> {
        let view = View {
            follow: view.follow,
            paths: view.paths.iter().map(|path| home.path(path).display().to_string()).collect(),
        };
        let mut command = home.command_of(&self.strace, &view.options());
        command.args(injection).arg(program()).args(SCRIPT);
        command.stdin(Stdio::from(input.try_clone().expect("a descriptor")));
        wait(&mut command)
    }

    /// The run after it takes what is left and one line more. False where it hangs.
    fn run_last(&self, home: &Home, successor: &Path, rest: &[u8]) -> bool {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let mut command = home.command_of(successor, &SCRIPT);
        command.stdin(reader);
        writer.write_all(&[rest, &line(LAST)].concat()).expect("a pipe holds it");
        drop(writer);
        wait(&mut command).is_some_and(|status| status.code() == Some(0))
    }
}

fn wait(command: &mut Command) -> Option<ExitStatus> {
    let mut child = command.process_group(0).spawn().expect("it starts");
    // Its own copies of our descriptors would keep the input from ending.
    command.stdin(Stdio::null());
    let start = Instant::now();
    while start.elapsed() < HUNG_AFTER {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status);
        }
        thread::sleep(LOOK_EVERY);
    }
    end(&mut child);
    None
}

fn end(child: &mut Child) {
    let group = Pid::from_raw(i32::try_from(child.id()).expect("a process number"));
    let _ = killpg(group, Signal::SIGKILL);
    let _ = child.wait();
}

fn trace(home: &Home) -> String {
    String::from_utf8_lossy(&home.read("trace")).into_owned()
}

/// A child that was to become a processor when its logger was killed has the lock until then.
fn is_free(home: &Home, dir: &str) -> bool {
    let take = |lock| Flock::lock(lock, FlockArg::LockExclusiveNonblock);
    File::open(home.path(dir).join("lock")).map_or(true, |lock| take(lock).is_ok())
}

/// The whole lines of a file, by number. Nobody cuts lines as short as these.
fn whole_lines(home: &Home, dir: &str, name: &str) -> Vec<u64> {
    let file = home.read(Path::new(dir).join(name));
    let lines = file.split_inclusive(|&byte| byte == b'\n');
    let is_whole = |line: &&[u8]| line.ends_with(b"\n");
    lines.filter(is_whole).map(|line| number(line).expect("a line of ours")).collect()
}

/// All that a dead logger had written to the files of a directory.
fn written(home: &Home, dir: &str) -> Vec<u64> {
    if !home.path(dir).exists() {
        return Vec::new();
    }
    let names = home.names(dir).into_iter();
    let logs =
        names.filter(|name| name.starts_with('@') || name == "previous" || name == "current");
    let mut lines: Vec<u64> = logs.flat_map(|name| whole_lines(home, dir, &name)).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// What has to be in a directory after the last run, and what is there.
fn expected(home: &Home, dir: &str, kept: &[u64], read_count: u64) -> Lines {
    let names = home.archives(dir).into_iter().chain(["current".to_owned()]);
    let found: Vec<u64> = names.flat_map(|name| whole_lines(home, dir, &name)).collect();
    let rest = || lines_of(dir, (read_count..LINE_COUNT).chain([LAST]));
    let mut required = [kept, &rest()].concat();
    if dir == "few" {
        // Others are gone, and not always the oldest: one that cannot be removed is left.
        let archives = home.archives(dir).into_iter().rev();
        let newest =
            archives.map(|name| whole_lines(home, dir, &name)).find(|file| !file.is_empty());
        let first = newest.and_then(|lines| lines.first().copied()).unwrap_or(LAST);
        required.retain(|&line| line >= first);
    }
    Lines { required, allowed: lines_of(dir, (0..LINE_COUNT).chain([LAST])), found }
}

/// A process ends when all input is read, or before its first read. An end in between is a death.
fn check_end(status: ExitStatus, read_count: u64, account: &mut Account, about: &str) {
    match (status.code(), read_count) {
        (Some(0 | EXIT_FATAL), LINE_COUNT) => {}
        (Some(EXIT_FATAL), 0) => account.refused += 1,
        (code, 0) if code != Some(0) => account.unstarted += 1,
        _ => account.death(&format!("{status} after {read_count} lines"), about),
    }
}

/// A file that could not be synced must say so, and a status file has to tell the last line.
fn check_untruths(home: &Home, trace: &str, account: &mut Account, about: &str) {
    for path in strace::unsynced(trace) {
        for dir in ["all", "some"] {
            let is = |name: &str| path.ends_with(&format!("/{dir}/{name}"));
            let admitted = || home.archives(dir).iter().any(|name| name.ends_with(".u"));
            if (is("current") || is("previous")) && !admitted() {
                account.untruth("not synced and said to be whole", about);
            }
        }
    }
    let status = fs::read(home.path("status")).unwrap_or_default();
    if !status.starts_with(&line(LAST)) {
        account.untruth("the status is old", about);
    }
}
