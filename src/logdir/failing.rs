//! Formats failures reported by a writer.

use crate::logdir::figures;
use ::logdir::label::Label;
use ::logdir::read::stamp::Moment;
use ::logdir::time::Zone;
use ::logdir::writer_state::{Failed, Failing, WriterState};
use serde::Serialize;

/// JSON failure. Times are RFC 3339 in UTC.
#[derive(Serialize)]
pub struct Object<'a> {
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    reason: &'a str,
}

/// JSON of a current failure.
pub fn object(failing: &Failing) -> Object<'_> {
    let since = figures::rfc3339(moment(failing.since));
    Object { since, until: None, reason: &failing.reason }
}

/// JSON of an ended failure.
pub fn object_of_over(failed: &Failed) -> Object<'_> {
    let time = |label| figures::rfc3339(moment(label));
    Object { since: time(failed.since), until: time(failed.until), reason: &failed.reason }
}

/// Current failures, one sentence each.
pub fn lasting(state: &WriterState) -> Vec<String> {
    let held = state.held;
    let dropped = match state.dropped.lines {
        0 => String::new(),
        lines => format!(", {lines} lines dropped"),
    };
    let sentence = |failing: &Failing| {
        let (since, reason) = (local(failing.since), &failing.reason);
        let (lines, bytes) = (held.lines, held.bytes);
        format!("failing since {since}: {reason}, {lines} lines ({bytes} bytes) held{dropped}")
    };
    state.failing.iter().map(sentence).collect()
}

/// Sentence about an ended failure.
pub fn over(failed: &Failed) -> String {
    let Failed { since, until, reason } = failed;
    match since == until {
        true => format!("failed at {}: {reason}", local(*since)),
        false => {
            format!("works again since {}, failed from {}: {reason}", local(*until), local(*since))
        }
    }
}

/// Moment of a label with daemontools counting.
pub fn moment(label: Label) -> Moment {
    let (unix_secs, nanos) = label.to_unix();
    Moment { unix_secs, nanos }
}

/// Local time, in whole seconds.
fn local(label: Label) -> String {
    let time = Zone::Local.at(label.to_unix().0);
    time.map_or_else(String::new, |time| time.civil().to_string())
}
