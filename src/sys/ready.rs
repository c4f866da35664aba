//! Readiness descriptor of a supervisor (s6's `notification-fd`).

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

/// Takes ownership of the inherited descriptor, so no other file reuses its number and no child
/// inherits it. Called before any file is opened: a number not inherited then causes an error
/// instead of naming a file opened by this program.
pub fn take(fd: i32) -> Result<OwnedFd, Errno> {
    assert!(fd > 2);
    // SAFETY: fcntl(2) only queries and flags the descriptor; on a closed descriptor it fails.
    let inherited = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(inherited, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: the descriptor is open and inherited: no object in this process owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
