//! Messages about directories, and their effect on the exit code.

use crate::message;
use ::logdir::failure::Failure;
use ::logdir::read::Notice;
use ::logdir::read::stamp::Moment;
use std::process::ExitCode;

/// Outcome of a command; determines its exit code.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Some data was unreadable.
    pub has_trouble: bool,
    /// Lines, directories or a sound state were shown.
    pub has_found: bool,
    /// Failures already reported.
    pub told: Vec<Failure>,
}

impl Outcome {
    /// Reports failures, each only once: several steps may open the same file.
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

    /// Reports notices about directory `name`.
    pub fn notice(
        &mut self,
        name: &str,
        notices: Vec<Notice>,
        mut format: impl FnMut(Moment) -> String,
    ) {
        for notice in notices {
            let Said { text, is_trouble } = say(notice, &mut format);
            self.has_trouble |= is_trouble;
            match text {
                Text::Failure(failure) => self.fail(&[failure]),
                Text::Sentence(text) => message::warn(format!("{name}: {text}").as_bytes()),
            }
        }
    }

    /// Reports problems of directory `name`.
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

pub struct Said {
    pub text: Text,
    /// True if lines may be missing or unreadable.
    pub is_trouble: bool,
}

pub enum Text {
    /// Failure that names its file.
    Failure(Failure),
    /// Sentence without directory name.
    Sentence(String),
}

/// Words a notice. `format` formats moments.
pub fn say(notice: Notice, mut format: impl FnMut(Moment) -> String) -> Said {
    let (text, is_trouble) = match notice {
        Notice::Unreadable(failure) => {
            return Said { text: Text::Failure(failure), is_trouble: true };
        }
        Notice::Gone(file) => (message::gone(&file.name), true),
        Notice::Torn(place) => (message::torn(&place.file.name, place.offset), false),
        Notice::Zeros(place, count) => {
            (message::zeros(&place.file.name, place.offset, count), false)
        }
        Notice::Replaced(place) => (message::replaced(&place), false),
        Notice::CurrentReplaced(file) => (message::current_replaced(&file), true),
        Notice::Changed(file) => (message::changed(&file), true),
        Notice::Truncated(file) => (message::truncated(&file), true),
        Notice::MissingLines(from, to) => {
            let (from, to) = (from.map(&mut format), to.map(&mut format));
            (message::gap(from.as_deref(), to.as_deref()), true)
        }
        Notice::BeginsAt(moment) => (message::begins_at(&format(moment)), false),
        Notice::Unstamped => (message::unstamped(), false),
    };
    Said { text: Text::Sentence(text), is_trouble }
}
