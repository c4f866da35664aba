//! The programs of the package, one function each: the supervised logger `multilog`, the filters `tai64n` and
//! `tai64nlocal`, and `logdir`, which reads log directories.
//!
//! ```text
//! stdin ──► logger/input ──► script (crate) ──► logger/sink ──► logdir (crate) ──► directory
//!           blocks           lines, patterns    alert, status,  current, rotation,
//!                                               log directory   recovery, retention
//! ```
//!
//! Modules in reading order; each knows only those to its right in the picture.

// The programs.
pub mod filter;
pub mod logdir;
pub mod logger;
pub mod ship;

// What the programs share.
mod message;
mod options;
mod poll;
mod signals;
mod stdout;
mod sys;
