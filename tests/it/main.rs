//! The programs as a user meets them: real processes in fresh directories.
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod actions;
mod differential;
mod explain;
mod files;
mod filters;
mod handover;
mod hostile;
mod languages;
mod limits;
mod lines;
mod logdir_check;
mod logdir_rate;
mod logdir_status;
mod memory;
mod outputs;
mod peers;
mod processors;
mod promises;
mod random;
mod real_faults;
mod recovery;
mod run_scripts;
mod settings;
mod show;
mod signals;
mod stamps;
mod start_up;
mod stopped_processors;
mod support;
mod surroundings;
mod svscan;
mod tai64n;
mod tai64nlocal;
mod trouble;
