//! The file `current`, shared by the loop that writes it and the worker that syncs it, and how much of it is
//! on disk.

use crate::clock;
use crate::disk::File;
use crate::label::Label;
use nix::errno::Errno;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// `current`, open. It is still this file when it has been renamed to `previous`.
#[derive(Debug)]
pub struct Current {
    file: File,
    extent: Arc<Extent>,
    /// What fsync has answered last.
    synced: Mutex<Synced>,
}

/// Which bytes of the writer a file has, and how many of them are on disk. It holds no descriptor.
#[derive(Debug)]
pub struct Extent {
    /// The position of the first byte written here, among all bytes since the directory was opened.
    begin: u64,
    /// Bytes written here since.
    written: AtomicU64,
    /// How many of them an fsync has confirmed; at most `written`.
    synced: AtomicU64,
    /// The change of names by which the file got its first name.
    named_by: u64,
    /// What is not confirmed never will be.
    is_lost: AtomicBool,
}

/// What is known from earlier syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Synced {
    /// There was none.
    Never,
    /// All that was written until then is on disk.
    Until(u64),
    /// One has failed. The kernel reports each failure once, and may have dropped what it could not write:
    /// a later fsync that succeeds proves nothing.
    Failed,
}

impl Current {
    /// A file that has not been synced yet. Its first byte has this position, and its name was made by this
    /// change of names.
    pub fn new(file: File, begin: u64, named_by: u64) -> Arc<Current> {
        let extent = Arc::new(Extent::new(begin, 0, named_by));
        Arc::new(Current { file, extent, synced: Mutex::new(Synced::Never) })
    }

    /// A file of which nothing is known but that it can be synced.
    pub fn of_earlier_run(file: File) -> Arc<Current> {
        Current::new(file, 0, 0)
    }

    /// Writes some of `bytes` at the end and returns how many.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let written = self.file.write(bytes)?;
        self.extent.written.fetch_add(written as u64, Ordering::Release);
        Ok(written)
    }

    /// Since when the file has been there; now if the file system does not know.
    pub fn born(&self) -> Label {
        self.file.born().map_or_else(clock::now, clock::label_of)
    }

    /// Sets the permissions.
    pub fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        self.file.set_mode(mode)
    }

    /// Which bytes it has, and how many of them are on disk.
    pub fn extent(&self) -> &Arc<Extent> {
        &self.extent
    }

    /// Waits until all that was written before this call is on disk. Fails for ever once it has failed.
    pub fn sync(&self) -> Result<(), Errno> {
        let synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        self.sync_locked(synced)
    }

    /// The same, but nothing is done if nothing was written since the last sync.
    pub fn sync_rest(&self) -> Result<(), Errno> {
        let synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.extent.written.load(Ordering::Acquire);
        if *synced == Synced::Until(written) { Ok(()) } else { self.sync_locked(synced) }
    }

    fn sync_locked(&self, mut synced: MutexGuard<'_, Synced>) -> Result<(), Errno> {
        if *synced == Synced::Failed {
            return Err(Errno::EIO);
        }
        let written = self.extent.written.load(Ordering::Acquire);
        if let Err(errno) = self.file.sync() {
            *synced = Synced::Failed;
            self.extent.lose();
            return Err(errno);
        }
        *synced = Synced::Until(written);
        self.extent.synced.store(written, Ordering::Release);
        Ok(())
    }
}

impl Extent {
    /// So many bytes from this position on, all of them on disk.
    fn new(begin: u64, len: u64, named_by: u64) -> Extent {
        let (written, synced) = (AtomicU64::new(len), AtomicU64::new(len));
        Extent { begin, written, synced, named_by, is_lost: AtomicBool::new(false) }
    }

    /// The change of names by which the file got its first name.
    pub fn named_by(&self) -> u64 {
        self.named_by
    }

    /// What is not on disk now never will be: an fsync has failed, or the file is gone.
    pub fn lose(&self) {
        self.is_lost.store(true, Ordering::Release);
    }

    /// Whether some of it never will be on disk.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// The first position after it.
    pub fn end(&self) -> u64 {
        self.begin + self.written.load(Ordering::Acquire)
    }

    /// The first position that no fsync has confirmed.
    pub fn synced_end(&self) -> u64 {
        self.begin + self.synced.load(Ordering::Acquire)
    }

    /// Whether all of it is confirmed.
    fn is_synced(&self) -> bool {
        self.synced_end() == self.end() && !self.is_lost()
    }
}

