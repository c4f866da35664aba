//! Alerts: truncated selected lines on stderr (multilog(8), `e`).
//!
//! The inherited stderr may be a full pipe. Alerts are written only if poll(2) reports room;
//! otherwise a bounded buffer holds them.

use super::reserved;
use crate::poll;
use crate::stdout::PIPE_PIECE_MAX;
use nix::errno::Errno;
use nix::unistd::write;
use script::buffers::Buffers;
use script::presentation::append_alert;
use std::io::{Stderr, stderr};

/// Pending alerts.
#[derive(Debug)]
pub struct Alerts {
    stderr: Stderr,
    /// Whole alerts, each with exactly one newline, at its end; at most `batch_max` bytes plus one
    /// line engine call's output.
    held: Vec<u8>,
    /// Held bytes before input is delayed: the largest output of one line engine call for sinks without a
    /// presenter, or none.
    batch_max: usize,
    is_stuck: bool,
    are_lost: bool,
}

impl Alerts {
    /// Creates an empty buffer for `count` alert actions.
    pub fn new(count: usize, buffers: Buffers) -> Alerts {
        // An alert exceeds its line by at most three bytes; such lines have at least two bytes,
        // newline included.
        let call_max = count * buffers.handed_max() * 5 / 2;
        let batch_max = match buffers {
            Buffers::Usual => call_max,
            Buffers::Small => 0,
        };
        let held = reserved(buffers, call_max);
        Alerts { stderr: stderr(), held, batch_max, is_stuck: false, are_lost: false }
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
