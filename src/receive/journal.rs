//! Which messages of an engine have lines that the engine does not know to be on disk: a file in the root of the
//! directories, written before the lines are.
//!
//! After a kill the newest lines of the directories are compared with it: what was written is acknowledged and
//! never written again. What has no line is left to the engine, which delivers it again when `ack_wait` is over:
//! giving it back could take it from another receiver, which may be writing it by now.
//! The file is not synced: it is for the end of a process, not of a machine.

use crate::message;
use ::logdir::Reader;
use ::logdir::failure::reason;
use ::logdir::label::Label;
use ::logdir::read::find::is_log_dir;
use ::logdir::read::stamp::Moment;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A longer file is replaced by one with what may still be needed.
const LEN_MAX: u64 = 16 * 1024 * 1024;
/// The stamp of a line may be this much older than its entry: lines of one moment share it.
const EARLIER_NANOS: i64 = 1_000_000;
/// Newest entries of earlier runs that are looked at: the messages of a consumer that can be without an answer.
const NEEDED_MAX: usize = 64 * 1024;
/// Directories below the root: a host, a program.
const DEPTH_MAX: usize = 3;

/// A message with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Equal each time the message is delivered.
    pub key: (u64, u64),
    /// Where its answer goes.
    pub reply: String,
    /// When it was received, nanoseconds since 1970. Its line has no earlier stamp.
    received: i64,
    /// Of its line without the newline.
    hash: u64,
}

impl Entry {
    /// The entry of a message with this line.
    pub fn new(key: (u64, u64), reply: String, line: &[u8], received: Label) -> Entry {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (secs, nanos) = received.to_unix();
        Entry { key, reply, received: in_nanos(secs, nanos), hash: hash(line) }
    }

    fn parse(line: &str) -> Option<Entry> {
        let mut words = line.split(' ');
        let mut number = |radix| u64::from_str_radix(words.next()?, radix).ok();
        let key = (number(10)?, number(10)?);
        let (received, hash) = (number(10)?.cast_signed(), number(16)?);
        Some(Entry { key, reply: words.next()?.to_owned(), received, hash })
    }

    fn append_to(&self, text: &mut Vec<u8>) {
        let Entry { key: (number, moment), reply, received, hash } = self;
        // Writing to memory cannot fail.
        let _ = writeln!(text, "{number} {moment} {received} {hash:x} {reply}");
    }
}

fn in_nanos(secs: i64, nanos: u32) -> i64 {
    secs.saturating_mul(1_000_000_000).saturating_add(nanos.into())
}

