//! System calls without a safe wrapper in the standard library. All unsafe code of this crate is in
//! these files.

#![allow(unsafe_code)]

pub mod local_time;
pub mod memory;
pub mod signal;
pub mod spawn;
pub mod thread;

use nix::errno::Errno;

/// Repeats a call that a signal interrupted.
pub fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            answer => return answer,
        }
    }
}
