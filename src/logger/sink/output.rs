//! Selected lines on stdout (multilog(8), `1`).
//!
//! stdout is inherited and its reader unknown: multilog never makes stdout non-blocking, and
//! logging never depends on stdout. Lines are written if poll(2) reports room. A slow reader delays
//! input briefly; after [`PATIENCE`] its lines are dropped and counted until the reader catches up.
//! A full disk under a stdout file has this effect too. A vanished reader is reported once.

use super::reserved;
use crate::message;
use crate::poll;
use crate::stdout;
use crate::sys::startup;
use ::logdir::clock;
use ::logdir::event::{Reporter, Work};
use ::logdir::failure::{Failure, What};
use ::logdir::pause::{PAUSE, Pause};
use nix::errno::Errno;
use nix::unistd::write;
use script::buffers::Buffers;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Maximum input delay for a slow reader.
pub const PATIENCE: Duration = Duration::from_secs(1);

const STDOUT: &[u8] = stdout::NAME.as_bytes();

/// stdout with pending lines.
#[derive(Debug)]
pub struct Output {
    stdout: io::Stdout,
    /// Largest write that never blocks after poll(2) reports room, in bytes.
    piece_max: usize,
    /// Unwritten bytes; at most `held_max` plus one line engine call's output.
    held: Vec<u8>,
    /// Held bytes before input is delayed.
    held_max: usize,
    /// Action of the last bytes.
    last_action: usize,
    /// True if the last bytes ended inside a line.
    is_mid_line: bool,
    state: State,
    is_stuck: bool,
    pause: Pause,
    /// Cause of the pause: a full disk.
    refusal: Option<Errno>,
    /// Deadline for the reader during shutdown.
    end_by: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// Accepting lines.
    Taking,
    /// Full: input waits until this time.
    Full(Instant),
    /// Dropping lines until held bytes are written.
    Dropping(Dropped),
    /// Reader gone.
    Gone,
}

/// Dropped lines so far.
#[derive(Debug)]
struct Dropped {
    lines: usize,
    bytes: usize,
    /// Disk error; `None` for a slow reader.
    refusal: Option<Errno>,
    /// True if the last dropped byte was inside a line.
    is_mid_line: bool,
}

impl Dropped {
    fn tell(&self) {
        let failure = self.refusal.map(|errno| Failure::new(What::Write, STDOUT, errno));
        message::dropped(STDOUT, self.lines, self.bytes, failure.as_ref());
    }
}

impl Output {
    /// Inherited stdout. `is_used` is true if the script contains `1`.
    pub fn new(is_used: bool, buffers: Buffers, reporter: &Reporter) -> Output {
        let stdout = io::stdout();
        let held_max = buffers.handed_max();
        let piece_max = stdout::piece_max(&stdout, held_max);
        let mut output = Output {
            stdout,
            piece_max,
            held: reserved(buffers, if is_used { 2 * held_max } else { 0 }),
            held_max,
            last_action: 0,
            is_mid_line: false,
            state: State::Taking,
            is_stuck: false,
            pause: Pause::of(PAUSE, reporter),
            refusal: None,
            end_by: None,
        };
        if is_used && startup::was_closed(1) {
            output.lose(Errno::EBADF);
        }
        output
    }

    /// Adds line bytes from an action. First ends another action's unfinished line.
    pub fn add(&mut self, action: usize, bytes: &[u8]) {
        match &mut self.state {
            State::Gone => {}
            State::Dropping(dropped) => {
                dropped.lines += memchr::memchr_iter(b'\n', bytes).count();
                dropped.bytes += bytes.len();
                dropped.is_mid_line = !bytes.ends_with(b"\n");
            }
            State::Taking | State::Full(_) => {
                if self.is_mid_line && self.last_action != action {
                    self.held.push(b'\n');
                }
                self.held.extend_from_slice(bytes);
                self.last_action = action;
                self.is_mid_line = !bytes.ends_with(b"\n");
            }
        }
    }

