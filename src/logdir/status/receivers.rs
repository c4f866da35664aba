//! Running `logreceive`s in `logdir status`: their sockets, from the files of `--status`.

use crate::logdir::choices;
use crate::logdir::trouble::Outcome;
use crate::message;
use crate::receive::status::Status;
use ::logdir::failure::reason;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A receiver as a JSON object.
#[derive(Serialize)]
struct Object<'a> {
    receiver: &'a Path,
    #[serde(flatten)]
    status: &'a Status,
    trouble: &'a [String],
}

/// Prints the receivers that keep these files. `now`: seconds since 1970.
pub fn print(files: &[PathBuf], is_json: bool, now: u64, outcome: &mut Outcome) {
    for file in files {
        let name = file.display().to_string();
        let status = match Status::load(file) {
            Ok(status) => status,
            Err(error) => {
                let why = format!("unable to read the status of a receiver: {}", reason(&error));
                outcome.trouble(&name, &[why]);
                continue;
            }
        };
        let troubles = status.troubles(now);
        let text: String = match is_json {
            true => {
                choices::json_line(&Object { receiver: file, status: &status, trouble: &troubles })
            }
            false => status.lines(now).iter().map(|line| format!("{line}\n")).collect(),
        };
        outcome.has_trouble |= !message::print(&text);
        outcome.trouble(&name, &troubles);
    }
}
