//! Log directories of daemontools' multilog and its family: one writer, any number of readers.
//!
//! ```text
//! write ──► current, rotation, recovery, retention ──► directory ──► read: list, lines, range, follow
//! ```
//!
//! The crate prints nothing, keeps no state outside its values, and starts nothing before `main`. [`Writer`]
//! writes a directory, [`Reader`] reads what is there, [`Follow`] delivers lines to a consumer that
//! acknowledges them; `examples/` has a program of each.
//!
//! Reading order of the sources: `label` and `stamp` (moments as bytes), `format` (names, modes, what counts
//! as an archive), `settings`, `disk` (one system call each), `write`, `read`. The writer and the reader share
//! the description of the directory and import nothing from each other.

// The modules below serve the programs of this workspace, and promise nothing to others: the crate is what
// is re-exported under them.

// Moments: labels, the other stamps, dates of a zone, and the clock.
#[doc(hidden)]
pub mod clock;
#[doc(hidden)]
pub mod label;
#[doc(hidden)]
pub mod stamp;
#[doc(hidden)]
pub mod time;

// Directory format, cursors, settings, failures and events.
#[doc(hidden)]
pub mod cursor_text;
#[doc(hidden)]
pub mod escape;
#[doc(hidden)]
pub mod event;
#[doc(hidden)]
pub mod failure;
#[doc(hidden)]
pub mod format;
#[doc(hidden)]
pub mod settings;

// What both sides stand on.
#[doc(hidden)]
pub mod disk;
#[doc(hidden)]
pub mod lock_table;
#[doc(hidden)]
pub mod pause;
#[doc(hidden)]
pub mod sys;
#[doc(hidden)]
pub mod wake;
#[doc(hidden)]
pub mod writer_state;

#[doc(hidden)]
pub mod read;
#[doc(hidden)]
pub mod write;

// What a program needs that writes lines.
pub use event::Event;
pub use label::Label;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Compiles only while every value of the library can move to another thread.
    #[test]
    fn every_value_may_move_to_another_thread() {
        fn check<T: Send>() {}
        check::<(Writer, Error, Settings, Event, Label)>();
        check::<(Reader, LogLines, LogLine, LineId)>();
        check::<(Follow, Delivery, Ticket, Cursor, Scope, Start, Window)>();
    }
}
