//! All user messages. No other code of the programs writes user text to stderr.
//!
//! Messages follow 0.76: program, severity, content. The library words its failures and events
//! (`failure.rs` and `event.rs` of crate `logdir`); this module prints them.

pub use crate::exit_code::{EXIT_FATAL, EXIT_NOTHING, EXIT_OK, EXIT_TROUBLE, EXIT_USAGE};

use crate::poll::{self, Interest, Wait};
use crate::stdout::PIPE_PIECE_MAX;
use ::logdir::escape;
use ::logdir::event::{Event, Reporter, Severity};
use ::logdir::failure::Failure;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Message limit in bytes: a pipe with room accepts this length in one write.
const MESSAGE_MAX: usize = PIPE_PIECE_MAX;
/// Maximum wait for stderr before exiting.
const FATAL_WAIT: Duration = Duration::from_secs(1);

/// Messages dropped since stderr last had room.
static DROPPED: AtomicU64 = AtomicU64::new(0);

static PROGRAM: OnceLock<&'static str> = OnceLock::new();

/// Sets the program name for later messages; only the first call has effect.
pub fn set_program(name: &'static str) {
    let _ = PROGRAM.set(name);
}

fn program() -> &'static str {
    PROGRAM.get().copied().unwrap_or("multilog")
}

/// Prints the reason for exiting. Waits up to [`FATAL_WAIT`] for stderr, because no other work
/// remains.
pub fn fatal(failure: &Failure) {
    write_last(&message("fatal", &failure.text("")));
}

/// Prints the reason for exiting if no system call failed. The text may have several lines.
pub fn fatal_text(text: &str) {
    let mut lines = start_of_message("fatal");
    escape::append_lines(text.as_bytes(), &mut lines);
    write_last(&bounded(lines));
}

/// Prints what clap has to say where it belongs: help on standard output, a usage error (100) as ours.
pub fn refuse_usage(error: &clap::Error) -> std::process::ExitCode {
    let text = error.render().to_string();
    if error.use_stderr() {
        fatal_text(text.trim_start_matches("error: ").trim_end());
        return std::process::ExitCode::from(EXIT_USAGE);
    }
    std::process::ExitCode::from(if print(&text) { 0 } else { EXIT_FATAL })
}

/// Reporter for log directories: prints events immediately.
pub fn reporter() -> Reporter {
    Reporter::new(|event: &Event| {
        let severity = match event.severity() {
            Severity::Warning => "warning",
            Severity::Info => "info",
            Severity::Status => "status",
        };
        tell(severity, &event.text());
    })
}

/// Reports a failure without retry.
pub fn failed(failure: &Failure) {
    warn(&failure.text(""));
}

/// Reports something that needs no attention.
pub fn info(text: &str) {
    tell("info", text.as_bytes());
}

/// Explains how a user gets access to the log directories of others.
pub fn access_hint() {
    tell(
        "info",
        b"for access, root gives the directories to a group of yours: \
          chgrp GROUP DIR, chmod 2750 DIR",
    );
}

/// Prints a warning; any bytes, because file names may appear.
pub fn warn(text: &[u8]) {
    tell("warning", text);
}

/// Replaces a terminal progress line of `before_len` columns with a new text; empty text clears the
/// line. Never waits.
pub fn progress(text: &str, before_len: usize) {
    let pad = " ".repeat(before_len.saturating_sub(text.len()));
    let back = if text.is_empty() { "\r" } else { "" };
    let _ = write_if_ready(format!("\r{text}{pad}{back}").as_bytes());
}

/// Ends a terminal line after a typed `^C`, so the next output starts a new line.
pub fn end_line() {
    if std::io::stderr().is_terminal() {
        let _ = write_if_ready(b"\n");
    }
}

