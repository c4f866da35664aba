//! The programs of the package, one function each: the supervised logger `multilog`, the filters `tai64n` and
//! `tai64nlocal`, and `logdir`, which reads log directories.
//!
//! ```text
//! stdin ──► logger/input ──► lines ──► select ──► logger/sink ──► logdir (crate) ──► directory
//! (blocks)                   (heads,   (patterns) alert, status,   current, rotation,
//!                            bytes)               log directory    recovery, retention
//! ```
//!
//! Modules in reading order; each knows only those to its right in the picture.

// The programs.
pub mod filter;
pub mod logdir;
pub mod logger;

// From the command line to a decision about each line: pure.
mod automaton;
pub mod expression;
pub mod lines;
pub mod look;
mod newlines;
pub mod pattern;
pub mod script;
pub mod select;
mod stage;

// What the programs share.
mod buffers;
mod message;
mod options;
mod signals;
mod sys;
