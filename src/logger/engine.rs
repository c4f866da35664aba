//! The event loop: waits, reads, runs the lines through the script, flushes. It waits in one place
//! only, and nothing it calls waits.

mod grace;

use crate::logger::input::{Got, Input};
use crate::logger::sink::OpenSinks;
use crate::logger::stamps::Stamps;
use crate::message::{self, EXIT_FATAL, EXIT_OK};
use crate::poll::{Interest, Ready, Wait};
use crate::signals::Signals;
use crate::sys::startup;
use ::logdir::clock;
use ::logdir::failure::{Cause, Failure, What};
use ::logdir::wake::Wake;
use ::logdir::write::Closed;
use grace::Grace;
use nix::errno::Errno;
use script::lines::Lines;
use std::io::stderr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long a logger that was asked to end waits for the end of a line. A prompt and a progress bar never
/// end theirs; s6-log has such a limit, too.
const LINE_END_WAIT: Duration = Duration::from_secs(2);

/// What the loop waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Signals,
    Wake,
    Input,
    Stderr,
    Stdout,
}

/// How many sources there are.
const SOURCES: usize = 5;

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
    /// To the end of the line, byte by byte, since the next logger reads what follows. Until this moment.
    ToLineEnd { until: Instant },
    /// Nothing more.
    Ending,
}

impl Phase {
    /// The phase at this moment.
    fn at(self, now: Instant) -> Phase {
        match self {
            Phase::ToLineEnd { until } if now >= until => Phase::Ending,
            Phase::Reading | Phase::ToLineEnd { .. } | Phase::Ending => self,
        }
    }

    fn deadline(self) -> Option<Instant> {
        match self {
            Phase::ToLineEnd { until } => Some(until),
            Phase::Reading | Phase::Ending => None,
        }
    }
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The program exits with this code.
    Exit(u8),
    /// Nobody reads stderr; 0.76 is killed by SIGPIPE then.
    BrokenPipe,
}

impl Engine {
    /// Logs lines until the input ends or a signal asks to, and everything is written.
    pub fn run(mut self) -> Ended {
        let mut phase = Phase::Reading;
        let mut grace = None;
        let mut poll_failure = None;
        if self.input.is_unreadable() {
            warn_of_input(Errno::EBADF);
            phase = Phase::Ending;
        }
        loop {
            phase = phase.at(clock::instant());
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
            let ready = self.wait(phase, are_taken, grace_end);
            poll_failure = match (ready.failure(), poll_failure) {
                (None, Some(errno)) => {
                    warn_of_poll(errno);
                    None
                }
                (failure, earlier) => failure.or(earlier),
            };
            // Signals can be read without waiting, also where poll(2) fails.
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
        if self.input.is_mid_line() || phase == Phase::Reading { phase } else { Phase::Ending }
    }

    fn phase_to_end(&self) -> Phase {
        if self.input.is_mid_line() {
            Phase::ToLineEnd { until: clock::instant() + LINE_END_WAIT }
        } else {
            Phase::Ending
        }
    }

    /// The first request waits for the end of a line, the second does not.
    fn phase_when_asked_to_end(&self, phase: Phase) -> Phase {
        match phase {
            Phase::Reading => self.phase_to_end(),
            Phase::ToLineEnd { .. } | Phase::Ending => Phase::Ending,
        }
    }

    /// Waits for the next event, until `latest` at most.
    fn wait(
        &self,
        phase: Phase,
        are_taken: bool,
        latest: Option<Instant>,
    ) -> Ready<Source, SOURCES> {
        let stderr = stderr();
        let mut wait: Wait<'_, Source, SOURCES> =
            Wait::on(Source::Signals, self.signals.as_fd(), Interest::Readable);
        wait.add(Source::Wake, self.wake.as_fd(), Interest::Readable);
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
        wait.until(phase.deadline());
        let ready = wait.wait();
        if ready.has(Source::Wake) {
            self.wake.clear();
        }
        ready
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

/// Said when poll(2) works again: messages need it, too.
fn warn_of_poll(errno: Errno) {
    let reason = Cause::System(errno);
    let text = format!("unable to wait for input and signals for a while: {reason}");
    message::warn(text.as_bytes());
}

/// As in 0.76 input that cannot be read has ended; unlike it we say so.
fn warn_of_input(errno: Errno) {
    message::failed(&Failure::new(What::Read, "standard input", errno));
}
