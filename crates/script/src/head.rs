//! The head of a line: its first bytes, which decide who takes it.

/// Bytes of a line, its stamp included, that decide about it where nothing asks for more: what a pattern of
/// 0.76 sees (multilog(8)).
pub const HEAD_MAX: usize = 1000;

/// Bytes of a line that decide where an expression, an alert or a status file asks for more than
/// [`HEAD_MAX`]: the longest line of s6-log.
pub const LONG_HEAD_MAX: usize = 8192;

/// The part of a head that star and fnmatch patterns see.
pub fn seen_by_patterns(head: &[u8]) -> &[u8] {
    &head[..head.len().min(HEAD_MAX)]
}
