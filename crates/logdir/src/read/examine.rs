//! Checks a directory for damage: names, modes and every line.
//!
//! Examining reads all files. Findings are facts; the caller explains meaning and remedy.

mod contents;
mod names;

use crate::failure::Failure;
use crate::read::Notice;
use crate::read::snapshot::Snapshot;
use crate::read::stamp::{Moment, StampParser};
use crate::read::writer::Writer;

/// Findings kept per kind; further findings are only counted.
pub const FINDINGS_MAX: usize = 1000;

/// Kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The running writer reports a failure.
    Failing,
    /// The writer was interrupted and has not restarted.
    Crashed,
    /// `current` is marked complete while a writer runs.
    MarkedTooEarly,
    /// An archive named complete lacks the mode bit.
    Unmarked,
    /// `current` is marked complete but ends within a line.
    MarkedWithinLine,
    /// Abandoned file of a rotation.
    LeftOver,
    /// Archive beside its compressed copy.
    TwoCopies,
    /// Name that loggers count as an archive, of another file.
    NoArchive,
    /// Log file's name, but not a regular file.
    NoFile,
    /// File unrelated to any logger.
    Foreign,
    /// Files of one logger have different owners.
    Owner,
    /// World-writable file, or unreadable to its owner.
    Mode,
    /// Archive dated in the future.
    Future,
    /// Empty archive.
    Empty,
    /// Unfinished line.
    Torn,
    /// Two lines joined.
    Joined,
    /// Two labels before a line.
    StampedTwice,
    /// Stamp earlier than the preceding line's.
    StepBack,
    /// Line newer than its archive's name.
    NamedTooEarly,
    /// Zeros instead of text.
    Zeros,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Kind of finding.
    pub kind: Kind,
    /// Name in the directory; empty for the directory itself.
    pub file: Vec<u8>,
    /// Decoded offset, if the finding is within a file.
    pub offset: Option<u64>,
    /// Further detail for the message.
    pub detail: String,
}

/// All findings of a directory.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// First [`FINDINGS_MAX`] findings per kind, in file order.
    pub all: Vec<Finding>,
    /// Number of findings beyond these.
    pub more_count: usize,
    /// Unreadable files.
    pub failures: Vec<Failure>,
    /// Lines read.
    pub line_count: u64,
}

impl Findings {
    /// Adds a finding about the directory itself, sorted by kind.
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
                // A running writer removes files. The other notices concern ranges and following,
                // unused here.
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

/// Examines a directory with a known writer; for a single file, which has no writer, only its
/// lines.
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
