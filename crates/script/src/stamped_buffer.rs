//! Buffer that joins lines with stamps: each byte is copied once.

use crate::buffers::Buffers;
use crate::stamper::Stamper;
use std::ops::Range;

/// Pending stamped lines, at most `len_max` bytes.
#[derive(Debug)]
pub struct StampedBuffer {
    /// Stamped lines, then free space.
    bytes: Box<[u8]>,
    /// Used bytes; at most `len_max`.
    len: usize,
    len_max: usize,
}

impl StampedBuffer {
    /// Empty buffer; without capacity if lines get no stamp.
    pub fn new(is_used: bool, buffers: Buffers) -> StampedBuffer {
        let len_max = buffers.stamped_max();
        let bytes = if is_used { buffers.allocate(len_max) } else { Box::default() };
        StampedBuffer { bytes, len: 0, len_max }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// True if `len` more bytes fit.
    pub fn fits(&self, len: usize) -> bool {
        self.len + len <= self.len_max
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends the next stamp. The caller checks the room.
    #[inline]
    pub fn put_next_stamp(&mut self, stamps: &mut impl Stamper) {
        let end = self.len + stamps.stamp_len();
        assert!(end <= self.len_max);
        stamps.put_next(&mut self.bytes[self.len..end]);
        self.len = end;
    }

    /// Appends a stamp and a block's line, if both fit.
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

    /// Appends part of a block. The caller checks the room.
    #[inline(always)]
    pub fn put(&mut self, block: &[u8], part: Range<usize>) {
        let end = self.len + part.len();
        assert!(end <= self.len_max);
        self.bytes[self.len..end].copy_from_slice(&block[part]);
        self.len = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP_LEN: usize = 26;

    struct Zeros;

    impl Stamper for Zeros {
        fn stamp_len(&mut self) -> usize {
            STAMP_LEN
        }

        fn put_next(&mut self, room: &mut [u8]) {
            room.fill(0);
        }

        fn skip(&mut self) {}
    }

    #[test]
    fn parts_stand_one_behind_the_other() {
        let block: Vec<u8> = (0..200).collect();
        let lens = [0, 1, 31, 32, 33, 64, 200];
        for start in [0, 1, 167, 168, 169, 199] {
            let mut buffer = StampedBuffer::new(true, Buffers::Small);
            let mut expected = Vec::new();
            for len in lens.iter().filter(|&len| start + len <= block.len()) {
                buffer.put(&block, start..start + len);
                expected.extend_from_slice(&block[start..start + len]);
            }
            assert_eq!(buffer.bytes(), expected, "from {start}");
        }
    }

    #[test]
    fn it_can_be_filled_to_the_last_byte() {
        for buffers in [Buffers::Usual, Buffers::Small] {
            let len_max = buffers.stamped_max();
            let mut buffer = StampedBuffer::new(true, buffers);
            let mut stamps = Zeros;
            let block = vec![b'x'; len_max - STAMP_LEN];
            assert!(buffer.fits(len_max) && !buffer.fits(len_max + 1));
            buffer.put_next_stamp(&mut stamps);
            buffer.put(&block, 0..block.len() - 1);
            buffer.put(b"\n", 0..1);
            assert_eq!(buffer.len(), len_max);
            assert!(buffer.bytes().ends_with(b"xx\n"));
            buffer.clear();
            assert!(buffer.bytes().is_empty() && buffer.fits(len_max));
        }
    }
}
