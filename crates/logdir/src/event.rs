//! Events reported during writing; the caller prints, counts or sends them.
//!
//! This library never writes to a caller's descriptors. Texts match 0.76 where possible: users
//! filter alerts by them.

use crate::failure::Failure;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Event in an open log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Failed step, retried after a delay.
    Pausing(Failure),
    /// Failed step, not retried.
    Failed(Failure),
    /// Work resumed after a failure.
    Resumed {
        /// Resumed work.
        work: Work,
        /// Path given by the user.
        place: Vec<u8>,
        /// Time since the first failure.
        held: Duration,
    },
    /// A full disk forced removal of the oldest archives.
    MadeRoom {
        /// Directory path given by the user.
        place: Vec<u8>,
        /// Removed archives.
        count: u64,
    },
    /// The directory's processor was stopped; full files wait for the next start.
    ProcessorStopped {
        /// Directory path given by the user.
        place: Vec<u8>,
        /// Waiting files, at least 1.
        count: u64,
    },
    /// Another program removed `current`; the writer creates a new one.
    CurrentRemoved {
        /// Directory path given by the user.
        place: Vec<u8>,
        /// Bytes that were written since it was last there; they are written to the new one.
        again: u64,
    },
    /// `current` was replaced by another program, as an editor does. What it put there gets a name as an
    /// unfinished file, and a new one is made.
    CurrentReplaced {
        /// The directory, as the user named it.
        place: Vec<u8>,
        /// Bytes that were written since the open file was last there; they are written to the new one.
        again: u64,
    },
    /// Clock earlier than the newest archive's label.
    ClockBehind {
        /// Directory path given by the user.
        place: Vec<u8>,
        /// Next archive's name, used instead of a clock label.
        name: Vec<u8>,
    },
    /// Impossible label on an archive, ignored when naming later archives.
    LabelIgnored {
        /// Directory path given by the user.
        place: Vec<u8>,
        /// Archive name.
        name: Vec<u8>,
    },
    /// Archives are removed that a reader has not passed: with them, all archives exceed the size of its hold.
    HoldUsedUp {
        /// Directory path given by the user.
        place: Vec<u8>,
        /// Cursor file of the reader.
        cursor: Vec<u8>,
    },
    /// Requested state of a directory.
    Status {
        /// Directory path given by the user.
        place: Vec<u8>,
        /// Figures as listed in multilog(8).
        text: String,
    },
    /// Writer exits; these lines are lost.
    GivenUp {
        /// Directory path given by the user.
        place: Vec<u8>,
        /// Lost lines.
        lines: u64,
        /// Lost bytes.
        bytes: u64,
        /// True if the preceding file stayed unfinished, too.
        is_file_unfinished: bool,
    },
    /// Writer exits before writing the line that counts these dropped lines.
    DropsUnreported {
        /// Directory path given by the user.
        place: Vec<u8>,
        /// Dropped lines.
        lines: u64,
        /// Dropped bytes.
        bytes: u64,
    },
}

/// Work resumed after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Writing to `current` or stdout, including all queued lines.
    Writing,
    /// As `Writing`, after dropping some lines.
    WritingAfterGap,
    /// Turning full files into archives.
    Finishing,
    /// Writing the last line to a status file.
    Showing,
}

/// Urgency of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something failed.
    Warning,
    /// Something recovered.
    Info,
    /// Answer to a user's request.
    Status,
}

impl Event {
    /// Urgency.
    pub fn severity(&self) -> Severity {
        match self {
            Event::Resumed { .. } => Severity::Info,
            Event::Status { .. } => Severity::Status,
            Event::Pausing(_)
            | Event::Failed(_)
            | Event::MadeRoom { .. }
            | Event::ProcessorStopped { .. }
            | Event::CurrentRemoved { .. }
            | Event::CurrentReplaced { .. }
            | Event::ClockBehind { .. }
            | Event::LabelIgnored { .. }
            | Event::HoldUsedUp { .. }
            | Event::GivenUp { .. }
            | Event::DropsUnreported { .. } => Severity::Warning,
        }
    }

