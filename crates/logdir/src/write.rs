//! A log directory and its only writer: appends lines, rotates, and hands full files to the worker.
//!
//! Opening puts the directory in order and can fail. From then on nothing fails: a step that does is
//! told, keeps its place and is tried again after a pause, while what comes is held in a bounded
//! buffer. Nothing here waits.

mod age_clock;
mod archives;
mod current;
mod figures;
mod finish;
mod gap;
mod lock;
mod locked_dir;
mod mode_bits;
mod open;
mod overflow;

mod processor;
mod queue;
mod recover;
mod replace;
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
use rotate::Rotation;
use std::sync::Arc;
use std::time::Instant;
use task::{Kind, Report, Task};
use timers::{Due, Timers};
use waiting::Waiting;
use worker::Worker;

/// From this size, in bytes, a piece is written from where it lies instead of being copied first.
const DIRECT_MIN: usize = 16 * 1024;

/// A log directory that is open for writing.
#[derive(Debug)]
pub struct LogDir {
    place: Arc<LockedDir>,
    current: Arc<Current>,
    /// Whether a sync of a full `current` that waits for the file before it has begun.
    is_synced_ahead: bool,
    /// The files whose bytes may not be on disk.
    extents: Extents,
    /// The first and the last position that somebody wants on disk and that no sync has been begun for.
    sync_wanted: Option<(u64, u64)>,
    /// Bytes in `current`.
    size: u64,
    /// Whether the last byte written to it ended a line.
    is_at_line_start: bool,
    /// Accepted and not yet written.
    queue: Queue,
    /// Where in the queue `current` was asked to end. At most as many bytes as are held.
    cut_pos: Option<usize>,
    overflow: Overflowing,
    /// Lines that were dropped and not told of yet.
    gap: Option<Box<Gap>>,
    /// Whether there was a gap since everything was written.
    has_dropped: bool,
    rotation: Rotation,
    pause: Pause,
    /// Files of earlier runs that wait for their processor.
    waiting: Waiting,
    /// What failed because the disk is full, until the worker has reported whether there is room.
    disk_full: Option<Failure>,
    is_sync_failing: bool,
    /// As `task::has_made_room` left it.
    removed_for_room: u64,
    timers: Timers,
    worker: Worker,
    figures: Figures,
    end: End,
}

/// How far the end of the writer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Synced,
    Closed(Closed),
}

/// How a directory was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Everything is on disk, and `current` says so.
    Clean,
    /// Everything is written, but `current` could not be synced: the next start will take it for
    /// unfinished.
    Unsynced,
}

impl LogDir {
    /// Takes bytes that belong behind all that were taken before. A line may come in any number of
    /// pieces. The caller makes sure that there is room.
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

    /// Writes what can be written, and goes on with a rotation that is under way.
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

    /// Ends `current` here if it is not empty, as for SIGALRM.
    pub fn rotate(&mut self) {
        self.cut();
        self.flush();
    }

    /// Tells how the directory is, in one line (multilog(8), USR1), after so many lines have come. Archives
    /// are counted beside the loop, or not at all where something else is under way there.
    pub fn report_status(&mut self, lines_come: u64) {
        let untold = self.gap.as_ref().map(|gap| gap.missing()).unwrap_or_default();
        let text = self.figures.text(lines_come, self.queue.held(), untold, self.size);
        if self.end == End::Open && !self.worker.is_busy(Kind::Chore) {
            self.worker.give(Task::ReportStatus(text));
        } else {
            task::report_status(&self.place, &text, None);
        }
    }

    /// When there is something to do that no input brings: to try again, or to do in time.
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

    /// Whether something failed and waits to be tried again.
    pub fn is_in_trouble(&self) -> bool {
        let is_stuck = self.place.processors.are_stuck() || self.worker.is_failing();
        self.pause.until().is_some() || self.disk_full.is_some() || is_stuck
    }

    /// Sends a signal to a processor that runs, and starts no other. The file it had, and any that is full
    /// from now on, waits for the next start.
    pub fn stop_processor(&self, signal: Signal) {
        self.place.processors.stop(signal);
        self.worker.hurry();
    }

    /// Goes on with the end: when everything is written and finished, `current` is synced and marked.
    /// Tells how it was left, once it is.
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

