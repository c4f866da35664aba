//! Where lines go: to standard output, or, where that is a terminal and they do not fit its screen, to a
//! pager.
//!
//! Up to a screen of lines is held back until it is known which. Whoever ends that with INT gets to see
//! what was found.

use crate::logdir::show::pager::{self, Pager, Wanted};
use crate::stdout;
use crate::sys::startup;
use ::logdir::failure::Failure;
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use terminal_size::{Height, Width, terminal_size_of};

/// Bytes that are not kept for the next line, where they are not held back.
const BLOCK_LEN: usize = 64 * 1024;
/// The screen of a terminal that does not tell: rows and columns.
const SCREEN: (usize, usize) = (24, 80);

/// Where lines go.
pub enum Output {
    /// To standard output.
    Direct,
    /// Nowhere yet.
    Held(Screen),
    /// To a pager.
    Paged(Pager),
}

/// A terminal that may need a pager.
pub struct Screen {
    wanted: Wanted,
    rows: usize,
    columns: usize,
    /// None where INT was ignored.
    interrupts: Option<SignalFd>,
    was_interrupted: bool,
}

impl Output {
    /// To a pager if need be, and if the environment wants one.
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

    /// How many bytes are worth a call of [`Output::write`].
    pub fn block_len(&self) -> usize {
        match self {
            Output::Held(screen) => screen.rows * screen.columns,
            Output::Direct | Output::Paged(_) => BLOCK_LEN,
        }
    }

    /// Whether these lines would stay where they are.
    pub fn holds(&self, lines: &[u8]) -> bool {
        match self {
            Output::Held(screen) => screen.fits(lines),
            Output::Direct | Output::Paged(_) => false,
        }
    }

    /// Writes the lines and empties them, unless they are held back.
    pub fn write(&mut self, lines: &mut Vec<u8>) -> Result<(), Failure> {
        if self.holds(lines) {
            return Ok(());
        }
        if let Output::Held(screen) = self {
            // The pager inherits what is blocked.
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

    /// Writes all of it, and waits until it was seen. Where INT has come, it kills us after that.
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

    /// Whether INT has come while lines were held back.
    pub fn was_interrupted(&self) -> bool {
        matches!(self, Output::Held(Screen { was_interrupted: true, .. }))
    }

    /// Whether nobody wants more.
    pub fn is_over(&mut self) -> bool {
        match self {
            Output::Direct => false,
            Output::Held(screen) => screen.is_interrupted(),
            Output::Paged(pager) => pager.has_ended(),
        }
    }

    /// Whether a pager has the terminal.
    pub fn is_paged(&self) -> bool {
        matches!(self, Output::Paged(_))
    }
}

impl Screen {
    /// Whether INT has come.
    fn is_interrupted(&mut self) -> bool {
        let comes = |interrupts: &SignalFd| matches!(interrupts.read_signal(), Ok(Some(_)));
        self.was_interrupted |= self.interrupts.as_ref().is_some_and(comes);
        self.was_interrupted
    }

    /// Whether there is room for these lines and that of the next command.
    fn fits(&self, lines: &[u8]) -> bool {
        lines.len() <= self.rows * self.columns
            && memchr::memchr_iter(b'\n', lines).count() < self.rows
    }
}

/// Has INT read instead of killing us.
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

/// Lets INT kill us again.
fn release_interrupts() {
    let mut interrupt = SigSet::empty();
    interrupt.add(Signal::SIGINT);
    // Should it fail, TERM does what INT would.
    let _ = interrupt.thread_unblock();
}
