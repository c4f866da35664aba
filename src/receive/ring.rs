//! Datagrams that wait for a slow disk, so that syslog(3) waits in no program.

use std::collections::VecDeque;

/// Bytes that a waiting datagram costs besides its own.
const OVERHEAD_LEN: usize = 64;

/// Waiting datagrams, oldest first.
#[derive(Debug)]
pub struct Ring {
    waiting: VecDeque<(Option<Vec<u8>>, Vec<u8>)>,
    len: usize,
    len_max: usize,
    /// Datagrams dropped since they were last told.
    untold: u64,
    dropped: u64,
}

impl Ring {
    /// Keeps at most this many bytes.
    pub fn new(len_max: usize) -> Ring {
        Ring { waiting: VecDeque::new(), len: 0, len_max, untold: 0, dropped: 0 }
    }

    /// Takes a datagram with the address of its sender. A full ring drops and counts it.
    pub fn push(&mut self, address: Option<Vec<u8>>, message: &[u8]) {
        let len = message.len() + OVERHEAD_LEN;
        if self.len + len > self.len_max {
            self.dropped += 1;
            self.untold += 1;
            return;
        }
        self.len += len;
        self.waiting.push_back((address, message.to_vec()));
    }

    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<(Option<Vec<u8>>, Vec<u8>)> {
        let (address, message) = self.waiting.pop_front()?;
        self.len -= message.len() + OVERHEAD_LEN;
        if self.waiting.is_empty() {
            self.waiting.shrink_to(1024);
        }
        Some((address, message))
    }

    /// True if none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Waiting bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Datagrams dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Datagrams dropped since the last call, once there is room again.
    pub fn take_untold(&mut self) -> u64 {
        if self.is_empty() { std::mem::take(&mut self.untold) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_drops_the_newest_and_counts_them() {
        let mut ring = Ring::new(3 * (OVERHEAD_LEN + 1));
        for byte in 0..5_u8 {
            ring.push(None, &[byte]);
        }
        assert_eq!((ring.dropped(), ring.take_untold()), (2, 0));
        let kept: Vec<u8> = std::iter::from_fn(|| ring.pop()).map(|(_, bytes)| bytes[0]).collect();
        assert_eq!(kept, [0, 1, 2]);
        assert_eq!((ring.len(), ring.take_untold(), ring.take_untold()), (0, 2, 0));
    }
}
