//! What could not be done, to which file, and why, in the words of 0.76 where it has some.
//!
//! The form is: "unable to", what, which file, reason. What 0.76 calls "out of disk space" has stood in the
//! alerts of mail admins for decades.

use crate::escape;
use nix::errno::Errno;
use std::fmt;
use std::io;

/// What could not be done. The texts are those of 0.76 where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Opening the working directory.
    StartDirectory,
    /// Taking the descriptor that is told when everything is open.
    Descriptor,
    /// Preparing to wait for signals and threads.
    Events,
    /// Opening a log directory.
    OpenDirectory,
    /// Taking the lock of a log directory.
    Lock,
    /// Asking for the state of a file.
    Stat,
    /// Opening `current`.
    Append,
    /// Making a file.
    Create,
    /// Opening a file, or reading a directory.
    Read,
    /// Writing a status file, or opening it.
    Write,
    /// Going to the beginning of a status file.
    Seek,
    /// Writing `current`, or opening a file at the start.
    WriteTo,
    /// fsync of a file or a directory.
    Sync,
    /// chmod.
    SetMode,
    /// Taking the lock of a cursor.
    LockCursor,
    /// Keeping a cursor where the user wants it.
    KeepCursor,
    /// Reading a cursor that somebody else wrote.
    UnderstandCursor,
    /// Finding log directories in a place.
    FindLog,
    /// Starting a pager.
    RunPager,
    /// Making `current` the `previous` one.
    RenameCurrent,
    /// Making `newstate` the `state`.
    RenameState,
    /// Giving an archive its name.
    Link,
    /// Removing a file.
    Remove,
    /// Starting a processor.
    Fork,
    /// Starting the thread that finishes files.
    Thread,
    /// Waiting for a processor.
    Wait,
    /// A processor exited with another code than 0.
    ProcessorFailed,
    /// A processor was killed by a signal.
    ProcessorCrashed,
}

impl What {
    /// The words before and behind the name of the file or directory.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            What::StartDirectory => ("unable to switch to current directory", ""),
            What::Descriptor => ("unable to use descriptor ", ""),
            What::Events => ("unable to prepare for signals", ""),
            What::OpenDirectory => ("unable to open directory ", ""),
            What::Lock => ("unable to lock directory ", ""),
            What::Stat => ("unable to stat ", ""),
            What::Append => ("unable to append to ", ""),
            What::Create => ("unable to create ", ""),
            What::Read => ("unable to read ", ""),
            What::Write => ("unable to write ", ""),
            What::Seek => ("unable to move to beginning of ", ""),
            What::WriteTo => ("unable to write to ", ""),
            What::Sync => ("unable to write ", " to disk"),
            What::SetMode => ("unable to set mode of ", ""),
            What::LockCursor => ("unable to lock cursor ", ""),
            What::KeepCursor => ("unable to keep cursor ", ""),
            What::UnderstandCursor => ("unable to understand cursor ", ""),
            What::RunPager => ("unable to run pager ", ""),
            What::FindLog => ("unable to find a log directory in ", ""),
            What::RenameCurrent => ("unable to rename current to previous in directory ", ""),
            What::RenameState => ("unable to rename newstate to state in directory ", ""),
            What::Link => ("unable to link to ", ""),
            What::Remove => ("unable to remove ", ""),
            What::Fork => ("unable to fork for processor in ", ""),
            What::Thread => ("unable to start a thread for ", ""),
            What::Wait => ("wait failed for processor in ", ""),
            What::ProcessorFailed => ("processor failed in ", ""),
            What::ProcessorCrashed => ("processor crashed in ", ""),
        }
    }
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The system said so.
    System(Errno),
    /// Another process has the lock; its number where the system tells it.
    InUse(Option<i32>),
    /// A processor was killed by a signal.
    Killed(&'static str),
    /// A file that ought to be a cursor is something else.
    NoCursor,
    /// A file of a reader would lie in a log directory.
    InLogDirectory,
    /// What was compressed does not make sense.
    Damaged,
    /// What was compressed ends too early.
    CutShort,
    /// A reason in words.
    Because(String),
    /// The file system accepts modes and forgets them.
    NoModeBits,
    /// Nothing more is known.
    Untold,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::System(errno) => f.write_str(&reason(*errno)),
            Cause::InUse(Some(pid)) => write!(f, "already in use by process {pid}"),
            Cause::InUse(None) => f.write_str("already in use by another process"),
            Cause::Killed(signal) => write!(f, "killed by {signal}"),
            Cause::NoCursor => f.write_str("not written by logdir show --cursor"),
            Cause::InLogDirectory => f.write_str("readers do not write into log directories"),
            Cause::Damaged => f.write_str("compressed contents are damaged"),
            Cause::CutShort => f.write_str("compressed contents end too early"),
            Cause::Because(why) => f.write_str(why),
            Cause::NoModeBits => f.write_str("this file system does not keep mode bits"),
            Cause::Untold => Ok(()),
        }
    }
}

