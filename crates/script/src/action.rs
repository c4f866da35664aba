//! A script: its actions in the order of the command line, each with everything that holds for it.

use crate::head::{HEAD_MAX, LONG_HEAD_MAX};
use crate::pattern::Pattern;
use crate::presentation::{Presentation, StatusSize};
use crate::settings::Settings;
use std::ffi::OsString;

/// A parsed command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// What is put before each line (`t`, `T`), if anything is.
    pub stamp: Option<StampFormat>,
    /// The actions, in the order of the command line.
    pub actions: Vec<Action>,
    /// The descriptor that gets a newline when everything is open (`d`).
    pub ready_fd: Option<i32>,
    /// Settings that no later action uses.
    pub unused: Vec<Unused>,
    /// Arguments that may mean something else than they say.
    pub doubtful: Vec<Doubtful>,
}

/// An argument with a probably unintended effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubtful {
    /// As it was written.
    pub argument: OsString,
    /// What it does.
    pub reading: Reading,
}

/// How an argument is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The number of `s` or `n`. Who opens a directory knows if it is large enough.
    Number {
        /// `s` or `n`.
        letter: char,
        /// What is read.
        value: u64,
        /// What is wrong with the text after the letter, if anything is.
        junk: Option<Junk>,
    },
    /// `e` with more after it, as in `errors`.
    Word,
    /// `k` with seconds, and no unit.
    Seconds(u64),
}

/// What follows the letter of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Junk {
    /// No digit: a name rather, as in `smtpd`.
    Name,
    /// Text after the digits, and a suggested argument.
    Tail(Option<String>),
}

/// The stamps that a script can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampFormat {
    /// `t`: a TAI64N label.
    Tai64n,
    /// `T`: seconds since 1970, a point and microseconds, as in daemontools-encore.
    Unix,
    /// `Tutc`: UTC as in RFC 3339, with nanoseconds.
    Utc,
    /// `Tlocal`: local time with its offset from UTC.
    Local,
}

/// One action on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `+`: selects the lines that match.
    Select(Pattern),
    /// `-`: deselects the lines that match.
    Deselect(Pattern),
    /// `f`: selects exactly the lines that no action has taken yet.
    SelectRest,
    /// `e`: writes selected lines to stderr.
    Alert {
        /// Bytes of a line that are written (`E`).
        len_max: usize,
        /// How lines are shown.
        presentation: Presentation,
    },
    /// `1`: writes selected lines to stdout.
    Stdout {
        /// How lines are shown.
        presentation: Presentation,
    },
    /// `=`: keeps the last selected line in a file.
    Status {
        /// The file as the user named it.
        file: OsString,
        /// Bytes of the file (`^`).
        size: StatusSize,
        /// How lines are shown.
        presentation: Presentation,
    },
    /// `.` or `/`: appends selected lines to a log directory.
    Log {
        /// The directory as the user named it.
        dir: OsString,
        /// Its settings.
        settings: Box<Settings>,
        /// How lines are shown.
        presentation: Presentation,
    },
}

impl Action {
    /// How a sink shows lines; `None` for an action that takes no lines.
    pub fn presentation(&self) -> Option<&Presentation> {
        match self {
            Action::Select(_) | Action::Deselect(_) | Action::SelectRest => None,
            Action::Alert { presentation, .. }
            | Action::Stdout { presentation }
            | Action::Status { presentation, .. }
            | Action::Log { presentation, .. } => Some(presentation),
        }
    }

    /// True for an action that takes lines.
    pub fn is_sink(&self) -> bool {
        self.presentation().is_some()
    }

    /// Bytes of a line that the action looks at.
    fn head_len(&self) -> usize {
        match self {
            Action::Select(Pattern::Regex(_)) | Action::Deselect(Pattern::Regex(_)) => {
                LONG_HEAD_MAX
            }
            // One byte more than an alert shows decides if dots follow.
            Action::Alert { len_max, .. } => len_max + 1,
            Action::Status { size, .. } => size.line_max(),
            Action::Select(_)
            | Action::Deselect(_)
            | Action::SelectRest
            | Action::Stdout { .. }
            | Action::Log { .. } => HEAD_MAX,
        }
    }
}

impl Script {
    /// Bytes of a line, its stamp included, that its actions look at.
    pub fn head_max(&self) -> usize {
        let is_long = self.actions.iter().any(|action| action.head_len() > HEAD_MAX);
        if is_long { LONG_HEAD_MAX } else { HEAD_MAX }
    }

    /// True if an action takes lines.
    pub fn has_sink(&self) -> bool {
        self.actions.iter().any(Action::is_sink)
    }
}

/// A setting that no later action uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// As it was written.
    pub argument: OsString,
    /// The actions it could apply to.
    pub applies_to: AppliesTo,
}

/// The actions that a setting applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppliesTo {
    /// `+` and `-`.
    Pattern,
    /// `e`.
    Alert,
    /// `=`.
    Status,
    /// A log directory.
    Log,
    /// Every action that takes lines.
    Sink,
}

impl AppliesTo {
    /// True if a setting of this kind applies to the action.
    pub fn includes(self, action: &Action) -> bool {
        match action {
            Action::Select(_) | Action::Deselect(_) => self == AppliesTo::Pattern,
            Action::SelectRest => false,
            Action::Alert { .. } => matches!(self, AppliesTo::Alert | AppliesTo::Sink),
            Action::Stdout { .. } => self == AppliesTo::Sink,
            Action::Status { .. } => matches!(self, AppliesTo::Status | AppliesTo::Sink),
            Action::Log { .. } => matches!(self, AppliesTo::Log | AppliesTo::Sink),
        }
    }
}
