//! In unit tests: a disk in memory with exactly the guarantees of a file system.
//!
//! Written data is in the cache, visible to every process, and on disk only after a sync. Any call can
//! fail, write fewer bytes than requested, or be the call at which the process is killed. A power cut
//! keeps a random part of the cache, within these rules:
//!
//! - A successful fsync puts contents and mode of a file on disk. Before that, the disk may hold the old
//!   contents, or the new contents up to any byte, and any mode set since. A failed fsync drops its
//!   unwritten data, and the next fsync succeeds.
//! - A directory sync puts names on disk. Before that, name changes arrive in order up to some point
//!   ([`Journal::Ordered`]), or in any order ([`Journal::Loose`]): each change arrives or not,
//!   independent of other changes, including changes of other rotations. Only changes of a single name
//!   keep their order, and a renamed file has its old name, its new name, or both.
//!
//! The disk can also be a file system without mode bits ([`Model::fix_modes`]).

#![allow(missing_docs, reason = "seen by tests only")]

use super::{For, Stat};
use crate::clock;
use crate::format::{NEWSTATE, PROCESSED, STATE, archive_key, is_complete};
use crate::label::Label;
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

/// System calls of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    OpenDir,
    MakeDir,
    Open,
    Stat,
    Rename,
    Link,
    Remove,
    List,
    SyncDir,
    Write,
    ReadFile,
    Sync,
    SetMode,
    StatFile,
    StartThread,
    RunProcessor,
    EndProcessor,
}

pub const CALLS: [Call; 17] = [
    Call::OpenDir,
    Call::MakeDir,
    Call::Open,
    Call::Stat,
    Call::Rename,
    Call::Link,
    Call::Remove,
    Call::List,
    Call::SyncDir,
    Call::Write,
    Call::ReadFile,
    Call::Sync,
    Call::SetMode,
    Call::StatFile,
    Call::StartThread,
    Call::RunProcessor,
    Call::EndProcessor,
];

/// Kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Fail(Errno),
    /// Changes names or modes and still returns an error, as a network server can.
    DoneAndFail(Errno),
    /// A write accepts at most this many bytes.
    Short(usize),
}

/// A fault: `count` calls of a kind, beginning with number `first` (counted from 1).
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub call: Call,
    pub first: u64,
    pub count: u64,
    pub how: How,
}

/// Order in which name changes reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    Ordered,
    Loose,
}

#[derive(Clone, Debug)]
enum Body {
    Dir {
        names: Names,
        names_on_disk: Names,
    },
    File {
        bytes: Vec<u8>,
        on_disk: Vec<u8>,
        dropped: bool,
    },
    /// File type: symbolic link or FIFO.
    Other(u32),
}

type Names = BTreeMap<Vec<u8>, usize>;

#[derive(Clone, Debug)]
struct Inode {
    body: Body,
    mode: u32,
    /// Possible modes on disk: as last synced, and all later modes.
    modes_on_disk: Vec<u32>,
    born: Label,
}

/// Name change in a directory.
#[derive(Clone, Debug)]
struct Change {
    dir: usize,
    edits: Vec<(Vec<u8>, Option<usize>)>,
}

/// An archive when named or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    dir: usize,
    pub name: Vec<u8>,
    pub contents: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct Disk {
    inodes: Vec<Inode>,
    /// Name changes not on disk, oldest first.
    journal: Vec<Change>,
    counts: BTreeMap<Call, u64>,
    total: u64,
    faults: Vec<Fault>,
    /// Call number of the kill.
    stop_at: Option<u64>,
    stopped: bool,
    /// Error returned by the current, completed call.
    late: Option<Errno>,
    removed: Vec<Archive>,
    /// Archives promised to be on disk, contents and name.
    promised: Vec<Archive>,
    /// Mode of every file, on a file system without modes.
    fixed_mode: Option<u32>,
    /// Last processor's input file.
    input: Option<usize>,
    /// Bytes appended per directory.
    written: BTreeMap<usize, usize>,
}

/// The disk, shared by all its open files.
#[derive(Clone, Debug)]
pub struct Model(Arc<Mutex<Disk>>);

