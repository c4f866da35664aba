//! Alerts: selected lines, cut short, to stderr (multilog(8), `e`).
//!
//! Stderr is inherited and may be a pipe that nobody empties. It is written to only when poll(2) says
//! that it has room, and what it has no room for is held, bounded.

use crate::poll;
use crate::stdout::PIPE_PIECE_MAX;
use nix::errno::Errno;
use nix::unistd::write;
use script::lines::HANDED_MAX;
use script::presentation::append_alert;
use std::io::{Stderr, stderr};

/// Alerts on their way to stderr.
#[derive(Debug)]
pub struct Alerts {
    stderr: Stderr,
    /// Whole alerts, each ending in its only newline; at most `batch_max` bytes and what one call of the
    /// line engine brings.
    held: Vec<u8>,
    /// The most that one call of the line engine brings, in bytes, where lines are shown as they are.
    batch_max: usize,
    is_stuck: bool,
    are_lost: bool,
}

impl Alerts {
    /// None yet. `count` tells how often the script has an alert for a line.
    pub fn new(count: usize) -> Alerts {
        // An alert exceeds its line by at most three bytes; such lines have at least two bytes
        // with their newline.
        let batch_max = count * HANDED_MAX * 5 / 2;
        Alerts { stderr: stderr(), held: Vec::new(), batch_max, is_stuck: false, are_lost: false }
    }

    /// Takes the head of a line, of which `len_max` bytes are shown.
    pub fn add(&mut self, head: &[u8], len_max: usize) {
        append_alert(head, len_max, &mut self.held);
    }

    /// Where an alert that is shown otherwise goes; it must end in its only newline.
    pub fn held(&mut self) -> &mut Vec<u8> {
        &mut self.held
    }

    /// Whether what one call of the line engine brings can be taken now.
    pub fn have_room(&self) -> bool {
        self.held.len() <= self.batch_max
    }

    /// Writes alerts, one write(2) each, until stderr has no room. Errors are ignored, as in 0.76.
    pub fn flush(&mut self) {
        self.is_stuck = false;
        if self.held.is_empty() {
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        while let Some(newline) = memchr::memchr(b'\n', rest) {
            if !poll::is_writable(&self.stderr) {
                self.is_stuck = true;
                break;
            }
            let (alert, behind) = rest.split_at((newline + 1).min(PIPE_PIECE_MAX));
            match write(&self.stderr, alert) {
                Err(Errno::EINTR) => continue,
                Err(Errno::EPIPE) => self.are_lost = true,
                Ok(_) | Err(_) => {}
            }
            rest = behind;
        }
        let written = held.len() - rest.len();
        held.drain(..written);
        self.held = held;
    }

    /// True if stderr lacked room for held alerts.
    pub fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// True if stderr is a broken pipe.
    pub fn are_lost(&self) -> bool {
        self.are_lost
    }
}
