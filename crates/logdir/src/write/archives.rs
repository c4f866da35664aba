//! Names archives, and removes the oldest: retention by `n`, `S`, `k` and holds.

use crate::clock;
use crate::disk::Stat;
use crate::event::Event;
use crate::failure::{Failure, What};
use crate::format::{Code, archive_key, archive_name, is_removable};
use crate::label::{Label, NANOS_PER_SEC};
use crate::settings::Hold;
use crate::write::age_clock::AgeClock;
use crate::write::hold::{self, Reached};
use crate::write::locked_dir::LockedDir;
use nix::errno::Errno;
use std::collections::VecDeque;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

/// Last second of the Linux clock, since 1970: the kernel stores 2^63 nanoseconds. A later label
/// was typed by hand or is damaged.
const CLOCK_END_SECS: i64 = i64::MAX / NANOS_PER_SEC as i64;

/// How long a directory listing stays valid, apart from our own changes. 0.76 reads the directory
/// for every file; with fast rotation this cost would grow with the number of archives.
const LISTING_AGE_MAX: Duration = Duration::from_secs(1);

/// Most oldest names kept between listings.
const REMOVABLE_MAX: usize = 1024;

#[derive(Debug, Default)]
pub struct Archives {
    /// Time of the last listing; `None` before the first, or after a foreign change.
    read_at: Option<Instant>,
    /// Number of archives.
    count: u64,
    /// Total size of archives; 0 unless needed.
    bytes: u64,
    /// Latest label of any archive.
    newest: Option<Label>,
    /// Removable archives, oldest first, at most [`REMOVABLE_MAX`].
    removable: VecDeque<Archive>,
    /// Whether `removable` is complete.
    is_complete: bool,
    age_clock: AgeClock,
    /// Whether an impossible label was reported.
    has_reported_label: bool,
    /// Archives removed because the disk was full.
    removed_for_room: u64,
}

/// A removable archive.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Archive {
    name: Vec<u8>,
    /// In bytes; 0 unless needed.
    size: u64,
}

/// Reason for removing archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Over `n` or `S`, or older than `k`.
    Any,
    /// Older than `k`.
    Age,
    /// The disk is full and more than `N` remain.
    FullDisk,
}

/// How far the reader of a hold is, read when it is first needed.
type HeldFor = Option<Option<Reached>>;

impl Archives {
    /// Links `file` to a new archive name and returns that name.
    ///
    /// The label is the current time, or one nanosecond after the newest archive if the clock is
    /// earlier: labels never decrease, so the newest file never sorts first. `None` if the file is
    /// missing or already has an archive name, because an earlier writer died between link and
    /// unlink. Links made elsewhere by a backup program do not count.
    pub fn publish(
        &mut self,
        place: &LockedDir,
        file: &[u8],
        code: Code,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let stat = place.dir.stat(file).map_err(|errno| place.failure(What::Stat, file, errno))?;
        let Some(stat) = stat else { return Ok(None) };
        if stat.links > 1 && find(place, stat.identity)?.is_some() {
            return Ok(None);
        }
        self.refresh(place)?;
        let mut label = self.next_label();
        let mut given = give_name(place, file, &stat, &archive_name(label, code, &place.spec.code));
        if given == Err(Errno::EEXIST) {
            // Another program created the name after the listing, or the newest archive has the
            // last label.
            self.read(place)?;
            let next = self.next_label();
            label = if next == label { clock::now() } else { next };
            given = give_name(place, file, &stat, &archive_name(label, code, &place.spec.code));
        }
        let name = archive_name(label, code, &place.spec.code);
        if label <= clock::now() {
            place.clock_behind.forget();
        } else if place.clock_behind.is_news() {
            warn_of_clock(place, &name);
        }
        match given {
            Ok(()) => {
                self.add(Archive { name: name.clone(), size: stat.size });
                Ok(Some(name))
            }
            Err(errno) => {
                self.read_at = None;
                Err(place.failure(What::Link, &name, errno))
            }
        }
    }

