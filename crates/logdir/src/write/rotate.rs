//! A rotation: `current` becomes `previous`, a new one is made, and the finisher gets the old one.
//!
//! When a file ends is decided elsewhere. What fails keeps its place and is tried again after the pause.

use crate::clock;
use crate::disk::{File, For};
use crate::event::Event;
use crate::failure::{Failure, What};
use crate::format::{CURRENT, PREVIOUS};
use crate::write::current::Current;
use crate::write::finish::Finishing;
use crate::write::sync_ahead::SyncAhead;
use crate::write::{LogDir, open};
use nix::errno::Errno;

/// The next step of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// None is under way.
    None,
    /// `current` becomes `previous`, once that name is free.
    Rename,
    /// A new `current` is made, and the old one goes to the finisher.
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

    fn sync_ahead(&mut self) {
        if self.ahead.is_none() && self.place.is_slow() {
            self.ahead = SyncAhead::begin(&self.current);
        }
    }

    fn rename_current(&mut self) -> Result<Rotation, Failure> {
        // Without somebody to finish it, no file is taken out of use.
        self.finisher.prepare(&self.place)?;
        if let Some(left_over) = self.find_left_over()? {
            self.finisher.start(Finishing::of_left_over(left_over));
            return Ok(Rotation::Rename);
        }
        match self.place.dir.rename(CURRENT, PREVIOUS) {
            Ok(()) => Ok(Rotation::Create),
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
        let current = Current::new(open::current(&self.place, What::Create)?);
        let full = std::mem::replace(&mut self.current, current);
        let ahead = self.ahead.take();
        self.size = 0;
        self.is_at_line_start = true;
        self.timers.forget_current();
        self.figures.rotated_at = Some(clock::now());
        if self.rotation == Rotation::Create {
            self.finisher.start(Finishing::new(full, ahead));
        }
        Ok(Rotation::None)
    }
}
