//! Sinks of a script.

mod alert;
mod output;
mod status;

use crate::logger::directory;
use crate::message;
use ::logdir::disk::Dir;
use ::logdir::event::Reporter;
use ::logdir::failure::Failure;
use ::logdir::wake::Wake;
use ::logdir::write::{Closed, LogDir};
use alert::Alerts;
use nix::sys::signal::Signal;
use output::Output;
use script::buffers::Buffers;
use script::lines::Sinks;
use script::presentation::{Presenter, StatusSize, append_alert};
use script::{Action, Script};
use status::StatusFile;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Opened sinks.
#[derive(Debug)]
pub struct OpenSinks {
    /// Kind of each sink, by script number.
    targets: Vec<Target>,
    /// Sinks with a presenter.
    shown: Vec<Shown>,
    alerts: Alerts,
    output: Output,
    statuses: Vec<StatusFile>,
    logs: Vec<LogDir>,
    /// Most bytes of one line engine call.
    handed_max: usize,
}

#[derive(Clone, Copy, Debug)]
enum Target {
    /// Alerts of at most `len_max` line bytes.
    Alert {
        len_max: usize,
    },
    Stdout,
    /// Status file: index in `statuses`.
    Status {
        number: usize,
        size: StatusSize,
    },
    /// Log directory: index in `logs`.
    Log(usize),
    /// Sink with a presenter: index in `shown`.
    Shown(usize),
}

/// Sink with a presenter.
#[derive(Debug)]
struct Shown {
    presenter: Presenter,
    target: Target,
    /// Presented bytes waiting for room in a log directory; empty before each line engine call.
    held: Vec<u8>,
}

/// Most bytes that stand for a single byte: an escape.
const ESCAPED_LEN: usize = 4;

/// Empty buffer. With little memory it gets its capacity now, so that the start fails if there is none.
fn reserved(buffers: Buffers, capacity: usize) -> Vec<u8> {
    match buffers {
        Buffers::Usual => Vec::new(),
        Buffers::Small => Vec::with_capacity(capacity),
    }
}

impl OpenSinks {
    /// Opens status files first, then log directories, each in script order, as 0.76 does. If a
    /// directory fails, previously opened directories are left unchanged. `lock_patience`: how long a lock of
    /// another process is waited for.
    pub fn open(
        start: &Dir,
        script: &Script,
        buffers: Buffers,
        lock_patience: Duration,
        wake: &Wake,
        reporter: &Reporter,
    ) -> Result<OpenSinks, Failure> {
        let (targets, statuses) = open_statuses(start, script, reporter)?;
        let alert_count =
            targets.iter().filter(|target| matches!(target, Target::Alert { .. })).count();
        let is_stdout_used = targets.iter().any(|target| matches!(target, Target::Stdout));
        let mut sinks = OpenSinks {
            targets,
            shown: Vec::new(),
            alerts: Alerts::new(alert_count, buffers),
            output: Output::new(is_stdout_used, buffers, reporter),
            statuses,
            logs: Vec::new(),
            handed_max: buffers.handed_max(),
        };
        for action in &script.actions {
            let Action::Log { dir, settings, presentation: _ } = action else { continue };
            let mut settings = directory::settings(settings, script.stamp.is_some(), buffers);
            settings.program = concat!("multilog ", env!("CARGO_PKG_VERSION")).to_owned();
            settings.lock_patience = lock_patience;
            match LogDir::open(start, dir, &settings, wake, reporter) {
                Ok(log) => sinks.logs.push(log),
                Err(failure) => {
                    sinks.logs.into_iter().for_each(LogDir::leave);
                    return Err(failure);
                }
            }
        }
        sinks.add_presenters(script, buffers);
        Ok(sinks)
    }

    /// No sinks.
    pub fn none(reporter: &Reporter) -> OpenSinks {
        OpenSinks {
            targets: Vec::new(),
            shown: Vec::new(),
            alerts: Alerts::new(0, Buffers::Usual),
            output: Output::new(false, Buffers::Usual, reporter),
            statuses: Vec::new(),
            logs: Vec::new(),
            handed_max: Buffers::Usual.handed_max(),
        }
    }

