//! Buffers whose pages take memory only once they are written to, and where in them to read to.

/// A block of so many bytes malloc takes from the kernel for itself, where it is zero anyway; a shorter
/// one it clears, and with that touches every page of it. Most loggers never fill theirs.
const FRESH_LEN: usize = 128 * 1024;

/// A buffer of at least `len` bytes, and as many more as a page less one.
pub fn buffer(len: usize) -> Box<[u8]> {
    vec![0; (len + PAGE_LEN - 1).max(FRESH_LEN)].into_boxed_slice()
}

/// Bytes of a page.
const PAGE_LEN: usize = 4096;

/// The first place from `from` on where a page begins.
///
/// The kernel copies what is read with one instruction. On an EPYC that takes more than twice as long, as
/// measured, if the place it writes to is 1 to 32 bytes further in its page than the one it reads from.
/// Pipes and files hold their bytes from the beginning of a page on, and malloc gives a large buffer
/// sixteen bytes behind it.
pub fn page_start(buffer: &[u8], from: usize) -> usize {
    let behind = buffer[from..].as_ptr().align_offset(PAGE_LEN);
    assert!(behind < PAGE_LEN);
    from + behind
}
