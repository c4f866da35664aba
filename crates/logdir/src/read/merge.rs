//! The lines of several directories as one stream, by the time of their stamps, forward and backward.
//!
//! The merge is stable: lines of the same moment come in the order of their directories, and those of
//! one directory stay in the order they were written, whatever their stamps say. A line without a stamp
//! stays with the one before it.

use crate::read::backward::Backward;
use crate::read::range_lines::RangeLines;
use crate::read::stamp::Moment;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What orders a directory that waits for its turn: the moment of its next line, then its number.
type Turn = Reverse<(Option<Moment>, usize)>;

/// Several directories, one line after the other.
pub struct Merge {
    sources: Vec<RangeLines>,
    /// Directories whose next line has been gone to, but the one in `current`.
    waiting: BinaryHeap<Turn>,
    current: Option<usize>,
}

impl Merge {
    /// Goes to the first line of each source.
    pub fn new(sources: Vec<RangeLines>) -> Merge {
        let mut merge = Merge { sources, waiting: BinaryHeap::new(), current: None };
        for number in 0..merge.sources.len() {
            merge.wait_with(number);
        }
        merge
    }

    /// Goes to the next line of all. False when there is none.
    pub fn advance(&mut self) -> bool {
        let Some(current) = self.current else { return self.take_turn() };
        let source = &mut self.sources[current];
        if !source.advance() {
            return self.take_turn();
        }
        let turn = Reverse((source.moment(), current));
        if source.is_attached() || self.waiting.peek().is_none_or(|first| turn > *first) {
            return true;
        }
        self.waiting.push(turn);
        self.take_turn()
    }

    /// The number of the source whose line was gone to.
    pub fn number(&self) -> usize {
        self.current.expect("a line was gone to")
    }

    /// The source whose line was gone to.
    pub fn source(&self) -> &RangeLines {
        &self.sources[self.number()]
    }

    /// Bytes left to be read.
    pub fn left_len(&self) -> u64 {
        self.sources.iter().map(|source| source.chain().left_len()).sum()
    }

    /// All sources, by their numbers.
    pub fn sources_mut(&mut self) -> &mut [RangeLines] {
        &mut self.sources
    }

    fn wait_with(&mut self, number: usize) {
        let source = &mut self.sources[number];
        if source.advance() {
            self.waiting.push(Reverse((source.moment(), number)));
        }
    }

    fn take_turn(&mut self) -> bool {
        self.current = self.waiting.pop().map(|Reverse((_, number))| number);
        self.current.is_some()
    }
}

/// Several directories, a line before the other by time: exactly the reverse of a merge, as long as the
/// stamps of each directory are in order.
pub struct BackwardMerge {
    sources: Vec<Backward>,
    waiting: BinaryHeap<(Option<Moment>, usize)>,
    current: Option<usize>,
}

impl BackwardMerge {
    /// Goes to the last line of each.
    pub fn new(sources: Vec<Backward>) -> BackwardMerge {
        let waiting = BinaryHeap::new();
        let mut merge = BackwardMerge { sources, waiting, current: None };
        for number in 0..merge.sources.len() {
            merge.wait_with(number);
        }
        merge
    }

    /// Goes to the line before. False when there is none.
    pub fn advance(&mut self) -> bool {
        if let Some(current) = self.current {
            self.wait_with(current);
        }
        self.current = self.waiting.pop().map(|(_, number)| number);
        self.current.is_some()
    }

    /// The number of the source whose line was gone to, and that source.
    pub fn source(&self) -> (usize, &Backward) {
        let number = self.current.expect("a line was gone to");
        (number, &self.sources[number])
    }

    /// Bytes left to be read.
    pub fn left_len(&self) -> u64 {
        self.sources.iter().map(Backward::left_len).sum()
    }

    /// All sources, by their numbers.
    pub fn sources_mut(&mut self) -> &mut [Backward] {
        &mut self.sources
    }

    fn wait_with(&mut self, number: usize) {
        let source = &mut self.sources[number];
        if source.advance() {
            self.waiting.push((source.moment(), number));
        }
    }
}
