//! A logger's signals, read through a descriptor instead of interrupting.

use crate::sys::startup;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};

/// Requests from signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// ALRM: finish every `current`.
    pub to_rotate: bool,
    /// USR1: print every log directory's state.
    pub to_report: bool,
    /// TERM, INT: end.
    pub to_end: bool,
    /// HUP: reload, or end if the program cannot reload.
    pub to_reload: bool,
}

impl Requests {
    /// True if a program that cannot reload must end.
    pub fn to_end_or_reload(self) -> bool {
        self.to_end || self.to_reload
    }
}

/// Signal descriptor. These signals stay blocked until the program exits.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Starts signal collection. TERM and ALRM are collected even if inherited as ignored, as in
    /// 0.76; HUP, INT and USR1, which kill 0.76, are collected unless inherited as ignored.
    pub fn collect() -> nix::Result<Signals> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGTERM);
        signals.add(Signal::SIGALRM);
        for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGUSR1] {
            if !startup::is_ignored(signal as i32) {
                signals.add(signal);
            }
        }
        signals.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Signals(SignalFd::with_flags(&signals, flags)?))
    }

    /// Requests since the last call.
    pub fn take(&self) -> Requests {
        let mut asked = Requests::default();
        while let Ok(Some(info)) = self.0.read_signal() {
            match Signal::try_from(info.ssi_signo as i32) {
                Ok(Signal::SIGALRM) => asked.to_rotate = true,
                Ok(Signal::SIGUSR1) => asked.to_report = true,
                Ok(Signal::SIGHUP) => asked.to_reload = true,
                Ok(_) | Err(_) => asked.to_end = true,
            }
        }
        asked
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