/// The files whose bytes are not known to be on disk, oldest first; the last is `current`. At most three:
/// of those before `previous` only the first matters.
#[derive(Debug)]
pub struct Extents(Vec<Arc<Extent>>);

impl Extents {
    /// Those of a directory that is opened now.
    pub fn new(current: &Current) -> Extents {
        Extents(vec![Arc::clone(&current.extent)])
    }

    /// Up to which position every byte is on disk, and so is a name of its file. `names_synced` is the last
    /// change of names that is on disk.
    pub fn durable(&self, names_synced: u64) -> u64 {
        let mut durable = 0;
        for extent in &self.0 {
            if extent.named_by > names_synced {
                return durable.max(extent.begin);
            }
            durable = extent.synced_end();
            if !extent.is_synced() {
                break;
            }
        }
        durable
    }

    /// Whether there are bytes that never will be on disk.
    pub fn are_lost(&self) -> bool {
        self.0.iter().any(|extent| extent.is_lost())
    }

    /// Goes on with a new `current`. All files but the last have been synced, or never will be.
    pub fn push(&mut self, current: &Current, names_synced: u64) {
        let previous = self.0.pop();
        if let Some(lost) = self.0.iter().position(|extent| !extent.is_synced()) {
            // What comes after lost bytes never counts.
            self.0.truncate(lost + 1);
        } else if self.0.last().is_some_and(|extent| extent.named_by <= names_synced) {
            self.0.clear();
        } else if let [first, .., last] = self.0.as_slice() {
            // One sync brings all names to disk: files that wait for it are as one.
            self.0 = vec![Arc::new(joined(first, last))];
        }
        self.0.extend(previous);
        self.0.push(Arc::clone(&current.extent));
    }
}

fn joined(first: &Extent, last: &Extent) -> Extent {
    Extent::new(first.begin, last.end() - first.begin, last.named_by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::model::{Call, Fault, How, Model, ModelDir};
    use crate::disk::{Dir, For};

    /// A file of five bytes from this position on.
    fn current(dir: &Dir, begin: u64, named_by: u64) -> Arc<Current> {
        let name = format!("{begin}");
        let file = dir.open(name.as_bytes(), For::Appending(0o600)).unwrap();
        let current = Current::new(file, begin, named_by);
        assert_eq!(current.write(b"12345"), Ok(5));
        current
    }

    fn disk() -> (Model, Dir) {
        let model = Model::empty();
        let root: ModelDir = model.root();
        (model, Dir::Model(root))
    }

    #[test]
    fn bytes_are_durable_with_their_file_and_its_name() {
        let (_model, dir) = disk();
        let first = current(&dir, 0, 1);
        let mut extents = Extents::new(&first);
        assert_eq!(extents.durable(9), 0);
        first.sync().unwrap();
        assert_eq!((extents.durable(0), extents.durable(1)), (0, 5));
        let second = current(&dir, 5, 2);
        extents.push(&second, 0);
        second.sync().unwrap();
        assert_eq!((extents.durable(0), extents.durable(1), extents.durable(2)), (0, 5, 10));
        second.write(b"67").unwrap();
        assert_eq!(extents.durable(2), 10);
    }

    #[test]
    fn files_that_wait_for_their_names_are_few() {
        let (_model, dir) = disk();
        let mut extents = Extents::new(&current(&dir, 0, 1));
        for number in 1..9 {
            extents.0.last().unwrap().synced.store(5, Ordering::Relaxed);
            extents.push(&current(&dir, number * 5, number + 1), 0);
            assert!(extents.0.len() <= 3 && extents.durable(0) == 0);
            assert_eq!(extents.durable(number), number * 5);
        }
    }

    #[test]
    fn bytes_after_lost_ones_are_not_durable() {
        let (model, dir) = disk();
        let first = current(&dir, 0, 1);
        let mut extents = Extents::new(&first);
        first.sync().unwrap();
        first.write(b"lost").unwrap();
        model.plan(
            &[Fault { call: Call::Sync, first: 1, count: 1, how: How::Fail(Errno::EIO) }],
            None,
        );
        assert_eq!((first.sync(), first.sync()), (Err(Errno::EIO), Err(Errno::EIO)));
        for number in 0..5 {
            let next = current(&dir, 9 + number * 5, 2 + number);
            extents.push(&next, 9);
            next.sync().unwrap();
            assert!(extents.0.len() <= 3);
            assert_eq!(extents.durable(9), 5);
        }
    }
}
