//! Errors of `logdir` for a wrong command line: the text typed, unchanged, and a suggestion.

use crate::logdir::options::{CommandLine, refuse};
use crate::message;
use crate::options::show;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use std::ffi::OsString;
use std::process::ExitCode;

pub fn line_count(text: &str) -> Result<usize, String> {
    if let Some(rest) = text.strip_prefix('+') {
        return Err(format!("it is a number of lines; --head {rest} shows the first {rest} lines"));
    }
    text.parse().map_err(|_| "it is a number of lines".to_owned())
}

/// Prints the help text requested, or the error.
pub fn answer(error: &Error, arguments: &[OsString]) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => show(&error.to_string()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            message::text_for_people(&error.to_string());
            ExitCode::from(message::EXIT_TROUBLE)
        }
        _ => refuse(&reason(error, arguments)),
    }
}

/// One line: reason, argument, suggestion.
fn reason(error: &Error, arguments: &[OsString]) -> String {
    let command = command_of(arguments);
    let typed = typed(error, arguments);
    let value = text(error, ContextKind::InvalidValue);
    let why = match error.kind() {
        ErrorKind::UnknownArgument => format!("{command} has no option {typed}"),
        ErrorKind::InvalidSubcommand => {
            format!("there is no command {}", text(error, ContextKind::InvalidSubcommand))
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("{typed} needs a value"),
        ErrorKind::InvalidValue => {
            let values = text(error, ContextKind::ValidValue);
            format!("unable to understand {typed} {value}: it is {values}")
        }
        ErrorKind::ValueValidation => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            format!("unable to understand {typed} {value}: {}", cause.unwrap_or_default())
        }
        ErrorKind::ArgumentConflict => {
            let other = error.get(ContextKind::PriorArg).map(|arg| typed_of(arg, arguments));
            format!("{typed} does not go with {}", other.unwrap_or_default())
        }
        ErrorKind::NoEquals => format!("the value of {typed} follows after ="),
        ErrorKind::TooManyValues => format!("{typed} has no value {value}"),
        ErrorKind::MissingRequiredArgument => format!("{typed} is missing"),
        ErrorKind::InvalidUtf8 => "an option has a value that is not UTF-8".to_owned(),
        _ => error.to_string().lines().next().unwrap_or_default().replace("error: ", ""),
    };
    let meant =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    let meant = meant.into_iter().find_map(|kind| error.get(kind)).map(list);
    let hint = meant.map_or_else(String::new, |meant| format!("did you mean {meant}? "));
    let lists = match error.kind() {
        ErrorKind::InvalidSubcommand => "logdir --help lists the commands".to_owned(),
        _ => format!("{command} --help lists the options"),
    };
    format!("{why}; {hint}{lists}")
}

fn command_of(arguments: &[OsString]) -> String {
    let first = arguments.get(1).map(|first| first.to_string_lossy().into_owned());
    let is_command =
        |name: &String| CommandLine::command().find_subcommand(name.as_str()).is_some();
    first.filter(is_command).map_or_else(|| "logdir".to_owned(), |name| format!("logdir {name}"))
}

/// Option of an error, as typed.
fn typed(error: &Error, arguments: &[OsString]) -> String {
    error.get(ContextKind::InvalidArg).map_or_else(String::new, |arg| typed_of(arg, arguments))
}

/// clap names options by long form and value; the user sees the short form if typed.
fn typed_of(context: &ContextValue, arguments: &[OsString]) -> String {
    let name = list(context);
    let name = name.split([' ', '[', '=']).next().unwrap_or_default().to_owned();
    let Some(long) = name.strip_prefix("--") else { return name };
    let is_typed = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        argument.split('=').next() == Some(&name)
    };
    if arguments.iter().any(is_typed) {
        return name;
    }
    let command = CommandLine::command();
    let arg = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let short = arg.filter(|arg| arg.get_long() == Some(long)).find_map(clap::Arg::get_short);
    short.map_or(name, |short| format!("-{short}"))
}

fn text(error: &Error, kind: ContextKind) -> String {
    error.get(kind).map_or_else(String::new, list)
}

fn list(value: &ContextValue) -> String {
    match value {
        ContextValue::String(word) => word.clone(),
        ContextValue::Strings(words) => match words.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        },
        other => other.to_string(),
    }
}
