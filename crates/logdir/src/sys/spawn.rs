//! Starts processors: child processes with the documented descriptors and signals.

use super::again;
use crate::format::{NEWSTATE, PROCESSED, STATE};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;

/// Running processor, leader of its own process group.
#[derive(Debug)]
pub struct Running(Pid);

impl Running {
    /// Process group.
    pub fn group(&self) -> Option<Pid> {
        Some(self.0)
    }

    /// Waits for exit without reaping, so that the process ID stays reserved.
    pub fn wait(&self) -> io::Result<()> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        again(|| waitid(Id::Pid(self.0), flags)).map(drop).map_err(io::Error::from)
    }

    /// True after exit. Neither waits nor reaps.
    pub fn has_ended(&self) -> io::Result<bool> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        Ok(again(|| waitid(Id::Pid(self.0), flags))? != WaitStatus::StillAlive)
    }

    /// Reaps the process; returns its exit status.
    pub fn reap(&mut self) -> io::Result<ExitStatus> {
        let mut status = 0;
        // SAFETY: the pointer is valid for the call.
        again(|| Errno::result(unsafe { libc::waitpid(self.0.as_raw(), &raw mut status, 0) }))?;
        Ok(ExitStatus::from_raw(status))
    }
}

/// Files of a processor, in its directory: descriptor (multilog(8)), name, access. `None`: its input.
const FILES: [(i32, Option<&[u8]>, i32); 4] = [
    (0, None, libc::O_RDONLY),
    (1, Some(PROCESSED), libc::O_WRONLY),
    (4, Some(STATE), libc::O_RDONLY),
    (5, Some(NEWSTATE), libc::O_WRONLY),
];

/// Signals reset to default for a processor.
const DEFAULT_SIGNALS: [Signal; 5] =
    [Signal::SIGTERM, Signal::SIGALRM, Signal::SIGPIPE, Signal::SIGCHLD, Signal::SIGXFSZ];

/// Starts `/bin/sh -c command` in log directory `dir`, with the existing file `input` as standard input.
///
/// Signals that multilog catches or ignores, and signals whose inherited state would break a
/// processor (PIPE, CHLD), get default effects, and none is blocked; other ignored signals stay
/// ignored, as with 0.76. The processor leads its own process group: it can be stopped together
/// with its children, and stopping the logger from a terminal does not stop it.
///
/// The new process opens its files itself, so the start needs no descriptor of the logger, as in 0.76.
/// Errors: those of the four files, fork and exec.
pub fn processor(dir: BorrowedFd<'_>, command: &OsStr, input: &[u8]) -> io::Result<Running> {
    let command = CString::new(command.as_bytes())?;
    let mut actions = FileActions::new()?;
    actions.change_dir(dir)?;
    for (fd, name, access) in FILES {
        actions.open(fd, name.unwrap_or(input), access)?;
    }
    let attributes = Attributes::of_a_processor()?;
    spawn_shell(&command, &actions, &attributes).map(Running)
}

/// Result of a posix_spawn call: 0, or an errno.
fn answered(answer: i32) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(answer)) }
}

fn spawn_shell(command: &CStr, actions: &FileActions, attributes: &Attributes) -> io::Result<Pid> {
    let arguments = [c"sh".as_ptr(), c"-c".as_ptr(), command.as_ptr(), ptr::null()];
    let mut pid = 0;
    // SAFETY: every pointer is valid for the call, and the argument list ends with a null pointer. The calls
    // do not change the arguments (POSIX). Nothing in these programs changes the environment.
    answered(unsafe {
        libc::posix_spawn(
            &raw mut pid,
            c"/bin/sh".as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            arguments.as_ptr().cast(),
            environ.cast_const(),
        )
    })?;
    Ok(Pid::from_raw(pid))
}

unsafe extern "C" {
    /// Environment of this process.
    static environ: *mut *mut libc::c_char;
}

/// What a new process does with its descriptors before its program starts.
struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    fn new() -> io::Result<FileActions> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: a successful call initialises the value.
        unsafe {
            answered(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
            Ok(FileActions(actions.assume_init()))
        }
    }

    fn change_dir(&mut self, dir: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: the actions are initialised.
        answered(unsafe {
            libc::posix_spawn_file_actions_addfchdir_np(&raw mut self.0, dir.as_raw_fd())
        })
    }

    /// Opens a regular file; the name must not be a link.
    fn open(&mut self, fd: i32, name: &[u8], access: i32) -> io::Result<()> {
        let name = CString::new(name)?;
        let flags = access | libc::O_NOFOLLOW | libc::O_NONBLOCK;
        // SAFETY: the actions are initialised; the call copies the name.
        answered(unsafe {
            libc::posix_spawn_file_actions_addopen(&raw mut self.0, fd, name.as_ptr(), flags, 0)
        })
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: the actions are initialised, and not used again.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

/// Process group and signals of a new process.
struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn of_a_processor() -> io::Result<Attributes> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: a successful call initialises the value.
        let mut attributes = unsafe {
            answered(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
            Attributes(attributes.assume_init())
        };
        let attribute = &raw mut attributes.0;
        let flags = libc::POSIX_SPAWN_SETPGROUP
            | libc::POSIX_SPAWN_SETSIGDEF
            | libc::POSIX_SPAWN_SETSIGMASK;
        let default: SigSet = DEFAULT_SIGNALS.into_iter().collect();
        // SAFETY: the attributes are initialised; the calls copy the signal sets.
        unsafe {
            answered(libc::posix_spawnattr_setpgroup(attribute, 0))?;
            answered(libc::posix_spawnattr_setsigdefault(attribute, default.as_ref()))?;
            answered(libc::posix_spawnattr_setsigmask(attribute, SigSet::empty().as_ref()))?;
            answered(libc::posix_spawnattr_setflags(attribute, flags as libc::c_short))?;
        }
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: the attributes are initialised, and not used again.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}
