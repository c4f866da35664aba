//! Counts of data through a log directory since opening, for SIGUSR1 (multilog(8)). Successful
//! input adds bytes only: the line engine counts lines.

use crate::label::Label;
use crate::stamp::format_utc;

/// Lines (newlines) and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub lines: u64,
    /// Includes newlines.
    pub bytes: u64,
}

impl Count {
    /// Counts `text`.
    pub fn of(text: &[u8]) -> Count {
        Count { lines: memchr::memchr_iter(b'\n', text).count() as u64, bytes: text.len() as u64 }
    }

    pub fn add(&mut self, other: Count) {
        self.lines += other.lines;
        self.bytes += other.bytes;
    }
}

/// Counters of a directory.
#[derive(Debug, Default)]
pub struct Figures {
    /// Written to `current`.
    pub bytes_written: u64,
    /// Dropped and already reported.
    pub dropped: Count,
    /// Marker lines for dropped input: no sender sent them.
    pub markers: Count,
    /// End of the last full file.
    pub rotated_at: Option<Label>,
}

impl Figures {
    /// Status text without archives and failures. `lines_come`: lines received; `untold`: dropped
    /// and not yet reported.
    pub fn text(&self, lines_come: u64, queue: &[u8], untold: Count, current_size: u64) -> String {
        let queued = Count::of(queue);
        let mut dropped = self.dropped;
        dropped.add(untold);
        let bytes_come = self.bytes_written + queued.bytes + dropped.bytes;
        let come =
            Count { lines: lines_come, bytes: bytes_come.saturating_sub(self.markers.bytes) };
        let lines_not_written = queued.lines + dropped.lines;
        let lines_written = (lines_come + self.markers.lines).saturating_sub(lines_not_written);
        let written = Count { lines: lines_written, bytes: self.bytes_written };
        format!(
            "in {}, written {}, dropped {}, queued {}, current {current_size} bytes, last rotation {}",
            words(come),
            words(written),
            words(dropped),
            words(queued),
            moment(self.rotated_at),
        )
    }
}

fn words(count: Count) -> String {
    format!("{} lines {} bytes", count.lines, count.bytes)
}

/// Formats a time, or "never".
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
            bytes_written: 100,
            dropped: count(3, 30),
            markers: count(1, 70),
            rotated_at: Some(Label::from_unix(1_700_000_000, 5)),
        };
        assert_eq!(
            figures.text(14, b"a\nbc", count(1, 9), 77),
            "in 14 lines 73 bytes, written 10 lines 100 bytes, dropped 4 lines 39 bytes, \
             queued 1 lines 4 bytes, current 77 bytes, last rotation 2023-11-14T22:13:20.000000005Z"
        );
        assert!(Figures::default().text(0, b"", count(0, 0), 0).ends_with("last rotation never"));
    }
}
