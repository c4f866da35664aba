//! Checks names and modes without reading files.

use super::{Findings, Kind};
use crate::failure::Failure;
use crate::format::{
    self, CURRENT, Code, LOCK, NEWSTATE, PREVIOUS, PROCESSED, STATE, WRITER, is_complete,
    parse_any_archive_name,
};
use crate::label::LABEL_LEN;
use crate::read::list::Directory;
use crate::read::stamp::{Moment, StampParser};
use crate::read::writer::{self, Writer};
use nix::sys::stat::{FileStat, SFlag};
use std::collections::HashSet;
use std::os::unix::fs::FileExt;

/// svlogd's settings.
const CONFIG: &[u8] = b"config";
/// A directory with `run` is also a service directory: most of its names do not belong to the
/// logger.
const RUN: &[u8] = b"run";
/// Tolerated seconds between clocks before an archive counts as future.
const AHEAD_SECS_MAX: i64 = 60;
/// Size of a status file: 1000 bytes and a newline (multilog(8)).
const STATUS_LEN: u64 = 1001;

const EVERYBODY_MAY_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;
const OWNER_MAY_READ: u32 = 0o400;

/// Role of a name in a log directory.
enum Name {
    /// Holds lines: `current`, and archives by finishing code.
    Current,
    Archive(Moment, Code),
    /// Rotation files: `previous`, `processed`, `newstate`, and svlogd's `@label.t`.
    OfRotation,
    /// `lock`, `state` and `config`.
    Standing,
    /// Counted as an archive by multilog, without being an archive.
    NoArchive,
    Other,
}

/// Checks all names of a directory.
pub fn judge(
    directory: &Directory,
    stamps: &StampParser,
    writer: Writer,
    now: Moment,
    findings: &mut Findings,
) -> Result<(), Failure> {
    if writer == Writer::Crashed {
        findings.add(Kind::Crashed, CURRENT, None, String::new());
    }
    let mut names = Vec::new();
    directory.each_name(|name| names.push(name.to_vec()))?;
    names.retain(|name| !matches!(name.as_slice(), b"." | b".."));
    names.sort_unstable();
    let owner = directory.stat(CURRENT)?.map(|stat| stat.st_uid);
    let is_service = names.iter().any(|name| name == RUN);
    judge_directory(directory, findings)?;
    let mut entries = Vec::with_capacity(names.len());
    for name in &names {
        // Removed meanwhile by a running writer.
        let Some(stat) = directory.stat(name)? else { continue };
        entries.push((name, stat));
    }
    let archives: HashSet<u64> = entries
        .iter()
        .filter(|(name, _)| parse_any_archive_name(name).is_some())
        .map(|(_, stat)| stat.st_ino)
        .collect();
    for (name, stat) in &entries {
        let kind = kind_of(name, stamps);
        match kind {
            Name::Other if is_service || is_status_file(directory, name, stat) => {}
            Name::Other => findings.add(Kind::Foreign, name, None, String::new()),
            Name::NoArchive => findings.add(Kind::NoArchive, name, None, String::new()),
            // While its processor runs, `previous` also has an archive name.
            Name::OfRotation if *name == PREVIOUS && archives.contains(&stat.st_ino) => {}
            Name::Current | Name::Archive(..) | Name::OfRotation | Name::Standing => {
                judge_file(name, &kind, stat, writer, findings);
                judge_mark(directory, &kind, stat, findings)?;
                judge_owner(name, &kind, stat, owner, findings);
            }
        }
        if let Name::Archive(moment, _) = kind
            && moment.unix_secs > now.unix_secs.saturating_add(AHEAD_SECS_MAX)
        {
            let ahead = moment.unix_secs - now.unix_secs;
            findings.add(Kind::Future, name, None, format!("{ahead} s ahead"));
        }
    }
    judge_copies(&names, findings);
    Ok(())
}

fn kind_of(name: &[u8], stamps: &StampParser) -> Name {
    if let Some((label, code)) = parse_any_archive_name(name) {
        return Name::Archive(stamps.moment_of(label), code);
    }
    match name {
        CURRENT => Name::Current,
        PREVIOUS | PROCESSED | NEWSTATE => Name::OfRotation,
        LOCK | STATE | CONFIG | WRITER => Name::Standing,
        _ if format::archive_key(name).is_some() => match &name[LABEL_LEN..] {
            b".t" => Name::OfRotation,
            _ => Name::NoArchive,
        },
        _ => Name::Other,
    }
}

