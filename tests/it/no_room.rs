//! Nothing that the logger says may stop the log: standard error, and the descriptor of `d`, are pipes that
//! nobody empties. And poll(2), which it waits with, fails.

use crate::support::{Home, Logger, is_original, program, wait_until};
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::process::{Command, Stdio};

/// A pipe with no room at all.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))
        .expect("a pipe");
    while writer.write(&[b'#'; 4096]).is_ok() {}
    while writer.write(b"#").is_ok() {}
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty()))
        .expect("a pipe");
    (reader, writer)
}

fn with_stderr(home: &Home, script: &[impl AsRef<OsStr>], stderr: impl Into<Stdio>) -> Logger {
    let mut command = home.command(script);
    command.stderr(stderr);
    home.start(command)
}

#[test]
fn warnings_at_the_start_do_not_wait_for_stderr_and_are_counted() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let (mut reader, writer) = full_pipe();
    let mut logger = with_stderr(&home, &["main", "./d", &"x".repeat(70_000)], writer);
    logger.write(b"a\n");
    wait_until("the line", || home.path("d/current").exists() && home.read("d/current") == b"a\n");
    let mut filling = vec![0; 1 << 20];
    let mut len = 0;
    while len < 65_536 {
        len += reader.read(&mut filling).expect("a pipe");
    }
    // The first message after that.
    logger.signal_and_wait(Signal::SIGUSR1);
    logger.close_stdin();
    drop(logger.wait());
    let mut told = Vec::new();
    reader.read_to_end(&mut told).expect("a pipe");
    let told = String::from_utf8(told).expect("text");
    let expected = "multilog: warning: 2 messages were dropped: standard error had no room\n";
    assert!(told.starts_with(expected), "{told}");
    assert!(told.contains("multilog: status: "), "{told}");
}

#[test]
fn an_unknown_action_of_any_length_is_one_short_message() {
    if is_original() {
        return;
    }
    let home = Home::new();
    // Nobody reads it before the end; a message longer than a pipe would wait for ever.
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let logger = with_stderr(&home, &["./d", &"x".repeat(70_000)], writer);
    drop(logger.feed_and_end(b"a\n"));
    assert_eq!(home.read("d/current"), b"a\n");
    let mut told = Vec::new();
    reader.read_to_end(&mut told).expect("a pipe");
    assert!(
        told.len() <= 4096 && told.starts_with(b"multilog: warning: ignoring unknown action xxx")
    );
    assert!(told.ends_with(b" bytes)\n"), "{}", told.escape_ascii());
}

#[test]
fn a_fatal_message_waits_a_bounded_time() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let (_reader, writer) = full_pipe();
    let logger = with_stderr(&home, &["./no/such/directory"], writer);
    assert_eq!(logger.wait().status.code(), Some(111));
}

#[test]
fn readiness_does_not_wait_for_its_reader() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let (_reader, writer) = full_pipe();
    let shell = format!("exec {} d9 ./d 9>&1 >/dev/null", program().display());
    let mut command = home.command_of("/bin/sh".as_ref(), &["-c", &shell]);
    command.stdout(writer);
    let ended = home.start(command).feed_and_end(b"a\n");
    ended.check(
        0,
        "multilog: warning: unable to report readiness: the descriptor of d has no room\n",
    );
    assert_eq!(home.read("d/current"), b"a\n");
}

/// Runs the logger with a ppoll(2) that fails, as often as this says, and returns what it was traced to call.
fn with_failing_poll(home: &Home, when: &str) -> Option<Logger> {
    let is_there = Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok();
    if !is_there || is_original() {
        return None;
    }
    let program = program();
    let inject = format!("inject=ppoll:error=ENOMEM:when={when}");
    let program = program.to_str().expect("a path");
    let arguments = ["-o", "trace", "-e", "trace=ppoll", "-e", &inject, program, "./d"];
    Some(home.start(home.command_of("strace".as_ref(), &arguments)))
}

const CANNOT_WAIT: &str =
    "multilog: warning: unable to wait for input and signals for a while: out of memory\n";

#[test]
fn a_poll_that_fails_for_a_while_loses_nothing() {
    let home = Home::new();
    let Some(logger) = with_failing_poll(&home, "1..4") else { return };
    logger.feed_and_end(b"a\nb\n").check(0, CANNOT_WAIT);
    assert_eq!(home.read("d/current"), b"a\nb\n");
}

#[test]
fn a_poll_that_always_fails_does_not_spin_and_term_ends_it() {
    let home = Home::new();
    let Some(mut logger) = with_failing_poll(&home, "1+") else { return };
    let calls = || home.read("trace").iter().filter(|&&byte| byte == b'\n').count();
    let begin = std::time::Instant::now();
    wait_until("some tries", || home.path("trace").exists() && calls() >= 4);
    // The runtime makes one at the start and the logger one at once, then one each half a second.
    assert!(begin.elapsed() >= std::time::Duration::from_millis(800), "{:?}", begin.elapsed());
    let pid = logger.pid();
    let child =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its child");
    let child = child.trim().parse().expect("a number");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child), Signal::SIGTERM).expect("it runs");
    wait_until("the end", || !logger.is_running());
    assert_eq!(home.mode("d/current"), 0o744);
}
