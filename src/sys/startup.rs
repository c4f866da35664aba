//! What the process was started with, recorded before the standard library changes it.
//!
//! Rust opens `/dev/null` for whichever of the descriptors 0 to 2 is closed, and ignores SIGPIPE.
//! The first is welcome (no file of ours can end up as descriptor 2) but has to be known, the second
//! has to be taken back where the original is killed by a closed pipe.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::sync::atomic::{AtomicBool, Ordering};

/// Standard descriptors: input, output, error.
const STANDARD_FDS: usize = 3;

static CLOSED: [AtomicBool; STANDARD_FDS] = [const { AtomicBool::new(false) }; STANDARD_FDS];
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);

extern "C" fn record() {
    for (fd, closed) in (0..).zip(&CLOSED) {
        // SAFETY: F_GETFD takes no pointer and changes nothing, whether the descriptor is open or not.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        closed.store(flags == -1, Ordering::Relaxed);
    }
    PIPE_IGNORED.store(is_ignored(libc::SIGPIPE), Ordering::Relaxed);
}

/// Runs [`record`] before `main` and so before the standard library's own preparations.
// SAFETY: the loader calls each pointer of this section once, with the arguments of main, which a C
// function that takes none may be given; record uses nothing that the standard library sets up.
#[used]
#[unsafe(link_section = ".init_array")]
static RECORD: extern "C" fn() = record;

/// Whether the descriptor (0 to 2) was closed when the program was started.
pub fn was_closed(fd: usize) -> bool {
    CLOSED[fd].load(Ordering::Relaxed)
}

/// Whether SIGPIPE was ignored when the program was started.
pub fn was_pipe_ignored() -> bool {
    PIPE_IGNORED.load(Ordering::Relaxed)
}

/// Whether the signal is ignored now.
pub fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null new action asks only; the old action is written in full when the call succeeds,
    // and read only then.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

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

/// Takes SIGPIPE back to what it was when the program was started.
pub fn restore_pipe_signal() {
    if !was_pipe_ignored() {
        set_default(Signal::SIGPIPE);
    }
}
