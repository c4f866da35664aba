//! Starts processors: child processes with the documented descriptors and signals.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A processor's files, ordered by descriptor.
pub struct ProcessorFiles {
    /// 0: the full file.
    pub previous: OwnedFd,
    /// 1: replaces the full file.
    pub processed: OwnedFd,
    /// 4: state from the last run.
    pub state: OwnedFd,
    /// 5: new state from this run.
    pub newstate: OwnedFd,
}

/// Running processor, leader of its own process group.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Process group.
    pub fn group(&self) -> Option<Pid> {
        i32::try_from(self.0.id()).ok().map(Pid::from_raw)
    }

    /// Waits for exit without reaping, so that the process ID stays reserved.
    pub fn wait(&self) -> io::Result<()> {
        let Some(pid) = self.group() else { return Ok(()) };
        loop {
            match waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
                Err(Errno::EINTR) => {}
                answer => return answer.map(drop).map_err(io::Error::from),
            }
        }
    }

    /// True after exit. Neither waits nor reaps.
    pub fn has_ended(&self) -> io::Result<bool> {
        let Some(pid) = self.group() else { return Ok(true) };
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        loop {
            match waitid(Id::Pid(pid), flags) {
                Err(Errno::EINTR) => {}
                answer => return Ok(answer? != WaitStatus::StillAlive),
            }
        }
    }

    /// Reaps the process; returns its exit status.
    pub fn reap(&mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }
}

/// Descriptors of a processor's old and new state (multilog(8)).
const STATE_FD: i32 = 4;
const NEWSTATE_FD: i32 = 5;
/// Lower bound for copies, above all descriptors listed here.
const ABOVE_FDS: i32 = 10;

/// Signals reset to default for a processor.
const DEFAULT_SIGNALS: [Signal; 5] =
    [Signal::SIGTERM, Signal::SIGALRM, Signal::SIGPIPE, Signal::SIGCHLD, Signal::SIGXFSZ];

/// Starts `/bin/sh -c command` in log directory `dir`.
///
/// Signals that multilog catches or ignores, and signals whose inherited state would break a
/// processor (PIPE, CHLD), get default effects, and none is blocked; other ignored signals stay
/// ignored, as with 0.76. The processor leads its own process group: it can be stopped together
/// with its children, and stopping the logger from a terminal does not stop it. Errors: fork and
/// exec.
pub fn processor(
    dir: BorrowedFd<'_>,
    command: &OsStr,
    files: ProcessorFiles,
) -> io::Result<Running> {
    let state = above(&files.state)?;
    let newstate = above(&files.newstate)?;
    let dir = dir.as_raw_fd();
    let mut shell = Command::new("/bin/sh");
    shell.arg0("sh").arg("-c").arg(command);
    shell.process_group(0);
    shell.stdin(Stdio::from(files.previous)).stdout(Stdio::from(files.processed));
    let prepare = move || {
        for signal in DEFAULT_SIGNALS {
            super::signal::set_default(signal);
        }
        SigSet::empty().thread_set_mask()?;
        // SAFETY: plain system calls on descriptors that stay open until the child has started.
        let moved = unsafe {
            libc::fchdir(dir) == 0
                && libc::dup2(state.as_raw_fd(), STATE_FD) != -1
                && libc::dup2(newstate.as_raw_fd(), NEWSTATE_FD) != -1
        };
        if moved { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec the closure only makes async-signal-safe calls (sigaction,
    // sigprocmask, fchdir, dup2); it allocates nothing and takes no lock.
    unsafe { shell.pre_exec(prepare) };
    shell.spawn().map(Running)
}

/// Close-on-exec copy of a descriptor, numbered beyond the targets of the dup2 calls above.
fn above(fd: &OwnedFd) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: F_DUPFD_CLOEXEC takes a number; the returned descriptor is new and has no other
    // owner.
    unsafe {
        match libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, ABOVE_FDS) {
            -1 => Err(io::Error::last_os_error()),
            copy => Ok(OwnedFd::from_raw_fd(copy)),
        }
    }
}
