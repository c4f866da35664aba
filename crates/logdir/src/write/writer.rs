//! Blocking writer for programs that only write: each call returns after its work is done, or with
//! the error.
//!
//! Nothing is kept in memory: bytes reported by [`Writer::write`](std::io::Write::write) are in a
//! file. Event loops, which must not block, use [`LogDir`] instead.

use crate::disk::Dir;
use crate::event::{Event, Reporter};
use crate::failure::{Failure, What};
use crate::settings::Settings;
use crate::wake::Wake;
use crate::write::{Closed, LogDir};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most events kept until taken; older events are dropped.
const EVENTS_MAX: usize = 64;

/// Longest wait before checking everything again.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Failed operation, file name and reason.
///
/// Returned inside an [`io::Error`] with the kind of the system error:
/// `error.get_ref().and_then(|inner| inner.downcast_ref::<logdir::Error>())`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Failure);

impl Error {
    /// System error number, if a system call failed.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.raw_os_error()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = error.raw_os_error().map(|errno| io::Error::from_raw_os_error(errno).kind());
        io::Error::new(kind.unwrap_or(io::ErrorKind::Other), error)
    }
}

/// The only writer of a log directory.
///
/// Bytes go to `current` unchanged; files end at a line end. Each `write` is a system call: use an
/// [`io::BufWriter`] for small pieces. Drop marks the directory as closed cleanly if possible without
/// waiting.
///
/// ```
/// use std::io::Write;
///
/// # fn main() -> std::io::Result<()> {
/// # let home = tempfile::tempdir()?;
/// let settings = logdir::Settings { size_max: 1_000_000, ..Default::default() };
/// let mut log = logdir::Writer::open(home.path().join("log"), &settings)?;
/// log.write_all(b"first line\nsecond line\n")?;
/// log.sync()?;
/// assert_eq!(log.durable(), log.appended());
/// log.close()?;
/// assert_eq!(std::fs::read(home.path().join("log/current"))?, b"first line\nsecond line\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Writer {
    log: LogDir,
    wake: Wake,
    events: Arc<Mutex<VecDeque<Event>>>,
}

impl Writer {
    /// Opens a directory, creating it if missing, and makes archives of files left by a crash.
    ///
    /// # Errors
    /// The directory cannot be created, opened or recovered, or has another writer.
    pub fn open(path: impl AsRef<Path>, settings: &Settings) -> io::Result<Writer> {
        let failure = |what, errno| Error(Failure::new(what, "", errno));
        let start = Dir::start().map_err(|errno| failure(What::StartDirectory, errno))?;
        let wake = Wake::new().map_err(|errno| failure(What::Events, errno))?;
        let events = Arc::<Mutex<VecDeque<Event>>>::default();
        let kept = Arc::clone(&events);
        let reporter = Reporter::new(move |event| {
            let mut kept = lock(&kept);
            if kept.len() == EVENTS_MAX {
                kept.pop_front();
            }
            kept.push_back(event.clone());
        });
        let path = path.as_ref().as_os_str();
        let log = LogDir::open(&start, path, settings, &wake, &reporter).map_err(Error)?;
        Ok(Writer { log, wake, events })
    }

    /// Waits until all written bytes and their file names are on disk: they survive a power cut.
    ///
    /// # Errors
    /// Syncing failed. After a failed fsync every later call fails too, because the kernel may have
    /// dropped the unwritten data; open the directory again.
    pub fn sync(&mut self) -> io::Result<()> {
        let wanted = self.appended();
        self.log.request_sync();
        loop {
            self.log.flush();
            if self.durable() >= wanted {
                return Ok(());
            }
            if self.log.has_lost() || self.log.is_in_trouble() || self.log.is_sync_failing() {
                return Err(self.error());
            }
            self.wait();
        }
    }

    /// Waits until full files are finished, including their processor, then syncs `current` and
    /// marks it as closed cleanly.
    ///
    /// # Errors
    /// A step cannot be done now. Written bytes are in their files, and the next start recovers the
    /// directory.
    pub fn close(mut self) -> io::Result<()> {
        self.log.retry_now();
        loop {
            match self.log.close() {
                Some(Closed::Clean) => return Ok(()),
                Some(Closed::Unsynced) => return Err(self.error()),
                None if self.log.is_in_trouble() => return Err(self.error()),
                None => self.wait(),
            }
        }
    }

    /// Bytes written since opening.
    pub fn appended(&self) -> u64 {
        self.log.appended()
    }

    /// Leading bytes known to be on disk, with their file names. 0 before the first
    /// [`Writer::sync`].
    pub fn durable(&self) -> u64 {
        self.log.durable()
    }

    /// Takes the events since the last call, oldest first: at most the last 64.
    pub fn events(&mut self) -> Vec<Event> {
        lock(&self.events).drain(..).collect()
    }

    /// Waits for a wake-up or the next deadline.
    fn wait(&self) {
        let until = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        let length = self.log.deadline().map_or(WAIT_MAX, until).min(WAIT_MAX);
        let timeout = PollTimeout::try_from(length + Duration::from_millis(1));
        let mut fds = self.wake.fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        // The caller checks everything again, whatever poll returns.
        let _ = poll(fds.as_mut_slice(), timeout.unwrap_or(PollTimeout::MAX));
        self.wake.clear();
    }

    fn error(&self) -> io::Error {
        let unknown = || Failure::new(What::WriteTo, "", Errno::EIO);
        Error(self.log.last_failure().unwrap_or_else(unknown)).into()
    }
}

/// Writes to `current`; waits only if a file is full and the previous file is unfinished.
impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.log.retry_now();
        while !bytes.is_empty() {
            match self.log.write_now(bytes) {
                0 if self.log.is_in_trouble() && !self.log.is_making_room() => {
                    return Err(self.error());
                }
                0 => self.wait(),
                written => return Ok(written),
            }
        }
        Ok(0)
    }

    /// Does nothing: no buffer.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.log.close();
    }
}

fn lock(events: &Mutex<VecDeque<Event>>) -> MutexGuard<'_, VecDeque<Event>> {
    events.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Several thousand files: in each the worker may finish just before it is asked.
    #[test]
    fn a_writer_of_much_waits_only_for_the_worker() {
        let home = tempfile::tempdir_in("/dev/shm").unwrap();
        let pause = Duration::from_secs(20);
        let settings = Settings { size_max: 4096, pause, ..Settings::default() };
        let mut log = Writer::open(home.path().join("d"), &settings).unwrap();
        let begin = Instant::now();
        for _ in 0..100_000 {
            log.write_all(&[&[b'x'; 99], &b"\n"[..]].concat()).unwrap();
            assert!(begin.elapsed() < pause, "it slept through a pause without trouble");
        }
        log.sync().unwrap();
        assert_eq!((log.durable(), log.appended()), (10_000_000, 10_000_000));
        log.close().unwrap();
    }

    #[test]
    fn a_directory_that_is_in_use_is_an_error_with_a_reason() {
        let _alone = crate::faults::alone();
        let home = tempfile::tempdir().unwrap();
        let _first = Writer::open(home.path(), &Settings::default()).unwrap();
        let second = Writer::open(home.path(), &Settings::default()).unwrap_err();
        assert!(second.to_string().contains("already in use by process"), "{second}");
    }
}
