//! The programs that copy lines and change their stamps: `tai64n` and `tai64nlocal`.

pub mod copy;
pub mod tai64n;
pub mod tai64nlocal;
