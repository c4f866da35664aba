//! Timers of a log directory, independent of input. Most directories set none while idle, and a check then
//! reads four empty fields.

use crate::clock;
use crate::label::Label;
use crate::settings::Settings;
use crate::write::rotation_time::RotationTime;
use std::time::{Duration, Instant};

/// Longest and shortest interval between age checks. Checks also run at least once per maximum age:
/// new archives appear, and other programs may change archives or the clock.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const LOOK_MIN: Duration = Duration::from_secs(1);

/// Time from a write to the comparison of the name `current` with the open file.
const LOOK_FOR_CURRENT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// `current` reached its longest unsynced time.
    Sync,
    /// An archive may exceed `k`.
    RemoveAged,
    /// Compare the name `current` with the open file.
    LookForCurrent,
}

#[derive(Debug)]
pub struct Timers {
    sync_after: Option<Duration>,
    /// `None` if `current` is synced.
    sync_at: Option<Instant>,
    age_max: Option<Duration>,
    aged_at: Option<Instant>,
    rotation: Option<RotationTime>,
    /// None while nothing was written since the last look.
    look_at: Option<Instant>,
}

impl Timers {
    /// Timers of a newly opened directory. `born` returns the age of the lines in `current`, if
    /// any.
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
            look_at: None,
        }
    }

    /// Whether no timer is set.
    pub fn are_none(&self) -> bool {
        self.sync_at.is_none()
            && self.aged_at.is_none()
            && self.rotation.is_none()
            && self.look_at.is_none()
    }

    /// Next due time, without syncs during a sync and without removals while the worker runs
    /// another chore.
    pub fn next(&self, is_syncing: bool, is_at_chore: bool) -> Option<Instant> {
        let rotation = self.rotation.as_ref().and_then(RotationTime::look_at);
        let sync_at = self.sync_at.filter(|_| !is_syncing);
        let aged_at = self.aged_at.filter(|_| !is_at_chore);
        [rotation, sync_at, aged_at, self.look_at].into_iter().flatten().min()
    }

    /// Records a write to `current`. `is_first`: the file was empty.
    pub fn note_write(&mut self, is_first: bool) {
        if let Some(sync_after) = self.sync_after
            && self.sync_at.is_none()
        {
            self.sync_at = clock::instant().checked_add(sync_after);
        }
        if self.look_at.is_none() {
            self.look_at = clock::instant().checked_add(LOOK_FOR_CURRENT);
        }
        if let Some(rotation) = &mut self.rotation
            && is_first
        {
            rotation.begin();
        }
    }

    /// Resets for a new `current`; finishing syncs the old file.
    pub fn forget_current(&mut self) {
        self.sync_at = None;
        self.look_at = None;
        if let Some(rotation) = &mut self.rotation {
            rotation.end();
        }
    }

    /// Whether `R` is set.
    pub fn has_rotation(&self) -> bool {
        self.rotation.is_some()
    }

    /// True once per due rotation.
    pub fn is_rotation_due(&mut self) -> bool {
        let Some(rotation) = &mut self.rotation else { return false };
        let is_due = rotation.is_due();
        if is_due {
            rotation.end();
        }
        is_due
    }

    /// True once when due, until set again.
    pub fn is_due(&mut self, due: Due) -> bool {
        let at = match due {
            Due::Sync => &mut self.sync_at,
            Due::RemoveAged => &mut self.aged_at,
            Due::LookForCurrent => &mut self.look_at,
        };
        at.take_if(|at| *at <= clock::instant()).is_some()
    }

    /// Sets a retry.
    pub fn put_off(&mut self, due: Due, time: Duration) {
        let at = clock::instant().checked_add(time);
        match due {
            Due::Sync => self.sync_at = at,
            Due::RemoveAged => self.aged_at = at,
            Due::LookForCurrent => self.look_at = at,
        }
    }

    /// Schedules the next age check; `next` is the time until an archive exceeds `k`, if known.
    pub fn look_for_aged(&mut self, next: Option<Duration>) {
        let longest = self.age_max.unwrap_or(LOOK_EVERY).clamp(LOOK_MIN, LOOK_EVERY);
        let wait = next.unwrap_or(longest).clamp(LOOK_MIN, longest);
        self.aged_at = Some(clock::instant() + wait);
    }
}
