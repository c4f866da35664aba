//! Stores delivered positions of directories in a small text file.
//!
//! Each save replaces the whole file, fsynced, so readers find the old or the new version, never a
//! mixture. A lock file (`FILE.lock`) excludes a second reader. A cursor file must not be inside a
//! log directory.

pub mod line_id;
pub mod token;

use crate::cursor_text::{self, Entry, LinePosition};
pub use crate::cursor_text::{FilePosition, HEAD_LEN_MAX, Identity};
use crate::failure::{Failure, What};
use crate::read::decode::head;
use crate::read::find;
use crate::read::last_line::{self, LastLine};
use crate::read::stamp::Moment;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Delivered position in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// File of the last delivered line.
    pub file: Option<FilePosition>,
    /// Last delivered line.
    pub last_line: LastLine,
}

impl Identity {
    /// Identity of an open file. `None` for an empty file.
    pub fn of(handle: &Arc<File>) -> io::Result<Option<Identity>> {
        Ok(Identity::with_first_line(handle)?.map(|(identity, _)| identity))
    }

    /// Identity of an open file that may be empty. `None` for an empty file without a birth time.
    pub fn even_if_empty(handle: &Arc<File>) -> io::Result<Option<Identity>> {
        if let Some(identity) = Identity::of(handle)? {
            return Ok(Some(identity));
        }
        let (inode, born) = inode_and_birth(handle)?;
        let identity = Identity { inode, born, head_len: 0, head_hash: last_line::hash(b"") };
        Ok((born > 0).then_some(identity))
    }

    /// Identity of an open file, and the hash of its first line within the first [`HEAD_LEN_MAX`]
    /// bytes. `None` for an empty file.
    pub fn with_first_line(handle: &Arc<File>) -> io::Result<Option<(Identity, u64)>> {
        let head = head(handle, HEAD_LEN_MAX)?;
        let (inode, born) = inode_and_birth(handle)?;
        let (head_len, head_hash) = (head.len(), last_line::hash(&head));
        let first_line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let identity = Identity { inode, born, head_len, head_hash };
        Ok((head_len > 0).then_some((identity, last_line::hash(first_line))))
    }

    /// True if `handle` is this file, even if it grew.
    pub fn is_that_of(&self, handle: &Arc<File>) -> io::Result<bool> {
        let (inode, born) = inode_and_birth(handle)?;
        if self.head_len == 0 {
            return Ok(inode == self.inode && born > 0 && born == self.born);
        }
        let same_birth = self.born == 0 || born == 0 || self.born == born;
        Ok(inode == self.inode && same_birth && self.is_head_of(handle)?)
    }

    /// True if `handle` begins with the hashed bytes. False without such bytes.
    pub fn is_head_of(&self, handle: &Arc<File>) -> io::Result<bool> {
        let head = head(handle, self.head_len)?;
        Ok(self.head_len > 0
            && head.len() == self.head_len
            && last_line::hash(&head) == self.head_hash)
    }
}

fn inode_and_birth(handle: &File) -> io::Result<(u64, u128)> {
    Ok(cursor_text::inode_and_birth(&handle.metadata()?))
}

/// Locked cursor file.
pub struct CursorFile {
    path: PathBuf,
    positions: BTreeMap<PathBuf, Position>,
    saved: BTreeMap<PathBuf, Position>,
    /// Held for the lifetime of `CursorFile`.
    lock: File,
}

impl Drop for CursorFile {
    /// Closing would unlock too, but not while a child that another thread has just forked has the descriptor.
    fn drop(&mut self) {
        // It fails only where closing unlocks as well.
        let _ = self.lock.unlock();
    }
}

