//! What the standard library has no safe call for. The only unsafe code of the crate is below here.

#![allow(unsafe_code)]

pub mod ready;
pub mod socket;
pub mod startup;
