//! Giving finished files their names, and removing the oldest.

use crate::clock;
use crate::diag::{self, Failure, What};
use crate::format::{ArchiveKey, Code, archive_key, archive_name, is_removable};
use crate::label::Label;
use crate::logdir::place::Place;
use nix::errno::Errno;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Labels with more seconds than this are reserved (TAI64); a name made of one is nobody's.
const LABEL_END: u64 = 1 << 63;

/// How long a listing of the directory is good for, but for our own changes. 0.76 reads the directory
/// for every file; where files are finished faster than this the cost would grow with their number.
const LISTING_AGE_MAX: Duration = Duration::from_secs(1);

/// How many of the oldest names are remembered from one listing to the next.
const REMOVABLE_MAX: usize = 1024;

/// The archives of a directory.
#[derive(Debug, Default)]
pub struct Archives {
    /// When the directory was read; never, or no longer to be relied on, if none.
    read_at: Option<Instant>,
    /// Number of names that count.
    count: u64,
    /// The newest moment in any name.
    newest: Option<Label>,
    /// Names that may be removed, oldest first; at most [`REMOVABLE_MAX`], and then not all.
    removable: VecDeque<Vec<u8>>,
    /// Whether these are all that may be removed.
    is_complete: bool,
}

impl Archives {
    /// Links `file` to a new archive name and returns that name.
    ///
    /// The name carries the present moment, or one nanosecond after the newest archive where the
    /// clock stands behind that: names never go backwards, so the newest file is never taken for the
    /// oldest. None where the file is not there, or has its name already: a writer that died between
    /// link and unlink left both. A link that a backup program made elsewhere is no such name.
    pub fn publish(
        &mut self,
        place: &Place,
        file: &[u8],
        code: Code,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let stat = place.dir.stat(file).map_err(|errno| place.failure(What::Stat, file, errno))?;
        let Some(stat) = stat else { return Ok(None) };
        if stat.links > 1 && find(place, stat.identity)?.is_some() {
            return Ok(None);
        }
        self.refresh(place)?;
        let now = clock::now();
        let label = self.newest.map_or(now, |newest| now.max(newest.next()));
        let name = archive_name(label, code, &place.spec.code);
        if label == now {
            place.clock_behind.forget();
        } else if place.clock_behind.is_news() {
            warn_of_clock(place, &name);
        }
        match give_name(place, file, &name) {
            Ok(()) => {
                self.add_newest(&name);
                Ok(Some(name))
            }
            Err(errno) => {
                self.read_at = None;
                Err(place.failure(What::Link, &name, errno))
            }
        }
    }

    /// Removes the oldest archives until fewer than the directory's number remain, but never
    /// `spared`, the one just named.
    ///
    /// What cannot be removed is left, told once, and the next one is tried; 0.76 tries the same one
    /// for ever.
    pub fn prune(&mut self, place: &Place, spared: Option<&[u8]>) -> Result<(), Failure> {
        self.refresh(place)?;
        let mut stuck = None;
        while self.count >= place.spec.number_max {
            let Some(oldest) = self.next_oldest(place)? else { break };
            if spared == Some(&oldest) {
                continue;
            }
            match place.dir.remove(&oldest) {
                Ok(()) => self.count -= 1,
                Err(Errno::ENOENT) => {
                    // Somebody else removed it, or gave it another name that counts: the next
                    // rotation looks again.
                    self.count -= 1;
                    self.read_at = None;
                }
                Err(errno) => stuck = Some(place.failure(What::Remove, &oldest, errno)),
            }
        }
        match stuck {
            None => place.archives_stuck.forget(),
            Some(failure) if place.archives_stuck.is_news() => diag::failed(&failure),
            Some(_) => {}
        }
        Ok(())
    }

    /// Somebody changed the names: the next one to need them reads the directory.
    pub fn forget(&mut self) {
        self.read_at = None;
    }

    /// Takes the oldest name off the list.
    fn next_oldest(&mut self, place: &Place) -> Result<Option<Vec<u8>>, Failure> {
        if self.removable.is_empty() && !self.is_complete {
            self.read(place)?;
        }
        Ok(self.removable.pop_front())
    }

    fn refresh(&mut self, place: &Place) -> Result<(), Failure> {
        match self.read_at {
            Some(read_at)
                if clock::moment().saturating_duration_since(read_at) < LISTING_AGE_MAX =>
            {
                Ok(())
            }
            Some(_) | None => self.read(place),
        }
    }

    fn read(&mut self, place: &Place) -> Result<(), Failure> {
        *self = Archives::default();
        let mut removable = Vec::new();
        let listing = place.dir.each_name(|name| {
            let Some(key) = archive_key(name) else { return };
            self.count += 1;
            self.newest = self.newest.max(moment(&key));
            if is_removable(name) {
                removable.push(name.to_vec());
            }
        });
        listing.map_err(|errno| place.failure_here(What::Read, errno))?;
        // By the key alone, as 0.76: of equal keys whichever the directory lists first goes first.
        removable.sort_by_key(|name| archive_key(name));
        self.is_complete = removable.len() <= REMOVABLE_MAX;
        removable.truncate(REMOVABLE_MAX);
        self.removable = removable.into();
        self.read_at = Some(clock::moment());
        Ok(())
    }

    /// Takes note of a name that is newer than all others.
    fn add_newest(&mut self, name: &[u8]) {
        self.count += 1;
        self.newest = self.newest.max(Label::parse(name));
        if self.is_complete && self.removable.len() < REMOVABLE_MAX {
            self.removable.push_back(name.to_vec());
        } else {
            self.is_complete = false;
        }
    }
}

fn moment(key: &ArchiveKey) -> Option<Label> {
    Label::parse(key).filter(|label| label.seconds() < LABEL_END)
}

/// Links, or renames where the file system has no links for this file: another user's (protected hard
/// links), one with too many, or none at all. The lock keeps others from making the name meanwhile.
fn give_name(place: &Place, file: &[u8], name: &[u8]) -> Result<(), Errno> {
    match place.dir.link(file, name) {
        Err(Errno::EPERM | Errno::EMLINK | Errno::EOPNOTSUPP | Errno::ENOSYS) => {}
        answer => return answer,
    }
    match place.dir.stat(name)? {
        Some(_) => Err(Errno::EEXIST),
        None => place.dir.rename(file, name),
    }
}

/// The name of the archive that is this very file, if one is.
pub fn find(place: &Place, identity: (u64, u64)) -> Result<Option<Vec<u8>>, Failure> {
    let mut names = Vec::new();
    let listing = place.dir.each_name(|name| {
        if archive_key(name).is_some() {
            names.push(name.to_vec());
        }
    });
    listing.map_err(|errno| place.failure_here(What::Read, errno))?;
    for name in names {
        let stat =
            place.dir.stat(&name).map_err(|errno| place.failure(What::Stat, &name, errno))?;
        if stat.is_some_and(|stat| stat.identity == identity) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn warn_of_clock(place: &Place, name: &[u8]) {
    let told = [
        b"the clock stands behind the newest archive in ".as_slice(),
        place.name(),
        b", naming the next one ",
        name,
    ];
    diag::warn(&told.concat());
}
