//! Program `multilog`: from arguments to exit code.

use crate::message::{self, EXIT_FATAL, EXIT_OK};
use ::logdir::disk::Dir;
use ::logdir::failure::{Failure, What};
use ::logdir::settings::LOCK_PATIENCE;
use ::logdir::sys::memory::{find_memory, reserve_for_rotation};
pub mod directory;
mod doubts;
mod engine;
mod explain;
pub mod grace;
mod input;
pub mod sink;
pub mod stamps;

use crate::poll;
use crate::signals::Signals;
use crate::sys::memory::{self, Memory};
use crate::sys::{ready, startup};
use ::logdir::wake::Wake;
use engine::{Ended, Engine};
use input::Input;
use nix::sys::signal::{Signal, raise};
use nix::sys::stat::{Mode, umask};
use nix::unistd::write;
use script::buffers::Buffers;
use script::lines::Lines;
use script::{Action, Script};
use sink::OpenSinks;
use stamps::Stamps;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

/// Descriptors that must be free for threads to be used: each of two threads and the loop may open a file at
/// the same time. With fewer the loop does one thing after the other, and one free descriptor is enough.
const SPARE_FDS: usize = 3;

/// Memory for the usual buffers and for threads, in bytes: at the start, and more for each directory.
const MEMORY_USUAL: usize = 1024 * 1024;
const MEMORY_PER_LOG: usize = 512 * 1024;
/// Memory to start a process after many rotations, in bytes. Measured: with 64 KiB a start can fail for ever.
const PROCESSOR_START: usize = 160 * 1024;

const VERSION: &str = concat!("multilog ", env!("CARGO_PKG_VERSION"), "\n");

const USAGE: &str = "\
usage: multilog [--explain] [t | T | Tutc | Tlocal] action ...
Reads lines on standard input and does the actions on each, in order.
  t            first: puts a TAI64N stamp before each line
  T            first: puts seconds.microseconds since 1970 before each line
  Tutc Tlocal  first: puts UTC or local time before each line
  -pattern     deselects lines that match; * skips to the next byte of pattern
  +pattern     selects lines that match
  F X S        later patterns are fnmatch(3), regular expressions, stars again
  f            selects the lines that no action has taken yet
  e            writes selected lines to standard error, 200 bytes of each
  1            writes selected lines to standard output
  =file        keeps the last selected line in file
  ./dir /dir   appends selected lines to dir/current
Settings of the actions after them:
  ptext        puts text before lines; p alone ends that
  c            shows control characters as escapes
  Esize ^size  bytes of a line in an alert, bytes of a status file
  ssize        size of a file, in bytes, or with k, m, g (99999)
  nnumber      number of files, current included (10)
  !processor   runs sh -c processor on each full file
  Stotal       total size of rotated files
  kage         age at which rotated files are removed, such as 30d
  Rage R@age   rotates current at this age, or at each full 7d or 1h
  Nnumber      rotated files to keep when the disk is full
  qsize[:drop] memory for lines that cannot be written (128k); then drops lines
  yseconds     syncs current this long after a line
  lsize        a file ends at a line this close to its size (2000)
  rmillis      retry delay in milliseconds (5000)
  wcode        ending of rotated files (s)
  dfd          writes a newline to the descriptor fd when everything is open
--explain prints what the actions do and which lines they take; writes no log.
Signals: TERM: finish the line and exit. ALRM: rotate. USR1: print status.
";

/// Runs the program with the process's arguments.
pub fn run(allocator: &Memory) -> ExitCode {
    message::set_program("multilog");
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    // Recognised only as the first argument and unabbreviated: `-pattern` is an action.
    let answer = match arguments.first().and_then(|first| first.to_str()) {
        Some("--help") => Some(USAGE),
        Some("--version") => Some(VERSION),
        Some(_) | None => None,
    };
    if let Some(answer) = answer {
        return ExitCode::from(if message::print(answer) { EXIT_OK } else { EXIT_FATAL });
    }
    if arguments.iter().any(|argument| argument == "X") {
        memory::check_for_expressions();
    }
    let is_question = arguments.first().is_some_and(|first| first == "--explain");
    let (script, ignored) = match script::parse(&arguments[usize::from(is_question)..]) {
        Ok(parsed) => parsed,
        Err(bad) => {
            message::fatal_text(&bad.to_string());
            return ExitCode::from(EXIT_FATAL);
        }
    };
    if is_question {
        return ExitCode::from(explain::run(&script, &ignored));
    }
    match open(&script) {
        Ok(engine) => {
            doubts::at_start(&script, &ignored).iter().for_each(|text| message::warn(text));
            allocator.start();
            exit(engine.run())
        }
        Err(failure) => {
            message::fatal(&failure);
            ExitCode::from(EXIT_FATAL)
        }
    }
}

