//! The command line as a script: actions in order, parsed once and purely.
//!
//! As in 0.76 an action is told by the first byte of its argument. Settings (`s`, `n`, `!`) are used
//! up here and land in the log directories behind them; nothing downstream sees an argument.

mod settings;

use crate::expression::BadExpression;
use crate::look::Look;
use crate::pattern::{Language, Pattern};
use crate::select::{HEAD_MAX, LONG_HEAD_MAX};
use ::logdir::settings::Settings;
use ::logdir::stamp::StampFormat;
use settings::Setting;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What multilog was asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// What is put in front of each line (`t`, `T`), if anything is.
    pub stamp: Option<StampFormat>,
    /// The actions, in the order of the command line.
    pub actions: Vec<Action>,
    /// Every log directory, in the order of the command line.
    pub logs: Vec<Settings>,
    /// Every status file, in the order of the command line.
    pub statuses: Vec<OsString>,
    /// How each sink shows lines, in the order of the command line.
    pub looks: Vec<Look>,
    /// The descriptor that is told when everything is open (`d`).
    pub ready_fd: Option<i32>,
    /// Settings with nothing behind them that they could hold for, as they were written.
    pub unused: Vec<Unused>,
}

/// A setting that holds for nothing, and what would have to be behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// As it was written.
    pub argument: OsString,
    /// What it could hold for.
    pub user: User,
}

/// What a setting can hold for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// `+` and `-`.
    Pattern,
    /// `e`.
    Alert,
    /// `=`.
    Status,
    /// A log directory.
    Log,
    /// Whatever takes lines.
    Sink,
}

impl User {
    fn is(self, action: &Action) -> bool {
        match action {
            Action::Select(_) | Action::Deselect(_) => self == User::Pattern,
            Action::SelectRest => false,
            Action::Alert => matches!(self, User::Alert | User::Sink),
            Action::Stdout => self == User::Sink,
            Action::Status(_) => matches!(self, User::Status | User::Sink),
            Action::Log(_) => matches!(self, User::Log | User::Sink),
        }
    }
}

impl Script {
    /// How many bytes of a line, its stamp included, its actions look at.
    pub fn head_max(&self) -> usize {
        let sees_more = |action: &Action| match action {
            Action::Select(pattern) | Action::Deselect(pattern) => {
                matches!(pattern, Pattern::Regex(_))
            }
            Action::SelectRest
            | Action::Alert
            | Action::Stdout
            | Action::Status(_)
            | Action::Log(_) => false,
        };
        let shows_more = |look: &Look| look.head_len() > HEAD_MAX;
        let is_long = self.actions.iter().any(sees_more) || self.looks.iter().any(shows_more);
        if is_long { LONG_HEAD_MAX } else { HEAD_MAX }
    }

    fn add(&mut self, action: Action) {
        self.unused.retain(|unused| !unused.user.is(&action));
        self.actions.push(action);
    }

    /// Adds an action that lines go to, with how it shows them.
    fn add_sink(&mut self, action: Action, look: &Look) {
        self.add(action);
        self.looks.push(look.clone());
    }

    /// Notes a setting until something comes that it holds for.
    fn add_setting(&mut self, argument: &OsStr) {
        let user = match argument.as_bytes() {
            b"F" | b"X" | b"S" => User::Pattern,
            [b'p' | b'c', ..] => User::Sink,
            [b'E', ..] => User::Alert,
            [b'^', ..] => User::Status,
            _ => User::Log,
        };
        self.unused.push(Unused { argument: argument.to_owned(), user });
    }
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
    Alert,
    /// `1`: writes selected lines to stdout.
    Stdout,
    /// `=`: keeps the last selected line in the status file of this index.
    Status(usize),
    /// `.` or `/`: appends selected lines to the log directory of this index.
    Log(usize),
}

/// An argument that does nothing, as in 0.76, and why it may have been meant otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    argument: OsString,
    hint: Hint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    None,
    Directory,
    StampFirst,
    Needs(&'static str),
}

