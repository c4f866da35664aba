//! Bounded buffers: bytes read but not yet parsed, and bytes formatted but not yet written. The
//! owner sets each bound.

/// Initial read buffer size; most sessions never need more.
const LEN_MIN: usize = 16 * 1024;
/// Size after a full read, because more input is waiting.
const LEN_BUSY: usize = 64 * 1024;

/// Unparsed input.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    /// Start of unparsed bytes: `start <= end <= bytes.len() <= len_max`.
    start: usize,
    end: usize,
    len_max: usize,
    /// True if the last read left no space.
    was_full: bool,
}

impl ReadBuffer {
    /// Creates an empty buffer limited to `len_max` bytes.
    pub(crate) fn new(len_max: usize) -> ReadBuffer {
        assert!(len_max > 0, "a buffer without space reads nothing");
        ReadBuffer { bytes: Vec::new(), start: 0, end: 0, len_max, was_full: false }
    }

    /// Space for reading. Empty only when `len_max` bytes are unparsed.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.bytes.len() - self.end < self.bytes.len() / 2 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let is_busy = self.was_full && self.bytes.len() < LEN_BUSY;
        if self.bytes.len() - self.end < self.bytes.len() / 2 || self.bytes.is_empty() || is_busy {
            let len = (self.bytes.len() * 2).max(LEN_MIN).min(self.len_max);
            self.bytes.resize(len, 0);
            self.was_full = false;
        }
        &mut self.bytes[self.end..]
    }

    /// Counts `len` bytes of the space as read.
    pub(crate) fn filled(&mut self, len: usize) {
        assert!(len <= self.bytes.len() - self.end, "more bytes were read than there was space");
        self.end += len;
        self.was_full = self.end == self.bytes.len();
    }

    /// Frees the memory if no byte is unparsed; the next [`space`](Self::space) allocates it again.
    pub(crate) fn free_unused(&mut self) {
        if self.start == self.end {
            *self = ReadBuffer::new(self.len_max);
        }
    }

    /// Unparsed bytes.
    pub(crate) fn unparsed(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Removes `len` bytes from the front and returns them.
    pub(crate) fn take(&mut self, len: usize) -> &[u8] {
        assert!(len <= self.end - self.start, "more bytes are taken than were read");
        let start = self.start;
        self.start += len;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        &self.bytes[start..start + len]
    }
}

/// Unwritten output.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    /// Written bytes at the front.
    written: usize,
}

impl Output {
    /// Unwritten bytes.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Counts `len` pending bytes as written.
    pub(crate) fn written(&mut self, len: usize) {
        assert!(len <= self.pending().len(), "more bytes were written than were pending");
        self.written += len;
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
        }
    }

    /// Frees memory after complete output.
    pub(crate) fn free_unused(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Buffer for further output.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        if self.written > self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        &mut self.bytes
    }
}

/// Copies as much of `input` as fits into `space`; returns the byte count.
pub(crate) fn copy_prefix(input: &[u8], space: &mut [u8]) -> usize {
    let len = input.len().min(space.len());
    space[..len].copy_from_slice(&input[..len]);
    len
}

/// Appends an integer in decimal digits.
pub(crate) fn append_decimal(number: u64, output: &mut Vec<u8>) {
    // The largest 64-bit number has twenty digits.
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    output.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_buffer_grows_to_its_bound_and_no_further() {
        let mut buffer = ReadBuffer::new(40_000);
        let mut read_len = 0;
        while !buffer.space().is_empty() {
            let len = buffer.space().len();
            buffer.filled(len);
            read_len += len;
        }
        assert_eq!(read_len, 40_000);
        assert_eq!(buffer.take(10).len(), 10);
        assert_eq!(buffer.space().len(), 10);
    }

    #[test]
    fn a_busy_buffer_grows_once_reads_fill_it() {
        let mut buffer = ReadBuffer::new(1 << 20);
        for expected_len in [LEN_MIN, 2 * LEN_MIN, LEN_BUSY, LEN_BUSY] {
            let len = buffer.space().len();
            assert_eq!(len, expected_len);
            buffer.filled(len);
            buffer.take(len);
        }
        // A read that leaves space does not grow the buffer.
        let mut buffer = ReadBuffer::new(1 << 20);
        buffer.space();
        buffer.filled(LEN_MIN - 1);
        buffer.take(LEN_MIN - 1);
        assert_eq!(buffer.space().len(), LEN_MIN);
    }

    #[test]
    fn bytes_are_taken_in_order_wherever_they_lie() {
        let mut buffer = ReadBuffer::new(64);
        let mut expected = 0..=u8::MAX;
        for chunk in (0..=u8::MAX).collect::<Vec<_>>().chunks(24) {
            let len = copy_prefix(chunk, buffer.space());
            assert_eq!(len, chunk.len());
            buffer.filled(len);
            while buffer.unparsed().len() > 7 {
                assert!(buffer.take(3).iter().all(|byte| expected.next() == Some(*byte)));
            }
        }
    }

    #[test]
    fn memory_is_freed_only_where_nothing_waits() {
        let mut buffer = ReadBuffer::new(1 << 20);
        buffer.space();
        buffer.filled(2);
        buffer.free_unused();
        assert_eq!(buffer.unparsed(), [0, 0]);
        buffer.take(2);
        buffer.free_unused();
        assert_eq!(buffer.bytes.capacity(), 0);
        assert_eq!(buffer.space().len(), LEN_MIN);

        let mut output = Output::default();
        output.tail().extend_from_slice(b"ab");
        output.free_unused();
        assert_eq!(output.pending(), b"ab");
        output.written(2);
        output.free_unused();
        assert_eq!(output.bytes.capacity(), 0);
    }

    #[test]
    fn output_is_what_was_appended() {
        let mut output = Output::default();
        output.tail().extend_from_slice(b"abcdef");
        output.written(4);
        output.tail().extend_from_slice(b"ghi");
        assert_eq!(output.pending(), b"efghi");
        output.written(5);
        assert!(output.pending().is_empty());
    }

    #[test]
    fn decimal_digits() {
        for number in [0, 1, 9, 10, 999_999_999, u64::MAX] {
            let mut output = Vec::new();
            append_decimal(number, &mut output);
            assert_eq!(output, number.to_string().as_bytes());
        }
    }
}