    /// One sentence without newline; any bytes, because of file names.
    pub fn text(&self) -> Vec<u8> {
        match self {
            Event::Pausing(failure) => failure.text(", pausing"),
            Event::Failed(failure) => failure.text(""),
            Event::Resumed { work, place, held } => resumed(*work, place, *held),
            Event::MadeRoom { place, count } => {
                let removed = format!("disk full, removed {count} of the oldest files in ");
                [removed.as_bytes(), place].concat()
            }
            Event::ProcessorStopped { place, count } => {
                let files = match count {
                    1 => ", its file waits for the next start".to_owned(),
                    _ => format!(", {count} files wait for the next start"),
                };
                [b"stopped the processor in ", &place[..], files.as_bytes()].concat()
            }
            Event::CurrentRemoved { place, again } => displaced("removed", place, *again),
            Event::CurrentReplaced { place, again } => displaced("replaced", place, *again),
            Event::ClockBehind { place, name } => [
                b"the clock stands behind the newest archive in ".as_slice(),
                place,
                b", naming the next one ",
                name,
            ]
            .concat(),
            Event::LabelIgnored { place, name } => [
                b"no clock can have made the name ",
                &place[..],
                b"/",
                name,
                b", later names ignore it",
            ]
            .concat(),
            Event::HoldUsedUp { place, cursor } => [
                b"the hold of ".as_slice(),
                place,
                b" is used up: removing archives that cursor ",
                cursor,
                b" has not passed",
            ]
            .concat(),
            Event::Status { place, text } => [&place[..], b": ", text.as_bytes()].concat(),
            Event::GivenUp { place, lines, bytes, is_file_unfinished } => {
                let file = match is_file_unfinished {
                    true => ", the file before them is not finished",
                    false => "",
                };
                let lost = format!(": {lines} lines ({bytes} bytes) are not written{file}");
                [b"giving up on ", &place[..], lost.as_bytes()].concat()
            }
            Event::DropsUnreported { place, lines, bytes } => {
                let dropped = format!(
                    ": {lines} lines ({bytes} bytes) were dropped and are not told of there"
                );
                [b"giving up on ", &place[..], dropped.as_bytes()].concat()
            }
        }
    }
}

fn displaced(how: &str, place: &[u8], again: u64) -> Vec<u8> {
    let rest = match again {
        0 => "/current, making a new one".to_owned(),
        _ => format!("/current, making a new one that begins with the last {again} bytes written"),
    };
    [b"somebody ", how.as_bytes(), b" ", place, rest.as_bytes()].concat()
}

fn resumed(work: Work, place: &[u8], held: Duration) -> Vec<u8> {
    let (work, kept) = match work {
        Work::Writing => ("writing to ", "nothing lost, "),
        Work::WritingAfterGap => ("writing to ", "lines were dropped, "),
        Work::Finishing => ("finishing files in ", "nothing lost, "),
        Work::Showing => ("writing ", ""),
    };
    let how = format!(" again, {kept}held for {} s", held.as_secs());
    [work.as_bytes(), place, how.as_bytes()].concat()
}

/// Receiver of events. Every thread working on a directory calls it; calls must not block.
#[derive(Clone)]
pub struct Reporter(Arc<dyn Fn(&Event) + Send + Sync>);

impl Reporter {
    /// Reporter calling `report` for each event.
    pub fn new(report: impl Fn(&Event) + Send + Sync + 'static) -> Reporter {
        Reporter(Arc::new(report))
    }

    /// Reports an event.
    pub fn report(&self, event: &Event) {
        (self.0)(event);
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}

/// Unit tests record events by thread.
#[cfg(test)]
pub mod told {
    use super::Reporter;
    use crate::clock;
    use std::cell::RefCell;
    use std::time::Instant;

    thread_local! {
        static TOLD: RefCell<Vec<(Instant, String)>> = const { RefCell::new(Vec::new()) };
    }

    /// Reporter recording this thread's events for its test.
    pub fn reporter() -> Reporter {
        Reporter::new(|event| {
            let text =
                format!("{:?}: {}", event.severity(), String::from_utf8_lossy(&event.text()));
            TOLD.with_borrow_mut(|told| told.push((clock::instant(), text)));
        })
    }

    /// Events since the last call, with times.
    pub fn take_timed() -> Vec<(Instant, String)> {
        TOLD.take()
    }

    /// Events since the last call.
    pub fn take() -> Vec<String> {
        TOLD.take().into_iter().map(|(_, line)| line).collect()
    }
}
