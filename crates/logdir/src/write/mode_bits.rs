//! Checks that the file system keeps the bit marking a file complete.
//!
//! exFAT and others show a fixed mode for every file but may accept chmod. Recovery would then take
//! every file for complete, or none, and remove lines. So such a directory is refused before any
//! change or read.

use crate::disk::{File, For};
use crate::failure::{Failure, What};
use crate::format::{COMPLETE_BIT, LOCK, MODE_PRIVATE, is_complete};
use crate::write::locked_dir::LockedDir;
use nix::errno::Errno;

/// Settable mode bits.
const MODE_MASK: u32 = 0o7777;

/// Sets and clears the bit on `lock`, reading it back each time. `lock` does not use the bit
/// otherwise.
pub fn check(place: &LockedDir) -> Result<(), Failure> {
    let failure = |errno| place.failure(What::SetMode, LOCK, errno);
    let lock = place.dir.open(LOCK, For::Appending(MODE_PRIVATE)).map_err(failure)?;
    let mode = lock.stat().map_err(failure)?.mode & MODE_MASK & !COMPLETE_BIT;
    let is_kept = keeps(&lock, mode | COMPLETE_BIT).and_then(|is_kept| {
        let is_taken_away = keeps(&lock, mode)?;
        Ok(is_kept && is_taken_away)
    });
    match is_kept.map_err(failure)? {
        true => Ok(()),
        false => Err(Failure::no_mode_bits([place.name(), b"/", LOCK].concat())),
    }
}

/// Sets a mode and checks the bit.
fn keeps(lock: &File, mode: u32) -> Result<bool, Errno> {
    lock.set_mode(mode)?;
    Ok(is_complete(lock.stat()?.mode) == is_complete(mode))
}
