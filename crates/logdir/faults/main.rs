//! Injects every fault once on the model disk and accounts for every line.
//!
//! The workload is three runs of the real sinks over five directories and a status file. Each
//! fault, kill and power cut repeats it on a fresh disk with its own clocks; failure messages name
//! the fault, call or seed that reproduces them.

mod durable;
mod found;
mod matrix;
mod original;
mod workload;

use crate::disk::model::{Model, ModelDir};
use crate::format::{CURRENT, PREVIOUS, PROCESSED, archive_key, is_complete};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by tests starting a process and by tests locking a directory again: a forked child holds
/// copies of all locks until exec.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything logged to a directory: archives, including removed archives, and `current`. Lines
/// added by the processor are left out.
fn contents(dir: &ModelDir) -> Vec<u8> {
    logged_files(dir).into_values().collect::<Vec<_>>().concat()
}

fn logged_files(dir: &ModelDir) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut files: BTreeMap<Vec<u8>, Vec<u8>> =
        dir.removed().into_iter().map(|archive| (archive.name, archive.contents)).collect();
    files.extend(dir.files().into_iter().map(|(name, _, bytes)| (name, bytes)));
    // Archives sort before `current`.
    files.retain(|name, _| archive_key(name).is_some() || name == CURRENT);
    files.values_mut().for_each(|bytes| *bytes = without_memory(bytes).to_vec());
    files
}

/// Line numbers in a directory after a power cut. The last line of a `.u` may be cut; its rest is
/// not in the next file.
fn surviving_numbers(dir: &ModelDir) -> Vec<u64> {
    let text = |(name, mut bytes): (Vec<u8>, Vec<u8>)| {
        if name.ends_with(b".u") && !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        bytes
    };
    numbers(&logged_files(dir).into_iter().map(text).collect::<Vec<_>>().concat())
}

/// A file without the processor's first line, which begins with `#`.
fn without_memory(bytes: &[u8]) -> &[u8] {
    match bytes.iter().position(|&byte| byte == b'\n') {
        Some(newline) if bytes.starts_with(b"#") => &bytes[newline + 1..],
        Some(_) | None => bytes,
    }
}

/// Checks the processor's memory at the beginning of each file: it equals the lines of the
/// published files since the processor's state was last reset.
fn check_memory(dir: &ModelDir, about: &str) {
    let mut known = 0;
    // A processed file whose mark could not be synced keeps its `.u`.
    let is_processed = |name: &[u8], bytes: &[u8]| {
        name.ends_with(b".s") || archive_key(name).is_some() && bytes.starts_with(b"#")
    };
    let files = dir.files();
    for (name, _, bytes) in files.iter().filter(|(name, _, bytes)| is_processed(name, bytes)) {
        let newline = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(0);
        let header = std::str::from_utf8(&bytes[..newline]).unwrap_or_default();
        let before: Option<u64> = header.strip_prefix('#').and_then(|count| count.parse().ok());
        let name = String::from_utf8_lossy(name);
        assert!(before == Some(known) || before == Some(0), "{name} begins {header}: {about}");
        let count = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64 - 1;
        known = before.unwrap_or(0) + count;
    }
}

/// Checks that a rotation left no working files, and that complete files are marked.
fn check_tidy(dir: &ModelDir, about: &str) {
    let files = dir.files();
    let left = files.iter().find(|(name, ..)| [PREVIOUS, PROCESSED].contains(&name.as_slice()));
    assert!(left.is_none(), "{left:?} is left: {about}");
    let is_whole = |name: &[u8]| archive_key(name).is_some() && !name.ends_with(b".u");
    let unmarked = files.iter().find(|(name, mode, _)| is_whole(name) && !is_complete(*mode));
    assert!(unmarked.is_none(), "{unmarked:?} is not marked: {about}");
    let current = files.iter().find(|(name, ..)| name == CURRENT);
    assert!(current.is_some_and(|(_, mode, _)| is_complete(*mode)), "current: {about}");
}

