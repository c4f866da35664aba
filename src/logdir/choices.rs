//! What several commands understand and write alike: options with the same meaning, and JSON.

use crate::logdir::time_words;
use crate::message;
use crate::options;
use ::logdir::label::Counting;
use ::logdir::read::label_counting;
use ::logdir::read::range::Range;
use ::logdir::read::snapshot::Snapshot;
use ::logdir::read::stamp::{Moment, StampParser};
use argh::TopLevelCommand;
use jiff::Zoned;
use serde::Serialize;
use std::ffi::OsString;
use std::process::ExitCode;

/// The options of a command, of which those named `valued` have values, and the directories behind them.
/// Where the command is done with that, the answer is its exit code.
pub fn read<T: TopLevelCommand>(
    program: &str,
    help: &str,
    valued: &[&str],
    arguments: Vec<OsString>,
) -> Result<(T, Vec<OsString>), ExitCode> {
    let arguments = options::split_valued(arguments, valued);
    let options = options::parse(program, help, &arguments.options, message::EXIT_TROUBLE)?;
    Ok((options, arguments.operands))
}

/// How labels are counted by the word of the user; none where that has to be found out.
pub fn counting(word: &str) -> Result<Option<Counting>, String> {
    match word {
        "10" => Ok(Some(Counting::Ten)),
        "leap" => Ok(Some(Counting::Leap)),
        "auto" => Ok(None),
        other => Err(format!("--label is 10, leap or auto, not {other}")),
    }
}

/// How the stamps of a directory are read: as the user says, or as they look.
pub fn stamps(counting: Option<Counting>, snapshot: &Snapshot) -> StampParser {
    let counting = counting.or_else(|| label_counting::detect(snapshot));
    counting.map_or_else(StampParser::assumed, StampParser::new)
}

/// From `--since` to `--until`, as far as they are given.
pub fn range(
    since: Option<&str>,
    until: Option<&str>,
    now: &Zoned,
    counting: Option<Counting>,
) -> Result<Range, String> {
    let moment = |text: Option<&str>| match text {
        None => Ok(None),
        Some(text) => time_words::parse(text, now, counting.unwrap_or(Counting::Ten))
            .map(Some)
            .ok_or_else(|| format!("unable to understand the time {text}")),
    };
    Ok(Range { since: moment(since)?, until: moment(until)? })
}

/// The time of day.
pub fn now() -> Moment {
    let (unix_secs, nanos) = ::logdir::clock::now().to_unix();
    Moment { unix_secs, nanos }
}

/// Ends a program whose options make no sense.
pub fn refuse(why: String) -> ExitCode {
    message::fatal_text(&why);
    ExitCode::from(message::EXIT_TROUBLE)
}

/// An object and a newline.
pub fn json_line(object: &impl Serialize) -> String {
    // Only maps with keys that are no strings could fail.
    serde_json::to_string(object).map_or_else(|_| String::new(), |line| line + "\n")
}
