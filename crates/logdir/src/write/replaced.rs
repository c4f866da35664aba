//! Detects that another program removed or replaced `current`, and continues in a new file.
//!
//! `sed -i` and many editors rename a new file to `current`. The open file then has no name, and its lines are
//! lost when it is closed. The name is compared with the open file 2 seconds after a write, before a rotation
//! and at the end. Bytes written since the last match are copied to the new `current`. Earlier bytes are not: an
//! administrator may have removed them on purpose.

use crate::disk::File;
use crate::event::Event;
use crate::failure::{Failure, What};
use crate::format::CURRENT;
use crate::write::archives;
use crate::write::current::Current;
use crate::write::finish::Finishing;
use crate::write::locked_dir::OnceUntilOver;
use crate::write::rotate::Rotation;
use crate::write::task::Task;
use crate::write::timers::Due;
use crate::write::{End, LogDir};
use nix::errno::Errno;
use std::sync::Arc;

/// Bytes per copy step.
const BLOCK: usize = 4 * 1024;

/// The file with the name `current`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The open file.
    OpenFile,
    /// No file.
    Nothing,
    /// A file of another program.
    Other,
}

/// State of the comparison between name and open file.
#[derive(Debug)]
pub struct Watch {
    /// Whether inode numbers identify files. Some network file systems invent a number for each call.
    are_files_known: bool,
    /// Bytes written from the opening of the directory to the last match of name and open file.
    seen: u64,
    /// The directory was removed.
    is_place_gone: OnceUntilOver,
    /// Bytes to copy to the new `current`.
    tail: Option<Tail>,
}

/// The uncopied end of a removed or replaced file.
#[derive(Debug)]
struct Tail {
    from: Arc<Current>,
    /// File position of the next byte.
    pos: u64,
    /// Remaining bytes.
    len: u64,
}

impl Watch {
    /// State after the opening of the directory.
    pub fn new(are_files_known: bool) -> Watch {
        Watch { are_files_known, seen: 0, tail: None, is_place_gone: OnceUntilOver::default() }
    }

    /// Remaining bytes to copy.
    fn again(&self) -> u64 {
        self.tail.as_ref().map_or(0, |tail| tail.len)
    }
}

impl Tail {
    /// Reads the next bytes.
    fn read(&self, block: &mut [u8]) -> Result<usize, Errno> {
        let len = usize::try_from(self.len).unwrap_or(block.len()).min(block.len());
        match len {
            0 => Ok(0),
            _ => self.from.read_at(&mut block[..len], self.pos),
        }
    }
}

impl LogDir {
    /// Compares the name with the open file, and starts the replacement if they differ. A failed call is repeated
    /// later.
    pub(super) fn look_for_current(&mut self) {
        if self.find_changed().is_err() {
            self.timers.put_off(Due::LookForCurrent, self.place.spec.pause);
        }
    }

    /// Whether the name and the open file match. If not, starts the replacement; a failed call starts a pause.
    pub(super) fn is_current_there(&mut self) -> bool {
        match self.find_changed() {
            Ok(()) => self.rotation == Rotation::None,
            Err(failure) => {
                self.stop(failure);
                false
            }
        }
    }

    fn find_changed(&mut self) -> Result<(), Failure> {
        if self.end != End::Open || self.rotation != Rotation::None {
            return Ok(());
        }
        match self.find_named()? {
            Named::OpenFile => {}
            Named::Nothing if self.is_place_gone()? => {}
            Named::Nothing | Named::Other => self.rotation = Rotation::Rename,
        }
        Ok(())
    }

    /// Whether the directory was removed; reported once. The end does not wait for a new `current`, since none can
    /// be created there.
    fn is_place_gone(&self) -> Result<bool, Failure> {
        let stat = self.place.dir.stat(b".");
        let stat = stat.map_err(|errno| self.place.failure(What::Stat, b".", errno))?;
        let is_gone = stat.is_some_and(|stat| stat.links == 0);
        if is_gone && self.watch.is_place_gone.is_news() {
            self.place.report_failed(self.place.failure(What::Append, CURRENT, Errno::ENOENT));
        }
        Ok(is_gone)
    }

