//! A log directory and its only writer: appends lines, rotates, and hands full files to the worker.
//!
//! Opening recovers the directory and can fail. After opening nothing fails: a failed step is
//! reported, keeps its state and is retried after a pause, while a bounded buffer holds new input.
//! Nothing here waits.

mod age_clock;
mod archives;
mod current;
mod figures;
mod finish;
mod gap;
mod hold;
mod lock;
mod locked_dir;
mod mode_bits;
mod new_dir;
mod open;
mod overflow;

mod processor;
mod queue;
mod recover;
mod replace;
mod replaced;
mod rotate;
mod rotation_point;
mod rotation_time;
mod state;
mod task;
mod timers;
mod waiting;
mod worker;
pub mod writer;

use crate::disk::For;
use crate::event::{Event, Work};
use crate::failure::{Failure, What};
use crate::format::{CURRENT, MODE_COMPLETE};
use crate::pause::Pause;
use current::{Current, Extents};
use figures::{Count, Figures};
use finish::Finishing;
use gap::Gap;
use locked_dir::LockedDir;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use overflow::Overflowing;
use queue::Queue;
use replaced::Watch;
use rotate::Rotation;
use std::sync::Arc;
use std::time::Instant;
use task::{Kind, Report, Task};
use timers::{Due, Timers};
use waiting::Waiting;
use worker::Worker;

/// Larger inputs, in bytes, skip the copy into the queue.
const DIRECT_MIN: usize = 16 * 1024;

/// A log directory open for writing.
#[derive(Debug)]
pub struct LogDir {
    place: Arc<LockedDir>,
    current: Arc<Current>,
    /// Whether the full `current` is being synced while the previous file is unfinished.
    is_synced_ahead: bool,
    /// Files with bytes possibly not yet on disk.
    extents: Extents,
    /// First and last position of requested syncs that have not begun.
    sync_wanted: Option<(u64, u64)>,
    /// Bytes in `current`.
    size: u64,
    /// Whether `current` is empty or its last byte is a newline.
    is_at_line_start: bool,
    queue: Queue,
    /// Offset in the queue at which `current` has to end. At most the queue's length.
    cut_pos: Option<usize>,
    overflow: Overflowing,
    /// Dropped lines not yet reported.
    gap: Option<Box<Gap>>,
    /// Whether lines were dropped since the queue was last empty.
    has_dropped: bool,
    rotation: Rotation,
    /// Whether `current` is still the file with that name.
    watch: Watch,
    pause: Pause,
    /// Files of earlier runs without a finished processor.
    waiting: Waiting,
    /// The failed step on a full disk, until the worker reports free space or fails.
    disk_full: Option<Failure>,
    is_sync_failing: bool,
    /// Archives removed, as last returned by `task::has_made_room`.
    removed_for_room: u64,
    timers: Timers,
    worker: Worker,
    figures: Figures,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Synced,
    Closed(Closed),
}

/// State of the directory after closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Data is on disk and `current` is marked complete.
    Clean,
    /// Data is written, but `current` could not be synced: the next start makes a `.u` archive of
    /// it.
    Unsynced,
}

impl LogDir {
    /// Appends bytes after all accepted bytes. A line may arrive in several pieces. The caller
    /// checks for room first.
    pub fn append(&mut self, bytes: &[u8]) {
        assert!(self.end == End::Open);
        if self.overflow == Overflowing::Dropping && !self.fits(bytes) {
            return self.drop_lines(bytes);
        }
        assert!(bytes.len() <= self.queue.room());
        let direct = self.queue.is_empty() && bytes.len() >= DIRECT_MIN;
        let written = if direct { self.put(bytes) } else { 0 };
        self.queue.push(&bytes[written..]);
    }

    /// Writes queued bytes and continues a pending rotation.
    pub fn flush(&mut self) {
        self.take_up();
        self.run_due();
        self.write_queue();
        if self.gap.is_some() && self.can_end_gap() {
            self.end_gap();
            self.write_queue();
        }
        self.begin_wanted_sync();
        if self.queue.is_empty() && self.gap.is_none() && self.rotation == Rotation::None {
            let work = match std::mem::take(&mut self.has_dropped) {
                true => Work::WritingAfterGap,
                false => Work::Writing,
            };
            self.pause.report_end(work, self.place.name());
        }
        if self.place.state.is_failing() {
            let mut dropped = self.figures.dropped;
            dropped.add(self.gap.as_ref().map(|gap| gap.missing()).unwrap_or_default());
            self.place.state.hold(&self.place.dir, self.queue.held(), dropped);
        }
    }

