//! Newline positions of a block, found in 64-byte comparisons, so short lines cost little more than
//! their bytes. A separate memchr call per line takes longer than scanning a short line.

use wide::u8x16;

/// Bytes per comparison: one bit each in a [`u64`].
const STRETCH_LEN: usize = 64;

/// Iterator over newline positions.
#[derive(Clone, Debug)]
pub struct Newlines<'a> {
    block: &'a [u8],
    /// Start of the current stretch; a multiple of [`STRETCH_LEN`].
    start: usize,
    /// Newlines not yet returned: one bit per byte, first byte lowest.
    untold: u64,
}

impl<'a> Newlines<'a> {
    /// Newlines of this block.
    pub fn new(block: &'a [u8]) -> Newlines<'a> {
        Newlines { block, start: 0, untold: newlines_at_start(block) }
    }
}

impl Iterator for Newlines<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.untold == 0 {
            if self.block.len() - self.start <= STRETCH_LEN {
                return None;
            }
            self.start += STRETCH_LEN;
            self.untold = newlines_at_start(&self.block[self.start..]);
        }
        let pos = self.start + self.untold.trailing_zeros() as usize;
        self.untold &= self.untold - 1;
        Some(pos)
    }
}

/// Lanes of a count, and additions before a lane of 8 bits could overflow.
const LANES: usize = 16;
const ADDED_MAX: usize = 255;

/// Number of newlines. Adds comparisons lane by lane, which takes a third of the instructions of a count
/// by bit masks.
pub fn count(block: &[u8]) -> usize {
    let (sixteens, rest) = block.as_chunks::<LANES>();
    let whole: usize = sixteens.chunks(ADDED_MAX).map(count_in).sum();
    whole + rest.iter().filter(|&&byte| byte == b'\n').count()
}

fn count_in(sixteens: &[[u8; LANES]]) -> usize {
    let newline = u8x16::splat(b'\n');
    // A lane that is equal has all bits set: -1.
    let add = |sum: u8x16, sixteen: &[u8; LANES]| sum - u8x16::new(*sixteen).simd_eq(newline);
    let lanes = sixteens.iter().fold(u8x16::splat(0), add).to_array();
    lanes.into_iter().map(usize::from).sum()
}

/// The newlines among the first [`STRETCH_LEN`] bytes, one bit each.
fn newlines_at_start(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(stretch) => newlines_in(stretch),
        None => {
            let mut stretch = [0; STRETCH_LEN];
            stretch[..bytes.len()].copy_from_slice(bytes);
            newlines_in(&stretch)
        }
    }
}

fn newlines_in(stretch: &[u8; STRETCH_LEN]) -> u64 {
    let (sixteens, _) = stretch.as_chunks();
    let bits = |sixteen: &[u8; 16]| {
        u64::from(u8x16::new(*sixteen).simd_eq(u8x16::splat(b'\n')).to_bitmask())
    };
    sixteens.iter().rev().fold(0, |newlines, sixteen| newlines << 16 | bits(sixteen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(block: &[u8]) {
        let slow: Vec<usize> = (0..block.len()).filter(|&pos| block[pos] == b'\n').collect();
        assert_eq!(Newlines::new(block).collect::<Vec<_>>(), slow, "{block:?}");
        assert_eq!(count(block), slow.len(), "{block:?}");
    }

    #[test]
    fn each_newline_is_found_at_every_place() {
        for len in 0..200 {
            check(&vec![b'\n'; len]);
            check(&vec![b'x'; len]);
            for pos in 0..len {
                let mut block = vec![b'x'; len];
                block[pos] = b'\n';
                check(&block);
            }
        }
    }

    #[test]
    fn a_lane_of_a_count_does_not_overflow() {
        for len in [LANES * ADDED_MAX, LANES * (ADDED_MAX + 1), 3 * LANES * ADDED_MAX + 7] {
            assert_eq!(count(&vec![b'\n'; len]), len);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_looking_at_each_byte(
            block in proptest::collection::vec(proptest::sample::select(b"\n\x0b\x8a\0\xffx".to_vec()), 0..300),
        ) {
            check(&block);
        }
    }
}