    /// Adds presenters to sinks that alter lines.
    fn add_presenters(&mut self, script: &Script, buffers: Buffers) {
        let presentations = script.actions.iter().filter_map(Action::presentation);
        for (target, presentation) in self.targets.iter_mut().zip(presentations) {
            if !presentation.is_plain() {
                let presenter = Presenter::new(presentation.clone(), script.stamp.is_some());
                let shown = Target::Shown(self.shown.len());
                let target = std::mem::replace(target, shown);
                let held = reserved(buffers, ESCAPED_LEN * buffers.handed_max());
                self.shown.push(Shown { presenter, target, held });
            }
        }
    }

    /// True if every sink has room for one line engine call. Makes room if possible without
    /// waiting.
    pub fn have_room(&mut self) -> bool {
        self.hand_on_shown();
        if !self.alerts.have_room() {
            self.alerts.flush();
        }
        if !self.output.has_room() {
            self.output.flush();
        }
        let mut have_room = self.alerts.have_room()
            && self.output.has_room()
            && self.shown.iter().all(|shown| shown.held.is_empty());
        // No short circuit: every directory makes room.
        for log in &mut self.logs {
            have_room &= log.have_room(self.handed_max);
        }
        have_room
    }

    /// Passes presented bytes to log directories with room. True if any bytes were passed.
    fn hand_on_shown(&mut self) -> bool {
        let mut is_any_taken = false;
        for shown in &mut self.shown {
            let Target::Log(log) = shown.target else { continue };
            let log = &mut self.logs[log];
            let mut done = 0;
            while done < shown.held.len() {
                if log.room() == 0 {
                    log.have_room(self.handed_max);
                }
                let end = shown.held.len().min(done.saturating_add(log.room()));
                let piece = &shown.held[done..end];
                if piece.is_empty() {
                    break;
                }
                log.append(piece);
                done += piece.len();
            }
            shown.held.drain(..done);
            is_any_taken |= done > 0;
        }
        is_any_taken
    }

    /// Writes held bytes as far as possible without waiting.
    pub fn flush(&mut self) {
        self.output.flush();
        loop {
            self.logs.iter_mut().for_each(LogDir::flush);
            // Writing may make room for presented bytes.
            if !self.hand_on_shown() {
                break;
            }
        }
        self.statuses.iter_mut().for_each(StatusFile::flush);
        self.alerts.flush();
    }

    /// Ends every non-empty `current`.
    pub fn rotate(&mut self) {
        self.logs.iter_mut().for_each(LogDir::rotate);
    }

    /// Signals running processors and starts no others.
    pub fn stop_processors(&self, signal: Signal) {
        self.logs.iter().for_each(|log| log.stop_processor(signal));
    }

    /// Prints the state of every log directory. `line_counts` holds lines per sink.
    pub fn report(&mut self, line_counts: &[u64]) {
        for (target, &lines) in self.targets.iter().zip(line_counts) {
            let target = match *target {
                Target::Shown(shown) => self.shown[shown].target,
                target => target,
            };
            if let Target::Log(log) = target {
                self.logs[log].report_status(lines);
            }
        }
    }

    /// Continues closing every sink. Returns the final result after all are closed: unsynced if any
    /// directory is unsynced.
    pub fn close(&mut self) -> Option<Closed> {
        self.flush();
        if !self.output.has_ended() || self.shown.iter().any(|shown| !shown.held.is_empty()) {
            return None;
        }
        let held =
            self.alerts.is_stuck() || self.statuses.iter().any(|file| file.deadline().is_some());
        let closed: Vec<Option<Closed>> = self.logs.iter_mut().map(LogDir::close).collect();
        if held || closed.contains(&None) {
            None
        } else if closed.contains(&Some(Closed::Unsynced)) {
            Some(Closed::Unsynced)
        } else {
            Some(Closed::Clean)
        }
    }

    /// True if no presented line waits for room in a log directory.
    pub fn hold_nothing(&self) -> bool {
        self.shown.iter().all(|shown| shown.held.is_empty())
    }

    /// Requests that everything appended so far gets on disk. Returns the position that each log directory
    /// must reach for it.
    pub fn request_sync(&mut self) -> Vec<u64> {
        let request = |log: &mut LogDir| {
            log.request_sync();
            log.appended()
        };
        self.logs.iter_mut().map(request).collect()
    }

    /// True if every log directory is on disk up to its position.
    pub fn are_durable(&self, positions: &[u64]) -> bool {
        self.logs.iter().zip(positions).all(|(log, &position)| log.durable() >= position)
    }

