//! Files that had the name of a single followed file, and whether programs still write into them.

use crate::read::snapshot::ListedFile;
use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

/// Files that had the followed name, oldest first. The first file is being read.
#[derive(Debug, Default)]
pub struct Generations {
    pub line: VecDeque<Generation>,
    /// Files found since they were last counted.
    pub found_count: u32,
    /// Only existing lines are wanted.
    pub is_hurried: bool,
}

/// File that had the followed name.
#[derive(Debug)]
pub struct Generation {
    pub link: ListedFile,
    pub handle: Arc<File>,
    /// Length at the last look.
    pub len: u64,
    /// First look that found no new bytes, while the next file had content.
    pub quiet_since: Option<Instant>,
    /// Time when another file had the name.
    pub renamed: Option<Instant>,
}

impl Generation {
    pub fn new(link: ListedFile, handle: Arc<File>) -> Generation {
        Generation { link, handle, len: 0, quiet_since: None, renamed: None }
    }

    /// Notes the file's length. True if it shrank.
    pub fn look(&mut self, has_next_content: bool, now: Instant) -> bool {
        let len = self.handle.metadata().map_or(self.len, |metadata| metadata.len());
        let is_quiet = len == self.len && has_next_content;
        self.quiet_since = if is_quiet { self.quiet_since.or(Some(now)) } else { None };
        let is_cut = len < self.len;
        self.len = len;
        is_cut
    }
}
