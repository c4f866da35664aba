//! A rotation: `current` becomes `previous`, a new one is made, and the worker gets the old one.
//!
//! When a file ends is decided elsewhere. What fails keeps its place and is tried again after the pause.

use crate::clock;
use crate::disk::{File, For};
use crate::event::Event;
use crate::failure::{Failure, What};
use crate::format::{CURRENT, PREVIOUS};
use crate::write::current::Current;
use crate::write::finish::Finishing;
use crate::write::task::Task;
use crate::write::{LogDir, open};
use nix::errno::Errno;
use std::sync::Arc;

/// The next step of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// None is under way.
    None,
    /// `current` becomes `previous`, once that name is free.
    Rename,
    /// A new `current` is made, and the old one goes to the worker.
    Create,
    /// A new `current` is made; the old one was removed by somebody else.
    Replace,
}

impl LogDir {
    pub(super) fn begin_rotation(&mut self, wanted: bool) {
        if wanted {
            self.rotation = Rotation::Rename;
        }
    }

    /// Takes a rotation that is under way as far as it goes. True when there is a `current` to write
    /// to and no pause.
    pub(super) fn is_ready(&mut self) -> bool {
        while self.disk_full.is_none() && self.pause.is_over() {
            let step = match self.rotation {
                Rotation::None => return true,
                Rotation::Rename if self.is_finishing() => {
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
                Err(failure) => self.stop(failure),
            }
        }
        false
    }

    /// Begins to sync a full `current` that waits for the file before it. On a slow disk each file then takes
    /// the time of one sync, as with 0.76, which does not sync names.
    fn sync_ahead(&mut self) {
        if !self.is_synced_ahead && self.place.is_slow() && self.worker.can_sync_ahead() {
            self.is_synced_ahead = true;
            self.worker.give(Task::Sync(Arc::clone(&self.current)));
        }
    }

    fn rename_current(&mut self) -> Result<Rotation, Failure> {
        if let Some(left_over) = self.find_left_over()? {
            self.worker.give(Task::finish(Finishing::of_left_over(left_over)));
            return Ok(Rotation::Rename);
        }
        match self.place.dir.rename(CURRENT, PREVIOUS) {
            Ok(()) => Ok(Rotation::Create),
            // A call that was interrupted after its work was made again.
            Err(Errno::ENOENT) if self.find_left_over()?.is_some() => Ok(Rotation::Create),
            Err(Errno::ENOENT) => {
                let place = self.place.name().to_vec();
                self.place.report(&Event::CurrentRemoved { place });
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
        let file = open::current(&self.place, What::Create)?;
        let current = Current::new(file, self.figures.bytes_written, self.place.note_name());
        self.extents.push(&current, self.place.names_synced());
        let full = std::mem::replace(&mut self.current, current);
        self.is_synced_ahead = false;
        self.size = 0;
        self.is_at_line_start = true;
        self.timers.forget_current();
        self.figures.rotated_at = Some(clock::now());
        let is_renamed = self.rotation == Rotation::Create;
        self.rotation = Rotation::None;
        if is_renamed {
            self.worker.give(Task::finish(Finishing::new(full)));
        }
        Ok(Rotation::None)
    }
}
