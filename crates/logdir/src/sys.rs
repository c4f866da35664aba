//! System calls without a safe wrapper in the standard library. All unsafe code of this crate is in
//! these files.

#![allow(unsafe_code)]

pub mod local_time;
pub mod signal;
pub mod spawn;
pub mod thread;
