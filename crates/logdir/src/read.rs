//! Reading log directories: what is in them, in which order, and the lines.
//!
//! ```text
//! find ──► list ──► snapshot ──► chain (decode, lines) ──► source (range) ──► merge ──► whoever shows, counts, sends
//! ```
//!
//! Nothing here writes into a log directory, opens its `lock`, or prints: what a user has to be told
//! comes as a [`Notice`]. The directories may be those of multilog, daemontools-encore, s6-log, svlogd
//! or cyclog.

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
pub mod vitals;
pub mod watch;
pub mod writer;

use crate::failure::Failure;
use std::rc::Rc;

/// Something about a directory that whoever reads its lines should know.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A file, or the rest of one, could not be read.
    Unreadable(Failure),
    /// A line was cut off when its writer was interrupted; where it starts.
    Torn(lines::LineStart),
    /// Zeros stand where a line should end, as many as this, and are left out.
    Zeros(lines::LineStart, u64),
    /// The directory, or the file that is followed by itself, was replaced by another one, which is read
    /// from its first line on.
    Replaced(Vec<u8>),
    /// The file is shorter than what was read of it, and is read from its first line on.
    Truncated(Vec<u8>),
    /// A followed `current` was removed or replaced by another program, and what the logger wrote to it
    /// since may be missing.
    CurrentReplaced(Vec<u8>),
    /// A finished archive was written to, or another file was put in its place, after it was listed. Lines
    /// may be missing or changed.
    Changed(Vec<u8>),
    /// A file of the directory is gone before it was read.
    Gone(Rc<list::LogFile>),
    /// The range begins before the oldest line, which is of this moment.
    BeginsAt(stamp::Moment),
    /// Between these moments lines may have been removed before they were read. The first is none where
    /// no line was read before.
    MissingLines(Option<stamp::Moment>, Option<stamp::Moment>),
    /// Lines have no stamps, so whole files stand for the range.
    Unstamped,
}
