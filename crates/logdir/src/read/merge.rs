//! Merges lines of several directories by stamp time, forward and backward.
//!
//! The merge is stable: lines with equal moments follow directory order, and lines of one directory
//! keep their written order, whatever their stamps say. An unstamped line stays with the preceding
//! line.

use crate::read::backward::Backward;
use crate::read::range_lines::RangeLines;
use crate::read::stamp::Moment;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Sort key of a waiting directory: next line's moment, then directory number.
type Turn = Reverse<(Option<Moment>, usize)>;

/// Merges directories forward.
pub struct Merge {
    sources: Vec<RangeLines>,
    /// Directories with a line ready, except `current`.
    waiting: BinaryHeap<Turn>,
    current: Option<usize>,
}

impl Merge {
    /// Advances every source to its first line.
    pub fn new(sources: Vec<RangeLines>) -> Merge {
        let mut merge = Merge { sources, waiting: BinaryHeap::new(), current: None };
        for number in 0..merge.sources.len() {
            merge.wait_with(number);
        }
        merge
    }

    /// Advances to the next line overall. False at the end.
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

    /// Number of the current line's source.
    pub fn number(&self) -> usize {
        self.current.expect("a line was gone to")
    }

    /// Source of the current line.
    pub fn source(&self) -> &RangeLines {
        &self.sources[self.number()]
    }

    /// Unread bytes.
    pub fn left_len(&self) -> u64 {
        self.sources.iter().map(|source| source.chain().left_len()).sum()
    }

    /// All sources, by number.
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

/// Merges directories backward by time: exactly reverses a forward merge if each directory's stamps
/// are in order.
pub struct BackwardMerge {
    sources: Vec<Backward>,
    waiting: BinaryHeap<(Option<Moment>, usize)>,
    current: Option<usize>,
}

impl BackwardMerge {
    /// Advances every source to its last line.
    pub fn new(sources: Vec<Backward>) -> BackwardMerge {
        let waiting = BinaryHeap::new();
        let mut merge = BackwardMerge { sources, waiting, current: None };
        for number in 0..merge.sources.len() {
            merge.wait_with(number);
        }
        merge
    }

    /// Advances to the preceding line. False at the beginning.
    pub fn advance(&mut self) -> bool {
        if let Some(current) = self.current {
            self.wait_with(current);
        }
        self.current = self.waiting.pop().map(|(_, number)| number);
        self.current.is_some()
    }

    /// Current line's source and number.
    pub fn source(&self) -> (usize, &Backward) {
        let number = self.current.expect("a line was gone to");
        (number, &self.sources[number])
    }

    /// Unread bytes.
    pub fn left_len(&self) -> u64 {
        self.sources.iter().map(Backward::left_len).sum()
    }

    /// All sources, by number.
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