    /// True if one line engine call's bytes can be added or dropped now.
    pub fn has_room(&mut self) -> bool {
        match self.state {
            State::Dropping(_) | State::Gone => return true,
            State::Taking | State::Full(_) if self.held.len() <= self.held_max => {
                self.state = State::Taking;
                return true;
            }
            State::Taking => self.state = State::Full(clock::instant() + PATIENCE),
            State::Full(until) if clock::instant() >= until => self.begin_dropping(),
            State::Full(_) => {}
        }
        matches!(self.state, State::Dropping(_))
    }

    fn begin_dropping(&mut self) {
        // A partial line stays, with a newline.
        if self.is_mid_line {
            self.held.push(b'\n');
        }
        let (refusal, is_mid_line) = (self.refusal, std::mem::take(&mut self.is_mid_line));
        self.state = State::Dropping(Dropped { lines: 0, bytes: 0, refusal, is_mid_line });
    }

    /// Writes until stdout is full.
    pub fn flush(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        let mut written = 0;
        self.is_stuck = false;
        while written < held.len() && self.pause.is_over() {
            if !poll::is_writable(&self.stdout) {
                self.is_stuck = true;
                break;
            }
            let piece = &held[written..held.len().min(written + self.piece_max)];
            match write(&self.stdout, piece) {
                Ok(len) => {
                    written += len;
                    self.pause.clear();
                    self.refusal = None;
                    // A reader that still reads receives the rest during shutdown.
                    self.end_by = None;
                }
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(errno @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG)) => {
                    self.pause.start(&Failure::new(What::Write, STDOUT, errno));
                    self.refusal = Some(errno);
                }
                Err(errno) => {
                    self.lose(errno);
                    return;
                }
            }
        }
        held.drain(..written);
        self.held = held;
        if self.held.is_empty() {
            self.tell_end();
        }
    }

    /// Resumes accepting lines after all held bytes are written; reports the obstacle.
    fn tell_end(&mut self) {
        match &self.state {
            State::Dropping(dropped) if !dropped.is_mid_line => {
                dropped.tell();
                self.pause.report_end(Work::WritingAfterGap, STDOUT);
                self.state = State::Taking;
            }
            State::Taking | State::Full(_) => self.pause.report_end(Work::Writing, STDOUT),
            State::Dropping(_) | State::Gone => {}
        }
    }

    /// Reports the vanished reader and continues without stdout.
    fn lose(&mut self, errno: Errno) {
        message::failed(&Failure::new(What::Write, STDOUT, errno));
        self.held = Vec::new();
        self.state = State::Gone;
        self.is_stuck = false;
    }

    /// Descriptor, if the loop must wait for room.
    pub fn stuck_fd(&self) -> Option<BorrowedFd<'_>> {
        self.is_stuck.then(|| self.stdout.as_fd())
    }

    /// Time of the next retry, or of giving up.
    pub fn deadline(&self) -> Option<Instant> {
        let full_until = match self.state {
            State::Full(until) => Some(until),
            State::Taking | State::Dropping(_) | State::Gone => None,
        };
        [full_until, self.pause.until(), self.end_by].into_iter().flatten().min()
    }

    /// True if shutdown may proceed: all bytes are written, or the reader's deadline has passed.
    pub fn has_ended(&mut self) -> bool {
        if !self.held.is_empty() {
            let end_by = *self.end_by.get_or_insert_with(|| clock::instant() + PATIENCE);
            if clock::instant() >= end_by {
                self.give_up();
            }
        }
        self.held.is_empty()
    }

    /// Reports unwritten lines at an immediate exit.
    pub fn give_up(&mut self) {
        if let State::Dropping(dropped) = &self.state {
            dropped.tell();
        }
        if !self.held.is_empty() {
            message::give_up(STDOUT, &self.held);
        }
        self.held = Vec::new();
        self.state = State::Gone;
        self.end_by = None;
    }
}
