//! Hashes of kinds: equal in every version and on every machine, because states keep them.

use siphasher::sip::SipHasher24;
use std::fmt;
use std::hash::Hasher;

/// Hexadecimal digits of a hash.
const DIGITS: usize = 16;

/// The name of a kind: SipHash-2-4 of its text with a key of zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindHash(pub u64);

impl KindHash {
    /// Hashes a kind's text.
    pub fn of(text: &[u8]) -> KindHash {
        let mut hasher = SipHasher24::new();
        hasher.write(text);
        KindHash(hasher.finish())
    }

    /// Parses the 16 digits of a hash.
    pub fn parse(text: &str) -> Option<KindHash> {
        let is_hash = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| u64::from_str_radix(text, 16).ok().map(KindHash))?
    }
}

impl fmt::Display for KindHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_never_changes() {
        for (text, expected) in [("", "1e924b9d737700d7"), ("new msg #", "2a3494de2f3038d8")] {
            let hash = KindHash::of(text.as_bytes());
            assert_eq!(hash.to_string(), expected, "{text}");
            assert_eq!(KindHash::parse(expected), Some(hash));
        }
    }

    #[test]
    fn only_sixteen_hexadecimal_digits_are_a_hash() {
        for text in ["", "1e924b9d737700d", "1e924b9d737700d70", "+e924b9d737700d7", "x"] {
            assert_eq!(KindHash::parse(text), None, "{text}");
        }
    }
}