#[derive(Clone, Debug)]
pub struct ModelDir {
    disk: Model,
    inode: usize,
}

#[derive(Debug)]
pub struct ModelFile {
    disk: Model,
    dir: usize,
    inode: usize,
}

impl Disk {
    fn add(&mut self, body: Body, mode: u32) -> usize {
        self.inodes.push(Inode { body, mode, modes_on_disk: vec![mode], born: clock::now() });
        self.inodes.len() - 1
    }

    fn names(&self, dir: usize) -> &Names {
        match &self.inodes[dir].body {
            Body::Dir { names, .. } => names,
            Body::File { .. } | Body::Other(_) => panic!("no directory"),
        }
    }

    fn find(&self, dir: usize, name: &[u8]) -> Option<usize> {
        self.names(dir).get(name).copied()
    }

    fn links(&self, inode: usize) -> u64 {
        let in_dir = |body: &Body| match body {
            Body::Dir { names, .. } => names.values().filter(|&&named| named == inode).count(),
            Body::File { .. } | Body::Other(_) => 0,
        };
        self.inodes.iter().map(|inode| in_dir(&inode.body) as u64).sum()
    }

    fn is_dir(&self, inode: usize) -> bool {
        matches!(self.inodes[inode].body, Body::Dir { .. })
    }

    fn change(&mut self, dir: usize, edits: Vec<(Vec<u8>, Option<usize>)>) {
        if let Body::Dir { names, .. } = &mut self.inodes[dir].body {
            apply(names, &edits);
        }
        self.journal.push(Change { dir, edits });
    }

    fn contents(&mut self, inode: usize) -> &mut Vec<u8> {
        match &mut self.inodes[inode].body {
            Body::File { bytes, .. } => bytes,
            Body::Dir { .. } | Body::Other(_) => panic!("no file"),
        }
    }

    fn stat(&self, inode: usize) -> Stat {
        let (kind, size) = match &self.inodes[inode].body {
            Body::Dir { .. } => (libc::S_IFDIR, 4096),
            Body::File { bytes, .. } => (libc::S_IFREG, bytes.len() as u64),
            Body::Other(kind) => (*kind, 0),
        };
        let mode = kind | self.fixed_mode.unwrap_or(self.inodes[inode].mode);
        Stat { mode, size, links: self.links(inode), identity: (1, inode as u64) }
    }

    /// Result of a completed call.
    fn answer(&mut self) -> Result<(), Errno> {
        self.late.take().map_or(Ok(()), Err)
    }

    fn truncate(&mut self, inode: usize) {
        if let Body::File { bytes, dropped, .. } = &mut self.inodes[inode].body {
            bytes.clear();
            *dropped = false;
        }
    }
}

fn apply(names: &mut Names, edits: &[(Vec<u8>, Option<usize>)]) {
    for (name, inode) in edits {
        match inode {
            Some(inode) => names.insert(name.clone(), *inode),
            None => names.remove(name),
        };
    }
}

impl Model {
    pub fn empty() -> Model {
        let mut disk = Disk::default();
        disk.add(Body::Dir { names: Names::new(), names_on_disk: Names::new() }, 0o755);
        Model(Arc::new(Mutex::new(disk)))
    }

    /// Top directory.
    pub fn root(&self) -> ModelDir {
        ModelDir { disk: self.clone(), inode: 0 }
    }

    /// Plans faults, with calls counted from here.
    pub fn plan(&self, faults: &[Fault], stop_at: Option<u64>) {
        let mut disk = self.lock();
        disk.faults = faults.to_vec();
        disk.stop_at = stop_at;
        disk.stopped = false;
        disk.counts.clear();
        disk.total = 0;
    }

    pub fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    pub fn total(&self) -> u64 {
        self.lock().total
    }

    pub fn count(&self, call: Call) -> u64 {
        self.lock().counts.get(&call).copied().unwrap_or(0)
    }

    /// An independent copy.
    pub fn copy(&self) -> Model {
        Model(Arc::new(Mutex::new(self.lock().clone())))
    }

