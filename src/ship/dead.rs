//! Messages that the receiver refuses for good: kept in a log directory of their own, for a person to look at.

use crate::message;
use ::logdir::clock;
use ::logdir::disk::Dir;
use ::logdir::failure::{Failure, What};
use ::logdir::settings::Settings;
use ::logdir::wake::Wake;
use ::logdir::write::{Closed, LogDir};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

/// The files of the directory together have at most this many bytes.
const TOTAL_MAX: u64 = 100 * 1024 * 1024;
/// Time until the next try to store what could not be stored.
const PAUSE: Duration = Duration::from_secs(5);

/// A message that was given up and is not stored yet.
#[derive(Debug)]
pub struct Letter {
    /// Window id; the window holds the bytes.
    pub id: u64,
    /// Why it was given up.
    pub why: String,
}

/// The log directory. It is opened for each message and closed after it, since that syncs the message; messages
/// are rarely refused.
pub struct DeadLetters {
    dir: OsString,
    settings: Settings,
    wake: Wake,
    /// What is not stored yet: at most what the window holds.
    letters: VecDeque<Letter>,
    /// Log directory holding the first of `letters`.
    open: Option<LogDir>,
    /// When it is tried again after a failure.
    try_at: Option<Instant>,
}

impl DeadLetters {
    /// Nothing is made yet.
    pub fn new(dir: &Path, wake: &Wake) -> DeadLetters {
        let settings =
            Settings { total_max: Some(TOTAL_MAX), number_max: 1000, ..Settings::default() };
        let (dir, letters, wake) = (dir.as_os_str().to_owned(), VecDeque::new(), wake.clone());
        DeadLetters { dir, settings, wake, letters, open: None, try_at: None }
    }

    /// Takes a message that is to be stored.
    pub fn add(&mut self, letter: Letter) {
        self.letters.push_back(letter);
    }

    /// Goes on storing the first message, whose bytes are `message`. Returns it when it is written and synced.
    pub fn advance<'a>(
        &mut self,
        message: impl FnOnce(u64) -> Option<&'a [u8]>,
    ) -> Result<Option<Letter>, Failure> {
        let Some(first) = self.letters.front() else { return Ok(None) };
        if self.try_at.is_some_and(|at| Instant::now() < at) {
            return Ok(None);
        }
        if self.open.is_none() {
            let line = line(message(first.id).unwrap_or_default(), &first.why);
            match self.write(&line) {
                Ok(log) => self.open = Some(log),
                Err(failure) => {
                    self.try_at = Some(Instant::now() + PAUSE);
                    return Err(failure);
                }
            }
        }
        match self.open.as_mut().and_then(LogDir::close) {
            None => Ok(None),
            Some(Closed::Clean) => {
                (self.open, self.try_at) = (None, None);
                Ok(self.letters.pop_front())
            }
            // The directory has reported why. A message that is there twice is no harm.
            Some(Closed::Unsynced) => {
                (self.open, self.try_at) = (None, Some(Instant::now() + PAUSE));
                Ok(None)
            }
        }
    }

    /// When to go on, if nothing wakes the loop before.
    pub fn deadline(&self) -> Option<Instant> {
        let next = if self.letters.is_empty() { None } else { Some(Instant::now()) };
        let waits_for_disk = self.open.as_ref().and_then(LogDir::deadline);
        self.try_at.or(waits_for_disk).or(next.filter(|_| self.open.is_none()))
    }

    fn write(&self, line: &[u8]) -> Result<LogDir, Failure> {
        let start = Dir::start().map_err(|errno| Failure::new(What::StartDirectory, "", errno))?;
        let mut log =
            LogDir::open(&start, &self.dir, &self.settings, &self.wake, &message::reporter())?;
        log.append(line);
        Ok(log)
    }
}

/// The line of a message: its stamp is the moment at which it was given up.
fn line(message: &[u8], why: &str) -> Vec<u8> {
    let mut line = clock::now().format().to_vec();
    line.extend_from_slice(b" refused: ");
    line.extend_from_slice(why.replace('\n', " ").as_bytes());
    line.extend_from_slice(b": ");
    line.extend_from_slice(message);
    line.push(b'\n');
    line
}
