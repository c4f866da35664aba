//! Event loop: wait, read, run the script, flush. Only one place waits; no called function waits.

use crate::logger::grace::Grace;
use crate::logger::input::{Got, Input};
use crate::logger::sink::OpenSinks;
use crate::logger::stamps::Stamps;
use crate::message::{self, EXIT_FATAL, EXIT_OK};
use crate::poll::{Interest, Ready, Wait};
use crate::signals::Signals;
use crate::sys::startup;
use ::logdir::clock;
use ::logdir::failure::{Failure, What, reason};
use ::logdir::wake::Wake;
use ::logdir::write::Closed;
use nix::errno::Errno;
use script::lines::Lines;
use std::io::stderr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Limit for completing a line after a termination request. Prompts and progress bars never end
/// their line; s6-log has such a limit too.
const LINE_END_WAIT: Duration = Duration::from_secs(2);
/// Bytes of the last line read after that deadline, as long as the pipe has them ready. A progress bar
/// never ends its line.
const LATE_LEN_MAX: usize = 64 * 1024;

/// Event sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Signals,
    Wake,
    Input,
    Stderr,
    Stdout,
}

/// Number of sources.
const SOURCES: usize = 5;

/// Open resources of a running logger.
#[derive(Debug)]
pub struct Engine {
    /// Standard input.
    pub input: Input,
    /// Line engine.
    pub lines: Lines,
    /// Stamps.
    pub stamps: Stamps,
    /// Sinks.
    pub sinks: OpenSinks,
    /// Signals.
    pub signals: Signals,
    /// Wake-up for background work.
    pub wake: Wake,
    /// Bytes of the last line read after its deadline.
    pub late_len: usize,
}

/// Input phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Reads all input.
    Reading,
    /// Reads the line's remaining bytes singly until this time, because later bytes belong to the
    /// next logger.
    ToLineEnd { until: Instant },
    /// Reads nothing.
    Ending,
}

impl Phase {
    fn deadline(self) -> Option<Instant> {
        match self {
            Phase::ToLineEnd { until } => Some(until),
            Phase::Reading | Phase::Ending => None,
        }
    }
}

/// Reason for leaving the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Exits with this code.
    Exit(u8),
    /// stderr has no reader; SIGPIPE kills 0.76 then.
    BrokenPipe,
}

impl Engine {
    /// Logs lines until end of input or a termination signal; then finishes writing.
    pub fn run(mut self) -> Ended {
        let mut phase = Phase::Reading;
        let mut grace = None;
        let mut poll_failure = None;
        if self.input.is_unreadable() {
            warn_of_input(Errno::EBADF);
            phase = Phase::Ending;
        }
        loop {
            let are_taken = self.run_lines() && (phase != Phase::Ending || self.end_lines());
            if phase != Phase::Ending || !are_taken {
                self.sinks.flush();
            } else if let Some(closed) = self.sinks.close() {
                return self.ended(closed);
            }
            // A sink that gained room needs no further wait.
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
            let ready = self.wait(phase, are_taken, grace_end);
            poll_failure = match (ready.failure(), poll_failure) {
                (None, Some(errno)) => {
                    warn_of_poll(errno);
                    None
                }
                (failure, earlier) => failure.or(earlier),
            };
            // Signals can be read without waiting, even if poll(2) fails.
            if ready.has(Source::Signals) || ready.failure().is_some() {
                let asked = self.signals.take();
                if asked.to_rotate {
                    self.sinks.rotate();
                }
                if asked.to_report {
                    self.sinks.report(self.lines.counts());
                }
                if asked.to_end_or_reload() {
                    if phase != Phase::Reading && self.sinks.are_in_trouble() {
                        return self.give_up();
                    }
                    self.shorten_grace(&mut grace);
                    phase = self.phase_when_asked_to_end(phase);
                }
            }
            if ready.has(Source::Input) && phase != Phase::Ending {
                phase = self.read(phase);
            } else if are_taken && phase.deadline().is_some_and(|until| clock::instant() >= until) {
                phase = Phase::Ending;
            }
        }
    }

    /// Starts the processors' grace after a termination request; a second request ends the grace.
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

    /// Runs the script on the block while sinks have room. Returns false if input must wait.
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

    /// Gives an unfinished line its newline. False if the sinks lack room.
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
            Phase::ToLineEnd { .. } | Phase::Ending => self.input.read_byte(),
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
        let is_late = phase.deadline().is_some_and(|until| clock::instant() >= until);
        self.late_len += usize::from(is_late);
        match phase {
            Phase::Reading => phase,
            _ if self.input.is_mid_line() && self.late_len < LATE_LEN_MAX => phase,
            Phase::ToLineEnd { .. } | Phase::Ending => Phase::Ending,
        }
    }

    fn phase_to_end(&self) -> Phase {
        if self.input.is_mid_line() {
            Phase::ToLineEnd { until: clock::instant() + LINE_END_WAIT }
        } else {
            Phase::Ending
        }
    }

    /// The first request waits for the line's end; the second reads only what needs no wait.
    fn phase_when_asked_to_end(&self, phase: Phase) -> Phase {
        match phase {
            Phase::Reading => self.phase_to_end(),
            Phase::ToLineEnd { .. } => Phase::ToLineEnd { until: clock::instant() },
            Phase::Ending => Phase::Ending,
        }
    }

    /// Waits for the next event, at most until `latest`.
    fn wait(
        &self,
        phase: Phase,
        are_taken: bool,
        latest: Option<Instant>,
    ) -> Ready<Source, SOURCES> {
        let stderr = stderr();
        let mut wait: Wait<'_, Source, SOURCES> =
            Wait::on(Source::Signals, self.signals.as_fd(), Interest::Readable);
        match self.wake.fd() {
            Some(wake) => wait.add(Source::Wake, wake, Interest::Readable),
            None => wait.until(self.wake.is_called().then(clock::instant)),
        }
        if phase != Phase::Ending && are_taken {
            wait.add(Source::Input, self.input.as_fd(), Interest::Readable);
        }
        if self.sinks.wait_for_stderr() {
            wait.add(Source::Stderr, stderr.as_fd(), Interest::Writable);
        }
        if let Some(stdout) = self.sinks.stuck_stdout() {
            wait.add(Source::Stdout, stdout, Interest::Writable);
        }
        wait.until(self.sinks.deadline());
        wait.until(latest);
        // While sinks hold back input, the pipe may contain the line's end.
        wait.until(phase.deadline().filter(|_| are_taken));
        let ready = wait.wait();
        if ready.has(Source::Wake) || self.wake.fd().is_none() {
            self.wake.clear();
        }
        ready
    }

    /// Exits immediately. Data read but not yet delivered is lost, because stdin cannot take it
    /// back.
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

/// Printed after poll(2) recovers: messages need poll(2) too.
fn warn_of_poll(errno: Errno) {
    let reason = reason(&errno.into());
    let text = format!("unable to wait for input and signals for a while: {reason}");
    message::warn(text.as_bytes());
}

/// As in 0.76, unreadable input counts as ended; unlike 0.76, multilog prints a warning.
fn warn_of_input(errno: Errno) {
    message::failed(&Failure::new(What::Read, "standard input", errno));
}
