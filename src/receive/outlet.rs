//! Standard output for a logger after it in a pipe: at its reader's pace, and nothing is dropped here.

use super::queue::Queue;
use crate::stdout::{NAME, piece_max};
use crate::{message, poll};
use ::logdir::label::Label;
use nix::errno::Errno;
use std::io::{Stdout, stdout};
use std::os::fd::{AsFd, BorrowedFd};

/// Longest write, in bytes.
const WRITE_MAX: usize = 256 * 1024;

/// Lines on their way to standard output.
#[derive(Debug)]
pub struct Outlet {
    stdout: Stdout,
    queue: Queue,
    is_broken: bool,
}

impl Outlet {
    /// Nothing is written yet.
    pub fn new() -> Outlet {
        Outlet { stdout: stdout(), queue: Queue::default(), is_broken: false }
    }

    /// Lines that wait for the reader.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Frees memory that is not in use.
    pub fn free_unused(&mut self) {
        self.queue.free_unused();
    }

    /// True after the reader is gone.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Takes a line with its newline.
    pub fn put(&mut self, line: &[u8], received: Label) {
        self.queue.push(line, received);
    }

    /// Writes while the reader has room.
    pub fn advance(&mut self) {
        let piece_max = piece_max(&self.stdout, WRITE_MAX);
        while let Some((_, bytes)) = self.queue.front()
            && !self.is_broken
            && poll::is_writable(&self.stdout)
        {
            match nix::unistd::write(&self.stdout, &bytes[..bytes.len().min(piece_max)]) {
                Ok(len) => {
                    self.queue.consume(len);
                }
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(errno) => {
                    message::warn(format!("unable to write {NAME}: {}", errno.desc()).as_bytes());
                    self.is_broken = true;
                }
            }
        }
    }

    /// Standard output, while lines wait for its reader.
    pub fn stuck_fd(&self) -> Option<BorrowedFd<'_>> {
        (!self.queue.is_empty() && !self.is_broken).then(|| self.stdout.as_fd())
    }

    /// Exits at once: reports lines that are lost.
    pub fn give_up(&mut self) {
        if !self.queue.is_empty() {
            message::give_up(NAME.as_bytes(), &self.queue.to_bytes());
        }
    }
}
