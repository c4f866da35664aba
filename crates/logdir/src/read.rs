//! Reads log directories: lists their files in writing order, then reads lines.
//!
//! ```text
//! find ──► list ──► snapshot ──► chain (decode, lines) ──► source (range) ──► merge ──► output
//! ```
//!
//! Nothing here writes into a log directory, opens its `lock`, or prints: readers return a [`Notice`]
//! for each problem to report. Supported directories: multilog, daemontools-encore, s6-log, svlogd,
//! cyclog.

pub mod backlog;
pub mod backward;
pub mod chain;
pub mod cursor;
pub mod decode;
pub mod delivered;
pub mod delivery;
pub mod examine;
pub mod find;
pub mod follow;
pub mod follow_several;
pub mod label_counting;
pub mod last_line;
pub mod limits;
pub mod lines;
pub mod list;
pub mod merge;
pub mod range;
pub mod range_lines;
pub mod reader;
pub mod render;
pub mod reported;
pub mod separator;
pub mod set_back;
pub mod snapshot;
pub mod stamp;
mod unnamed_file;
pub mod vitals;
pub mod watch;
pub mod writer;

use crate::failure::Failure;
use std::sync::Arc;

/// A problem in a directory that its reader should report.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Unreadable file, or the unread rest of a file.
    Unreadable(Failure),
    /// Unfinished line of an interrupted writer, and its start.
    Torn(lines::LineStart),
    /// Zeros instead of a line's end: start and length. The reader skips them.
    Zeros(lines::LineStart, u64),
    /// Another directory (or file, if a single file is followed) took this path. Reading restarts
    /// at its first line.
    Replaced(Vec<u8>),
    /// The file shrank below the read position. Reading restarts at its first line.
    Truncated(Vec<u8>),
    /// Another program removed or replaced the followed `current`. Lines the logger wrote to it
    /// since may be missing.
    CurrentReplaced(Vec<u8>),
    /// After the listing, somebody wrote to a finished archive or replaced it. Lines may be missing
    /// or changed.
    Changed(Vec<u8>),
    /// The file vanished before it was read.
    Gone(Arc<list::LogFile>),
    /// The range begins before the oldest line, written at this moment.
    BeginsAt(stamp::Moment),
    /// Lines between these moments may have been removed unread. The first moment is `None` if no
    /// line was read before.
    MissingLines(Option<stamp::Moment>, Option<stamp::Moment>),
    /// Lines have no stamps, so the range selects whole files.
    Unstamped,
}
