//! Whether the file system keeps the bit that marks a file as whole.
//!
//! exFAT and others show every file with the same mode and may accept a change all the same. Recovery would then
//! take each file for whole, or none, and remove lines. So a directory there is refused before anything in it is
//! changed or read.

use crate::disk::{File, For};
use crate::failure::{Failure, What};
use crate::format::{COMPLETE_BIT, LOCK, MODE_PRIVATE, is_complete};
use crate::write::locked_dir::LockedDir;
use nix::errno::Errno;

/// The part of a mode that can be set.
const MODE_MASK: u32 = 0o7777;

/// Sets the bit of `lock` and takes it away again, reading it back each time. `lock` has no other use for it.
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

/// Sets a mode and reports whether the bit is as it was set.
fn keeps(lock: &File, mode: u32) -> Result<bool, Errno> {
    lock.set_mode(mode)?;
    Ok(is_complete(lock.stat()?.mode) == is_complete(mode))
}
