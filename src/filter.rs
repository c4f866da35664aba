//! The line filters `tai64n` and `tai64nlocal`, and their shared copy loop: files or standard
//! input, filter, standard output.
//!
//! Output of each block is written before the next read, so partial lines appear immediately too.

pub mod tai64n;
pub mod tai64nlocal;

use crate::message;
use crate::options;
use crate::poll::Interest;
use crate::stdout::{retry, write_out};
use crate::sys::startup;
use ::logdir::failure::{Failure, What};
use nix::errno::Errno;
use script::buffers;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

/// Read size in bytes: pipe capacity.
const BLOCK_LEN: usize = 64 * 1024;
/// Bytes per filter call; bounds the overshoot beyond [`OUTPUT_LEN`].
const PIECE_LEN: usize = 4 * 1024;
/// Output threshold for writing before the block ends, in bytes.
const OUTPUT_LEN: usize = 64 * 1024;

/// Operand for standard input.
const STDIN_OPERAND: &[u8] = b"-";
/// Name of standard input in messages.
const STDIN_NAME: &str = "standard input";
/// Descriptor number; may be closed at start.
const STDIN_FD: usize = 0;

/// Stream filter: accepts input cut anywhere.
pub trait Filter {
    /// Announces a new block; its pieces follow.
    fn begin_block(&mut self);
    /// Appends output for the next input piece.
    fn push(&mut self, piece: &[u8], output: &mut Vec<u8>);
    /// Appends pending output at end of input.
    fn finish(&mut self, output: &mut Vec<u8>);
}

/// Name and texts of a filter program.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Program name.
    pub program: &'static str,
    /// Text of `--help`.
    pub help: &'static str,
    /// Text of `--version`.
    pub version: &'static str,
}

/// Options of a filter program.
pub trait Options: argh::TopLevelCommand {
    /// True for `--version`.
    fn asks_for_version(&self) -> bool;
}

/// Starts a filter program: returns its options and operands, or the exit code if nothing is to be filtered.
pub fn start<O: Options>(about: About) -> Result<(O, Vec<OsString>), ExitCode> {
    message::set_program(about.program);
    startup::restore_pipe_signal();
    let arguments = options::split(std::env::args_os().skip(1));
    let options: O =
        options::parse(about.program, about.help, &arguments.options, message::EXIT_USAGE)?;
    if options.asks_for_version() {
        return Err(options::show(about.version));
    }
    Ok((options, arguments.operands))
}

/// Copies all operands as one concatenated file, or standard input without operands. If a file
/// fails, data read earlier is still written.
pub fn copy(operands: &[OsString], filter: &mut impl Filter) -> Result<(), Failure> {
    let mut output = Vec::new();
    let copied = copy_all(operands, filter, &mut output);
    filter.finish(&mut output);
    copied.and(write_out(&mut output))
}

/// Reports a failure; returns the program's exit code.
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
            let failure = |error: io::Error| Failure::new(What::Read, operand.as_bytes(), error);
            return Ok(Input::File(File::open(operand).map_err(failure)?, operand));
        }
        if startup::was_closed(STDIN_FD) {
            return Err(Failure::new(What::Read, STDIN_NAME, Errno::EBADF));
        }
        Ok(Input::Stdin(io::stdin()))
    }

    /// Waits for input; returns an empty slice at end of input.
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
