//! All the patterns in front of a sink as one tree, so that their number hardly matters.
//!
//! A star pattern never goes back, so where in the line it stands is a function of the part of the
//! pattern that has been matched. Patterns that begin alike therefore stand at the same place, and the
//! common beginning is matched once: each node of the tree is visited at most once a line.

use crate::pattern::PATTERN_HEAD_MAX as HEAD_MAX;
use memchr::memchr;

/// The patterns, and for each the rank it was given. Of those that match a line the highest counts.
#[derive(Debug)]
pub struct PatternTree {
    /// The root is the last one.
    nodes: Vec<Node>,
}

/// A rank, or 0 for none.
type Rank = u32;

/// What may follow a common beginning.
#[derive(Debug, Default)]
struct Node {
    /// Highest rank of all that begin so.
    best: Rank,
    /// The pattern that is nothing more: the line has to end here.
    ends: Rank,
    /// The pattern that goes on with a star and nothing else.
    ends_anyhow: Rank,
    /// Those that go on with these bytes, of which the first differs.
    texts: Vec<(Box<[u8]>, usize)>,
    /// The first byte of each of them: mostly none of them is that of the line.
    firsts: Vec<u8>,
    /// Those that go on with a star and this byte, the one with the highest rank first.
    skips: Vec<(u8, usize)>,
    /// The same by byte, where there are too many to look for one after the other.
    skips_by_byte: Option<Box<ByteTable>>,
}

/// The node for each byte, and [`NO_NODE`] for the others.
type ByteTable = [usize; 256];

const NO_NODE: usize = usize::MAX;

/// From so many different bytes on, one look at each byte of the line is cheaper than one search for
/// each of them.
const SEARCHES_MAX: usize = 4;

/// What is left of a pattern, and its rank.
type Rest<'a> = (&'a [u8], Rank);

impl PatternTree {
    /// The tree of these patterns; the first has rank 1.
    pub fn new<'a>(patterns: impl Iterator<Item = &'a [u8]>) -> PatternTree {
        let patterns: Vec<Vec<u8>> = patterns.map(without_third_stars).collect();
        let ranked = patterns.iter().map(Vec::as_slice).zip(1..);
        let mut rests: Vec<Rest> = ranked.filter(|(pattern, _)| can_match(pattern)).collect();
        rests.sort_unstable();
        let mut tree = PatternTree { nodes: Vec::new() };
        tree.add(&rests);
        tree
    }

    /// The highest rank of the patterns that match the whole of `line`, at most [`HEAD_MAX`] bytes.
    pub fn find(&self, line: &[u8]) -> Option<usize> {
        let mut found = 0;
        self.search(self.nodes.len() - 1, line, &mut found);
        found.checked_sub(1).map(|rank| rank as usize)
    }

    fn search(&self, node: usize, mut line: &[u8], found: &mut Rank) {
        let mut node = &self.nodes[node];
        while node.best > *found {
            *found = node.ends_anyhow.max(*found);
            let Some(&next) = line.first() else {
                *found = node.ends.max(*found);
                return;
            };
            match &node.skips_by_byte {
                Some(table) => self.skip_to_any(table, node.skips.len(), line, found),
                None => self.skip_to_each(&node.skips, line, found),
            }
            let Some(index) = node.firsts.iter().position(|&first| first == next) else { return };
            let (text, child) = &node.texts[index];
            let Some(rest) = line.strip_prefix(&**text) else { return };
            (node, line) = (&self.nodes[*child], rest);
        }
    }

    fn skip_to_each(&self, skips: &[(u8, usize)], line: &[u8], found: &mut Rank) {
        for &(byte, child) in skips {
            if self.nodes[child].best <= *found {
                break;
            }
            if let Some(pos) = memchr(byte, line) {
                self.search(child, behind_skip(line, pos), found);
            }
        }
    }

    fn skip_to_any(&self, table: &ByteTable, mut sought: usize, line: &[u8], found: &mut Rank) {
        let mut seen = [false; 256];
        for (pos, &byte) in line.iter().enumerate() {
            let child = table[usize::from(byte)];
            if child != NO_NODE && !seen[usize::from(byte)] {
                seen[usize::from(byte)] = true;
                self.search(child, behind_skip(line, pos), found);
                sought -= 1;
                if sought == 0 {
                    break;
                }
            }
        }
    }

    /// Adds the node of these rests, which are sorted, and all below it; returns its index.
    fn add(&mut self, rests: &[Rest]) -> usize {
        let best = rests.iter().map(|&(_, rank)| rank).max().unwrap_or(0);
        let mut node = Node { best, ..Node::default() };
        for group in rests.chunk_by(|(a, _), (b, _)| branch(a) == branch(b)) {
            let (first, rank) = group[group.len() - 1];
            match *first {
                [] => node.ends = rank,
                [b'*'] => node.ends_anyhow = rank,
                [b'*', byte, ..] => {
                    let used = if byte == b'*' { 1 } else { 2 };
                    node.skips.push((byte, self.add(&behind(group, used))));
                }
                [..] => {
                    let text = common_text(group);
                    let child = self.add(&behind(group, text.len()));
                    node.texts.push((text.into(), child));
                    node.firsts.push(text[0]);
                }
            }
        }
        node.skips.sort_by_key(|&(_, child)| std::cmp::Reverse(self.nodes[child].best));
        if node.skips.len() > SEARCHES_MAX {
            let mut table = Box::new([NO_NODE; 256]);
            node.skips.iter().for_each(|&(byte, child)| table[usize::from(byte)] = child);
            node.skips_by_byte = Some(table);
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }
}