fn hash(line: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(line);
    hasher.finish()
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
    /// earlier run whose lines are below the root.
    ///
    /// # Errors
    /// The file cannot be read or made, in words.
    pub fn open(root: &Path, name: &str) -> Result<(Journal, Vec<Entry>), String> {
        let path = root.join(name);
        let unable =
            |error: io::Error| format!("unable to open {}: {}", path.display(), reason(&error));
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unable(error)),
        };
        // A kill may have torn the last entry: then its line was not written.
        let whole = &text[..memchr::memrchr(b'\n', &text).map_or(0, |pos| pos + 1)];
        let mut entries: Vec<Entry> =
            String::from_utf8_lossy(whole).lines().filter_map(Entry::parse).collect();
        let entries = written(root, entries.split_off(entries.len().saturating_sub(NEEDED_MAX)));
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(unable)?;
        let len = text.len() as u64;
        let mut journal = Journal { path, file, len, unwritten: Vec::new(), has_failed: false };
        if !text.is_empty() {
            let replaced = journal.replace(entries.iter());
            journal.report(replaced);
        }
        Ok((journal, entries))
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
        self.report(written);
    }

    fn report(&mut self, written: io::Result<()>) {
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

/// Keeps the entries that have a line below the root. Of several with equal lines, the oldest have those that
/// are there: lines are written in the order of their entries.
fn written(root: &Path, mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut found: HashMap<u64, Lines> = HashMap::new();
    for Entry { hash, received, .. } in &entries {
        let since = received - EARLIER_NANOS;
        found.entry(*hash).or_insert(Lines { since, count: 0 });
    }
    let since = found.values().map(|lines| lines.since).min();
    if let Some(since) = since {
        count_lines(root, since, &mut found);
    }
    entries.retain(|entry| found.get_mut(&entry.hash).is_some_and(Lines::take_one));
    entries
}

/// Equal lines.
struct Lines {
    /// Earlier ones do not count, nanoseconds since 1970.
    since: i64,
    count: usize,
}

impl Lines {
    /// False if none is left.
    fn take_one(&mut self) -> bool {
        let is_left = self.count > 0;
        self.count -= usize::from(is_left);
        is_left
    }
}

fn count_lines(root: &Path, since: i64, found: &mut HashMap<u64, Lines>) {
    let mut open = vec![(root.to_owned(), 0)];
    while let Some((path, depth)) = open.pop() {
        if is_log_dir(&path) {
            count_lines_of(&path, since, found);
        } else if depth < DEPTH_MAX {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            let directories = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
            open.extend(directories.map(|path| (path, depth + 1)));
        }
    }
}

fn count_lines_of(directory: &Path, since: i64, found: &mut HashMap<u64, Lines>) {
    let Ok(reader) = Reader::open(directory) else { return };
    let unix_secs = since.div_euclid(1_000_000_000);
    let mut lines = reader.range(Some(Moment { unix_secs, nanos: 0 }), None);
    while let Some(line) = lines.next() {
        if let Some(Moment { unix_secs, nanos }) = line.moment
            && let Some(lines) = found.get_mut(&hash(line.text()))
            && in_nanos(unix_secs, nanos) >= lines.since
        {
            lines.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::logdir::clock;
    use std::time::Duration;

    #[test]
    fn entries_are_read_as_they_were_written() {
        let reply = "$JS.ACK.LOG.c.1.7.9.8.0".to_owned();
        let entry = Entry::new((7, 8), reply, b"a line\n", clock::now());
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
        let now = clock::now();
        let earlier = now.minus(Duration::from_secs(2));
        let lines = [(earlier, "equal\n"), (now, "written\n"), (now, "equal\n"), (now, "torn")];
        let stamped = |(stamp, line): &(Label, &str)| {
            format!("{} {line}", String::from_utf8_lossy(&stamp.format()))
        };
        fs::write(directory.join("lock"), "").expect("a file");
        fs::write(directory.join("current"), lines.iter().map(stamped).collect::<String>())
            .expect("a file");
        let (mut journal, found) = Journal::open(root.path(), ".j").expect("a journal");
        assert_eq!(found, []);
        let texts = ["written\n", "missing\n", "equal\n", "equal\n", "torn line\n"];
        let entries = [0, 1, 2, 3, 4].map(|number: usize| {
            let reply = format!("r{number}");
            Entry::new((number as u64, 0), reply, texts[number].as_bytes(), now)
        });
        entries.iter().for_each(|entry| journal.note(entry));
        journal.write(entries.iter());
        drop(journal);
        let expected = [entries[0].clone(), entries[2].clone()];
        let (mut journal, found) = Journal::open(root.path(), ".j").expect("a journal");
        assert_eq!(found, expected);
        // A kill tears the entry that is being written; those of the next run are whole.
        journal.file.write_all(b"9 0 17").expect("room");
        drop(journal);
        let (mut journal, found) = Journal::open(root.path(), ".j").expect("a journal");
        assert_eq!(found, expected);
        journal.note(&entries[2]);
        journal.write(entries.iter());
        drop(journal);
        let text = fs::read_to_string(root.path().join(".j")).expect("a journal");
        let parsed: Option<Vec<Entry>> = text.lines().map(Entry::parse).collect();
        assert_eq!(parsed.map(|entries| entries.len()), Some(3));
    }
}
