//! Process state at start, recorded before Rust's runtime changes it.
//!
//! Rust opens `/dev/null` for each closed descriptor from 0 to 2, and ignores SIGPIPE. The first
//! change is useful (no log file can become descriptor 2) but must be known; the second is reverted
//! if a closed pipe kills the original.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Standard descriptors: input, output, error.
const STANDARD_FDS: usize = 3;

static CLOSED: [AtomicBool; STANDARD_FDS] = [const { AtomicBool::new(false) }; STANDARD_FDS];
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);

extern "C" fn record() {
    super::memory::check_before_main();
    for (fd, closed) in (0..).zip(&CLOSED) {
        // SAFETY: F_GETFD takes no pointer and has no side effect, even on a closed descriptor.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        // Any other error says nothing about the descriptor, and a closed input would end the logger.
        let is_bad = || io::Error::last_os_error().raw_os_error() == Some(libc::EBADF);
        closed.store(flags == -1 && is_bad(), Ordering::Relaxed);
    }
    PIPE_IGNORED.store(is_ignored(libc::SIGPIPE), Ordering::Relaxed);
}

/// Runs [`record`] before `main` and so before the standard library's own preparations.
// SAFETY: the loader calls each pointer of this section once, with the arguments of main, which a C
// function that takes none may be given; record uses nothing that the standard library sets up.
#[used]
#[unsafe(link_section = ".init_array")]
static RECORD: extern "C" fn() = record;

/// True if the descriptor (0 to 2) was closed at program start.
pub fn was_closed(fd: usize) -> bool {
    CLOSED[fd].load(Ordering::Relaxed)
}

/// True if SIGPIPE was ignored at program start.
pub fn was_pipe_ignored() -> bool {
    PIPE_IGNORED.load(Ordering::Relaxed)
}

/// True if the signal is ignored now.
pub fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null new action only queries; on success the kernel writes the old action
    // completely, and only then is it read.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Restores a signal's default action.
pub fn set_default(signal: Signal) {
    set(signal, SigHandler::SigDfl);
}

/// Ignores a signal.
pub fn ignore(signal: Signal) {
    set(signal, SigHandler::SigIgn);
}

fn set(signal: Signal, to: SigHandler) {
    let action = SigAction::new(to, SaFlags::empty(), SigSet::empty());
    // SAFETY: neither the default action nor ignoring runs code of this process. The call cannot
    // fail for the signals used here (KILL and STOP are not used).
    let _ = unsafe { sigaction(signal, &action) };
}

/// Restores SIGPIPE's disposition from program start.
pub fn restore_pipe_signal() {
    if !was_pipe_ignored() {
        set_default(Signal::SIGPIPE);
    }
}
