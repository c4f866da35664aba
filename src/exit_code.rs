//! Exit codes of all programs.

/// Exit code: success.
pub const EXIT_OK: u8 = 0;
/// logdir: nothing to show.
pub const EXIT_NOTHING: u8 = 1;
/// logdir: unreadable or invalid data.
pub const EXIT_TROUBLE: u8 = 2;
/// Exit code: invalid options.
pub const EXIT_USAGE: u8 = 100;
/// Exit code: failed start, or given up.
pub const EXIT_FATAL: u8 = 111;
