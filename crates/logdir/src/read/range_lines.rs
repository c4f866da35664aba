//! Reads one directory's lines within a time range, each with its moment.

use crate::read::Notice;
use crate::read::chain::Chain;
use crate::read::lines::{Line, LineStart};
use crate::read::range::{self, MARGIN_LEN, Range};
use crate::read::snapshot::Snapshot;
use crate::read::stamp::{Moment, Stamp, StampParser};
use std::collections::HashSet;

/// Lines of one directory.
pub struct RangeLines {
    chain: Chain,
    range: Range,
    /// Moment of the current line, or of the last stamped line before it.
    moment: Option<Moment>,
    /// Lines have no stamps, so every line read belongs to the range.
    is_unstamped: bool,
    /// Inodes of ordered files: reading stops at their first lines after the range.
    ordered: HashSet<u64>,
    /// Bytes of consecutive lines after the range.
    beyond_len: u64,
}

impl RangeLines {
    /// Reads the lines of a range.
    pub fn new(snapshot: &Snapshot, mut stamps: StampParser, range: Range) -> RangeLines {
        let plan = range::plan(snapshot, &mut stamps, range);
        let mut chain = Chain::new(snapshot.directory.clone(), stamps);
        let mut ordered = HashSet::new();
        for part in plan.parts {
            if part.is_ordered {
                ordered.insert(part.link.file.inode);
            }
            chain.push(part.link, part.offset);
        }
        if let Some(moment) = plan.begins_at {
            chain.add_notice(Notice::BeginsAt(moment));
        }
        if plan.is_unstamped {
            chain.add_notice(Notice::Unstamped);
        }
        RangeLines {
            chain,
            range,
            moment: None,
            is_unstamped: plan.is_unstamped,
            ordered,
            beyond_len: 0,
        }
    }

    /// Reads a range from this place; `moment` belongs to the first line.
    pub fn from(
        snapshot: &Snapshot,
        stamps: StampParser,
        range: Range,
        place: &LineStart,
        moment: Option<Moment>,
    ) -> RangeLines {
        let mut chain = Chain::new(snapshot.directory.clone(), stamps);
        chain.begin_after(moment);
        let number = snapshot.number_of(place);
        for (count, link) in snapshot.files[number..].iter().enumerate() {
            chain.push(link.clone(), if count == 0 { place.offset } else { 0 });
        }
        // Without a moment, the range cannot exclude any line.
        let is_unstamped = moment.is_none();
        RangeLines { chain, range, moment, is_unstamped, ordered: HashSet::new(), beyond_len: 0 }
    }

    /// Advances within the range. False at its end.
    pub fn advance(&mut self) -> bool {
        while self.chain.advance() || self.chain.finish() {
            if let Some(stamp) = self.chain.stamp() {
                self.moment = Some(stamp.moment);
            }
            if self.is_in_range() {
                return true;
            }
        }
        false
    }

    fn is_in_range(&mut self) -> bool {
        if self.range.is_all() || self.is_unstamped {
            return true;
        }
        let Some(moment) = self.moment else { return false };
        if !self.range.is_before(moment) {
            self.beyond_len = 0;
            return self.range.holds(moment);
        }
        self.beyond_len += self.chain.line().bytes.len() as u64 + 1;
        if self.beyond_len > MARGIN_LEN && self.ordered.contains(&self.chain.place().file.inode) {
            self.beyond_len = 0;
            self.chain.skip_file();
        }
        false
    }

    /// Moment of the current line, or of the last stamped line before it.
    pub fn moment(&self) -> Option<Moment> {
        self.moment
    }

    /// True if the current line must follow the preceding line directly.
    pub fn is_attached(&self) -> bool {
        self.chain.stamp().is_none()
    }

    /// Current line.
    pub fn line(&self) -> Line<'_> {
        self.chain.line()
    }

    /// Its stamp, if any.
    pub fn stamp(&self) -> Option<Stamp> {
        self.chain.stamp()
    }

    /// Start of that line.
    pub fn place(&self) -> &LineStart {
        self.chain.place()
    }

    /// Underlying chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Takes notices since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.chain.take_notices()
    }
}