    /// The position after the last byte that was taken. Positions count bytes from the opening on, dropped
    /// lines not among them.
    pub fn appended(&self) -> u64 {
        self.figures.bytes_written + self.queue.held().len() as u64
    }

    /// Up to which position everything is on disk, contents and names: it is there after a power cut at any
    /// moment. A byte whose fsync has failed never counts, and none after it. 0 before the first
    /// [`LogDir::request_sync`] was served.
    pub fn durable(&self) -> u64 {
        if !self.place.are_names_kept() {
            return 0;
        }
        self.extents.durable(self.place.names_synced())
    }

    /// Whether there are bytes that will never count as durable, since an fsync has failed.
    pub fn has_lost(&self) -> bool {
        self.extents.are_lost()
    }

    /// Asks for everything that was taken so far to become durable. The next `flush` begins with it, `wake` is
    /// called when there is more that is durable, and all requests that arrive until a sync begins are served
    /// by that one.
    pub fn request_sync(&mut self) {
        self.is_sync_failing = false;
        self.place.promise_names();
        let appended = self.appended();
        if self.durable() < appended {
            let first = self.sync_wanted.map_or(appended, |(first, _)| first);
            self.sync_wanted = Some((first, appended));
        }
    }

    /// Leaves a directory that was opened and not written to as it was found: clean.
    pub fn leave(self) {
        if let Err(errno) = self.current.set_mode(MODE_COMPLETE) {
            self.place.report_failed(self.place.failure(What::SetMode, CURRENT, errno));
        }
    }

    /// Tells what is given up when the program has to end now.
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

    /// On the model disk: does one step of what the worker's threads would do.
    #[cfg(test)]
    pub fn advance_worker(&mut self) -> bool {
        self.worker.advance_by_hand()
    }

    /// Writes as much as possible without waiting and returns how many bytes; nothing is held in memory.
    pub(crate) fn write_now(&mut self, bytes: &[u8]) -> usize {
        self.flush();
        if self.queue.is_empty() { self.put(bytes) } else { 0 }
    }

    /// The next try need not wait for the pause to pass.
    pub(crate) fn retry_now(&mut self) {
        self.pause.clear();
    }

    /// Whether the worker looks for room on a full disk.
    pub(crate) fn is_making_room(&self) -> bool {
        self.disk_full.is_some()
    }

    /// Whether the last sync that was wanted has failed and is tried again later.
    pub(crate) fn is_sync_failing(&self) -> bool {
        self.is_sync_failing
    }

    /// What failed last.
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

    /// Acts on what the worker has done, and begins what is due.
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
        if !self.worker.is_busy(Kind::Sync) && self.timers.is_due(Due::Sync) {
            self.worker.give(Task::Sync(Arc::clone(&self.current)));
        }
        if !self.worker.is_busy(Kind::Chore) && self.timers.is_due(Due::RemoveAged) {
            self.worker.give(Task::RemoveAged);
        }
    }

    /// Begins the sync that somebody wants, if all of it has been written.
    fn begin_wanted_sync(&mut self) {
        let written = self.figures.bytes_written;
        if let Some((first, last)) = self.sync_wanted
            && first <= written
            && self.end == End::Open
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
            // Lines that come can still be made safe, in a new file.
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

    /// Something failed. On a full disk room is made, if that is allowed; otherwise it is tried again after
    /// a pause.
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

    /// Writes, rotating where a file ends. Tells how many bytes were written; fewer than given where
    /// there is trouble or the last full file is not finished yet.
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

    /// Writes some of the bytes to `current` and tells how many; none starts a pause.
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

    /// Hands the oldest file that waits for its processor to the worker.
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
                // Somebody removed or compressed it.
                Err(Errno::ENOENT) => {}
                Err(errno) => {
                    self.place.report_failed(self.place.failure(What::Read, &name, errno));
                }
            }
        }
        Ok(())
    }

    /// Whether a full file is under way, or waits and will be before the next one.
    fn is_finishing(&self) -> bool {
        let has_waiting = self.waiting.count() > 0 && !self.place.processors.are_stopped();
        self.worker.is_busy(Kind::Finish) || has_waiting
    }

    /// Reports how many files wait for the next start, because their processor was stopped.
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
