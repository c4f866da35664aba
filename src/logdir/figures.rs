//! What went through a log directory since it was opened, for whoever asks (multilog(8), USR1). Counted
//! once a write, not once a line.

use crate::label::Label;
use crate::stamp::format_utc;
use memchr::memchr_iter;

/// Lines, by their newlines, and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Newlines.
    pub lines: u64,
    /// Bytes, newlines included.
    pub bytes: u64,
}

impl Count {
    /// What these bytes are.
    pub fn of(text: &[u8]) -> Count {
        Count { lines: memchr_iter(b'\n', text).count() as u64, bytes: text.len() as u64 }
    }

    /// Adds another one.
    pub fn add(&mut self, other: Count) {
        self.lines += other.lines;
        self.bytes += other.bytes;
    }
}

/// The figures of a directory.
#[derive(Debug, Default)]
pub struct Figures {
    /// What was written to `current`.
    pub written: Count,
    /// What was dropped and has been told of.
    pub dropped: Count,
    /// The lines that tell of it: nobody sent them.
    pub markers: Count,
    /// When the last file was full, or was ended.
    pub rotated_at: Option<Label>,
}

impl Figures {
    /// The figures as text, but for the archives and the trouble. `untold` was dropped and has not been told
    /// of.
    pub fn text(&self, queue: &[u8], untold: Count, current_size: u64) -> String {
        let queued = Count::of(queue);
        let mut dropped = self.dropped;
        dropped.add(untold);
        let sum = |of: fn(&Count) -> u64| {
            (of(&self.written) + of(&queued) + of(&dropped)).saturating_sub(of(&self.markers))
        };
        let come = Count { lines: sum(|count| count.lines), bytes: sum(|count| count.bytes) };
        format!(
            "in {}, written {}, dropped {}, queued {}, current {current_size} bytes, last rotation {}",
            words(come),
            words(self.written),
            words(dropped),
            words(queued),
            moment(self.rotated_at),
        )
    }
}

fn words(count: Count) -> String {
    format!("{} lines {} bytes", count.lines, count.bytes)
}

/// When something was last.
pub fn moment(label: Option<Label>) -> String {
    label.and_then(format_utc).unwrap_or_else(|| "never".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_what_was_written_queued_or_dropped() {
        let count = |lines, bytes| Count { lines, bytes };
        let figures = Figures {
            written: count(10, 100),
            dropped: count(3, 30),
            markers: count(1, 70),
            rotated_at: Some(Label::from_unix(1_700_000_000, 5)),
        };
        assert_eq!(
            figures.text(b"a\nbc", count(1, 9), 77),
            "in 14 lines 73 bytes, written 10 lines 100 bytes, dropped 4 lines 39 bytes, \
             queued 1 lines 4 bytes, current 77 bytes, last rotation 2023-11-14T22:13:20.000000005Z"
        );
        assert!(Figures::default().text(b"", count(0, 0), 0).ends_with("last rotation never"));
    }
}