    /// True if a failed fsync keeps bytes of a log directory from ever counting as durable.
    pub fn have_lost(&self) -> bool {
        self.logs.iter().any(LogDir::has_lost)
    }

    /// True if a sink is failing or stuck.
    pub fn are_in_trouble(&self) -> bool {
        self.alerts.is_stuck()
            || self.output.stuck_fd().is_some()
            || self.statuses.iter().any(|file| file.deadline().is_some())
            || self.logs.iter().any(LogDir::is_in_trouble)
    }

    /// Immediate exit: closes sinks if possible and reports lost lines.
    pub fn give_up(&mut self) {
        self.output.give_up();
        for shown in self.shown.iter().filter(|shown| !shown.held.is_empty()) {
            message::give_up(b"lines with a prefix or escapes", &shown.held);
        }
        for log in &mut self.logs {
            if log.close().is_none() {
                log.give_up();
            }
        }
    }

    /// Time of the next retry, if any.
    pub fn deadline(&self) -> Option<Instant> {
        let statuses = self.statuses.iter().filter_map(StatusFile::deadline);
        self.logs
            .iter()
            .filter_map(LogDir::deadline)
            .chain(statuses)
            .chain(self.output.deadline())
            .min()
    }

    /// stdout, if lines wait for room.
    pub fn stuck_stdout(&self) -> Option<BorrowedFd<'_>> {
        self.output.stuck_fd()
    }

    /// True if alerts wait for stderr.
    pub fn wait_for_stderr(&self) -> bool {
        self.alerts.is_stuck()
    }

    /// True if stderr lost its reader: the program then exits, as 0.76 does.
    pub fn lost_stderr(&self) -> bool {
        self.alerts.are_lost()
    }
}

impl Sinks for OpenSinks {
    fn head(&mut self, sink: usize, head: &[u8]) {
        match self.targets[sink] {
            Target::Alert { len_max } => self.alerts.add(head, len_max),
            Target::Status { number, size } => self.statuses[number].show(head, size),
            Target::Shown(shown) => {
                let Shown { presenter, target, held: _ } = &mut self.shown[shown];
                match *target {
                    Target::Alert { len_max } => {
                        let mut alert = Vec::new();
                        append_alert(head, len_max, &mut alert);
                        presenter.push(&alert, self.alerts.held());
                    }
                    Target::Status { number, size } => {
                        self.statuses[number].show(&presenter.line(head), size);
                    }
                    Target::Stdout | Target::Log(_) | Target::Shown(_) => {}
                }
            }
            Target::Stdout | Target::Log(_) => {}
        }
    }

    fn bytes(&mut self, sink: usize, bytes: &[u8]) {
        match self.targets[sink] {
            Target::Log(log) => self.logs[log].append(bytes),
            Target::Stdout => self.output.add(sink, bytes),
            Target::Shown(number) => {
                let shown = &mut self.shown[number];
                shown.presenter.push(bytes, &mut shown.held);
                if matches!(shown.target, Target::Stdout) {
                    self.output.add(sink, &shown.held);
                    shown.held.clear();
                }
            }
            Target::Alert { .. } | Target::Status { .. } => {}
        }
    }
}

/// Opens every status file; returns each sink's kind. A file named twice is opened once, so its
/// content is always the latest line under both names.
fn open_statuses(
    start: &Dir,
    script: &Script,
    reporter: &Reporter,
) -> Result<(Vec<Target>, Vec<StatusFile>), Failure> {
    let mut statuses: Vec<StatusFile> = Vec::new();
    let mut targets = Vec::new();
    let mut log_count = 0;
    for action in &script.actions {
        targets.push(match action {
            Action::Select(_) | Action::Deselect(_) | Action::SelectRest => continue,
            Action::Alert { len_max, .. } => Target::Alert { len_max: *len_max },
            Action::Stdout { .. } => Target::Stdout,
            Action::Status { file, size, .. } => {
                let opened = StatusFile::open(start, file, reporter)?;
                let same = statuses.iter().position(|status| status.is_same_file(&opened));
                let number = same.unwrap_or(statuses.len());
                if same.is_none() {
                    statuses.push(opened);
                }
                Target::Status { number, size: *size }
            }
            Action::Log { .. } => {
                log_count += 1;
                Target::Log(log_count - 1)
            }
        });
    }
    Ok((targets, statuses))
}