impl Ignored {
    /// The warning, any bytes.
    pub fn text(&self) -> Vec<u8> {
        let argument = self.argument.as_bytes();
        let mut text = b"ignoring unknown action ".to_vec();
        text.extend_from_slice(if argument.is_empty() { b"''" } else { argument });
        match self.hint {
            Hint::None => {}
            Hint::Directory => {
                text.extend_from_slice(b": a log directory starts with . or /, did you mean ./");
                text.extend_from_slice(argument);
                text.push(b'?');
            }
            Hint::StampFirst => {
                text.extend_from_slice(b": ");
                text.extend_from_slice(argument);
                text.extend_from_slice(b" adds stamps only as the first action");
            }
            Hint::Needs(needs) => {
                text.extend_from_slice(b": ");
                text.extend_from_slice(needs.as_bytes());
            }
        }
        text
    }
}

/// Reads the command line. As in 0.76 what is no action is ignored, and here told; only a pattern that
/// cannot be understood is an error.
pub fn parse(arguments: &[OsString]) -> Result<(Script, Vec<Ignored>), BadExpression> {
    let mut script = Script::default();
    let mut ignored = Vec::new();
    let mut settings = Settings::new("");
    let mut look = Look::default();
    let mut language = Language::default();
    for (position, argument) in arguments.iter().enumerate() {
        let bytes = argument.as_bytes();
        if position == 0
            && let Some(stamp) = parse_stamp(bytes)
        {
            script.stamp = Some(stamp);
            continue;
        }
        let (letter, rest) = bytes.split_at(bytes.len().min(1));
        match letter {
            b"+" => script.add(Action::Select(Pattern::new(language, rest)?)),
            b"-" => script.add(Action::Deselect(Pattern::new(language, rest)?)),
            b"S" | b"F" | b"X" if rest.is_empty() => {
                language = language_of(letter);
                script.add_setting(argument);
            }
            b"f" if rest.is_empty() => script.add(Action::SelectRest),
            b"e" => script.add_sink(Action::Alert, &look),
            b"1" if rest.is_empty() => script.add_sink(Action::Stdout, &look),
            b"=" => {
                script.add_sink(Action::Status(script.statuses.len()), &look);
                // What `push` calls for these lies on a page of the program that nothing else here needs, and
                // which comes with its neighbours; see disk::split.
                script.statuses.extend([OsStr::from_bytes(rest).to_owned()]);
            }
            b"d" if settings::parse_descriptor(rest).is_some() => {
                script.ready_fd = settings::parse_descriptor(rest);
            }
            b"." | b"/" => {
                script.add_sink(Action::Log(script.logs.len()), &look);
                let (dir, is_stamped) = (argument.clone(), script.stamp.is_some());
                script.logs.push(Settings { dir, is_stamped, ..settings.clone() });
            }
            _ => {
                let hint = match settings::set(&mut settings, &mut look, bytes) {
                    Setting::Taken => {
                        script.add_setting(argument);
                        continue;
                    }
                    Setting::Malformed(needs) => Hint::Needs(needs),
                    Setting::Unknown => hint(bytes),
                };
                ignored.push(Ignored { argument: argument.clone(), hint });
            }
        }
    }
    Ok((script, ignored))
}

/// The stamp that a first argument asks for, if it does.
fn parse_stamp(argument: &[u8]) -> Option<StampFormat> {
    match argument {
        [b't', ..] => Some(StampFormat::Tai64n),
        b"T" => Some(StampFormat::Unix),
        b"Tutc" => Some(StampFormat::Utc),
        b"Tlocal" => Some(StampFormat::Local),
        _ => None,
    }
}

fn language_of(letter: &[u8]) -> Language {
    match letter {
        b"F" => Language::Fnmatch,
        b"X" => Language::Regex,
        _ => Language::Stars,
    }
}

