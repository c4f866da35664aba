//! Page-aligned read positions, and buffers whose pages use memory after their first write.

/// malloc maps blocks of at least this size directly, already zeroed; malloc clears a smaller block
/// and touches every page. Most loggers never fill their buffers.
const FRESH_LEN: usize = 128 * 1024;

/// Allocates at least `len` bytes plus one page less a byte.
pub fn buffer(len: usize) -> Box<[u8]> {
    vec![0; (len + PAGE_LEN - 1).max(FRESH_LEN)].into_boxed_slice()
}

const PAGE_LEN: usize = 4096;

/// First page start at or after `from`.
///
/// The kernel copies read data with one instruction. Measured on an EPYC, this copy takes more than
/// twice as long if the destination's page offset exceeds the source's by 1 to 32 bytes. Pipe and
/// file data start at a page boundary; malloc returns large buffers at page offset 16.
pub fn page_start(buffer: &[u8], from: usize) -> usize {
    let behind = buffer[from..].as_ptr().align_offset(PAGE_LEN);
    assert!(behind < PAGE_LEN);
    from + behind
}
