//! Parses the command line into a [`Script`], once.
//!
//! As in 0.76, the first byte of an argument decides its action. Each setting (`s`, `n`, `!` and
//! others) is stored inside the later actions it applies to.

use crate::action::{Action, AppliesTo, Doubtful, Reading, Script, StampFormat, Unused};
use crate::expression::BadExpression;
use crate::pattern::{Language, Pattern};
use crate::settings::{self, InForce, Setting};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Ignored argument with a guessed intention.
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

/// Parses the command line. As in 0.76, unknown arguments are ignored; they are returned for a
/// warning.
///
/// # Errors
/// Invalid expression, or too much memory.
pub fn parse(arguments: &[OsString]) -> Result<(Script, Vec<Ignored>), BadExpression> {
    let mut script = Script::default();
    let mut ignored = Vec::new();
    let mut in_force = InForce::default();
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
            b"+" => add(&mut script, Action::Select(Pattern::new(language, rest)?)),
            b"-" => add(&mut script, Action::Deselect(Pattern::new(language, rest)?)),
            b"S" | b"F" | b"X" if rest.is_empty() => {
                language = language_of(letter);
                add_setting(&mut script, argument);
            }
            b"f" if rest.is_empty() => add(&mut script, Action::SelectRest),
            b"e" => {
                add(&mut script, in_force.alert());
                if !rest.trim_ascii().is_empty() {
                    add_doubtful(&mut script, argument, Reading::Word);
                }
            }
            b"1" if rest.is_empty() => add(&mut script, in_force.stdout()),
            b"=" => add(&mut script, in_force.status(OsStr::from_bytes(rest))),
            b"d" if settings::parse_descriptor(rest).is_some() => {
                script.ready_fd = settings::parse_descriptor(rest);
            }
            b"." | b"/" => add(&mut script, in_force.log(argument)),
            _ => {
                let hint = match settings::set(&mut in_force, bytes) {
                    Setting::Taken => {
                        add_setting(&mut script, argument);
                        if let Some(reading) = settings::reading(bytes) {
                            add_doubtful(&mut script, argument, reading);
                        }
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

fn add(script: &mut Script, action: Action) {
    script.unused.retain(|unused| !unused.applies_to.includes(&action));
    script.actions.push(action);
}

fn add_doubtful(script: &mut Script, argument: &OsStr, reading: Reading) {
    script.doubtful.push(Doubtful { argument: argument.to_owned(), reading });
}

/// Remembers a setting until a matching action follows.
fn add_setting(script: &mut Script, argument: &OsStr) {
    let applies_to = match argument.as_bytes() {
        b"F" | b"X" | b"S" => AppliesTo::Pattern,
        [b'p' | b'c', ..] => AppliesTo::Sink,
        [b'E', ..] => AppliesTo::Alert,
        [b'^', ..] => AppliesTo::Status,
        _ => AppliesTo::Log,
    };
    script.unused.push(Unused { argument: argument.to_owned(), applies_to });
}

/// Stamp format of the first argument.
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

/// Guesses the typing mistake in an unknown argument.
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
    use crate::action::Junk;
    use crate::head::{HEAD_MAX, LONG_HEAD_MAX};
    use crate::presentation::{ALERT_MAX, Presentation, StatusSize};
    use crate::settings::Settings;

    const MAX: u64 = u64::MAX;

    fn parsed(arguments: &[&str]) -> (Script, Vec<Ignored>) {
        parse(&arguments.iter().map(OsString::from).collect::<Vec<_>>()).expect("a good script")
    }

    /// Settings of the last log directory.
    fn log_settings(arguments: &[&str]) -> Settings {
        let (script, ignored) = parsed(arguments);
        assert_eq!(ignored, [], "{arguments:?}");
        match script.actions.last() {
            Some(Action::Log { settings, .. }) => *settings.clone(),
            other => panic!("{arguments:?} ends in {other:?}"),
        }
    }

    #[track_caller]
    fn check_log(arguments: &[&str], size: u64, number: u64, processor: Option<&str>) {
        let found = log_settings(arguments);
        assert_eq!((found.size, found.number), (Some(size), Some(number)), "{arguments:?}");
        assert_eq!(found.processor.as_deref(), processor.map(OsStr::new), "{arguments:?}");
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
                Action::Alert { .. }
                | Action::Stdout { .. }
                | Action::Status { .. }
                | Action::Log { .. } => "a sink",
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
    fn a_presentation_applies_to_the_sinks_after_it() {
        let (script, ignored) =
            parsed(&["e", "pa b", "c", "E1k", "^0", "=s", "p", "E0", "^30", "1", "e", "=", "./d"]);
        let shown = |prefix: &str, is_escaped| Presentation { prefix: prefix.into(), is_escaped };
        let (first, second, last) = (shown("", false), shown("a b", true), shown("", true));
        let (file, size) = ("s".into(), StatusSize::AsLine);
        let padded = StatusSize::Padded(30);
        let expected = [
            Action::Alert { len_max: ALERT_MAX, presentation: first },
            Action::Status { file, size, presentation: second },
            Action::Stdout { presentation: last.clone() },
            Action::Alert { len_max: LONG_HEAD_MAX, presentation: last.clone() },
            Action::Status { file: "".into(), size: padded, presentation: last.clone() },
            Action::Log { dir: "./d".into(), settings: Box::default(), presentation: last },
        ];
        assert_eq!(script.actions, expected);
        assert_eq!(ignored, []);
        assert_eq!(script.head_max(), LONG_HEAD_MAX);
    }

    #[test]
    fn only_what_is_shown_makes_more_of_a_line_seen() {
        for short in [&["E999", "e"][..], &["^1000", "=s"], &["E5000"], &["E5000", "=s", "1"]] {
            assert_eq!(parsed(short).0.head_max(), HEAD_MAX, "{short:?}");
        }
        for long in [&["E1000", "e"][..], &["^1001", "=s"], &["^0", "=s"], &["E0", "e"]] {
            assert_eq!(parsed(long).0.head_max(), LONG_HEAD_MAX, "{long:?}");
        }
    }

    #[test]
    fn settings_apply_to_the_directories_after_them() {
        assert_eq!(log_settings(&["./d", "./e"]), Settings::default());
        check_log(&["s5000", "n3", "!gzip", "./d"], 5000, 3, Some("gzip"));
        check_log(&["n10", "s5000", "./a", "s6000", "./b"], 6000, 10, None);
        check_log(&["s5000", "n3", "!gzip", "!", "./d"], 5000, 3, Some(""));
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
        check_log(&["s0", "n0", "./d"], 0, 0, None);
        check_log(&["s4097", "n3", "./d"], 4097, 3, None);
        check_log(&["s6000x", "n5k", "./d"], 6000, 5, None);
        check_log(&["s 9000", "n-5", "./d"], 0, 0, None);
        check_log(&["s99999999999999999999999", "n99999999999999999999", "./d"], MAX, MAX, None);
    }

    #[track_caller]
    fn check_number(argument: &str, value: u64, junk: Option<Junk>) {
        let letter = argument.chars().next().expect("a letter");
        let expected = [Doubtful {
            argument: argument.into(),
            reading: Reading::Number { letter, value, junk },
        }];
        assert_eq!(parsed(&[argument, "./d"]).0.doubtful, expected);
    }

    #[test]
    fn numbers_with_junk_are_doubtful() {
        let meant = |text: &str| Some(Junk::Tail(Some(text.to_owned())));
        for good in ["s100", "s100k"] {
            check_number(good, if good == "s100" { 100 } else { 102_400 }, None);
        }
        check_number("n1", 1, None);
        check_number("s10M", 10, meant("s10m"));
        check_number("s10MB", 10, meant("s10m"));
        check_number("s4KiB", 4, meant("s4k"));
        check_number("s2 g", 2, meant("s2g"));
        check_number("s1,000,000", 1, meant("s1000000"));
        check_number("s1_000", 1, meant("s1000"));
        check_number("s1.5m", 1, meant("s1536k"));
        check_number("s1.25g", 1, meant("s1280m"));
        check_number("s9000x", 9000, Some(Junk::Tail(None)));
        check_number("s-5", 0, Some(Junk::Tail(None)));
        check_number("s 9000", 0, meant("s9000"));
        check_number("s=9000", 0, meant("s9000"));
        check_number("n1k", 1, Some(Junk::Tail(None)));
        check_number("n1,000", 1, meant("n1000"));
        check_number("smtpd", 0, Some(Junk::Name));
        check_number("nabc", 0, Some(Junk::Name));
        check_number("s", 0, Some(Junk::Tail(None)));
    }

    #[test]
    fn words_and_ages_without_unit_are_doubtful() {
        let doubtful = |argument: &str| {
            let (script, _) = parsed(&[argument, "./d"]);
            script.doubtful.into_iter().map(|doubtful| doubtful.reading).collect::<Vec<_>>()
        };
        assert_eq!(doubtful("errors"), [Reading::Word]);
        assert_eq!(doubtful("k30"), [Reading::Seconds(30)]);
        for clear in ["e", "e ", "k30s", "k30d", "k0", "E20", "l0", "+a"] {
            assert_eq!(doubtful(clear), [], "{clear}");
        }
    }

    #[test]
    fn the_first_byte_tells_the_action() {
        let (script, ignored) =
            parsed(&["two", "e ", "echo", "+a*", "-", "=x", "=", ".hidden", "/"]);
        assert_eq!(script.stamp, Some(StampFormat::Tai64n));
        let plain = Presentation::default;
        let alert = || Action::Alert { len_max: ALERT_MAX, presentation: plain() };
        let status = |file: &str| Action::Status {
            file: file.into(),
            size: StatusSize::Original,
            presentation: plain(),
        };
        let log = |dir: &str| Action::Log {
            dir: dir.into(),
            settings: Box::default(),
            presentation: plain(),
        };
        let stars = |text: &[u8]| Pattern::Stars(text.to_vec());
        let expected = [
            alert(),
            alert(),
            Action::Select(stars(b"a*")),
            Action::Deselect(stars(b"")),
            status("x"),
            status(""),
            log(".hidden"),
            log("/"),
        ];
        assert_eq!(script.actions, expected);
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
