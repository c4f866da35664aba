//! The program `logdir`: what is in log directories, for people and scripts.
//!
//! Here is only the choice of a command. Each command is a file of its own, and `options` describes the
//! command line of all of them.

mod bucket;
mod check;
mod choices;
mod failing;
mod figures;
mod filter;
mod options;
mod rate;
mod show;
mod status;
mod table;
pub(crate) mod trouble;
pub(crate) mod when;

use crate::message;
use options::Command;
use std::ffi::OsString;
use std::process::ExitCode;

const PROGRAM: &str = "logdir";

/// Runs the program with the arguments and descriptors of the process.
pub fn run() -> ExitCode {
    message::set_program(PROGRAM);
    crate::sys::startup::restore_pipe_signal();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let ended = options::parse(&arguments).and_then(|command| match command {
        Command::Show(options) => show::run(*options),
        Command::Status(options) => status::run(&options),
        Command::Rate(options) => rate::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Completions(options) => Ok(options::print_completions(options.shell)),
    });
    ended.unwrap_or_else(|code| code)
}
