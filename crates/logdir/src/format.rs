//! The format of a log directory, shared by whoever writes and whoever reads one: names, the mode
//! bit, and what counts as an archive (multilog(8); 0.76 as measured).

use crate::label::{LABEL_LEN, Label};
use crate::time::{Civil, Zone};

/// The file lines are appended to.
pub const CURRENT: &[u8] = b"current";
/// A file that is being finished.
pub const PREVIOUS: &[u8] = b"previous";
/// What a processor makes of `previous`.
pub const PROCESSED: &[u8] = b"processed";
/// What a processor wants to remember until its next run.
pub const STATE: &[u8] = b"state";
/// The `state` of a processor that has not succeeded yet.
pub const NEWSTATE: &[u8] = b"newstate";
/// What the writer reports of itself (`writer_state.rs`). Hidden, so that `cat main/*` shows lines only;
/// other loggers pass over the name.
pub const WRITER: &[u8] = b".writer";
/// The file that is locked by the writer; empty, and never removed.
pub const LOCK: &[u8] = b"lock";

/// Mode of a directory that is made.
pub const MODE_DIRECTORY: u32 = 0o700;
/// Mode of `lock` and of status files.
pub const MODE_PRIVATE: u32 = 0o600;
/// Mode of a file that is being written.
pub const MODE_PARTIAL: u32 = 0o644;
/// Mode of a file that is whole and on disk.
pub const MODE_COMPLETE: u32 = 0o744;
/// The bit that alone tells complete from partial.
pub const COMPLETE_BIT: u32 = 0o100;

/// Names of archives compare by their first bytes, as many as a label has.
pub type ArchiveKey = [u8; LABEL_LEN];

/// How a file came to be finished, the ending of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// `.s`, or what `w` asks for: whole, and on disk.
    Safe,
    /// `.u`: what an interrupted writer left.
    Unfinished,
}

/// The name of an archive. `safe` is the ending of those that are whole, which daemontools-encore
/// lets the user choose.
pub fn archive_name(label: Label, code: Code, safe: &[u8]) -> Vec<u8> {
    let ending = match code {
        Code::Safe => safe,
        Code::Unfinished => b"u",
    };
    [&label.format(), b".".as_slice(), ending].concat()
}

/// The name of an unfinished archive once it is whole; `safe` as in [`archive_name`].
pub fn safe_name(unfinished: &[u8], safe: &[u8]) -> Vec<u8> {
    [unfinished.strip_suffix(b"u").unwrap_or(unfinished), safe].concat()
}

/// What orders archives, or none where the name does not count as one.
///
/// Every name that begins with `@` and has the length of a label counts, whatever follows: archives
/// compressed from outside are counted and removed like others.
pub fn archive_key(name: &[u8]) -> Option<ArchiveKey> {
    let key: ArchiveKey = name.get(..LABEL_LEN)?.try_into().ok()?;
    (key[0] == b'@').then_some(key)
}

/// What a reader takes an archive for: its label, and how it came to be finished. None where the name
/// is that of no archive with lines in it.
///
/// Behind the label stands `.s` or `.u`, and more where somebody compressed the file (`.s.gz`), or what
/// daemontools-encore was told to put there. `.t` is what a processor of svlogd has not finished.
pub fn parse_archive_name(name: &[u8]) -> Option<(Label, Code)> {
    let label = Label::parse(name)?;
    match &name[LABEL_LEN..] {
        b".t" => None,
        b".u" | [b'.', b'u', b'.', ..] => Some((label, Code::Unfinished)),
        [] | [b'.', _, ..] => Some((label, Code::Safe)),
        [..] => None,
    }
}

/// As [`parse_archive_name`], for all writers that readers know: perp's tinylog too, which names archives
/// `_yyyymmddThhmmss.uuuuuu.s` in UTC, with `.u` and `.Z` as others have `.u` and `.gz`.
pub fn parse_any_archive_name(name: &[u8]) -> Option<(Label, Code)> {
    let Some(date) = name.strip_prefix(b"_") else { return parse_archive_name(name) };
    let (unix_secs, nanos) = parse_tinylog_date(date)?;
    let code = match date.get(TINYLOG_DATE_LEN..)? {
        b".s" | [b'.', b's', b'.', ..] => Code::Safe,
        b".u" | [b'.', b'u', b'.', ..] => Code::Unfinished,
        _ => return None,
    };
    Some((Label::from_unix(unix_secs, nanos), code))
}

