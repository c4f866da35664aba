//! Log directory format, shared by writers and readers: file names, the mode bit, archive names
//! (multilog(8); 0.76 as measured).

use crate::label::{LABEL_LEN, Label};
use crate::time::{Civil, Zone};

/// File that receives new lines.
pub const CURRENT: &[u8] = b"current";
/// Full file during rotation.
pub const PREVIOUS: &[u8] = b"previous";
/// Processor output replacing `previous`.
pub const PROCESSED: &[u8] = b"processed";
/// Data kept by a processor between runs.
pub const STATE: &[u8] = b"state";
/// New `state` from a processor still running.
pub const NEWSTATE: &[u8] = b"newstate";
/// Writer's status report (`writer_state.rs`). Hidden, so that `cat main/*` prints only lines;
/// other loggers ignore this name.
pub const WRITER: &[u8] = b".writer";
/// Writer's lock file; empty, never removed.
pub const LOCK: &[u8] = b"lock";

/// Mode of new directories.
pub const MODE_DIRECTORY: u32 = 0o700;
/// Mode of new parents of a directory: other users may pass through to their own directories.
pub const MODE_PARENT: u32 = 0o755;
/// Mode of `lock` and status files.
pub const MODE_PRIVATE: u32 = 0o600;
/// Mode of files still written.
pub const MODE_PARTIAL: u32 = 0o644;
/// Mode of complete, fsynced files.
pub const MODE_COMPLETE: u32 = 0o744;
/// Only this bit distinguishes complete from partial.
pub const COMPLETE_BIT: u32 = 0o100;

/// Archive names compare by their first [`LABEL_LEN`] bytes.
pub type ArchiveKey = [u8; LABEL_LEN];

/// Name suffix of an archive: how its file was completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// `.s`, or the suffix from `w`: complete and fsynced.
    Safe,
    /// `.u`: left over from an interrupted writer.
    Unfinished,
}

/// Archive name. `safe` is the suffix of complete archives, configurable in daemontools-encore.
pub fn archive_name(label: Label, code: Code, safe: &[u8]) -> Vec<u8> {
    let ending = match code {
        Code::Safe => safe,
        Code::Unfinished => b"u",
    };
    [&label.format(), b".".as_slice(), ending].concat()
}

/// Final name of an unfinished archive after completion; `safe` as in [`archive_name`].
pub fn safe_name(unfinished: &[u8], safe: &[u8]) -> Vec<u8> {
    [unfinished.strip_suffix(b"u").unwrap_or(unfinished), safe].concat()
}

/// Sort key of archives; `None` for other names.
///
/// Every name of at least label length starting with `@` counts, whatever follows: archives
/// compressed externally are counted and removed, too.
pub fn archive_key(name: &[u8]) -> Option<ArchiveKey> {
    let key: ArchiveKey = name.get(..LABEL_LEN)?.try_into().ok()?;
    (key[0] == b'@').then_some(key)
}

/// Label and suffix of an archive, as readers parse it. `None` unless the name belongs to an
/// archive with lines.
///
/// After the label: `.s` or `.u`, possibly followed by a compression suffix (`.s.gz`), or a suffix
/// configured in daemontools-encore. `.t` marks unfinished processor output of svlogd.
pub fn parse_archive_name(name: &[u8]) -> Option<(Label, Code)> {
    let label = Label::parse(name)?;
    match &name[LABEL_LEN..] {
        b".t" => None,
        b".u" | [b'.', b'u', b'.', ..] => Some((label, Code::Unfinished)),
        [] | [b'.', _, ..] => Some((label, Code::Safe)),
        [..] => None,
    }
}

/// As [`parse_archive_name`], plus perp's tinylog: archives named `_yyyymmddThhmmss.uuuuuu.s` in
/// UTC, with `.u` for unfinished and `.Z` for compressed files.
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

/// Bytes of a tinylog date.
pub const TINYLOG_DATE_LEN: usize = 22;

/// Parses tinylog's date `yyyymmddThhmmss.uuuuuu` at the start of a text: seconds since 1970 and
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

/// True if rotation may remove this archive. 0.76 starts its search for the oldest at `@z`.
pub fn is_removable(name: &[u8]) -> bool {
    name < b"@z".as_slice()
}

/// True if the mode marks a complete, fsynced file.
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
