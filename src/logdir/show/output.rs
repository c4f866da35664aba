//! Output to stdout, or to a pager if a terminal's screen is too small.
//!
//! Up to a screenful is buffered before that decision. After SIGINT the buffered lines are still
//! printed.

use crate::logdir::show::pager::{self, Pager, Wanted};
use crate::stdout;
use crate::sys::startup;
use ::logdir::failure::Failure;
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use terminal_size::{Height, Width, terminal_size_of};

/// Buffer size for direct output.
const BLOCK_LEN: usize = 64 * 1024;
/// Assumed rows and columns if the terminal reports none.
const SCREEN: (usize, usize) = (24, 80);

pub enum Output {
    Direct,
    /// Undecided.
    Held(Screen),
    Paged(Pager),
}

/// Terminal output before the pager decision.
pub struct Screen {
    wanted: Wanted,
    rows: usize,
    columns: usize,
    /// `None` if SIGINT was ignored at start.
    interrupts: Option<SignalFd>,
    was_interrupted: bool,
}

impl Output {
    /// Buffers for a pager if the environment names one.
    pub fn with_pager() -> Output {
        let Some(wanted) = pager::wanted(|name| std::env::var_os(name)) else {
            return Output::Direct;
        };
        let size = terminal_size_of(std::io::stdout());
        let size = size.map(|(Width(columns), Height(rows))| (rows.into(), columns.into()));
        let (rows, columns) = size.filter(|&(rows, columns)| rows * columns > 0).unwrap_or(SCREEN);
        Output::Held(Screen {
            wanted,
            rows,
            columns,
            interrupts: collect_interrupts(),
            was_interrupted: false,
        })
    }

    /// Bytes that justify a [`Output::write`] call.
    pub fn block_len(&self) -> usize {
        match self {
            Output::Held(screen) => screen.rows * screen.columns,
            Output::Direct | Output::Paged(_) => BLOCK_LEN,
        }
    }

    /// True if these lines would stay buffered.
    pub fn holds(&self, lines: &[u8]) -> bool {
        match self {
            Output::Held(screen) => screen.fits(lines),
            Output::Direct | Output::Paged(_) => false,
        }
    }

    /// Writes `lines` and empties the buffer, except while undecided.
    pub fn write(&mut self, lines: &mut Vec<u8>) -> Result<(), Failure> {
        if self.holds(lines) {
            return Ok(());
        }
        if let Output::Held(screen) = self {
            // A pager inherits the blocked signals.
            release_interrupts();
            *self = Pager::start(&screen.wanted).map_or(Output::Direct, Output::Paged);
        }
        match self {
            Output::Held(_) | Output::Direct => stdout::write_out(lines),
            Output::Paged(pager) => {
                let written = pager.write(lines);
                lines.clear();
                written
            }
        }
    }

    /// Writes everything and waits for the pager. A pending SIGINT then kills this process.
    pub fn finish(&mut self, lines: &mut Vec<u8>) -> Result<(), Failure> {
        self.write(lines)?;
        let was_interrupted = self.was_interrupted();
        if let Output::Held(_) = self {
            release_interrupts();
        }
        *self = Output::Direct;
        let written = stdout::write_out(lines);
        if was_interrupted {
            let _ = raise(Signal::SIGINT);
        }
        written
    }

    /// True if SIGINT arrived during buffering.
    pub fn was_interrupted(&self) -> bool {
        matches!(self, Output::Held(Screen { was_interrupted: true, .. }))
    }

    /// True if the reader closed its end.
    pub fn is_over(&mut self) -> bool {
        match self {
            Output::Direct => false,
            Output::Held(screen) => screen.is_interrupted(),
            Output::Paged(pager) => pager.has_ended(),
        }
    }

    /// True while a pager owns the terminal.
    pub fn is_paged(&self) -> bool {
        matches!(self, Output::Paged(_))
    }
}

impl Screen {
    fn is_interrupted(&mut self) -> bool {
        let comes = |interrupts: &SignalFd| matches!(interrupts.read_signal(), Ok(Some(_)));
        self.was_interrupted |= self.interrupts.as_ref().is_some_and(comes);
        self.was_interrupted
    }

    /// True if these lines plus a shell prompt fit the screen.
    fn fits(&self, lines: &[u8]) -> bool {
        lines.len() <= self.rows * self.columns
            && memchr::memchr_iter(b'\n', lines).count() < self.rows
    }
}

/// Blocks SIGINT and reads it from a descriptor.
fn collect_interrupts() -> Option<SignalFd> {
    if startup::is_ignored(Signal::SIGINT as i32) {
        return None;
    }
    let mut interrupt = SigSet::empty();
    interrupt.add(Signal::SIGINT);
    let fd =
        SignalFd::with_flags(&interrupt, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).ok()?;
    interrupt.thread_block().ok()?;
    Some(fd)
}

/// Unblocks SIGINT.
fn release_interrupts() {
    let mut interrupt = SigSet::empty();
    interrupt.add(Signal::SIGINT);
    // If unblocking fails, SIGTERM still ends the program.
    let _ = interrupt.thread_unblock();
}