/// One thing that could not be done: what, to which file, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    what: What,
    /// The file or directory as the user named it, any bytes.
    place: Vec<u8>,
    cause: Cause,
}

impl Failure {
    /// A failure of a system call on `place`.
    pub fn new(what: What, place: impl Into<Vec<u8>>, errno: Errno) -> Failure {
        Failure { what, place: place.into(), cause: Cause::System(errno) }
    }

    /// A failure of a call of the standard library on `place`.
    pub fn of_io(what: What, place: impl Into<Vec<u8>>, error: &io::Error) -> Failure {
        Failure::new(what, place, errno_of(error))
    }

    /// A processor of the directory `place` that did not exit with 0; the name of the signal if one
    /// killed it.
    pub fn of_processor(place: impl Into<Vec<u8>>, signal: Option<&'static str>) -> Failure {
        let place = place.into();
        match signal {
            Some(signal) => {
                Failure { what: What::ProcessorCrashed, place, cause: Cause::Killed(signal) }
            }
            None => Failure { what: What::ProcessorFailed, place, cause: Cause::Untold },
        }
    }

    /// The same failure, of a processor, because there was no room on the disk.
    pub fn of_disk(self) -> Failure {
        Failure { cause: Cause::System(Errno::ENOSPC), ..self }
    }

    /// A file whose mode cannot be relied on.
    pub fn no_mode_bits(place: impl Into<Vec<u8>>) -> Failure {
        Failure { what: What::SetMode, place: place.into(), cause: Cause::NoModeBits }
    }

    /// A failure to read a file, which may be compressed.
    pub fn of_reading(place: impl Into<Vec<u8>>, error: &io::Error) -> Failure {
        let cause = match (error.raw_os_error(), error.kind()) {
            (Some(_), _) => Cause::System(errno_of(error)),
            (None, io::ErrorKind::UnexpectedEof) => Cause::CutShort,
            (None, io::ErrorKind::Unsupported) => Cause::Because(error.to_string()),
            (None, io::ErrorKind::OutOfMemory) => {
                Cause::Because("compressed contents need too much memory".to_owned())
            }
            (None, _) => Cause::Damaged,
        };
        Failure { what: What::Read, place: place.into(), cause }
    }

    /// No log directory where the user named one.
    pub fn no_log(place: impl Into<Vec<u8>>) -> Failure {
        Failure { what: What::FindLog, place: place.into(), cause: Cause::Untold }
    }

    /// No log directory in `place`, for this reason.
    pub fn no_log_because(place: impl Into<Vec<u8>>, why: String) -> Failure {
        Failure { what: What::FindLog, place: place.into(), cause: Cause::Because(why) }
    }

    /// A file that cannot be read, for this reason.
    pub fn unreadable_because(place: impl Into<Vec<u8>>, why: String) -> Failure {
        Failure { what: What::Read, place: place.into(), cause: Cause::Because(why) }
    }

    /// True if the user may not do it.
    pub fn is_of_access(&self) -> bool {
        matches!(self.errno(), Some(Errno::EACCES))
    }

    /// A failure to get the lock of the directory `place`.
    pub fn in_use(place: impl Into<Vec<u8>>, pid: Option<i32>) -> Failure {
        Failure { what: What::Lock, place: place.into(), cause: Cause::InUse(pid) }
    }

    /// A cursor that another reader has.
    pub fn cursor_in_use(place: impl Into<Vec<u8>>) -> Failure {
        Failure { what: What::LockCursor, place: place.into(), cause: Cause::InUse(None) }
    }

    /// A cursor that is something else.
    pub fn no_cursor(place: impl Into<Vec<u8>>) -> Failure {
        Failure { what: What::UnderstandCursor, place: place.into(), cause: Cause::NoCursor }
    }

