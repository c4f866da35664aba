//! Giving finished files their names, and removing the oldest.

use crate::clock;
use crate::diag::{self, Failure, What};
use crate::format::{Code, archive_key, archive_name, is_removable};
use crate::label::Label;
use crate::logdir::place::Place;

/// Labels with more seconds than this are reserved (TAI64); a name made of one is nobody's.
const LABEL_END: u64 = 1 << 63;

/// The archives of a directory as its listing tells them.
#[derive(Debug, Default)]
struct Archives {
    /// Number of names that count.
    count: u64,
    /// The newest moment in any name.
    newest: Option<Label>,
    /// Names that may be removed, oldest last.
    removable: Vec<Vec<u8>>,
}

impl Archives {
    fn read(place: &Place) -> Result<Archives, Failure> {
        let mut archives = Archives::default();
        let listing = place.dir.each_name(|name| archives.add(name));
        listing.map_err(|errno| place.failure_here(What::Read, errno))?;
        // By the key alone, as 0.76: of equal keys whichever the directory lists first goes first.
        archives.removable.reverse();
        archives.removable.sort_by_key(|name| std::cmp::Reverse(archive_key(name)));
        Ok(archives)
    }

    fn add(&mut self, name: &[u8]) {
        let Some(key) = archive_key(name) else { return };
        self.count += 1;
        let label = Label::parse(&key).filter(|label| label.seconds() < LABEL_END);
        self.newest = self.newest.max(label);
        if is_removable(name) {
            self.removable.push(name.to_vec());
        }
    }
}

/// Links `file` to a new archive name and returns that name.
///
/// The name carries the present moment, or one nanosecond after the newest archive where the clock
/// stands behind that: names never go backwards, so the newest file is never taken for the oldest.
/// None where the file is not there, or has its name already: a writer that died between link and
/// unlink left both. A link that a backup program made elsewhere is no such name.
pub fn publish(place: &Place, file: &[u8], code: Code) -> Result<Option<Vec<u8>>, Failure> {
    let stat = place.dir.stat(file).map_err(|errno| place.failure(What::Stat, file, errno))?;
    let Some(stat) = stat else { return Ok(None) };
    if stat.links > 1 && has_archive(place, stat.identity)? {
        return Ok(None);
    }
    let now = clock::now();
    let newest = Archives::read(place)?.newest;
    let label = newest.map_or(now, |newest| now.max(newest.next()));
    let name = archive_name(label, code);
    if label == now {
        place.clock_behind.forget();
    } else if place.clock_behind.is_news() {
        warn_of_clock(place, &name);
    }
    match place.dir.link(file, &name) {
        Ok(()) => Ok(Some(name)),
        Err(errno) => Err(place.failure(What::Link, &name, errno)),
    }
}

/// Removes the oldest archives until fewer than the directory's number remain, but never `spared`,
/// the one just named.
///
/// What cannot be removed is left, told once, and the next one is tried; 0.76 tries the same one for
/// ever.
pub fn prune(place: &Place, spared: Option<&[u8]>) -> Result<(), Failure> {
    let mut archives = Archives::read(place)?;
    let mut stuck = None;
    while archives.count >= place.spec.number_max {
        let Some(oldest) = archives.removable.pop() else {
            break;
        };
        if spared == Some(&oldest) {
            continue;
        }
        match place.dir.remove(&oldest) {
            Ok(()) | Err(nix::errno::Errno::ENOENT) => archives.count -= 1,
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

/// Whether one of the archives is this very file.
fn has_archive(place: &Place, identity: (u64, u64)) -> Result<bool, Failure> {
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
            return Ok(true);
        }
    }
    Ok(false)
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
