//! One lazily built automaton for all star patterns of a script: it reads each byte of a line once
//! and stops at the deciding byte.
//!
//! The automaton does not know the routes. It stores one verdict for each set of lines that no
//! pattern distinguishes.

mod patterns;

use memchr::memchr;
use patterns::{Patterns, SHORTCUT_MAX, Shortcut, State};
use std::collections::BTreeMap;

/// Memory limit for states: base, bytes per pattern byte, maximum.
const MEMORY_BASE: usize = 64 * 1024;
const MEMORY_PER_BYTE: usize = 64;
const MEMORY_MAX: usize = 4 * 1024 * 1024;

/// A state pays off if it serves `LINES_PER_STATE` lines on average. Otherwise the next
/// `LINES_WITHOUT` lines are judged without states before another attempt.
const LINES_PER_STATE: usize = 8;
const LINES_WITHOUT: usize = 10_000;

/// Next row, or a marked value below.
type Cell = u32;
/// Cells from here up lead to rows with shortcuts.
const SHORTCUT: Cell = 1 << 30;
/// Cells from here up hold a verdict.
const VERDICT: Cell = 1 << 31;
/// Unexplored transition.
const UNKNOWN: Cell = Cell::MAX;

/// Cell of the start state.
const START: usize = 0;
/// First row of the table.
const FIRST_ROW: usize = START + 1;

/// Column for end of line, after the byte columns.
const END_COLUMN: usize = 0;
/// Column for the shortcut's text.
const TEXT_COLUMN: usize = 1;
/// Column for the shortcut's number.
const SHORTCUT_COLUMN: usize = 2;
const OTHER_COLUMNS: usize = 3;

/// Lazily built automaton.
#[derive(Debug)]
pub struct Automaton {
    patterns: Patterns,
    /// Column of each byte. Bytes absent from every pattern share the first column.
    columns: Box<[u16; 256]>,
    /// Count of byte columns.
    byte_columns: usize,
    /// Start cell, then one row per state.
    table: Vec<Cell>,
    /// States by row; rows with shortcut marks.
    states: Vec<State>,
    rows: BTreeMap<State, Cell>,
    shortcuts: Vec<Known>,
    /// Memory used, in bytes.
    memory_len: usize,
    memory_max: usize,
    /// Lines since the first state.
    line_count: usize,
    /// Remaining lines to judge without states.
    without_count: usize,
}

/// Shortcut, prepared for comparison.
#[derive(Debug)]
enum Known {
    /// Expected text: compares `len` bytes of `bytes` under `mask`.
    Text { bytes: u128, mask: u128, len: usize },
    /// Skips to this byte.
    Skip(u8),
}

/// Transition result.
enum Next {
    State(Cell),
    /// No later byte changes the verdict.
    Decided,
    /// Memory limit reached.
    NoRoom,
}