    /// Current time, or one nanosecond after the newest archive if the clock is earlier.
    fn next_label(&self) -> Label {
        let now = clock::now();
        self.newest.map_or(now, |newest| now.max(newest.next()))
    }

    /// Removes the oldest archives until `excess` ends, except `spared`, the archive just named.
    /// Returns the number removed.
    ///
    /// An archive that cannot be removed is reported once and skipped; 0.76 retries the first for
    /// ever.
    pub fn prune(
        &mut self,
        place: &LockedDir,
        spared: Option<&[u8]>,
        excess: Excess,
    ) -> Result<u64, Failure> {
        self.refresh(place)?;
        let aged = place.spec.age_max.map(|age_max| self.age_clock.now(age_max).minus(age_max));
        let mut removed_count = 0;
        let mut left = Vec::new();
        let mut stuck = None;
        let mut held_for = HeldFor::default();
        while let Some(oldest) = self.take_oldest(place, &left, excess, aged)? {
            if spared == Some(oldest.name.as_slice()) {
                left.push(oldest);
                continue;
            }
            if excess != Excess::FullDisk && self.is_held(place, &oldest, &mut held_for) {
                left.push(oldest);
                break;
            }
            if Label::parse(&oldest.name) >= self.newest {
                // No later rotation has synced the removal of its working name: after a power cut that name
                // could bring the file back, as a new archive.
                place.confirm_names()?;
            }
            match place.dir.remove(&oldest.name) {
                Ok(()) => {
                    self.subtract(&oldest);
                    removed_count += 1;
                }
                Err(Errno::ENOENT) => {
                    // Another program removed or renamed the archive: the next rotation reads the
                    // directory again.
                    self.subtract(&oldest);
                    self.read_at = None;
                }
                Err(errno) => {
                    stuck = Some(place.failure(What::Remove, &oldest.name, errno));
                    left.push(oldest);
                }
            }
        }
        if excess == Excess::FullDisk {
            self.removed_for_room += removed_count;
        }
        left.into_iter().rev().for_each(|archive| self.removable.push_front(archive));
        match stuck {
            None => place.archives_stuck.forget(),
            Some(failure) if place.archives_stuck.is_news() => place.report_failed(failure),
            Some(_) => {}
        }
        Ok(removed_count)
    }

    /// Archives removed so far by any task because the disk was full.
    pub fn removed_for_room(&self) -> u64 {
        self.removed_for_room
    }

    /// Another program changed names: the next use reads the directory.
    pub fn forget(&mut self) {
        self.read_at = None;
    }

    /// Pops the oldest archive to remove. `left` lists archives already tried.
    fn take_oldest(
        &mut self,
        place: &LockedDir,
        left: &[Archive],
        excess: Excess,
        aged: Option<Label>,
    ) -> Result<Option<Archive>, Failure> {
        let spec = &place.spec;
        let are_too_many = match excess {
            Excess::Any => {
                self.count >= spec.number_max
                    || spec.total_max.is_some_and(|total_max| self.bytes > total_max)
            }
            Excess::Age => false,
            Excess::FullDisk => spec.number_min.is_some_and(|number_min| self.count > number_min),
        };
        if !are_too_many && aged.is_none() {
            return Ok(None);
        }
        if self.removable.is_empty() && !self.is_complete {
            self.read(place)?;
            self.removable.retain(|archive| !left.contains(archive));
        }
        if are_too_many {
            // This archive may have been named just now.
            let is_last = excess == Excess::FullDisk && self.removable.len() <= 1;
            return Ok(if is_last { None } else { self.removable.pop_front() });
        }
        // A name without a label has no age.
        let is_aged =
            |archive: &Archive| Label::parse(&archive.name).is_some_and(|label| Some(label) < aged);
        let pos = self.removable.iter().position(is_aged);
        Ok(pos.and_then(|pos| self.removable.remove(pos)))
    }

