//! A log directory and its only writer: appends lines, rotates, and hands full files to the finisher.
//!
//! Opening puts the directory in order and can fail. From then on nothing fails: a step that does is
//! told, keeps its place and is tried again after a pause, while what comes is held in a bounded
//! buffer. Nothing here waits.

mod archives;
mod finish;
mod finisher;
mod lock;
mod open;
mod place;
mod processor;
mod recover;
mod replace;
mod rotation_point;
mod sync_ahead;

use crate::diag::{self, Again, Failure, What};
use crate::disk::{File, For};
use crate::format::{CURRENT, MODE_COMPLETE, PREVIOUS};
use crate::pause::Pause;
use finish::Finishing;
use finisher::Finisher;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use place::Place;
use std::io;
use std::sync::Arc;
use std::time::Instant;
use sync_ahead::SyncAhead;

/// What a directory holds in memory at most, in bytes.
pub const BUFFER_MAX: usize = 128 * 1024;

/// From this size, in bytes, a piece is written from where it lies instead of being copied first.
const DIRECT_MIN: usize = 16 * 1024;

/// A log directory that is open for writing.
#[derive(Debug)]
pub struct LogDir {
    place: Arc<Place>,
    current: Arc<File>,
    /// The sync of a full `current` that waits for the file before it, where that has begun.
    ahead: Option<SyncAhead>,
    /// Bytes in `current`.
    size: u64,
    /// Accepted and not yet written, at most [`BUFFER_MAX`] bytes.
    buffer: Vec<u8>,
    /// Where in the buffer `current` was asked to end. At most `buffer.len()`.
    cut_pos: Option<usize>,
    rotation: Rotation,
    pause: Pause,
    /// A file of an earlier run that waits for its processor.
    waiting: Option<Finishing>,
    finisher: Finisher,
    end: End,
}

/// The next step of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rotation {
    /// None is under way.
    None,
    /// `current` becomes `previous`, once that name is free.
    Rename,
    /// A new `current` is made, and the old one goes to the finisher.
    Create,
    /// A new `current` is made; the old one was removed by somebody else.
    Replace,
}

/// How far the end of the writer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Synced,
    Closed(Closed),
}

/// How a directory was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Everything is on disk, and `current` says so.
    Clean,
    /// Everything is written, but `current` could not be synced: the next start will take it for
    /// unfinished.
    Unsynced,
}