impl Automaton {
    /// Builds the automaton from grouped patterns. The last matching pattern decides each group.
    pub fn new<'a>(patterns: impl Iterator<Item = (usize, &'a [u8])>) -> Automaton {
        let patterns = Patterns::new(patterns);
        let (columns, byte_columns) = columns(patterns.bytes());
        let memory_max = MEMORY_BASE + MEMORY_PER_BYTE * patterns.bytes().count();
        Automaton {
            patterns,
            columns,
            byte_columns,
            table: Vec::new(),
            states: Vec::new(),
            rows: BTreeMap::new(),
            shortcuts: Vec::new(),
            memory_len: 0,
            memory_max: memory_max.min(MEMORY_MAX),
            line_count: 0,
            without_count: 0,
        }
    }

    /// Finds the verdict for a line. Lines that no pattern distinguishes share one verdict, which
    /// `judge` creates for the first such line. Returns `None` at the memory limit.
    #[inline]
    pub fn find(&mut self, line: &[u8], judge: impl FnOnce() -> u16) -> Option<u16> {
        if self.table.is_empty() && !self.begin() {
            return None;
        }
        self.line_count += 1;
        let (mut rest, mut cell, mut read_len) = (line, START, 0);
        loop {
            let mut row = loop {
                let next = match self.table[cell] {
                    next @ ..VERDICT => next,
                    UNKNOWN => match self.explore(cell, &rest[..read_len]) {
                        Next::State(next) => next,
                        Next::Decided => return Some(self.remember(cell, judge())),
                        Next::NoRoom => return None,
                    },
                    verdict => return Some(verdict as u16),
                };
                rest = &rest[read_len..];
                if next < SHORTCUT {
                    break next as usize;
                }
                (cell, read_len) = self.take_shortcut((next & !SHORTCUT) as usize, rest);
            };
            // Bytes until a cell holds more than a row.
            (cell, read_len) = loop {
                let Some((&byte, behind)) = rest.split_first() else {
                    break (self.other_cell(row, END_COLUMN), 0);
                };
                let cell = self.byte_cell(row, byte);
                match self.table[cell] {
                    next @ ..SHORTCUT => row = next as usize,
                    SHORTCUT.. => break (cell, 1),
                }
                rest = behind;
            };
        }
    }

    /// Discards all states and verdicts.
    pub fn forget(&mut self) {
        self.table = Vec::new();
        self.states = Vec::new();
        self.rows = BTreeMap::new();
        self.shortcuts = Vec::new();
        self.memory_len = 0;
        self.line_count = 0;
    }

    fn byte_cell(&self, row: usize, byte: u8) -> usize {
        row + usize::from(self.columns[usize::from(byte)])
    }

    fn other_cell(&self, row: usize, column: usize) -> usize {
        row + self.byte_columns + column
    }

    /// Follows a shortcut: returns the next cell and the bytes read.
    #[inline(always)]
    fn take_shortcut(&self, row: usize, rest: &[u8]) -> (usize, usize) {
        match self.shortcuts[self.table[self.other_cell(row, SHORTCUT_COLUMN)] as usize] {
            Known::Text { bytes, mask, len } if begins_with(rest, bytes, mask) => {
                return (self.other_cell(row, TEXT_COLUMN), len);
            }
            Known::Skip(byte) => {
                if let Some(pos) = memchr(byte, rest) {
                    return (self.byte_cell(row, byte), pos + 1);
                }
                return (self.other_cell(row, END_COLUMN), rest.len());
            }
            Known::Text { .. } => {}
        }
        match rest.first() {
            Some(&byte) => (self.byte_cell(row, byte), 1),
            None => (self.other_cell(row, END_COLUMN), 0),
        }
    }

    /// Creates the first state, unless the pause without states continues.
    #[cold]
    fn begin(&mut self) -> bool {
        self.without_count = self.without_count.saturating_sub(1);
        if self.without_count == 0 {
            self.table = vec![UNKNOWN; FIRST_ROW];
            self.table[START] = self.row_of(self.patterns.start());
        }
        self.without_count == 0
    }

    fn remember(&mut self, cell: usize, verdict: u16) -> u16 {
        self.table[cell] = VERDICT | Cell::from(verdict);
        verdict
    }

    /// Computes the transition for these bytes and stores the new state if memory allows.
    #[cold]
    fn explore(&mut self, cell: usize, bytes: &[u8]) -> Next {
        let place = cell - FIRST_ROW;
        let (state, column) = (place / self.row_len(), place % self.row_len());
        let step = |state: State, &byte: &u8| self.patterns.step(&state, byte);
        let next = bytes.iter().fold(self.states[state].clone(), step);
        if next.is_decided() || column == self.byte_columns + END_COLUMN {
            return Next::Decided;
        }
        if self.memory_len >= self.memory_max {
            if self.line_count < LINES_PER_STATE * self.states.len() {
                self.without_count = LINES_WITHOUT;
            }
            self.forget();
            return Next::NoRoom;
        }
        self.table[cell] = self.row_of(next);
        Next::State(self.table[cell])
    }

    fn row_len(&self) -> usize {
        self.byte_columns + OTHER_COLUMNS
    }

    /// Returns the row of a state, creating it if needed, with its shortcut mark.
    fn row_of(&mut self, state: State) -> Cell {
        if let Some(&known) = self.rows.get(&state) {
            return known;
        }
        let row = self.table.len();
        let mut known = row as Cell;
        self.memory_len += self.row_len() * size_of::<Cell>() + state.size();
        self.table.resize(row + self.row_len(), UNKNOWN);
        if let Some(shortcut) = self.patterns.shortcut(&state) {
            let number = self.other_cell(row, SHORTCUT_COLUMN);
            self.table[number] = self.shortcuts.len() as Cell;
            self.shortcuts.push(Known::from(shortcut));
            known |= SHORTCUT;
        }
        self.states.push(state.clone());
        self.rows.insert(state, known);
        known
    }
}