/// The likely slip behind an argument that is no action.
fn hint(argument: &[u8]) -> Hint {
    match argument {
        b"t" | b"T" | b"Tutc" | b"Tlocal" => Hint::StampFirst,
        [first, _, ..] if first.is_ascii_alphanumeric() || *first == b'_' => Hint::Directory,
        _ => Hint::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::StatusSize;

    fn parsed(arguments: &[&str]) -> (Script, Vec<Ignored>) {
        parse(&arguments.iter().map(OsString::from).collect::<Vec<_>>()).expect("a good script")
    }

    #[track_caller]
    fn check_log(arguments: &[&str], size_max: u64, number_max: u64, processor: Option<&str>) {
        let (script, ignored) = parsed(arguments);
        let spec = script.logs.last().expect("a log directory");
        assert_eq!((spec.size_max, spec.number_max), (size_max, number_max), "{arguments:?}");
        assert_eq!(spec.processor.as_deref(), processor.map(OsStr::new), "{arguments:?}");
        assert_eq!(ignored, [], "{arguments:?}");
    }

    #[track_caller]
    fn check_ignored(arguments: &[&str], expected: &str) {
        let (_, ignored) = parsed(arguments);
        assert_eq!(ignored.len(), 1, "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&ignored[0].text()), expected);
    }

    #[test]
    fn the_first_action_can_be_a_stamp() {
        for (argument, stamp) in [
            ("t", Some(StampFormat::Tai64n)),
            ("T", Some(StampFormat::Unix)),
            ("Tutc", Some(StampFormat::Utc)),
            ("Tlocal", Some(StampFormat::Local)),
            ("Tut", None),
            ("e", None),
        ] {
            assert_eq!(parsed(&[argument]).0.stamp, stamp, "{argument}");
            assert_eq!(parsed(&["e", argument]).0.stamp, None, "{argument}");
        }
    }

    #[test]
    fn a_language_holds_for_the_patterns_behind_it() {
        let (script, ignored) = parsed(&["+a", "F", "-b", "X", "+c", "f", "S", "-d"]);
        let languages: Vec<&str> = script
            .actions
            .iter()
            .map(|action| match action {
                Action::Select(Pattern::Stars(_)) | Action::Deselect(Pattern::Stars(_)) => "S",
                Action::Select(Pattern::Fnmatch(_)) | Action::Deselect(Pattern::Fnmatch(_)) => "F",
                Action::Select(Pattern::Regex(_)) | Action::Deselect(Pattern::Regex(_)) => "X",
                Action::SelectRest => "f",
                Action::Alert | Action::Stdout | Action::Status(_) | Action::Log(_) => "a sink",
            })
            .collect();
        assert_eq!(languages, ["S", "F", "X", "f", "S"]);
        assert_eq!(ignored, []);
        assert!(parse(&["X".into(), "+(".into()]).is_err());
        assert!(parse(&["X".into(), "S".into(), "+(".into()]).is_ok());
    }

    #[test]
    fn an_expression_makes_more_of_a_line_seen() {
        assert_eq!(parsed(&["F", "+a"]).0.head_max(), HEAD_MAX);
        assert_eq!(parsed(&["X", "e"]).0.head_max(), HEAD_MAX);
        assert_eq!(parsed(&["X", "-a", "e"]).0.head_max(), LONG_HEAD_MAX);
    }

    #[test]
    fn a_look_holds_for_the_sinks_behind_it() {
        let (script, ignored) =
            parsed(&["e", "pa b", "c", "E1k", "^0", "=s", "p", "E0", "^30", "1", "./d"]);
        let look = |prefix: &str, is_escaped, alert_max, status_size| Look {
            prefix: prefix.into(),
            is_escaped,
            alert_max,
            status_size,
        };
        let last = look("", true, LONG_HEAD_MAX, StatusSize::Padded(30));
        let expected =
            [Look::default(), look("a b", true, 1024, StatusSize::AsLine), last.clone(), last];
        assert_eq!(script.looks, expected);
        assert_eq!(script.actions.len(), 4);
        assert_eq!(ignored, []);
        assert_eq!(script.head_max(), LONG_HEAD_MAX);
        for short in [&["E999", "e"][..], &["^1000", "=s"], &["E5000"]] {
            assert_eq!(parsed(short).0.head_max(), HEAD_MAX);
        }
        assert_eq!(parsed(&["E1000", "e"]).0.head_max(), LONG_HEAD_MAX);
    }

    #[test]
    fn settings_hold_for_the_directories_behind_them() {
        check_log(&["./d", "s5000"], 99_999, 10, None);
        check_log(&["s5000", "n3", "!gzip", "./d"], 5000, 3, Some("gzip"));
        check_log(&["s5000", "./a", "s6000", "./b"], 6000, 10, None);
        check_log(&["!gzip", "!", "./d"], 99_999, 10, Some(""));
    }

    #[test]
    fn settings_with_nothing_behind_them_are_unused() {
        let unused = |arguments: &[&str]| -> Vec<OsString> {
            parsed(arguments).0.unused.into_iter().map(|unused| unused.argument).collect()
        };
        assert_eq!(unused(&["F", "-a", "s5000", "pa", "E9", "^9", "=s", "e", "./d"]), [""; 0]);
        assert_eq!(unused(&["./d", "s5000", "n5", "e"]), ["s5000", "n5"]);
        assert_eq!(unused(&["X", "pa", "c", "E9", "^9", "k5d", "1"]), ["X", "E9", "^9", "k5d"]);
        assert_eq!(unused(&["d3", "e", "p", "f"]), ["p"]);
    }

    #[test]
    fn numbers_are_read_as_leading_digits() {
        check_log(&["s0", "n0", "./d"], 4096, 2, None);
        check_log(&["s4095", "n1", "./d"], 4096, 2, None);
        check_log(&["s4097", "n3", "./d"], 4097, 3, None);
        check_log(&["s6000x", "n5k", "./d"], 6000, 5, None);
        check_log(&["s 9000", "n-5", "./d"], 4096, 2, None);
        check_log(&["s16777216", "./d"], 16_777_216, 10, None);
        check_log(&["s99999999999999999999999", "./d"], u64::MAX, 10, None);
    }

    #[test]
    fn the_first_byte_tells_the_action() {
        let (script, ignored) =
            parsed(&["two", "e ", "echo", "+a*", "-", "=x", "=", ".hidden", "/"]);
        assert_eq!(script.stamp, Some(StampFormat::Tai64n));
        assert_eq!(
            script.actions,
            [
                Action::Alert,
                Action::Alert,
                Action::Select(Pattern::Stars(b"a*".to_vec())),
                Action::Deselect(Pattern::Stars(b"".to_vec())),
                Action::Status(0),
                Action::Status(1),
                Action::Log(0),
                Action::Log(1),
            ]
        );
        assert_eq!(script.statuses, ["x", ""]);
        assert_eq!(script.logs[0].dir, ".hidden");
        assert_eq!(ignored, []);
    }

    #[test]
    fn what_is_no_action_is_named_with_the_likely_slip() {
        check_ignored(
            &["main"],
            "ignoring unknown action main: a log directory starts with . or /, did you mean ./main?",
        );
        check_ignored(
            &["e", "t"],
            "ignoring unknown action t: t adds stamps only as the first action",
        );
        check_ignored(
            &["e", "Tutc"],
            "ignoring unknown action Tutc: Tutc adds stamps only as the first action",
        );
        check_ignored(
            &["foo"],
            "ignoring unknown action foo: a log directory starts with . or /, did you mean ./foo?",
        );
        check_ignored(&["", "./d"], "ignoring unknown action ''");
        check_ignored(&["@"], "ignoring unknown action @");
    }
}
