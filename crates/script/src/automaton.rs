//! All the star patterns of a script as one automaton: it reads each byte of a line once, and none behind
//! the one that decides. Only as much of it is made as lines have needed.
//!
//! It does not know what is decided. It remembers what it was told of the first line that no pattern tells
//! apart from the one at hand.

mod patterns;

use memchr::memchr;
use patterns::{Patterns, SHORTCUT_MAX, Shortcut, State};
use std::collections::BTreeMap;

/// Memory for states: a base, more per pattern byte, and a maximum.
const MEMORY_BASE: usize = 64 * 1024;
const MEMORY_PER_BYTE: usize = 64;
const MEMORY_MAX: usize = 4 * 1024 * 1024;

/// States pay off where so many lines were judged for each that was made. Where they did not, so many
/// lines are judged without any before it is tried again.
const LINES_PER_STATE: usize = 8;
const LINES_WITHOUT: usize = 10_000;

/// Where a line continues: the row of the next state, or a marked value below.
type Cell = u32;
/// Cells from here up lead to a row with a shortcut.
const SHORTCUT: Cell = 1 << 30;
/// Cells from here up hold a verdict.
const VERDICT: Cell = 1 << 31;
/// Nothing yet.
const UNKNOWN: Cell = Cell::MAX;

/// The cell that leads to the state where a line begins.
const START: usize = 0;
/// The rows are behind it.
const FIRST_ROW: usize = START + 1;

/// Behind the columns of bytes a row has one for the end of the line, ...
const END_COLUMN: usize = 0;
/// ... the text of the shortcut, ...
const TEXT_COLUMN: usize = 1;
/// ... and the number of the shortcut.
const SHORTCUT_COLUMN: usize = 2;
const OTHER_COLUMNS: usize = 3;

/// The automaton of some patterns.
#[derive(Debug)]
pub struct Automaton {
    patterns: Patterns,
    /// The column of each byte. Bytes that are in no pattern share the first.
    columns: Box<[u16; 256]>,
    /// Columns of bytes.
    byte_columns: usize,
    /// A cell for where a line begins, and a row for each state.
    table: Vec<Cell>,
    /// The states by row, and their rows with the mark of a shortcut.
    states: Vec<State>,
    rows: BTreeMap<State, Cell>,
    shortcuts: Vec<Known>,
    /// Bytes that all this takes.
    memory_len: usize,
    memory_max: usize,
    /// Lines since the first state was made.
    line_count: usize,
    /// Lines to be judged before the next one is.
    without_count: usize,
}

/// A shortcut, ready to be compared.
#[derive(Debug)]
enum Known {
    /// Where a line goes on with `bytes` as far as `mask` says, which is `len` bytes.
    Text { bytes: u128, mask: u128, len: usize },
    /// Up to this byte.
    Skip(u8),
}

/// Where bytes lead.
enum Next {
    State(Cell),
    /// Whatever follows, nothing changes.
    Decided,
    /// Memory for the next state is short.
    NoRoom,
}

impl Automaton {
    /// Builds the automaton of patterns with their groups. Within a group the last matching pattern
    /// counts.
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

    /// Finds the verdict on a line. Lines that all patterns treat alike share one verdict, made by
    /// `judge` for the first such line. `None` if memory for states is short.
    #[inline]
    pub fn find(&mut self, line: &[u8], judge: impl FnOnce() -> u16) -> Option<u16> {
        if self.table.is_empty() && !self.begin() {
            return None;
        }
        self.line_count += 1;
        let (mut rest, mut cell, mut read_len) = (line, START, 0);
        loop {
            // One shortcut after the other.
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
            // One byte after the other, up to a cell that tells more than the next row.
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

    /// Forgets all states, and with them every verdict.
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

    /// The cell that tells where a line goes on from a state with a shortcut, and how many bytes of the line
    /// lead there.
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

    /// Makes the first state, unless lines are to be judged without any for a while.
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

    /// Finds out where these bytes lead from the state of a cell that is theirs. A state is kept there.
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

    /// Returns the row of a state, making it if needed, with the mark of a shortcut.
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

/// Assigns a column to each byte, and counts columns.
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

    /// The last pattern of each group that matches.
    type Last = Vec<Option<usize>>;

    /// An automaton that tells which pattern is the last to match, by group.
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

        /// `None` if memory was short.
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

    /// Lines that are told apart by these patterns, and lines that have to be known from them.
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

    /// Every one of these patterns stands somewhere else, in every combination.
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
