//! Full files that wait for a processor, because an earlier logger had to end before their processor did.
//!
//! Such a file is an archive with `.u` that carries the bit of a whole file, and no archive with another
//! ending is newer. svlogd leaves such files too, and so does 0.76 when it is killed beside a processor. A
//! `.u` without the bit is what a crash cut off; it is never given to a processor.

use crate::disk::For;
use crate::failure::{Failure, What};
use crate::format::{Code, MODE_COMPLETE, is_complete, parse_archive_name};
use crate::label::{LABEL_LEN, Label};
use crate::write::archives;
use crate::write::locked_dir::LockedDir;
use std::collections::VecDeque;

/// How many names are remembered. The directory is read again after so many.
const NAMES_MAX: usize = 1024;

/// The files of a directory that wait.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Their names, oldest first; at most [`NAMES_MAX`], and then not all.
    names: VecDeque<Vec<u8>>,
    /// How many wait, those without a remembered name included.
    count: u64,
}

impl Waiting {
    /// The files that wait now.
    pub fn find(place: &LockedDir) -> Result<Waiting, Failure> {
        Waiting::find_after(place, b"")
    }

    /// The files that wait when a directory is opened. A crash may have been between the naming of a
    /// processor's output and its mark, which is set here.
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

    /// How many files wait.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes the oldest name off the list, reading the directory where more wait than are remembered.
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

/// Archives with `.u` that are newer than every other archive, oldest first; of these, those after a name.
fn unfinished(place: &LockedDir, after: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let Listing { newest_safe, unfinished: mut names } = list(place)?;
    let newest_safe = newest_safe.map(|(label, _)| label);
    names.retain(|name| archives::label_of(name) > newest_safe && name.as_slice() > after);
    names.sort();
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

/// Removes the `.u` of an archive that has its final name too: a power cut can leave both names of a file that
/// was renamed.
fn forget_former_name(place: &LockedDir, former: &[u8], name: &[u8]) -> Result<(), Failure> {
    let stat = |name| place.dir.stat(name).map_err(|errno| place.failure(What::Stat, name, errno));
    match (stat(former)?, stat(name)?) {
        (Some(one), Some(other)) if one.identity == other.identity => place.remove(former),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// Marks an archive as complete, if a writer of ours gave it its name.
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
