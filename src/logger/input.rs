//! Standard input as blocks.
//!
//! The descriptor is inherited and shared with other programs, so it is never made non-blocking: it is
//! read only after poll(2) said that there is something. What was not read stays on it for whoever
//! comes next.

use crate::sys::startup;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::read;
use script::buffers;
use script::head::LONG_HEAD_MAX;
use script::lines::BLOCK_MAX;
use std::io::{Stdin, stdin};
use std::os::fd::{AsFd, BorrowedFd};

/// How many bytes one read asks for at most: what a pipe holds by default.
const READ_MAX: usize = 64 * 1024;

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// The block has grown.
    Bytes,
    /// The descriptor was empty; another reader was faster.
    Nothing,
    /// The input has ended.
    End,
    /// The same, because reading is not possible.
    Failed(Errno),
}

/// Standard input and the block read from it.
#[derive(Debug)]
pub struct Input {
    stdin: Stdin,
    buffer: Box<[u8]>,
    /// Where reads go to: a page begins there. What is left of the block before stands before it.
    read_pos: usize,
    /// `buffer[start..end]` has been read and not been taken; `start <= end <= buffer.len()`.
    start: usize,
    end: usize,
    /// Whether the last byte read was within a line.
    is_mid_line: bool,
}

impl Input {
    /// Standard input, nothing of it read.
    pub fn new() -> Input {
        let buffer = buffers::buffer(BLOCK_MAX);
        let read_pos = buffers::page_start(&buffer, LONG_HEAD_MAX);
        let (start, end) = (read_pos, read_pos);
        Input { stdin: stdin(), buffer, read_pos, start, end, is_mid_line: false }
    }

    /// Why nothing can ever be read, where poll(2) would not tell: closed at the start (the
    /// descriptor is `/dev/null` now), or open for writing only.
    pub fn is_unreadable(&self) -> bool {
        let flags = fcntl(&self.stdin, FcntlArg::F_GETFL).map(OFlag::from_bits_truncate);
        let write_only = flags.is_ok_and(|flags| flags & OFlag::O_ACCMODE == OFlag::O_WRONLY);
        write_only || startup::was_closed(0)
    }

    /// Bytes read and not yet taken.
    pub fn block(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Takes bytes from the beginning of the block.
    pub fn consume(&mut self, len: usize) {
        self.start += len;
        assert!(self.start <= self.end);
    }

    /// Whether the last byte read was within a line.
    pub fn is_mid_line(&self) -> bool {
        self.is_mid_line
    }

    /// Reads once behind the block, which must hold less than a line's head. Waits if there is nothing
    /// to read, so ask poll(2) first.
    pub fn read(&mut self) -> Got {
        self.read_at_most(READ_MAX)
    }

    /// Reads one byte, so that what follows a newline stays for the next reader.
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

impl Default for Input {
    fn default() -> Self {
        Input::new()
    }
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stdin.as_fd()
    }
}
