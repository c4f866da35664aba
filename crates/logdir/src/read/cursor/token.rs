//! Encodes a cursor as one word, for callers that store cursors: the delivered position of every
//! directory when a line was shown. Every position is needed, since lines of several directories have
//! no common order from which one position would give the others.
//!
//! The word holds the contents of a cursor file as hexadecimal numbers, without bytes that a shell or
//! JSON must quote:
//!
//! ```text
//! 1-CHECK-DIRECTORY-DIRECTORY...    a DIRECTORY being
//! PATH.INODE.BORN.HEAD_LEN.HEAD_HASH.OFFSET.LABEL.SECS.NANOS.HASH.EQUAL_COUNT.COUNT
//! ```
//!
//! PATH is hashed; LABEL is an archive's label. Unknown fields are empty.

use crate::label::LABEL_LEN;
use crate::read::cursor::{FilePosition, HEAD_LEN_MAX, Identity, Position};
use crate::read::last_line::{self, LastLine};
use crate::read::stamp::Moment;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const VERSION: &str = "1";
const FIELDS: usize = 12;

/// Cursor in one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(BTreeMap<u64, Position>);

impl Cursor {
    /// Parses a cursor. `None` if the text is malformed or truncated.
    pub fn parse(word: &str) -> Option<Cursor> {
        let (version, rest) = word.split_once('-')?;
        let (check, parts) = rest.split_once('-')?;
        if version != VERSION || check != format!("{:08x}", check_of(parts)) {
            return None;
        }
        parts.split('-').map(parse_part).collect::<Option<_>>().map(Cursor)
    }

    /// Creates a cursor from directory positions.
    pub fn of<'a>(positions: impl IntoIterator<Item = (&'a Path, &'a Position)>) -> Cursor {
        let positions = positions.into_iter();
        Cursor(positions.map(|(path, position)| (path_hash(path), position.clone())).collect())
    }

    /// Delivered position of a directory.
    pub fn position(&self, directory: &Path) -> Option<&Position> {
        self.0.get(&path_hash(directory))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.0.iter().map(|(path_hash, position)| part_of(*path_hash, position)).collect();
        let mut word = String::new();
        append(&parts, &mut word);
        f.write_str(&word)
    }
}

/// Appends a cursor made of these directory parts.
pub fn append(parts: &[String], to: &mut String) {
    let start = to.len();
    to.push_str(VERSION);
    // The checksum precedes the text it covers.
    to.push_str("-00000000");
    let checked = to.len() + 1;
    for part in parts {
        to.push('-');
        to.push_str(part);
    }
    let check = format!("{:08x}", check_of(to.get(checked..).unwrap_or_default()));
    to.replace_range(start + VERSION.len() + 1..checked - 1, &check);
}

/// One directory's part of a cursor.
pub fn part(directory: &Path, position: &Position) -> String {
    part_of(path_hash(directory), position)
}

fn path_hash(directory: &Path) -> u64 {
    last_line::hash(directory.as_os_str().as_bytes())
}

fn part_of(path_hash: u64, position: &Position) -> String {
    let mut part = format!("{path_hash:x}");
    // Writing to a string cannot fail.
    let _ = match &position.file {
        Some(FilePosition { name, identity, offset }) => {
            let Identity { inode, born, head_len, head_hash } = identity;
            let label = label_of(name);
            write!(part, ".{inode:x}.{born:x}.{head_len:x}.{head_hash:x}.{offset:x}.{label}")
        }
        None => write!(part, "......"),
    };
    let LastLine { moment, hash, equal_count, count, .. } = &position.last_line;
    let _ = match moment {
        Some(Moment { unix_secs, nanos }) => write!(part, ".{unix_secs:x}.{nanos:x}"),
        None => write!(part, ".."),
    };
    let _ = match count {
        0 => write!(part, "..."),
        _ => write!(part, ".{hash:x}.{equal_count:x}.{count:x}"),
    };
    part
}

/// Label from an archive's name, without `@`. Other names do not identify a file.
fn label_of(name: &[u8]) -> &str {
    let label = crate::format::parse_archive_name(name).and_then(|_| name.get(1..LABEL_LEN));
    label.and_then(|label| std::str::from_utf8(label).ok()).unwrap_or_default()
}

fn check_of(parts: &str) -> u32 {
    let hash = last_line::hash(parts.as_bytes());
    (hash ^ (hash >> 32)) as u32
}

