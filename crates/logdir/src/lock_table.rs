//! The kernel's table of file locks, `/proc/locks`: which process has a file locked.
//!
//! Nothing is locked or opened here but the table. A file is known by its device and inode: two file systems
//! often use the same inode numbers.

use nix::sys::stat::{major, minor};
use std::io;

/// The table.
pub const LOCK_TABLE: &str = "/proc/locks";

/// A file as the table names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The first number of the device.
    pub major: u64,
    /// The second number of the device.
    pub minor: u64,
    /// The inode.
    pub inode: u64,
}

/// A process that holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The process with this number.
    Process(i32),
    /// A process that the kernel does not name: the lock belongs to an open file.
    Unnamed,
}

impl Holder {
    /// The number of the process, if the kernel names it.
    pub fn pid(self) -> Option<i32> {
        match self {
            Holder::Process(pid) => Some(pid),
            Holder::Unnamed => None,
        }
    }
}

impl Identity {
    /// A file by the device and inode that stat(2) returns.
    pub fn of(device: u64, inode: u64) -> Identity {
        Identity { major: major(device), minor: minor(device), inode }
    }
}

/// The process that has the file locked, if any: by flock(2), as daemontools and svlogd do, or by a record
/// lock, as s6-log does.
///
/// # Errors
/// The table cannot be read.
pub fn holder(file: Identity) -> io::Result<Option<Holder>> {
    std::fs::read_to_string(LOCK_TABLE).map(|table| find_holder(&table, file))
}

/// The holder by a table with lines such as `1: FLOCK  ADVISORY  WRITE 2011 fe:00:10010700 0 EOF`.
fn find_holder(table: &str, file: Identity) -> Option<Holder> {
    let locks = || table.lines().filter_map(parse_lock);
    // btrfs, overlayfs and others without a device of their own return another device from stat(2) than the
    // table has. For them the inode alone decides, but only if the right device is not in the table.
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

/// The holder and the file of a line of the table. A process that waits for a lock has `->` before the kind
/// and holds nothing.
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
        // stat(2) returned a device that the table does not have, and neither is one of hardware.
        check(0, 0x1f, 47, Some(Holder::Process(31)));
        check(8, 0, 47, None);
    }
}
