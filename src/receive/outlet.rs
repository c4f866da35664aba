//! Standard output for a logger after it in a pipe: at its reader's pace, and nothing is dropped here.

use crate::stdout::{NAME, piece_max};
use crate::{message, poll};
use nix::errno::Errno;
use std::io::{Stdout, stdout};
use std::os::fd::{AsFd, BorrowedFd};

/// Bytes that wait for the reader.
const PENDING_MAX: usize = 256 * 1024;

/// Lines on their way to standard output.
#[derive(Debug)]
pub struct Outlet {
    stdout: Stdout,
    pending: Vec<u8>,
    is_broken: bool,
}

impl Outlet {
    /// Nothing is written yet.
    pub fn new() -> Outlet {
        Outlet { stdout: stdout(), pending: Vec::new(), is_broken: false }
    }

    /// True if another line may come.
    pub fn has_room(&self) -> bool {
        self.pending.len() < PENDING_MAX && !self.is_broken
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// True after the reader is gone.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Takes a line with its newline.
    pub fn put(&mut self, line: &[u8]) {
        self.pending.extend_from_slice(line);
    }

    /// Writes while the reader has room.
    pub fn advance(&mut self) {
        let piece_max = piece_max(&self.stdout, PENDING_MAX);
        let mut done = 0;
        while done < self.pending.len() && !self.is_broken && poll::is_writable(&self.stdout) {
            let piece = &self.pending[done..self.pending.len().min(done + piece_max)];
            match nix::unistd::write(&self.stdout, piece) {
                Ok(len) => done += len,
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(errno) => {
                    message::warn(format!("unable to write {NAME}: {}", errno.desc()).as_bytes());
                    self.is_broken = true;
                }
            }
        }
        self.pending.drain(..done);
    }

    /// Standard output, while lines wait for its reader.
    pub fn stuck_fd(&self) -> Option<BorrowedFd<'_>> {
        (!self.pending.is_empty() && !self.is_broken).then(|| self.stdout.as_fd())
    }

    /// Exits at once: reports lines that are lost.
    pub fn give_up(&mut self) {
        if !self.pending.is_empty() {
            message::give_up(NAME.as_bytes(), &self.pending);
        }
    }
}
