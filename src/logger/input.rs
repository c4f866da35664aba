//! Standard input in blocks.
//!
//! Other programs share the inherited descriptor, so multilog never makes it non-blocking and reads
//! only after poll(2) reports data. Unread data stays for the next reader.

use crate::sys::startup;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::read;
use script::buffers::{self, Buffers};
use script::head::LONG_HEAD_MAX;
use std::io::{Stdin, stdin};
use std::os::fd::{AsFd, BorrowedFd};

/// Read result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// Block grew.
    Bytes,
    /// Nothing read: another reader was faster.
    Nothing,
    /// End of input.
    End,
    /// Read error, treated as end of input.
    Failed(Errno),
}

/// Standard input with its current block.
#[derive(Debug)]
pub struct Input {
    stdin: Stdin,
    buffer: Box<[u8]>,
    /// Longest read, in bytes.
    read_max: usize,
    /// Page-aligned read position. The previous block's remainder is stored before this position.
    read_pos: usize,
    /// `buffer[start..end]`: bytes read but not yet consumed; `start <= end <= buffer.len()`.
    start: usize,
    end: usize,
    /// True inside an unfinished line.
    is_mid_line: bool,
}

impl Input {
    /// Opens standard input, unread.
    pub fn new(buffers: Buffers) -> Input {
        let buffer = buffers.allocate(buffers.block_max());
        let read_pos = buffers::page_start(&buffer, LONG_HEAD_MAX);
        let (start, end) = (read_pos, read_pos);
        let read_max = buffers.read_max();
        Input { stdin: stdin(), buffer, read_max, read_pos, start, end, is_mid_line: false }
    }

    /// Detects unreadable input that poll(2) does not report: closed at start (the descriptor is
    /// then `/dev/null`), or write-only.
    pub fn is_unreadable(&self) -> bool {
        let flags = fcntl(&self.stdin, FcntlArg::F_GETFL).map(OFlag::from_bits_truncate);
        let write_only = flags.is_ok_and(|flags| flags & OFlag::O_ACCMODE == OFlag::O_WRONLY);
        write_only || startup::was_closed(0)
    }

    /// Bytes read, not yet consumed.
    pub fn block(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Consumes bytes from the block's start.
    pub fn consume(&mut self, len: usize) {
        self.start += len;
        assert!(self.start <= self.end);
    }

    /// True inside an unfinished line.
    pub fn is_mid_line(&self) -> bool {
        self.is_mid_line
    }

    /// Reads once after the current block, which must be shorter than a head. Waits without input,
    /// so call poll(2) first.
    pub fn read(&mut self) -> Got {
        self.read_at_most(self.read_max)
    }

    /// Reads one byte, so bytes after a newline stay for the next reader.
    pub fn read_byte(&mut self) -> Got {
        self.read_at_most(1)
    }

    fn read_at_most(&mut self, most: usize) -> Got {
        let rest_len = self.block().len();
        assert!(rest_len < LONG_HEAD_MAX);
        self.buffer.copy_within(self.start..self.end, self.read_pos - rest_len);
        (self.start, self.end) = (self.read_pos - rest_len, self.read_pos);
        match read(&self.stdin, &mut self.buffer[self.read_pos..self.read_pos + most]) {
            Ok(0) => Got::End,
            Ok(len) => {
                self.end += len;
                self.is_mid_line = self.buffer[self.end - 1] != b'\n';
                Got::Bytes
            }
            Err(Errno::EINTR | Errno::EAGAIN) => Got::Nothing,
            Err(errno) => Got::Failed(errno),
        }
    }
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stdin.as_fd()
    }
}
