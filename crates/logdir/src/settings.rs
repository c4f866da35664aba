//! What a user can set for a log directory, and the values of 0.76 where nothing is set.
//!
//! Nothing here reads an argument: whoever opens a directory fills these in.

use crate::pause::PAUSE;
use std::ffi::OsString;
use std::time::Duration;

/// The smallest size of a file, in bytes; below it there would be no room for a line and the margin.
pub const SIZE_MIN: u64 = 4096;
/// The size of a file without `s`, in bytes.
pub const SIZE_DEFAULT: u64 = 99_999;
/// The smallest number of files: `current` and one archive.
pub const NUMBER_MIN: u64 = 2;
/// The number of files without `n`.
pub const NUMBER_DEFAULT: u64 = 10;
/// A file ends with the first line that ends within this many bytes of its size, without `l`.
pub const MARGIN_DEFAULT: u64 = 2000;

/// The shortest retry delay; below it nothing would be done but trying again.
pub const PAUSE_MIN: Duration = Duration::from_millis(50);

/// What a directory holds in memory at most, in bytes, without `q`: two of what the line engine hands on at
/// once.
pub const QUEUE_MIN: usize = 128 * 1024;

/// The settings of a log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The program that writes and its version, for readers of the directory.
    pub program: String,
    /// No file grows beyond this, in bytes.
    pub size_max: u64,
    /// `current` and the archives together are at most so many files.
    pub number_max: u64,
    /// The command each finished file is given to.
    pub processor: Option<OsString>,
    /// A file ends with the first line that ends within this many bytes of its size (`l`). More than
    /// half the size is half the size.
    pub margin: u64,
    /// How long trouble rests before it is tried again (`r`).
    pub pause: Duration,
    /// The ending of a finished file's name, behind the dot (`w`).
    pub code: Vec<u8>,
    /// The archives together have at most so many bytes (`S`).
    pub total_max: Option<u64>,
    /// Archives older than this go (`k`).
    pub age_max: Option<Duration>,
    /// So many archives stay when the disk is full and the others go (`N`). At least 1.
    pub number_min: Option<u64>,
    /// `current` is synced when it has been dirty for so long (`y`).
    pub sync_after: Option<Duration>,
    /// When `current` ends for its age (`R`).
    pub rotate_after: Option<RotateAfter>,
    /// What is held in memory when the directory is in trouble, at most, in bytes (`q`).
    pub queue_max: usize,
    /// What happens when that is full.
    pub overflow: Overflow,
    /// Whether the lines that come have stamps.
    pub is_stamped: bool,
}

/// When a file ends for its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotateAfter {
    /// So long after its first byte.
    Age(Duration),
    /// Where local time begins the next stretch of this length: a part of a day, or whole days.
    Aligned(Duration),
}

/// What happens to lines that a full queue has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// They stay in the pipe.
    HoldBack,
    /// After a pause they are dropped, counted, and told of in one line.
    Drop,
}

impl Default for Settings {
    /// The settings of 0.76.
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
        }
    }
}
