//! Lines that wait for their place, oldest first, each with its moment of receipt.
//!
//! Every place has a queue of its own, so a full directory delays its own lines only. Who adds lines keeps the
//! bounds: streams wait when a queue is full, datagrams may fill the memory that all queues share.

use ::logdir::label::Label;
use std::collections::VecDeque;

/// Bytes of a chunk; a longer line is a chunk of its own.
const CHUNK_MAX: usize = 64 * 1024;
/// Lines that arrive within this many nanoseconds share a moment of receipt while they wait.
const MOMENT_NANOS: i128 = 1_000_000;
/// Bytes that a chunk costs besides its lines.
const OVERHEAD_LEN: usize = 64;

/// Complete lines in order.
#[derive(Debug, Default)]
pub struct Queue {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that are taken; less than its length.
    taken_len: usize,
    /// Memory of all chunks.
    len: usize,
    /// Lines of all chunks.
    line_count: u64,
    /// Memory of an empty chunk, for the next one.
    spare: Vec<u8>,
}

/// Lines with one moment of receipt.
#[derive(Debug)]
struct Chunk {
    received: Label,
    bytes: Vec<u8>,
    line_count: u64,
}

impl Queue {
    /// Adds a line with its newline.
    pub fn push(&mut self, line: &[u8], received: Label) {
        let fits = |chunk: &&mut Chunk| {
            chunk.bytes.len() + line.len() <= CHUNK_MAX && is_one_moment(chunk.received, received)
        };
        self.line_count += 1;
        self.len += line.len();
        if let Some(chunk) = self.chunks.back_mut().filter(fits) {
            chunk.bytes.extend_from_slice(line);
            chunk.line_count += 1;
            return;
        }
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.extend_from_slice(line);
        self.len += OVERHEAD_LEN;
        self.chunks.push_back(Chunk { received, bytes, line_count: 1 });
    }

    /// The oldest bytes with their moment of receipt.
    pub fn front(&self) -> Option<(Label, &[u8])> {
        let chunk = self.chunks.front()?;
        Some((chunk.received, &chunk.bytes[self.taken_len..]))
    }

    /// Takes bytes of [`front`](Self::front). Returns the number of lines that are taken with the end of a chunk.
    pub fn consume(&mut self, len: usize) -> u64 {
        self.taken_len += len;
        let chunk_len = self.chunks.front().map_or(0, |chunk| chunk.bytes.len());
        assert!(self.taken_len <= chunk_len, "more is taken than there was");
        if self.taken_len < chunk_len {
            return 0;
        }
        let Some(mut chunk) = self.chunks.pop_front() else { return 0 };
        self.taken_len = 0;
        self.len -= chunk.bytes.len() + OVERHEAD_LEN;
        self.line_count -= chunk.line_count;
        if chunk.bytes.capacity() <= CHUNK_MAX {
            chunk.bytes.clear();
            self.spare = chunk.bytes;
        }
        if self.chunks.is_empty() {
            self.chunks.shrink_to(16);
        }
        chunk.line_count
    }

    /// Bytes of the line that was begun to be taken and is not whole yet.
    pub fn begun_line_len(&self) -> usize {
        let Some(chunk) = self.chunks.front().filter(|_| self.taken_len > 0) else { return 0 };
        match chunk.bytes[self.taken_len - 1] {
            b'\n' => 0,
            _ => memchr::memchr(b'\n', &chunk.bytes[self.taken_len..]).map_or(0, |pos| pos + 1),
        }
    }

    /// True if no line waits.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Bytes of memory for waiting lines.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Lines that wait; a line counts until its chunk is taken.
    pub fn line_count(&self) -> u64 {
        self.line_count
    }

    /// Frees the memory that waits for the next line.
    pub fn free_unused(&mut self) {
        self.spare = Vec::new();
    }

    /// Everything that waits.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes: Vec<u8> =
            self.chunks.iter().flat_map(|chunk| chunk.bytes.iter().copied()).collect();
        bytes[self.taken_len..].to_vec()
    }
}

fn is_one_moment(first: Label, next: Label) -> bool {
    (0..MOMENT_NANOS).contains(&next.nanos_since(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u32) -> Label {
        Label::from_unix(1_700_000_000, nanos)
    }

    #[test]
    fn lines_of_one_moment_are_taken_together_and_later_ones_apart() {
        let mut queue = Queue::default();
        queue.push(b"a\n", at(5));
        queue.push(b"bc\n", at(999_999));
        queue.push(b"d\n", at(2_000_000));
        // A clock that was set back.
        queue.push(b"e\n", at(0));
        assert_eq!(queue.line_count(), 4);
        let mut taken = Vec::new();
        while let Some((received, bytes)) = queue.front() {
            taken.push((received, bytes.to_vec()));
            let len = bytes.len();
            queue.consume(len);
        }
        let expected = [(at(5), &b"a\nbc\n"[..]), (at(2_000_000), b"d\n"), (at(0), b"e\n")];
        assert_eq!(taken, expected.map(|(received, bytes)| (received, bytes.to_vec())));
        assert_eq!((queue.len(), queue.line_count(), queue.is_empty()), (0, 0, true));
    }

    #[test]
    fn a_chunk_is_taken_in_pieces_and_counted_at_its_end() {
        let mut queue = Queue::default();
        queue.push(b"first\n", at(0));
        queue.push(b"second\n", at(0));
        assert_eq!((queue.begun_line_len(), queue.consume(2)), (0, 0));
        assert_eq!((queue.begun_line_len(), queue.consume(4)), (4, 0));
        assert_eq!((queue.begun_line_len(), queue.to_bytes()), (0, b"second\n".to_vec()));
        assert_eq!((queue.consume(7), queue.len()), (2, 0));
        let long = [&[b'x'; 2 * CHUNK_MAX][..], b"\n"].concat();
        queue.push(b"short\n", at(0));
        queue.push(&long, at(0));
        assert_eq!(queue.front().map(|(_, bytes)| bytes.len()), Some(6));
        assert_eq!(queue.len(), 6 + long.len() + 2 * OVERHEAD_LEN);
    }
}
