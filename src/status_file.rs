//! Files in which logship and logreceive say how they are: one JSON object, replaced as a whole.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Age in seconds at which a status means a stopped program.
pub const STALE_SECS: u64 = 30;

/// Replaces a file with a status.
///
/// # Errors
/// The system's.
pub fn save(path: &Path, status: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(status)?;
    text.push(b'\n');
    replace(path, &text)
}

/// Reads a status.
///
/// # Errors
/// The system's, or the file is no such status.
pub fn load<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Replaces a file: readers find the old or the new text, never a mixture. Nothing is synced, because a power cut
/// ends the program too.
///
/// # Errors
/// The system's.
pub fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    File::create(&new)?.write_all(text)?;
    fs::rename(&new, path)
}

/// Seconds since 1970.
pub fn unix_secs(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