/// What a star leaves of the line that skipped to `pos`. A star behind a star has not used up the
/// literal star that was found; any other byte has been matched.
fn behind_skip(line: &[u8], pos: usize) -> &[u8] {
    &line[if line[pos] == b'*' { pos } else { pos + 1 }..]
}

/// What tells apart the ways on from a node.
fn branch(rest: &[u8]) -> &[u8] {
    match rest {
        [b'*', _, ..] => &rest[..2],
        [_, ..] => &rest[..1],
        [] => rest,
    }
}

fn behind<'a>(group: &[Rest<'a>], used: usize) -> Vec<Rest<'a>> {
    group.iter().map(|&(rest, rank)| (&rest[used..], rank)).collect()
}

/// The bytes before the first star that all of a sorted group begin with.
fn common_text<'a>(group: &[Rest<'a>]) -> &'a [u8] {
    let ((first, _), (last, _)) = (group[0], group[group.len() - 1]);
    let same = first.iter().zip(last).take_while(|(a, b)| a == b && **a != b'*').count();
    &first[..same]
}

/// Three and more stars in a row say what two say, without consuming more of the line.
fn without_third_stars(pattern: &[u8]) -> Vec<u8> {
    let mut kept: Vec<u8> = Vec::with_capacity(pattern.len());
    for &byte in pattern {
        if byte != b'*' || !kept.ends_with(b"**") {
            kept.push(byte);
        }
    }
    kept
}

/// Whether there is a line that matches: each byte that is no star needs one. It also bounds the
/// depth of the tree.
fn can_match(pattern: &[u8]) -> bool {
    pattern.iter().filter(|&&byte| byte != b'*').count() <= HEAD_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::matches;
    use proptest::prelude::*;

    #[track_caller]
    fn check(patterns: &[&str], line: &str, expected: Option<usize>) {
        let tree = PatternTree::new(patterns.iter().map(|pattern| pattern.as_bytes()));
        assert_eq!(tree.find(line.as_bytes()), expected, "{patterns:?} on {line:?}");
    }

    #[test]
    fn the_last_pattern_that_matches_is_found() {
        check(&[], "a", None);
        check(&["a", "a", "b"], "a", Some(1));
        check(&["*", "a", "ab*"], "abc", Some(2));
        check(&["ab*", "a", "*"], "abc", Some(2));
        check(&["* b", "* c", "*"], "a c", Some(2));
        check(&["*ab", "*ac"], "aab", None);
        check(&["", "*"], "", Some(1));
        check(&["**", "***"], "a*b", Some(1));
        check(&["**", "***"], "ab", None);
    }

    #[test]
    fn patterns_that_need_more_than_a_head_match_nothing() {
        let long = "a".repeat(HEAD_MAX + 1);
        check(&[&long, &format!("*{long}")], &long[1..], None);
        check(&[&long[1..]], &long[1..], Some(0));
        check(&[&"*a".repeat(100_000), "*"], "a", Some(1));
        check(&[&"*".repeat(100_000)], "*", Some(0));
    }

    fn few_letters(most: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(proptest::sample::select(b"abcde** \xff\0".to_vec()), 0..most)
    }

    proptest! {
        #[test]
        fn agrees_with_trying_each_pattern(
            patterns in proptest::collection::vec(few_letters(8), 0..60),
            lines in proptest::collection::vec(few_letters(12), 1..20),
        ) {
            let tree = PatternTree::new(patterns.iter().map(Vec::as_slice));
            for line in lines {
                let slow = patterns.iter().rposition(|pattern| matches(pattern, &line));
                prop_assert_eq!(tree.find(&line), slow);
            }
        }
    }
}
