//! A way for work beside the event loop to end the loop's wait.

use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Shared by the loop and by everything that works beside it.
#[derive(Clone, Debug)]
pub struct Wake(Arc<EventFd>);

impl Wake {
    /// A new one. The error is that of eventfd(2).
    pub fn new() -> nix::Result<Wake> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Wake(Arc::new(EventFd::from_value_and_flags(0, flags)?)))
    }

    /// Ends the present wait of the loop, or the next.
    pub fn wake(&self) {
        // It fails only where 2^64 - 2 calls were not heard yet.
        let _ = self.0.write(1);
    }

    /// Forgets the calls heard so far.
    pub fn clear(&self) {
        // It fails only where there are none.
        let _ = self.0.read();
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