    /// From now on every file shows this mode, and chmod succeeds without effect.
    pub fn fix_modes(&self, mode: u32) {
        self.lock().fixed_mode = Some(mode);
    }

    /// Contents by inode number.
    pub fn contents(&self, inode: usize) -> Vec<u8> {
        self.lock().contents(inode).clone()
    }

    /// A possible disk after a power cut.
    pub fn after_power_cut(&self, journal: Journal, seed: u64) -> Model {
        let mut disk = self.lock().clone();
        let mut chance = Chance(seed);
        for change in surviving(&disk.journal, journal, &mut chance) {
            if let Body::Dir { names_on_disk, .. } = &mut disk.inodes[change.dir].body {
                apply(names_on_disk, &change.edits);
            }
        }
        for inode in &mut disk.inodes {
            inode.mode = inode.modes_on_disk[chance.of(inode.modes_on_disk.len())];
            inode.modes_on_disk = vec![inode.mode];
            match &mut inode.body {
                Body::Dir { names, names_on_disk } => names.clone_from(names_on_disk),
                Body::File { bytes, on_disk, dropped } => {
                    *on_disk = surviving_bytes(bytes, on_disk, *dropped, &mut chance);
                    bytes.clone_from(on_disk);
                    *dropped = false;
                }
                Body::Other(_) => {}
            }
        }
        disk.journal.clear();
        let model = Model(Arc::new(Mutex::new(disk)));
        model.plan(&[], None);
        model
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// Begins a call; returns its write limit in bytes.
    fn enter(&self, call: Call) -> Result<(MutexGuard<'_, Disk>, usize), Errno> {
        let mut disk = self.lock();
        disk.total += 1;
        assert!(disk.total < 100_000, "hung");
        if disk.stopped || disk.stop_at == Some(disk.total) {
            disk.stopped = true;
            return Err(Errno::EIO);
        }
        let count = disk.counts.entry(call).or_default();
        *count += 1;
        let count = *count;
        let hit = |fault: &&Fault| {
            fault.call == call && (fault.first..fault.first + fault.count).contains(&count)
        };
        match disk.faults.iter().find(hit).map(|fault| fault.how) {
            None => Ok((disk, usize::MAX)),
            Some(How::Short(len)) => Ok((disk, len)),
            Some(How::Fail(errno)) => Err(errno),
            Some(How::DoneAndFail(errno)) => {
                disk.late = Some(errno);
                Ok((disk, usize::MAX))
            }
        }
    }
}

/// Name changes reaching the disk.
fn surviving(changes: &[Change], journal: Journal, chance: &mut Chance) -> Vec<Change> {
    match journal {
        Journal::Ordered => changes[..chance.of(changes.len() + 1)].to_vec(),
        Journal::Loose => {
            let mut missing: Vec<(usize, &[u8])> = Vec::new();
            let mut kept = Vec::new();
            let bias = 1 + chance.of(4);
            for change in changes {
                let touches = || change.edits.iter().map(|(name, _)| (change.dir, name.as_slice()));
                if touches().any(|name| missing.contains(&name)) || chance.of(5) < bias {
                    missing.extend(touches());
                } else {
                    kept.push(torn(change, chance));
                }
            }
            kept
        }
    }
}

/// A rename may reach the disk half: new name added, old name still present.
fn torn(change: &Change, chance: &mut Chance) -> Change {
    let mut change = change.clone();
    if change.edits.len() == 2 && chance.of(6) == 0 {
        change.edits.remove(0);
    }
    change
}

fn surviving_bytes(bytes: &[u8], on_disk: &[u8], dropped: bool, chance: &mut Chance) -> Vec<u8> {
    let appended = bytes.starts_with(on_disk);
    let kept = if appended { on_disk.len() } else { 0 };
    let cut = kept + chance.of(bytes.len() - kept + 1);
    match chance.of(4) {
        0 => on_disk.to_vec(),
        _ if dropped => on_disk.to_vec(),
        1 => bytes.to_vec(),
        2 => bytes[..cut].to_vec(),
        // The new size reached the disk without the bytes.
        _ => [&bytes[..cut], &vec![0; bytes.len() - cut]].concat(),
    }
}

/// Reproducible pseudo-random numbers (splitmix64).
pub struct Chance(pub u64);

impl Chance {
    /// A number below `end`.
    pub fn of(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

fn plain(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"./").unwrap_or(path)
}

impl ModelDir {
    pub fn open_dir(&self, path: &[u8]) -> Result<ModelDir, Errno> {
        let (disk, _) = self.disk.enter(Call::OpenDir)?;
        let inode = match plain(path) {
            b"." => self.inode,
            // Only the root contains directories.
            b".." => self.disk.root().inode,
            name => disk.find(self.inode, name).ok_or(Errno::ENOENT)?,
        };
        if !disk.is_dir(inode) {
            return Err(Errno::ENOTDIR);
        }
        Ok(ModelDir { disk: self.disk.clone(), inode })
    }

