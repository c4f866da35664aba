//! Places of a line: the positions at which a rule may match, found for 64 bytes at once.
//!
//! A bit of a word is a byte of a block. At every other position no rule matches; a place without a match
//! costs time only. What a block does not have, bytes of the next one, may be anything.

use super::rules::is_of_local_part;
use wide::u8x16;

/// Bytes of a line that decide about its kind.
pub const LINE_LEN_MAX: usize = 2048;
/// Bytes of a block.
pub const BLOCK_LEN: usize = u64::BITS as usize;
/// Blocks of the longest line.
const BLOCK_COUNT: usize = LINE_LEN_MAX / BLOCK_LEN;
/// Bytes that are compared at once.
const CHUNK_LEN: usize = 16;
/// The last byte of a block.
const LAST: u64 = 1 << (BLOCK_LEN - 1);

/// The places of a line by block.
#[derive(Clone, Copy)]
pub struct Places {
    all: [u64; BLOCK_COUNT],
    /// Those at which the local part of a mail address begins.
    mails: [u64; BLOCK_COUNT],
}

impl Places {
    /// The places of a line of at most [`LINE_LEN_MAX`] bytes.
    pub fn of(line: &[u8]) -> Places {
        let mut places = Places { all: [0; BLOCK_COUNT], mails: [0; BLOCK_COUNT] };
        let mut before = Block::default();
        for (number, bytes) in line.chunks(BLOCK_LEN).enumerate() {
            let block = Block::of(bytes);
            let inside = u64::MAX >> (BLOCK_LEN - bytes.len());
            places.all[number] |= block.places(&before) & inside;
            places.add_mails(line, number * BLOCK_LEN, block.at);
            before = block;
        }
        places
    }

    /// The places of a block.
    pub fn of_block(&self, number: usize) -> u64 {
        self.all[number]
    }

    /// True if a position is the start of the local part of a mail address.
    pub fn is_mail(&self, pos: usize) -> bool {
        self.mails[pos / BLOCK_LEN] & 1 << (pos % BLOCK_LEN) != 0
    }

    fn add_mails(&mut self, line: &[u8], start: usize, mut ats: u64) {
        while ats != 0 {
            let at = start + ats.trailing_zeros() as usize;
            let before = line[..at].iter().rposition(|&byte| !is_of_local_part(byte));
            let pos = before.map_or(0, |before| before + 1);
            if pos < at {
                self.mails[pos / BLOCK_LEN] |= 1 << (pos % BLOCK_LEN);
                self.all[pos / BLOCK_LEN] |= 1 << (pos % BLOCK_LEN);
            }
            ats &= ats - 1;
        }
    }
}

/// Bits of each class of bytes in a block.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    alnum: u64,
    digit: u64,
    lower: u64,
    /// Letters from `i` to `s`, none of which is a hexadecimal digit or in `veth`.
    plain: u64,
    /// Vowels but `u`.
    vowel: u64,
    e: u64,
    o: u64,
    /// `r` and `O`, the last letters of keys before a space.
    r_or_o: u64,
    space: u64,
    equals: u64,
    colon: u64,
    slash: u64,
    plus: u64,
    dash: u64,
    dot: u64,
    /// `"` and `<`.
    open: u64,
    at: u64,
}

impl Block {
    fn of(bytes: &[u8]) -> Block {
        let mut block = Block::default();
        for (number, chunk) in bytes.chunks(CHUNK_LEN).enumerate() {
            let mut padded = [0; CHUNK_LEN];
            match chunk.first_chunk() {
                Some(chunk) => padded = *chunk,
                None => padded[..chunk.len()].copy_from_slice(chunk),
            }
            block.add(u8x16::from(padded), number * CHUNK_LEN);
        }
        block
    }

