//! System calls without a safe wrapper in the standard library. All unsafe code of this crate is in
//! submodules.

#![allow(unsafe_code)]

pub mod memory;
pub mod ready;
pub mod socket;
pub mod startup;
