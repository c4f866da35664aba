//! How the failures that a writer reports are shown.

use crate::logdir::figures;
use ::logdir::label::Label;
use ::logdir::read::stamp::Moment;
use ::logdir::writer_state::{Failed, Failing, WriterState};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// A failure for scripts. Times are RFC 3339 in UTC.
#[derive(Serialize)]
pub struct Object<'a> {
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    reason: &'a str,
}

/// A failure that lasts, for scripts.
pub fn object(failing: &Failing) -> Object<'_> {
    let since = figures::rfc3339(moment(failing.since));
    Object { since, until: None, reason: &failing.reason }
}

/// A failure that is over, for scripts.
pub fn object_of_over(failed: &Failed) -> Object<'_> {
    let time = |label| figures::rfc3339(moment(label));
    Object { since: time(failed.since), until: time(failed.until), reason: &failed.reason }
}

/// The failures that last, a sentence each.
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

/// A failure that is over, in a sentence.
pub fn over(failed: &Failed) -> String {
    let Failed { since, until, reason } = failed;
    match since == until {
        true => format!("failed at {}: {reason}", local(*since)),
        false => {
            format!("works again since {}, failed from {}: {reason}", local(*until), local(*since))
        }
    }
}

/// The moment of a label of ours.
pub fn moment(label: Label) -> Moment {
    let (unix_secs, nanos) = label.to_unix();
    Moment { unix_secs, nanos }
}

/// Local time to the second.
fn local(label: Label) -> String {
    let time = Timestamp::from_second(label.to_unix().0).unwrap_or_default();
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}
