//! Alerts: truncated selected lines on stderr (multilog(8), `e`).
//!
//! The inherited stderr may be a full pipe. Alerts are written only if poll(2) reports room;
//! otherwise a bounded buffer holds them.

use crate::poll;
use crate::stdout::PIPE_PIECE_MAX;
use nix::errno::Errno;
use nix::unistd::write;
use script::lines::HANDED_MAX;
use script::presentation::append_alert;
use std::io::{Stderr, stderr};

/// Pending alerts.
#[derive(Debug)]
pub struct Alerts {
    stderr: Stderr,
    /// Whole alerts, each with exactly one newline, at its end; at most `batch_max` bytes plus one
    /// line engine call's output.
    held: Vec<u8>,
    /// Largest output of one line engine call, in bytes, for sinks without a presenter.
    batch_max: usize,
    is_stuck: bool,
    are_lost: bool,
}

impl Alerts {
    /// Creates an empty buffer for `count` alert actions.
    pub fn new(count: usize) -> Alerts {
        // An alert exceeds its line by at most three bytes; such lines have at least two bytes,
        // newline included.
        let batch_max = count * HANDED_MAX * 5 / 2;
        Alerts { stderr: stderr(), held: Vec::new(), batch_max, is_stuck: false, are_lost: false }
    }

    /// Adds the first `len_max` bytes of a head.
    pub fn add(&mut self, head: &[u8], len_max: usize) {
        append_alert(head, len_max, &mut self.held);
    }

    /// Buffer for presented alerts; each must have exactly one newline, at its end.
    pub fn held(&mut self) -> &mut Vec<u8> {
        &mut self.held
    }

    /// True if the buffer has room for one line engine call.
    pub fn have_room(&self) -> bool {
        self.held.len() <= self.batch_max
    }

    /// Writes alerts, one write(2) each, until stderr is full. Ignores errors, as 0.76 does.
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
