//! Sockets beyond the standard library: TCP options, and sockets opened by the starting program.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Acknowledges received data immediately, until the kernel decides otherwise (tcp(7)). A peer that
/// writes small pieces without TCP_NODELAY waits for acknowledgements.
pub fn acknowledge_quickly(socket: &TcpStream) {
    let on: libc::c_int = 1;
    let len = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or_default();
    // SAFETY: the option takes one int, which lives until the call returns. A failed call only delays
    // acknowledgements.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_QUICKACK,
            (&raw const on).cast(),
            len,
        );
    }
}

/// Written bytes not yet acknowledged by the peer's kernel (SIOCOUTQ, tcp(7)).
pub fn unconfirmed_bytes(socket: &TcpStream) -> io::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: the request writes one int.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    if answer == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(usize::try_from(count).unwrap_or(0))
    }
}

/// Takes a descriptor that the starting program opened; programs started later do not inherit it.
///
/// Callers take each number once, before they open anything themselves: another owner of the number would close
/// it too.
///
/// # Errors
/// No descriptor with this number is open.
pub fn take_inherited(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_SETFD takes an int and touches no memory; it fails for a number that is not open.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the number is open, and by the contract above nothing else in this process owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