    /// Whether the reader of a hold needs this archive, and the hold is not used up.
    ///
    /// All later archives are not passed either, so their bytes together are what is held.
    fn is_held(&self, place: &LockedDir, oldest: &Archive, held_for: &mut HeldFor) -> bool {
        let Some(hold) = &place.spec.hold else { return false };
        let reached = held_for.get_or_insert_with(|| reached(place, hold));
        let later = self.removable.iter().map(|archive| archive.name.as_slice());
        let is_needed = reached.as_ref().is_some_and(|reached| {
            !reached.has_passed(&oldest.name, |name| hold::identity_in(place.name(), name), later)
        });
        if !is_needed {
            place.hold_used_up.forget();
            return false;
        }
        if self.bytes <= hold.len_max {
            return true;
        }
        if place.hold_used_up.is_news() {
            let cursor = hold.cursor.as_bytes().to_vec();
            place.report(&Event::HoldUsedUp { place: place.name().to_vec(), cursor });
        }
        false
    }

    fn subtract(&mut self, archive: &Archive) {
        self.count -= 1;
        self.bytes = self.bytes.saturating_sub(archive.size);
    }

    /// Time until the oldest archive exceeds `k`; `None` without archives or `k`.
    pub fn next_aged(&mut self, place: &LockedDir) -> Option<Duration> {
        let age_max = place.spec.age_max?;
        let oldest = self.removable.iter().find_map(|archive| Label::parse(&archive.name))?;
        let left = oldest.nanos_since(self.age_clock.now(age_max).minus(age_max));
        u64::try_from(left.max(0)).ok().map(Duration::from_nanos)
    }

    /// Number and total bytes of archives.
    pub fn count(&mut self, place: &LockedDir) -> Result<(u64, u64), Failure> {
        self.read_with_sizes(place, true)?;
        Ok((self.count, self.bytes))
    }

    fn refresh(&mut self, place: &LockedDir) -> Result<(), Failure> {
        match self.read_at {
            Some(read_at)
                if clock::instant().saturating_duration_since(read_at) < LISTING_AGE_MAX =>
            {
                Ok(())
            }
            Some(_) | None => self.read(place),
        }
    }

    fn read(&mut self, place: &LockedDir) -> Result<(), Failure> {
        let with_sizes = place.spec.total_max.is_some() || place.spec.hold.is_some();
        self.read_with_sizes(place, with_sizes)
    }

    fn read_with_sizes(&mut self, place: &LockedDir, with_sizes: bool) -> Result<(), Failure> {
        self.read_at = None;
        let mut names = Vec::new();
        let listing = place.dir.each_name(|name| {
            if archive_key(name).is_some() {
                names.push(name.to_vec());
            }
        });
        listing.map_err(|errno| place.failure_here(What::Read, errno))?;
        (self.count, self.bytes, self.newest) = (0, 0, None);
        let mut removable = Vec::new();
        let mut beyond = None;
        for name in names {
            let size = if with_sizes { size_of(place, &name)? } else { 0 };
            self.count += 1;
            self.bytes += size;
            match label_of(&name) {
                Some(label) => self.newest = self.newest.max(Some(label)),
                None if Label::parse(&name).is_some() => beyond = Some(name.clone()),
                None => {}
            }
            if is_removable(&name) {
                removable.push(Archive { name, size });
            }
        }
        // Sorts by key only, as 0.76: archives with equal keys keep directory order.
        removable.sort_by_key(|archive| archive_key(&archive.name));
        self.is_complete = removable.len() <= REMOVABLE_MAX;
        removable.truncate(REMOVABLE_MAX);
        self.removable = removable.into();
        self.read_at = Some(clock::instant());
        if let Some(name) = beyond
            && !std::mem::replace(&mut self.has_reported_label, true)
        {
            place.report(&Event::LabelIgnored { place: place.name().to_vec(), name });
        }
        Ok(())
    }

