//! Lets background threads interrupt an event loop's wait.

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::dup;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Shared by the event loop and background threads.
///
/// Without a descriptor no thread can interrupt the wait, so none is started, and the loop does all
/// work. It must look at [`Wake::is_called`] before each wait.
#[derive(Clone, Debug)]
pub struct Wake(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    fd: OnceLock<EventFd>,
    is_called: AtomicBool,
}

impl Wake {
    /// New eventfd. Errors: eventfd(2).
    pub fn new() -> nix::Result<Wake> {
        Ok(Wake(Arc::new(Shared { fd: eventfd()?.into(), is_called: AtomicBool::new(false) })))
    }

    /// No descriptor so far.
    pub fn without_fd() -> Wake {
        Wake(Arc::default())
    }

    /// Opens the eventfd if `spare_count` more descriptors can be opened afterwards. At the limit of
    /// open files a rotation needs these more than a thread does.
    ///
    /// # Errors
    /// eventfd(2) fails for another reason than the number of open files.
    pub fn open_with_spare(&self, spare_count: usize, any: impl AsFd) -> nix::Result<()> {
        let fd = match eventfd() {
            Ok(fd) => fd,
            Err(Errno::EMFILE | Errno::ENFILE) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let spare: nix::Result<Vec<OwnedFd>> = (0..spare_count).map(|_| dup(&any)).collect();
        if spare.is_ok() {
            let _ = self.0.fd.set(fd);
        }
        Ok(())
    }

    /// Descriptor to poll; `None` without an eventfd.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.fd.get().map(AsFd::as_fd)
    }

    /// Interrupts the loop's current or next wait.
    pub fn wake(&self) {
        self.0.is_called.store(true, Ordering::Release);
        if let Some(fd) = self.0.fd.get() {
            // Fails only after 2^64 - 2 unread calls.
            let _ = fd.write(1);
        }
    }

    /// True after `wake`, until `clear`.
    pub fn is_called(&self) -> bool {
        self.0.is_called.load(Ordering::Acquire)
    }

    /// Clears earlier wake-ups.
    pub fn clear(&self) {
        self.0.is_called.store(false, Ordering::Release);
        if let Some(fd) = self.0.fd.get() {
            // Fails only without pending wake-ups.
            let _ = fd.read();
        }
    }
}

fn eventfd() -> nix::Result<EventFd> {
    EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
}
