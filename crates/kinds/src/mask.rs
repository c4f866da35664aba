//! A line to its kind: what varies is replaced.
//!
//! [`rules::RULES`] is the definition: at each byte the first rule that matches there replaces what it
//! matches; without one the byte is copied. [`mask`] leaves out positions, and rules at a position, that
//! cannot match.

mod candidates;
mod places;
mod rules;

pub use places::LINE_LEN_MAX;
use places::{BLOCK_LEN, Places};
use rules::Rule;
use std::ops::Range;

/// Bytes of a kind's text; longer ones are cut.
pub const KIND_LEN_MAX: usize = 256;

/// A kind's text, and where its line has addresses. Reused from line to line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    /// The kind's text, any bytes.
    pub text: Vec<u8>,
    /// Places of IP and mail addresses in the line.
    pub addresses: Vec<Range<usize>>,
}

impl Masked {
    fn clear(&mut self) {
        self.text.clear();
        self.addresses.clear();
    }

    /// Appends the rest of a line.
    fn finish(&mut self, rest: &[u8]) {
        let len_max = KIND_LEN_MAX.saturating_sub(self.text.len());
        self.text.extend_from_slice(&rest[..rest.len().min(len_max)]);
        self.text.truncate(KIND_LEN_MAX);
    }

    fn replace(&mut self, rule: &Rule, line: &[u8], pos: usize, range: Range<usize>) -> usize {
        assert!(pos <= range.start && range.start < range.end && range.end <= line.len());
        self.text.extend_from_slice(&line[pos..range.start]);
        self.text.extend_from_slice(rule.becomes);
        if rule.is_address {
            self.addresses.push(range.clone());
        }
        range.end
    }
}

/// Masks a line without its stamp and newline.
pub fn mask(line: &[u8], masked: &mut Masked) {
    masked.clear();
    let line = &line[..line.len().min(LINE_LEN_MAX)];
    let places = Places::of(line);
    // All before this position is masked.
    let mut done = 0;
    for number in 0..line.len().div_ceil(BLOCK_LEN) {
        let mut bits = places.of_block(number);
        while bits != 0 {
            let pos = number * BLOCK_LEN + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if pos < done {
                continue;
            }
            if masked.text.len() + (pos - done) >= KIND_LEN_MAX {
                return masked.finish(&line[done..]);
            }
            let candidates = candidates::of(line, pos, places.is_mail(pos));
            if let Some((rule, range)) = rules::first(candidates, line, pos) {
                masked.text.extend_from_slice(&line[done..pos]);
                done = masked.replace(rule, line, pos, range);
            }
        }
    }
    masked.finish(&line[done..]);
}

#[cfg(test)]
mod tests;
