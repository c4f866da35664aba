//! tai64n and tai64nlocal as running processes, and what a user sees of both alike.

use crate::peers::peer;
use crate::support::{DEADLINE, wait_until};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

pub const TAI64N: &str = env!("CARGO_BIN_EXE_tai64n");
pub const TAI64NLOCAL: &str = env!("CARGO_BIN_EXE_tai64nlocal");
const BOTH: [(&str, &str); 2] = [("tai64n", TAI64N), ("tai64nlocal", TAI64NLOCAL)];

/// A label of 2023 and what follows it in all tests that need any.
pub const LABEL: &str = "@400000006553f10a00000001";
pub const DATE: &str = "2023-11-14 22:13:20.000000001";

/// How a filter ended, and all it wrote.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ended {
    #[track_caller]
    pub fn check(&self, code: i32, stdout: impl AsRef<[u8]>, stderr: &str) {
        assert_eq!(self.stderr, stderr);
        assert_eq!(String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(stdout.as_ref()));
        assert_eq!(self.status.code(), Some(code), "{:?}", self.status);
    }
}

/// The filter in universal time, its three descriptors being pipes.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("TZ", "UTC0").env_remove("TZDIR");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A shell that becomes the filter after its commands.
fn shell(commands: &str, program: &str) -> Command {
    let mut shell = command("/bin/sh");
    shell.args(["-c", &format!("{commands} exec \"$0\" \"$@\""), program]);
    shell
}

/// Runs a filter on `input` to its end.
#[track_caller]
pub fn run(mut command: Command, input: &[u8]) -> Ended {
    let mut running = Running(command.spawn().expect("it starts"));
    let feeder = running.0.stdin.take().map(|mut stdin| {
        let input = input.to_vec();
        // It may end before it has read everything, on purpose.
        thread::spawn(move || drop(stdin.write_all(&input)))
    });
    let stdout = running.0.stdout.take().map(collect);
    let stderr = running.0.stderr.take().map(collect);
    let status = running.wait();
    if let Some(feeder) = feeder {
        feeder.join().expect("the feeder ends");
    }
    let bytes = |reader: Option<thread::JoinHandle<Vec<u8>>>| {
        reader.map_or_else(Vec::new, |reader| reader.join().expect("the reader ends"))
    };
    let stderr = String::from_utf8_lossy(&bytes(stderr)).into_owned();
    Ended { status, stdout: bytes(stdout), stderr }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a readable pipe");
        bytes
    })
}

/// A process that is killed when dropped.
struct Running(Child);

impl Running {
    #[track_caller]
    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the end", || {
            status = self.0.try_wait().expect("a child");
            status.is_some()
        });
        status.expect("it has ended")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A filter that somebody types into and watches.
