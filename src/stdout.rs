//! Standard output, written at its reader's pace.
//!
//! Other programs share the inherited descriptor, so this program never makes it non-blocking. If
//! another program has done so, or a loop must not block in write(2), poll(2) reports room.

use crate::poll::{self, Interest, Wait};
use crate::signals::Signals;
use crate::sys::startup;
use ::logdir::failure::{Failure, What};
use nix::errno::Errno;
use nix::sys::stat::{SFlag, fstat};
use std::io::{self, Stdout};
use std::os::fd::AsFd;

/// A pipe reported writable by poll(2) accepts this many bytes without waiting.
pub const PIPE_PIECE_MAX: usize = 4096;

/// Name in messages.
pub const NAME: &str = "standard output";
/// Descriptor number; may be closed at start.
const FD: usize = 1;

/// Largest write that never blocks after poll(2) reports room: unlimited for a file, at most
/// `file_max`, and less for any other descriptor.
pub fn piece_max(stdout: &Stdout, file_max: usize) -> usize {
    let is_file = fstat(stdout).is_ok_and(|stat| {
        SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
    });
    if is_file { file_max } else { PIPE_PIECE_MAX }
}

/// Writes all of `output` and empties it. Skips standard output if `output` is empty, because the
/// descriptor may be closed.
pub fn write_out(output: &mut Vec<u8>) -> Result<(), Failure> {
    let written = write_all(output);
    output.clear();
    written.map_err(|errno| Failure::new(What::Write, NAME, errno))
}

fn write_all(mut rest: &[u8]) -> Result<(), Errno> {
    let stdout = io::stdout();
    if !rest.is_empty() && startup::was_closed(FD) {
        return Err(Errno::EBADF);
    }
    while !rest.is_empty() {
        match retry(&stdout, Interest::Writable, || nix::unistd::write(&stdout, rest))? {
            // No file returns 0; retrying would loop forever.
            0 => return Err(Errno::EIO),
            len => rest = &rest[len..],
        }
    }
    Ok(())
}

/// Writes `output` at its reader's pace and removes the written part. Without room, waits until a
/// signal requests termination; unwritten bytes stay in `output`.
pub fn write_until_asked(output: &mut Vec<u8>, signals: &Signals) -> Result<(), Failure> {
    let stdout = io::stdout();
    let failure = |errno| Failure::new(What::Write, NAME, errno);
    if !output.is_empty() && startup::was_closed(FD) {
        return Err(failure(Errno::EBADF));
    }
    let piece_max = piece_max(&stdout, output.len());
    let mut written = 0;
    while written < output.len() && has_room(&stdout, signals) {
        let piece = &output[written..output.len().min(written + piece_max)];
        match nix::unistd::write(&stdout, piece) {
            Ok(0) => return Err(failure(Errno::EIO)),
            Ok(len) => written += len,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(failure(errno)),
        }
    }
    output.drain(..written);
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Stdout,
    Signals,
}

/// Waits for room or a termination signal. Returns false if only the signal arrived.
fn has_room(stdout: &Stdout, signals: &Signals) -> bool {
    loop {
        let mut wait: Wait<'_, Source, 2> =
            Wait::on(Source::Stdout, stdout.as_fd(), Interest::Writable);
        wait.add(Source::Signals, signals.as_fd(), Interest::Readable);
        let ready = wait.wait();
        if ready.has(Source::Stdout) {
            return true;
        }
        if ready.has(Source::Signals) {
            return false;
        }
    }
}

/// Retries a call until it completes. Waits here if another program made the descriptor
/// non-blocking.
pub fn retry(
    fd: &impl AsFd,
    interest: Interest,
    mut call: impl FnMut() -> nix::Result<usize>,
) -> nix::Result<usize> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                // The next call reports any error.
                let _ = poll::Wait::<_, 1>::on((), fd.as_fd(), interest).wait();
            }
            answer => return answer,
        }
    }
}