    /// Ends a non-empty `current` here, as for SIGALRM.
    pub fn rotate(&mut self) {
        self.cut();
        self.flush();
    }

    /// Reports the directory's state in one line (multilog(8), USR1); `lines_come` is the number of
    /// lines received. The worker counts the archives; the line omits them while the worker is
    /// busy.
    pub fn report_status(&mut self, lines_come: u64) {
        self.look_for_current();
        self.flush();
        let untold = self.gap.as_ref().map(|gap| gap.missing()).unwrap_or_default();
        let text = self.figures.text(lines_come, self.queue.held(), untold, self.size);
        if self.end == End::Open && !self.worker.is_busy(Kind::Chore) {
            self.worker.give(Task::ReportStatus(text));
        } else {
            task::report_status(&self.place, &text, None);
        }
    }

    /// Next time of work without input: a retry or a timer.
    pub fn deadline(&self) -> Option<Instant> {
        if self.end != End::Open {
            return self.pause.until();
        }
        let overflow = match self.overflow {
            Overflowing::Since(since) => Some(since + self.place.spec.pause),
            Overflowing::No | Overflowing::Dropping => None,
        };
        let is_syncing = self.worker.is_busy(Kind::Sync);
        let timer = self.timers.next(is_syncing, self.worker.is_busy(Kind::Chore));
        [self.pause.until(), overflow, timer, self.worker.deadline()].into_iter().flatten().min()
    }

    /// Whether a failed step is waiting for its retry.
    pub fn is_in_trouble(&self) -> bool {
        let is_stuck = self.place.processors.are_stuck() || self.worker.is_failing();
        self.pause.until().is_some() || self.disk_full.is_some() || is_stuck
    }

    /// Signals the running processor and starts no other. Its file, and every file full after that,
    /// waits for the next start.
    pub fn stop_processor(&self, signal: Signal) {
        self.place.processors.stop(signal);
        self.worker.hurry();
    }

