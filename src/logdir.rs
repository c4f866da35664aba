//! Program `logdir`: prints log directories for people and scripts.
//!
//! This file only selects the command. Each command has its own file; `options` describes every
//! command line.

mod bucket;
mod check;
mod choices;
mod doubles;
mod failing;
pub(crate) mod figures;
mod filter;
mod kinds;
mod options;
mod rate;
mod replace;
mod report;
mod show;
mod status;
mod table;
mod tally;
pub(crate) mod trouble;
pub(crate) mod when;

use crate::message;
use options::Command;
use std::ffi::OsString;
use std::process::ExitCode;

const PROGRAM: &str = "logdir";

/// Runs `logdir` with the arguments and descriptors of this process.
pub fn run() -> ExitCode {
    message::set_program(PROGRAM);
    crate::sys::startup::restore_pipe_signal();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let ended = options::parse(&arguments).and_then(|command| match command {
        Command::Show(options) => show::run(*options),
        Command::Status(options) => status::run(&options),
        Command::Rate(options) => rate::run(&options),
        Command::Kinds(options) => kinds::run(&options),
        Command::Report(options) => report::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Completions(options) => Ok(options::print_completions(options.shell)),
    });
    ended.unwrap_or_else(|code| code)
}
