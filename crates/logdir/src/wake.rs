//! Lets background threads interrupt an event loop's wait.

use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Shared by the event loop and background threads.
#[derive(Clone, Debug)]
pub struct Wake(Arc<EventFd>);

impl Wake {
    /// New eventfd. Errors: eventfd(2).
    pub fn new() -> nix::Result<Wake> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Wake(Arc::new(EventFd::from_value_and_flags(0, flags)?)))
    }

    /// Interrupts the loop's current or next wait.
    pub fn wake(&self) {
        // Fails only after 2^64 - 2 unread calls.
        let _ = self.0.write(1);
    }

    /// Clears earlier wake-ups.
    pub fn clear(&self) {
        // Fails only without pending wake-ups.
        let _ = self.0.read();
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
