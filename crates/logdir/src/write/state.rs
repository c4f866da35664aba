//! Maintains the file `.writer`, which shows failures to readers who cannot see the writer's
//! stderr.
//!
//! Written on open and close, when a failure begins, ends, or still holds lines, and after a sync,
//! at most once a second; never for a line. The writer opens the file each time, closes it, and
//! never syncs it. Nothing depends on it: logging continues if it cannot be written.
//!
//! Its block is allocated at the start and then overwritten in place, which needs no space on a
//! full disk.

use crate::clock;
use crate::disk::{Dir, For};
use crate::escape;
use crate::event::Event;
use crate::format::{MODE_PARTIAL, WRITER};
use crate::label::Label;
use crate::settings::{Hold, Settings};
use crate::write::figures::Count;
use crate::writer_state::{Amount, FAILING_MAX, Failed, Failing, Held, Limits, WriterState};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, absolute};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// Shortest interval between routine updates.
const INTERVAL: Duration = Duration::from_secs(1);

/// Writer state of a directory.
#[derive(Debug)]
pub struct State {
    /// Whether failures last; read once per block of lines.
    is_failing: AtomicBool,
    shared: Mutex<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: WriterState,
    /// Threads with lasting failures, parallel to `state.failing`: each thread ends only its own.
    failing: Vec<ThreadId>,
    written_at: Option<Instant>,
}

fn held(hold: &Hold) -> Held {
    let cursor = Path::new(&hold.cursor);
    let cursor = absolute(cursor).unwrap_or_else(|_| cursor.to_owned());
    let cursor = escape::shown(cursor.as_os_str().as_bytes());
    Held { len_max: hold.len_max, cursor }
}

impl State {
    /// State of a writer opening a directory.
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
            held_for: settings.hold.as_ref().map(held),
        };
        let shared = Shared { state, failing: Vec::new(), written_at: None };
        State { is_failing: AtomicBool::new(false), shared: Mutex::new(shared) }
    }

    /// Records failures among the directory's events.
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
            | Event::CurrentReplaced { .. }
            | Event::ClockBehind { .. }
            | Event::LabelIgnored { .. }
            | Event::HoldUsedUp { .. }
            | Event::Status { .. }
            | Event::GivenUp { .. }
            | Event::DropsUnreported { .. } => {}
        }
    }

    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// During a failure, counts held and dropped lines.
    pub fn hold(&self, dir: &Dir, held: &[u8], dropped: Count) {
        let mut shared = self.lock();
        let amount = |Count { lines, bytes }| Amount { lines, bytes };
        let before = (shared.state.held, shared.state.dropped);
        // A recount costs more than a slightly outdated figure.
        if shared.state.held.bytes != held.len() as u64 || before.1 != amount(dropped) {
            shared.state.held = amount(Count::of(held));
            shared.state.dropped = amount(dropped);
            if before.0 == Amount::default() || shared.is_due() {
                shared.write(dir);
            }
        }
    }

    /// Records a sync of everything written so far.
    pub fn synced(&self, dir: &Dir) {
        let mut shared = self.lock();
        shared.state.synced = Some(clock::now());
        if shared.is_due() {
            shared.write(dir);
        }
    }

    pub fn opened(&self, dir: &Dir) {
        self.change(dir, |_| {});
    }

    /// Records a clean close.
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

    /// Ends this thread's failure, if any.
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

    /// Overwrites the file. On failure readers do without it.
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
