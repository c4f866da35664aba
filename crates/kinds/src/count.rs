//! Counts of kinds, in bounded memory and independent of the order of lines.
//!
//! A log with at most [`KINDS_MAX`] kinds has them all. With more, each share of the kinds (those with
//! equal first words, by hash) keeps its [`SHARE_MAX`] kinds with the smallest hashes, with exact counts;
//! lines of the others are counted together. Which kinds are kept depends on the set of kinds alone, and a
//! flood of lines that begin alike takes no room from others.

use crate::hash::KindHash;
use crate::mask::{Masked, mask};
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

/// Kinds of a log that are all kept.
pub const KINDS_MAX: usize = 8192;
/// Shares of the kinds of a log with more.
const SHARE_COUNT: usize = 256;
/// Kinds of a share.
pub const SHARE_MAX: usize = KINDS_MAX / SHARE_COUNT;
/// Words that decide about the share.
const SHARE_WORDS: usize = 2;
/// Bytes of an example; longer ones are cut.
const EXAMPLE_LEN_MAX: usize = 256;

/// A kind with its count. `M` is a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind<M> {
    /// The text with what varies replaced.
    pub text: Vec<u8>,
    /// Lines.
    pub count: u64,
    /// Moment of the first line.
    pub first: Option<M>,
    /// Moment of the last line.
    pub last: Option<M>,
    /// The first line, cut after 256 bytes.
    pub example: Vec<u8>,
}

/// The kinds of a log.
#[derive(Clone, Debug)]
pub struct Kinds<M> {
    kinds: HashMap<KindHash, Kind<M>, BuildHasherDefault<AsItIs>>,
    /// Hashes by share, after more than [`KINDS_MAX`] kinds.
    shares: Option<Vec<BTreeSet<KindHash>>>,
    /// Lines of kinds that are not kept.
    other_count: u64,
    masked: Masked,
}

/// A hash of kinds is a hash already.
#[derive(Clone, Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.0 = (self.0 << 8) | u64::from(byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl<M: Copy + Ord> Default for Kinds<M> {
    fn default() -> Kinds<M> {
        Kinds::new()
    }
}

impl<M: Copy + Ord> Kinds<M> {
    /// No lines.
    pub fn new() -> Kinds<M> {
        let masked = Masked::default();
        Kinds { kinds: HashMap::default(), shares: None, other_count: 0, masked }
    }

    /// Counts a line without its stamp. Returns its kind's hash, and its addresses.
    pub fn add(&mut self, line: &[u8], moment: Option<M>) -> (KindHash, &Masked) {
        mask(line, &mut self.masked);
        let hash = KindHash::of(&self.masked.text);
        match self.kinds.get_mut(&hash) {
            Some(kind) => kind.add(line, moment),
            None => self.insert(hash, line, moment),
        }
        (hash, &self.masked)
    }

    fn insert(&mut self, hash: KindHash, line: &[u8], moment: Option<M>) {
        let share = share_of(&self.masked.text);
        if let Some(shares) = &self.shares {
            let is_full = shares[share].len() >= SHARE_MAX;
            if is_full && shares[share].last().is_some_and(|&largest| hash > largest) {
                self.other_count += 1;
                return;
            }
        }
        let text = self.masked.text.clone();
        let example = line[..line.len().min(EXAMPLE_LEN_MAX)].to_vec();
        let kind = Kind { text, count: 1, first: moment, last: moment, example };
        self.kinds.insert(hash, kind);
        if let Some(shares) = &mut self.shares {
            shares[share].insert(hash);
            self.trim(share);
        } else if self.kinds.len() > KINDS_MAX {
            self.divide();
        }
        assert!(self.kinds.len() <= KINDS_MAX);
    }

    fn divide(&mut self) {
        let mut shares = vec![BTreeSet::new(); SHARE_COUNT];
        for (&hash, kind) in &self.kinds {
            shares[share_of(&kind.text)].insert(hash);
        }
        self.shares = Some(shares);
        (0..SHARE_COUNT).for_each(|share| self.trim(share));
    }

