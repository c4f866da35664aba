//! Which messages of an engine have lines that the engine does not know to be on disk: a file in the root of the
//! directories, written before the lines are.
//!
//! After a kill the newest lines of the directories are compared with it: what was written is acknowledged and
//! never written again. The file is not synced: it is for the end of a process, not of a machine.

use crate::message;
use ::logdir::Reader;
use ::logdir::clock;
use ::logdir::failure::reason;
use ::logdir::read::find::is_log_dir;
use ::logdir::read::stamp::Moment;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A longer file is replaced by one with what may still be needed.
const LEN_MAX: u64 = 16 * 1024 * 1024;
/// The stamps of lines may be this much older than their entries.
const EARLIER_SECS: i64 = 5;
/// Newest entries of an earlier run that are looked at: more than the messages that can be without an answer.
const NEEDED_MAX: usize = 8192;
/// Directories below the root: a host, a program.
const DEPTH_MAX: usize = 3;

/// A message that has a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Equal each time the message is delivered.
    pub key: (u64, u64),
    /// Where its answer goes.
    pub reply: String,
    /// When its line was made, seconds since 1970.
    unix_secs: i64,
    /// Of its line without the newline.
    hash: u64,
}

impl Entry {
    /// The entry of a message with this line.
    pub fn new(key: (u64, u64), reply: String, line: &[u8]) -> Entry {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Entry { key, reply, unix_secs: clock::now().to_unix().0, hash: hash(line) }
    }

    fn parse(line: &str) -> Option<Entry> {
        let mut words = line.split(' ');
        let mut number = |radix| u64::from_str_radix(words.next()?, radix).ok();
        let key = (number(10)?, number(10)?);
        let (unix_secs, hash) = (number(10)?.cast_signed(), number(16)?);
        Some(Entry { key, reply: words.next()?.to_owned(), unix_secs, hash })
    }

    fn append_to(&self, text: &mut Vec<u8>) {
        let Entry { key: (number, moment), reply, unix_secs, hash } = self;
        // Writing to memory cannot fail.
        let _ = writeln!(text, "{number} {moment} {unix_secs} {hash:x} {reply}");
    }
}

fn hash(line: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(line);
    hasher.finish()
}

/// Messages of an earlier run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Their lines are below the root.
    pub written: Vec<Entry>,
    /// They have no line.
    pub lost: Vec<Entry>,
}

/// The open file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    len: u64,
    unwritten: Vec<u8>,
    has_failed: bool,
}

impl Journal {
    /// Opens the file with this name in the root, which is made if it is missing. Returns the messages of an
    /// earlier run.
    ///
    /// # Errors
    /// The file cannot be read or made, in words.
    pub fn open(root: &Path, name: &str) -> Result<(Journal, Found), String> {
        let path = root.join(name);
        let unable =
            |error: io::Error| format!("unable to open {}: {}", path.display(), reason(&error));
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unable(error)),
        };
        let mut entries: Vec<Entry> =
            String::from_utf8_lossy(&text).lines().filter_map(Entry::parse).collect();
        let entries = entries.split_off(entries.len().saturating_sub(NEEDED_MAX));
        let since = entries.iter().map(|entry| entry.unix_secs).min();
        let lines = since.map(|since| lines_since(root, since - EARLIER_SECS)).unwrap_or_default();
        let (written, lost) = entries.into_iter().partition(|entry| lines.contains(&entry.hash));
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(unable)?;
        let len = text.len() as u64;
        Ok((
            Journal { path, file, len, unwritten: Vec::new(), has_failed: false },
            Found { written, lost },
        ))
    }

    /// Takes an entry. It has to be written before its line is.
    pub fn note(&mut self, entry: &Entry) {
        entry.append_to(&mut self.unwritten);
    }

    /// Writes the entries taken. `needed` are all that may still be needed, those included.
    pub fn write<'a>(&mut self, needed: impl Iterator<Item = &'a Entry>) {
        if self.unwritten.is_empty() {
            return;
        }
        let written = match self.len < LEN_MAX {
            true => self.file.write_all(&self.unwritten),
            false => self.replace(needed),
        };
        self.len += self.unwritten.len() as u64;
        self.unwritten.clear();
        if let Err(error) = written
            && !std::mem::replace(&mut self.has_failed, true)
        {
            let text = format!(
                "unable to write to {}: {}; after a kill, lines may be written twice",
                self.path.display(),
                reason(&error)
            );
            message::warn(text.as_bytes());
        }
    }

    fn replace<'a>(&mut self, needed: impl Iterator<Item = &'a Entry>) -> io::Result<()> {
        let mut text = Vec::new();
        needed.for_each(|entry| entry.append_to(&mut text));
        let new = self.path.with_extension("new");
        fs::write(&new, &text)?;
        fs::rename(&new, &self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.len = text.len() as u64;
        Ok(())
    }
}

/// Hashes of all lines below a root that are not older.
fn lines_since(root: &Path, unix_secs: i64) -> HashSet<u64> {
    let mut found = HashSet::new();
    let mut open = vec![(root.to_owned(), 0)];
    while let Some((path, depth)) = open.pop() {
        if is_log_dir(&path) {
            read_lines(&path, unix_secs, &mut found);
        } else if depth < DEPTH_MAX {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            let directories = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
            open.extend(directories.map(|path| (path, depth + 1)));
        }
    }
    found
}

fn read_lines(directory: &Path, unix_secs: i64, found: &mut HashSet<u64>) {
    let Ok(reader) = Reader::open(directory) else { return };
    let mut lines = reader.range(Some(Moment { unix_secs, nanos: 0 }), None);
    while let Some(line) = lines.next() {
        found.insert(hash(line.text()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_they_were_written() {
        let entry = Entry::new((7, 8), "$JS.ACK.LOG.c.1.7.9.8.0".to_owned(), b"a line\n");
        let mut text = Vec::new();
        entry.append_to(&mut text);
        let text = String::from_utf8(text).expect("text");
        assert_eq!(Entry::parse(text.trim_end()), Some(entry));
        for torn in ["", "7", "7 8 1", "7 8 1 ff", "x 8 1 ff a"] {
            assert_eq!(Entry::parse(torn), None, "{torn}");
        }
    }

    #[test]
    fn only_what_has_a_line_on_disk_is_found_again() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("host/program");
        fs::create_dir_all(&directory).expect("a directory");
        let stamp = String::from_utf8_lossy(&clock::now().format()).into_owned();
        fs::write(directory.join("lock"), "").expect("a file");
        fs::write(directory.join("current"), format!("{stamp} written\n{stamp} torn"))
            .expect("a file");
        let (mut journal, found) = Journal::open(root.path(), ".j").expect("a journal");
        assert_eq!(found, Found::default());
        let entry =
            |number, line: &str| Entry::new((number, 0), format!("r{number}"), line.as_bytes());
        let entries = [entry(1, "written\n"), entry(2, "missing\n"), entry(3, "torn line\n")];
        entries.iter().for_each(|entry| journal.note(entry));
        journal.write(entries.iter());
        drop(journal);
        let (_, found) = Journal::open(root.path(), ".j").expect("a journal");
        assert_eq!((&found.written[..], &found.lost[..]), (&entries[..1], &entries[1..]));
    }
}
