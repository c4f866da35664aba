//! Log directories of daemontools' multilog and its family: one writer, any number of readers.
//!
//! ```text
//! write ──► current, rotation, recovery, retention ──► directory ──► read: list, lines, range, follow
//! ```
//!
//! The crate prints nothing, keeps no state outside its values, and starts nothing before `main`. Reading
//! order: [`label`] and [`stamp`] (moments as bytes), [`mod@format`] (names, modes, what counts as an
//! archive), [`settings`], [`disk`] (one system call each), [`mod@write`], [`read`]. The writer and the reader
//! share the description of the directory and import nothing from each other.

// Moments: labels, the other stamps, dates of a zone, and the clock.
pub mod clock;
pub mod label;
pub mod stamp;
pub mod time;

// What a directory is, and what can be said about one.
pub mod escape;
pub mod event;
pub mod failure;
pub mod format;
pub mod settings;

// What both sides stand on.
pub mod disk;
pub mod lock_table;
pub mod pause;
pub mod sys;
pub mod wake;
pub mod writer_state;

pub mod read;
pub mod write;

// What a program needs that writes lines.
pub use event::Event;
pub use settings::Settings;
pub use write::writer::{Error, Writer};

// What a program that reads needs, and a consumer of lines.
pub use read::cursor::line_id::LineId;
pub use read::cursor::token::Cursor;
pub use read::delivery::{Delivery, Follow, Scope, Start, Ticket, Window};
pub use read::reader::{LogLine, LogLines, Reader};

// Everything fails once, on a disk in memory.
#[cfg(test)]
#[path = "../faults/main.rs"]
mod faults;

// Everything others do to a directory that is followed, in every order.
#[cfg(test)]
#[path = "../faults/interleavings.rs"]
mod interleavings;
