//! Copies model disk states to a real disk for Debian's multilog. The original must take over
//! states after a kill of ours without losing a line; from other states it may lose lines.

use super::found::{self, KINDS};
use super::matrix::{run_to, summary};
use super::workload::{self, DIRS, LAST, fresh, line, streams};
use super::{alone, numbers, without_memory};
use crate::disk::model::{Chance, Model, ModelDir};
use crate::format::{CURRENT, archive_key};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The workload's directories in a script for the original.
const SCRIPT: [&str; 11] =
    ["s4096", "n4", "./few", "n1000", "./all", "-*d", "./some", "+*", "./kept", "!cat", "./copied"];

/// Longer than start plus exit.
const HUNG_AFTER: Duration = Duration::from_secs(20);

/// The original takes over every n-th kill, and this many found directories.
const KILL_STEP: usize = 3;
const FOUND_COUNT: usize = 400;
const FOUND_SEED: u64 = 76;

/// Results of the original.
#[derive(Debug, Default)]
struct Tally {
    states: usize,
    states_with_loss: usize,
    lines_lost: usize,
    hung: usize,
}

/// Path of Debian's multilog, required in CI.
fn original() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|dir| dir.join("multilog")).find(|it| it.is_file());
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "multilog is not installed");
    found
}

fn home() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(place).unwrap()
}

/// Copies a model directory to a real directory: contents, modes, links.
fn dump(model: &ModelDir, dir: &Path) {
    fs::create_dir(dir).unwrap();
    let mut known: BTreeMap<u64, PathBuf> = BTreeMap::new();
    for (name, mode, bytes) in model.files() {
        let path = dir.join(OsStr::from_bytes(&name));
        let inode = model.stat(&name).unwrap().unwrap().identity.1;
        if let Some(first) = known.get(&inode) {
            fs::hard_link(first, &path).unwrap();
            continue;
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&path).unwrap();
        file.write_all(&bytes).unwrap();
        file.set_permissions(Permissions::from_mode(mode)).unwrap();
        known.insert(inode, path);
    }
}

/// Archives and `current`, by name.
fn logs(dir: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().as_bytes().to_vec(), entry.path()));
    let is_log = |name: &[u8]| archive_key(name).is_some() || name == CURRENT;
    named
        .filter(|(name, _)| is_log(name))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect()
}

/// Runs the original with another line. False if it hangs.
fn take_over(program: &Path, home: &Path, arguments: &[&str], last: &[u8]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(home).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = {
        let _alone = alone();
        command.spawn().unwrap()
    };
    let _ = child.stdin.take().unwrap().write_all(last);
    let start = Instant::now();
    while start.elapsed() < HUNG_AFTER {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}

impl Tally {
    /// Compares everything logged with `expected`.
    fn compare(&mut self, before: BTreeMap<Vec<u8>, Vec<u8>>, dir: &Path, expected: &[u8]) {
        // The original may remove the oldest archives.
        let mut files = before;
        files.retain(|name, _| archive_key(name).is_some());
        files.extend(logs(dir));
        let found = files.values().map(|file| without_memory(file)).collect::<Vec<_>>().concat();
        if found != expected {
            let there = numbers(&found);
            let is_missing = |line: &&u64| !there.contains(line);
            self.states_with_loss += 1;
            self.lines_lost += numbers(expected).iter().filter(is_missing).count();
        }
    }
}

fn take_over_kills(program: &Path) -> Tally {
    let mut tally = Tally::default();
    for stop_at in (1..).step_by(KILL_STEP) {
        let model = fresh();
        if !run_to(&model, &[], stop_at) {
            return tally;
        }
        tally.states += 1;
        take_over_kill(program, &model, &mut tally);
    }
    unreachable!("the workload ends");
}

fn take_over_kill(program: &Path, model: &Model, tally: &mut Tally) {
    model.plan(&[], None);
    let home = home();
    let dirs = DIRS.map(|name| home.path().join(OsStr::from_bytes(name)));
    let place = |name: &[u8]| model.root().dir(name);
    for (name, dir) in DIRS.into_iter().zip(&dirs) {
        place(name).iter().for_each(|from| dump(from, dir));
    }
    let removed = |name: &[u8]| {
        let archives = place(name).map(|dir| dir.removed()).unwrap_or_default();
        archives.into_iter().map(|archive| (archive.name, archive.contents))
    };
    let is_there = |dir: &PathBuf| dir.is_dir();
    let before = dirs.each_ref().map(|dir| if is_there(dir) { logs(dir) } else { BTreeMap::new() });
    if !take_over(program, home.path(), &SCRIPT, &line(LAST)) {
        tally.hung += 1;
        return;
    }
    for (index, (name, mut before)) in DIRS.into_iter().zip(before).enumerate() {
        before.extend(removed(name));
        let written = place(name).map_or(0, |dir| dir.written());
        let expected = [&streams()[index][..written], &line(LAST)].concat();
        tally.compare(before, &dirs[index], &expected);
    }
}

/// Directories in states from any cause.
fn take_over_found(program: &Path) -> Tally {
    let mut chance = Chance(FOUND_SEED);
    let mut tally = Tally::default();
    while tally.states < FOUND_COUNT {
        let kinds = std::array::from_fn(|_| KINDS[chance.of(KINDS.len())]);
        if !kinds.iter().all(|kind| kind.is_file()) {
            continue;
        }
        assert!(found::check(kinds), "ours puts all of them in order");
        tally.states += 1;
        let model = found::directory(kinds);
        let home = home();
        let dir = home.path().join("d");
        dump(&model.root().dir(b"d").unwrap(), &dir);
        let before = logs(&dir);
        if take_over(program, home.path(), &["s4096", "./d"], &line(found::NEW)) {
            let expected: Vec<u8> =
                found::expected(kinds).into_iter().flat_map(workload::line).collect();
            tally.compare(before, &dir, &expected);
        } else {
            tally.hung += 1;
        }
    }
    tally
}

#[test]
fn faults_that_kill_leave_what_the_original_takes_over() {
    let Some(program) = original() else { return };
    let tally = take_over_kills(&program);
    summary(&format!("kills that the original takes over: {tally:?}"));
    assert!(tally.states > 100);
    assert_eq!((tally.lines_lost, tally.states_with_loss, tally.hung), (0, 0, 0));
}

#[test]
fn faults_of_what_is_found_cost_the_original_lines() {
    let Some(program) = original() else { return };
    let tally = take_over_found(&program);
    summary(&format!("directories found by the original: {tally:?}; by ours: none lost or hung"));
    assert!(tally.states_with_loss > 0, "then these states show nothing");
}
