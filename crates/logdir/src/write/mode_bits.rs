//! Checks that the file system keeps the bit marking a file complete.
//!
//! exFAT and others show a fixed mode for every file but may accept chmod. Recovery would then take
//! every file for complete, or none, and remove lines. So such a directory is refused before any
//! change or read.

use crate::disk::Dir;
use crate::failure::{Failure, What};
use crate::format::{COMPLETE_BIT, LOCK, is_complete};
use crate::write::locked_dir::LockedDir;
use nix::errno::Errno;

/// Settable mode bits.
const MODE_MASK: u32 = 0o7777;

/// Sets and clears the bit on `lock`, reading it back each time. `lock` does not use the bit
/// otherwise. By name, because a limit may leave no descriptor for a second open file.
pub fn check(place: &LockedDir) -> Result<(), Failure> {
    let failure = |errno| place.failure(What::SetMode, LOCK, errno);
    let mode = mode_of(&place.dir).map_err(failure)? & MODE_MASK & !COMPLETE_BIT;
    let is_kept = keeps(&place.dir, mode | COMPLETE_BIT).and_then(|is_kept| {
        let is_taken_away = keeps(&place.dir, mode)?;
        Ok(is_kept && is_taken_away)
    });
    match is_kept.map_err(failure)? {
        true => Ok(()),
        false => Err(Failure::no_mode_bits([place.name(), b"/", LOCK].concat())),
    }
}

/// Sets a mode and checks the bit.
fn keeps(dir: &Dir, mode: u32) -> Result<bool, Errno> {
    dir.set_mode(LOCK, mode)?;
    Ok(is_complete(mode_of(dir)?) == is_complete(mode))
}

fn mode_of(dir: &Dir) -> Result<u32, Errno> {
    Ok(dir.stat(LOCK)?.ok_or(Errno::ENOENT)?.mode)
}
