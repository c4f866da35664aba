//! Who writes a directory, told without disturbing whoever does.
//!
//! Trying the lock would make a logger fail that starts at that moment, so `lock` is never opened: the
//! kernel's table of locks tells who has it. What it does not tell, the mode of `current` does.

use crate::failure::{Failure, What};
use crate::format::{CURRENT, LOCK, PREVIOUS, is_complete};
use crate::read::find::Location;
use crate::read::list::{Directory, Role};
use nix::errno::Errno;

const LOCK_TABLE: &str = "/proc/locks";

/// What the writer of a directory does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// It runs; its process number where the kernel tells it.
    Running(Option<i32>),
    /// It ended in order, or has never been.
    Clean,
    /// It was interrupted, and nobody has taken the directory over yet.
    Crashed,
}

/// The device and inode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Numbers of the device.
    pub major: u64,
    /// The second of them.
    pub minor: u64,
    /// The inode.
    pub inode: u64,
}

/// Tells who writes a directory.
///
/// A writer takes the lock before it unmarks `current`, and marks that before it gives the lock up, so
/// the mode is looked at first. One that ends and another that starts in between would look like a
/// crash; so that is believed only when it is seen twice.
pub fn writer(directory: &Directory) -> Result<Writer, Failure> {
    match look(directory)? {
        Writer::Crashed => look(directory),
        seen @ (Writer::Running(_) | Writer::Clean) => Ok(seen),
    }
}

/// The same of what was found; a file by itself has no writer.
pub fn of_place(place: &Location, directory: &Directory) -> Result<Option<Writer>, Failure> {
    match place {
        Location::Directory(_) => writer(directory).map(Some),
        Location::File(_) => Ok(None),
    }
}

fn look(directory: &Directory) -> Result<Writer, Failure> {
    let current = directory.file(CURRENT, Role::Current)?;
    let lock = directory.identity(LOCK)?;
    if let Some(lock) = lock {
        let table = std::fs::read_to_string(LOCK_TABLE).map_err(|error| {
            let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
            Failure::new(What::Read, LOCK_TABLE, errno)
        })?;
        if let Some(holder) = find_holder(&table, lock) {
            return Ok(Writer::Running(holder));
        }
    }
    let is_finished = match current {
        Some(current) => is_complete(current.mode),
        None => directory.file(PREVIOUS, Role::Previous)?.is_none(),
    };
    Ok(if is_finished { Writer::Clean } else { Writer::Crashed })
}

/// Whoever has a file locked by a table with lines such as
/// `1: FLOCK  ADVISORY  WRITE 2011 fe:00:10010700 0 EOF`, be it by flock, as daemontools and svlogd
/// do, or by a record lock, as s6-log does. The kernel knows no process for locks of an open file.
fn find_holder(table: &str, file: Identity) -> Option<Option<i32>> {
    let locks = || table.lines().filter_map(parse_lock);
    // btrfs, overlayfs and others without a device of their own tell stat another than the table has;
    // for them the inode alone must do.
    let same = |locked: &Identity| *locked == file;
    let similar =
        |locked: &Identity| locked.major == 0 && file.major == 0 && locked.inode == file.inode;
    let holder = |is_it: &dyn Fn(&Identity) -> bool| {
        let held: Vec<Option<i32>> =
            locks().filter(|(_, locked)| is_it(locked)).map(|(pid, _)| pid).collect();
        held.iter().find(|pid| pid.is_some()).or(held.first()).copied()
    };
    holder(&same).or_else(|| holder(&similar))
}

/// The process and the file of a line of the table. Those that wait for a lock, behind `->`, have none.
fn parse_lock(line: &str) -> Option<(Option<i32>, Identity)> {
    let mut words = line.split_whitespace().skip(1);
    if !["FLOCK", "POSIX", "OFDLCK"].contains(&words.next()?) {
        return None;
    }
    let mut words = words.skip(2);
    let pid = words.next()?.parse().ok().filter(|&pid| pid > 0);
    let mut parts = words.next()?.split(':');
    let major = u64::from_str_radix(parts.next()?, 16).ok()?;
    let minor = u64::from_str_radix(parts.next()?, 16).ok()?;
    let inode = parts.next()?.parse().ok()?;
    Some((pid, Identity { major, minor, inode }))
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
                         7: FLOCK  ADVISORY  WRITE 31 00:2b:47 0 EOF\n";

    #[track_caller]
    fn check(major: u64, minor: u64, inode: u64, expected: Option<Option<i32>>) {
        assert_eq!(find_holder(TABLE, Identity { major, minor, inode }), expected);
    }

    #[test]
    fn the_holder_of_a_lock_is_found_by_device_and_inode() {
        check(0xfe, 0, 42, Some(Some(7)));
        check(0xfe, 1, 42, Some(Some(2011)));
        check(0xfe, 2, 42, None);
        check(0xfe, 1, 43, None);
        check(8, 16, 44, Some(None));
        check(8, 16, 45, Some(Some(99)));
        check(8, 16, 46, None);
        // Neither device is one of hardware.
        check(0, 0x1f, 47, Some(Some(31)));
        check(8, 0, 47, None);
        assert_eq!(find_holder("", Identity { major: 1, minor: 1, inode: 1 }), None);
    }
}
