//! Command lines and help texts of the filters `tai64n` and `tai64nlocal`, and completions of programs that describe
//! their options themselves; `multilog` has no options.

use crate::message;
use crate::sys::startup;
use clap_complete::Shell;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

/// Arguments split by first byte.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Arguments that start with `-`. Options are UTF-8, so other bytes may be replaced.
    pub options: Vec<String>,
    /// All other arguments, `-` alone, and everything after `--`; any bytes.
    pub operands: Vec<OsString>,
}

/// Separates options from operands, in any order.
pub fn split(arguments: impl IntoIterator<Item = OsString>) -> Arguments {
    let mut split = Arguments::default();
    let mut arguments = arguments.into_iter();
    for argument in arguments.by_ref() {
        match argument.as_bytes() {
            b"--" => break,
            b"-h" => split.options.push("--help".to_owned()),
            [b'-', _, ..] => split.options.push(argument.to_string_lossy().into_owned()),
            _ => split.operands.push(argument),
        }
    }
    split.operands.extend(arguments);
    split
}

/// Parses options. If the user requested `help` or an option is invalid, returns an exit code
/// instead: `usage_code` for invalid options.
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

/// Writes requested text to standard output.
pub fn show(text: &str) -> ExitCode {
    let shown = !startup::was_closed(1) && message::print(text);
    ExitCode::from(if shown { message::EXIT_OK } else { message::EXIT_FATAL })
}

fn refuse(program: &str, why: &str, usage_code: u8) -> ExitCode {
    // User text stays unchanged; the surrounding sentence starts in lower case.
    let why = why.lines().next().unwrap_or_default();
    let mut rest = why.chars();
    let why: String = rest.next().into_iter().flat_map(char::to_lowercase).chain(rest).collect();
    message::fatal_text(&format!("{why}; {program} --help lists the options"));
    ExitCode::from(usage_code)
}

/// Shells with completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ShellName {
    Bash,
    Zsh,
    Fish,
}

/// Prints a shell's completion script for a program.
pub fn print_completions(shell: ShellName, command: &mut clap::Command, program: &str) -> ExitCode {
    let shell = match shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, command, program, &mut text);
    show(&String::from_utf8_lossy(&text))
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
        check(&[b"-h", b"--", b"-h"], &["--help"], &[b"-h"]);
        check(&[b"-x", b"\xff", b"-\xff"], &["-x", "-\u{fffd}"], &[b"\xff"]);
    }
}
