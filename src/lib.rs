//! The supervised logger: daemontools' multilog, tai64n and tai64nlocal, and the log directories they
//! write and read.
//!
//! ```text
//! stdin ──► input ──► lines ──► select ──► sink ──► logdir ──► directory
//! (blocks)            (heads,   (patterns) alert, status,  current, rotation,
//!                     bytes)               log directory   recovery, retention
//! ```
//!
//! Modules in reading order; each knows only those to its right in the picture. As a library the crate
//! offers labels ([`label`]), scripts ([`script`], [`lines`]) and a log directory as a writer
//! ([`logdir::LogDir`]).

// The programs, and the loop of the first.
mod engine;
mod explain;
pub mod logdir_command;
pub mod multilog;
pub mod tai64n;
pub mod tai64nlocal;

// From the command line to a decision about each line: pure.
mod automaton;
pub mod expression;
pub mod label;
pub mod lines;
pub mod look;
mod newlines;
pub mod pattern;
pub mod script;
pub mod select;
mod stage;
pub mod stamp;

// Where lines come from and go to.
mod input;
pub mod logdir;
pub mod reader;
mod signals;
mod sink;

// What all of the above stand on.
mod arguments;
mod calendar;
mod clock;
mod copy;
pub mod diag;
pub mod disk;
pub mod format;
mod leap_seconds;
mod pause;
mod sys;
pub mod wake;
mod zeros;

// Everything goes wrong once.
#[cfg(test)]
mod faults;
