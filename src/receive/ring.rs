//! Datagrams that wait for a slow disk, so that syslog(3) waits in no program.

use super::peer::Peer;
use std::collections::VecDeque;

/// Bytes that a waiting datagram costs besides its own.
const OVERHEAD_LEN: usize = 128;

/// Waiting datagrams, oldest first.
#[derive(Debug)]
pub struct Ring {
    waiting: VecDeque<(Peer, Vec<u8>)>,
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

    /// Takes a datagram with its sender. A full ring drops and counts it, and returns false.
    pub fn push(&mut self, peer: &Peer, message: &[u8]) -> bool {
        let len = len_of(peer, message);
        if self.len + len > self.len_max {
            self.dropped += 1;
            self.untold += 1;
            return false;
        }
        self.len += len;
        self.waiting.push_back((peer.clone(), message.to_vec()));
        true
    }

    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<(Peer, Vec<u8>)> {
        let (peer, message) = self.waiting.pop_front()?;
        self.len -= len_of(&peer, &message);
        if self.waiting.is_empty() {
            self.waiting.shrink_to(1024);
        }
        Some((peer, message))
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

fn len_of(peer: &Peer, message: &[u8]) -> usize {
    message.len() + peer.heap_len() + OVERHEAD_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_drops_the_newest_and_counts_them() {
        let mut ring = Ring::new(3 * (OVERHEAD_LEN + 1));
        for byte in 0..5_u8 {
            ring.push(&Peer::default(), &[byte]);
        }
        assert_eq!((ring.dropped(), ring.take_untold()), (2, 0));
        let kept: Vec<u8> = std::iter::from_fn(|| ring.pop()).map(|(_, bytes)| bytes[0]).collect();
        assert_eq!(kept, [0, 1, 2]);
        assert_eq!((ring.len(), ring.take_untold(), ring.take_untold()), (0, 2, 0));
    }
}
