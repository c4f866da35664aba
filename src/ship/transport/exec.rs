//! A program that takes records on its standard input and prints the ids it is done with.
//!
//! A record is a line: an id, a space, a message of RFC 5424. An answer is a line with an id. A program may
//! answer in any order, and answer for many records at once by printing their ids one after the other.

use super::{Broken, FDS_MAX, OUTPUT_LEN_MAX, Outcome, Transport, would_wait};
use crate::poll::Interest;
use ::logdir::failure::reason;
use ::logdir::sys::thread::spawn;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdin, ChildStdout};
use std::thread;
use std::time::{Duration, Instant};

/// Records that may be without an answer.
const WINDOW: usize = 4096;
/// The longest answer: a number and a newline.
const ANSWER_LEN_MAX: usize = 64;
/// How long a program has to end after TERM, before it gets KILL.
const END_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it is looked whether it has ended. Nothing else waits for it.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A thread that only waits needs little.
const REAPER_STACK_BYTES: usize = 64 * 1024;

/// A running program.
#[derive(Debug)]
pub struct Exec {
    child: Option<Child>,
    /// None after the end of what it gets.
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    output: Vec<u8>,
    written: usize,
    /// An answer whose newline has not come.
    answer: Vec<u8>,
    unanswered: usize,
    is_new: bool,
}

impl Exec {
    /// Takes over the pipes of a program that was started just now.
    pub fn new(mut child: Child) -> Result<Exec, Broken> {
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Broken::new("the program has no pipes"));
        };
        let nonblocking = |fd: BorrowedFd<'_>| {
            // Both pipes are ours alone on this side, so the flag disturbs nobody.
            let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
            nix::fcntl::fcntl(fd, flags).map_err(|errno| Broken::new(reason(&errno.into())))
        };
        nonblocking(stdin.as_fd())?;
        nonblocking(stdout.as_fd())?;
        let (output, answer) = (Vec::new(), Vec::new());
        let (child, stdin) = (Some(child), Some(stdin));
        Ok(Exec { child, stdin, stdout, output, written: 0, answer, unanswered: 0, is_new: true })
    }

    fn write(&mut self) -> Result<(), Broken> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        while self.written < self.output.len() {
            match stdin.write(&self.output[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if would_wait(&error) => return Ok(()),
                Err(error) => return Err(Broken::new(format!("the program: {}", reason(&error)))),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    fn read(&mut self, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        let mut block = [0; 4096];
        loop {
            match self.stdout.read(&mut block) {
                Ok(0) => return Err(self.ended()),
                Ok(len) => block[..len].iter().try_for_each(|&byte| self.take(byte, outcomes))?,
                Err(error) if would_wait(&error) => return Ok(()),
                Err(error) => return Err(Broken::new(format!("the program: {}", reason(&error)))),
            }
        }
    }

    fn take(&mut self, byte: u8, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        if byte != b'\n' {
            self.answer.push(byte);
            return match self.answer.len() <= ANSWER_LEN_MAX {
                true => Ok(()),
                false => Err(Broken::new("the program printed a line that is no id")),
            };
        }
        let id = std::str::from_utf8(&self.answer).ok().and_then(|text| text.trim().parse().ok());
        let Some(id) = id else {
            let text = self.answer.escape_ascii().to_string();
            return Err(Broken::new(format!("the program printed {text}, which is no id")));
        };
        self.answer.clear();
        self.unanswered = self.unanswered.saturating_sub(1);
        outcomes.push(Outcome::Delivered(id));
        Ok(())
    }

    /// The program has closed its standard output: it is told to end, and its end is looked at.
    fn ended(&mut self) -> Broken {
        match self.child.as_mut().map(Child::try_wait) {
            Some(Ok(Some(status))) => Broken::new(format!("the program ended with {status}")),
            _ => Broken::new("the program closed its standard output"),
        }
    }
}

impl Transport for Exec {
    fn room(&self) -> usize {
        if self.output.len() < OUTPUT_LEN_MAX { WINDOW.saturating_sub(self.unanswered) } else { 0 }
    }

    fn send(&mut self, id: u64, message: &[u8]) {
        self.output.extend_from_slice(id.to_string().as_bytes());
        self.output.push(b' ');
        self.output.extend_from_slice(message);
        self.output.push(b'\n');
        self.unanswered += 1;
    }

    fn fds(&self) -> [Option<(BorrowedFd<'_>, Interest)>; FDS_MAX] {
        let stdin = self.stdin.as_ref().filter(|_| !self.output.is_empty());
        [
            Some((self.stdout.as_fd(), Interest::Readable)),
            stdin.map(|stdin| (stdin.as_fd(), Interest::Writable)),
        ]
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn advance(&mut self, outcomes: &mut Vec<Outcome>) -> Result<(), Broken> {
        if std::mem::take(&mut self.is_new) {
            outcomes.push(Outcome::Opened);
        }
        // Answers first: a program that has ended may have answered before.
        self.read(outcomes)?;
        self.write()
    }

    fn close(&mut self) {
        // The end of its input asks it to answer and to end.
        let _ = self.write();
        self.stdin = None;
    }
}

impl Drop for Exec {
    /// The program loses its pipes and gets TERM with all that it started, or two would write to one place after
    /// the next start. It is reaped beside the loop, which does not wait for it.
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if let Ok(Some(_)) = child.try_wait() {
            return;
        }
        signal_group(&child, Signal::SIGTERM);
        // Without a thread it stays a zombie until logship ends; it has had its signal.
        let _ = spawn(REAPER_STACK_BYTES, move || reap(child));
    }
}

fn reap(mut child: Child) {
    let end_by = Instant::now() + END_TIMEOUT;
    while let Ok(None) = child.try_wait() {
        if Instant::now() >= end_by {
            signal_group(&child, Signal::SIGKILL);
            let _ = child.wait();
            return;
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// The program leads a process group of its own.
fn signal_group(child: &Child, signal: Signal) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // It fails only where the group is gone.
        let _ = killpg(Pid::from_raw(pid), signal);
    }
}
