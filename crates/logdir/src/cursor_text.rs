//! Text of a cursor file: how far a reader is in each of its directories. Readers write it; a writer that holds
//! archives for a reader reads it too.
//!
//! One item a line, numbers first, the name last, escaped if it could break the line:
//!
//! ```text
//! logdir cursor 1
//! directory PATH
//! file INODE BORN HEAD_LEN HEAD_HASH OFFSET NAME
//! line SECS NANOS HASH EQUAL_COUNT COUNT
//! ```
//!
//! `file` and `line` belong to the directory before them and may be missing. Hashes are hexadecimal. A line
//! without a stamp has `- -` for its moment.

use std::fmt::Write as _;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::UNIX_EPOCH;

/// First line of the file.
const HEADER: &str = "logdir cursor 1";
/// Leading bytes that distinguish a file from a later file with the same inode.
pub const HEAD_LEN_MAX: usize = 64;

/// How far a reader is in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Path of the directory, any bytes.
    pub directory: Vec<u8>,
    /// File of the last delivered line.
    pub file: Option<FilePosition>,
    /// Last delivered line.
    pub line: Option<LinePosition>,
}

/// Position in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePosition {
    /// Name at the last read.
    pub name: Vec<u8>,
    /// Identity of the file.
    pub identity: Identity,
    /// Delivered bytes, counted decoded.
    pub offset: u64,
}

/// Distinguishes a file from all other files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Inode, which the kernel may reuse later.
    pub inode: u64,
    /// Birth time in nanoseconds since 1970; 0 if the file system has none.
    pub born: u128,
    /// Hashed leading bytes. 0 for an empty file, which only its birth distinguishes.
    pub head_len: usize,
    /// Hash of these bytes.
    pub head_hash: u64,
}

/// Inode and birth of a file; nanoseconds since 1970, or 0 where the file system has no birth.
pub fn inode_and_birth(metadata: &Metadata) -> (u64, u128) {
    let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    (metadata.ino(), born.map_or(0, |born| born.as_nanos()))
}

/// The last delivered line, by its moment and contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinePosition {
    /// Seconds since 1970 and nanoseconds of its stamp.
    pub moment: Option<(i64, u32)>,
    /// Hash of its bytes.
    pub hash: u64,
    /// Delivered lines with this moment and these bytes.
    pub equal_count: usize,
    /// Delivered lines with this moment.
    pub count: usize,
}

/// Formats the file.
pub fn format(entries: &[Entry]) -> String {
    let mut text = format!("{HEADER}\n");
    for Entry { directory, file, line } in entries {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "directory {}", escape(directory));
        if let Some(FilePosition { name, identity, offset }) = file {
            let Identity { inode, born, head_len, head_hash } = identity;
            let name = escape(name);
            let _ =
                writeln!(text, "file {inode} {born} {head_len} {head_hash:016x} {offset} {name}");
        }
        if let Some(LinePosition { moment, hash, equal_count, count }) = line {
            let moment = match moment {
                Some((unix_secs, nanos)) => format!("{unix_secs} {nanos}"),
                None => "- -".to_owned(),
            };
            let _ = writeln!(text, "line {moment} {hash:016x} {equal_count} {count}");
        }
    }
    text
}

/// Parses the file. `None` if the text is malformed.
pub fn parse(text: &str) -> Option<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return None;
    }
    for line in lines {
        let (kind, rest) = line.split_once(' ')?;
        if kind == "directory" {
            entries.push(Entry { directory: unescape(rest)?, ..Entry::default() });
            continue;
        }
        let entry = entries.last_mut()?;
        match kind {
            "file" => entry.file = Some(parse_file(rest)?),
            "line" => entry.line = Some(parse_line(rest)?),
            _ => return None,
        }
    }
    Some(entries)
}

fn parse_file(text: &str) -> Option<FilePosition> {
    let words: Vec<&str> = text.splitn(6, ' ').collect();
    let [inode, born, head_len, head_hash, offset, name] = words[..] else { return None };
    let identity = Identity {
        inode: inode.parse().ok()?,
        born: born.parse().ok()?,
        head_len: head_len.parse().ok().filter(|&len: &usize| len <= HEAD_LEN_MAX)?,
        head_hash: u64::from_str_radix(head_hash, 16).ok()?,
    };
    Some(FilePosition { name: unescape(name)?, identity, offset: offset.parse().ok()? })
}

fn parse_line(text: &str) -> Option<LinePosition> {
    let words: Vec<&str> = text.split(' ').collect();
    let [unix_secs, nanos, hash, equal_count, count] = words[..] else { return None };
    let moment = match (unix_secs, nanos) {
        ("-", "-") => None,
        _ => Some((unix_secs.parse().ok()?, nanos.parse().ok()?)),
    };
    let hash = u64::from_str_radix(hash, 16).ok()?;
    let (equal_count, count) = (equal_count.parse().ok()?, count.parse().ok()?);
    Some(LinePosition { moment, hash, equal_count, count })
}

fn escape(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Reverses `escape_ascii`.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let (&letter, after) = rest.split_first()?;
        rest = after;
        bytes.push(match letter {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'x' => {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                rest = &rest[2..];
                u8::from_str_radix(digits, 16).ok()?
            }
            other => other,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(logdir cursor 1\n)?[ -~\n]{0,99}") {
            let _ = parse(&text);
        }
    }
}
