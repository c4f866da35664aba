//! The programs that copy lines and change their stamps, `tai64n` and `tai64nlocal`, and what they share: from
//! files or standard input, through a filter, to standard output.
//!
//! All output of a block is written before the next read, so that a line, and a part of a line, appears at
//! once.

pub mod tai64n;
pub mod tai64nlocal;

use crate::message;
use crate::poll::Interest;
use crate::stdout::{retry, write_out};
use crate::sys::startup;
use ::logdir::failure::{Failure, What, errno_of};
use nix::errno::Errno;
use script::buffers;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

/// Bytes asked for in one read: what a pipe holds.
const BLOCK_LEN: usize = 64 * 1024;
/// Bytes given to the filter at once, which bounds by how far it can exceed [`OUTPUT_LEN`].
const PIECE_LEN: usize = 4 * 1024;
/// Bytes of output that are not kept for the end of the block.
const OUTPUT_LEN: usize = 64 * 1024;

/// The operand that means standard input.
const STDIN_OPERAND: &[u8] = b"-";
/// What messages call standard input.
const STDIN_NAME: &str = "standard input";
/// Descriptor number; it may be closed at the start.
const STDIN_FD: usize = 0;

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

    /// Waits for input and returns it; an empty slice at the end.
    fn read<'b>(&self, block: &'b mut [u8]) -> Result<&'b [u8], Failure> {
        let (len, name) = match self {
            Input::Stdin(stdin) => (read_from(stdin, block), STDIN_NAME.as_bytes()),
            Input::File(file, name) => (read_from(file, block), name.as_bytes()),
        };
        let len = len.map_err(|errno| Failure::new(What::Read, name, errno))?;
        Ok(&block[..len])
    }
}

fn read_from(fd: &impl AsFd, block: &mut [u8]) -> nix::Result<usize> {
    retry(fd, Interest::Readable, || nix::unistd::read(fd, block))
}
