//! The lock of a log directory: one writer at a time, whichever logger of the family it is.
//!
//! Daemontools, svlogd and setlock take an flock on the file `lock`, s6-log a record lock; the two do
//! not see each other, so both are taken. The record lock is bound to the open file, not to the
//! process, and is so kept whatever else this process opens and closes.

use crate::disk::{Dir, For};
use crate::failure::{Failure, What};
use crate::format::{LOCK, MODE_PRIVATE};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use std::os::fd::{AsFd, OwnedFd};

/// Both locks, held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    _flock: Flock<OwnedFd>,
}

impl Lock {
    /// Takes both locks of the directory without waiting. `name` is the directory as the user
    /// named it.
    pub fn take(dir: &Dir, name: &[u8]) -> Result<Lock, Failure> {
        let failure = |errno| Failure::new(What::Lock, name, errno);
        let file = dir.open(LOCK, For::Appending(MODE_PRIVATE)).map_err(failure)?;
        let inode = file.stat().map_err(failure)?.identity.1;
        let flock = match Flock::lock(OwnedFd::from(file), FlockArg::LockExclusiveNonblock) {
            Ok(flock) => flock,
            Err((_, Errno::EAGAIN)) => return Err(Failure::in_use(name, flock_holder(inode))),
            Err((_, errno)) => return Err(failure(errno)),
        };
        let mut whole_file = record_lock();
        match fcntl(flock.as_fd(), FcntlArg::F_OFD_SETLK(&whole_file)) {
            Ok(_) => Ok(Lock { _flock: flock }),
            Err(Errno::EAGAIN | Errno::EACCES) => {
                let asked = fcntl(flock.as_fd(), FcntlArg::F_OFD_GETLK(&mut whole_file));
                let holder = asked.ok().map(|_| whole_file.l_pid).filter(|&pid| pid > 0);
                Err(Failure::in_use(name, holder))
            }
            // A file system without record locks cannot be in use by s6-log either.
            Err(Errno::EINVAL | Errno::ENOLCK | Errno::EOPNOTSUPP) => Ok(Lock { _flock: flock }),
            Err(errno) => Err(failure(errno)),
        }
    }
}

/// A write lock on a file from its beginning to its end.
fn record_lock() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Whoever holds an flock on the file, by the kernel's table of locks, which has lines such as
/// `1: FLOCK  ADVISORY  WRITE 2011 fe:00:10010700 0 EOF`.
fn flock_holder(inode: u64) -> Option<i32> {
    find_flock(&std::fs::read_to_string("/proc/locks").ok()?, inode)
}

fn find_flock(table: &str, inode: u64) -> Option<i32> {
    table.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|&word| word != "FLOCK").skip(3);
        let pid = words.next()?.parse().ok().filter(|&pid| pid > 0)?;
        let file = words.next()?;
        (file.rsplit(':').next()?.parse() == Ok(inode)).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::find_flock;

    #[test]
    fn the_holder_of_an_flock_is_found_by_inode() {
        let table = "1: POSIX  ADVISORY  WRITE 7 fe:00:42 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 2011 fe:00:42 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 2012 fe:00:42 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 0 fe:00:43 0 EOF\n";
        assert_eq!(find_flock(table, 42), Some(2011));
        assert_eq!(find_flock(table, 43), None);
        assert_eq!(find_flock(table, 44), None);
        assert_eq!(find_flock("", 42), None);
    }
}
