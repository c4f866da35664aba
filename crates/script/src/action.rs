//! A parsed script: actions in command-line order, each with its settings.

use crate::head::{HEAD_MAX, LONG_HEAD_MAX};
use crate::pattern::Pattern;
use crate::presentation::{Presentation, StatusSize};
use crate::settings::Settings;
use std::ffi::OsString;

/// A parsed command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Stamp before each line (`t`, `T`).
    pub stamp: Option<StampFormat>,
    /// Actions in command-line order.
    pub actions: Vec<Action>,
    /// Readiness descriptor (`d`): gets a newline after every sink is open.
    pub ready_fd: Option<i32>,
    /// Settings that no later action uses.
    pub unused: Vec<Unused>,
    /// Arguments with a probably unintended effect.
    pub doubtful: Vec<Doubtful>,
}

/// Argument with a probably unintended effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubtful {
    /// Argument text.
    pub argument: OsString,
    /// Parsed meaning.
    pub reading: Reading,
}

/// Parsed meaning of a doubtful argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Value of `s` or `n`. The opener of a directory checks whether the value is large enough.
    Number {
        /// `s` or `n`.
        letter: char,
        /// Parsed value.
        value: u64,
        /// Unexpected text after the letter.
        junk: Option<Junk>,
    },
    /// `e` followed by text, as in `errors`.
    Word,
    /// `k` with seconds, without a unit.
    Seconds(u64),
}

/// Unexpected text in a number argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Junk {
    /// No digit, so probably a directory name, as in `smtpd`.
    Name,
    /// Text after the digits, with a suggested argument.
    Tail(Option<String>),
}

/// Stamp formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampFormat {
    /// `t`: a TAI64N label.
    Tai64n,
    /// `T`: Unix seconds, point, microseconds, as in daemontools-encore.
    Unix,
    /// `Tutc`: RFC 3339 in UTC with nanoseconds.
    Utc,
    /// `Tlocal`: local time with UTC offset.
    Local,
}

/// Script action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `+`: selects matching lines.
    Select(Pattern),
    /// `-`: deselects matching lines.
    Deselect(Pattern),
    /// `f`: selects exactly those lines that no earlier sink received.
    SelectRest,
    /// `e`: writes selected lines to stderr.
    Alert {
        /// Line bytes per alert (`E`).
        len_max: usize,
        /// Prefix and escaping.
        presentation: Presentation,
    },
    /// `1`: writes selected lines to stdout.
    Stdout {
        /// Prefix and escaping.
        presentation: Presentation,
    },
    /// `=`: keeps the last selected line in a file.
    Status {
        /// File name as typed.
        file: OsString,
        /// File size (`^`).
        size: StatusSize,
        /// Prefix and escaping.
        presentation: Presentation,
    },
    /// `.` or `/`: appends selected lines to a log directory.
    Log {
        /// Directory name as typed.
        dir: OsString,
        /// Directory settings.
        settings: Box<Settings>,
        /// Prefix and escaping.
        presentation: Presentation,
    },
}

impl Action {
    /// Presentation of a sink; `None` for other actions.
    pub fn presentation(&self) -> Option<&Presentation> {
        match self {
            Action::Select(_) | Action::Deselect(_) | Action::SelectRest => None,
            Action::Alert { presentation, .. }
            | Action::Stdout { presentation }
            | Action::Status { presentation, .. }
            | Action::Log { presentation, .. } => Some(presentation),
        }
    }

    /// True for a sink.
    pub fn is_sink(&self) -> bool {
        self.presentation().is_some()
    }

    /// Line bytes that decide this action.
    fn head_len(&self) -> usize {
        match self {
            Action::Select(Pattern::Regex(_)) | Action::Deselect(Pattern::Regex(_)) => {
                LONG_HEAD_MAX
            }
            // One extra byte decides whether dots follow.
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
    /// Line bytes, stamp included, that all actions need.
    pub fn head_max(&self) -> usize {
        let is_long = self.actions.iter().any(|action| action.head_len() > HEAD_MAX);
        if is_long { LONG_HEAD_MAX } else { HEAD_MAX }
    }

    /// True if the script has a sink.
    pub fn has_sink(&self) -> bool {
        self.actions.iter().any(Action::is_sink)
    }
}

/// Setting that no later action uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// Argument text.
    pub argument: OsString,
    /// Actions that accept this setting.
    pub applies_to: AppliesTo,
}

/// Actions that a setting applies to.
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
    /// Every sink.
    Sink,
}

impl AppliesTo {
    /// True if this action accepts the setting.
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