fn judge_directory(directory: &Directory, findings: &mut Findings) -> Result<(), Failure> {
    let mode = directory.stat(b".")?.map_or(0, |stat| stat.st_mode & 0o7777);
    if mode & EVERYBODY_MAY_WRITE != 0 && mode & STICKY == 0 {
        findings.add(Kind::Mode, b"", None, format!("mode {mode:04o}"));
    }
    Ok(())
}

fn judge_file(name: &[u8], kind: &Name, stat: &FileStat, writer: Writer, findings: &mut Findings) {
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return findings.add(Kind::NoFile, name, None, String::new());
    }
    let mode = stat.st_mode & 0o7777;
    if mode & EVERYBODY_MAY_WRITE != 0 || mode & OWNER_MAY_READ == 0 {
        findings.add(Kind::Mode, name, None, format!("mode {mode:04o}"));
    }
    let is_running = matches!(writer, Writer::Running(_) | Writer::Unknown(_));
    match kind {
        Name::Archive(_, Code::Safe) if !is_complete(mode) => {
            findings.add(Kind::Unmarked, name, None, format!("mode {mode:04o}"));
        }
        Name::OfRotation if !is_running => {
            findings.add(Kind::LeftOver, name, None, format!("{} bytes", stat.st_size));
        }
        Name::Current
        | Name::Archive(..)
        | Name::OfRotation
        | Name::Standing
        | Name::NoArchive
        | Name::Other => {}
    }
    if matches!(kind, Name::Archive(..)) && stat.st_size == 0 {
        findings.add(Kind::Empty, name, None, String::new());
    }
}

/// An exiting writer marks `current` before it releases the lock, so the mode is read again after
/// the lock.
fn judge_mark(
    directory: &Directory,
    kind: &Name,
    stat: &FileStat,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let mode = stat.st_mode & 0o7777;
    let is_marked = matches!(kind, Name::Current) && is_complete(mode);
    if is_marked && matches!(writer::writer(directory)?, Writer::Running(_)) {
        let is_marked_still =
            directory.stat(CURRENT)?.is_some_and(|stat| is_complete(stat.st_mode & 0o7777));
        if is_marked_still {
            findings.add(Kind::MarkedTooEarly, CURRENT, None, format!("mode {mode:04o}"));
        }
    }
    Ok(())
}

/// Archives are exempt: loggers only remove archives, which does not depend on the file's owner.
/// Loggers open the other files.
fn judge_owner(
    name: &[u8],
    kind: &Name,
    stat: &FileStat,
    owner: Option<u32>,
    findings: &mut Findings,
) {
    let Some(owner) = owner else { return };
    if !matches!(kind, Name::Archive(..)) && name != CONFIG && stat.st_uid != owner {
        let detail = format!("of user {}, and current of user {owner}", stat.st_uid);
        findings.add(Kind::Owner, name, None, detail);
    }
}

/// True for a status file of multilog's `=`. Users put status files into log directories.
fn is_status_file(directory: &Directory, name: &[u8], stat: &FileStat) -> bool {
    let is_regular = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
    match u64::try_from(stat.st_size) {
        Ok(0) => is_regular && stat.st_mode & 0o7777 == format::MODE_PRIVATE,
        Ok(STATUS_LEN..) if is_regular => directory.open_file(name).is_ok_and(|file| {
            let mut byte = [0];
            file.read_exact_at(&mut byte, STATUS_LEN - 1).is_ok() && byte == [b'\n']
        }),
        Ok(_) | Err(_) => false,
    }
}

/// Finds archives that exist beside their compressed copy.
fn judge_copies(names: &[Vec<u8>], findings: &mut Findings) {
    for pair in names.windows(2) {
        let [name, next] = pair else { continue };
        let is_archive =
            parse_any_archive_name(name).is_some() && parse_any_archive_name(next).is_some();
        if is_archive && next[..LABEL_LEN] == name[..LABEL_LEN] {
            let detail = format!("beside {}", String::from_utf8_lossy(name));
            findings.add(Kind::TwoCopies, next, None, detail);
        }
    }
}
