//! Failures: action, file, reason, worded like 0.76 where possible.
//!
//! Form: "unable to", action, file, reason. Mail admins' alerts have matched 0.76's "out of disk
//! space" for decades.

use crate::escape;
use nix::errno::Errno;
use std::fmt;
use std::io;

/// Failed action, worded like 0.76 where possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Opening the working directory.
    StartDirectory,
    /// Accepting the readiness descriptor.
    Descriptor,
    /// Preparing to wait for signals and threads.
    Events,
    /// Opening a log directory.
    OpenDirectory,
    /// Locking a log directory.
    Lock,
    /// stat(2) on a file.
    Stat,
    /// Opening `current`.
    Append,
    /// Creating a file.
    Create,
    /// Opening a file, or reading a directory.
    Read,
    /// Opening or writing a status file.
    Write,
    /// Rewinding a status file.
    Seek,
    /// Writing `current`, or opening a file during start.
    WriteTo,
    /// fsync of a file or directory.
    Sync,
    /// chmod.
    SetMode,
    /// Locking a cursor file.
    LockCursor,
    /// Saving a cursor to its file.
    KeepCursor,
    /// Parsing a foreign cursor.
    UnderstandCursor,
    /// Keeping archives for a reader.
    Hold,
    /// Searching for log directories.
    FindLog,
    /// Finding out if a log directory's writer runs.
    FindWriter,
    /// Starting a pager.
    RunPager,
    /// Renaming `current` to `previous`.
    RenameCurrent,
    /// Renaming `newstate` to `state`.
    RenameState,
    /// Naming an archive.
    Link,
    /// Removing a file.
    Remove,
    /// Starting a processor.
    Fork,
    /// Starting the thread that completes files.
    Thread,
    /// Waiting for a processor.
    Wait,
    /// Processor exit code other than 0.
    ProcessorFailed,
    /// Processor killed by a signal.
    ProcessorCrashed,
}

impl What {
    /// Words before and after the file name.
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
            What::Hold => ("unable to hold archives of ", ""),
            What::RunPager => ("unable to run pager ", ""),
            What::FindWriter => ("unable to find out if the writer of ", " runs"),
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

/// Reason of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    /// System error.
    System(Errno),
    /// Lock held by another process; what is known of it.
    InUse(String),
    /// Processor killed by a signal.
    Killed(&'static str),
    /// Expected cursor file holds other data.
    NoCursor,
    /// Reader's file inside a log directory.
    InLogDirectory,
    /// Corrupt compressed data.
    Damaged,
    /// Truncated compressed data.
    CutShort,
    /// This part of the path does not exist.
    Missing(Vec<u8>),
    /// Reason in words.
    Because(String),
    /// The file system accepts modes but forgets them.
    NoModeBits,
    /// Unknown.
    Untold,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::System(errno) => f.write_str(&system_reason(*errno)),
            Cause::InUse(holder) => write!(f, "already in use by {holder}"),
            Cause::Killed(signal) => write!(f, "killed by {signal}"),
            Cause::NoCursor => f.write_str("not written by logdir show --cursor"),
            Cause::InLogDirectory => f.write_str("readers do not write into log directories"),
            Cause::Damaged => f.write_str("compressed contents are damaged"),
            Cause::CutShort => f.write_str("compressed contents end too early"),
            Cause::Missing(part) => write!(f, "{} is missing", String::from_utf8_lossy(part)),
            Cause::Because(why) => f.write_str(why),
            Cause::NoModeBits => f.write_str("this file system does not keep mode bits"),
            Cause::Untold => Ok(()),
        }
    }
}

/// A failure: action, file, reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    what: What,
    /// Path given by the user, any bytes.
    place: Vec<u8>,
    cause: Cause,
}

impl Failure {
    /// Failed system call or call of the standard library on `place`.
    pub fn new(what: What, place: impl Into<Vec<u8>>, error: impl Into<io::Error>) -> Failure {
        Failure { what, place: place.into(), cause: Cause::System(errno_of(&error.into())) }
    }

    /// As [`Failure::new`], for an error that is needed elsewhere too.
    pub fn of_io(what: What, place: impl Into<Vec<u8>>, error: &io::Error) -> Failure {
        Failure { what, place: place.into(), cause: Cause::System(errno_of(error)) }
    }

    /// Failed processor of directory `place`: exit code other than 0, or a signal.
    pub fn of_processor(place: impl Into<Vec<u8>>, signal: Option<&'static str>) -> Failure {
        let place = place.into();
        match signal {
            Some(signal) => {
                Failure { what: What::ProcessorCrashed, place, cause: Cause::Killed(signal) }
            }
            None => Failure { what: What::ProcessorFailed, place, cause: Cause::Untold },
        }
    }

    /// Replaces a processor failure's reason by a full disk.
    pub fn of_disk(self) -> Failure {
        Failure { cause: Cause::System(Errno::ENOSPC), ..self }
    }

    /// File whose mode is unreliable.
    pub fn no_mode_bits(place: impl Into<Vec<u8>>) -> Failure {
        Failure { what: What::SetMode, place: place.into(), cause: Cause::NoModeBits }
    }

    /// Failed read of a file, possibly compressed.
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

    /// Log directory `place` below a directory that does not exist.
    pub fn parent_missing(place: impl Into<Vec<u8>>, part: impl Into<Vec<u8>>) -> Failure {
        let cause = Cause::Missing(part.into());
        Failure { what: What::OpenDirectory, place: place.into(), cause }
    }

