//! Standard output, written as its reader takes it.
//!
//! The descriptor is inherited and shared with other programs, so it is never made non-blocking. Where others
//! have made it so, or where a loop must not wait in write(2), poll(2) says when there is room.

use crate::poll::{self, Interest, Wait};
use crate::signals::Signals;
use crate::sys::startup;
use ::logdir::failure::{Failure, What};
use nix::errno::Errno;
use nix::sys::stat::{SFlag, fstat};
use std::io::{self, Stdout};
use std::os::fd::AsFd;

/// A pipe that poll(2) calls writable takes this many bytes without waiting.
pub const PIPE_PIECE_MAX: usize = 4096;

/// What messages call it.
pub const NAME: &str = "standard output";
/// Descriptor number; it may be closed at the start.
const FD: usize = 1;

/// Bytes that one write(2) takes without waiting when poll(2) says that there is room: any number for a
/// file, at most `file_max`, and less for everything else.
pub fn piece_max(stdout: &Stdout, file_max: usize) -> usize {
    let is_file = fstat(stdout).is_ok_and(|stat| {
        SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
    });
    if is_file { file_max } else { PIPE_PIECE_MAX }
}

/// Writes all of `output` and empties it. Does not touch standard output if there is nothing to write: it
/// may be closed then.
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
            // No file may do this; it would keep us here for ever.
            0 => return Err(Errno::EIO),
            len => rest = &rest[len..],
        }
    }
    Ok(())
}

/// Writes `output` as far as its reader takes it, and removes what was written. Where there is no room
/// it waits, until a signal asks to end; the rest stays in `output` then.
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

/// Waits until something can be written, or until a signal asks to end. False if only the second is so.
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

/// Makes a call until it has an answer. Another program may have made the descriptor non-blocking; then the
/// wait is here.
pub fn retry(
    fd: &impl AsFd,
    interest: Interest,
    mut call: impl FnMut() -> nix::Result<usize>,
) -> nix::Result<usize> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                // The next call says what there is to say.
                let _ = poll::Wait::<_, 1>::on((), fd.as_fd(), interest).wait();
            }
            answer => return answer,
        }
    }
}
