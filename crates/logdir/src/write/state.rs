//! Keeps the file `.writer` up to date, by which readers see a failure without the writer's stderr.
//!
//! It is written when the directory is opened and closed, when a failure begins, ends, or still holds
//! lines, and after a sync, at most once a second; never for a line. The file is opened for each of these and
//! not kept open, is never synced, and nothing depends on it: where it cannot be written the log goes on.
//!
//! Its block is allocated at the start and then overwritten in place, which needs no room on a full disk.

use crate::clock;
use crate::disk::{Dir, For};
use crate::event::Event;
use crate::format::{MODE_PARTIAL, WRITER};
use crate::label::Label;
use crate::settings::Settings;
use crate::write::figures::Count;
use crate::writer_state::{Amount, FAILING_MAX, Failed, Failing, Limits, WriterState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// What changes often is written no more often than this.
const INTERVAL: Duration = Duration::from_secs(1);

/// The state of the writer of a directory.
#[derive(Debug)]
pub struct State {
    /// Failures last; read once for each block of lines.
    is_failing: AtomicBool,
    shared: Mutex<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: WriterState,
    /// The threads whose failures last, in the order of these: each reports when its own is over.
    failing: Vec<ThreadId>,
    written_at: Option<Instant>,
}

impl State {
    /// The state of a writer that has just opened a directory.
    pub fn new(settings: &Settings) -> State {
        let state = WriterState {
            program: settings.program.clone(),
            pid: std::process::id(),
            opened: clock::now(),
            closed: None,
            failing: Vec::new(),
            failed: None,
            held: Amount::default(),
            dropped: Amount::default(),
            synced: None,
            limits: Limits {
                size: Some(settings.size_max),
                number: Some(settings.number_max),
                total: settings.total_max,
                age: settings.age_max,
            },
        };
        let shared = Shared { state, failing: Vec::new(), written_at: None };
        State { is_failing: AtomicBool::new(false), shared: Mutex::new(shared) }
    }

    /// Notes the failures among what the directory reports.
    pub fn observe(&self, dir: &Dir, event: &Event) {
        match event {
            Event::Pausing(failure) => self.begin(dir, failure.to_string()),
            Event::Resumed { .. } => self.resume(dir),
            Event::Failed(failure) => {
                let now = clock::now();
                let reason = failure.to_string();
                let failed = Failed { since: now, until: now, reason };
                self.change(dir, |state| state.failed = Some(failed));
            }
            Event::MadeRoom { .. }
            | Event::ProcessorStopped { .. }
            | Event::CurrentRemoved { .. }
            | Event::ClockBehind { .. }
            | Event::LabelIgnored { .. }
            | Event::Status { .. }
            | Event::GivenUp { .. }
            | Event::DropsUnreported { .. } => {}
        }
    }

    /// True while a failure lasts.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Counts what is held and was dropped, while a failure lasts.
    pub fn hold(&self, dir: &Dir, held: &[u8], dropped: Count) {
        let mut shared = self.lock();
        let amount = |Count { lines, bytes }| Amount { lines, bytes };
        let before = (shared.state.held, shared.state.dropped);
        // The count of an earlier moment is worth less than the time it takes to count again.
        if shared.state.held.bytes != held.len() as u64 || before.1 != amount(dropped) {
            shared.state.held = amount(Count::of(held));
            shared.state.dropped = amount(dropped);
            if before.0 == Amount::default() || shared.is_due() {
                shared.write(dir);
            }
        }
    }

    /// Everything up to now is on disk, as far as it is written.
    pub fn synced(&self, dir: &Dir) {
        let mut shared = self.lock();
        shared.state.synced = Some(clock::now());
        if shared.is_due() {
            shared.write(dir);
        }
    }

    /// The directory is open.
    pub fn opened(&self, dir: &Dir) {
        self.change(dir, |_| {});
    }

    /// Everything is on disk and the directory closed.
    pub fn closed(&self, dir: &Dir) {
        let now: Label = clock::now();
        self.change(dir, |state| (state.closed, state.synced) = (Some(now), Some(now)));
    }

    fn begin(&self, dir: &Dir, reason: String) {
        let mut shared = self.lock();
        let thread = thread::current().id();
        match shared.failing.iter().position(|&known| known == thread) {
            Some(pos) => shared.state.failing[pos].reason = reason,
            None if shared.failing.len() < FAILING_MAX => {
                shared.failing.push(thread);
                shared.state.failing.push(Failing { since: clock::now(), reason });
            }
            None => {}
        }
        self.is_failing.store(true, Ordering::Relaxed);
        shared.write(dir);
    }

    /// What failed in this thread works again, if anything did.
    pub fn resume(&self, dir: &Dir) {
        let mut shared = self.lock();
        let thread = thread::current().id();
        let Some(pos) = shared.failing.iter().position(|&known| known == thread) else { return };
        shared.failing.remove(pos);
        let Failing { since, reason } = shared.state.failing.remove(pos);
        shared.state.failed = Some(Failed { since, until: clock::now(), reason });
        if shared.failing.is_empty() {
            shared.state.held = Amount::default();
            self.is_failing.store(false, Ordering::Relaxed);
        }
        shared.write(dir);
    }

    fn change(&self, dir: &Dir, change: impl FnOnce(&mut WriterState)) {
        let mut shared = self.lock();
        change(&mut shared.state);
        shared.write(dir);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn is_due(&self) -> bool {
        self.written_at.is_none_or(|at| clock::instant().saturating_duration_since(at) >= INTERVAL)
    }

    /// Overwrites the file. Readers do without it where that fails.
    fn write(&mut self, dir: &Dir) {
        #[cfg(test)]
        if dir.is_model() {
            return;
        }
        self.written_at = Some(clock::instant());
        if let Ok(file) = dir.open(WRITER, For::InPlace(MODE_PARTIAL)) {
            let _ = file.write(&self.state.format(clock::now()));
        }
    }
}