    /// Looks up the name `current`.
    pub(super) fn find_named(&mut self) -> Result<Named, Failure> {
        let failure = |errno| self.place.failure(What::Stat, CURRENT, errno);
        let Some(named) = self.place.dir.stat(CURRENT).map_err(failure)? else {
            return Ok(Named::Nothing);
        };
        let open = self.current.stat().map_err(failure)?;
        if self.watch.are_files_known && named.identity != open.identity {
            // A directory, link or FIFO cannot become an archive: wait until it is removed.
            let refused = named.refuse_others();
            refused.map_err(|errno| self.place.failure(What::Append, CURRENT, errno))?;
            return Ok(Named::Other);
        }
        self.watch.seen = self.figures.bytes_written;
        Ok(Named::OpenFile)
    }

    /// Whether `file` is the open `current`.
    pub(super) fn is_open_file(&self, file: &File) -> Result<bool, Failure> {
        let failure = |errno| self.place.failure(What::Stat, CURRENT, errno);
        let (file, open) = (file.stat().map_err(failure)?, self.current.stat().map_err(failure)?);
        Ok(file.identity == open.identity)
    }

    /// Reports a removed `current`.
    pub(super) fn replace_removed(&mut self) -> Rotation {
        let (place, again) = (self.place.name().to_vec(), self.watch.again());
        self.place.report(&Event::CurrentRemoved { place, again });
        Rotation::Replace
    }

    /// Reports a replaced `current`; the replacement was renamed to `previous`.
    pub(super) fn replace_other(&mut self) -> Rotation {
        let (place, again) = (self.place.name().to_vec(), self.watch.again());
        self.place.report(&Event::CurrentReplaced { place, again });
        Rotation::Name
    }

    /// Hands the replacement, now `previous`, to the worker.
    pub(super) fn name_other(&mut self) -> Result<Rotation, Failure> {
        if let Some(other) = self.find_left_over()? {
            self.worker.give(Task::finish(Finishing::of_left_over(other)));
        }
        Ok(Rotation::Replace)
    }

    /// Selects the bytes to copy: none if another program made the open file an archive.
    pub(super) fn keep_tail(&mut self) -> Result<(), Failure> {
        let open = self.current.stat();
        let open = open.map_err(|errno| self.place.failure(What::Stat, CURRENT, errno))?;
        let is_archive = open.links > 0 && archives::find(&self.place, open.identity)?.is_some();
        let len = match is_archive {
            true => 0,
            false => (self.figures.bytes_written - self.watch.seen).min(open.size),
        };
        let from = Arc::clone(&self.current);
        self.watch.tail = Some(Tail { from, pos: open.size - len, len });
        Ok(())
    }

    /// Position of the first byte of a new `current`.
    pub(super) fn begin_of_new(&mut self) -> u64 {
        let written = self.figures.bytes_written;
        let mut begin = written;
        if self.rotation == Rotation::Replace {
            begin -= self.watch.again();
            self.current.extent().end_at(begin);
            if self.place.are_names_promised() {
                // A pending sync request must cover the copied bytes.
                self.sync_wanted.get_or_insert((written, written));
            }
        }
        self.watch.seen = begin;
        begin
    }

    /// Copies one block. Inlined, the block would be on the stack of every rotation.
    #[inline(never)]
    pub(super) fn write_again(&mut self) -> Result<Rotation, Failure> {
        let mut block = [0; BLOCK];
        let read = self.watch.tail.as_ref().map_or(Ok(0), |tail| tail.read(&mut block));
        let len = match read {
            // The user may write the file but not read it.
            Err(Errno::EBADF) => 0,
            read => read.map_err(|errno| self.place.failure(What::Read, CURRENT, errno))?,
        };
        if len == 0 {
            return Ok(self.end_tail());
        }
        let failure = |errno| self.place.failure(What::WriteTo, CURRENT, errno);
        let written = self.current.write(&block[..len]).map_err(failure)? as u64;
        if written == 0 {
            return Err(failure(Errno::EIO));
        }
        if let Some(tail) = &mut self.watch.tail {
            (tail.pos, tail.len) = (tail.pos + written, tail.len - written);
        }
        self.timers.note_write(self.size == 0);
        self.size += written;
        Ok(Rotation::WriteAgain)
    }

    /// Ends the copy, and reports bytes that cannot be read.
    fn end_tail(&mut self) -> Rotation {
        if self.watch.again() > 0 {
            self.current.extent().lose();
            self.place.report_failed(self.place.failure(What::Read, CURRENT, Errno::EACCES));
        }
        self.watch.tail = None;
        self.is_at_line_start |= self.size == 0;
        Rotation::None
    }
}