    pub fn make_dir(&self, path: &[u8], mode: u32) -> Result<(), Errno> {
        let (mut disk, _) = self.disk.enter(Call::MakeDir)?;
        let name = plain(path).to_vec();
        if disk.find(self.inode, &name).is_some() {
            return Err(Errno::EEXIST);
        }
        let made = disk.add(Body::Dir { names: Names::new(), names_on_disk: Names::new() }, mode);
        disk.change(self.inode, vec![(name, Some(made))]);
        disk.answer()
    }

    pub fn open(&self, name: &[u8], purpose: For) -> Result<ModelFile, Errno> {
        let (mut disk, _) = self.disk.enter(Call::Open)?;
        let name = plain(name);
        let inode = match (disk.find(self.inode, name), purpose) {
            (Some(inode), _) => inode,
            (None, For::Reading | For::Overwriting) => return Err(Errno::ENOENT),
            (
                None,
                For::Appending(mode)
                | For::AppendingAndReading(mode)
                | For::Replacing(mode)
                | For::InPlace(mode),
            ) => {
                let (bytes, on_disk) = (Vec::new(), Vec::new());
                let made = disk.add(Body::File { bytes, on_disk, dropped: false }, mode);
                disk.change(self.inode, vec![(name.to_vec(), Some(made))]);
                made
            }
        };
        disk.stat(inode).refuse_others()?;
        match purpose {
            For::Replacing(_) => disk.truncate(inode),
            For::Reading if name != STATE => disk.input = Some(inode),
            For::Reading
            | For::Appending(_)
            | For::AppendingAndReading(_)
            | For::Overwriting
            | For::InPlace(_) => {}
        }
        Ok(ModelFile { disk: self.disk.clone(), dir: self.inode, inode })
    }

    pub fn stat(&self, name: &[u8]) -> Result<Option<Stat>, Errno> {
        let (disk, _) = self.disk.enter(Call::Stat)?;
        Ok(disk.find(self.inode, name).map(|inode| disk.stat(inode)))
    }

    pub fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        let (mut disk, _) = self.disk.enter(Call::Rename)?;
        let inode = disk.find(self.inode, from).ok_or(Errno::ENOENT)?;
        match disk.find(self.inode, to) {
            Some(target) if disk.is_dir(target) && !disk.is_dir(inode) => {
                return Err(Errno::EISDIR);
            }
            Some(target) if target == inode => return Ok(()),
            Some(_) | None => {}
        }
        disk.change(self.inode, vec![(from.to_vec(), None), (to.to_vec(), Some(inode))]);
        self.promise(&mut disk, inode, to);
        disk.answer()
    }

    pub fn link(&self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        let (mut disk, _) = self.disk.enter(Call::Link)?;
        let inode = disk.find(self.inode, from).ok_or(Errno::ENOENT)?;
        if disk.find(self.inode, to).is_some() {
            return Err(Errno::EEXIST);
        }
        if disk.is_dir(inode) {
            return Err(Errno::EPERM);
        }
        disk.change(self.inode, vec![(to.to_vec(), Some(inode))]);
        self.promise(&mut disk, inode, to);
        disk.answer()
    }

