//! Counts lines dropped by a full queue, and formats the marker line (multilog(8), `q`).

use crate::clock;
use crate::label::Label;
use crate::stamp::format_utc;
use crate::write::figures::Count;
use memchr::{memchr, memrchr};

/// Consecutive dropped lines.
#[derive(Debug)]
pub struct Gap {
    missing: Count,
    /// Stamps of the first and last dropped line; arrival times without stamps.
    first: Vec<u8>,
    last: Vec<u8>,
    is_stamped: bool,
    position: Position,
    /// Whether the preceding line is cut: it exceeded the queue, and its beginning is on disk.
    has_cut: bool,
}

/// Position in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    LineStart,
    Line,
    /// Inside the cut line. Its newline is kept.
    CutLine,
}

impl Gap {
    /// A gap at a line start.
    pub fn at_line_start(is_stamped: bool) -> Gap {
        Gap {
            missing: Count::default(),
            first: Vec::new(),
            last: Vec::new(),
            is_stamped,
            position: Position::LineStart,
            has_cut: false,
        }
    }

    /// A gap inside a line whose beginning is already written.
    pub fn in_line(is_stamped: bool) -> Gap {
        Gap { position: Position::CutLine, has_cut: true, ..Gap::at_line_start(is_stamped) }
    }

    /// Counts dropped bytes.
    pub fn add(&mut self, mut bytes: &[u8]) {
        if self.position == Position::CutLine {
            let newline = memchr(b'\n', bytes);
            self.missing.bytes += newline.unwrap_or(bytes.len()) as u64;
            if self.first.is_empty() {
                self.first = now();
                self.last = now();
            }
            let Some(newline) = newline else { return };
            self.position = Position::LineStart;
            bytes = &bytes[newline + 1..];
        }
        let Some((&end, before_end)) = bytes.split_last() else { return };
        let line_start = memrchr(b'\n', before_end).map(|newline| newline + 1);
        if self.position == Position::LineStart && self.first.is_empty() {
            self.first = self.time_of(bytes);
        }
        match (line_start, self.position) {
            (Some(start), _) => self.last = self.time_of(&bytes[start..]),
            (None, Position::LineStart) => self.last = self.time_of(bytes),
            (None, Position::Line | Position::CutLine) => {}
        }
        self.missing.add(Count::of(bytes));
        self.position = if end == b'\n' { Position::LineStart } else { Position::Line };
    }

    pub fn missing(&self) -> Count {
        self.missing
    }

    /// Whether the gap may end here, between lines.
    pub fn is_between_lines(&self) -> bool {
        self.position == Position::LineStart
    }

    /// The marker line, with the stamp of the last dropped line to keep stamps in order.
    pub fn marker(&self) -> Vec<u8> {
        let mut marker = Vec::new();
        if self.has_cut {
            marker.push(b'\n');
        }
        if self.is_stamped && self.last.ends_with(b" ") {
            marker.extend_from_slice(&self.last);
        }
        let Count { lines, bytes } = self.missing;
        marker.extend_from_slice(
            format!("multilog: dropped {lines} lines, {bytes} bytes, between ").as_bytes(),
        );
        marker.extend_from_slice(&readable(&self.first));
        marker.extend_from_slice(b" and ");
        marker.extend_from_slice(&readable(&self.last));
        if self.has_cut {
            marker.extend_from_slice(b"; the line before is cut");
        }
        marker.push(b'\n');
        marker
    }

    /// Stamp of a line including its space, or the current time.
    fn time_of(&self, line: &[u8]) -> Vec<u8> {
        match memchr(b' ', line) {
            Some(space) if self.is_stamped => line[..=space].to_vec(),
            Some(_) | None => now(),
        }
    }
}

fn now() -> Vec<u8> {
    clock::now().format().to_vec()
}

/// Label as UTC (RFC 3339); other stamps unchanged.
fn readable(time: &[u8]) -> Vec<u8> {
    let text = Label::parse(time).and_then(format_utc);
    text.map_or_else(|| time.trim_ascii_end().to_vec(), String::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mut gap: Gap, pieces: &[&str], (lines, bytes): (u64, u64), marker: &str) {
        for piece in pieces {
            gap.add(piece.as_bytes());
        }
        assert!(gap.is_between_lines());
        assert_eq!(gap.missing(), Count { lines, bytes });
        let text = String::from_utf8(gap.marker()).unwrap();
        assert_eq!(text, marker);
    }

    #[test]
    fn a_marker_counts_lines_that_come_in_any_pieces() {
        check(
            Gap::at_line_start(true),
            &[
                "@400000003b4a39c200000001 a\n@400000003b4a39c200000002 b",
                "b\n@400000003b4a39c200000003 c\n",
            ],
            (3, 85),
            "@400000003b4a39c200000003 multilog: dropped 3 lines, 85 bytes, \
             between 2001-07-09T23:09:44.000000001Z and 2001-07-09T23:09:44.000000003Z\n",
        );
        check(
            Gap::at_line_start(true),
            &["@400000003b4a39c200000001 a", "a a", "\n"],
            (1, 31),
            "@400000003b4a39c200000001 multilog: dropped 1 lines, 31 bytes, \
             between 2001-07-09T23:09:44.000000001Z and 2001-07-09T23:09:44.000000001Z\n",
        );
        check(
            Gap::at_line_start(true),
            &["2026-11-20T08:15:02.123456789Z a\n"],
            (1, 33),
            "2026-11-20T08:15:02.123456789Z multilog: dropped 1 lines, 33 bytes, \
             between 2026-11-20T08:15:02.123456789Z and 2026-11-20T08:15:02.123456789Z\n",
        );
    }

    #[test]
    fn a_line_that_was_begun_on_disk_keeps_its_newline() {
        crate::clock::by_hand::begin();
        check(
            Gap::in_line(true),
            &["aaa", "a a\n@400000003b4a39c200000001 b\n"],
            (1, 34),
            "\n@400000003b4a39c200000001 multilog: dropped 1 lines, 34 bytes, \
             between 2023-11-14T22:13:20.000001000Z and 2001-07-09T23:09:44.000000001Z; the line before is cut\n",
        );
    }
}
