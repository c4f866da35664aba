//! When an unfinished last line is sent: once nothing was added to it for some time. Pure.
//!
//! It is sent once for each length at which it rests. It is no delivery: the cursor stays before the line,
//! which is sent whole when it is finished.

use std::time::{Duration, Instant};

/// Unfinished last lines of all sources.
#[derive(Debug)]
pub struct Flush {
    quiet: Duration,
    lines: Vec<Option<Unfinished>>,
}

/// What tells one state of a line from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half {
    /// Inode of the file in which the line starts.
    pub inode: u64,
    /// Where in the file.
    pub offset: u64,
    /// Bytes of the line so far.
    pub len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Unfinished {
    half: Half,
    since: Instant,
    is_sent: bool,
}

impl Flush {
    /// Lines are sent after this time without new bytes.
    pub fn new(quiet: Duration) -> Flush {
        Flush { quiet, lines: Vec::new() }
    }

    /// Notes what a source ends with. True if it should be sent now.
    pub fn note(&mut self, source: usize, half: Option<Half>, now: Instant) -> bool {
        if self.lines.len() <= source {
            self.lines.resize(source + 1, None);
        }
        let line = &mut self.lines[source];
        if line.map(|line| line.half) != half {
            *line = half.map(|half| Unfinished { half, since: now, is_sent: false });
        }
        line.is_some_and(|line| !line.is_sent && now >= line.since + self.quiet)
    }

    /// Notes that a source's line was handed over.
    pub fn sent(&mut self, source: usize) {
        if let Some(Some(line)) = self.lines.get_mut(source) {
            line.is_sent = true;
        }
    }

    /// When the first of the lines that were not sent has been quiet for long enough.
    pub fn next(&self) -> Option<Instant> {
        let waiting = self.lines.iter().flatten().filter(|line| !line.is_sent);
        waiting.map(|line| line.since + self.quiet).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_secs(5);

    #[test]
    fn a_line_is_sent_once_at_each_length_at_which_it_rests() {
        let begin = Instant::now();
        let at = |secs| begin + Duration::from_secs(secs);
        let half = |len| Some(Half { inode: 1, offset: 7, len });
        let mut flush = Flush::new(QUIET);
        assert_eq!(flush.next(), None);
        assert!(!flush.note(1, half(3), at(0)));
        assert_eq!(flush.next(), Some(at(5)));
        assert!(!flush.note(1, half(4), at(4)), "it grew");
        assert!(!flush.note(1, half(4), at(8)));
        assert!(flush.note(1, half(4), at(9)));
        assert!(flush.note(1, half(4), at(10)), "until it is handed over");
        flush.sent(1);
        assert!(!flush.note(1, half(4), at(60)));
        assert_eq!(flush.next(), None);
        assert!(!flush.note(1, half(5), at(61)), "it grew again");
        assert!(flush.note(1, half(5), at(66)));
        assert!(!flush.note(1, None, at(67)), "it is finished");
        assert!(!flush.note(1, Some(Half { inode: 1, offset: 12, len: 5 }), at(68)));
        assert!(!flush.note(0, None, at(68)));
        assert_eq!(flush.next(), Some(at(73)));
    }
}
