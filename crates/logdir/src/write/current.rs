//! The file `current`, shared by the event loop (writes) and the worker (syncs), and its durable
//! length.

use crate::clock;
use crate::disk::{File, Stat};
use crate::label::Label;
use nix::errno::Errno;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Open `current`; remains this file after its rename to `previous`.
#[derive(Debug)]
pub struct Current {
    file: File,
    extent: Arc<Extent>,
    /// Last fsync result.
    synced: Mutex<Synced>,
}

/// Range of stream positions in a file and its durable part. Holds no descriptor.
#[derive(Debug)]
pub struct Extent {
    /// Stream position of the file's first byte, counted since opening.
    begin: u64,
    /// Bytes written to this file.
    written: AtomicU64,
    /// Bytes confirmed by fsync; at most `written`.
    synced: AtomicU64,
    /// Number of the name change that created the file.
    named_by: u64,
    /// Unconfirmed bytes are lost for good.
    is_lost: AtomicBool,
}

/// Result of earlier syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Synced {
    Never,
    /// Bytes on disk.
    Until(u64),
    /// An fsync failed. The kernel reports each failure once, and may have dropped the unwritten
    /// data: a later successful fsync proves nothing.
    Failed,
}

impl Current {
    /// A file never synced, with the stream position of its first byte and the number of its name
    /// change.
    pub fn new(file: File, begin: u64, named_by: u64) -> Arc<Current> {
        let extent = Arc::new(Extent::new(begin, 0, named_by));
        Arc::new(Current { file, extent, synced: Mutex::new(Synced::Never) })
    }

    /// A file of an earlier run: only fsync matters.
    pub fn of_earlier_run(file: File) -> Arc<Current> {
        Current::new(file, 0, 0)
    }

    /// Appends some of `bytes`; returns bytes written.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let written = self.file.write(bytes)?;
        self.extent.written.fetch_add(written as u64, Ordering::Release);
        Ok(written)
    }

    /// Attributes of the open file, under any name.
    pub fn stat(&self) -> Result<Stat, Errno> {
        self.file.stat()
    }

    /// Reads at a position of the file; 0 bytes at its end.
    pub fn read_at(&self, bytes: &mut [u8], pos: u64) -> Result<usize, Errno> {
        self.file.read_at(bytes, pos)
    }

    /// Creation time; now if the file system does not record it.
    pub fn born(&self) -> Label {
        self.file.born().map_or_else(clock::now, clock::label_of)
    }

    pub fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        self.file.set_mode(mode)
    }

    /// Stream positions and durable part.
    pub fn extent(&self) -> &Arc<Extent> {
        &self.extent
    }

    /// Syncs all data written before this call. Fails on every call after a failure.
    pub fn sync(&self) -> Result<(), Errno> {
        let synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        self.sync_locked(synced)
    }

    /// Like [`Current::sync`], but skips fsync if nothing was written since.
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
    /// A fully durable range.
    fn new(begin: u64, len: u64, named_by: u64) -> Extent {
        let (written, synced) = (AtomicU64::new(len), AtomicU64::new(len));
        Extent { begin, written, synced, named_by, is_lost: AtomicBool::new(false) }
    }

    /// Number of the name change that created the file.
    pub fn named_by(&self) -> u64 {
        self.named_by
    }

    /// Marks unconfirmed bytes as lost: an fsync failed, or the file was removed.
    pub fn lose(&self) {
        self.is_lost.store(true, Ordering::Release);
    }

    /// Ends the extent at a position: later bytes go to another file. The file has no name any more, so bytes
    /// before `pos` without a confirming fsync are lost.
    pub fn end_at(&self, pos: u64) {
        self.written.store(pos - self.begin, Ordering::Release);
        if self.synced.load(Ordering::Acquire) < pos - self.begin {
            self.lose();
        }
    }

    /// Whether unconfirmed bytes are lost.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// Position after the last byte.
    pub fn end(&self) -> u64 {
        self.begin + self.written.load(Ordering::Acquire)
    }

    /// First position without a confirming fsync.
    pub fn synced_end(&self) -> u64 {
        self.end().min(self.begin + self.synced.load(Ordering::Acquire))
    }

    fn is_synced(&self) -> bool {
        self.synced_end() == self.end() && !self.is_lost()
    }
}

/// Files with possibly unsynced bytes, oldest first, `current` last. At most three: before
/// `previous`, only the first file matters.
#[derive(Debug)]
pub struct Extents(Vec<Arc<Extent>>);

impl Extents {
    /// Extents of a newly opened directory.
    pub fn new(current: &Current) -> Extents {
        Extents(vec![Arc::clone(&current.extent)])
    }

    /// Position up to which all bytes and a name of each file are on disk. `names_synced` is the
    /// last name change on disk.
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

    /// Whether any bytes are lost.
    pub fn are_lost(&self) -> bool {
        self.0.iter().any(|extent| extent.is_lost())
    }

    /// Adds a new `current`. All files except the last are synced or lost.
    pub fn push(&mut self, current: &Current, names_synced: u64) {
        let previous = self.0.pop();
        if let Some(lost) = self.0.iter().position(|extent| !extent.is_synced()) {
            // Bytes after lost bytes never count.
            self.0.truncate(lost + 1);
        } else if self.0.last().is_some_and(|extent| extent.named_by <= names_synced) {
            self.0.clear();
        } else if let [first, .., last] = self.0.as_slice() {
            // A single directory sync covers all names: join the files waiting for it.
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

    /// A file of five bytes at this position.
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