    fn add(&mut self, bytes: u8x16, shift: usize) {
        let bits = |found: u8x16| u64::from(found.to_bitmask()) << shift;
        let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
        let small = bytes | u8x16::splat(0x20);
        let is_small = |byte: u8| small.simd_eq(u8x16::splat(byte));
        let digit = in_range(bytes, b'0', b'9');
        let (e, o) = (is_small(b'e'), is_small(b'o'));
        self.alnum |= bits(in_range(small, b'a', b'z') | digit);
        self.digit |= bits(digit);
        self.lower |= bits(in_range(bytes, b'a', b'z'));
        self.plain |= bits(in_range(small, b'i', b's'));
        self.vowel |= bits(is_small(b'a') | e | is_small(b'i') | o);
        self.e |= bits(e);
        self.o |= bits(o);
        self.r_or_o |= bits(is(b'r') | is(b'O'));
        self.space |= bits(is(b' '));
        self.equals |= bits(is(b'='));
        self.colon |= bits(is(b':'));
        self.slash |= bits(is(b'/'));
        self.plus |= bits(is(b'+'));
        self.dash |= bits(is(b'-'));
        self.dot |= bits(is(b'.'));
        self.open |= bits(is(b'"') | is(b'<'));
        self.at |= bits(is(b'@'));
    }

    fn places(&self, before: &Block) -> u64 {
        self.words(before) | self.after_keys(before) | self.base64(before) | self.others(before)
    }

    /// Starts of words that a rule may match, and of digits.
    fn words(&self, before: &Block) -> u64 {
        let word = self.alnum;
        let starts = word & !shifted(word, before.alnum, 1);
        let ends = !word & (word << 1);
        // Adding its first byte to a word clears the word and sets the byte after it. A hole keeps it.
        let without = |bytes: u64| (word & !bytes).wrapping_add(starts) & ends;
        let has_digit = ends & !without(self.digit);
        let is_rare = without(self.plain) | without(self.vowel);
        let may_be_ip = without(self.plain) & self.colon;
        let varying = has_digit | is_rare & long_ends(word) | may_be_ip;
        let mark = self.dot | self.dash;
        let in_host = !shifted(mark, before.dot | before.dash, 1);
        let words = filled(varying >> 1 | word & LAST, word);
        let hosts = filled((ends & mark) >> 1, word) & in_host;
        let digits = self.digit & !shifted(self.digit, before.digit, 1);
        starts & (words | hosts | self.dates()) | digits
    }

    /// Starts of three letters, the first a capital.
    fn dates(&self) -> u64 {
        let (lower, word) = (self.lower, self.alnum);
        word & !lower & !self.digit & lower >> 1 & lower >> 2 & !(word >> 3)
    }

    /// Positions after what may be the end of a key of names.
    fn after_keys(&self, before: &Block) -> u64 {
        let space = shifted(self.space, before.space, 1);
        let word_or_mark = self.r_or_o | self.dash | self.space;
        let word_or_mark_before = before.r_or_o | before.dash | before.space;
        let sudo = shifted(self.colon, before.colon, 2) & shifted(self.o, before.o, 3);
        let after_space = space & (shifted(word_or_mark, word_or_mark_before, 2) | sudo);
        let name = shifted(self.r_or_o | self.e, before.r_or_o | before.e, 2);
        let after_equals = shifted(self.equals, before.equals, 1) & name;
        after_space | after_equals
    }

    /// Starts of 16 bytes of Base64.
    fn base64(&self, before: &Block) -> u64 {
        let text = self.alnum | self.plus | self.slash;
        let text_before = before.alnum | before.plus | before.slash;
        let next = |text: u64, len: u32| text & (text >> len | !(u64::MAX >> len));
        next(next(next(next(text, 1), 2), 4), 8) & !shifted(text, text_before, 1)
    }

    /// Quotes, brackets, and the starts of paths and of what follows after colons.
    fn others(&self, before: &Block) -> u64 {
        let colons = self.colon & ((self.colon | self.slash) >> 1 | LAST);
        let paths = self.slash & !shifted(self.alnum, before.alnum, 1);
        self.open | colons | paths
    }
}

fn in_range(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    let distance = bytes - u8x16::splat(first);
    distance.min(u8x16::splat(last - first)).simd_eq(distance)
}

/// Bits of bytes that lie `len` bytes after those of a block and the block before.
fn shifted(here: u64, before: u64, len: u32) -> u64 {
    here << len | before >> (u64::BITS - len)
}

/// Ends of words of six bytes or more.
fn long_ends(word: u64) -> u64 {
    let two = word & word << 1;
    let four = two & two << 2;
    (four & two << 4) << 1
}

/// The words that have these bits, from the bits down to their starts.
fn filled(bits: u64, word: u64) -> u64 {
    let (mut bits, mut word) = (bits, word);
    for len in [1, 2, 4, 8, 16, 32] {
        bits |= word & bits >> len;
        word &= word >> len;
    }
    bits
}
