//! The command lines of the programs that have options (multilog has none), and the texts these ask
//! for.

use crate::message;
use crate::sys::startup;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

/// Arguments told apart by their first byte.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// What starts with `-`. No option of ours is other than UTF-8, so what is not may be mended.
    pub options: Vec<String>,
    /// Everything else, `-` alone, and whatever follows `--`; any bytes.
    pub operands: Vec<OsString>,
}

/// Tells options and operands apart, in any order.
pub fn split(arguments: impl IntoIterator<Item = OsString>) -> Arguments {
    let mut split = Arguments::default();
    let mut arguments = arguments.into_iter();
    for argument in arguments.by_ref() {
        match argument.as_bytes() {
            b"--" => break,
            [b'-', _, ..] => split.options.push(argument.to_string_lossy().into_owned()),
            _ => split.operands.push(argument),
        }
    }
    split.operands.extend(arguments);
    split
}

/// The same where some options have values. Their names, `-n` or `--since`, are `valued`; values may
/// also stand behind a letter (`-n5`) or `=` (`--since=today`), and letters together (`-rn5`).
pub fn split_valued(arguments: impl IntoIterator<Item = OsString>, valued: &[&str]) -> Arguments {
    let mut split = Arguments::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut open = false;
        match argument.as_bytes() {
            b"--" => break,
            [b'-', b'-', ..] => {
                let text = argument.to_string_lossy();
                let (name, value) = match text.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (text.as_ref(), None),
                };
                open = value.is_none() && valued.contains(&name);
                split.options.push(name.to_owned());
                split.options.extend(value.map(str::to_owned));
            }
            [b'-', _, ..] => open = split_letters(&argument.to_string_lossy(), valued, &mut split),
            _ => split.operands.push(argument),
        }
        if open {
            // A value that is missing is left to the reading of the options.
            split.options.extend(arguments.next().map(lossy));
        }
    }
    split.operands.extend(arguments);
    split
}

/// Reads the options. Where the program is done with that, because they asked for `help` or because
/// they are wrong, the answer is its exit code: `usage_code` for the latter.
pub fn parse<T: argh::TopLevelCommand>(
    program: &str,
    help: &str,
    options: &[String],
    usage_code: u8,
) -> Result<T, ExitCode> {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    T::from_args(&[program], &options).map_err(|exit| match exit.status {
        Ok(()) => show(help),
        Err(()) => refuse(program, &exit.output, usage_code),
    })
}

/// Takes letters apart: `-rn5` is `-r`, `-n` and `5`. True where a value has to follow.
fn split_letters(text: &str, valued: &[&str], split: &mut Arguments) -> bool {
    let letters = &text[1..];
    for (pos, letter) in letters.char_indices() {
        let option = format!("-{letter}");
        let takes_value = valued.contains(&option.as_str());
        split.options.push(option);
        if takes_value {
            let value = &letters[pos + letter.len_utf8()..];
            split.options.extend((!value.is_empty()).then(|| value.to_owned()));
            return value.is_empty();
        }
    }
    false
}

/// No option of ours has a value that needs other bytes than UTF-8, but for names of files, which are
/// better told as not found than guessed.
fn lossy(value: OsString) -> String {
    value.to_string_lossy().into_owned()
}

/// Writes a text the user asked for to standard output.
pub fn show(text: &str) -> ExitCode {
    let shown = !startup::was_closed(1) && message::print(text);
    ExitCode::from(if shown { message::EXIT_OK } else { message::EXIT_FATAL })
}

fn refuse(program: &str, why: &str, usage_code: u8) -> ExitCode {
    let why = why.lines().next().unwrap_or_default().to_lowercase();
    message::fatal_text(&format!("{why}; {program} --help lists the options"));
    ExitCode::from(usage_code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[track_caller]
    fn check(arguments: &[&[u8]], options: &[&str], operands: &[&[u8]]) {
        let os_string = |bytes: &&[u8]| OsString::from_vec(bytes.to_vec());
        let expected = Arguments {
            options: options.iter().map(ToString::to_string).collect(),
            operands: operands.iter().map(os_string).collect(),
        };
        assert_eq!(split(arguments.iter().map(os_string)), expected);
    }

    #[test]
    fn only_what_starts_with_a_dash_is_an_option() {
        check(&[], &[], &[]);
        check(&[b"a", b"--utc", b"b"], &["--utc"], &[b"a", b"b"]);
        check(&[b"-", b"", b"@4000"], &[], &[b"-", b"", b"@4000"]);
        check(&[b"--", b"--utc", b"--"], &[], &[b"--utc", b"--"]);
        check(&[b"-x", b"\xff", b"-\xff"], &["-x", "-\u{fffd}"], &[b"\xff"]);
    }
}
