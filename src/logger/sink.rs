//! The sinks of a script: where selected lines go.

mod alert;
mod output;
mod status;

use crate::lines::{HANDED_MAX, Sinks};
use crate::look::{Look, Shower};
use crate::message;
use crate::script::{Action, Script};
use ::logdir::disk::Dir;
use ::logdir::event::Reporter;
use ::logdir::failure::Failure;
use ::logdir::wake::Wake;
use ::logdir::write::{Closed, LogDir};
use alert::Alerts;
use nix::sys::signal::Signal;
use output::Output;
use status::StatusFile;
use std::os::fd::BorrowedFd;
use std::time::Instant;

/// Every sink of a script, open.
#[derive(Debug)]
pub struct OpenSinks {
    /// What each sink is, by its number in the script.
    targets: Vec<Target>,
    /// How each sink shows lines.
    looks: Vec<Look>,
    /// The sinks that do not show lines as they are.
    shown: Vec<Shown>,
    alerts: Alerts,
    output: Output,
    statuses: Vec<StatusFile>,
    logs: Vec<LogDir>,
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Alert,
    Stdout,
    Status(usize),
    Log(usize),
    /// Any of them, by its number in `shown`.
    Shown(usize),
}

/// A sink that does not show lines as they are.
#[derive(Debug)]
struct Shown {
    shower: Shower,
    target: Target,
    /// Shown, and waiting for room in a log directory; empty before a call of the line engine.
    held: Vec<u8>,
}

impl OpenSinks {
    /// Opens the status files of a script, then its log directories, each in order, as 0.76 does.
    /// Where one fails, the directories opened before are left as they were found.
    pub fn open(
        start: &Dir,
        script: &Script,
        wake: &Wake,
        reporter: &Reporter,
    ) -> Result<OpenSinks, Failure> {
        let (statuses, status_of) = open_statuses(start, script, reporter)?;
        let alert_count = script.actions.iter().filter(|&action| *action == Action::Alert).count();
        let mut shown = Vec::new();
        let targets = script.actions.iter().filter_map(|action| target(action, &status_of));
        let targets = targets.zip(&script.looks).map(|(target, look)| {
            if look.is_plain() {
                return target;
            }
            let shower = Shower::new(look.clone(), script.stamp.is_some());
            shown.push(Shown { shower, target, held: Vec::new() });
            Target::Shown(shown.len() - 1)
        });
        let mut sinks = OpenSinks {
            targets: targets.collect(),
            looks: script.looks.clone(),
            shown,
            alerts: Alerts::new(alert_count),
            output: Output::new(script.actions.contains(&Action::Stdout), reporter),
            statuses,
            logs: Vec::new(),
        };
        for spec in &script.logs {
            match LogDir::open(start, spec, wake, reporter) {
                Ok(log) => sinks.logs.push(log),
                Err(failure) => {
                    sinks.logs.into_iter().for_each(LogDir::leave);
                    return Err(failure);
                }
            }
        }
        Ok(sinks)
    }

