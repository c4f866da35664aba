//! Rotation: renames `current` to `previous`, creates a new `current`, and gives the old file to
//! the worker.
//!
//! Other modules decide when a file ends. A failed step is retried after the pause.

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
    /// No rotation.
    None,
    /// Rename `current` to `previous`, once that name is free.
    Rename,
    /// Create `current`; the old file goes to the worker.
    Create,
    /// Create `current`: another program removed the old file.
    Replace,
}

impl LogDir {
    pub(super) fn begin_rotation(&mut self, wanted: bool) {
        if wanted {
            self.rotation = Rotation::Rename;
        }
    }

    /// Advances a pending rotation as far as possible. True if `current` is ready for writing,
    /// without a pause.
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

    /// Begins to sync a full `current` while the previous file is unfinished. On a slow disk each
    /// file then costs the time of a single sync, as with 0.76, which does not sync names.
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
            // The interrupted first call had renamed the file; the repeated call finds none.
            Err(Errno::ENOENT) if self.find_left_over()?.is_some() => Ok(Rotation::Create),
            Err(Errno::ENOENT) => {
                let place = self.place.name().to_vec();
                self.place.report(&Event::CurrentRemoved { place });
                Ok(Rotation::Replace)
            }
            Err(errno) => Err(self.place.failure_here(What::RenameCurrent, errno)),
        }
    }

    /// A `previous` created by another program, or by a rename that completed with an error. A new
    /// rename would replace it.
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