impl LogDir {
    /// Takes bytes that belong behind all that were taken before. A line may come in any number of
    /// pieces. The caller makes sure that there is room.
    pub fn append(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.room());
        assert!(self.end == End::Open);
        let direct = self.buffer.is_empty() && bytes.len() >= DIRECT_MIN;
        let written = if direct { self.put(bytes) } else { 0 };
        self.buffer.extend_from_slice(&bytes[written..]);
    }

    /// How many bytes can be taken now.
    pub fn room(&self) -> usize {
        BUFFER_MAX - self.buffer.len()
    }

    /// Writes what can be written, and goes on with a rotation that is under way.
    pub fn flush(&mut self) {
        self.take_up();
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.put(&buffer);
        buffer.drain(..written);
        self.buffer = buffer;
        if self.buffer.is_empty() && self.rotation == Rotation::None {
            self.pause.tell_end(Again::Writing, self.place.name());
        }
    }

    /// Ends `current` here if it is not empty, as for SIGALRM.
    pub fn rotate(&mut self) {
        if self.end == End::Open && self.cut_pos.is_none() {
            self.cut_pos = Some(self.buffer.len());
        }
        self.flush();
    }

    /// When there is something to try again, if there was trouble.
    pub fn deadline(&self) -> Option<Instant> {
        self.pause.until()
    }

    /// Whether something failed and waits to be tried again.
    pub fn is_in_trouble(&self) -> bool {
        let is_stuck = self.place.processors.are_stuck();
        self.pause.until().is_some() || self.finisher.is_in_trouble() || is_stuck
    }

    /// Sends a signal to a processor that runs, and starts no other. The file it had, and any that is full
    /// from now on, waits for the next start.
    pub fn stop_processor(&self, signal: Signal) {
        self.place.processors.stop(signal);
        self.finisher.hurry();
    }

    /// Goes on with the end: when everything is written and finished, `current` is synced and marked.
    /// Tells how it was left, once it is.
    pub fn close(&mut self) -> Option<Closed> {
        if let End::Closed(closed) = self.end {
            return Some(closed);
        }
        self.flush();
        let is_busy = self.waiting.is_some() || self.finisher.is_busy();
        if !self.buffer.is_empty() || !self.is_ready() || is_busy {
            return None;
        }
        if self.end == End::Open {
            self.end = match self.current.sync() {
                Ok(()) => End::Synced,
                Err(errno) => {
                    diag::failed(&self.place.failure(What::Sync, CURRENT, errno));
                    End::Closed(Closed::Unsynced)
                }
            };
        }
        if self.end == End::Synced {
            self.end = match self.current.set_mode(MODE_COMPLETE) {
                Ok(()) => {
                    self.pause.clear();
                    self.pause.tell_end(Again::Writing, self.place.name());
                    End::Closed(Closed::Clean)
                }
                Err(errno) => {
                    self.pause.start(&self.place.failure(What::SetMode, CURRENT, errno));
                    return None;
                }
            };
        }
        self.close()
    }

    /// Leaves a directory that was opened and not written to as it was found: clean.
    pub fn leave(self) {
        if let Err(errno) = self.current.set_mode(MODE_COMPLETE) {
            diag::failed(&self.place.failure(What::SetMode, CURRENT, errno));
        }
    }

    /// Tells what is given up when the program has to end now.
    pub fn give_up(&self) {
        let file =
            if self.finisher.is_busy() { ", the file before them is not finished" } else { "" };
        diag::give_up(self.place.name(), &self.buffer, file);
        self.place.processors.stop(Signal::SIGTERM);
    }

    /// On the model disk: does one step of what the finisher's thread would do.
    #[cfg(test)]
    pub fn advance_finisher(&mut self) -> bool {
        self.finisher.advance()
    }

    /// Writes, rotating where a file ends. Tells how many bytes were written; fewer than given where
    /// there is trouble or the last full file is not finished yet.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let mut done = 0;
        while self.is_ready() {
            if self.cut_pos == Some(0) {
                self.cut_pos = None;
                self.begin_rotation(self.size > 0);
                continue;
            }
            let rest = &bytes[done..done + self.cut_pos.unwrap_or(bytes.len() - done)];
            if rest.is_empty() {
                break;
            }
            let spec = &self.place.spec;
            let point = rotation_point::find(self.size, spec.size_max, spec.margin, rest);
            let written = self.write(&rest[..point.len]);
            done += written;
            self.cut_pos = self.cut_pos.map(|cut_pos| cut_pos - written);
            self.begin_rotation(point.ends && written == point.len);
        }
        done
    }

    /// Writes some of the bytes to `current` and tells how many; none starts a pause.
    fn write(&mut self, bytes: &[u8]) -> usize {
        if bytes.is_empty() {
            return 0;
        }
        match self.current.write(bytes) {
            Ok(written) if written > 0 => {
                self.pause.clear();
                self.size += written as u64;
                written
            }
            Ok(_) => self.pause_writing(Errno::EIO),
            Err(errno) => self.pause_writing(errno),
        }
    }

    fn pause_writing(&mut self, errno: Errno) -> usize {
        self.pause.start(&self.place.failure(What::WriteTo, CURRENT, errno));
        0
    }

    /// Hands a file of an earlier run to the finisher.
    fn take_up(&mut self) {
        if self.waiting.is_none() || !self.pause.is_over() {
            return;
        }
        match self.finisher.prepare(&self.place) {
            Ok(()) => {
                self.pause.clear();
                if let Some(waiting) = self.waiting.take() {
                    self.finisher.start(waiting);
                }
            }
            Err(failure) => self.pause.start(&failure),
        }
    }

    fn begin_rotation(&mut self, wanted: bool) {
        if wanted {
            self.rotation = Rotation::Rename;
        }
    }

    /// Takes a rotation that is under way as far as it goes. True when there is a `current` to write
    /// to and no pause.
    fn is_ready(&mut self) -> bool {
        while self.pause.is_over() {
            let step = match self.rotation {
                Rotation::None => return true,
                Rotation::Rename if self.finisher.is_busy() => {
                    self.sync_ahead();
                    return false;
                }
                Rotation::Rename => self.rename_current(),
                Rotation::Create | Rotation::Replace => self.create_current(),
            };
            match step {
                Ok(next) => {
                    self.pause.clear();
                    self.rotation = next;
                }
                Err(failure) => self.pause.start(&failure),
            }
        }
        false
    }

    fn sync_ahead(&mut self) {
        if self.ahead.is_none() && self.place.is_slow() {
            self.ahead = SyncAhead::begin(&self.current);
        }
    }

    fn rename_current(&mut self) -> Result<Rotation, Failure> {
        // Without somebody to finish it, no file is taken out of use.
        self.finisher.prepare(&self.place)?;
        if let Some(left_over) = self.find_left_over()? {
            self.finisher.start(Finishing::of_left_over(Arc::new(left_over)));
            return Ok(Rotation::Rename);
        }
        match self.place.dir.rename(CURRENT, PREVIOUS) {
            Ok(()) => Ok(Rotation::Create),
            Err(Errno::ENOENT) => {
                let told = [b"somebody removed ", self.place.name(), b"/current, making a new one"];
                diag::warn(&told.concat());
                Ok(Rotation::Replace)
            }
            Err(errno) => Err(self.place.failure_here(What::RenameCurrent, errno)),
        }
    }

    /// A `previous` that somebody put there, or that a rename left which was answered with an error. It
    /// would be replaced.
    fn find_left_over(&self) -> Result<Option<File>, Failure> {
        let failure = |errno| self.place.failure(What::Read, PREVIOUS, errno);
        match self.place.dir.stat(PREVIOUS).map_err(failure)? {
            None => Ok(None),
            Some(_) => self.place.dir.open(PREVIOUS, For::Reading).map(Some).map_err(failure),
        }
    }

    fn create_current(&mut self) -> Result<Rotation, Failure> {
        let current = Arc::new(open::current(&self.place, What::Create)?);
        let full = std::mem::replace(&mut self.current, current);
        let ahead = self.ahead.take();
        self.size = 0;
        if self.rotation == Rotation::Create {
            self.finisher.start(Finishing::new(full, ahead));
        }
        Ok(Rotation::None)
    }
}