    /// Adds a newly named archive. Only names ignored for labels may sort after it.
    fn add(&mut self, archive: Archive) {
        self.count += 1;
        self.bytes += archive.size;
        self.newest = self.newest.max(label_of(&archive.name));
        let key = archive_key(&archive.name);
        let pos = self.removable.partition_point(|other| archive_key(&other.name) <= key);
        if self.is_complete || pos < self.removable.len() {
            self.removable.insert(pos, archive);
        }
        self.is_complete &= self.removable.len() <= REMOVABLE_MAX;
        self.removable.truncate(REMOVABLE_MAX);
    }
}

/// Reports a hold that keeps nothing, at the start already.
pub fn check_hold(place: &LockedDir) {
    if let Some(hold) = &place.spec.hold {
        let _ = reached(place, hold);
    }
}

/// Reads how far the hold's reader is. `None`, which is reported once, if its cursor says nothing.
fn reached(place: &LockedDir, hold: &Hold) -> Option<Reached> {
    let own = place.dir.stat(b".").ok().flatten().map(|stat| stat.identity);
    match hold::read(hold, place.name(), own) {
        Ok(reached) => {
            place.hold_useless.forget();
            Some(reached)
        }
        Err(failure) => {
            if place.hold_useless.is_news() {
                place.report_failed(failure);
            }
            None
        }
    }
}

/// 0 if another program removed the file.
fn size_of(place: &LockedDir, name: &[u8]) -> Result<u64, Failure> {
    let stat = place.dir.stat(name).map_err(|errno| place.failure(What::Stat, name, errno))?;
    Ok(stat.map_or(0, |stat| stat.size))
}

/// The label of an archive, unless it is beyond any clock: such labels are ignored for ordering.
pub fn label_of(name: &[u8]) -> Option<Label> {
    let end = Label::from_unix(CLOCK_END_SECS, NANOS_PER_SEC - 1);
    Label::parse(name).filter(|label| *label < end)
}

/// Links the file, or renames it if link fails: another user's file (protected hard links), too
/// many links, or a file system without links. The lock keeps other writers from creating the name
/// in between.
fn give_name(place: &LockedDir, file: &[u8], stat: &Stat, name: &[u8]) -> Result<(), Errno> {
    match place.dir.link(file, name) {
        Err(Errno::EPERM | Errno::EMLINK | Errno::EOPNOTSUPP | Errno::ENOSYS) => {}
        // A network server made the link and received the retransmitted request.
        Err(Errno::EEXIST) if is_same(place, name, stat)? => return Ok(()),
        answer => return answer,
    }
    match place.dir.stat(name)? {
        Some(_) => Err(Errno::EEXIST),
        None => place.dir.rename(file, name),
    }
}

fn is_same(place: &LockedDir, name: &[u8], stat: &Stat) -> Result<bool, Errno> {
    Ok(place.dir.stat(name)?.is_some_and(|found| found.identity == stat.identity))
}

