//! The event loop: waits, reads, runs the lines through the script, flushes. It waits in one place
//! only, and nothing it calls waits.

mod grace;

use crate::logger::input::{Got, Input};
use crate::logger::sink::OpenSinks;
use crate::logger::stamps::Stamps;
use crate::message::{self, EXIT_FATAL, EXIT_OK};
use crate::signals::Signals;
use crate::sys::startup;
use ::logdir::clock;
use ::logdir::failure::{Failure, What};
use ::logdir::wake::Wake;
use ::logdir::write::Closed;
use grace::Grace;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use script::lines::Lines;
use std::array::from_fn;
use std::io::stderr;
use std::os::fd::AsFd;
use std::time::Instant;

/// The most descriptors waited for at once: signals, wake, standard input, error and output.
const WAITED_MAX: usize = 5;

/// Everything that is open while lines are logged.
#[derive(Debug)]
pub struct Engine {
    /// Standard input.
    pub input: Input,
    /// The line engine of the script.
    pub lines: Lines,
    /// The stamps of the script.
    pub stamps: Stamps,
    /// The sinks of the script.
    pub sinks: OpenSinks,
    /// The signals that are answered.
    pub signals: Signals,
    /// What calls when work beside the loop is done.
    pub wake: Wake,
}

/// What the loop reads of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// All there is.
    Reading,
    /// To the end of the line, byte by byte: whatever follows is for the next logger.
    ToLineEnd,
    /// Nothing more.
    Ending,
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The program exits with this code.
    Exit(u8),
    /// Nobody reads stderr; 0.76 is killed by SIGPIPE then.
    BrokenPipe,
}

/// What a wait brought.
#[derive(Clone, Copy, Debug)]
struct Events {
    input: bool,
    signals: bool,
}

impl Engine {
    /// Logs lines until the input ends or a signal asks to, and everything is written.
    pub fn run(mut self) -> Ended {
        let mut phase = Phase::Reading;
        let mut grace = None;
        if self.input.is_unreadable() {
            warn_of_input(nix::errno::Errno::EBADF);
            phase = Phase::Ending;
        }
        loop {
            let are_taken = self.run_lines() && (phase != Phase::Ending || self.end_lines());
            if phase != Phase::Ending || !are_taken {
                self.sinks.flush();
            } else if let Some(closed) = self.sinks.close() {
                return self.ended(closed);
            }
            // A sink that found room just now has nothing left to wait for.
            if !are_taken && self.sinks.have_room() {
                continue;
            }
            if phase == Phase::Reading && self.is_broken_pipe() {
                phase = self.phase_to_end();
                continue;
            }
            if let Some(signal) =
                grace.as_mut().and_then(|grace: &mut Grace| grace.due(clock::instant()))
            {
                self.sinks.stop_processors(signal);
            }
            let grace_end = grace.as_ref().and_then(Grace::deadline);
            let events = self.wait(phase != Phase::Ending && are_taken, grace_end);
            if events.signals {
                let asked = self.signals.take();
                if asked.to_rotate {
                    self.sinks.rotate();
                }
                if asked.to_tell {
                    self.sinks.tell(self.lines.counts());
                }
                if asked.to_end {
                    if phase != Phase::Reading && self.sinks.are_in_trouble() {
                        return self.give_up();
                    }
                    self.shorten_grace(&mut grace);
                    phase = self.phase_to_end();
                }
            }
            if events.input && phase != Phase::Ending {
                phase = self.read(phase);
            }
        }
    }

    /// Asked to end: processors have their grace, and lose it when it is asked again.
    fn shorten_grace(&self, grace: &mut Option<Grace>) {
        match grace {
            None => *grace = Some(Grace::begin(clock::instant())),
            Some(grace) => {
                if let Some(signal) = grace.escalate(clock::instant()) {
                    self.sinks.stop_processors(signal);
                }
            }
        }
    }