/// For programs that are not multilog: takes everything, and waits where multilog would hold back its
/// input.
impl io::Write for LogDir {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while self.room() == 0 {
            let until = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
            let pause = self.deadline().map(until);
            match self.finisher.is_busy() {
                true => self.finisher.wait(pause.unwrap_or(self.place.spec.pause)),
                // Without a pause there is nothing to wait for: it has become idle just now.
                false => std::thread::sleep(pause.unwrap_or_default()),
            }
            LogDir::flush(self);
        }
        let taken = bytes.len().min(self.room());
        self.append(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        LogDir::flush(self);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Dir;
    use crate::script::LogSpec;
    use crate::wake::Wake;
    use std::io::Write;
    use std::time::Duration;

    /// Some thousand files, each a chance for the finisher to end just before it is asked.
    #[test]
    fn a_writer_of_much_waits_only_for_the_finisher() {
        let home = tempfile::tempdir_in("/dev/shm").unwrap();
        let pause = Duration::from_secs(20);
        let spec = LogSpec { size_max: 4096, pause, ..LogSpec::new(home.path().join("d")) };
        let start = Dir::start().unwrap();
        let mut log = LogDir::open(&start, &spec, &Wake::new().unwrap()).unwrap();
        let begin = Instant::now();
        for _ in 0..100_000 {
            log.write_all(&[&[b'x'; 99], &b"\n"[..]].concat()).unwrap();
            assert!(begin.elapsed() < pause, "it slept through a pause without trouble");
        }
    }
}
