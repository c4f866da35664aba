//! What a log directory does in time, without any line coming. Most have no such thing, and then this costs
//! a look at three empty places.

use crate::clock;
use crate::label::Label;
use crate::settings::Settings;
use crate::write::rotation_time::RotationTime;
use std::time::{Duration, Instant};

/// How often archives are looked at for their age: at least, or once in that age, since new ones come
/// and others may have changed them and the clock; and at most.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const LOOK_MIN: Duration = Duration::from_secs(1);

/// What can be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// `current` has been dirty for as long as it may be.
    Sync,
    /// An archive may be too old.
    RemoveAged,
}

/// The times at which something is due.
#[derive(Debug)]
pub struct Timers {
    sync_after: Option<Duration>,
    /// None while `current` is on disk.
    sync_at: Option<Instant>,
    age_max: Option<Duration>,
    aged_at: Option<Instant>,
    rotation: Option<RotationTime>,
}

impl Timers {
    /// Those of a directory that is opened now. `born` tells since when there have been lines in
    /// `current`, if there are any.
    pub fn new(spec: &Settings, born: impl FnOnce() -> Option<Label>) -> Timers {
        let mut rotation = spec.rotate_after.map(RotationTime::new);
        if let Some(rotation) = &mut rotation
            && let Some(born) = born()
        {
            rotation.resume(born);
        }
        Timers {
            sync_after: spec.sync_after,
            sync_at: None,
            age_max: spec.age_max,
            aged_at: spec.age_max.map(|_| clock::instant()),
            rotation,
        }
    }

    /// Whether there is nothing that could be due.
    pub fn are_none(&self) -> bool {
        self.sync_at.is_none() && self.aged_at.is_none() && self.rotation.is_none()
    }

    /// When something is due. A sync is not while one is under way, nor is removal while the worker is at
    /// another chore.
    pub fn next(&self, is_syncing: bool, is_at_chore: bool) -> Option<Instant> {
        let rotation = self.rotation.as_ref().and_then(RotationTime::look_at);
        let sync_at = self.sync_at.filter(|_| !is_syncing);
        let aged_at = self.aged_at.filter(|_| !is_at_chore);
        [rotation, sync_at, aged_at].into_iter().flatten().min()
    }

    /// Something was written to `current`, which had nothing in it before, or had.
    pub fn note_write(&mut self, is_first: bool) {
        if let Some(sync_after) = self.sync_after
            && self.sync_at.is_none()
        {
            self.sync_at = clock::instant().checked_add(sync_after);
        }
        if let Some(rotation) = &mut self.rotation
            && is_first
        {
            rotation.begin();
        }
    }

    /// `current` is a new one; the old one is synced as it is finished.
    pub fn forget_current(&mut self) {
        self.sync_at = None;
        if let Some(rotation) = &mut self.rotation {
            rotation.end();
        }
    }

    /// Whether `current` may end for its age.
    pub fn has_rotation(&self) -> bool {
        self.rotation.is_some()
    }

    /// Whether `current` is to end now; told once.
    pub fn is_rotation_due(&mut self) -> bool {
        let Some(rotation) = &mut self.rotation else { return false };
        let is_due = rotation.is_due();
        if is_due {
            rotation.end();
        }
        is_due
    }

    /// Whether this is due. True once, until it is put off or wanted again.
    pub fn is_due(&mut self, due: Due) -> bool {
        let at = match due {
            Due::Sync => &mut self.sync_at,
            Due::RemoveAged => &mut self.aged_at,
        };
        let now = clock::instant();
        at.take_if(|at| *at <= now).is_some()
    }

    /// It could not be done now.
    pub fn put_off(&mut self, due: Due, time: Duration) {
        let at = clock::instant().checked_add(time);
        match due {
            Due::Sync => self.sync_at = at,
            Due::RemoveAged => self.aged_at = at,
        }
    }

    /// The next archive is too old so long from now, if that is known.
    pub fn look_for_aged(&mut self, next: Option<Duration>) {
        let longest = self.age_max.unwrap_or(LOOK_EVERY).clamp(LOOK_MIN, LOOK_EVERY);
        let wait = next.unwrap_or(longest).clamp(LOOK_MIN, longest);
        self.aged_at = Some(clock::instant() + wait);
    }
}