impl From<Shortcut<'_>> for Known {
    fn from(shortcut: Shortcut) -> Known {
        match shortcut {
            Shortcut::Text(text) => {
                let (mut bytes, mut mask) = ([0; SHORTCUT_MAX], [0; SHORTCUT_MAX]);
                bytes[..text.len()].copy_from_slice(text);
                mask[..text.len()].fill(0xff);
                let (bytes, mask) = (u128::from_ne_bytes(bytes), u128::from_ne_bytes(mask));
                Known::Text { bytes, mask, len: text.len() }
            }
            Shortcut::Skip(byte) => Known::Skip(byte),
        }
    }
}

/// Compares a line's start under a mask; false for fewer than [`SHORTCUT_MAX`] bytes.
fn begins_with(rest: &[u8], bytes: u128, mask: u128) -> bool {
    let begin = rest.first_chunk::<SHORTCUT_MAX>();
    begin.is_some_and(|begin| (u128::from_ne_bytes(*begin) ^ bytes) & mask == 0)
}

/// Assigns a column to each byte; counts columns.
fn columns(bytes: impl Iterator<Item = u8>) -> (Box<[u16; 256]>, usize) {
    let mut columns = Box::new([0; 256]);
    let mut count = 1;
    for byte in bytes {
        let column = &mut columns[usize::from(byte)];
        if *column == 0 {
            *column = count;
            count += 1;
        }
    }
    (columns, usize::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::HEAD_MAX;
    use crate::pattern::matches;
    use proptest::prelude::*;

    /// Last matching pattern of each group.
    type Last = Vec<Option<usize>>;

    /// Test automaton: reports the last matching pattern by group.
    struct Finder {
        groups: Vec<Vec<Vec<u8>>>,
        automaton: Automaton,
        verdicts: Vec<Last>,
    }

    impl Finder {
        fn new(groups: &[Vec<Vec<u8>>]) -> Finder {
            let patterns = groups.iter().enumerate().flat_map(|(group, patterns)| {
                patterns.iter().map(move |pattern| (group, pattern.as_slice()))
            });
            Finder {
                groups: groups.to_vec(),
                automaton: Automaton::new(patterns),
                verdicts: Vec::new(),
            }
        }

        fn slow(&self, line: &[u8]) -> Last {
            let last = |patterns: &Vec<Vec<u8>>| {
                patterns.iter().rposition(|pattern| matches(pattern, line))
            };
            self.groups.iter().map(last).collect()
        }

        /// `None`: memory limit reached.
        fn find(&mut self, line: &[u8]) -> Option<Last> {
            let slow = self.slow(line);
            let verdict = self.automaton.find(line, || {
                self.verdicts.push(slow);
                self.verdicts.len() as u16 - 1
            });
            verdict.map(|verdict| self.verdicts[usize::from(verdict)].clone())
        }
    }

    fn texts(patterns: &[&str]) -> Vec<Vec<u8>> {
        patterns.iter().map(|pattern| pattern.as_bytes().to_vec()).collect()
    }

    /// Checks lines that these patterns distinguish, and lines that share a verdict.
    #[track_caller]
    fn check(patterns: &[&str], seen: &[&str], known: &[(&str, Option<usize>)]) {
        let mut finder = Finder::new(&[texts(patterns)]);
        for line in seen {
            assert!(finder.find(line.as_bytes()).is_some());
        }
        let verdicts_len = finder.verdicts.len();
        for (line, expected) in known {
            assert_eq!(finder.find(line.as_bytes()), Some(vec![*expected]), "{line:?}");
            assert_eq!(finder.verdicts.len(), verdicts_len, "{line:?} is known");
        }
    }

    #[test]
    fn lines_are_known_from_others_that_no_pattern_tells_apart() {
        check(&["a b*"], &["a bc", "d"], &[("a b", Some(0)), ("a bdddd", Some(0)), ("dd", None)]);
        check(&["* x", "*"], &["a x", "a y"], &[("b x", Some(1)), ("bb y", Some(1))]);
        check(&["*ab"], &["aab", "ab"], &[("aac", None), ("xab", Some(0))]);
        check(&["**", "***"], &["a*b", "ab"], &[("b*", Some(1)), ("b", None)]);
        check(&["", "a"], &["", "a", "b"], &[("bb", None)]);
    }

    #[test]
    fn nothing_is_looked_at_behind_the_byte_that_decides() {
        check(&["ab*", "a*"], &["abx"], &[("abab", Some(1)), ("aby", Some(1)), ("ac", Some(1))]);
    }

    #[test]
    fn patterns_that_need_more_than_a_head_match_nothing() {
        let long = "a".repeat(HEAD_MAX + 1);
        let groups = [texts(&[&long, &format!("*{long}"), &"*a".repeat(100_000), &long[1..]])];
        let mut finder = Finder::new(&groups);
        assert_eq!(finder.find(&long.as_bytes()[1..]), Some(vec![Some(3)]));
        assert_eq!(finder.automaton.patterns.bytes().count(), HEAD_MAX);
    }

    #[test]
    fn a_thousand_patterns_that_skip_take_no_more_states_than_bytes() {
        let patterns: Vec<String> = (0..1000).map(|number| format!("*: user{number}@*")).collect();
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let mut finder = Finder::new(&[texts(&patterns)]);
        for number in 0..2000 {
            let line = format!("message {number}: user{number}@host");
            let expected = vec![(number < 1000).then_some(number)];
            assert_eq!(finder.find(line.as_bytes()), Some(expected), "{line}");
        }
        assert!(finder.automaton.states.len() < 2500, "{}", finder.automaton.states.len());
    }

    /// Patterns at different positions, in every combination.
    #[test]
    fn states_without_end_are_given_up_and_begun_again() {
        let patterns: Vec<String> =
            (b'a'..=b'z').map(char::from).map(|letter| format!("*{letter}{letter}*")).collect();
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let mut finder = Finder::new(&[texts(&patterns)]);
        let memory_max = finder.automaton.memory_max;
        let (mut random, mut without, mut with) = (1_u64, 0, 0);
        for _ in 0..3 * LINES_WITHOUT {
            let line: Vec<u8> = (0..40)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    b'a' + (random >> 33) as u8 % 26
                })
                .collect();
            match finder.find(&line) {
                Some(found) => {
                    assert_eq!(found, finder.slow(&line));
                    with += 1;
                }
                None => without += 1,
            }
            assert!(finder.automaton.memory_len < memory_max + 4096);
        }
        assert!(without > 2 * LINES_WITHOUT && with > 2, "{without} {with}");
    }

    fn few_letters(most: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(proptest::sample::select(b"abcde** \xff\0".to_vec()), 0..most)
    }

    proptest! {
        #[test]
        fn agrees_with_trying_each_pattern(
            groups in proptest::collection::vec(
                proptest::collection::vec(few_letters(8), 0..20), 0..4,
            ),
            lines in proptest::collection::vec(few_letters(12), 1..40),
        ) {
            let mut finder = Finder::new(&groups);
            for line in lines {
                let slow = finder.slow(&line);
                prop_assert_eq!(finder.find(&line), Some(slow));
            }
        }
    }
}
