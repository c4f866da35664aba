//! What is wrong in a directory: with its names and modes, and with the lines in it.
//!
//! It reads everything. Findings are facts; what they mean and what to do is told by whoever shows them.

mod contents;
mod names;

use crate::failure::Failure;
use crate::read::Notice;
use crate::read::snapshot::Snapshot;
use crate::read::stamp::{Moment, StampParser};
use crate::read::writer::Writer;

/// Findings of one kind that are kept; more are counted only.
pub const FINDINGS_MAX: usize = 1000;

/// What may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The writer runs and reports that it fails.
    Failing,
    /// The writer was interrupted, and none has started since.
    Crashed,
    /// `current` is marked as whole though somebody writes it.
    MarkedTooEarly,
    /// An archive by the name of a whole one is not marked as such.
    Unmarked,
    /// `current` is marked as whole, and ends within a line.
    MarkedWithinLine,
    /// A file of a rotation that nobody goes on with.
    LeftOver,
    /// An archive and a compressed copy of it.
    TwoCopies,
    /// A name that loggers count as an archive and that is none.
    NoArchive,
    /// A name in which lines are expected, of something that is no file.
    NoFile,
    /// Something that belongs to no logger.
    Foreign,
    /// Files of one logger that belong to different users.
    Owner,
    /// A file that anybody may write, or not even its owner read.
    Mode,
    /// An archive from the future.
    Future,
    /// An archive without contents.
    Empty,
    /// A line without an end.
    Torn,
    /// Two lines in one.
    Joined,
    /// Two labels before a line.
    StampedTwice,
    /// A stamp before the one of the line before.
    StepBack,
    /// A line that is younger than the name of its archive.
    NamedTooEarly,
    /// Zeros in the place of text.
    Zeros,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// The name in the directory; empty for the directory itself.
    pub file: Vec<u8>,
    /// Bytes before it in what the file decodes to, where it is in a file.
    pub offset: Option<u64>,
    /// What else there is to say of it.
    pub detail: String,
}

/// All that is wrong in a directory.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The first [`FINDINGS_MAX`] of each kind, in the order of files.
    pub all: Vec<Finding>,
    /// How many there are beyond these.
    pub more_count: usize,
    /// What could not be read.
    pub failures: Vec<Failure>,
    /// Lines read.
    pub line_count: u64,
}

impl Findings {
    /// Adds a finding about the directory itself, in its place by kind.
    pub fn add_here(&mut self, kind: Kind, detail: String) {
        self.add(kind, b"", None, detail);
        self.all.sort_by_key(|finding| finding.kind);
    }

    fn add(&mut self, kind: Kind, file: &[u8], offset: Option<u64>, detail: String) {
        let known_count = self.all.iter().filter(|finding| finding.kind == kind).count();
        if known_count < FINDINGS_MAX {
            self.all.push(Finding { kind, file: file.to_vec(), offset, detail });
        } else {
            self.more_count += 1;
        }
    }

    fn note(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            match notice {
                Notice::Unreadable(failure) => self.failures.push(failure),
                Notice::Torn(place) => {
                    self.add(Kind::Torn, &place.file.name, Some(place.offset), String::new());
                }
                Notice::Zeros(place, count) => {
                    let detail = format!("{count} zeros");
                    self.add(Kind::Zeros, &place.file.name, Some(place.offset), detail);
                }
                // A writer that runs removes files; ranges are not asked for, and nothing is followed.
                Notice::Gone(_)
                | Notice::MissingLines(..)
                | Notice::BeginsAt(_)
                | Notice::Replaced(_)
                | Notice::CurrentReplaced(_)
                | Notice::Changed(_)
                | Notice::Truncated(_)
                | Notice::Unstamped => {}
            }
        }
    }
}

/// Examines a directory whose writer is known; of a file by itself, that is none, only the lines.
pub fn examine(
    snapshot: &Snapshot,
    stamps: &StampParser,
    writer: Option<Writer>,
    now: Moment,
) -> Findings {
    let mut findings = Findings::default();
    if let Some(writer) = writer {
        let judged = names::judge(&snapshot.directory, stamps, writer, now, &mut findings);
        findings.failures.extend(judged.err());
    }
    contents::judge(snapshot, stamps, writer, &mut findings);
    findings.all.sort_by_key(|finding| finding.kind);
    findings
}
