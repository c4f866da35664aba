//! The descriptor on which a supervisor waits for the word that a service is ready (s6's
//! `notification-fd`).

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

/// Takes the inherited descriptor, so that nothing else gets its number and no child inherits it.
/// Called before anything is opened: a number that was not inherited is an error then, and not one of our
/// own files.
pub fn take(fd: i32) -> Result<OwnedFd, Errno> {
    assert!(fd > 2);
    // SAFETY: the descriptor is only asked for and marked, which fails where it is not open.
    let inherited = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(inherited, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: it is open, and was inherited: nothing in this process owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
