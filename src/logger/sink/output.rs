//! Selected lines to stdout (multilog(8), `1`).
//!
//! Stdout is inherited and its reader is nobody we know: it is never made non-blocking, and the log
//! does not depend on it. It is written to when poll(2) says that there is room. A reader that is slow
//! holds back input for a moment; then lines for it are dropped, counted, until it has caught up. So
//! does a full disk, where stdout is a file. A reader that has gone is told of once.

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
use script::lines::HANDED_MAX;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How long input is held back for a reader that is slow.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// What is held at most before input is held back, in bytes.
const HELD_MAX: usize = HANDED_MAX;

const STDOUT: &[u8] = stdout::NAME.as_bytes();

/// Stdout, and the lines on their way to it.
#[derive(Debug)]
pub struct Output {
    stdout: io::Stdout,
    /// The longest piece that does not wait once poll(2) says that there is room, in bytes.
    piece_max: usize,
    /// Not written yet; at most [`HELD_MAX`] bytes and what one call of the line engine brings.
    held: Vec<u8>,
    /// The action that the last bytes taken came from.
    last_action: usize,
    /// Whether they ended within a line.
    is_mid_line: bool,
    state: State,
    is_stuck: bool,
    pause: Pause,
    /// Why there is a pause: the disk is full.
    refusal: Option<Errno>,
    /// How long the end waits for the reader, once it has come.
    end_by: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// Lines are taken.
    Taking,
    /// There is no room. Input is held back until this moment.
    Full(Instant),
    /// Lines are dropped until what is held is written.
    Dropping(Dropped),
    /// Nobody reads any more.
    Gone,
}

/// What was dropped so far.
#[derive(Debug)]
struct Dropped {
    lines: usize,
    bytes: usize,
    /// What the disk answered; nothing where the reader is slow.
    refusal: Option<Errno>,
    /// Whether the last byte dropped was within a line.
    is_mid_line: bool,
}

impl Dropped {
    fn tell(&self) {
        let failure = self.refusal.map(|errno| Failure::new(What::Write, STDOUT, errno));
        message::dropped(STDOUT, self.lines, self.bytes, failure.as_ref());
    }
}

impl Output {
    /// Stdout as it was inherited. `is_used` tells whether the script has a `1`.
    pub fn new(is_used: bool, reporter: &Reporter) -> Output {
        let stdout = io::stdout();
        let piece_max = stdout::piece_max(&stdout, HELD_MAX);
        let mut output = Output {
            stdout,
            piece_max,
            held: Vec::new(),
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

    /// Takes bytes of lines from an action of this number. A line that another action is in the middle
    /// of is ended first.
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

    /// Whether what one call of the line engine brings is taken, or dropped by now.
    pub fn has_room(&mut self) -> bool {
        match self.state {
            State::Dropping(_) | State::Gone => return true,
            State::Taking | State::Full(_) if self.held.len() <= HELD_MAX => {
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

    /// Writes until stdout has no room.
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
                    // Whoever reads something still gets the rest at the end.
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

    /// Goes back to taking lines where everything held is written, and tells what was in the way.
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

    /// Tells that nobody can be written to, and goes on without.
    fn lose(&mut self, errno: Errno) {
        message::failed(&Failure::new(What::Write, STDOUT, errno));
        self.held = Vec::new();
        self.state = State::Gone;
        self.is_stuck = false;
    }

    /// The descriptor, if the loop must wait for room.
    pub fn stuck_fd(&self) -> Option<BorrowedFd<'_>> {
        self.is_stuck.then(|| self.stdout.as_fd())
    }

    /// Time of the next try, or of giving up.
    pub fn deadline(&self) -> Option<Instant> {
        let full_until = match self.state {
            State::Full(until) => Some(until),
            State::Taking | State::Dropping(_) | State::Gone => None,
        };
        [full_until, self.pause.until(), self.end_by].into_iter().flatten().min()
    }

    /// Whether the end may come: everything is written, or the reader has had its time.
    pub fn has_ended(&mut self) -> bool {
        if !self.held.is_empty() {
            let end_by = *self.end_by.get_or_insert_with(|| clock::instant() + PATIENCE);
            if clock::instant() >= end_by {
                self.give_up();
            }
        }
        self.held.is_empty()
    }

    /// Tells what is not written when the program has to end now.
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
