//! The script of multilog(8): from the command line to a decision for each line.
//!
//! ```text
//! arguments ──► parse ──► Script ──► lines::Lines ──► heads and bytes for each sink
//!               settings   action      ▲ newlines, select, stamped_buffer
//!               pattern                └ input blocks, and a Stamper
//! ```
//!
//! The crate is pure: no files, no clock, no output. The calling program reads input, sets the
//! stamp clock, and opens the files that actions name.
//!
//! Reading order: [`head`] (deciding bytes of a line), [`action`] and [`mod@parse`] (command line),
//! [`settings`] and [`presentation`] (sink options), [`pattern`], [`expression`] and `automaton`
//! (single patterns, then all star patterns together), [`select`] (sinks of a line), [`newlines`],
//! [`stamper`] and `stamped_buffer` (blocks to stamped lines), [`lines`] (engine).

#![forbid(unsafe_code)]

// The command line.
pub mod action;
pub mod head;
pub mod parse;
pub mod presentation;
pub mod settings;

// Selection.
mod automaton;
pub mod expression;
pub mod pattern;
pub mod select;

// Input blocks.
pub mod buffers;
pub mod lines;
pub mod newlines;
mod stamped_buffer;
pub mod stamper;

pub use action::{Action, Script, StampFormat};
pub use parse::parse;
