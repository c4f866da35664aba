//! Lock of a log directory: a single writer, shared with the other loggers of the family.
//!
//! Daemontools, svlogd and setlock use flock on the file `lock`, s6-log a record lock. Neither lock
//! excludes the other, so we take both. Our record lock is an open file description lock: closing
//! another descriptor of the file does not release it. Closing this file releases both locks,
//! without an unlock call that could fail.

use crate::disk::{Dir, For};
use crate::failure::{Failure, What, errno_of};
use crate::format::{LOCK, MODE_PRIVATE};
use crate::lock_table::{self, Holder, Identity};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

/// Pause between two attempts to take a lock that another process holds.
const TRY_EVERY: Duration = Duration::from_millis(5);

/// Both locks, released on drop.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes both locks. `name` is the directory as given by the user; a lock that another process holds is
    /// retried for `patience`, and with no patience without a sleep.
    ///
    /// # Errors
    /// Another process keeps a lock, or a lock call fails.
    pub fn take(dir: &Dir, name: &[u8], patience: Duration) -> Result<Lock, Failure> {
        let failure = |errno| Failure::new(What::Lock, name, errno);
        let file = dir.open(LOCK, For::Appending(MODE_PRIVATE)).map_err(failure)?;
        let (device, inode) = file.stat().map_err(failure)?.identity;
        let file = File::from(OwnedFd::from(file));
        let mut tries_left = patience.as_millis() / TRY_EVERY.as_millis();
        loop {
            match try_both(&file, Identity::of(device, inode)).map_err(failure)? {
                None => return Ok(Lock { _file: file }),
                Some(holder) if tries_left == 0 => return Err(Failure::in_use(name, holder.pid())),
                Some(_) => {
                    tries_left -= 1;
                    thread::sleep(TRY_EVERY);
                }
            }
        }
    }
}

/// Tries both locks; returns a holder, if any.
fn try_both(file: &File, identity: Identity) -> Result<Option<Holder>, Errno> {
    if !try_flock(file)? {
        let holder = lock_table::holder(identity).ok().flatten();
        return Ok(Some(holder.unwrap_or(Holder::Unnamed)));
    }
    let mut whole_file = lock_table::record_lock();
    loop {
        match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&whole_file)) {
            Ok(_) => return Ok(None),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => {
                let asked = fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut whole_file));
                let pid = asked.ok().map(|_| whole_file.l_pid).filter(|&pid| pid > 0);
                return Ok(Some(pid.map_or(Holder::Unnamed, Holder::Process)));
            }
            // Without record locks, s6-log cannot use this file system either.
            Err(Errno::EINVAL | Errno::ENOLCK | Errno::EOPNOTSUPP) => return Ok(None),
            Err(errno) => return Err(errno),
        }
    }
}

/// Tries flock without waiting.
fn try_flock(file: &File) -> Result<bool, Errno> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => {
                return Err(errno_of(&error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::LOCK_PATIENCE;
    use std::time::Instant;

    /// A killed logger's child may hold the lock briefly.
    #[test]
    fn a_lock_that_is_given_up_after_a_moment_is_taken() {
        let _alone = crate::faults::alone();
        let home = tempfile::tempdir().unwrap();
        let path = std::ffi::OsString::from(home.path());
        let dir = Dir::start().unwrap().open_dir(&path).unwrap();
        let first = Lock::take(&dir, b"d", LOCK_PATIENCE).unwrap();
        let begin = Instant::now();
        let giver = thread::spawn(move || {
            thread::sleep(TRY_EVERY * 4);
            drop(first);
        });
        let second = Lock::take(&dir, b"d", LOCK_PATIENCE);
        assert!(second.is_ok() && begin.elapsed() >= TRY_EVERY * 4, "{second:?}");
        giver.join().unwrap();
        let refused = Lock::take(&dir, b"d", Duration::ZERO).unwrap_err().to_string();
        let reason = format!("already in use by process {} (", std::process::id());
        assert!(refused.starts_with(&format!("unable to lock directory d: {reason}")), "{refused}");
    }
}