pub struct Watched {
    running: Running,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl Watched {
    pub fn start(mut command: Command) -> Watched {
        let mut running = Running(command.spawn().expect("it starts"));
        let stdin = running.0.stdin.take().expect("stdin");
        let stdout = running.0.stdout.take().expect("stdout");
        Watched { running, stdin, stdout }
    }

    pub fn write(&mut self, input: &str) {
        self.stdin.write_all(input.as_bytes()).expect("it reads");
    }

    /// Waits for so many bytes.
    #[track_caller]
    pub fn read(&mut self, len: usize) -> String {
        let mut bytes = Vec::new();
        let end = Instant::now() + DEADLINE;
        while bytes.len() < len {
            let mut ready = [PollFd::new(self.stdout.as_fd(), PollFlags::POLLIN)];
            let left = PollTimeout::try_from(end.saturating_duration_since(Instant::now()));
            let count = poll(&mut ready, left.expect("a time to wait")).expect("poll");
            assert!(count == 1, "only {:?} came", String::from_utf8_lossy(&bytes));
            let mut block = [0; 4096];
            let got = self.stdout.read(&mut block).expect("a readable pipe");
            assert!(got > 0, "only {:?} came before the end", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&block[..got]);
        }
        String::from_utf8(bytes).expect("text")
    }

    /// Closes stdin and returns what comes out after that.
    #[track_caller]
    pub fn end(mut self) -> String {
        drop(self.stdin);
        let rest = collect(self.stdout);
        let status = self.running.wait();
        assert!(status.success(), "{status:?}");
        String::from_utf8(rest.join().expect("the reader ends")).expect("text")
    }
}

/// What a message of the program says.
fn message(name: &str, text: &str) -> String {
    format!("{name}: fatal: {text}\n")
}

#[test]
fn a_filter_whose_reader_has_gone_is_killed_by_the_pipe() {
    for (_, program) in BOTH {
        let mut command = command(program);
        let (reader, writer) = nix::unistd::pipe().expect("a pipe");
        drop(reader);
        let ended = run(command_to(&mut command, File::from(writer)), b"a\n");
        assert_eq!(ended.status.signal(), Some(Signal::SIGPIPE as i32), "{ended:?}");
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn a_filter_started_with_pipe_ignored_gives_up() {
    for (name, program) in BOTH {
        let mut command = shell("trap '' PIPE;", program);
        let (reader, writer) = nix::unistd::pipe().expect("a pipe");
        drop(reader);
        let ended = run(command_to(&mut command, File::from(writer)), b"a\n");
        ended.check(111, "", &message(name, "unable to write standard output: broken pipe"));
    }
}

/// The command with its output going elsewhere.
fn command_to(command: &mut Command, stdout: File) -> Command {
    command.stdout(stdout);
    std::mem::replace(command, Command::new(""))
}

#[test]
fn trouble_at_either_end_is_fatal_and_named() {
    for (name, program) in BOTH {
        let unable = |text: &str| message(name, &format!("unable to {text}"));
        for (commands, input, code, text) in [
            ("exec <&-;", "", 111, unable("read standard input: file descriptor not open")),
            ("exec </;", "", 111, unable("read standard input: is a directory")),
            ("exec >&-;", "a", 111, unable("write standard output: file descriptor not open")),
            ("exec >&-;", "", 0, String::new()),
            ("exec >/dev/full;", "a", 111, unable("write standard output: out of disk space")),
            ("exec >/dev/full;", "", 0, String::new()),
            ("exec >/dev/full 2>&-;", "a", 111, String::new()),
        ] {
            run(shell(commands, program), input.as_bytes()).check(code, "", &text);
        }
    }
}

#[test]
fn a_filter_waits_for_a_non_blocking_input() {
    for (name, program) in BOTH {
        assert_eq!(end_with_non_blocking_input(program).code(), Some(0), "{name}");
        if let Some(original) = peer(name) {
            assert_eq!(end_with_non_blocking_input(original).code(), Some(111), "{name}");
        }
    }
}

/// Gives a filter a line after it has found nothing to read.
fn end_with_non_blocking_input(program: impl AsRef<OsStr>) -> ExitStatus {
    let dir = tempfile::tempdir().expect("a fresh directory");
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let open = |read: bool| {
        let mut options = OpenOptions::new();
        options.read(read).write(!read).custom_flags(libc::O_NONBLOCK);
        options.open(&fifo).expect("an end of the fifo")
    };
    let (reader, mut writer) = (open(true), open(false));
    let mut command = command(program);
    command.stdin(reader);
    let mut running = Running(command.spawn().expect("it starts"));
    let stdout = collect(running.0.stdout.take().expect("stdout"));
    wait_until_asleep_or_ended(running.0.id());
    writer.write_all(b"a\n").expect("this process has the other end too");
    drop(writer);
    drop(command);
    let status = running.wait();
    let stdout = stdout.join().expect("the reader ends");
    assert_eq!(stdout.ends_with(b"a\n"), status.success());
    status
}

/// Waits until the filter waits or has ended.
pub fn wait_until_asleep_or_ended(process: u32) {
    wait_until("it to sleep", || {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // Its own name in the second field tells that exec has happened.
        stat.contains("(tai64n") && (stat.contains(") S ") || stat.contains(") Z "))
    });
}

#[test]
fn no_signal_is_caught() {
    for (_, program) in BOTH {
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
            let mut running = Running(command(program).spawn().expect("it starts"));
            wait_until_asleep_or_ended(running.0.id());
            let process = i32::try_from(running.0.id()).expect("a process number");
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), signal).expect("it runs");
            assert_eq!(running.wait().signal(), Some(signal as i32));
        }
    }
}