    /// Archives that are not kept for a reader; `about` names directory and cursor.
    pub fn not_held(about: impl Into<Vec<u8>>, error: &io::Error) -> Failure {
        Failure::of_io(What::Hold, about, error)
    }

    /// As [`Failure::not_held`], with a reason in words.
    pub fn not_held_because(about: impl Into<Vec<u8>>, why: &str) -> Failure {
        let cause = Cause::Because(why.to_owned());
        Failure { what: What::Hold, place: about.into(), cause }
    }

    /// No log directory at the user's path.
    pub fn no_log(place: impl Into<Vec<u8>>) -> Failure {
        Failure { what: What::FindLog, place: place.into(), cause: Cause::Untold }
    }

    /// No log directory in `place`, with reason.
    pub fn no_log_because(place: impl Into<Vec<u8>>, why: String) -> Failure {
        Failure { what: What::FindLog, place: place.into(), cause: Cause::Because(why) }
    }

    /// Log directory `place` whose writer cannot be seen, with reason.
    pub fn writer_unseen(place: impl Into<Vec<u8>>, why: String) -> Failure {
        Failure { what: What::FindWriter, place: place.into(), cause: Cause::Because(why) }
    }

    /// Unreadable file, with reason.
    pub fn unreadable_because(place: impl Into<Vec<u8>>, why: String) -> Failure {
        Failure { what: What::Read, place: place.into(), cause: Cause::Because(why) }
    }

    /// True for permission errors.
    pub fn is_of_access(&self) -> bool {
        matches!(self.errno(), Some(Errno::EACCES))
    }

    /// Lock of directory `place` held by another process.
    pub fn in_use(place: impl Into<Vec<u8>>, pid: Option<i32>) -> Failure {
        let holder = process_text(pid);
        Failure { what: What::Lock, place: place.into(), cause: Cause::InUse(holder) }
    }

    /// Cursor in use by another reader.
    pub fn cursor_in_use(place: impl Into<Vec<u8>>) -> Failure {
        Failure {
            what: What::LockCursor,
            place: place.into(),
            cause: Cause::InUse(process_text(None)),
        }
    }

    /// File without a cursor.
    pub fn no_cursor(place: impl Into<Vec<u8>>) -> Failure {
        Failure { what: What::UnderstandCursor, place: place.into(), cause: Cause::NoCursor }
    }

    /// Cursor path inside a log directory.
    pub fn cursor_in_log(place: impl Into<Vec<u8>>) -> Failure {
        Failure { what: What::KeepCursor, place: place.into(), cause: Cause::InLogDirectory }
    }

    /// System error number, if a system call failed.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.errno().map(|errno| errno as i32)
    }

    /// System error, if a system call failed.
    pub(crate) fn errno(&self) -> Option<Errno> {
        match self.cause {
            Cause::System(errno) => Some(errno),
            Cause::InUse(_)
            | Cause::Killed(_)
            | Cause::NoCursor
            | Cause::InLogDirectory
            | Cause::Damaged
            | Cause::CutShort
            | Cause::Missing(_)
            | Cause::Because(_)
            | Cause::NoModeBits
            | Cause::Untold => None,
        }
    }

    /// True for a full disk or exceeded quota.
    pub fn is_of_full_disk(&self) -> bool {
        matches!(self.errno(), Some(Errno::ENOSPC | Errno::EDQUOT))
    }

    /// Full sentence, with `manner` between action and reason.
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

/// System errno of an error, else the nearest for standard library errors: NUL in a name, or
/// invalid contents.
pub(crate) fn errno_of(error: &io::Error) -> Errno {
    match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => Errno::from_raw(number),
        (None, io::ErrorKind::InvalidInput) => Errno::EINVAL,
        (None, _) => Errno::EIO,
    }
}

/// Reason in 0.76's words, measured by failing its open(2) with each error in turn; 0.76's "unknown
/// error" is replaced by the C library's text. An error that is not the system's has words of its own.
pub fn reason(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |number| system_reason(Errno::from_raw(number)))
}

/// Reason of a system error.
fn system_reason(errno: Errno) -> String {
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
        // 0.76 follows every link and meets this error only in a loop.
        Errno::ELOOP => "symbolic link is not followed",
        // Internal: file calls never return EMEDIUMTYPE.
        Errno::EMEDIUMTYPE => "not a regular file",
        Errno::ETIMEDOUT => "timed out",
        Errno::ESTALE => "stale NFS file handle",
        other => return library_reason(other),
    };
    words.to_owned()
}

/// C library's text in lower case, without the number added by the standard library.
fn library_reason(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// A process with the name of its program, as `ps` has it: `process 4711 (multilog)`.
pub fn process_text(pid: Option<i32>) -> String {
    let Some(pid) = pid else { return "another process".to_owned() };
    match std::fs::read(format!("/proc/{pid}/comm")) {
        Ok(program) => {
            let program = program.strip_suffix(b"\n").unwrap_or(&program);
            format!("process {pid} ({})", program.escape_ascii())
        }
        Err(_) => format!("process {pid}"),
    }
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
            &Failure::in_use("./log", Some(i32::MAX)),
            "unable to lock directory ./log: already in use by process 2147483647",
        );
        check(
            &Failure::new(What::StartDirectory, "", Errno::EACCES),
            "unable to switch to current directory: access denied",
        );
    }

    #[test]
    fn reasons_the_original_has_no_word_for_are_the_systems() {
        assert_eq!(system_reason(Errno::EIO), "input/output error");
        assert_eq!(system_reason(Errno::EOVERFLOW), "value too large for defined data type");
    }
}
