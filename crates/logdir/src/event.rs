//! What a log directory has to report while it is written: the caller prints it, counts it or sends it.
//!
//! The library writes to no descriptor of its caller's. It words each event, in the words of 0.76 where that
//! has some, since people have them in their alert filters.

use crate::failure::Failure;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Something that happened in an open log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A step failed, and will be tried again after a pause.
    Pausing(Failure),
    /// A step failed, and will not be tried again.
    Failed(Failure),
    /// What had failed works again.
    Resumed {
        /// What goes on.
        work: Work,
        /// The directory or file, as the user named it.
        place: Vec<u8>,
        /// Time since the first failure.
        held: Duration,
    },
    /// The disk was full, and this many of the oldest archives of the directory were removed.
    MadeRoom {
        /// The directory, as the user named it.
        place: Vec<u8>,
        /// Archives that were removed.
        count: u64,
    },
    /// The processor of the directory was stopped; full files wait for the next start.
    ProcessorStopped {
        /// The directory, as the user named it.
        place: Vec<u8>,
        /// Files that wait, at least 1.
        count: u64,
    },
    /// `current` was removed by another program; a new one is made.
    CurrentRemoved {
        /// The directory, as the user named it.
        place: Vec<u8>,
    },
    /// The clock is earlier than the newest archive's label.
    ClockBehind {
        /// The directory, as the user named it.
        place: Vec<u8>,
        /// The name that the next archive gets instead of one made from the clock.
        name: Vec<u8>,
    },
    /// An archive has a label that no clock can have. It does not decide the names of later archives.
    LabelIgnored {
        /// The directory, as the user named it.
        place: Vec<u8>,
        /// The name of the archive.
        name: Vec<u8>,
    },
    /// The state of the directory, which was asked for.
    Status {
        /// The directory, as the user named it.
        place: Vec<u8>,
        /// The figures, as multilog(8) lists them.
        text: String,
    },
    /// The writer ends, and these lines will never be written.
    GivenUp {
        /// The directory, as the user named it.
        place: Vec<u8>,
        /// Lines that are lost.
        lines: u64,
        /// Their bytes.
        bytes: u64,
        /// Whether the file before them was not finished either.
        is_file_unfinished: bool,
    },
    /// The writer ends, and the line that would count these dropped lines will never be written.
    DropsUnreported {
        /// The directory, as the user named it.
        place: Vec<u8>,
        /// Lines that were dropped.
        lines: u64,
        /// Their bytes.
        bytes: u64,
    },
}

/// What goes on after a failure is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Lines go to `current` of a directory or to stdout, all that were held among them.
    Writing,
    /// As `Writing`, and some lines were dropped meanwhile.
    WritingAfterGap,
    /// Full files of a directory become archives.
    Finishing,
    /// A status file shows the last line.
    Showing,
}

/// How much attention an event needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something failed.
    Warning,
    /// Something works again.
    Info,
    /// Somebody asked.
    Status,
}

impl Event {
    /// How much attention it needs.
    pub fn severity(&self) -> Severity {
        match self {
            Event::Resumed { .. } => Severity::Info,
            Event::Status { .. } => Severity::Status,
            Event::Pausing(_)
            | Event::Failed(_)
            | Event::MadeRoom { .. }
            | Event::ProcessorStopped { .. }
            | Event::CurrentRemoved { .. }
            | Event::ClockBehind { .. }
            | Event::LabelIgnored { .. }
            | Event::GivenUp { .. }
            | Event::DropsUnreported { .. } => Severity::Warning,
        }
    }

    /// The event as one sentence without a newline. Any bytes, since it names files.
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
            Event::CurrentRemoved { place } => {
                [b"somebody removed ", &place[..], b"/current, making a new one"].concat()
            }
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

/// Where events go. It is called from every thread that works on a directory, and must not wait.
#[derive(Clone)]
pub struct Reporter(Arc<dyn Fn(&Event) + Send + Sync>);

impl Reporter {
    /// One that calls `report` for each event.
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

/// In unit tests: what each thread reported.
#[cfg(test)]
pub mod told {
    use super::Reporter;
    use crate::clock;
    use std::cell::RefCell;
    use std::time::Instant;

    thread_local! {
        static TOLD: RefCell<Vec<(Instant, String)>> = const { RefCell::new(Vec::new()) };
    }

    /// Where the events of a thread are kept for its test.
    pub fn reporter() -> Reporter {
        Reporter::new(|event| {
            let text =
                format!("{:?}: {}", event.severity(), String::from_utf8_lossy(&event.text()));
            TOLD.with_borrow_mut(|told| told.push((clock::instant(), text)));
        })
    }

    /// What was reported since the last call, and when.
    pub fn take_timed() -> Vec<(Instant, String)> {
        TOLD.take()
    }

    /// What was reported since the last call.
    pub fn take() -> Vec<String> {
        TOLD.take().into_iter().map(|(_, line)| line).collect()
    }
}
