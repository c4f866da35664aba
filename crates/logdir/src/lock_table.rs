//! Kernel table of file locks, `/proc/locks`: finds a file's locking process.
//!
//! A reader in a PID namespace, such as a container, sees no flock(2) and no record lock of processes
//! outside. It does see locks of open file descriptions, as our loggers take, but not their process.
//!
//! This module opens only the table and locks nothing. Files are identified by device and inode:
//! inode numbers often repeat across file systems.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::stat::{major, minor, stat};
use std::io;
use std::os::fd::AsFd;

/// Path of the table.
pub const LOCK_TABLE: &str = "/proc/locks";

/// Inode of the first PID namespace: PROC_PID_INIT_INO of Linux, the same since 3.8.
pub const FIRST_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Inode of this process's PID namespace; `None` without `/proc`.
pub fn own_namespace() -> Option<u64> {
    stat("/proc/self/ns/pid").ok().map(|stat| stat.st_ino)
}

/// File identity in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Major device number.
    pub major: u64,
    /// Minor device number.
    pub minor: u64,
    /// Inode number.
    pub inode: u64,
}

/// Owner of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Process ID.
    Process(i32),
    /// Process not named by the kernel: the lock belongs to an open file description.
    Unnamed,
}

impl Holder {
    /// Process ID, if the kernel names it.
    pub fn pid(self) -> Option<i32> {
        match self {
            Holder::Process(pid) => Some(pid),
            Holder::Unnamed => None,
        }
    }
}

impl Identity {
    /// Identity from stat(2)'s device and inode.
    pub fn of(device: u64, inode: u64) -> Identity {
        Identity { major: major(device), minor: minor(device), inode }
    }
}

/// Process locking a file, if any: by flock(2), as daemontools and svlogd do, or by a record lock,
/// as s6-log does.
///
/// # Errors
/// Failed read of the table.
pub fn holder(file: Identity) -> io::Result<Option<Holder>> {
    std::fs::read_to_string(LOCK_TABLE).map(|table| find_holder(&table, file))
}

/// True if another process has a record lock on an open file, in whatever PID namespace it runs.
/// Our loggers and s6-log take record locks; flock(2) has no such test.
///
/// # Errors
/// The file system has no record locks.
pub fn has_record_lock(file: impl AsFd) -> Result<bool, Errno> {
    let mut lock = record_lock();
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock))?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// Write lock on a whole file.
pub fn record_lock() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Finds the holder in a table with lines such as `1: FLOCK  ADVISORY  WRITE 2011 fe:00:10010700 0
/// EOF`.
fn find_holder(table: &str, file: Identity) -> Option<Holder> {
    let locks = || table.lines().filter_map(parse_lock);
    // btrfs, overlayfs and other file systems without their own device return a different device
    // from stat(2) than the table shows. For those files the inode alone decides, but only if the
    // right device is missing from the table.
    let same = |locked: &Identity| *locked == file;
    let similar =
        |locked: &Identity| locked.major == 0 && file.major == 0 && locked.inode == file.inode;
    let find = |is_it: &dyn Fn(&Identity) -> bool| {
        let held: Vec<Holder> =
            locks().filter(|(_, locked)| is_it(locked)).map(|(holder, _)| holder).collect();
        held.iter().find(|holder| holder.pid().is_some()).or(held.first()).copied()
    };
    find(&same).or_else(|| find(&similar))
}

/// Holder and file in a table line. A process waiting for a lock has `->` before the kind and holds
/// nothing.
fn parse_lock(line: &str) -> Option<(Holder, Identity)> {
    let mut words = line.split_whitespace().skip(1);
    if !["FLOCK", "POSIX", "OFDLCK"].contains(&words.next()?) {
        return None;
    }
    let mut words = words.skip(2);
    let pid = words.next()?.parse().ok().filter(|&pid: &i32| pid > 0);
    let mut parts = words.next()?.split(':');
    let major = u64::from_str_radix(parts.next()?, 16).ok()?;
    let minor = u64::from_str_radix(parts.next()?, 16).ok()?;
    let inode = parts.next()?.parse().ok()?;
    Some((pid.map_or(Holder::Unnamed, Holder::Process), Identity { major, minor, inode }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "1: POSIX  ADVISORY  WRITE 7 fe:00:42 0 EOF\n\
                         2: FLOCK  ADVISORY  WRITE 2011 fe:01:42 0 EOF\n\
                         2: -> FLOCK  ADVISORY  WRITE 2012 fe:01:43 0 EOF\n\
                         3: OFDLCK ADVISORY  WRITE -1 08:10:44 0 EOF\n\
                         4: OFDLCK ADVISORY  WRITE -1 08:10:45 0 EOF\n\
                         5: FLOCK  ADVISORY  WRITE 99 08:10:45 0 EOF\n\
                         6: LEASE  ACTIVE    READ 5 08:10:46 0 EOF\n\
                         7: FLOCK  ADVISORY  WRITE 31 00:2b:47 0 EOF\n\
                         8: FLOCK  ADVISORY  WRITE 61 00:41:2 0 EOF\n\
                         9: FLOCK  ADVISORY  WRITE 62 00:42:2 0 EOF\n";

    #[track_caller]
    fn check(major: u64, minor: u64, inode: u64, expected: Option<Holder>) {
        assert_eq!(find_holder(TABLE, Identity { major, minor, inode }), expected);
    }

    #[test]
    fn the_holder_of_a_lock_is_found_by_device_and_inode() {
        check(0xfe, 0, 42, Some(Holder::Process(7)));
        check(0xfe, 1, 42, Some(Holder::Process(2011)));
        check(0xfe, 2, 42, None);
        check(0xfe, 1, 43, None);
        check(8, 16, 44, Some(Holder::Unnamed));
        check(8, 16, 45, Some(Holder::Process(99)));
        check(8, 16, 46, None);
        assert_eq!(find_holder("", Identity { major: 1, minor: 1, inode: 1 }), None);
    }

    #[test]
    fn two_file_systems_in_memory_are_told_apart() {
        check(0, 0x41, 2, Some(Holder::Process(61)));
        check(0, 0x42, 2, Some(Holder::Process(62)));
        // stat(2) returned a device missing from the table, and neither device is hardware.
        check(0, 0x1f, 47, Some(Holder::Process(31)));
        check(8, 0, 47, None);
    }
}
