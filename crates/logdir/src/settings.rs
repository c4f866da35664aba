//! User settings of a log directory, with 0.76 defaults.
//!
//! Programs parse their arguments and fill in these settings.

use crate::pause::PAUSE;
use std::ffi::OsString;
use std::time::Duration;

/// Minimum file size in bytes: room for a line plus margin.
pub const SIZE_MIN: u64 = 4096;
/// Default file size in bytes (`s`).
pub const SIZE_DEFAULT: u64 = 99_999;
/// Minimum number of files: `current` plus one archive.
pub const NUMBER_MIN: u64 = 2;
/// Default number of files (`n`).
pub const NUMBER_DEFAULT: u64 = 10;
/// Default margin (`l`): a file ends after the first line ending within this many bytes of its
/// size.
pub const MARGIN_DEFAULT: u64 = 2000;

/// Shortest retry delay; shorter delays would keep the writer busy with retries only.
pub const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Default wait for a lock held by another process. A killed logger may leave a child between fork and exec, briefly
/// holding a copy of the lock.
pub const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// Default bound of bytes in memory (`q`): two blocks of the line engine.
pub const QUEUE_MIN: usize = 128 * 1024;

/// Settings of a log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Writer's name and version, for readers.
    pub program: String,
    /// Maximum file size in bytes.
    pub size_max: u64,
    /// Maximum number of files: `current` plus archives.
    pub number_max: u64,
    /// Command run for each full file.
    pub processor: Option<OsString>,
    /// A file ends after the first line ending within this many bytes of its size (`l`). Values
    /// above half the size mean half the size.
    pub margin: u64,
    /// Retry delay after failures (`r`).
    pub pause: Duration,
    /// Suffix of complete archives, without the dot (`w`).
    pub code: Vec<u8>,
    /// Maximum bytes of all archives (`S`).
    pub total_max: Option<u64>,
    /// Maximum age of archives (`k`).
    pub age_max: Option<Duration>,
    /// Archives kept when a full disk forces removal (`N`). At least 1.
    pub number_min: Option<u64>,
    /// Longest time between a write and fsync of `current` (`y`).
    pub sync_after: Option<Duration>,
    /// Rotation of `current` by age (`R`).
    pub rotate_after: Option<RotateAfter>,
    /// Maximum bytes held in memory while the directory fails (`q`).
    pub queue_max: usize,
    /// Policy for a full queue.
    pub overflow: Overflow,
    /// True if incoming lines carry stamps.
    pub is_stamped: bool,
    /// True if opening creates missing parents of the directory (`m`).
    pub makes_parents: bool,
    /// How long opening waits for a lock that another process holds. Zero in an event loop, which tries again.
    pub lock_patience: Duration,
    /// Archives kept for a reader beyond the limits above but `number_min` (`h`).
    pub hold: Option<Hold>,
}

/// Archives that a reader has not passed stay until all archives together exceed a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Cursor file of the reader, as `logdir show --cursor` and logship write it.
    pub cursor: OsString,
    /// Bytes of all archives.
    pub len_max: u64,
}

/// Rotation by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotateAfter {
    /// After this time since the first byte.
    Age(Duration),
    /// At multiples of this length in local time: a divisor of a day, or whole days.
    Aligned(Duration),
}

/// Policy for lines that exceed a full queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Lines wait in the pipe.
    HoldBack,
    /// After the retry delay, drops and counts lines and reports the loss in one line.
    Drop,
}

impl Default for Settings {
    /// Settings of 0.76.
    fn default() -> Settings {
        Settings {
            program: concat!("logdir ", env!("CARGO_PKG_VERSION")).to_owned(),
            size_max: SIZE_DEFAULT,
            number_max: NUMBER_DEFAULT,
            processor: None,
            margin: MARGIN_DEFAULT,
            pause: PAUSE,
            code: b"s".to_vec(),
            total_max: None,
            age_max: None,
            number_min: None,
            sync_after: None,
            rotate_after: None,
            queue_max: QUEUE_MIN,
            overflow: Overflow::HoldBack,
            is_stamped: false,
            makes_parents: false,
            lock_patience: LOCK_PATIENCE,
            hold: None,
        }
    }
}
