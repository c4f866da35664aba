//! Replaces an unfinished archive with the processor's output, in named steps of one call each.
//!
//! A logger that exited before its processor left its file as a complete archive with `.u`. After
//! the processor succeeds in a later run, its output replaces that archive. After each step exactly
//! one file holds the lines, for us, for 0.76, and after a power cut. A complete `.u` would be
//! processed again, so the output gets its mark only after its `.s` name.

use crate::disk::File;
use crate::failure::{Failure, What};
use crate::format::{MODE_COMPLETE, NEWSTATE, PROCESSED, STATE, safe_name};
use crate::write::locked_dir::LockedDir;

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacing {
    /// Syncs the directory: an earlier run removed the archive's name `previous`, and a power cut
    /// must not restore it beside the replacement.
    SyncNames,
    /// Renames the still unmarked `processed` to the archive.
    Rename,
    /// Syncs the directory: a marked `processed` would become another archive.
    SyncRenamed,
    /// Renames the archive to `.s`: its contents are on disk.
    NameSafe,
    /// Sets the complete mode.
    Mark,
    /// fsync of the new mode.
    SyncMark,
    /// Renames `newstate` to `state`.
    KeepState,
}

impl Replacing {
    /// Performs this step on the archive `unfinished` and returns the next; `None` at the end.
    pub fn advance(
        self,
        place: &LockedDir,
        processed: &File,
        unfinished: &[u8],
    ) -> Result<Option<Replacing>, Failure> {
        let next = match self {
            Replacing::SyncNames => {
                place.confirm_names()?;
                Replacing::Rename
            }
            Replacing::Rename => {
                let renamed = place.rename(PROCESSED, unfinished);
                renamed.map_err(|errno| place.failure(What::Link, unfinished, errno))?;
                Replacing::SyncRenamed
            }
            Replacing::SyncRenamed => {
                place.confirm_names()?;
                Replacing::NameSafe
            }
            Replacing::NameSafe => {
                let safe = safe_name(unfinished, &place.spec.code);
                let renamed = place.rename(unfinished, &safe);
                renamed.map_err(|errno| place.failure(What::Link, &safe, errno))?;
                Replacing::Mark
            }
            Replacing::Mark => {
                let marked = processed.set_mode(MODE_COMPLETE);
                marked.map_err(|errno| place.failure(What::SetMode, unfinished, errno))?;
                Replacing::SyncMark
            }
            Replacing::SyncMark => {
                if let Err(errno) = processed.sync() {
                    // Only the mark is uncertain. Opening after a power cut sets it again.
                    place.report_failed(place.failure(What::Sync, unfinished, errno));
                }
                Replacing::KeepState
            }
            Replacing::KeepState => {
                keep_state(place)?;
                return Ok(None);
            }
        };
        Ok(Some(next))
    }
}

/// True if another program removed or compressed the archive while its processor ran. Its lines are wherever
/// that program wants them; the output would double them.
pub fn is_taken(place: &LockedDir, unfinished: &[u8]) -> Result<bool, Failure> {
    let found = place.dir.stat(unfinished);
    Ok(found.map_err(|errno| place.failure(What::Stat, unfinished, errno))?.is_none())
}

/// Makes the processor's new state the input of its next run.
pub fn keep_state(place: &LockedDir) -> Result<(), Failure> {
    let renamed = place.rename(NEWSTATE, STATE);
    renamed.map_err(|errno| place.failure_here(What::RenameState, errno))
}
