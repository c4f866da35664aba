//! All states of a directory at opening: each file of a rotation is absent, empty, partial,
//! complete, also named as an archive, linked elsewhere, or a directory, link or FIFO.

use super::workload::{self, line};
use super::{check_tidy, contents, numbers};
use crate::clock::by_hand;
use crate::disk::Dir;
use crate::disk::model::{CALLS, Call, Fault, How, Model, ModelDir};
use crate::format::{CURRENT, LOCK, NEWSTATE, PREVIOUS, PROCESSED, STATE};
use crate::settings::Settings;
use crate::wake::Wake;
use crate::write::LogDir;
use nix::errno::Errno;
use std::ffi::OsStr;
use std::io::Write;
use std::ops::Range;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Absent,
    EmptyPartial,
    Partial,
    Complete,
    EmptyComplete,
    /// Also has an archive name.
    Archived,
    /// Hard-linked by a backup program.
    LinkedElsewhere,
    Directory,
    Link,
    Fifo,
}

impl Kind {
    /// Whether opening accepts this kind.
    pub fn is_file(self) -> bool {
        !matches!(self, Kind::Directory | Kind::Link | Kind::Fifo)
    }
}

pub const KINDS: [Kind; 10] = [
    Kind::Absent,
    Kind::EmptyPartial,
    Kind::Partial,
    Kind::Complete,
    Kind::EmptyComplete,
    Kind::Archived,
    Kind::LinkedElsewhere,
    Kind::Directory,
    Kind::Link,
    Kind::Fifo,
];

/// A file of a rotation. Archives are older than unnamed files.
struct File {
    name: &'static [u8],
    /// Lines of a file without archive name.
    lines: Range<u64>,
    /// Lines of a file with archive name, and that name.
    archived: Range<u64>,
    archive: &'static [u8],
}

const FILES: [File; 5] = [
    File { name: CURRENT, lines: 30..32, archived: 6..8, archive: b"@400000003b9aca000000000c.s" },
    File { name: PREVIOUS, lines: 10..12, archived: 4..6, archive: b"@400000003b9aca000000000b.s" },
    File {
        name: PROCESSED,
        lines: 10..12,
        archived: 2..4,
        archive: b"@400000003b9aca000000000a.s",
    },
    File { name: STATE, lines: 0..0, archived: 0..0, archive: b"@400000003b9aca0000000008.s" },
    File { name: NEWSTATE, lines: 0..0, archived: 0..0, archive: b"@400000003b9aca0000000009.s" },
];

/// The line logged after opening, long enough to fill a small file.
pub const NEW: u64 = 517;

fn text(lines: &Range<u64>) -> Vec<u8> {
    lines.clone().flat_map(line).collect()
}

fn put(dir: &ModelDir, file: usize, kind: Kind) {
    let File { name, lines, archived, archive } = &FILES[file];
    match kind {
        Kind::Absent => {}
        Kind::EmptyPartial => dir.put(name, 0o644, b""),
        Kind::Partial => dir.put(name, 0o644, &text(lines)),
        Kind::Complete => dir.put(name, 0o744, &text(lines)),
        Kind::EmptyComplete => dir.put(name, 0o744, b""),
        Kind::Archived => {
            dir.put(name, 0o744, &text(archived));
            dir.link(name, archive).unwrap();
        }
        Kind::LinkedElsewhere => {
            dir.put(name, 0o644, &text(lines));
            dir.link(name, &[b"backup-", *name].concat()).unwrap();
        }
        Kind::Directory => dir.make_dir(name, 0o755).unwrap(),
        Kind::Link => dir.put_other(name, libc::S_IFLNK),
        Kind::Fifo => dir.put_other(name, libc::S_IFIFO),
    }
}

/// Lines expected after the run.
pub fn expected(kinds: [Kind; 5]) -> Vec<u64> {
    let has_lines = |kind| matches!(kind, Kind::Partial | Kind::Complete | Kind::LinkedElsewhere);
    let [current, previous, processed, ..] = kinds;
    let mut lines = Vec::new();
    for file in [2, 1, 0] {
        if kinds[file] == Kind::Archived {
            lines.extend(FILES[file].archived.clone());
        }
    }
    match processed {
        Kind::Complete => lines.extend(10..12),
        // The empty output replaces its input.
        Kind::EmptyComplete => {}
        _ if has_lines(previous) => lines.extend(10..12),
        _ => {}
    }
    if has_lines(current) {
        lines.extend(30..32);
    }
    lines.push(NEW);
    lines
}

/// A disk with a directory of these files.
pub fn directory(kinds: [Kind; 5]) -> Model {
    let model = workload::fresh();
    let root = model.root();
    root.make_dir(b"d", 0o700).unwrap();
    let dir = root.dir(b"d").unwrap();
    dir.put(LOCK, 0o600, b"");
    for (file, kind) in kinds.into_iter().enumerate() {
        put(&dir, file, kind);
    }
    model
}

