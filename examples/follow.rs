//! Prints log directory lines as they are written. Resumes after being stopped or killed.
//!
//! Usage: `follow CURSOR-FILE DIRECTORY...`

use logdir::{Follow, Start};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{Write, stderr, stdout};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let cursor_file = arguments.next().ok_or("usage: follow CURSOR-FILE DIRECTORY...")?;
    let mut follow = Follow::open(arguments, &Start::Oldest, Some(cursor_file.as_ref()))?;
    loop {
        while let Some(delivery) = follow.next() {
            stdout().write_all(&[delivery.line.bytes, b"\n"].concat())?;
            let ticket = delivery.ticket;
            follow.ack(ticket);
            follow.checkpoint()?;
        }
        follow.checkpoint()?;
        for (directory, notice) in follow.take_notices() {
            writeln!(stderr(), "{}: {notice:?}", follow.path(directory).display())?;
        }
        let mut fds: Vec<PollFd> =
            follow.fds().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let wait = follow.deadline().saturating_duration_since(Instant::now());
        poll(&mut fds, PollTimeout::try_from(wait + Duration::from_millis(1))?)?;
    }
}
