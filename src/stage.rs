//! Where lines and their stamps are put together before they are handed on: each byte is copied once.

use crate::buffers;
use ::logdir::stamp::Stamper;
use std::ops::Range;

/// Bytes of stamped lines that are put together before they are handed on.
pub const STAGE_MAX: usize = 64 * 1024;

/// A text of up to so many bytes is copied with what lies behind it: a copy of fixed length is a few
/// instructions, one of any length a call.
const SHORT_LEN: usize = 32;

/// Stamped lines that have not been handed on, at most [`STAGE_MAX`] bytes.
#[derive(Debug)]
pub struct Stage {
    /// The lines, and behind them room for the rest of a copy of fixed length.
    bytes: Box<[u8]>,
    /// Bytes of lines; at most [`STAGE_MAX`].
    len: usize,
}

impl Stage {
    /// An empty stage; without room where no line gets a stamp.
    pub fn new(is_used: bool) -> Stage {
        let bytes = if is_used { buffers::buffer(STAGE_MAX + SHORT_LEN) } else { Box::default() };
        Stage { bytes, len: 0 }
    }

    /// What is on it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Bytes on it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is room for so many bytes.
    pub fn fits(&self, len: usize) -> bool {
        self.len + len <= STAGE_MAX
    }

    /// Takes everything off.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Puts down the next stamp. There has to be room.
    #[inline]
    pub fn put_next_stamp(&mut self, stamps: &mut impl Stamper) {
        let end = self.len + stamps.stamp_len();
        assert!(end <= STAGE_MAX);
        stamps.put_next(&mut self.bytes[self.len..end]);
        self.len = end;
    }

    /// Puts down the next stamp and behind it a line of a block, if there is room for both.
    #[inline]
    pub fn put_line(
        &mut self,
        stamps: &mut impl Stamper,
        block: &[u8],
        line: Range<usize>,
    ) -> bool {
        let fits = self.fits(stamps.stamp_len() + line.len());
        if fits {
            self.put_next_stamp(stamps);
            self.put(block, line);
        }
        fits
    }

    /// Puts down a part of a block. There has to be room.
    #[inline(always)]
    pub fn put(&mut self, block: &[u8], part: Range<usize>) {
        let end = self.len + part.len();
        assert!(end <= STAGE_MAX);
        let from = block[part.start..].first_chunk::<SHORT_LEN>();
        match (from, self.bytes[self.len..].first_chunk_mut::<SHORT_LEN>()) {
            (Some(from), Some(to)) if part.len() <= SHORT_LEN => *to = *from,
            _ => self.bytes[self.len..end].copy_from_slice(&block[part]),
        }
        self.len = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::logdir::label::{STAMP_LEN, Stamps};

    #[test]
    fn parts_stand_one_behind_the_other() {
        let block: Vec<u8> = (0..200).collect();
        let lens = [0, 1, 31, 32, 33, 64, 200];
        for start in [0, 1, 167, 168, 169, 199] {
            let mut stage = Stage::new(true);
            let mut expected = Vec::new();
            for len in lens.iter().filter(|&len| start + len <= block.len()) {
                stage.put(&block, start..start + len);
                expected.extend_from_slice(&block[start..start + len]);
            }
            assert_eq!(stage.bytes(), expected, "from {start}");
        }
    }

    #[test]
    fn it_can_be_filled_to_the_last_byte() {
        let mut stage = Stage::new(true);
        let mut stamps = Stamps::new();
        let block = [b'x'; STAGE_MAX - STAMP_LEN];
        assert!(stage.fits(STAGE_MAX) && !stage.fits(STAGE_MAX + 1));
        stage.put_next_stamp(&mut stamps);
        stage.put(&block, 0..block.len() - 1);
        stage.put(b"\n", 0..1);
        assert_eq!(stage.len(), STAGE_MAX);
        assert!(stage.bytes().ends_with(b"xx\n"));
        stage.clear();
        assert!(stage.bytes().is_empty() && stage.fits(STAGE_MAX));
    }
}
