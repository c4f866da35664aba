//! Computes an id that stays equal when a line is sent again, so that a receiver can drop
//! duplicates.
//!
//! The first line's hash identifies the file; offset and stamp identify the line. Renaming or
//! compressing a file changes none of these. Without stamps, files may begin alike, so inode and
//! birth time are included. An unstamped line sent again after compression therefore gets another
//! id: the receiver stores a duplicate, which is better than losing the line.

use crate::label::Label;
use crate::read::cursor::Identity;
use crate::read::last_line::hash;
use crate::read::stamp::Moment;
use std::fmt;

/// Id of a line or piece: one word of letters, digits and dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineId {
    file_hash: u64,
    offset: u64,
    /// Seconds since 1970, nanoseconds.
    stamp: Option<(i64, u32)>,
}

impl LineId {
    /// Id of a stamped line that starts at `offset`.
    pub fn stamped(first_line_hash: u64, offset: u64, moment: Moment) -> LineId {
        let stamp = Some((moment.unix_secs, moment.nanos));
        LineId { file_hash: first_line_hash, offset, stamp }
    }

    /// Id of an unstamped line.
    pub fn unstamped(first_line_hash: u64, identity: &Identity, offset: u64) -> LineId {
        let Identity { inode, born, .. } = identity;
        let file_hash = hash(format!("{first_line_hash:x} {inode} {born}").as_bytes());
        LineId { file_hash, offset, stamp: None }
    }

    /// Id of an unstamped line in an unidentified file.
    pub fn of_text(text: &[u8], offset: u64) -> LineId {
        LineId { file_hash: hash(text), offset, stamp: None }
    }
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{:x}.", self.file_hash, self.offset)?;
        let Some((unix_secs, nanos)) = self.stamp else { return Ok(()) };
        let label = Label::from_unix(unix_secs, nanos).format();
        f.write_str(&String::from_utf8_lossy(&label[1..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Moment = Moment { unix_secs: 1_700_000_000, nanos: 1 };

    #[test]
    fn an_id_is_one_word() {
        let identity = Identity { inode: 1, born: 2, head_len: 64, head_hash: 3 };
        let text = |id: LineId| id.to_string();
        assert_eq!(
            text(LineId::stamped(7, 255, MOMENT)),
            "0000000000000007.ff.400000006553f10a00000001"
        );
        assert_eq!(text(LineId::unstamped(7, &identity, 0)), format!("{:016x}.0.", hash(b"7 1 2")));
        assert_eq!(text(LineId::of_text(b"x", 1)), format!("{:016x}.1.", hash(b"x")));
    }

    #[test]
    fn files_that_begin_alike_have_lines_with_other_ids() {
        let identity = Identity { inode: 1, born: 2, head_len: 64, head_hash: 3 };
        let id = LineId::unstamped(7, &identity, 0);
        assert_ne!(id, LineId::unstamped(7, &Identity { inode: 2, ..identity }, 0));
        assert_ne!(id, LineId::unstamped(7, &Identity { born: 3, ..identity }, 0));
        // The file grew later.
        assert_eq!(id, LineId::unstamped(7, &Identity { head_hash: 4, ..identity }, 0));
        assert_ne!(LineId::stamped(7, 0, MOMENT), LineId::stamped(7, 1, MOMENT));
    }
}