impl CursorFile {
    /// Takes the lock and reads the file. A missing file means an empty cursor.
    pub fn open(path: &Path) -> Result<CursorFile, Failure> {
        if find::is_log_dir(directory_of(path)) {
            return Err(Failure::cursor_in_log(path_bytes(path)));
        }
        let lock_path = with_ending(path, ".lock");
        let failure = |what, path: &Path, error: &io::Error| {
            Failure::of_io(what, path.as_os_str().as_bytes(), error)
        };
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(|error| failure(What::Create, &lock_path, &error))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Failure::cursor_in_use(path_bytes(path)),
            TryLockError::Error(error) => failure(What::LockCursor, path, &error),
        })?;
        let positions = load(path)?;
        let saved = positions.clone();
        Ok(CursorFile { path: path.to_owned(), positions, saved, lock })
    }

    /// Delivered position of a directory.
    pub fn position(&self, directory: &Path) -> Option<&Position> {
        self.positions.get(directory)
    }

    /// Sets the delivered position of a directory.
    pub fn set(&mut self, directory: &Path, position: Position) {
        self.positions.insert(directory.to_owned(), position);
    }

    /// Replaces the file if a position changed.
    pub fn save(&mut self) -> Result<(), Failure> {
        if self.saved == self.positions && self.path.exists() {
            return Ok(());
        }
        let failure =
            |error: io::Error| Failure::of_io(What::Write, path_bytes(&self.path), &error);
        self.replace().map_err(failure)?;
        self.saved.clone_from(&self.positions);
        Ok(())
    }

    fn replace(&self) -> io::Result<()> {
        let new_path = with_ending(&self.path, ".new");
        let mut new = File::create(&new_path)?;
        new.write_all(format(&self.positions).as_bytes())?;
        new.sync_all()?;
        fs::rename(&new_path, &self.path)?;
        File::open(directory_of(&self.path))?.sync_all()
    }
}

/// Delivered positions in a cursor file, which another program may be replacing. A missing file means an
/// empty cursor.
pub fn load(path: &Path) -> Result<BTreeMap<PathBuf, Position>, Failure> {
    let no_cursor = || Failure::no_cursor(path_bytes(path));
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).ok_or_else(no_cursor),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(no_cursor()),
        Err(error) => Err(Failure::of_io(What::Read, path_bytes(path), &error)),
    }
}

/// Parent directory of a file.
fn directory_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn format(positions: &BTreeMap<PathBuf, Position>) -> String {
    let entry = |(path, position): (&PathBuf, &Position)| Entry {
        directory: path_bytes(path).to_vec(),
        file: position.file.clone(),
        line: line_position(&position.last_line),
    };
    cursor_text::format(&positions.iter().map(entry).collect::<Vec<_>>())
}

/// `None` before the first delivered line.
fn line_position(last: &LastLine) -> Option<LinePosition> {
    let LastLine { moment, hash, equal_count, count, .. } = *last;
    let moment = moment.map(|Moment { unix_secs, nanos }| (unix_secs, nanos));
    (count > 0).then_some(LinePosition { moment, hash, equal_count, count })
}

fn parse(text: &str) -> Option<BTreeMap<PathBuf, Position>> {
    let position = |Entry { directory, file, line }| {
        let last_line = line.map_or_else(LastLine::default, last_line);
        (PathBuf::from(OsString::from_vec(directory)), Position { file, last_line })
    };
    Some(cursor_text::parse(text)?.into_iter().map(position).collect())
}

fn last_line(line: LinePosition) -> LastLine {
    let moment = line.moment.map(|(unix_secs, nanos)| Moment { unix_secs, nanos });
    LastLine::kept(moment, line.hash, line.equal_count, line.count)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Generates arbitrary positions.
    pub fn position() -> impl Strategy<Value = Position> {
        let identity = (any::<u64>(), any::<u128>(), 0..=HEAD_LEN_MAX, any::<u64>()).prop_map(
            |(inode, born, head_len, head_hash)| Identity { inode, born, head_len, head_hash },
        );
        let file = (any::<Vec<u8>>(), identity, any::<u64>())
            .prop_map(|(name, identity, offset)| FilePosition { name, identity, offset });
        let moment = prop::option::of((any::<i64>(), 0..1_000_000_000_u32))
            .prop_map(|moment| moment.map(|(unix_secs, nanos)| Moment { unix_secs, nanos }));
        let last_line = (moment, any::<u64>(), 1..9_usize, 9..99_usize)
            .prop_map(|(moment, hash, equal, count)| LastLine::kept(moment, hash, equal, count));
        (prop::option::of(file), last_line)
            .prop_map(|(file, last_line)| Position { file, last_line })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            positions in prop::collection::btree_map(
                "[a-z/ \\\\\n]{1,9}".prop_map(PathBuf::from), position(), 0..4)
        ) {
            prop_assert_eq!(parse(&format(&positions)), Some(positions));
        }
    }
}
