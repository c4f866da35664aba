//! The package's programs, one function each: logger `multilog`, filters `tai64n` and
//! `tai64nlocal`, and `logdir`, the reader of log directories.
//!
//! ```text
//! stdin ──► logger/input ──► script (crate) ──► logger/sink ──► logdir (crate) ──► directory
//!           blocks           lines, patterns    alert, status,  current, rotation,
//!                                               log directory   recovery, retention
//! ```
//!
//! Modules in reading order; in the picture, each module knows only modules to its right.

// Programs.
pub mod filter;
pub mod logdir;
pub mod logger;
pub mod receive;
pub mod ship;

// Shared modules.
mod address;
#[cfg(feature = "nats")]
mod beside;
mod exit_code;
mod kafka;
mod message;
mod nats;
mod options;
mod poll;
mod prometheus;
mod signals;
mod status_file;
mod stdout;
pub mod sys;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls/absent.rs"]
mod tls;
