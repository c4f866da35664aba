//! Every text to the user, and the exit codes. Nothing else in the programs writes to stderr for people.
//!
//! The form is that of 0.76: program, severity, and what there is to report. The library words its own
//! failures and events (`failure.rs` and `event.rs` of crate `logdir`); they are printed here.

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

/// Exit code of success.
pub const EXIT_OK: u8 = 0;
/// Exit code of logdir where there was nothing to show.
pub const EXIT_NOTHING: u8 = 1;
/// Exit code of logdir where anything could not be read, or made sense of.
pub const EXIT_TROUBLE: u8 = 2;
/// Exit code of a program that does not understand its options.
pub const EXIT_USAGE: u8 = 100;
/// Exit code of a program that could not start, or gave up.
pub const EXIT_FATAL: u8 = 111;

/// Bytes of a message at most, which a pipe with room takes at once.
const MESSAGE_MAX: usize = PIPE_PIECE_MAX;
/// How long the last message waits for stderr.
const FATAL_WAIT: Duration = Duration::from_secs(1);

/// Messages that stderr had no room for since the last one that it took.
static DROPPED: AtomicU64 = AtomicU64::new(0);

static PROGRAM: OnceLock<&'static str> = OnceLock::new();

/// Names the program in every message from here on; the first call counts.
pub fn set_program(name: &'static str) {
    let _ = PROGRAM.set(name);
}

fn program() -> &'static str {
    PROGRAM.get().copied().unwrap_or("multilog")
}

/// Says why the program ends. Waits for stderr for up to [`FATAL_WAIT`], since nothing else is left to do.
pub fn fatal(failure: &Failure) {
    write_last(&message("fatal", &failure.text("")));
}

/// Says why the program ends, for a reason that is no failed call on a file. The text may have several lines.
pub fn fatal_text(text: &str) {
    let mut lines = start_of_message("fatal");
    escape::append_lines(text.as_bytes(), &mut lines);
    write_last(&bounded(lines));
}

/// Where log directories report what happens: it is printed at once.
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

/// Tells of something that failed and will not be tried again.
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

/// Tells of anything else. Any bytes, since it may name files.
pub fn warn(text: &[u8]) {
    tell("warning", text);
}

/// Shows a text on the line of a terminal, over the one that stood there before and has so many columns.
/// An empty one leaves an empty line. Never waits.
pub fn progress(text: &str, before_len: usize) {
    let pad = " ".repeat(before_len.saturating_sub(text.len()));
    let back = if text.is_empty() { "\r" } else { "" };
    let _ = write_if_ready(format!("\r{text}{pad}{back}").as_bytes());
}

/// Ends the line of a terminal in which somebody has typed `^C`, so that what comes next has one of its
/// own.
pub fn end_line() {
    if std::io::stderr().is_terminal() {
        let _ = write_if_ready(b"\n");
    }
}

/// Never waits: a message that stderr has no room for is dropped and counted, because the service that is being
/// logged would wait with it.
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

/// Writes the message that explains the exit. A reader that is merely slow gets it.
fn write_last(line: &[u8]) {
    let stderr = std::io::stderr();
    let mut wait = Wait::<_, 1>::on((), stderr.as_fd(), Interest::Writable);
    wait.until(Some(Instant::now() + FATAL_WAIT));
    if wait.wait().has(()) {
        write_stderr(line);
    }
}

/// Tells of lines that were not written, because of this failure or because their reader was too slow.
pub fn dropped(place: &[u8], lines: usize, bytes: usize, failure: Option<&Failure>) {
    let dropped = format!("{lines} lines ({bytes} bytes) were dropped");
    match failure {
        Some(failure) => warn(&failure.text(&format!(", {dropped}"))),
        None => warn(&[place, b" was read too slowly: ", dropped.as_bytes()].concat()),
    }
}

/// Tells of lines that will never be written.
pub fn give_up(place: &[u8], lines: &[u8]) {
    let (place, bytes) = (place.to_vec(), lines.len() as u64);
    let lines = memchr::memchr_iter(b'\n', lines).count() as u64;
    warn(&Event::GivenUp { place, lines, bytes, is_file_unfinished: false }.text());
}

/// A file that was removed before it was read.
pub fn gone(file: &[u8]) -> String {
    format!("{} was removed before it was read", String::from_utf8_lossy(file))
}

/// A line that its writer could not end.
pub fn torn(file: &[u8], offset: u64) -> String {
    let file = String::from_utf8_lossy(file);
    format!("the line at byte {offset} of {file} is torn: its writer was interrupted")
}

/// Zeros that are no text.
pub fn zeros(file: &[u8], offset: u64, count: u64) -> String {
    let file = String::from_utf8_lossy(file);
    format!("{count} zeros at byte {offset} of {file} are left out: a power cut leaves them")
}

/// Reports a directory or file that was replaced while followed.
pub fn replaced(place: &[u8]) -> String {
    let place = String::from_utf8_lossy(place);
    format!("{place} was replaced by another one, which is followed from here on")
}

/// A file that was cut while it was followed.
pub fn truncated(file: &[u8]) -> String {
    let file = String::from_utf8_lossy(file);
    format!("{file} was truncated, and is read from its beginning: lines may be missing")
}

/// A `current` that an editor or rm took from the logger.
pub fn current_replaced(file: &[u8]) -> String {
    let file = String::from_utf8_lossy(file);
    format!(
        "{file} was removed or replaced by another program: what the logger wrote to it since may be missing"
    )
}

/// An archive that is not what it was when it was listed.
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

/// Older lines that were asked for are not there.
pub fn begins_at(oldest: &str) -> String {
    format!("there is nothing from before {oldest}")
}

/// Lines whose time nobody knows.
pub fn unstamped() -> String {
    "lines have no stamps; these are whole files by the time they were written".to_owned()
}

/// Lines that could not be counted by time.
pub fn timeless(count: u64) -> String {
    format!("{count} lines have no stamp to tell their time, and are not counted")
}

/// A directory whose writer is gone without having ended.
pub fn crashed() -> &'static str {
    "its writer was interrupted and does not run: current is not marked as whole, nobody has the lock"
}

/// A full file that has been waiting for its name for so long.
pub fn unfinished(age: &str) -> String {
    format!("previous has been waiting for {age} to be finished; does its processor hang or fail?")
}

/// Writes a text as it is to stderr, such as help that nobody asked for.
pub fn text_for_people(text: &str) {
    write_stderr(text.as_bytes());
}

/// Writes text the user asked for to stdout. False where that failed.
pub fn print(text: &str) -> bool {
    let mut stdout = std::io::stdout();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}

/// A message of one line. A text may name files, and their names may be bytes that a terminal obeys.
fn message(severity: &str, text: &[u8]) -> Vec<u8> {
    let mut line = start_of_message(severity);
    escape::append(text, &mut line);
    bounded(line)
}

/// A message with its newline, at most [`MESSAGE_MAX`] bytes.
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

/// One write(2) a message, so that messages of several programs do not mix. There is nobody left to
/// tell of a stderr that fails.
fn write_stderr(line: &[u8]) {
    let _ = nix::unistd::write(std::io::stderr(), line);
}