    /// Whether every sink has room for what one call of the line engine may hand to it. Makes room
    /// where that is possible without waiting.
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
        // Every one is asked: each makes room for itself.
        for log in &mut self.logs {
            have_room &= log.have_room(HANDED_MAX);
        }
        have_room
    }

    /// Gives what is shown otherwise to its log directories, as far as these have room. Whether they took
    /// any of it.
    fn hand_on_shown(&mut self) -> bool {
        let mut is_any_taken = false;
        for shown in &mut self.shown {
            let Target::Log(log) = shown.target else { continue };
            let log = &mut self.logs[log];
            let mut done = 0;
            while done < shown.held.len() {
                if log.room() == 0 {
                    log.have_room(HANDED_MAX);
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

    /// Writes what is held, as far as that is possible without waiting.
    pub fn flush(&mut self) {
        self.output.flush();
        loop {
            self.logs.iter_mut().for_each(LogDir::flush);
            // Writing makes room for more that is shown otherwise.
            if !self.hand_on_shown() {
                break;
            }
        }
        self.statuses.iter_mut().for_each(StatusFile::flush);
        self.alerts.flush();
    }

    /// Ends every `current` that is not empty.
    pub fn rotate(&mut self) {
        self.logs.iter_mut().for_each(LogDir::rotate);
    }

    /// Sends a signal to the processors that run, and starts no other.
    pub fn stop_processors(&self, signal: Signal) {
        self.logs.iter().for_each(|log| log.stop_processor(signal));
    }

    /// Tells how every log directory is. `line_counts` has the lines that have come, by sink.
    pub fn tell(&mut self, line_counts: &[u64]) {
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

    /// Goes on with the end of every sink. Tells how they were left, once all are: unsynced if one
    /// was.
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

    /// Whether a sink cannot do what it has to.
    pub fn are_in_trouble(&self) -> bool {
        self.alerts.is_stuck()
            || self.output.stuck_fd().is_some()
            || self.statuses.iter().any(|file| file.deadline().is_some())
            || self.logs.iter().any(LogDir::is_in_trouble)
    }

    /// Closes what can be closed, and tells what is given up of the rest when the program has to end
    /// now.
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

    /// When the next try is due, if there is trouble.
    pub fn deadline(&self) -> Option<Instant> {
        let statuses = self.statuses.iter().filter_map(StatusFile::deadline);
        self.logs
            .iter()
            .filter_map(LogDir::deadline)
            .chain(statuses)
            .chain(self.output.deadline())
            .min()
    }

    /// Stdout, where lines wait for it to take them.
    pub fn stuck_stdout(&self) -> Option<BorrowedFd<'_>> {
        self.output.stuck_fd()
    }

    /// Whether alerts wait for stderr to take them.
    pub fn wait_for_stderr(&self) -> bool {
        self.alerts.is_stuck()
    }

    /// Whether nobody reads stderr any more, which ends the program as it ends 0.76.
    pub fn lost_stderr(&self) -> bool {
        self.alerts.are_lost()
    }
}

impl Sinks for OpenSinks {
    fn head(&mut self, sink: usize, head: &[u8]) {
        let look = &self.looks[sink];
        match self.targets[sink] {
            Target::Alert => self.alerts.add(head, look),
            Target::Status(status) => self.statuses[status].show(head, look.status_size),
            Target::Shown(shown) => {
                let Shown { shower, target, held: _ } = &mut self.shown[shown];
                match *target {
                    Target::Alert => {
                        let mut alert = Vec::new();
                        look.append_alert(head, &mut alert);
                        shower.push(&alert, self.alerts.held());
                    }
                    Target::Status(status) => {
                        self.statuses[status].show(&shower.line(head), look.status_size);
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
                shown.shower.push(bytes, &mut shown.held);
                if matches!(shown.target, Target::Stdout) {
                    self.output.add(sink, &shown.held);
                    shown.held.clear();
                }
            }
            Target::Alert | Target::Status(_) => {}
        }
    }
}

/// Opens every status file, and tells which of them each name of the script is. A file that is named
/// twice is one, so that it shows the line that came last, whichever name took it.
fn open_statuses(
    start: &Dir,
    script: &Script,
    reporter: &Reporter,
) -> Result<(Vec<StatusFile>, Vec<usize>), Failure> {
    let mut statuses: Vec<StatusFile> = Vec::with_capacity(script.statuses.len());
    let mut status_of = Vec::with_capacity(script.statuses.len());
    for name in &script.statuses {
        let opened = StatusFile::open(start, name, reporter)?;
        let same = statuses.iter().position(|status| status.is_same_file(&opened));
        status_of.push(same.unwrap_or(statuses.len()));
        if same.is_none() {
            statuses.push(opened);
        }
    }
    Ok((statuses, status_of))
}

fn target(action: &Action, status_of: &[usize]) -> Option<Target> {
    match action {
        Action::Select(_) | Action::Deselect(_) | Action::SelectRest => None,
        Action::Alert => Some(Target::Alert),
        Action::Stdout => Some(Target::Stdout),
        Action::Status(status) => Some(Target::Status(status_of[*status])),
        Action::Log(log) => Some(Target::Log(*log)),
    }
}
