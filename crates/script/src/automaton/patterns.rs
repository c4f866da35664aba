//! Positions of star patterns in a line: the automaton's states and transitions. Slow code, called
//! once per transition.
//!
//! A star pattern never backtracks, so one position describes its progress. Patterns with equal
//! prefixes share a position.

use crate::head::HEAD_MAX;
use std::sync::Arc;

/// Longest shortcut text in bytes: one comparison's width.
pub const SHORTCUT_MAX: usize = 16;
/// Below this length, single bytes read equally fast.
const SHORTCUT_MIN: usize = 3;

/// Sorted by group and text: within a group, patterns with equal prefixes are neighbours.
#[derive(Debug)]
pub struct Patterns(Vec<Ranked>);

/// Pattern with group and rank: the highest matching rank decides a group.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    group: usize,
    text: Vec<u8>,
    rank: usize,
}

/// Positions of patterns that can still decide: everything relevant from the bytes read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State(Arc<[Place]>);

/// Shared position of patterns with equal prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Before byte `depth` of patterns `from` to `to`. Either all continue with a star and an equal
    /// next byte, or none with a star.
    Before { from: u32, to: u32, depth: u32 },
    /// Matches every continuation.
    Matched(u32),
}

/// Shortcut over several bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Shortcut<'a> {
    /// Only this text of 3 to [`SHORTCUT_MAX`] bytes leads to a match.
    Text(&'a [u8]),
    /// No change before this byte.
    Skip(u8),
}

impl State {
    /// True if later bytes cannot change the match.
    pub fn is_decided(&self) -> bool {
        self.0.iter().all(Place::is_matched)
    }

    /// Memory size in bytes.
    pub fn size(&self) -> usize {
        size_of_val(&*self.0)
    }
}

impl Place {
    fn is_matched(&self) -> bool {
        matches!(self, Place::Matched(_))
    }
}

impl Patterns {
    /// Collects patterns by group; later patterns outrank earlier ones in a group. Omits patterns
    /// that cannot match any line.
    pub fn new<'a>(patterns: impl Iterator<Item = (usize, &'a [u8])>) -> Patterns {
        let ranked = patterns.enumerate().map(|(rank, (group, text))| Ranked {
            group,
            text: without_third_stars(text),
            rank,
        });
        let mut patterns: Vec<Ranked> = ranked.filter(|ranked| can_match(&ranked.text)).collect();
        patterns.sort_unstable();
        Patterns(patterns)
    }

    /// Every byte of every pattern.
    pub fn bytes(&self) -> impl Iterator<Item = u8> {
        self.0.iter().flat_map(|ranked| ranked.text.iter().copied())
    }

    /// State at line start.
    pub fn start(&self) -> State {
        let mut places = Vec::new();
        let mut from = 0;
        for group in self.0.chunk_by(|a, b| a.group == b.group) {
            self.arrive(from, from + group.len(), 0, &mut places);
            from += group.len();
        }
        self.without_outranked(places)
    }

    /// State after a byte.
    pub fn step(&self, state: &State, byte: u8) -> State {
        let mut places = Vec::new();
        for &place in &*state.0 {
            self.step_from(place, byte, &mut places);
        }
        self.without_outranked(places)
    }

    /// Finds a shortcut over several bytes.
    pub fn shortcut(&self, state: &State) -> Option<Shortcut<'_>> {
        let mut rests = state.0.iter().filter_map(|place| match *place {
            Place::Before { from, to, depth } => {
                let rest = |pattern: u32| &self.0[pattern as usize].text[depth as usize..];
                Some((rest(from), rest(to - 1)))
            }
            Place::Matched(_) => None,
        });
        let (first, last) = rests.next()?;
        if let [b'*', sought, ..] = *first {
            let is_same = rests.all(|(first, _)| first.starts_with(&[b'*', sought]));
            return is_same.then_some(Shortcut::Skip(sought));
        }
        let same = first.iter().zip(last).take_while(|(a, b)| a == b && **a != b'*').count();
        let text = &first[..same.min(SHORTCUT_MAX)];
        (text.len() >= SHORTCUT_MIN && rests.next().is_none()).then_some(Shortcut::Text(text))
    }

    /// Moves the patterns of a place past a byte.
    fn step_from(&self, place: Place, byte: u8, places: &mut Vec<Place>) {
        let Place::Before { from, to, depth } = place else {
            places.push(place);
            return;
        };
        let (from, to, depth) = (from as usize, to as usize, depth as usize);
        match self.0[from].text[depth..] {
            // A literal star does not consume the second star of the pattern.
            [b'*', b'*', ..] if byte == b'*' => self.arrive(from, to, depth + 1, places),
            [b'*', sought, ..] if byte == sought => self.arrive(from, to, depth + 2, places),
            [b'*', ..] => places.push(place),
            _ => {
                // Sorted by continuation: complete patterns first.
                let patterns = &self.0[from..to];
                let next = |ranked: &Ranked| ranked.text.get(depth).copied();
                let start = patterns.partition_point(|ranked| next(ranked) < Some(byte));
                let end = patterns.partition_point(|ranked| next(ranked) <= Some(byte));
                self.arrive(from + start, from + end, depth + 1, places);
            }
        }
    }

    /// Adds places for patterns `from` to `to` at byte `depth`.
    fn arrive(&self, mut from: usize, to: usize, depth: usize, places: &mut Vec<Place>) {
        let star = |ranked: &Ranked| match ranked.text[depth..] {
            [b'*', ref behind @ ..] => Some(behind.first().copied()),
            [..] => None,
        };
        for group in self.0[from..to].chunk_by(|a, b| star(a) == star(b)) {
            let end = from + group.len();
            places.push(match star(&group[0]) {
                // Among equal texts, the last pattern has the highest rank.
                Some(None) => Place::Matched(end as u32 - 1),
                Some(Some(_)) | None => {
                    Place::Before { from: from as u32, to: end as u32, depth: depth as u32 }
                }
            });
            from = end;
        }
    }

    /// State without places that a higher-ranked match has overruled.
    fn without_outranked(&self, mut places: Vec<Place>) -> State {
        let matched: Vec<&Ranked> = places
            .iter()
            .filter(|place| place.is_matched())
            .filter_map(|place| self.highest(place))
            .collect();
        places.retain(|place| {
            self.highest(place).is_some_and(|highest| {
                let outranks =
                    |other: &&Ranked| other.group == highest.group && other.rank > highest.rank;
                !matched.iter().any(outranks)
            })
        });
        State(places.into())
    }

    /// Picks the highest rank among the patterns at a place.
    fn highest(&self, place: &Place) -> Option<&Ranked> {
        match *place {
            Place::Before { from, to, depth: _ } => {
                self.0[from as usize..to as usize].iter().max_by_key(|ranked| ranked.rank)
            }
            Place::Matched(pattern) => self.0.get(pattern as usize),
        }
    }
}

