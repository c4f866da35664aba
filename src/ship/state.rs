//! The state directory: made if need be, locked by one `logship`, with the cursor, the status and the refused
//! lines in it.

use super::status;
use ::logdir::failure::{Failure, What};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long the start waits for the lock: one that was killed just now may not be gone yet.
const LOCK_WAIT: Duration = Duration::from_millis(500);
/// How often it is looked for. Nothing is read or sent meanwhile.
const LOCK_LOOK: Duration = Duration::from_millis(10);

/// The state directory, locked as long as this lives.
#[derive(Debug)]
pub struct State {
    dir: PathBuf,
    _lock: File,
}

impl State {
    /// Opens the directory, making it with mode 0700 if it is not there, and takes its lock.
    ///
    /// # Errors
    /// It cannot be made or written to, or another `logship` has it.
    pub fn open(dir: &Path) -> Result<State, Failure> {
        let failure = |what, path: &Path, error: &io::Error| {
            let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
            Failure::new(what, path.as_os_str().as_bytes(), errno)
        };
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failure(What::Create, dir, &error));
            }
            Ok(()) | Err(_) => {}
        }
        let path = dir.join("lock");
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let lock = opened.map_err(|error| failure(What::Create, &path, &error))?;
        lock_file(&lock, &path)?;
        Ok(State { dir: dir.to_owned(), _lock: lock })
    }

    /// The file that says how far lines were delivered.
    pub fn cursor(&self) -> PathBuf {
        self.dir.join("cursor")
    }

    /// The file that says how things stand.
    pub fn status(&self) -> PathBuf {
        status::of_state(&self.dir)
    }

    /// The log directory of lines that the receiver refused.
    pub fn dead(&self) -> PathBuf {
        self.dir.join("dead")
    }
}

/// The lock is bound to the open file, so it is gone with the process, however that ends.
fn lock_file(file: &File, path: &Path) -> Result<(), Failure> {
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    let give_up_at = Instant::now() + LOCK_WAIT;
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&whole)) {
            Ok(_) => return Ok(()),
            Err(Errno::EAGAIN | Errno::EACCES) if Instant::now() < give_up_at => {
                thread::sleep(LOCK_LOOK);
            }
            Err(Errno::EAGAIN | Errno::EACCES) => {
                return Err(Failure::in_use(path.as_os_str().as_bytes(), None));
            }
            Err(errno) => return Err(Failure::new(What::Lock, path.as_os_str().as_bytes(), errno)),
        }
    }
}
