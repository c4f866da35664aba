//! Warnings about probably unintended scripts. 0.76 gives no such warnings; the script's behaviour
//! stays as in 0.76.

use ::logdir::settings::{NUMBER_MIN, SIZE_MIN};
use script::action::{Doubtful, Junk, Reading, Unused};
use script::parse::Ignored;
use script::{Action, Script};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Warning for lost lines if the script gives no reason.
const NO_SINK: &str = "no action takes the lines: there is no directory, no =, no e and no 1";

/// Start-up warnings; may contain any bytes.
pub fn at_start(script: &Script, ignored: &[Ignored]) -> Vec<Vec<u8>> {
    let mut warnings: Vec<Vec<u8>> = ignored.iter().map(Ignored::text).collect();
    warnings.extend(script.doubtful.iter().filter_map(misread));
    warnings.extend(script.unused.iter().filter_map(unused_name));
    if loses_lines(script) {
        warnings.push(NO_SINK.into());
    }
    warnings
}

/// Further surprises, only for `--explain`: numbers with a different effect than written, and `-*`
/// alone.
pub fn when_asked(script: &Script) -> Vec<Vec<u8>> {
    let mut warnings: Vec<Vec<u8>> = script.doubtful.iter().filter_map(surprising).collect();
    if !script.has_sink() && !loses_lines(script) {
        warnings.push(NO_SINK.into());
    }
    warnings
}

/// True if every line is lost. A script that ends in `-*` intends this.
fn loses_lines(script: &Script) -> bool {
    let throws_away = matches!(script.actions.last(),
        Some(Action::Deselect(pattern)) if pattern.is_any_line());
    !script.has_sink() && !throws_away
}

fn misread(doubtful: &Doubtful) -> Option<Vec<u8>> {
    let Doubtful { argument, reading } = doubtful;
    match reading {
        Reading::Word => Some(name(argument, "e", "")),
        Reading::Number { letter, junk: Some(Junk::Name), .. } => {
            Some(name(argument, &format!("{letter}0"), ""))
        }
        Reading::Number { letter, value, junk: Some(Junk::Tail(meant)) } => {
            let mut text = format!(" is {value} {}", noun(*letter, *value));
            let least = least(*letter);
            if *value < least {
                text.push_str(&format!(", hence {least}"));
            }
            if let Some(meant) = meant {
                text.push_str(&format!("; did you mean {meant}?"));
            }
            Some([argument.as_bytes(), text.as_bytes()].concat())
        }
        Reading::Number { junk: None, .. } | Reading::Seconds(_) => None,
    }
}

fn surprising(doubtful: &Doubtful) -> Option<Vec<u8>> {
    let Doubtful { argument, reading } = doubtful;
    let text = match reading {
        Reading::Number { letter, value, junk: None } if *value < least(*letter) => {
            format!(" is too small: {} {} are used", least(*letter), noun(*letter, least(*letter)))
        }
        Reading::Seconds(secs) => format!(" is {secs} seconds; did you mean k{secs}d?"),
        Reading::Number { .. } | Reading::Word => return None,
    };
    Some([argument.as_bytes(), text.as_bytes()].concat())
}

/// An unused prefix or suffix is probably a directory name.
fn unused_name(unused: &Unused) -> Option<Vec<u8>> {
    match unused.argument.as_bytes() {
        [letter @ (b'p' | b'w'), next, ..] if next.is_ascii_alphanumeric() => {
            let letter = char::from(*letter).to_string();
            Some(name(&unused.argument, &letter, ", which no later action uses"))
        }
        _ => None,
    }
}

fn name(argument: &OsStr, read_as: &str, more: &str) -> Vec<u8> {
    let argument = argument.as_bytes();
    let text =
        format!(" is read as {read_as}{more}; a directory starts with . or /, did you mean ./");
    [argument, text.as_bytes(), argument, b"?"].concat()
}

fn noun(letter: char, count: u64) -> &'static str {
    match (letter, count) {
        ('s', 1) => "byte",
        ('s', _) => "bytes",
        (_, 1) => "file",
        (_, _) => "files",
    }
}

fn least(letter: char) -> u64 {
    if letter == 's' { SIZE_MIN } else { NUMBER_MIN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[track_caller]
    fn check(script: &[&str], expected: &[&str]) {
        let arguments: Vec<OsString> = script.iter().map(OsString::from).collect();
        let (parsed, ignored) = script::parse(&arguments).expect("a good script");
        let texts: Vec<String> = at_start(&parsed, &ignored)
            .iter()
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect();
        assert_eq!(texts, expected, "{script:?}");
    }

    #[test]
    fn names_without_a_dot_are_pointed_out() {
        let hint = |name: &str, letter: &str| {
            format!(
                "{name} is read as {letter}; a directory starts with . or /, did you mean ./{name}?"
            )
        };
        check(&["smtpd"], &[&hint("smtpd", "s0"), NO_SINK]);
        check(&["nginx", "e"], &[&hint("nginx", "n0")]);
        check(&["errors"], &[&hint("errors", "e")]);
        check(&["pop3d"], &[&hint("pop3d", "p, which no later action uses"), NO_SINK]);
        check(&["www"], &[&hint("www", "w, which no later action uses"), NO_SINK]);
        check(&["pweb:", "./d"], &[]);
    }

    #[test]
    fn numbers_with_junk_say_what_they_are() {
        check(&["s10M", "./d"], &["s10M is 10 bytes, hence 4096; did you mean s10m?"]);
        check(
            &["s1,000,000", "./d"],
            &["s1,000,000 is 1 byte, hence 4096; did you mean s1000000?"],
        );
        check(&["s6000x", "./d"], &["s6000x is 6000 bytes"]);
        check(&["n1k", "./d"], &["n1k is 1 file, hence 2"]);
        check(&["s100", "n1", "k30", "./d"], &[]);
    }

    #[test]
    fn lines_that_nothing_takes_are_said_to_be_lost_unless_the_script_says_so() {
        check(&[], &[NO_SINK]);
        check(&["t"], &[NO_SINK]);
        check(&["-x"], &[NO_SINK]);
        check(&["-*"], &[]);
        check(&["t", "-*"], &[]);
        check(&["-*", "+x"], &[NO_SINK]);
        check(&["-*", "=s"], &[]);
    }
}
