//! Rotation: renames `current` to `previous`, creates a new `current`, and gives the old file to
//! the worker.
//!
//! Other modules decide when a file ends. A failed step is retried after the pause.

use crate::clock;
use crate::disk::{File, For};
use crate::failure::{Failure, What};
use crate::format::{CURRENT, PREVIOUS};
use crate::write::current::Current;
use crate::write::finish::Finishing;
use crate::write::replaced::Named;
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
    /// Hand `previous` to the worker: another program had put this file in the place of `current`.
    Name,
    /// Create `current`: another program removed or replaced the old file.
    Replace,
    /// Copy the end of the removed or replaced file to the new `current`.
    WriteAgain,
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
                Rotation::Name => self.name_other(),
                Rotation::Create | Rotation::Replace => self.create_current(),
                Rotation::WriteAgain => self.write_again(),
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
        let named = self.find_named()?;
        if let Some(left_over) = self.find_left_over()? {
            if named == Named::Nothing && self.is_open_file(&left_over)? {
                // The failed rename had renamed the file.
                return Ok(Rotation::Create);
            }
            self.worker.give(Task::finish(Finishing::of_left_over(left_over)));
            return Ok(Rotation::Rename);
        }
        if named != Named::OpenFile {
            self.keep_tail()?;
        }
        if named == Named::Nothing {
            return Ok(self.replace_removed());
        }
        match self.place.dir.rename(CURRENT, PREVIOUS) {
            Ok(()) if named == Named::Other => Ok(self.replace_other()),
            Ok(()) => Ok(Rotation::Create),
            // Removed after the look, or renamed by an interrupted first call.
            Err(Errno::ENOENT) => Ok(Rotation::Rename),
            Err(errno) => Err(self.place.failure_here(What::RenameCurrent, errno)),
        }
    }

    /// A `previous` created by another program, or by a rename that completed with an error. A new
    /// rename would replace it.
    pub(super) fn find_left_over(&self) -> Result<Option<File>, Failure> {
        let failure = |errno| self.place.failure(What::Read, PREVIOUS, errno);
        match self.place.dir.stat(PREVIOUS).map_err(failure)? {
            None => Ok(None),
            Some(_) => self.place.dir.open(PREVIOUS, For::Reading).map(Some).map_err(failure),
        }
    }

    fn create_current(&mut self) -> Result<Rotation, Failure> {
        let file = open::current(&self.place, What::Create)?;
        let begin = self.begin_of_new();
        let current = Current::new(file, begin, self.place.note_name());
        self.extents.push(&current, self.place.names_synced());
        let full = std::mem::replace(&mut self.current, current);
        self.is_synced_ahead = false;
        self.size = 0;
        self.timers.forget_current();
        self.figures.rotated_at = Some(clock::now());
        if self.rotation == Rotation::Replace {
            return Ok(Rotation::WriteAgain);
        }
        self.is_at_line_start = true;
        self.rotation = Rotation::None;
        self.worker.give(Task::finish(Finishing::new(full)));
        Ok(Rotation::None)
    }
}
