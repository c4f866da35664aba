//! The lines of one directory that are in a range of time, each with the moment it belongs to.

use crate::read::Notice;
use crate::read::chain::Chain;
use crate::read::lines::{Line, LineStart};
use crate::read::range::{self, MARGIN_LEN, Range};
use crate::read::snapshot::Snapshot;
use crate::read::stamp::{Moment, Stamp, StampParser};
use std::collections::HashSet;

/// One directory, a line after the other.
pub struct RangeLines {
    chain: Chain,
    range: Range,
    /// Of the line gone to, or where it has no stamp of the last one that had.
    moment: Option<Moment>,
    /// Whether lines have no stamps, so that every one of those read belongs to the range.
    is_unstamped: bool,
    /// Inodes of the files that end with their first lines beyond the range.
    ordered: HashSet<u64>,
    /// Bytes of lines beyond the range that followed each other.
    beyond_len: u64,
}

impl RangeLines {
    /// The lines of a range.
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

    /// The lines of a range from a place on; the first one belongs to this moment.
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
        // Without a moment there is nothing that the range could leave out.
        let is_unstamped = moment.is_none();
        RangeLines { chain, range, moment, is_unstamped, ordered: HashSet::new(), beyond_len: 0 }
    }

    /// Goes to the next line of the range. False when there is none.
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

    /// The moment the line gone to belongs to: its own, or that of the last one with a stamp.
    pub fn moment(&self) -> Option<Moment> {
        self.moment
    }

    /// Whether the line gone to has to stay with the one before it.
    pub fn is_attached(&self) -> bool {
        self.chain.stamp().is_none()
    }

    /// The line gone to.
    pub fn line(&self) -> Line<'_> {
        self.chain.line()
    }

    /// The stamp of that line, if it has one.
    pub fn stamp(&self) -> Option<Stamp> {
        self.chain.stamp()
    }

    /// Where that line starts.
    pub fn place(&self) -> &LineStart {
        self.chain.place()
    }

    /// What it reads from.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// What there was to tell since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.chain.take_notices()
    }
}
