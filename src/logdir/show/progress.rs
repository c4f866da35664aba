//! Progress line of a long search, on a terminal's stderr after a second without other output.

use crate::logdir::{figures, table};
use crate::message;
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{getpgrp, tcgetpgrp};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Silence before progress appears.
const QUIET_INTERVAL: Duration = Duration::from_secs(1);

pub struct Progress {
    /// Bytes to read at start.
    all_len: u64,
    quiet_since: Instant,
    /// Columns on screen; 0 if hidden.
    shown_len: usize,
}

impl Progress {
    /// `None` unless stderr is a terminal, or if another program may use it: a pipe's reader or a
    /// foreground job.
    pub fn wanted() -> Option<Progress> {
        let stderr = std::io::stderr();
        let is_in_front =
            stderr.is_terminal() && tcgetpgrp(&stderr).is_ok_and(|group| group == getpgrp());
        (is_in_front && !is_pipe(std::io::stdout())).then(|| Progress {
            all_len: 0,
            quiet_since: Instant::now(),
            shown_len: 0,
        })
    }

    pub fn begin(&mut self, all_len: u64) {
        self.all_len = all_len;
    }

    /// Prints progress after enough silence.
    pub fn show(&mut self, left_len: u64, found_count: u64) {
        if self.quiet_since.elapsed() < QUIET_INTERVAL {
            return;
        }
        let text = text(self.all_len, left_len, found_count);
        let text: String = text.chars().take(table::width() - 1).collect();
        message::progress(&text, self.shown_len);
        self.shown_len = text.len();
    }

    /// Erases the progress line before other output.
    pub fn erase(&mut self) {
        self.quiet_since = Instant::now();
        if self.shown_len > 0 {
            message::progress("", self.shown_len);
            self.shown_len = 0;
        }
    }
}

fn is_pipe(stdout: std::io::Stdout) -> bool {
    let kind = |mode| SFlag::from_bits_truncate(mode) & SFlag::S_IFMT;
    fstat(stdout).is_ok_and(|stat| matches!(kind(stat.st_mode), SFlag::S_IFIFO | SFlag::S_IFSOCK))
}

fn text(all_len: u64, left_len: u64, found_count: u64) -> String {
    let read_len = all_len.saturating_sub(left_len);
    let percent = (u128::from(read_len) * 100).checked_div(all_len.into()).unwrap_or(100);
    let (read, all) = (figures::bytes(read_len), figures::bytes(all_len));
    let lines = if found_count == 1 { "line" } else { "lines" };
    format!("searching: {percent}%, {read} of {all}; {found_count} {lines} found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_much_of_how_much() {
        assert_eq!(text(4 << 30, 3 << 30, 0), "searching: 25%, 1.0G of 4.0G; 0 lines found");
        assert_eq!(text(2048, 4096, 1), "searching: 0%, 0B of 2.0K; 1 line found");
        assert_eq!(text(0, 0, 2), "searching: 100%, 0B of 0B; 2 lines found");
    }
}
