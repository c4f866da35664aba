//! The program `logdir`: what is in log directories, for people and scripts.
//!
//! Here is only what its commands have in common: the choice of one, and what all say of trouble. Each
//! command is a file of its own.

mod bucket;
mod check;
mod choices;
mod figures;
mod filter;
mod rate;
mod show;
mod status;
mod table;
mod time_words;
mod trouble;

use crate::message;
use crate::options;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

const PROGRAM: &str = "logdir";
const VERSION: &str = concat!("logdir ", env!("CARGO_PKG_VERSION"), "\n");
const HELP: &str = "\
Usage: logdir COMMAND [option...] [dir...]

  show       the lines of log directories, old files included, in order of time
  status     who writes them, what is in them, and how fast lines come
  rate       how many lines came when, as bars
  check      what is wrong in them, what it means and what to do

A dir is a log directory, the directory of a service, one of many services, a file,
or a pattern; without one, /service, /etc/service or /run/service.

  --help     show this text, or that of a command
  --version  show the version
";

/// Runs the program with the arguments and descriptors of the process.
pub fn run() -> ExitCode {
    message::set_program(PROGRAM);
    crate::sys::startup::restore_pipe_signal();
    let mut arguments = std::env::args_os().skip(1);
    let Some(command) = arguments.next() else {
        return refuse("no command");
    };
    let arguments: Vec<OsString> = arguments.collect();
    let ended = match command.as_bytes() {
        b"show" => show::run(arguments),
        b"status" => status::run(arguments),
        b"check" => check::run(arguments),
        b"rate" => rate::run(arguments),
        b"--help" | b"help" => Ok(options::show(HELP)),
        b"--version" => Ok(options::show(VERSION)),
        _ => Err(refuse(&format!("no command {}", command.to_string_lossy()))),
    };
    ended.unwrap_or_else(|code| code)
}

fn refuse(why: &str) -> ExitCode {
    message::fatal_text(&format!("{why}; logdir --help lists them"));
    ExitCode::from(message::EXIT_TROUBLE)
}