    /// Gives the block to the script as far as the sinks have room. False when input is held back.
    fn run_lines(&mut self) -> bool {
        while !self.input.block().is_empty() {
            if !self.sinks.have_room() {
                return false;
            }
            match self.stamps.take(&mut self.lines, self.input.block(), &mut self.sinks) {
                0 => break,
                taken => self.input.consume(taken),
            }
        }
        true
    }

    /// Ends a line that has no newline, if there is one. False where the sinks have no room for it.
    fn end_lines(&mut self) -> bool {
        if self.lines.is_in_line(self.input.block()) {
            if !self.sinks.have_room() {
                return false;
            }
            self.stamps.end(&mut self.lines, self.input.block(), &mut self.sinks);
            self.input.consume(self.input.block().len());
        }
        true
    }

    fn read(&mut self, phase: Phase) -> Phase {
        let got = match phase {
            Phase::Reading => self.input.read(),
            Phase::ToLineEnd | Phase::Ending => self.input.read_byte(),
        };
        match got {
            Got::Bytes => self.stamps.set_clock(clock::now()),
            Got::Nothing => {}
            Got::End => return Phase::Ending,
            Got::Failed(errno) => {
                warn_of_input(errno);
                return Phase::Ending;
            }
        }
        if phase == Phase::Reading { phase } else { self.phase_to_end() }
    }

    fn phase_to_end(&self) -> Phase {
        if self.input.is_mid_line() { Phase::ToLineEnd } else { Phase::Ending }
    }

    /// Waits for something to do, at most until `latest`.
    fn wait(&self, for_input: bool, latest: Option<Instant>) -> Events {
        let stderr = stderr();
        // On the stack: to allocate them took a fifth of the way of a line through the program.
        let mut fds: [PollFd<'_>; WAITED_MAX] =
            from_fn(|_| PollFd::new(self.signals.as_fd(), PollFlags::POLLIN));
        let mut count = 1;
        let mut add = |fd, flags| {
            fds[count] = PollFd::new(fd, flags);
            count += 1;
        };
        add(self.wake.as_fd(), PollFlags::POLLIN);
        if for_input {
            add(self.input.as_fd(), PollFlags::POLLIN);
        }
        if self.sinks.wait_for_stderr() {
            add(stderr.as_fd(), PollFlags::POLLOUT);
        }
        if let Some(stdout) = self.sinks.stuck_stdout() {
            add(stdout, PollFlags::POLLOUT);
        }
        // An error leaves nothing ready, and the loop comes back here.
        let _ = poll(&mut fds[..count], self.timeout(latest));
        let is_ready = |number: usize| fds[number].any().unwrap_or(true);
        if is_ready(1) {
            self.wake.clear();
        }
        Events { signals: is_ready(0), input: for_input && is_ready(2) }
    }

    fn timeout(&self, latest: Option<Instant>) -> PollTimeout {
        let deadline = self.sinks.deadline().into_iter().chain(latest).min();
        let Some(deadline) = deadline else { return PollTimeout::NONE };
        // A millisecond more, so as not to wake before it.
        let millis = deadline.saturating_duration_since(Instant::now()).as_millis() + 1;
        PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
    }

    /// Ends at once. What was read and not taken is lost too, since it cannot be given back.
    fn give_up(mut self) -> Ended {
        self.sinks.give_up();
        if !self.input.block().is_empty() {
            message::give_up(b"standard input", self.input.block());
        }
        Ended::Exit(EXIT_FATAL)
    }

    fn is_broken_pipe(&self) -> bool {
        self.sinks.lost_stderr() && !startup::was_pipe_ignored()
    }

    fn ended(&self, closed: Closed) -> Ended {
        match closed {
            _ if self.is_broken_pipe() => Ended::BrokenPipe,
            Closed::Clean => Ended::Exit(EXIT_OK),
            Closed::Unsynced => Ended::Exit(EXIT_FATAL),
        }
    }
}

/// As in 0.76 input that cannot be read has ended; unlike it we say so.
fn warn_of_input(errno: nix::errno::Errno) {
    message::failed(&Failure::new(What::Read, "standard input", errno));
}
