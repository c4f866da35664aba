//! Full files waiting for a processor, because an earlier logger exited before their processor
//! finished.
//!
//! Such a file is an archive `.u` with the complete bit, newer than all archives with other
//! endings. svlogd leaves such files too, and so does 0.76 when killed during a processor. A `.u`
//! without the bit was cut off by a crash and never goes to a processor.

use crate::disk::For;
use crate::failure::{Failure, What};
use crate::format::{Code, MODE_COMPLETE, is_complete, parse_archive_name};
use crate::label::{LABEL_LEN, Label};
use crate::write::archives;
use crate::write::locked_dir::LockedDir;
use std::collections::VecDeque;

/// Most remembered names. Further names need another listing.
const NAMES_MAX: usize = 1024;

/// Waiting files of a directory.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Names, oldest first; at most [`NAMES_MAX`], possibly incomplete.
    names: VecDeque<Vec<u8>>,
    /// Number of waiting files, including files without a remembered name.
    count: u64,
}

impl Waiting {
    /// Finds the waiting files.
    pub fn find(place: &LockedDir) -> Result<Waiting, Failure> {
        Waiting::find_after(place, b"")
    }

    /// Finds the waiting files at opening. First sets the mark on a processor's output if a crash
    /// came between its naming and its mark.
    pub fn find_at_start(place: &LockedDir) -> Result<Waiting, Failure> {
        let Listing { newest_safe, unfinished } = list(place)?;
        if let Some((label, newest)) = newest_safe {
            mark(place, &newest)?;
            let has_label = |name: &&Vec<u8>| archives::label_of(name) == Some(label);
            if let Some(unfinished) = unfinished.iter().find(has_label) {
                forget_former_name(place, unfinished, &newest)?;
            }
        }
        Waiting::find(place)
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Pops the oldest name, reading the directory again for further names.
    pub fn take_oldest(&mut self, place: &LockedDir) -> Result<Option<Vec<u8>>, Failure> {
        let Some(name) = self.names.pop_front() else { return Ok(None) };
        self.count -= 1;
        if self.names.is_empty() && self.count > 0 {
            match Waiting::find_after(place, &name) {
                Ok(rest) => *self = rest,
                Err(failure) => {
                    self.names.push_front(name);
                    self.count += 1;
                    return Err(failure);
                }
            }
        }
        Ok(Some(name))
    }

    fn find_after(place: &LockedDir, after: &[u8]) -> Result<Waiting, Failure> {
        let mut found = Waiting::default();
        for name in unfinished(place, after)? {
            let stat =
                place.dir.stat(&name).map_err(|errno| place.failure(What::Stat, &name, errno))?;
            let is_whole =
                stat.is_some_and(|stat| stat.refuse_others().is_ok() && is_complete(stat.mode));
            if is_whole {
                found.count += 1;
                if found.names.len() < NAMES_MAX {
                    found.names.push_back(name);
                }
            }
        }
        Ok(found)
    }
}

/// Archives `.u` newer than every other archive, oldest first, restricted to names after `after`.
fn unfinished(place: &LockedDir, after: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let Listing { newest_safe, unfinished: mut names } = list(place)?;
    let newest_safe = newest_safe.map(|(label, _)| label);
    names.retain(|name| archives::label_of(name) > newest_safe && name.as_slice() > after);
    names.sort_unstable();
    Ok(names)
}

#[derive(Default)]
struct Listing {
    newest_safe: Option<(Label, Vec<u8>)>,
    unfinished: Vec<Vec<u8>>,
}

fn list(place: &LockedDir) -> Result<Listing, Failure> {
    let mut listing = Listing::default();
    let listed = place.dir.each_name(|name| {
        let Some(label) = archives::label_of(name) else { return };
        match parse_archive_name(name) {
            Some((_, Code::Unfinished)) if &name[LABEL_LEN..] == b".u" => {
                listing.unfinished.push(name.to_vec());
            }
            Some((_, Code::Safe)) => {
                if listing.newest_safe.as_ref().is_none_or(|(newest, _)| label > *newest) {
                    listing.newest_safe = Some((label, name.to_vec()));
                }
            }
            Some((_, Code::Unfinished)) | None => {}
        }
    });
    listed.map_err(|errno| place.failure_here(What::Read, errno))?;
    Ok(listing)
}

/// Removes the `.u` name of an archive that also has its final name: a power cut can leave both
/// names after a rename.
fn forget_former_name(place: &LockedDir, former: &[u8], name: &[u8]) -> Result<(), Failure> {
    let stat = |name| place.dir.stat(name).map_err(|errno| place.failure(What::Stat, name, errno));
    match (stat(former)?, stat(name)?) {
        (Some(one), Some(other)) if one.identity == other.identity => place.remove(former),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// Marks an archive complete if our own writer named it.
fn mark(place: &LockedDir, name: &[u8]) -> Result<(), Failure> {
    let is_ours = name[LABEL_LEN..].strip_prefix(b".") == Some(&place.spec.code[..]);
    let stat = place.dir.stat(name).map_err(|errno| place.failure(What::Stat, name, errno))?;
    let is_unmarked =
        stat.is_some_and(|stat| stat.refuse_others().is_ok() && !is_complete(stat.mode));
    if is_ours && is_unmarked {
        let file = place.dir.open(name, For::Reading);
        let marked = file.and_then(|file| file.set_mode(MODE_COMPLETE));
        marked.map_err(|errno| place.failure(What::SetMode, name, errno))?;
    }
    Ok(())
}
