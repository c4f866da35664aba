//! What several commands understand and write alike: options with the same meaning, and JSON.

use crate::diag;
use crate::label::Counting;
use crate::reader::stamp::Moment;
use serde::Serialize;
use std::process::ExitCode;

/// How labels are counted by the word of the user; none where that has to be found out.
pub fn counting(word: &str) -> Result<Option<Counting>, String> {
    match word {
        "10" => Ok(Some(Counting::Ten)),
        "leap" => Ok(Some(Counting::Leap)),
        "auto" => Ok(None),
        other => Err(format!("--label is 10, leap or auto, not {other}")),
    }
}

/// The time of day.
pub fn now() -> Moment {
    let (unix_secs, nanos) = crate::clock::now().to_unix();
    Moment { unix_secs, nanos }
}

/// Ends a program whose options make no sense.
pub fn refuse(why: &str) -> ExitCode {
    diag::fatal_text(why);
    ExitCode::from(diag::EXIT_TROUBLE)
}

/// An object and a newline.
pub fn json_line(object: &impl Serialize) -> String {
    // Only maps with keys that are no strings could fail.
    serde_json::to_string(object).map_or_else(|_| String::new(), |line| line + "\n")
}