    fn promise(&self, disk: &mut Disk, inode: usize, name: &[u8]) {
        if archive_key(name).is_some() && !name.ends_with(b".u") {
            let contents = disk.contents(inode).clone();
            disk.promised.push(Archive { dir: self.inode, name: name.to_vec(), contents });
        }
    }

    pub fn remove(&self, name: &[u8]) -> Result<(), Errno> {
        let (mut disk, _) = self.disk.enter(Call::Remove)?;
        let inode = disk.find(self.inode, name).ok_or(Errno::ENOENT)?;
        if disk.is_dir(inode) {
            return Err(Errno::EISDIR);
        }
        let is_other = |(other, number): (&Vec<u8>, &usize)| {
            *number == inode && other != name && archive_key(other).is_some()
        };
        if archive_key(name).is_some() && !disk.names(self.inode).iter().any(is_other) {
            let contents = disk.contents(inode).clone();
            disk.removed.push(Archive { dir: self.inode, name: name.to_vec(), contents });
        }
        disk.change(self.inode, vec![(name.to_vec(), None)]);
        disk.answer()
    }

    pub fn names(&self) -> Result<Vec<Vec<u8>>, Errno> {
        let (disk, _) = self.disk.enter(Call::List)?;
        Ok(disk.names(self.inode).keys().cloned().collect())
    }

    pub fn sync(&self) -> Result<(), Errno> {
        let (mut disk, _) = self.disk.enter(Call::SyncDir)?;
        if let Body::Dir { names, names_on_disk } = &mut disk.inodes[self.inode].body {
            names_on_disk.clone_from(names);
        }
        disk.journal.retain(|change| change.dir != self.inode);
        Ok(())
    }

    pub fn start_thread(&self) -> Result<(), Errno> {
        self.disk.enter(Call::StartThread).map(drop)
    }

    /// Writes its remembered line count as first line, then copies its input. A failure stops it in
    /// the middle.
    pub fn run_processor(&self) -> Result<ExitStatus, Errno> {
        let (mut disk, _) = self.disk.enter(Call::RunProcessor)?;
        let file = |disk: &Disk, name: &[u8]| disk.find(self.inode, name).ok_or(Errno::ENOENT);
        let state = file(&disk, STATE)?;
        let before = String::from_utf8(disk.contents(state).clone()).unwrap();
        let before: u64 = before.parse().unwrap_or(0);
        let input = disk.input.ok_or(Errno::EBADF)?;
        let lines = disk.contents(input).clone();
        let count = lines.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let processed = file(&disk, PROCESSED)?;
        disk.contents(processed).extend(format!("#{before}\n").bytes());
        drop(disk);
        let Ok((mut disk, _)) = self.disk.enter(Call::EndProcessor) else {
            return Ok(ExitStatus::from_raw(1 << 8));
        };
        disk.contents(processed).extend(lines);
        let newstate = file(&disk, NEWSTATE)?;
        disk.contents(newstate).extend((before + count).to_string().bytes());
        Ok(ExitStatus::from_raw(0))
    }

    /// Name, mode and contents of every file. Not counted as a call.
    pub fn files(&self) -> Vec<(Vec<u8>, u32, Vec<u8>)> {
        let mut disk = self.disk.lock();
        let named: Vec<(Vec<u8>, usize)> =
            disk.names(self.inode).iter().map(|(name, inode)| (name.clone(), *inode)).collect();
        let files = named.into_iter().filter_map(|(name, inode)| {
            matches!(disk.inodes[inode].body, Body::File { .. })
                .then(|| (name, disk.inodes[inode].mode, disk.contents(inode).clone()))
        });
        files.collect()
    }

    /// Files marked complete: name, inode, contents.
    pub fn marked(&self) -> Vec<(Vec<u8>, usize, Vec<u8>)> {
        let mut files = self.files();
        files.retain(|(_, mode, _)| is_complete(*mode));
        let disk = self.disk.lock();
        let number = |name: &[u8]| disk.find(self.inode, name).expect("just listed");
        files.into_iter().map(|(name, _, bytes)| (name.clone(), number(&name), bytes)).collect()
    }

    /// Removed archives, sorted by name.
    pub fn removed(&self) -> Vec<Archive> {
        self.archives(|disk| &disk.removed)
    }

