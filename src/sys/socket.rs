//! TCP socket options absent from the standard library.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

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
