//! The sinks of a script: where selected lines go.

mod alert;
mod status;

use crate::diag::Failure;
use crate::disk::Dir;
use crate::lines::{HANDED_MAX, Sinks};
use crate::logdir::{Closed, LogDir};
use crate::script::{Action, Script};
use crate::wake::Wake;
use alert::Alerts;
use nix::sys::signal::Signal;
use status::StatusFile;
use std::time::Instant;

/// Every sink of a script, open.
#[derive(Debug)]
pub struct OpenSinks {
    /// What each sink is, by its number in the script.
    targets: Vec<Target>,
    alerts: Alerts,
    statuses: Vec<StatusFile>,
    logs: Vec<LogDir>,
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Alert,
    Status(usize),
    Log(usize),
}

impl OpenSinks {
    /// Opens the status files of a script, then its log directories, each in order, as 0.76 does.
    /// Where one fails, the directories opened before are left as they were found.
    pub fn open(start: &Dir, script: &Script, wake: &Wake) -> Result<OpenSinks, Failure> {
        let (statuses, status_of) = open_statuses(start, script)?;
        let alert_count = script.actions.iter().filter(|&action| *action == Action::Alert).count();
        let target = |action| target(action, &status_of);
        let mut sinks = OpenSinks {
            targets: script.actions.iter().filter_map(target).collect(),
            alerts: Alerts::new(alert_count),
            statuses,
            logs: Vec::new(),
        };
        for spec in &script.logs {
            match LogDir::open(start, spec, wake) {
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
        for log in &mut self.logs {
            if log.room() < HANDED_MAX {
                log.flush();
            }
        }
        if !self.alerts.have_room() {
            self.alerts.flush();
        }
        self.alerts.have_room() && self.logs.iter().all(|log| log.room() >= HANDED_MAX)
    }

    /// Writes what is held, as far as that is possible without waiting.
    pub fn flush(&mut self) {
        self.logs.iter_mut().for_each(LogDir::flush);
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

    /// Goes on with the end of every sink. Tells how they were left, once all are: unsynced if one
    /// was.
    pub fn close(&mut self) -> Option<Closed> {
        self.flush();
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
            || self.statuses.iter().any(|file| file.deadline().is_some())
            || self.logs.iter().any(LogDir::is_in_trouble)
    }

    /// Closes what can be closed, and tells what is given up of the rest when the program has to end
    /// now.
    pub fn give_up(&mut self) {
        for log in &mut self.logs {
            if log.close().is_none() {
                log.give_up();
            }
        }
    }

    /// On the model disk: does one step of each log directory's finisher.
    #[cfg(test)]
    pub fn advance_finishers(&mut self) -> bool {
        self.logs.iter_mut().map(LogDir::advance_finisher).fold(false, |any, one| any | one)
    }

    /// When the next try is due, if there is trouble.
    pub fn deadline(&self) -> Option<Instant> {
        let statuses = self.statuses.iter().filter_map(StatusFile::deadline);
        self.logs.iter().filter_map(LogDir::deadline).chain(statuses).min()
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
        match self.targets[sink] {
            Target::Alert => self.alerts.add(head),
            Target::Status(status) => self.statuses[status].show(head),
            Target::Log(_) => {}
        }
    }

    fn bytes(&mut self, sink: usize, bytes: &[u8]) {
        match self.targets[sink] {
            Target::Log(log) => self.logs[log].append(bytes),
            Target::Alert | Target::Status(_) => {}
        }
    }
}

/// Opens every status file, and tells which of them each name of the script is. A file that is named
/// twice is one, so that it shows the line that came last, whichever name took it.
fn open_statuses(start: &Dir, script: &Script) -> Result<(Vec<StatusFile>, Vec<usize>), Failure> {
    let mut statuses: Vec<StatusFile> = Vec::new();
    let mut status_of = Vec::new();
    for name in &script.statuses {
        let opened = StatusFile::open(start, name)?;
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
        Action::Status(status) => Some(Target::Status(status_of[*status])),
        Action::Log(log) => Some(Target::Log(*log)),
    }
}
