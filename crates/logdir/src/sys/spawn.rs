//! Starting a processor: a child with the descriptors and signals it is promised.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

/// What a processor reads and writes, in the order of its descriptors.
pub struct ProcessorFiles {
    /// 0: the finished file.
    pub previous: OwnedFd,
    /// 1: what will be kept in its place.
    pub processed: OwnedFd,
    /// 4: what the last run left.
    pub state: OwnedFd,
    /// 5: what this run leaves.
    pub newstate: OwnedFd,
}

/// A processor that was started, the leader of its own process group.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// The process group.
    pub fn group(&self) -> Option<Pid> {
        i32::try_from(self.0.id()).ok().map(Pid::from_raw)
    }

    /// Waits until it is over. Until it is reaped, no other process gets its number.
    pub fn wait(&self) -> io::Result<()> {
        let Some(pid) = self.group() else { return Ok(()) };
        loop {
            match waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
                Err(Errno::EINTR) => {}
                answer => return answer.map(drop).map_err(io::Error::from),
            }
        }
    }

    /// Whether it is over. Does not wait, and does not reap it.
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

    /// Tells how it ended.
    pub fn reap(&mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }
}

/// The descriptors on which a processor finds its state and leaves the new one (multilog(8)).
const STATE_FD: i32 = 4;
const NEWSTATE_FD: i32 = 5;
/// The first number that none of the above can have.
const ABOVE_FDS: i32 = 10;

/// What a processor may rely on.
const DEFAULT_SIGNALS: [Signal; 5] =
    [Signal::SIGTERM, Signal::SIGALRM, Signal::SIGPIPE, Signal::SIGCHLD, Signal::SIGXFSZ];

/// Starts `/bin/sh -c command` in the log directory `dir`.
///
/// The signals multilog catches or ignores, and those whose inherited state would break a processor
/// (PIPE, CHLD), are at their defaults, and none is blocked; what else was ignored stays so, as with
/// 0.76. It leads a process group of its own, so that it can be stopped with its children, and is not
/// when somebody stops the logger from a terminal. Errors are those of fork and exec.
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
        // SAFETY: plain system calls on descriptors that are open until the child has been started.
        let moved = unsafe {
            libc::fchdir(dir) == 0
                && libc::dup2(state.as_raw_fd(), STATE_FD) != -1
                && libc::dup2(newstate.as_raw_fd(), NEWSTATE_FD) != -1
        };
        if moved { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec the closure only makes async-signal-safe calls (sigaction, sigprocmask,
    // fchdir, dup2); it allocates nothing and takes no lock.
    unsafe { shell.pre_exec(prepare) };
    shell.spawn().map(Running)
}

/// A copy of the descriptor, closed on exec, with a number that the moves above cannot overwrite.
fn above(fd: &OwnedFd) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: F_DUPFD_CLOEXEC takes a number; the descriptor it returns is new and owned by nobody
    // else.
    unsafe {
        match libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, ABOVE_FDS) {
            -1 => Err(io::Error::last_os_error()),
            copy => Ok(OwnedFd::from_raw_fd(copy)),
        }
    }
}