fn parse_part(part: &str) -> Option<(u64, Position)> {
    let fields: Vec<&str> = part.split('.').collect();
    let fields: [&str; FIELDS] = fields.try_into().ok()?;
    let [path, inode, born, head_len, head_hash, offset, label, ..] = fields;
    let [.., secs, nanos, hash, equal_count, count] = fields;
    let file = match inode {
        "" => None,
        _ => Some(FilePosition {
            name: if label.is_empty() { Vec::new() } else { format!("@{label}").into_bytes() },
            identity: Identity {
                inode: number(inode)?,
                born: u128::from_str_radix(born, 16).ok()?,
                head_len: usize::try_from(number(head_len)?)
                    .ok()
                    .filter(|&len: &usize| len <= HEAD_LEN_MAX)?,
                head_hash: number(head_hash)?,
            },
            offset: number(offset)?,
        }),
    };
    let moment = match secs {
        "" => None,
        _ => Some(Moment {
            unix_secs: number(secs)?.cast_signed(),
            nanos: u32::from_str_radix(nanos, 16).ok()?,
        }),
    };
    let last_line = match count {
        "" => LastLine::default(),
        _ => {
            let count = |text| usize::try_from(number(text)?).ok();
            LastLine::kept(moment, number(hash)?, count(equal_count)?, count(fields[FIELDS - 1])?)
        }
    };
    Some((number(path)?, Position { file, last_line }))
}

fn number(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::cursor::tests::position;
    use proptest::prelude::*;
    use std::path::PathBuf;

    fn word_of(positions: &[(PathBuf, Position)]) -> String {
        let parts: Vec<String> =
            positions.iter().map(|(path, position)| part(path, position)).collect();
        let mut word = "before ".to_owned();
        append(&parts, &mut word);
        word.strip_prefix("before ").unwrap().to_owned()
    }

    #[test]
    fn a_word_of_today_is_read_in_all_versions() {
        let archive = b"@400000006553f10b00000001.s.gz";
        let identity = Identity { inode: 31, born: 32, head_len: 64, head_hash: u64::MAX };
        let file = FilePosition { name: archive.to_vec(), identity, offset: 255 };
        let last_line = LastLine::kept(Some(Moment { unix_secs: -1, nanos: 16 }), 1, 2, 3);
        let position = Position { file: Some(file), last_line };
        let word = word_of(&[("/a".into(), position), ("/b".into(), Position::default())]);
        assert_eq!(
            word,
            "1-893a9f89-7d66707b49cd92d.1f.20.40.ffffffffffffffff.ff.400000006553f10b00000001.\
             ffffffffffffffff.10.1.2.3-7d66407b49cd414..........."
        );
        let read = Cursor::parse(&word).unwrap();
        assert_eq!(read.position(Path::new("/b")), Some(&Position::default()));
        assert_eq!(read.position(Path::new("/c")), None);
        let position = read.position(Path::new("/a")).unwrap();
        assert_eq!(position.file.as_ref().unwrap().name, archive[..LABEL_LEN]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            positions in prop::collection::vec(("[a-z/]{1,9}".prop_map(PathBuf::from), position()), 1..4)
        ) {
            let word = word_of(&positions);
            prop_assert!(word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)));
            let read = Cursor::parse(&word).unwrap();
            let (path, mut expected) = positions.last().cloned().unwrap();
            if let Some(file) = &mut expected.file {
                file.name = format!("@{}", label_of(&file.name)).into_bytes();
                file.name.truncate(if file.name.len() > 1 { LABEL_LEN } else { 0 });
            }
            prop_assert_eq!(read.position(&path), Some(&expected));
        }

        #[test]
        fn no_other_word_is_read(
            position in position(), pos in any::<prop::sample::Index>(), byte in "[0-9a-f.-]"
        ) {
            let word = word_of(&[("/a".into(), position)]);
            let pos = pos.index(word.len());
            let mut other = word.clone();
            other.replace_range(pos..=pos, &byte);
            prop_assert!(other == word || Cursor::parse(&other).is_none());
            prop_assert!(Cursor::parse(&word[..pos]).is_none());
        }

        #[test]
        fn any_text_is_read_without_panic(parts in "[ -~]{0,99}") {
            let _ = Cursor::parse(&format!("1-{:08x}-{parts}", check_of(&parts)));
        }
    }
}
