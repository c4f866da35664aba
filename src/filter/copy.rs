//! The frame of the programs that copy: from files or standard input, through a filter, to standard
//! output.
//!
//! Whatever was read has been written before more is read, so that a line, and a part of a line,
//! comes out at once. What becomes of the bytes is the filter's business.

use crate::message;
use crate::signals::Signals;
use crate::sys::startup;
use ::logdir::failure::{Failure, What, errno_of};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};
use script::buffers;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

/// Bytes asked for in one read: what a pipe holds.
const BLOCK_LEN: usize = 64 * 1024;
/// Bytes given to the filter at once, which bounds by how far it can exceed [`OUTPUT_LEN`].
const PIECE_LEN: usize = 4 * 1024;
/// Bytes of output that are not kept for the end of the block.
const OUTPUT_LEN: usize = 64 * 1024;

/// A pipe that poll(2) calls writable has room for so many bytes.
pub const PIPE_PIECE_MAX: usize = 4096;

/// The operand that means standard input.
const STDIN_OPERAND: &[u8] = b"-";
/// What messages call the two ends.
const STDIN_NAME: &str = "standard input";
const STDOUT_NAME: &str = "standard output";
/// Descriptors that may have been closed when the program was started.
const STDIN_FD: usize = 0;
const STDOUT_FD: usize = 1;

/// Turns input into output, cut anywhere.
pub trait Filter {
    /// Takes notice that a block was read just now; its pieces follow.
    fn begin_block(&mut self);
    /// Appends to `output` what comes out for the next piece of input.
    fn push(&mut self, piece: &[u8], output: &mut Vec<u8>);
    /// Appends what was held back when no input follows.
    fn finish(&mut self, output: &mut Vec<u8>);
}

/// Copies the operands one after the other as if they were one file, or standard input if there are
/// none. All that was read is written, also if the end is a file that cannot be.
pub fn copy(operands: &[OsString], filter: &mut impl Filter) -> Result<(), Failure> {
    let mut output = Vec::new();
    let copied = copy_all(operands, filter, &mut output);
    filter.finish(&mut output);
    copied.and(write_out(&mut output))
}

/// Tells how the copying ended and gives the program's exit code for it.
pub fn exit_code(copied: Result<(), Failure>) -> ExitCode {
    match copied {
        Ok(()) => ExitCode::from(message::EXIT_OK),
        Err(failure) => {
            message::fatal(&failure);
            ExitCode::from(message::EXIT_FATAL)
        }
    }
}

fn copy_all(
    operands: &[OsString],
    filter: &mut impl Filter,
    output: &mut Vec<u8>,
) -> Result<(), Failure> {
    let mut buffer = buffers::buffer(BLOCK_LEN);
    let start = buffers::page_start(&buffer, 0);
    let block = &mut buffer[start..start + BLOCK_LEN];
    let stdin = [OsString::from("-")];
    let operands = if operands.is_empty() { &stdin } else { operands };
    for operand in operands {
        let input = Input::open(operand)?;
        loop {
            match input.read(block)? {
                [] => break,
                arrived => pass_block(arrived, filter, output)?,
            }
        }
    }
    Ok(())
}

fn pass_block(block: &[u8], filter: &mut impl Filter, output: &mut Vec<u8>) -> Result<(), Failure> {
    filter.begin_block();
    for piece in block.chunks(PIECE_LEN) {
        filter.push(piece, output);
        if output.len() >= OUTPUT_LEN {
            write_out(output)?;
        }
    }
    write_out(output)
}

enum Input<'a> {
    Stdin(io::Stdin),
    File(File, &'a OsStr),
}

impl Input<'_> {
    fn open(operand: &OsStr) -> Result<Input<'_>, Failure> {
        if operand.as_bytes() != STDIN_OPERAND {
            let failure =
                |error: io::Error| Failure::new(What::Read, operand.as_bytes(), errno_of(&error));
            return Ok(Input::File(File::open(operand).map_err(failure)?, operand));
        }
        if startup::was_closed(STDIN_FD) {
            return Err(Failure::new(What::Read, STDIN_NAME, Errno::EBADF));
        }
        Ok(Input::Stdin(io::stdin()))
    }

    /// Waits for input and returns what there is of it; nothing at the end.
    fn read<'b>(&self, block: &'b mut [u8]) -> Result<&'b [u8], Failure> {
        let (fd, name) = match self {
            Input::Stdin(stdin) => (stdin.as_fd(), STDIN_NAME.as_bytes()),
            Input::File(file, name) => (file.as_fd(), name.as_bytes()),
        };
        let len = retry(fd, PollFlags::POLLIN, || nix::unistd::read(fd, block))
            .map_err(|errno| Failure::new(What::Read, name, errno))?;
        Ok(&block[..len])
    }
}

/// Writes all of `output` and empties it. Does not touch standard output where there is nothing to
/// write: then it may be closed.
pub fn write_out(output: &mut Vec<u8>) -> Result<(), Failure> {
    let written = write_all(output);
    output.clear();
    written.map_err(|errno| Failure::new(What::Write, STDOUT_NAME, errno))
}

/// Writes `output` as far as its reader takes it, and takes off what was written. Where there is no room
/// it waits, until a signal asks to end; what is left then is left in `output`.
pub fn write_until_asked(output: &mut Vec<u8>, signals: &Signals) -> Result<(), Failure> {
    let stdout = io::stdout();
    let failure = |errno| Failure::new(What::Write, STDOUT_NAME, errno);
    if !output.is_empty() && startup::was_closed(STDOUT_FD) {
        return Err(failure(Errno::EBADF));
    }
    let is_file = fstat(&stdout).is_ok_and(|stat| {
        SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
    });
    let piece_max = if is_file { output.len() } else { PIPE_PIECE_MAX };
    let mut written = 0;
    while written < output.len() && has_room(stdout.as_fd(), signals) {
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

/// Waits until something can be written, or until a signal asks to end. False where only that is so.
fn has_room(fd: BorrowedFd<'_>, signals: &Signals) -> bool {
    let mut ready =
        [PollFd::new(fd, PollFlags::POLLOUT), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut ready, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            // The write says what there is to say.
            Err(_) => return true,
            Ok(_) => return ready[0].any().unwrap_or(true),
        }
    }
}

fn write_all(mut rest: &[u8]) -> Result<(), Errno> {
    let stdout = io::stdout();
    let fd = stdout.as_fd();
    if !rest.is_empty() && startup::was_closed(STDOUT_FD) {
        return Err(Errno::EBADF);
    }
    while !rest.is_empty() {
        match retry(fd, PollFlags::POLLOUT, || nix::unistd::write(fd, rest))? {
            // No file may do this; it would keep us here for ever.
            0 => return Err(Errno::EIO),
            len => rest = &rest[len..],
        }
    }
    Ok(())
}

/// Makes a call until it has an answer. The other end may have set the descriptor non-blocking, and
/// then the wait is ours to do.
fn retry(
    fd: BorrowedFd<'_>,
    ready: PollFlags,
    mut call: impl FnMut() -> nix::Result<usize>,
) -> nix::Result<usize> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                // Whatever this answers, the call is made again and says what there is to say.
                let _ = poll(&mut [PollFd::new(fd, ready)], PollTimeout::NONE);
            }
            answer => return answer,
        }
    }
}
