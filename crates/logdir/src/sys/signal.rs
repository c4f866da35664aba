//! What signals do to this process.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Gives a signal its default effect.
pub fn set_default(signal: Signal) {
    set(signal, SigHandler::SigDfl);
}

/// Ignores a signal.
pub fn ignore(signal: Signal) {
    set(signal, SigHandler::SigIgn);
}

fn set(signal: Signal, to: SigHandler) {
    let action = SigAction::new(to, SaFlags::empty(), SigSet::empty());
    // SAFETY: neither the default nor ignoring runs code of this process. The call cannot fail for the
    // signals used here (not KILL or STOP).
    let _ = unsafe { sigaction(signal, &action) };
}