/// Opens a directory with these files, logs a line, rotates and closes. False if opening fails.
pub fn check(kinds: [Kind; 5]) -> bool {
    let model = directory(kinds);
    let dir = model.root().dir(b"d").unwrap();
    let about = format!("current, previous, processed, state, newstate {kinds:?}");
    let before = dir.files();
    let spec = Settings { processor: Some("copy".into()), ..Settings::default() };
    let opened = LogDir::open(
        &Dir::Model(model.root()),
        OsStr::new("./d"),
        &spec,
        &Wake::new().unwrap(),
        &crate::event::told::reporter(),
    );
    let Ok(mut log) = opened else {
        assert!(!kinds.iter().all(|kind| kind.is_file()), "refused: {about}");
        assert!(dir.files() == before, "changed: {about}");
        return false;
    };
    assert!(kinds.iter().all(|kind| kind.is_file()), "not refused: {about}");
    log.append(&line(NEW));
    log.rotate();
    end(&model, &mut log, &about);
    assert_eq!(numbers(&contents(&dir)), expected(kinds), "{about}");
    check_tidy(&dir, &about);
    true
}

fn end(model: &Model, log: &mut LogDir, about: &str) {
    while log.close().is_none() {
        if !log.advance_worker() || log.is_in_trouble() {
            by_hand::pass(Duration::from_secs(5));
        }
        assert!(model.total() < 500, "hung: {about}");
    }
}

#[test]
fn faults_of_what_is_found_lose_nothing() {
    let (mut opened, mut refused) = (0, 0);
    for state in 0..KINDS.len().pow(5) {
        let kind = |file: u32| KINDS[state / KINDS.len().pow(file) % KINDS.len()];
        match check([kind(0), kind(1), kind(2), kind(3), kind(4)]) {
            true => opened += 1,
            false => refused += 1,
        }
    }
    let _ = writeln!(
        std::io::stdout(),
        "directories found: {opened} put in order, {refused} refused and left as they were; \
         lines lost 0, duplicated 0, reordered 0, hung 0"
    );
}

#[test]
fn faults_of_others_that_put_a_previous_there_lose_nothing() {
    let model = workload::fresh();
    let wake = Wake::new().unwrap();
    let mut log = LogDir::open(
        &Dir::Model(model.root()),
        OsStr::new("./d"),
        &Settings::default(),
        &wake,
        &crate::event::told::reporter(),
    )
    .unwrap();
    let dir = model.root().dir(b"d").unwrap();
    log.append(&line(NEW));
    dir.put(PREVIOUS, 0o600, &text(&(10..12)));
    log.rotate();
    end(&model, &mut log, "a previous");
    assert_eq!(numbers(&contents(&dir)), [10, 11, NEW]);
    check_tidy(&dir, "a previous");
}

/// Somebody removes `current`, or puts a file in its place, between two lines; then a call fails.
fn check_displaced(is_replaced: bool, fault: Option<Fault>) -> Model {
    let about = format!("{is_replaced} {fault:?}");
    let model = workload::fresh();
    let opened = LogDir::open(
        &Dir::Model(model.root()),
        OsStr::new("./d"),
        &Settings::default(),
        &Wake::new().unwrap(),
        &crate::event::told::reporter(),
    );
    let mut log = opened.unwrap();
    let dir = model.root().dir(b"d").unwrap();
    let before = numbers(&contents(&dir));
    log.append(&line(NEW));
    log.flush();
    log.report_status(1);
    match is_replaced {
        true => dir.put(CURRENT, 0o600, &text(&(10..12))),
        false => dir.remove(CURRENT).unwrap(),
    }
    log.append(&line(NEW + 1));
    log.flush();
    model.plan(fault.as_slice(), None);
    end(&model, &mut log, &about);
    let theirs: &[u64] = if is_replaced { &[10, 11] } else { &[] };
    assert_eq!(numbers(&contents(&dir)), [&before, theirs, &[NEW + 1]].concat(), "{about}");
    if fault.is_none_or(|fault| fault.call != Call::Sync) {
        check_tidy(&dir, &about);
    }
    model
}

#[test]
fn faults_of_others_that_replace_current_lose_nothing() {
    for is_replaced in [false, true] {
        let whole = check_displaced(is_replaced, None);
        assert!(whole.count(Call::ReadFile) > 0);
        for call in CALLS {
            for first in 1..=whole.count(call) {
                let fault = |how| Some(Fault { call, first, count: 1, how });
                for errno in super::matrix::ERRNOS {
                    check_displaced(is_replaced, fault(How::Fail(errno)));
                }
                if call == Call::Rename || call == Call::Remove || call == Call::Link {
                    check_displaced(is_replaced, fault(How::DoneAndFail(Errno::EIO)));
                }
            }
        }
    }
}