    /// A cursor that would lie in a log directory.
    pub fn cursor_in_log(place: impl Into<Vec<u8>>) -> Failure {
        Failure { what: What::KeepCursor, place: place.into(), cause: Cause::InLogDirectory }
    }

    /// What the failed system call answered, if it was one.
    pub fn errno(&self) -> Option<Errno> {
        match self.cause {
            Cause::System(errno) => Some(errno),
            Cause::InUse(_)
            | Cause::Killed(_)
            | Cause::NoCursor
            | Cause::InLogDirectory
            | Cause::Damaged
            | Cause::CutShort
            | Cause::Because(_)
            | Cause::NoModeBits
            | Cause::Untold => None,
        }
    }

    /// Whether there was no room on the disk, or none for this user.
    pub fn is_of_full_disk(&self) -> bool {
        matches!(self.errno(), Some(Errno::ENOSPC | Errno::EDQUOT))
    }

    /// The sentence, with `manner` between what and why.
    pub fn text(&self, manner: &str) -> Vec<u8> {
        let (before, behind) = self.what.words();
        let mut text = before.as_bytes().to_vec();
        text.extend_from_slice(&self.place);
        text.extend_from_slice(behind.as_bytes());
        text.extend_from_slice(manner.as_bytes());
        if self.cause != Cause::Untold {
            text.extend_from_slice(format!(": {}", self.cause).as_bytes());
        }
        text
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::shown(&self.text("")))
    }
}

impl std::error::Error for Failure {}

/// The number that the system gave an error, or the nearest one for an error of the standard library itself: a
/// name with a NUL in it, or contents that make no sense.
pub fn errno_of(error: &io::Error) -> Errno {
    match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => Errno::from_raw(number),
        (None, io::ErrorKind::InvalidInput) => Errno::EINVAL,
        (None, _) => Errno::EIO,
    }
}

/// The reason in the words of 0.76, measured by failing its open(2) with each error in turn; where it
/// only knows "unknown error", the C library's.
pub fn reason(errno: Errno) -> String {
    let words = match errno {
        Errno::EPERM => "permission denied",
        Errno::ENOENT => "file does not exist",
        Errno::ENXIO => "device not configured",
        Errno::EBADF => "file descriptor not open",
        Errno::EAGAIN => "temporary failure",
        Errno::ENOMEM => "out of memory",
        Errno::EACCES => "access denied",
        Errno::EBUSY => "device busy",
        Errno::EEXIST => "file already exists",
        Errno::EXDEV => "cross-device link",
        Errno::ENODEV => "device does not support operation",
        Errno::ENFILE => "system cannot open more files",
        Errno::EMFILE => "process cannot open more files",
        Errno::ENOTTY => "not a tty",
        Errno::ETXTBSY => "text busy",
        Errno::EFBIG => "file too big",
        Errno::ENOSPC => "out of disk space",
        Errno::ESPIPE => "unseekable descriptor",
        Errno::ENOSYS => "system call not available",
        // 0.76 follows them all, and meets this only where they go round in a circle.
        Errno::ELOOP => "symbolic link is not followed",
        // Ours: no call on a file answers so.
        Errno::EMEDIUMTYPE => "not a regular file",
        Errno::ETIMEDOUT => "timed out",
        Errno::ESTALE => "stale NFS file handle",
        other => return system_reason(other),
    };
    words.to_owned()
}

/// The C library's words, without the number the standard library adds, in lower case as all others.
fn system_reason(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(failure: &Failure, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&failure.text("")), expected);
    }

    #[test]
    fn failures_read_as_those_of_the_original() {
        check(
            &Failure::new(What::OpenDirectory, "./log", Errno::ENOENT),
            "unable to open directory ./log: file does not exist",
        );
        check(
            &Failure::new(What::Sync, "./log/current", Errno::ENOSPC),
            "unable to write ./log/current to disk: out of disk space",
        );
        check(
            &Failure::in_use("./log", Some(4711)),
            "unable to lock directory ./log: already in use by process 4711",
        );
        check(
            &Failure::new(What::StartDirectory, "", Errno::EACCES),
            "unable to switch to current directory: access denied",
        );
    }

    #[test]
    fn reasons_the_original_has_no_word_for_are_the_systems() {
        assert_eq!(reason(Errno::EIO), "input/output error");
        assert_eq!(reason(Errno::EOVERFLOW), "value too large for defined data type");
    }
}
