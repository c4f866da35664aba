//! The output of a processor takes the place of an unfinished archive, in named steps of one call each.
//!
//! A logger that ended before its processor left its file as a whole archive with `.u`. When the processor has
//! succeeded in a later run, its output has to replace that archive so that the lines are in one file that
//! counts after each step, for us, for 0.76, and after a power cut. A whole `.u` would be processed again: so
//! the output is marked only when it has its `.s`.

use crate::disk::File;
use crate::failure::{Failure, What};
use crate::format::{MODE_COMPLETE, NEWSTATE, PROCESSED, STATE, safe_name};
use crate::write::locked_dir::LockedDir;

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacing {
    /// fsync of the directory: an earlier run removed the name `previous` of the archive, and a power cut must
    /// not bring it back beside what replaces the archive.
    SyncNames,
    /// `processed`, not marked yet, becomes the archive.
    Rename,
    /// fsync of the directory: a marked `processed` would become one more archive.
    SyncRenamed,
    /// The archive gets its `.s`: its contents are on disk.
    NameSafe,
    /// The archive is complete.
    Mark,
    /// fsync of that mark.
    SyncMark,
    /// `newstate` becomes `state`.
    KeepState,
}

impl Replacing {
    /// Does this step on the archive `unfinished`, and tells the next. None when all are done.
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
                    // Only the mark is in doubt. A start after a power cut sets it again.
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

/// What the processor wants to remember is what the next one reads.
pub fn keep_state(place: &LockedDir) -> Result<(), Failure> {
    let renamed = place.rename(NEWSTATE, STATE);
    renamed.map_err(|errno| place.failure_here(What::RenameState, errno))
}