/// Bytes of a date as tinylog writes it.
pub const TINYLOG_DATE_LEN: usize = 22;

/// Reads the date `yyyymmddThhmmss.uuuuuu` of tinylog at the start of a text: seconds since 1970 and
/// nanoseconds.
pub fn parse_tinylog_date(text: &[u8]) -> Option<(i64, u32)> {
    const SHAPE: &[u8; TINYLOG_DATE_LEN] = b"00000000T000000.000000";
    let text = text.get(..TINYLOG_DATE_LEN)?;
    let is_like = |(&byte, &like): (&u8, &u8)| match like {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    if !text.iter().zip(SHAPE).all(is_like) {
        return None;
    }
    let number = |from: usize, len: usize| -> u32 {
        text[from..from + len].iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
    };
    let date = [number(0, 4), number(4, 2), number(6, 2)];
    let civil = Civil::new(date, [number(9, 2), number(11, 2), number(13, 2)])?;
    Some((Zone::Utc.moments(civil)?.usual(), number(16, 6) * 1000))
}

/// Whether an archive may be removed for a newer one. 0.76 starts its search for the oldest at `@z`.
pub fn is_removable(name: &[u8]) -> bool {
    name < b"@z".as_slice()
}

/// Whether a mode says that the file is whole and on disk.
pub fn is_complete(mode: u32) -> bool {
    mode & COMPLETE_BIT != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, counts: bool) {
        assert_eq!(archive_key(name.as_bytes()).is_some(), counts, "{name}");
    }

    #[test]
    fn archives_are_what_0_76_counts() {
        check("@400000000000000000000000.s", true);
        check("@400000000000000000000000.s.gz", true);
        check("@400000000000000000000000", true);
        check("@ABCDEFGHIJKLMNOPQRSTUVWX", true);
        check("@40000000000000000000000", false);
        check("x400000000000000000000000.s", false);
        check("current", false);
    }

    #[test]
    fn readers_read_archives_by_whatever_suffix_but_t() {
        let code = |suffix: &str| {
            let name = format!("@400000006553f10a00000001{suffix}");
            parse_archive_name(name.as_bytes()).map(|(label, code)| {
                assert_eq!(label.to_unix(), (1_700_000_000, 1));
                code
            })
        };
        for suffix in [".s", ".s.gz", ".s.zst", "", ".log"] {
            assert_eq!(code(suffix), Some(Code::Safe), "{suffix}");
        }
        for suffix in [".u", ".u.gz"] {
            assert_eq!(code(suffix), Some(Code::Unfinished), "{suffix}");
        }
        for suffix in [".t", "~", ".", "0.s", "s"] {
            assert_eq!(code(suffix), None, "{suffix}");
        }
        assert_eq!(parse_archive_name(b"@4000000.s"), None);
        assert_eq!(parse_archive_name(b"@400000006553F10A00000001.s"), None);
    }

    #[test]
    fn archives_of_tinylog_are_read_and_never_taken_for_ours() {
        let parsed = |name: &str| parse_any_archive_name(name.as_bytes());
        let at = Label::from_unix(1_700_000_000, 123_456_000);
        assert_eq!(parsed("_20231114T221320.123456.s"), Some((at, Code::Safe)));
        assert_eq!(parsed("_20231114T221320.123456.s.Z"), Some((at, Code::Safe)));
        assert_eq!(parsed("_20231114T221320.123456.u"), Some((at, Code::Unfinished)));
        for name in [
            "_20231114T221320.123456",
            "_20231114T221320.123456.t",
            "_20231314T221320.123456.s",
            "_20231114 221320.123456.s",
            "_20231114T221320.12345.s",
            "20231114T221320.123456.s",
        ] {
            assert_eq!(parsed(name), None, "{name}");
        }
        assert_eq!(parse_archive_name(b"_20231114T221320.123456.s"), None);
        assert_eq!(archive_key(b"_20231114T221320.123456.s"), None);
        assert!(parsed("@400000006553f10a00000001.s").is_some());
    }

    #[test]
    fn names_behind_z_are_never_removed() {
        assert!(is_removable(b"@400000000000000000000000.s"));
        assert!(is_removable(b"@yzzzzzzzzzzzzzzzzzzzzzzz"));
        assert!(!is_removable(b"@z0000000000000000000000000"));
    }
}
