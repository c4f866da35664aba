//! The last line that was delivered, by which the place behind it is found again where the file is
//! gone: because a processor made another one of it, or because it was removed.
//!
//! A stamp alone would not do. In the directories of most writers many lines share one.

use crate::read::backward::Backward;
use crate::read::chain::Chain;
use crate::read::lines::{Line, LineStart};
use crate::read::stamp::Moment;

/// How many lines of one moment are told apart.
const HASHES_MAX: usize = 4096;

/// What is remembered of the last line delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastLine {
    /// Its moment, or that of the last line before it with a stamp.
    pub moment: Option<Moment>,
    /// Its bytes, hashed.
    pub hash: u64,
    /// How many lines of its moment were delivered with these bytes; at least 1 once there is a line.
    pub equal_count: usize,
    /// How many lines of its moment were delivered.
    pub count: usize,
    /// Hashes of the lines of its moment; at most [`HASHES_MAX`], and not kept in a cursor.
    hashes: Vec<u64>,
}

/// Where the line behind an anchor is.
#[derive(Debug, PartialEq, Eq)]
pub enum Behind {
    /// The anchor was found, and this is behind it.
    Exact(LineStart),
    /// The anchor is not there, and this is the first line that is later.
    Later(LineStart, Option<Moment>),
    /// Nothing later is there.
    Nothing,
}

impl LastLine {
    /// One that was kept in a cursor.
    pub fn kept(moment: Option<Moment>, hash: u64, equal_count: usize, count: usize) -> LastLine {
        LastLine { moment, hash, equal_count, count, hashes: Vec::new() }
    }

    /// As much of it as a cursor keeps.
    pub fn to_keep(&self) -> LastLine {
        LastLine::kept(self.moment, self.hash, self.equal_count, self.count)
    }

    /// That of the last line, from there on backward; of none where there is no line.
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

    /// Whether a line was delivered.
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

    /// Looks for the place behind the line in a chain that starts before it.
    pub fn find(&self, chain: &mut Chain) -> Behind {
        let mut moment = None;
        let (mut equal_count, mut count) = (0, 0);
        let mut later = None;
        while chain.advance() || chain.finish() {
            moment = chain.stamp().map(|stamp| stamp.moment).or(moment);
            if let Some((LineStart { file, .. }, _)) = &later
                && *file != chain.place().file
            {
                // What is later has gone on into another file; the line is not behind that.
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

/// FNV-1a: the same in every version of the program, which a cursor needs.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