    /// Archives ever named complete.
    pub fn promised(&self) -> Vec<Archive> {
        self.archives(|disk| &disk.promised)
    }

    fn archives(&self, of: impl Fn(&Disk) -> &Vec<Archive>) -> Vec<Archive> {
        let disk = self.disk.lock();
        let mut archives: Vec<Archive> =
            of(&disk).iter().filter(|archive| archive.dir == self.inode).cloned().collect();
        archives.sort_by(|one, other| one.name.cmp(&other.name));
        archives
    }

    /// Bytes appended to this directory.
    pub fn written(&self) -> usize {
        self.disk.lock().written.get(&self.inode).copied().unwrap_or(0)
    }

    /// Adds a file, already on disk. Not counted as a call.
    pub fn put(&self, name: &[u8], mode: u32, contents: &[u8]) {
        let mut disk = self.disk.lock();
        let (bytes, on_disk) = (contents.to_vec(), contents.to_vec());
        let made = disk.add(Body::File { bytes, on_disk, dropped: false }, mode);
        disk.change(self.inode, vec![(name.to_vec(), Some(made))]);
    }

    /// Adds a link or FIFO. Not counted as a call.
    pub fn put_other(&self, name: &[u8], kind: u32) {
        let mut disk = self.disk.lock();
        let made = disk.add(Body::Other(kind), 0o777);
        disk.change(self.inode, vec![(name.to_vec(), Some(made))]);
    }

    /// An existing subdirectory. Not counted as a call.
    pub fn dir(&self, name: &[u8]) -> Option<ModelDir> {
        let disk = self.disk.lock();
        let inode = disk.find(self.inode, name).filter(|&inode| disk.is_dir(inode))?;
        Some(ModelDir { disk: self.disk.clone(), inode })
    }
}

impl ModelFile {
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let (mut disk, len_max) = self.disk.enter(Call::Write)?;
        let len = len_max.min(bytes.len());
        *disk.written.entry(self.dir).or_default() += len;
        disk.contents(self.inode).extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    pub fn read_at(&self, bytes: &mut [u8], pos: u64) -> Result<usize, Errno> {
        let (mut disk, len_max) = self.disk.enter(Call::ReadFile)?;
        let contents = disk.contents(self.inode);
        let rest = &contents[contents.len().min(usize::try_from(pos).unwrap())..];
        let len = len_max.min(bytes.len()).min(rest.len());
        bytes[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    pub fn sync(&self) -> Result<(), Errno> {
        let entered = self.disk.enter(Call::Sync).map(drop);
        let mut disk = self.disk.lock();
        if disk.stopped {
            return entered;
        }
        let inode = &mut disk.inodes[self.inode];
        match (&mut inode.body, entered) {
            (Body::File { bytes, on_disk, dropped }, Ok(())) if !*dropped => {
                on_disk.clone_from(bytes);
            }
            (Body::File { bytes, on_disk, dropped }, Err(errno)) if errno != Errno::EINTR => {
                *dropped |= on_disk != bytes;
            }
            (Body::File { .. } | Body::Dir { .. } | Body::Other(_), Ok(()) | Err(_)) => {}
        }
        if entered.is_ok() {
            inode.modes_on_disk = vec![inode.mode];
        }
        entered
    }

    pub fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        let (mut disk, _) = self.disk.enter(Call::SetMode)?;
        disk.inodes[self.inode].mode = mode;
        disk.inodes[self.inode].modes_on_disk.push(mode);
        disk.answer()
    }

    pub fn born(&self) -> Result<SystemTime, Errno> {
        let (disk, _) = self.disk.enter(Call::StatFile)?;
        let (unix_secs, nanos) = disk.inodes[self.inode].born.to_unix();
        Ok(SystemTime::UNIX_EPOCH + Duration::new(unix_secs.unsigned_abs(), nanos))
    }

    pub fn stat(&self) -> Result<Stat, Errno> {
        let (disk, _) = self.disk.enter(Call::StatFile)?;
        Ok(disk.stat(self.inode))
    }
}