#[track_caller]
fn check_equal(found: &[u8], expected: &[u8], about: &str) {
    if found == expected {
        return;
    }
    let same = found.iter().zip(expected).take_while(|(one, other)| one == other).count();
    let near = |bytes: &[u8]| {
        bytes[same.saturating_sub(30)..bytes.len().min(same + 60)].escape_ascii().to_string()
    };
    panic!(
        "{} bytes instead of {}, different from {same}: {} instead of {}: {about}",
        found.len(),
        expected.len(),
        near(found),
        near(expected),
    );
}

/// Numbers of complete workload lines; torn lines are skipped.
fn numbers(bytes: &[u8]) -> Vec<u64> {
    bytes.split_inclusive(|&byte| byte == b'\n').filter_map(workload::number).collect()
}

/// After a power cut: every archive ever named `.s` and not removed is present, complete, once and
/// in order.
fn check_promise(before: &Model, after: &Model, about: &str) {
    for dir in workload::DIRS {
        let Some(old) = before.root().dir(dir) else { continue };
        let promised = old.promised();
        let Some(new) = after.root().dir(dir) else {
            assert!(promised.is_empty(), "a directory is gone: {about}");
            continue;
        };
        let lines = surviving_numbers(&new);
        let in_order = lines.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(in_order, "{}: {lines:?}: {about}", dir.escape_ascii());
        let there: BTreeSet<u64> = lines.into_iter().collect();
        for archive in promised {
            let missing = numbers(without_memory(&archive.contents))
                .into_iter()
                .find(|line| !there.contains(line));
            let name = archive.name.escape_ascii();
            assert!(missing.is_none(), "{name} of {} is not whole: {about}", dir.escape_ascii());
        }
    }
}

/// Lines left by a power cut in each directory: archives, `previous`, `current`, and a complete
/// `processed`. Recovery must keep them.
fn shown(after: &Model) -> Vec<(&'static [u8], BTreeSet<u64>)> {
    let is_kept = |name: &[u8], mode: u32| {
        let is_output = name == PROCESSED && is_complete(mode);
        archive_key(name).is_some() || [PREVIOUS, CURRENT].contains(&name) || is_output
    };
    let of_dir = |dir: &'static [u8]| {
        let files = after.root().dir(dir)?.files();
        let kept = files.into_iter().filter(|(name, mode, _)| is_kept(name, *mode));
        Some((dir, kept.flat_map(|(_, _, bytes)| numbers(without_memory(&bytes))).collect()))
    };
    workload::DIRS.into_iter().filter_map(of_dir).collect()
}

/// After a power cut: a whole `processed` was made of the `previous` beside it. 0.76, which may be the next to
/// start, removes that `previous`.
fn check_output(after: &Model, about: &str) {
    for dir in workload::DIRS.iter().filter_map(|dir| after.root().dir(dir)) {
        let files = dir.files();
        let lines = |wanted: &[u8]| {
            let file = files.iter().find(|(name, ..)| name == wanted)?;
            Some((file.1, numbers(without_memory(&file.2))))
        };
        if let (Some((_, input)), Some((mode, output))) = (lines(PREVIOUS), lines(PROCESSED)) {
            let is_made_of_it =
                !is_complete(mode) || input.iter().all(|line| output.contains(line));
            assert!(is_made_of_it, "{output:?} is not made of {input:?}: {about}");
        }
    }
}

/// After a power cut and a start: recovery kept all lines of `shown`.
fn check_kept(shown: &[(&'static [u8], BTreeSet<u64>)], after: &Model, about: &str) {
    for (dir, before) in shown {
        let place = after.root().dir(dir).expect("it was there before the start");
        let there: BTreeSet<u64> = surviving_numbers(&place).into_iter().collect();
        let missing: Vec<&u64> = before.difference(&there).collect();
        assert!(missing.is_empty(), "{} lost {missing:?}: {about}", dir.escape_ascii());
    }
}

/// After a power cut: a marked file is complete.
fn check_marks(before: &Model, after: &Model, about: &str) {
    for dir in workload::DIRS.iter().filter_map(|dir| after.root().dir(dir)) {
        for (name, inode, bytes) in dir.marked() {
            let name = name.escape_ascii();
            assert!(before.contents(inode) == bytes, "{name} is marked and not whole: {about}");
        }
    }
}
