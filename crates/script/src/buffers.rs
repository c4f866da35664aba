//! Sizes of buffers, page-aligned read positions, and buffers whose pages use memory after their
//! first write.

use crate::head::LONG_HEAD_MAX;

/// Sizes of the buffers between input and sinks. The results do not depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffers {
    /// For speed: as much as a pipe holds.
    Usual,
    /// Under a limit of memory (softlimit): as little as works.
    Small,
}

impl Buffers {
    /// Longest read, in bytes.
    pub const fn read_max(self) -> usize {
        match self {
            Buffers::Usual => 64 * 1024,
            Buffers::Small => 4 * 1024,
        }
    }

    /// Longest block, in bytes: a read after an incomplete head.
    pub const fn block_max(self) -> usize {
        self.read_max() + LONG_HEAD_MAX
    }

    /// Most stamped bytes held. A stamped head must fit.
    pub const fn stamped_max(self) -> usize {
        match self {
            Buffers::Usual => 64 * 1024,
            Buffers::Small => LONG_HEAD_MAX + 4 * 1024,
        }
    }

    /// Most bytes that a sink receives from one block.
    pub const fn handed_max(self) -> usize {
        let (block_max, stamped_max) = (self.block_max(), self.stamped_max());
        if stamped_max > block_max { stamped_max } else { block_max }
    }

    /// Allocates at least `len` bytes plus one page less a byte.
    pub fn allocate(self, len: usize) -> Box<[u8]> {
        match self {
            Buffers::Usual => buffer(len),
            Buffers::Small => vec![0; len + PAGE_LEN - 1].into_boxed_slice(),
        }
    }
}

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
