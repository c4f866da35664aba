//! Buffers whose pages take memory only once they are written to.

/// A block of so many bytes malloc takes from the kernel for itself, where it is zero anyway; a shorter
/// one it clears, and with that touches every page of it. Most loggers never fill theirs.
const FRESH_LEN: usize = 128 * 1024;

/// A buffer of at least `len` bytes.
pub fn buffer(len: usize) -> Box<[u8]> {
    vec![0; len.max(FRESH_LEN)].into_boxed_slice()
}
