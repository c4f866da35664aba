//! Kinds of log lines: lines that differ only in addresses, numbers, names and quoted text are of one
//! kind.
//!
//! The crate is pure: bytes in, kinds and counts out. A kind depends on its line only, never on other
//! lines or their order, so the kinds of a log are equal however it is read.
#![forbid(unsafe_code)]

mod addresses;
mod count;
mod hash;
mod mask;

pub use addresses::{ADDRESSES_MAX, Addresses};
pub use count::{KINDS_MAX, Kind, Kinds, SHARE_MAX};
pub use hash::KindHash;
pub use mask::{KIND_LEN_MAX, LINE_LEN_MAX, Masked, mask};