    /// Removes the largest hashes of a share.
    fn trim(&mut self, share: usize) {
        let Some(shares) = &mut self.shares else { return };
        while shares[share].len() > SHARE_MAX {
            let largest = shares[share].pop_last();
            let kind = largest.and_then(|hash| self.kinds.remove(&hash));
            self.other_count += kind.map_or(0, |kind| kind.count);
        }
    }

    /// A kind.
    pub fn get(&self, hash: KindHash) -> Option<&Kind<M>> {
        self.kinds.get(&hash)
    }

    /// Kinds with their hashes: the most frequent first, equal counts by text.
    pub fn sorted(&self) -> Vec<(KindHash, &Kind<M>)> {
        let mut all: Vec<_> = self.kinds.iter().map(|(&hash, kind)| (hash, kind)).collect();
        all.sort_by(|(_, one), (_, other)| {
            other.count.cmp(&one.count).then_with(|| one.text.cmp(&other.text))
        });
        all
    }

    /// Kinds kept.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// True without lines.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Lines of forgotten kinds; 0 if every kind is kept.
    pub fn other_count(&self) -> u64 {
        self.other_count
    }
}

impl<M: Copy + Ord> Kind<M> {
    fn add(&mut self, line: &[u8], moment: Option<M>) {
        self.count += 1;
        let cut = &line[..line.len().min(EXAMPLE_LEN_MAX)];
        let is_earlier = match moment.cmp(&self.first) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => cut < self.example.as_slice(),
            std::cmp::Ordering::Greater => false,
        };
        if is_earlier {
            self.first = moment;
            self.example.clear();
            self.example.extend_from_slice(cut);
        }
        self.last = self.last.max(moment);
    }
}

/// The share of a kind, by its first words.
fn share_of(text: &[u8]) -> usize {
    let mut ends = text.iter().enumerate().filter(|(_, byte)| **byte == b' ').map(|(pos, _)| pos);
    let end = ends.nth(SHARE_WORDS - 1).unwrap_or(text.len());
    (KindHash::of(&text[..end]).0 % SHARE_COUNT as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(lines: &[String]) -> Kinds<u64> {
        let mut kinds = Kinds::new();
        for line in lines {
            kinds.add(line.as_bytes(), None);
        }
        kinds
    }

    /// A number in letters, which no rule masks.
    fn letters(number: usize) -> String {
        number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'g')).collect()
    }

    #[test]
    fn first_last_and_example_are_of_the_moments() {
        let mut kinds = Kinds::new();
        for moment in [5, 3, 9] {
            kinds.add(format!("msg {moment}").as_bytes(), Some(moment));
        }
        let sorted = kinds.sorted();
        let expected = Kind {
            text: b"msg #".to_vec(),
            count: 3,
            first: Some(3),
            last: Some(9),
            example: b"msg 3".to_vec(),
        };
        assert_eq!(sorted, [(KindHash::of(b"msg #"), &expected)]);
    }

    #[test]
    fn a_hostile_log_is_bounded_and_leaves_others_alone() {
        let hostile = |number: usize| format!("login of {}", letters(number));
        let mut lines: Vec<String> = (0..3 * KINDS_MAX).map(hostile).collect();
        lines.push("disk is failing".to_owned());
        let kinds = counted(&lines);
        assert!(kinds.len() <= KINDS_MAX);
        assert!(kinds.get(KindHash::of(b"disk is failing")).is_some());
        let counts: u64 = kinds.sorted().iter().map(|(_, kind)| kind.count).sum();
        assert_eq!(counts + kinds.other_count(), lines.len() as u64);
        lines.reverse();
        assert_eq!(counted(&lines).sorted(), kinds.sorted());
    }

    proptest! {
        #[test]
        fn the_order_of_lines_changes_nothing(
            lines in proptest::collection::vec("[ab]{1,2}( [ab]{1,2}){0,3}", 0..60)
                .prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle()))
        ) {
            let (one, other) = (counted(&lines.0), counted(&lines.1));
            prop_assert_eq!(one.sorted(), other.sorted());
        }
    }
}
