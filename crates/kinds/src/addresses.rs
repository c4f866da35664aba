//! Counts of addresses, in bounded memory and independent of the order of lines.

use crate::hash::KindHash;
use std::collections::BTreeMap;

/// Addresses counted. With more, those with the smallest hashes are kept: a sample with exact counts.
pub const ADDRESSES_MAX: usize = 8192;
/// Bytes of an address that count.
const ADDRESS_LEN_MAX: usize = 128;

/// Addresses and their counts.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    counts: BTreeMap<KindHash, (Vec<u8>, u64)>,
    is_sample: bool,
}

impl Addresses {
    /// Counts an address.
    pub fn add(&mut self, address: &[u8]) {
        let address = &address[..address.len().min(ADDRESS_LEN_MAX)];
        let hash = KindHash::of(address);
        // Most addresses of a large log: this comparison is cheaper than a search.
        if self.is_sample && self.counts.last_key_value().is_some_and(|(last, _)| hash > *last) {
            return;
        }
        if let Some((_, count)) = self.counts.get_mut(&hash) {
            *count += 1;
            return;
        }
        self.counts.insert(hash, (address.to_vec(), 1));
        if self.counts.len() > ADDRESSES_MAX {
            self.counts.pop_last();
            self.is_sample = true;
        }
    }

    /// True if not all addresses were kept.
    pub fn is_sample(&self) -> bool {
        self.is_sample
    }

    /// Addresses with counts: the most frequent first, equal counts by text.
    pub fn sorted(&self) -> Vec<(&[u8], u64)> {
        let mut all: Vec<(&[u8], u64)> =
            self.counts.values().map(|(address, count)| (address.as_slice(), *count)).collect();
        all.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(numbers: impl Iterator<Item = usize>) -> Addresses {
        let mut addresses = Addresses::default();
        numbers.for_each(|number| addresses.add(number.to_string().as_bytes()));
        addresses
    }

    #[test]
    fn the_most_frequent_is_first() {
        let addresses = counted([3, 1, 2, 1, 2].into_iter());
        let expected: [(&[u8], u64); 3] = [(b"1", 2), (b"2", 2), (b"3", 1)];
        assert_eq!(addresses.sorted(), expected);
        assert!(!addresses.is_sample());
    }

    #[test]
    fn many_addresses_are_a_sample_that_does_not_depend_on_their_order() {
        let count = ADDRESSES_MAX * 3;
        let addresses = counted((0..count).chain(0..count));
        let reversed = counted((0..count).chain(0..count).rev());
        assert!(addresses.is_sample());
        assert_eq!(addresses.sorted().len(), ADDRESSES_MAX);
        assert_eq!(addresses.sorted(), reversed.sorted());
        assert!(addresses.sorted().iter().all(|(_, count)| *count == 2));
    }
}
