//! Which archives a reader's cursor has not passed (`h`).
//!
//! The cursor file belongs to another program and may be anything. What it does not say exactly counts as not
//! passed: the worst that follows is that an archive stays longer, up to the bytes of the hold.

use crate::cursor_text::{self, Entry, FilePosition, Identity};
use crate::failure::Failure;
use crate::format::CURRENT;
use crate::label::Label;
use crate::settings::Hold;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Longest cursor file: some four thousand directories.
const CURSOR_LEN_MAX: u64 = 1024 * 1024;

/// How far a reader is in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    file: Option<FilePosition>,
    /// Stamp of the last delivered line.
    moment: Option<Label>,
}

/// Reads how far the hold's reader is in the directory of this name and identity.
pub fn read(hold: &Hold, name: &[u8], own: Option<(u64, u64)>) -> Result<Reached, Failure> {
    let about = [name, b" for cursor ", hold.cursor.as_bytes()].concat();
    let text = match text_of(Path::new(&hold.cursor)) {
        Err(error) if error.kind() != io::ErrorKind::InvalidData => {
            return Err(Failure::not_held(about, &error));
        }
        text => text.ok(),
    };
    let entries = text.as_deref().and_then(cursor_text::parse);
    let Some(entries) = entries else {
        return Err(Failure::not_held_because(about, "it is not a cursor of logdir or logship"));
    };
    let is_own = |entry: &&Entry| own.is_some() && identity_of(&entry.directory) == own;
    match entries.iter().find(is_own) {
        Some(entry) => Ok(reached_in(entry)),
        None => Err(Failure::not_held_because(about, "it does not name this directory")),
    }
}

/// At most [`CURSOR_LEN_MAX`] bytes; a longer file is cut, and then no cursor.
fn text_of(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = String::new();
    file.take(CURSOR_LEN_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Inode and birth of a directory's file.
pub fn identity_in(directory: &[u8], name: &[u8]) -> Option<(u64, u128)> {
    let directory = Path::new(OsStr::from_bytes(directory));
    let metadata = fs::symlink_metadata(directory.join(OsStr::from_bytes(name))).ok()?;
    Some(cursor_text::inode_and_birth(&metadata))
}

fn identity_of(directory: &[u8]) -> Option<(u64, u64)> {
    let metadata = fs::metadata(Path::new(OsStr::from_bytes(directory))).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn reached_in(entry: &Entry) -> Reached {
    let moment = entry.line.and_then(|line| line.moment);
    let moment = moment.map(|(secs, nanos)| Label::from_unix(secs, nanos));
    Reached { file: entry.file.clone(), moment }
}

impl Reached {
    /// Whether the reader has all lines of an archive. `identity` finds inode and birth of a file of the
    /// directory, and `later` lists the archives after this one.
    ///
    /// An archive is named after its last line was stamped, so a reader that has a line of a later moment has
    /// all of it, unless the clock was set back while the reader's own file was written. The other way round a
    /// fast logger names an archive when lines of later files are written already: there the file tells.
    pub fn has_passed<'a>(
        &self,
        archive: &[u8],
        identity: impl Fn(&[u8]) -> Option<(u64, u128)>,
        mut later: impl Iterator<Item = &'a [u8]>,
    ) -> bool {
        let label = Label::parse(archive);
        let Some(file) = &self.file else { return label.is_some() && label < self.moment };
        if let Some(reached) = Label::parse(&file.name) {
            return label.is_some_and(|label| label < reached);
        }
        let Identity { inode, born, .. } = file.identity;
        if identity(archive).is_some_and(|(other, _)| other == inode) {
            return false;
        }
        if label.is_some() && label < self.moment {
            return true;
        }
        // The reader's file was `current` at its last look, and may have a name by now. An inode alone may have
        // been used again.
        let is_file = |name: &[u8]| born > 0 && identity(name) == Some((inode, born));
        is_file(CURRENT) || later.any(is_file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Code, archive_name};

    fn archive(secs: i64) -> Vec<u8> {
        archive_name(Label::from_unix(secs, 0), Code::Safe, b"s")
    }

    /// Files of the directory are born at their inode.
    fn file(name: &[u8], inode: u64) -> Option<FilePosition> {
        file_born(name, inode, u128::from(inode))
    }

    fn file_born(name: &[u8], inode: u64, born: u128) -> Option<FilePosition> {
        let identity = Identity { inode, born, head_len: 1, head_hash: 0 };
        Some(FilePosition { name: name.to_vec(), identity, offset: 9 })
    }

    /// Which of the archives 10 and 20, with inodes 1 and 2, and `current` with inode 3, are passed.
    #[track_caller]
    fn check(file: Option<FilePosition>, moment: Option<i64>, expected: [bool; 2]) {
        let moment = moment.map(|secs| Label::from_unix(secs, 5));
        let reached = Reached { file, moment };
        let names = [archive(10), archive(20), CURRENT.to_vec()];
        let identity = |name: &[u8]| {
            let (_, inode) = names.iter().zip(1..).find(|(other, _)| *other == name)?;
            Some((inode, u128::from(inode)))
        };
        let passed = [0, 1].map(|pos| {
            let later = names[pos + 1..2].iter().map(Vec::as_slice);
            reached.has_passed(&names[pos], identity, later)
        });
        assert_eq!(passed, expected, "{reached:?}");
    }

    #[test]
    fn an_archive_is_passed_if_the_cursor_says_so() {
        // No line was delivered, or its file is unknown.
        check(None, None, [false, false]);
        check(None, Some(15), [true, false]);
        // The reader has reached an archive.
        check(file(&archive(10), 1), Some(9), [false, false]);
        check(file(&archive(20), 2), None, [true, false]);
        // In what is still `current`.
        check(file(CURRENT, 3), Some(25), [true, true]);
        check(file(CURRENT, 3), None, [true, true]);
        // In a file that was `current` at its last look.
        check(file(CURRENT, 2), Some(15), [true, false]);
        check(file(CURRENT, 2), None, [true, false]);
        check(file(CURRENT, 1), None, [false, false]);
        // Archives were named after its last line was stamped.
        check(file(CURRENT, 3), Some(5), [true, true]);
        check(file(CURRENT, 2), Some(5), [true, false]);
        // Another file has its inode, or the file system has no births.
        check(file_born(CURRENT, 3, 9), None, [false, false]);
        check(file_born(CURRENT, 2, 9), Some(15), [true, false]);
        check(file_born(CURRENT, 3, 0), None, [false, false]);
        // The clock was set back: the file's last line is earlier than the moment.
        check(file(CURRENT, 1), Some(30), [false, true]);
        // Its file is gone, or was compressed.
        check(file(CURRENT, 9), None, [false, false]);
        check(file(CURRENT, 9), Some(20), [true, true]);
        check(file(CURRENT, 9), Some(19), [true, false]);
    }
}