#[test]
fn a_filter_reads_the_files_it_is_given() {
    let dir = tempfile::tempdir().expect("a fresh directory");
    let name = OsString::from_vec(b"\xff-b".to_vec());
    for (name, contents) in [
        (OsStr::new("a"), format!("{LABEL} a\n{}", &LABEL[..9])),
        (&name, format!("{} b\n", &LABEL[9..])),
        (OsStr::new("--utc"), format!("{LABEL} utc\n")),
    ] {
        fs::write(dir.path().join(name), contents).expect("a prepared file");
    }
    let in_dir = |arguments: &[&OsStr]| {
        let mut command = command(TAI64NLOCAL);
        command.args(arguments).current_dir(dir.path());
        run(command, format!("{LABEL} stdin\n").as_bytes())
    };
    let [a, stdin, end] = ["a", "-", "--"].map(OsStr::new);
    in_dir(&[stdin]).check(0, format!("{DATE} stdin\n"), "");
    // As if they were one file: what is cut off at the end of one goes on in the next.
    in_dir(&[a, &name]).check(0, format!("{DATE} a\n{DATE} b\n"), "");
    in_dir(&[end, OsStr::new("--utc"), stdin]).check(0, format!("{DATE} utc\n{DATE} stdin\n"), "");
    in_dir(&[stdin, OsStr::new("--utc"), stdin]).check(0, format!("{DATE} stdin\n"), "");
}

#[test]
fn a_file_that_cannot_be_read_is_named_after_what_came_before_it() {
    let dir = tempfile::tempdir().expect("a fresh directory");
    fs::write(dir.path().join("a"), LABEL).expect("a prepared file");
    for (bad, reason) in [("none", "file does not exist"), (".", "is a directory")] {
        let mut command = command(TAI64NLOCAL);
        command.args(["a", bad, "a"]).current_dir(dir.path());
        let text = message("tai64nlocal", &format!("unable to read {bad}: {reason}"));
        run(command, b"").check(111, DATE, &text);
    }
}

#[test]
fn a_bad_option_is_refused_before_anything_is_read() {
    for (name, program) in BOTH {
        for option in ["-x", "--other", "--utc=1", "--version=1"] {
            let mut command = command(program);
            command.args([option, "a"]);
            let text = format!("unrecognized argument: {option}; {name} --help lists the options");
            run(command, b"a").check(100, "", &message(name, &text));
        }
    }
}

#[test]
fn help_and_version_answer_and_end() {
    for (name, program) in BOTH {
        for (option, start) in [("--help", "Usage: "), ("--version", "")] {
            let mut told = command(program);
            told.arg(option);
            let ended = run(told, b"a");
            let start = format!("{start}{name} ");
            assert!(ended.stdout.starts_with(start.as_bytes()), "{ended:?}");
            assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
            let mut unable = shell("exec >&-;", program);
            unable.arg(option);
            run(unable, b"a").check(111, "", "");
        }
    }
}

/// Runs two programs on the same input, which must come out the same.
#[track_caller]
pub fn check_same(programs: [&Path; 2], prepare: impl Fn(&mut Command), input: &[u8], what: &str) {
    let [expected, ours] = programs.map(|program| {
        let mut command = command(program);
        prepare(&mut command);
        run(command, input)
    });
    assert_eq!(ours.status, expected.status, "{what}");
    if ours.stdout != expected.stdout {
        let lines = |bytes: &[u8]| bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        let [input, ours, expected]: [Vec<Vec<u8>>; 3] =
            [input, &ours.stdout, &expected.stdout].map(lines);
        for (number, line) in input.iter().enumerate() {
            let shown =
                |lines: &[Vec<u8>]| lines.get(number).map(|line| line.escape_ascii().to_string());
            assert_eq!(shown(&ours), shown(&expected), "{what}: {}", line.escape_ascii());
        }
        panic!("{what}: other lines than expected");
    }
}
