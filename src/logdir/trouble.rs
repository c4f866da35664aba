//! What a user is told of a directory beside its lines, and what that does to the exit code.

use crate::message;
use ::logdir::failure::Failure;
use ::logdir::read::Notice;
use ::logdir::read::stamp::Moment;
use std::process::ExitCode;

/// The outcome of a command, from which its exit code follows.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Anything could not be read.
    pub has_trouble: bool,
    /// Lines, directories or a sound state were shown.
    pub has_found: bool,
    /// The failures that were told.
    pub told: Vec<Failure>,
}

impl Outcome {
    /// Tells of failures, once of each: a file may be met again.
    pub fn fail(&mut self, failures: &[Failure]) {
        for failure in failures {
            if !self.told.contains(failure) {
                message::failed(failure);
                if failure.is_of_access() && !self.told.iter().any(Failure::is_of_access) {
                    message::access_hint();
                }
                self.told.push(failure.clone());
            }
            self.has_trouble = true;
        }
    }

    /// Tells of what was noticed in the directory that is called `name`.
    pub fn notice(
        &mut self,
        name: &str,
        notices: Vec<Notice>,
        mut format: impl FnMut(Moment) -> String,
    ) {
        for notice in notices {
            let text = match notice {
                Notice::Unreadable(failure) => {
                    self.fail(&[failure]);
                    continue;
                }
                Notice::Gone(file) => {
                    self.has_trouble = true;
                    message::gone(&file.name)
                }
                Notice::Torn(place) => message::torn(&place.file.name, place.offset),
                Notice::Zeros(place, count) => {
                    message::zeros(&place.file.name, place.offset, count)
                }
                Notice::Replaced(place) => message::replaced(&place),
                Notice::CurrentReplaced(file) => {
                    self.has_trouble = true;
                    message::current_replaced(&file)
                }
                Notice::Changed(file) => {
                    self.has_trouble = true;
                    message::changed(&file)
                }
                Notice::Truncated(file) => {
                    self.has_trouble = true;
                    message::truncated(&file)
                }
                Notice::MissingLines(from, to) => {
                    self.has_trouble = true;
                    let (from, to) = (from.map(&mut format), to.map(&mut format));
                    message::gap(from.as_deref(), to.as_deref())
                }
                Notice::BeginsAt(moment) => message::begins_at(&format(moment)),
                Notice::Unstamped => message::unstamped(),
            };
            message::warn(format!("{name}: {text}").as_bytes());
        }
    }

    /// Tells what is wrong with the directory that is called `name`.
    pub fn trouble(&mut self, name: &str, troubles: &[String]) {
        for trouble in troubles {
            message::warn(format!("{name}: {trouble}").as_bytes());
            self.has_trouble = true;
        }
    }

    /// As grep: found, nothing found, trouble.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Outcome { has_trouble: true, .. } => message::EXIT_TROUBLE,
            Outcome { has_found: true, .. } => message::EXIT_OK,
            Outcome { .. } => message::EXIT_NOTHING,
        })
    }
}
