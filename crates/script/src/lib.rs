//! The script of multilog(8): from the command line to a decision about each line.
//!
//! ```text
//! arguments ──► parse ──► Script ──► lines::Lines ──► heads and bytes for each sink
//!               settings   action      ▲ newlines, select, stamped_buffer
//!               pattern                └ blocks of input, and a Stamper
//! ```
//!
//! The crate is pure: it opens no file, reads no clock and prints nothing. The program that owns a script
//! reads the input, sets the clock of the stamps, and opens what the actions name.
//!
//! Reading order: [`head`] (how much of a line decides), [`action`] and [`mod@parse`] (the command line),
//! [`settings`] and [`presentation`] (what holds for a sink), [`pattern`], [`expression`] and `automaton` (one
//! pattern, and all star patterns at once), [`select`] (which sinks take a line), [`newlines`], [`stamper`] and
//! `stamped_buffer` (blocks to stamped lines), [`lines`] (the engine that joins them).

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