/// Opens every file that the script names, in 0.76's order. Reads no input.
fn open(script: &Script) -> Result<Engine, Failure> {
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    let ready_fd = script.ready_fd.map(take_ready_fd).transpose()?;
    // The logger must wait for processors even if SIGCHLD was inherited as ignored (0.76 reruns
    // them forever).
    startup::set_default(Signal::SIGCHLD);
    // Beyond RLIMIT_FSIZE, write(2) then fails and is retried as on a full disk; SIGXFSZ kills 0.76
    // and loses its unwritten data.
    startup::ignore(Signal::SIGXFSZ);
    let failure = |errno| Failure::new(What::StartDirectory, "", errno);
    let start = Dir::start().map_err(failure)?;
    let setup = |errno| Failure::new(What::Events, "", errno);
    let signals = Signals::collect().map_err(setup)?;
    let wake = Wake::without_fd();
    let buffers = buffers(script);
    let reporter = message::reporter();
    let sinks = OpenSinks::open(&start, script, buffers, LOCK_PATIENCE, &wake, &reporter)?;
    drop(start);
    wake.open_with_spare(SPARE_FDS, &signals).map_err(setup)?;
    let engine = Engine {
        input: Input::new(buffers),
        lines: Lines::with_buffers(script, buffers),
        stamps: Stamps::new(script.stamp),
        sinks,
        signals,
        wake,
        late_len: 0,
    };
    find_memory(growth_max(script).max(1))
        .map_err(|error| Failure::new(What::Events, "", error))?;
    // Again: small buffers took what the directories had reserved.
    reserve_for_rotation().map_err(|error| Failure::new(What::Events, "", error))?;
    if let Some(fd) = ready_fd {
        report_ready(&fd);
    }
    Ok(engine)
}

/// Usual buffers if the limits of the process leave room for them.
fn buffers(script: &Script) -> Buffers {
    let is_log = |action: &&Action| matches!(action, Action::Log { .. });
    let log_count = script.actions.iter().filter(is_log).count();
    match find_memory(MEMORY_USUAL + log_count * MEMORY_PER_LOG) {
        Ok(()) => Buffers::Usual,
        Err(_) => Buffers::Small,
    }
}

/// Most memory that patterns and the start of processors take later, in bytes.
fn growth_max(script: &Script) -> usize {
    let growths = script.actions.iter().map(|action| match action {
        Action::Select(pattern) | Action::Deselect(pattern) => pattern.growth_max(),
        Action::Log { settings, .. } if settings.processor.is_some() => PROCESSOR_START,
        Action::SelectRest
        | Action::Alert { .. }
        | Action::Stdout { .. }
        | Action::Status { .. }
        | Action::Log { .. } => 0,
    });
    growths.sum()
}

/// A supervisor that stopped listening needs no newline; a full pipe must not stop the logger.
fn report_ready(fd: &OwnedFd) {
    if poll::is_writable(fd) {
        let _ = write(fd, b"\n");
    } else {
        message::warn(b"unable to report readiness: the descriptor of d has no room");
    }
}

fn take_ready_fd(fd: i32) -> Result<OwnedFd, Failure> {
    ready::take(fd).map_err(|errno| Failure::new(What::Descriptor, fd.to_string(), errno))
}

fn exit(ended: Ended) -> ExitCode {
    match ended {
        Ended::Exit(code) => ExitCode::from(code),
        Ended::BrokenPipe => {
            startup::set_default(Signal::SIGPIPE);
            let _ = raise(Signal::SIGPIPE);
            ExitCode::from(EXIT_FATAL)
        }
    }
}
