//! Remembers the last delivered line, to find the position after it when its file is gone: replaced
//! by a processor, or removed.
//!
//! A stamp alone does not identify a line: most writers give many lines equal stamps.

use crate::read::backward::Backward;
use crate::read::chain::Chain;
use crate::read::lines::{Line, LineStart};
use crate::read::stamp::Moment;

/// Maximum lines distinguished within one moment.
const HASHES_MAX: usize = 4096;

/// Last delivered line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastLine {
    /// Moment of its stamp, or of the last stamped line before it.
    pub moment: Option<Moment>,
    /// Hash of its bytes.
    pub hash: u64,
    /// Delivered lines with this moment and these bytes; at least 1 once a line was delivered.
    pub equal_count: usize,
    /// Delivered lines with this moment.
    pub count: usize,
    /// Hashes of lines with this moment; at most [`HASHES_MAX`], not stored in cursors.
    hashes: Vec<u64>,
}

/// Position after a remembered line.
#[derive(Debug, PartialEq, Eq)]
pub enum Behind {
    /// Directly after the line, which was found.
    Exact(LineStart),
    /// The line is missing; this is the first later line.
    Later(LineStart, Option<Moment>),
    /// No later line.
    Nothing,
}

impl LastLine {
    /// Restores a line from a cursor.
    pub fn kept(moment: Option<Moment>, hash: u64, equal_count: usize, count: usize) -> LastLine {
        LastLine { moment, hash, equal_count, count, hashes: Vec::new() }
    }

    /// Part stored in a cursor.
    pub fn to_keep(&self) -> LastLine {
        LastLine::kept(self.moment, self.hash, self.equal_count, self.count)
    }

    /// Reads backward from the last line; empty if no line exists.
    pub fn of_last(lines: &mut Backward) -> LastLine {
        if !lines.advance() {
            return LastLine::default();
        }
        let (moment, hash_of_last) = (lines.moment(), hash(lines.line().bytes));
        let (mut equal_count, mut count) = (1, 1);
        while count < HASHES_MAX && moment.is_some() && lines.advance() && lines.moment() == moment
        {
            equal_count += usize::from(hash(lines.line().bytes) == hash_of_last);
            count += 1;
        }
        LastLine::kept(moment, hash_of_last, equal_count, count)
    }

    /// True if a line was delivered.
    pub fn is_set(&self) -> bool {
        self.count > 0
    }

    /// Remembers a line.
    pub fn remember(&mut self, line: Line<'_>, stamped: Option<Moment>) {
        if stamped.is_some() && stamped != self.moment {
            self.moment = stamped;
            self.count = 0;
            self.hashes.clear();
        }
        let hash = hash(line.bytes);
        if hash != self.hash || self.count == 0 {
            self.equal_count = self.hashes.iter().filter(|&&known| known == hash).count();
        }
        self.hash = hash;
        self.equal_count += 1;
        self.count += 1;
        if self.hashes.len() < HASHES_MAX {
            self.hashes.push(hash);
        }
    }

    /// Searches for the position after this line. The chain must start before the line.
    pub fn find(&self, chain: &mut Chain) -> Behind {
        let mut moment = None;
        let (mut equal_count, mut count) = (0, 0);
        let mut later = None;
        while chain.advance() || chain.finish() {
            moment = chain.stamp().map(|stamp| stamp.moment).or(moment);
            if let Some((LineStart { file, .. }, _)) = &later
                && *file != chain.place().file
            {
                // The remembered line cannot be in a file after the first later line's file.
                break;
            }
            if moment == self.moment {
                count += 1;
                equal_count += usize::from(hash(chain.line().bytes) == self.hash);
                if equal_count == self.equal_count
                    && let Some(place) = chain.rest_place()
                {
                    return Behind::Exact(place);
                }
            }
            let is_later = moment > self.moment || (moment == self.moment && count > self.count);
            if is_later && later.is_none() {
                later = Some((chain.place().clone(), moment));
            }
        }
        later.map_or(Behind::Nothing, |(place, moment)| Behind::Later(place, moment))
    }
}

/// FNV-1a hash. Cursors require an equal result in every version.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
