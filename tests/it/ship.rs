//! `logship` as a user meets it: a real process, log directories that multilog writes, and receivers that
//! answer well, badly or not at all.

#[cfg(feature = "tls")]
pub mod certificates;
mod every_kind;
mod faults;
mod files;
mod flush;
mod hold;
#[cfg(feature = "http")]
mod http_server;
mod lag;
#[cfg(feature = "http")]
mod otlp;
mod outage;
mod receivers;
mod refusals;
mod relp_server;
mod rotated_files;
#[cfg(feature = "http")]
mod rotel;
mod rsyslog;
mod running;
mod syslog_ng;
#[cfg(feature = "tls")]
mod tls;

use crate::support::{DEADLINE, Home, numbers, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A running logship. Killed when dropped.
pub struct Ship {
    child: Child,
    stderr: std::path::PathBuf,
}

/// The command with short waits between tries, and the state in `state`.
pub fn command(home: &Home, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logship"));
    command.args(["--state", "state", "--retry", "10ms:50ms", "--host", "here"]);
    command.args(arguments).current_dir(home.path(""));
    command.stdin(Stdio::null());
    command
}

impl Ship {
    pub fn start(home: &Home, arguments: &[&str]) -> Ship {
        let stderr = home.path("ship-stderr");
        let mut command = command(home, arguments);
        let log = File::options().create(true).append(true).open(&stderr).expect("a file");
        Ship {
            child: command.stdout(Stdio::null()).stderr(log).spawn().expect("logship starts"),
            stderr,
        }
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    #[track_caller]
    pub fn wait_for_stderr(&self, text: &str) {
        wait_until(text, || self.stderr().contains(text));
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.id()).expect("a process number");
        kill(Pid::from_raw(pid), signal).expect("logship runs");
    }

    pub fn kill(mut self) {
        self.child.kill().expect("logship runs");
        self.child.wait().expect("a child");
    }

    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the end of logship", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// Asks it to end, and checks that it does so with success.
    #[track_caller]
    pub fn end(mut self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.wait().code(), Some(0), "{}", self.stderr());
    }
}

impl Drop for Ship {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Logs `first` to `last`, a line each, into `log`.
pub fn log(home: &Home, first: u64, last: u64) {
    log_text(home, "log", &numbers(first, last));
}

pub fn log_text(home: &Home, dir: &str, text: &[u8]) {
    let ended = home.run(&["t", "s100000", "n1000", &format!("./{dir}")], text);
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// The text of a message of RFC 5424: what stands after its structured data.
pub fn text_of(message: &[u8]) -> Vec<u8> {
    let mut rest = message;
    for _ in 0..6 {
        let space = rest.iter().position(|&byte| byte == b' ').expect("six fields");
        rest = &rest[space + 1..];
    }
    while rest.first() == Some(&b'[') {
        let end = rest.windows(2).position(|pair| pair[1] == b']' && pair[0] != b'\\');
        rest = &rest[end.expect("the end of an element") + 2..];
    }
    let rest = rest.strip_prefix(b"-").unwrap_or(rest);
    rest.strip_prefix(b" ").unwrap_or(rest).to_vec()
}

/// The value of a parameter of the structured data.
pub fn param<'a>(message: &'a str, name: &str) -> &'a str {
    let (_, rest) = message.split_once(&format!(" {name}=\"")).expect("the parameter");
    rest.split('"').next().unwrap_or_default()
}

/// Checks that messages are `first` to `last`, each at least once; returns how many are doubled.
#[track_caller]
pub fn check_numbers(messages: &[Vec<u8>], first: u64, last: u64) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    for message in messages {
        let text = String::from_utf8(text_of(message)).expect("a number");
        seen.insert(text.parse::<u64>().expect("a number"));
    }
    let missing: Vec<u64> = (first..=last).filter(|number| !seen.contains(number)).collect();
    assert!(missing.is_empty(), "{} are missing, first {:?}", missing.len(), missing.first());
    assert!(seen.iter().all(|number| (first..=last).contains(number)));
    messages.len() - seen.len()
}

/// What a receiver took in the end.
#[track_caller]
pub fn wait_for_count(what: &str, count: usize, mut taken: impl FnMut() -> usize) {
    assert!(DEADLINE.as_secs() > 0);
    wait_until(what, || taken() >= count);
}
