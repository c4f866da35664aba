//! Status file: the last selected line, padded to a fixed size (multilog(8), `=file`).

use ::logdir::disk::{Dir, For, again};
use ::logdir::event::{Reporter, Work};
use ::logdir::failure::{Failure, What};
use ::logdir::format::MODE_PRIVATE;
use ::logdir::pause::{PAUSE, Pause};
use nix::errno::Errno;
use nix::sys::uio::pwrite;
use nix::unistd::ftruncate;
use script::presentation::StatusSize;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

/// Open status file.
///
/// Only the last line before each flush is written: a reader could not distinguish earlier lines.
/// After a failure, the last line is kept and retried; input never waits for a status file.
#[derive(Debug)]
pub struct StatusFile {
    name: OsString,
    file: OwnedFd,
    /// Device and inode number.
    identity: (u64, u64),
    /// Head of the last line; formatted only before a write, because most lines are never written.
    line: Vec<u8>,
    size: StatusSize,
    is_written: bool,
    pause: Pause,
}

impl StatusFile {
    /// Opens a status file relative to `start`, creating it if necessary. Never truncates; writes
    /// only after a line is selected.
    pub fn open(start: &Dir, name: &OsStr, reporter: &Reporter) -> Result<StatusFile, Failure> {
        let failure = |what| move |errno| Failure::new(what, name.as_bytes(), errno);
        start.open_named(name, For::Appending(MODE_PRIVATE)).map_err(failure(What::Create))?;
        let file = start.open_named(name, For::Overwriting).map_err(failure(What::Write))?;
        let identity = file.stat().map_err(failure(What::Stat))?.identity;
        Ok(StatusFile {
            name: name.to_owned(),
            file: file.into(),
            identity,
            line: Vec::new(),
            size: StatusSize::Original,
            is_written: true,
            pause: Pause::of(PAUSE, reporter),
        })
    }

    /// True if both names lead to one file.
    pub fn is_same_file(&self, other: &StatusFile) -> bool {
        self.identity == other.identity
    }

    /// Stores a line for display.
    pub fn show(&mut self, line: &[u8], size: StatusSize) {
        self.line.clear();
        self.line.extend_from_slice(line);
        self.size = size;
        self.is_written = false;
    }

    /// Writes the stored line, except during a retry delay.
    pub fn flush(&mut self) {
        if self.is_written || !self.pause.is_over() {
            return;
        }
        let status = self.size.status(&self.line);
        let (what, errno) = match self.write(&status) {
            Ok(len) if len == status.len() => {
                self.is_written = true;
                self.pause.clear();
                self.pause.report_end(Work::Showing, self.name.as_bytes());
                return;
            }
            // The disk filled up during the write.
            Ok(_) => (What::Write, Errno::ENOSPC),
            Err(Errno::ESPIPE) => (What::Seek, Errno::ESPIPE),
            Err(errno) => (What::Write, errno),
        };
        self.pause.start(&Failure::new(what, self.name.as_bytes(), errno));
    }

    fn write(&self, status: &[u8]) -> Result<usize, Errno> {
        let len = again(|| pwrite(&self.file, status, 0))?;
        // Removes the rest of a longer previous status.
        if self.size == StatusSize::AsLine && len == status.len() {
            let end = i64::try_from(len).map_err(|_| Errno::EFBIG)?;
            again(|| ftruncate(&self.file, end))?;
        }
        Ok(len)
    }

    /// Time of the next retry.
    pub fn deadline(&self) -> Option<Instant> {
        self.pause.until()
    }
}