/// Three or more consecutive stars equal two stars and consume no further bytes.
fn without_third_stars(pattern: &[u8]) -> Vec<u8> {
    let mut kept: Vec<u8> = Vec::with_capacity(pattern.len());
    for &byte in pattern {
        if byte != b'*' || !kept.ends_with(b"**") {
            kept.push(byte);
        }
    }
    kept
}

/// True if some line can match: each byte except stars needs one byte of a head.
fn can_match(pattern: &[u8]) -> bool {
    pattern.iter().filter(|&&byte| byte != b'*').count() <= HEAD_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_shortcut(patterns: &[&str], read: &str, expected: Option<Shortcut>) {
        let patterns = Patterns::new(patterns.iter().map(|pattern| (0, pattern.as_bytes())));
        let state = read.bytes().fold(patterns.start(), |state, byte| patterns.step(&state, byte));
        assert_eq!(patterns.shortcut(&state), expected, "behind {read:?}");
    }

    #[test]
    fn a_text_is_a_shortcut_where_nothing_else_leads_on() {
        check_shortcut(&["abcd*"], "", Some(Shortcut::Text(b"abcd")));
        check_shortcut(&["abcd*"], "ab", None);
        check_shortcut(&["abcd*", "abce"], "", Some(Shortcut::Text(b"abc")));
        check_shortcut(&["abcd*", "*x"], "", None);
        check_shortcut(&["abcd*", "x"], "", None);
        check_shortcut(&["abcd*", "x"], "a", Some(Shortcut::Text(b"bcd")));
        check_shortcut(&["abcd*", "abc"], "", Some(Shortcut::Text(b"abc")));
        check_shortcut(&["ab*cdef"], "abc", Some(Shortcut::Text(b"def")));
        check_shortcut(&["0123456789abcdefgh"], "", Some(Shortcut::Text(b"0123456789abcdef")));
        check_shortcut(&["abcd*", "*"], "", None);
    }

    #[test]
    fn a_star_is_a_shortcut_where_all_look_for_the_same_byte() {
        check_shortcut(&["*x"], "", Some(Shortcut::Skip(b'x')));
        check_shortcut(&["*x", "*xy", "a*x"], "a", Some(Shortcut::Skip(b'x')));
        check_shortcut(&["*x", "*y"], "", None);
        check_shortcut(&["*x", "ab"], "", None);
        check_shortcut(&["**"], "a", Some(Shortcut::Skip(b'*')));
        check_shortcut(&["*"], "", None);
    }

    #[test]
    fn what_is_outranked_does_not_matter() {
        let patterns = ["ab*", "b*c", "a*"].map(|pattern| (0, pattern.as_bytes()));
        let patterns = Patterns::new(patterns.into_iter());
        assert!(patterns.step(&patterns.start(), b'a').is_decided());
        assert!(!patterns.step(&patterns.start(), b'b').is_decided());
        let groups = ["ab*", "a*"].map(str::as_bytes);
        let patterns = Patterns::new(groups.into_iter().enumerate());
        assert!(!patterns.step(&patterns.start(), b'a').is_decided());
    }
}
