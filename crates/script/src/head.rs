//! Head: the first bytes of a line, which decide its route.

/// Default head length, stamp included, in bytes: the bytes that 0.76 patterns see (multilog(8)).
pub const HEAD_MAX: usize = 1000;

/// Head length if an expression, an alert or a status file needs more than [`HEAD_MAX`]: the
/// longest line of s6-log, in bytes.
pub const LONG_HEAD_MAX: usize = 8192;

/// Part of a head visible to star and fnmatch patterns.
pub fn seen_by_patterns(head: &[u8]) -> &[u8] {
    &head[..head.len().min(HEAD_MAX)]
}
