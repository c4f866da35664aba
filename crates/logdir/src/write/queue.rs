//! Accepted bytes not yet written, in memory.

use nix::errno::Errno;

/// Bytes for `current`.
#[derive(Debug)]
pub struct Queue {
    /// `bytes[start..]` is held; `start <= bytes.len()`.
    bytes: Vec<u8>,
    start: usize,
    /// Limit of held bytes. Including written bytes not yet cleared, memory may reach twice this.
    len_max: usize,
}

/// An empty queue above this capacity, in bytes, frees its memory.
const CAPACITY_KEPT: usize = 256 * 1024;

impl Queue {
    pub fn new(len_max: usize) -> Queue {
        Queue { bytes: Vec::new(), start: 0, len_max }
    }

    /// Allocates memory now, to refuse a directory at the start if memory is short. Untouched pages
    /// cost nothing.
    pub fn reserved(len_max: usize) -> Result<Queue, Errno> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len_max.min(CAPACITY_KEPT)).map_err(|_| Errno::ENOMEM)?;
        Ok(Queue { bytes, start: 0, len_max })
    }

    pub fn held(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// Free bytes.
    pub fn room(&self) -> usize {
        self.len_max.saturating_sub(self.held().len())
    }

    /// Whether at least half the limit is free.
    pub fn is_half_empty(&self) -> bool {
        self.held().len() <= self.len_max / 2
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.bytes.capacity() == 0 {
            // Allocates once: stepwise growth leaves unused blocks in the heap, and untouched pages
            // cost nothing.
            self.bytes.reserve_exact(self.len_max.min(CAPACITY_KEPT).max(bytes.len()));
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Drops the first `len` bytes.
    pub fn consume(&mut self, len: usize) {
        self.start += len;
        assert!(self.start <= self.bytes.len());
        if self.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(CAPACITY_KEPT);
            self.start = 0;
        } else if self.start > self.bytes.len() / 2 {
            // Only now and then: writing a long queue in small pieces would otherwise move all
            // bytes each time.
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// Removes and returns all bytes after the first `len`.
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