    /// Continues closing: after all data is written and all files are finished, syncs and marks
    /// `current`. `None` until then.
    pub fn close(&mut self) -> Option<Closed> {
        if let End::Closed(closed) = self.end {
            return Some(closed);
        }
        self.flush();
        if !self.queue.is_empty() || self.gap.is_some() || !self.is_ready() {
            return None;
        }
        let is_busy = self.worker.is_busy(Kind::Sync) || self.worker.is_busy(Kind::Chore);
        if is_busy || self.is_finishing() {
            return None;
        }
        if self.end == End::Open {
            if !self.is_current_there() {
                return if self.is_ready() { self.close() } else { None };
            }
            self.report_waiting();
            self.end = match self.sync_at_end() {
                Ok(()) => End::Synced,
                Err(failure) => {
                    self.place.report_failed(failure);
                    End::Closed(Closed::Unsynced)
                }
            };
        }
        if self.end == End::Synced {
            self.end = match self.current.set_mode(MODE_COMPLETE) {
                Ok(()) => {
                    self.pause.clear();
                    self.pause.report_end(Work::Writing, self.place.name());
                    self.place.state.closed(&self.place.dir);
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

    fn sync_at_end(&self) -> Result<(), Failure> {
        let synced = self.current.sync();
        synced.map_err(|errno| self.place.failure(What::Sync, CURRENT, errno))?;
        if self.place.are_names_promised() && self.durable() < self.appended() && !self.has_lost() {
            return self.place.keep_names();
        }
        Ok(())
    }

    /// Position after the last accepted byte. Positions count accepted bytes since opening, without
    /// dropped lines.
    pub fn appended(&self) -> u64 {
        self.figures.bytes_written + self.queue.held().len() as u64
    }

    /// Position up to which all bytes and their file names are on disk: they survive a power cut.
    /// Bytes after a failed fsync never count. 0 before the first [`LogDir::request_sync`]
    /// succeeds.
    pub fn durable(&self) -> u64 {
        if !self.place.are_names_kept() {
            return 0;
        }
        self.extents.durable(self.place.names_synced())
    }

    /// Whether a failed fsync keeps some bytes from ever counting as durable.
    pub fn has_lost(&self) -> bool {
        self.extents.are_lost()
    }

    /// Requests durability of all bytes accepted so far. The next `flush` begins the sync, and
    /// `wake` is called on progress. A single sync serves all requests made before it begins.
    pub fn request_sync(&mut self) {
        self.is_sync_failing = false;
        self.place.promise_names();
        let appended = self.appended();
        if self.durable() < appended {
            let first = self.sync_wanted.map_or(appended, |(first, _)| first);
            self.sync_wanted = Some((first, appended));
        }
    }

    /// Closes a directory that was opened but never written, marked complete as before.
    pub fn leave(self) {
        if let Err(errno) = self.current.set_mode(MODE_COMPLETE) {
            self.place.report_failed(self.place.failure(What::SetMode, CURRENT, errno));
        }
    }

    /// Reports the data abandoned because the program exits now.
    pub fn give_up(&self) {
        let place = self.place.name().to_vec();
        let Count { lines, bytes } = Count::of(self.queue.held());
        let is_file_unfinished = self.worker.is_busy(Kind::Finish);
        self.place.report(&Event::GivenUp { place, lines, bytes, is_file_unfinished });
        if let Some(gap) = &self.gap {
            let place = self.place.name().to_vec();
            let Count { lines, bytes } = gap.missing();
            self.place.report(&Event::DropsUnreported { place, lines, bytes });
        }
        self.report_waiting();
        self.place.processors.stop(Signal::SIGTERM);
    }

    /// On the model disk: performs one step of the worker's threads.
    #[cfg(test)]
    pub fn advance_worker(&mut self) -> bool {
        self.worker.advance_by_hand()
    }

    /// Writes as much as possible without waiting, without queueing; returns the number of bytes.
    pub(crate) fn write_now(&mut self, bytes: &[u8]) -> usize {
        self.flush();
        if self.queue.is_empty() { self.put(bytes) } else { 0 }
    }

    /// Skips the rest of the retry pause.
    pub(crate) fn retry_now(&mut self) {
        self.pause.clear();
    }

    /// Whether the worker is freeing space on a full disk.
    pub(crate) fn is_making_room(&self) -> bool {
        self.disk_full.is_some()
    }

    /// Whether the last requested sync failed and is waiting for its retry.
    pub(crate) fn is_sync_failing(&self) -> bool {
        self.is_sync_failing
    }

    pub(crate) fn last_failure(&self) -> Option<Failure> {
        self.place.last_failure()
    }

    fn write_queue(&mut self) {
        let mut queue = std::mem::replace(&mut self.queue, Queue::new(0));
        let written = self.put(queue.held());
        queue.consume(written);
        self.queue = queue;
    }

    fn cut(&mut self) {
        if self.end == End::Open && self.cut_pos.is_none() {
            self.cut_pos = Some(self.queue.held().len());
        }
    }

    /// Handles the worker's reports and begins due work.
    fn run_due(&mut self) {
        self.worker.advance_here();
        while let Some(report) = self.worker.take_report() {
            self.on_report(report);
        }
        if self.end != End::Open || self.timers.are_none() {
            return;
        }
        if self.timers.is_rotation_due() {
            self.cut();
        }
        if self.timers.is_due(Due::LookForCurrent) {
            self.look_for_current();
        }
        if !self.worker.is_busy(Kind::Sync) && self.timers.is_due(Due::Sync) {
            self.worker.give(Task::Sync(Arc::clone(&self.current)));
        }
        if !self.worker.is_busy(Kind::Chore) && self.timers.is_due(Due::RemoveAged) {
            self.worker.give(Task::RemoveAged);
        }
    }

    /// Begins the requested sync, after all its bytes are written.
    fn begin_wanted_sync(&mut self) {
        let written = self.figures.bytes_written;
        if let Some((first, last)) = self.sync_wanted
            && first <= written
            && self.end == End::Open
            && self.rotation == Rotation::None
            && !self.worker.is_busy(Kind::Sync)
        {
            self.sync_wanted = (last > written).then_some((last, last));
            self.worker.give(Task::Sync(Arc::clone(&self.current)));
        }
    }

    fn on_report(&mut self, report: Report) {
        match report {
            Report::Synced => self.is_sync_failing = false,
            Report::Finished | Report::StatusReported => {}
            // Later lines can still become durable, in a new file.
            Report::Unsynced if self.current.extent().is_lost() => self.cut(),
            Report::Unsynced => {}
            Report::NamesUnsynced(failure) => {
                self.is_sync_failing = true;
                self.place.note(&failure);
                if self.place.names_unsynced.is_news() {
                    self.place.report_failed(failure);
                }
                self.timers.put_off(Due::Sync, self.place.spec.pause);
            }
            Report::NextAged(next) => self.timers.look_for_aged(next),
            Report::MadeRoom(has_made_room, removed_for_room) => {
                self.removed_for_room = removed_for_room;
                if let Some(failure) = self.disk_full.take()
                    && !has_made_room
                {
                    self.pause.start(&failure);
                }
                return;
            }
        }
        if let Some(failure) = self.disk_full.take() {
            self.stop(failure);
        }
    }

    /// Handles a failure: with a full disk and `N`, the worker removes archives; otherwise a retry
    /// follows after the pause.
    fn stop(&mut self, failure: Failure) {
        self.place.note(&failure);
        if !failure.is_of_full_disk() || self.place.spec.number_min.is_none() {
            self.pause.start(&failure);
            return;
        }
        self.disk_full = Some(failure);
        if !self.worker.is_busy(Kind::Chore) {
            self.worker.give(Task::MakeRoom(self.removed_for_room));
        }
    }

    /// Writes and rotates at file ends. Returns the number of bytes written: fewer than given
    /// during a failure, or while the previous full file is unfinished.
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

    /// Writes some bytes to `current`; 0 starts a pause.
    fn write(&mut self, bytes: &[u8]) -> usize {
        if bytes.is_empty() {
            return 0;
        }
        match self.current.write(bytes) {
            Ok(written) if written > 0 => {
                self.pause.clear();
                self.timers.note_write(self.size == 0);
                self.size += written as u64;
                self.figures.bytes_written += written as u64;
                self.is_at_line_start = bytes[written - 1] == b'\n';
                written
            }
            Ok(_) => self.stop_writing(Errno::EIO),
            Err(errno) => self.stop_writing(errno),
        }
    }

    fn stop_writing(&mut self, errno: Errno) -> usize {
        self.stop(self.place.failure(What::WriteTo, CURRENT, errno));
        0
    }

    /// Hands the oldest file waiting for its processor to the worker.
    fn take_up(&mut self) {
        let has_waiting = self.waiting.count() > 0 && !self.place.processors.are_stopped();
        if !has_waiting || self.worker.is_busy(Kind::Finish) || !self.pause.is_over() {
            return;
        }
        match self.take_up_oldest() {
            Ok(()) => self.pause.clear(),
            Err(failure) => self.pause.start(&failure),
        }
    }

    fn take_up_oldest(&mut self) -> Result<(), Failure> {
        while let Some(name) = self.waiting.take_oldest(&self.place)? {
            match self.place.dir.open(&name, For::Reading) {
                Ok(file) => {
                    self.worker.give(Task::finish(Finishing::of_waiting(file, name)));
                    break;
                }
                // Another program removed or compressed the file.
                Err(Errno::ENOENT) => {}
                Err(errno) => {
                    self.place.report_failed(self.place.failure(What::Read, &name, errno));
                }
            }
        }
        Ok(())
    }

    /// Whether a full file is being finished, or has to be finished before the next rotation.
    fn is_finishing(&self) -> bool {
        let has_waiting = self.waiting.count() > 0 && !self.place.processors.are_stopped();
        self.worker.is_busy(Kind::Finish) || has_waiting
    }

    /// Reports the number of files waiting for the next start after the processor was stopped.
    fn report_waiting(&self) {
        if !self.place.processors.are_stopped() {
            return;
        }
        match Waiting::find(&self.place) {
            Ok(waiting) if waiting.count() > 0 => {
                let place = self.place.name().to_vec();
                self.place.report(&Event::ProcessorStopped { place, count: waiting.count() });
            }
            Ok(_) => {}
            Err(failure) => self.place.report_failed(failure),
        }
    }
}