/// Archive name of this inode, if any.
pub fn find(place: &LockedDir, identity: (u64, u64)) -> Result<Option<Vec<u8>>, Failure> {
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

fn warn_of_clock(place: &LockedDir, name: &[u8]) {
    place.report(&Event::ClockBehind { place: place.name().to_vec(), name: name.to_vec() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::by_hand;
    use crate::disk::Dir;
    use crate::disk::model::{Model, ModelDir};
    use crate::format::PREVIOUS;
    use crate::label::LABEL_LEN;
    use crate::settings::Settings;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    /// A finished file and the events before it.
    #[derive(Clone, Debug)]
    struct Finished {
        size: usize,
        passed_secs: u64,
        /// Created by another program.
        foreign: Option<&'static str>,
    }

    fn any_finished() -> impl Strategy<Value = Finished> {
        let foreign = prop_oneof![
            5 => Just(None),
            1 => select(vec![
                "@400000003b9aca000000000a.s.zst",
                "@400000003b9aca000000000a.u",
                "@ABCDEFGHIJKLMNOPQRSTUVWX.gz",
                "@z00000000000000000000000",
                "@short",
            ]).prop_map(Some),
        ];
        // Other names are noticed at the next listing.
        (0..3000_usize, 1..20_u64, foreign).prop_map(|(size, passed_secs, foreign)| Finished {
            size,
            passed_secs,
            foreign,
        })
    }

    fn any_spec() -> impl Strategy<Value = Settings> {
        let age = (1..60_u64).prop_map(Duration::from_secs);
        (2..6_u64, proptest::option::of(0..9000_u64), proptest::option::of(age)).prop_map(
            |(number_max, total_max, age_max)| Settings {
                number_max,
                total_max,
                age_max,
                ..Settings::default()
            },
        )
    }

    /// Names left by these settings, evaluating each rule again after each removal.
    fn left(mut files: Vec<(Vec<u8>, usize)>, spec: &Settings, spared: &[u8]) -> Vec<Vec<u8>> {
        let now = clock::now();
        files.retain(|(name, _)| name.len() >= 25 && name[0] == b'@');
        loop {
            let total: usize = files.iter().map(|(_, size)| size).sum();
            let are_too_many = files.len() as u64 >= spec.number_max
                || spec.total_max.is_some_and(|total_max| total as u64 > total_max);
            let is_aged = |name: &[u8]| {
                let label = Label::parse(name);
                label.zip(spec.age_max).is_some_and(|(label, age_max)| label < now.minus(age_max))
            };
            let goes = |(name, _): &&(Vec<u8>, usize)| {
                name != spared && name < &b"@z".to_vec() && (are_too_many || is_aged(name))
            };
            let oldest = files.iter().filter(goes).min_by_key(|(name, _)| name[..25].to_vec());
            let Some(oldest) = oldest.cloned() else { break };
            files.retain(|file| *file != oldest);
        }
        files.into_iter().map(|(name, _)| name).collect()
    }

    fn archives(dir: &ModelDir) -> Vec<(Vec<u8>, usize)> {
        let mut files = dir.files();
        files.retain(|(name, ..)| archive_key(name).is_some());
        files.into_iter().map(|(name, _, bytes)| (name, bytes.len())).collect()
    }

    /// A locked directory on the model disk.
    fn place(spec: &Settings) -> (LockedDir, ModelDir) {
        by_hand::begin();
        let model = Model::empty();
        let place = LockedDir::open(
            &Dir::Model(model.root()),
            std::ffi::OsStr::new("./d"),
            spec,
            &crate::event::told::reporter(),
        )
        .unwrap();
        (place, model.root().dir(b"d").unwrap())
    }

    fn finish(place: &LockedDir, dir: &ModelDir, size: usize) -> Vec<u8> {
        dir.put(PREVIOUS, 0o744, &vec![b'x'; size]);
        let mut archives = place.archives();
        let name = archives.publish(place, PREVIOUS, Code::Safe).unwrap().unwrap();
        place.remove(PREVIOUS).unwrap();
        name
    }

    proptest! {
        #[test]
        fn retention_leaves_what_looking_at_each_rule_anew_leaves(
            spec in any_spec(),
            run in vec(any_finished(), 1..30),
        ) {
            let (place, dir) = place(&spec);
            for Finished { size, passed_secs, foreign } in run {
                by_hand::pass(Duration::from_secs(passed_secs));
                if let Some(name) = foreign {
                    dir.put(name.as_bytes(), 0o644, b"foreign");
                }
                let name = finish(&place, &dir, size);
                let expected = left(archives(&dir), &spec, &name);
                place.archives().prune(&place, Some(&name), Excess::Any).unwrap();
                let found: Vec<Vec<u8>> = archives(&dir).into_iter().map(|(name, _)| name).collect();
                prop_assert!(found.contains(&name), "the one just finished went");
                prop_assert_eq!(found, expected);
            }
        }
    }

    /// Labels at both ends of the range and around now, plus arbitrary names.
    fn any_name() -> impl Strategy<Value = Vec<u8>> {
        let second = prop_oneof![
            any::<u64>(),
            0..3_u64,
            u64::MAX - 2..=u64::MAX,
            (1 << 63) - 3..(1 << 63) + 3_u64,
            (1 << 62)..(1 << 62) + 20_u64,
            Just(LAST_SECOND - 1),
            Just(LAST_SECOND),
            Just(LAST_SECOND + 1),
        ];
        let nanos = prop_oneof![0..3_u32, 999_999_997..1_000_000_003_u32, any::<u32>()];
        let ending = select(vec![".s", ".u", "", ".s.gz", ".t", "~"]);
        let label = (second, nanos, ending).prop_map(|(second, nanos, ending)| {
            format!("@{second:016x}{nanos:08x}{ending}").into()
        });
        let bytes =
            vec(any::<u8>().prop_filter("in names", |byte| ![0, b'/'].contains(byte)), 1..40);
        let at = bytes.clone().prop_map(|bytes| [b"@", &bytes[..]].concat());
        prop_oneof![6 => label, 1 => at, 1 => bytes]
    }

    /// Last clock second as label number.
    const LAST_SECOND: u64 = (1 << 62) + 10 + CLOCK_END_SECS as u64;

    proptest! {
        #[test]
        fn no_name_in_the_directory_stops_a_rotation(names in vec(any_name(), 0..12), count in 1..5) {
            let (place, dir) = place(&Settings { number_max: 1000, ..Settings::default() });
            for name in &names {
                dir.put(name, 0o644, b"foreign");
            }
            crate::event::told::take();
            let mut before: Option<Vec<u8>> = None;
            for _ in 0..count {
                let now = clock::now();
                let name = finish(&place, &dir, 9);
                prop_assert!(!names.contains(&name));
                let label = Label::parse(&name).unwrap();
                prop_assert!(label.seconds() <= LAST_SECOND && label >= now);
                let counts = |name: &&Vec<u8>| label_of(name).is_some();
                let newest = names.iter().filter(counts).map(|name| &name[..LABEL_LEN]).max();
                let is_at_end = newest >= Some(&Label::from_unix(CLOCK_END_SECS, 999_999_990).format()[..]);
                prop_assert!(is_at_end || newest < Some(&name[..LABEL_LEN]), "names go backwards");
                prop_assert!(is_at_end || before < Some(name.clone()));
                place.archives().prune(&place, Some(&name), Excess::Any).unwrap();
                before = Some(name);
            }
            let told = crate::event::told::take();
            let ignored = told.iter().filter(|line| line.contains("no clock can")).count();
            let is_ignored = |name: &Vec<u8>| Label::parse(name).is_some() && label_of(name).is_none();
            prop_assert!(ignored <= 1 && (ignored == 1 || !names.iter().any(is_ignored)));
        }
    }

    #[test]
    fn a_full_disk_leaves_as_many_as_asked_for() {
        let spec = Settings { number_min: Some(2), number_max: 99, ..Settings::default() };
        let (place, dir) = place(&spec);
        let names: Vec<Vec<u8>> = (0..5).map(|_| finish(&place, &dir, 10)).collect();
        let removed_count = place.archives().prune(&place, None, Excess::FullDisk).unwrap();
        let left: Vec<Vec<u8>> = archives(&dir).into_iter().map(|(name, _)| name).collect();
        assert_eq!((removed_count, left), (3, names[3..].to_vec()));
        assert_eq!(place.archives().prune(&place, None, Excess::FullDisk).unwrap(), 0);
    }

    #[test]
    fn more_archives_than_are_remembered_go_all_the_same() {
        let (place, dir) = place(&Settings { number_max: 3, ..Settings::default() });
        for number in 0..REMOVABLE_MAX + 500 {
            dir.put(format!("@40000000{number:016x}.s").as_bytes(), 0o744, b"");
        }
        let name = finish(&place, &dir, 1);
        place.archives().prune(&place, Some(&name), Excess::Any).unwrap();
        assert_eq!(archives(&dir).len(), 2);
    }
}