/// Never waits: if stderr is full, the message is dropped and counted, because waiting would block
/// the logged service.
fn tell(severity: &str, text: &[u8]) {
    let dropped = DROPPED.swap(0, Ordering::Relaxed);
    if dropped > 0 {
        let text = format!("{dropped} messages were dropped: standard error had no room");
        if !write_if_ready(&message("warning", text.as_bytes())) {
            DROPPED.fetch_add(dropped + 1, Ordering::Relaxed);
            return;
        }
    }
    if !write_if_ready(&message(severity, text)) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// False if stderr has no room.
fn write_if_ready(bytes: &[u8]) -> bool {
    let has_room = poll::is_writable(&std::io::stderr());
    if has_room {
        write_stderr(bytes);
    }
    has_room
}

/// Writes the exit message; a slow reader still receives it.
fn write_last(line: &[u8]) {
    let stderr = std::io::stderr();
    let mut wait = Wait::<_, 1>::on((), stderr.as_fd(), Interest::Writable);
    wait.until(Some(Instant::now() + FATAL_WAIT));
    if wait.wait().has(()) {
        write_stderr(line);
    }
}

/// Reports lines dropped because of a failure or a slow reader.
pub fn dropped(place: &[u8], lines: usize, bytes: usize, failure: Option<&Failure>) {
    let dropped = format!("{lines} lines ({bytes} bytes) were dropped");
    match failure {
        Some(failure) => warn(&failure.text(&format!(", {dropped}"))),
        None => warn(&[place, b" was read too slowly: ", dropped.as_bytes()].concat()),
    }
}

/// Reports lines that will never be written.
pub fn give_up(place: &[u8], lines: &[u8]) {
    let (place, bytes) = (place.to_vec(), lines.len() as u64);
    let lines = memchr::memchr_iter(b'\n', lines).count() as u64;
    warn(&Event::GivenUp { place, lines, bytes, is_file_unfinished: false }.text());
}

/// File removed before reading.
pub fn gone(file: &[u8]) -> String {
    format!("{} was removed before it was read", String::from_utf8_lossy(file))
}

/// Line whose writer was interrupted.
pub fn torn(file: &[u8], offset: u64) -> String {
    let file = String::from_utf8_lossy(file);
    format!("the line at byte {offset} of {file} is torn: its writer was interrupted")
}

/// Zero bytes instead of text.
pub fn zeros(file: &[u8], offset: u64, count: u64) -> String {
    let file = String::from_utf8_lossy(file);
    format!("{count} zeros at byte {offset} of {file} are left out: a power cut leaves them")
}

/// Reports a directory or file that was replaced while followed.
pub fn replaced(place: &[u8]) -> String {
    let place = String::from_utf8_lossy(place);
    format!("{place} was replaced by another one, which is followed from here on")
}

/// File truncated while followed.
pub fn truncated(file: &[u8]) -> String {
    let file = String::from_utf8_lossy(file);
    format!("{file} was truncated, and is read from its beginning: lines may be missing")
}

/// `current` replaced or removed by another program, such as an editor or rm.
pub fn current_replaced(file: &[u8]) -> String {
    let file = String::from_utf8_lossy(file);
    format!(
        "{file} was removed or replaced by another program: what the logger wrote to it since may be missing"
    )
}

/// Archive changed since listing.
pub fn changed(file: &[u8]) -> String {
    let file = String::from_utf8_lossy(file);
    format!("{file} was changed by another program after it was finished: lines may be missing")
}

/// Reports lines that were removed unread.
pub fn gap(from: Option<&str>, to: Option<&str>) -> String {
    let from = from.unwrap_or("the beginning");
    let to = to.unwrap_or("now");
    format!(
        "lines from between {from} and {to} may be missing: files were removed before they were read"
    )
}

/// Requested older lines are missing.
pub fn begins_at(oldest: &str) -> String {
    format!("there is nothing from before {oldest}")
}

/// Lines without known time.
pub fn unstamped() -> String {
    "lines have no stamps; these are whole files by the time they were written".to_owned()
}

/// Lines not countable by time.
pub fn timeless(count: u64) -> String {
    format!("{count} lines have no stamp to tell their time, and are not counted")
}

/// Directory with a crashed writer.
pub fn crashed() -> &'static str {
    "its logger was killed and does not run: current is not marked as complete, and no process has the lock"
}

/// Full file awaiting its final name for this long.
pub fn unfinished(age: &str) -> String {
    format!("previous has been waiting for {age} to be finished; does its processor hang or fail?")
}

/// Writes unrequested text, such as help, unchanged to stderr.
pub fn text_for_people(text: &str) {
    write_stderr(text.as_bytes());
}

/// Writes requested text to stdout. Returns false on failure.
pub fn print(text: &str) -> bool {
    let mut stdout = std::io::stdout();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}

/// Formats a one-line message. Escapes control bytes, because file names may contain terminal
/// commands.
fn message(severity: &str, text: &[u8]) -> Vec<u8> {
    let mut line = start_of_message(severity);
    escape::append(text, &mut line);
    bounded(line)
}

/// Truncates a message to [`MESSAGE_MAX`] bytes, newline included.
fn bounded(mut line: Vec<u8>) -> Vec<u8> {
    if line.len() >= MESSAGE_MAX {
        let end = format!("... ({} bytes)", line.len());
        line.truncate(MESSAGE_MAX - 1 - end.len());
        line.extend_from_slice(end.as_bytes());
    }
    line.push(b'\n');
    line
}

fn start_of_message(severity: &str) -> Vec<u8> {
    format!("{}: {severity}: ", program()).into_bytes()
}

/// One write(2) per message keeps messages of several programs separate. A failing stderr cannot be
/// reported.
fn write_stderr(line: &[u8]) {
    let _ = nix::unistd::write(std::io::stderr(), line);
}
