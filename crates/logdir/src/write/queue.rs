//! What a directory has accepted and not written yet, in memory.

use nix::errno::Errno;

/// Bytes on their way to `current`.
#[derive(Debug)]
pub struct Queue {
    /// `bytes[start..]` is held; `start <= bytes.len()`.
    bytes: Vec<u8>,
    start: usize,
    /// The most that is held, in bytes. With what is written and not cleared away yet it may be twice as
    /// much.
    len_max: usize,
}

/// A queue that has grown beyond this, in bytes, gives its memory back when it is empty.
const CAPACITY_KEPT: usize = 256 * 1024;

impl Queue {
    /// An empty one.
    pub fn new(len_max: usize) -> Queue {
        Queue { bytes: Vec::new(), start: 0, len_max }
    }

    /// An empty one whose memory is taken now, so that a directory which cannot have it is refused at the start.
    /// What is not written to costs nothing.
    pub fn reserved(len_max: usize) -> Result<Queue, Errno> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len_max.min(CAPACITY_KEPT)).map_err(|_| Errno::ENOMEM)?;
        Ok(Queue { bytes, start: 0, len_max })
    }

    /// What is held.
    pub fn held(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// How many bytes can be taken.
    pub fn room(&self) -> usize {
        self.len_max.saturating_sub(self.held().len())
    }

    /// Whether as much can be taken as is held.
    pub fn is_half_empty(&self) -> bool {
        self.held().len() <= self.len_max / 2
    }

    /// Takes bytes behind what is held.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.bytes.capacity() == 0 {
            // At once: memory that grows step by step leaves its former places behind, and what is not
            // written to costs nothing.
            self.bytes.reserve_exact(self.len_max.min(CAPACITY_KEPT).max(bytes.len()));
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Gives up the first `len` bytes that are held.
    pub fn consume(&mut self, len: usize) {
        self.start += len;
        assert!(self.start <= self.bytes.len());
        if self.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(CAPACITY_KEPT);
            self.start = 0;
        } else if self.start > self.bytes.len() / 2 {
            // Now and then only: a long queue that is written bit by bit would be moved for each.
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// Gives up what is held behind the first `len` bytes, and returns it.
    pub fn split_off(&mut self, len: usize) -> Vec<u8> {
        self.bytes.split_off(self.start + len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::QUEUE_MIN;

    #[test]
    fn a_queue_is_filled_where_it_began() {
        let mut queue = Queue::new(QUEUE_MIN);
        queue.push(b"x");
        let place = queue.held().as_ptr();
        queue.push(&[b'x'; QUEUE_MIN - 1]);
        assert_eq!((queue.room(), queue.held().as_ptr()), (0, place));
    }
}
