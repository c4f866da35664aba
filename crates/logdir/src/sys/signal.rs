//! Signal dispositions of this process.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Restores a signal's default effect.
pub fn set_default(signal: Signal) {
    set(signal, SigHandler::SigDfl);
}

/// Ignores a signal.
pub fn ignore(signal: Signal) {
    set(signal, SigHandler::SigIgn);
}

fn set(signal: Signal, to: SigHandler) {
    let action = SigAction::new(to, SaFlags::empty(), SigSet::empty());
    // SAFETY: neither default nor ignoring runs code of this process. The call cannot fail for
    // signals used here (not KILL or STOP).
    let _ = unsafe { sigaction(signal, &action) };
}
