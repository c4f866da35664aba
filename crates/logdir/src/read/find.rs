//! From what a user names to log directories: a log directory, the directory of a service, one with
//! many services in it, a pattern, a file.
//!
//! It looks at names, and into the `run` scripts of loggers, which tell where they log to.

use crate::failure::{Failure, What};
use crate::format::{CURRENT, parse_archive_name};
use nix::errno::Errno;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Where services are, where nobody says it. The first that exists counts.
pub const SCAN_DIRS: [&str; 3] = ["/service", "/etc/service", "/run/service"];

/// A `run` script is not read beyond this.
const SCRIPT_LEN_MAX: u64 = 64 * 1024;
/// The loggers whose arguments name log directories.
const LOGGERS: [&str; 4] = ["multilog", "svlogd", "s6-log", "cyclog"];
/// Names of directories that say nothing about whose log it is.
const COMMON_NAMES: [&str; 4] = ["main", "log", "logs", "current"];

/// A log directory, or a single file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A log directory.
    Directory(PathBuf),
    /// A file by itself.
    File(PathBuf),
}

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What people call it: the service, or the directory.
    pub name: String,
    /// Where it is.
    pub place: Location,
}

/// Finds what the operands name, each thing once and in their order; what cannot be found comes as a
/// failure beside it. Without operands, the services of this machine.
pub fn find(operands: &[OsString]) -> (Vec<Found>, Vec<Failure>) {
    let mut search = Search::default();
    for operand in operands {
        search.add_operand(operand);
    }
    if operands.is_empty() {
        search.add_services_of_machine();
    }
    search.finish()
}

#[derive(Default)]
struct Search {
    found: Vec<Found>,
    failures: Vec<Failure>,
    /// Device and inode of what was found, which may have many names.
    known: HashSet<(u64, u64)>,
    /// How often anything was found, also once more.
    count: usize,
}

impl Search {
    fn add_services_of_machine(&mut self) {
        match SCAN_DIRS.iter().find(|dir| Path::new(dir).is_dir()) {
            Some(dir) => self.add_operand(OsStr::new(dir)),
            None => self.fail(Path::new(SCAN_DIRS[0]), Errno::ENOENT),
        }
    }

    fn add_operand(&mut self, operand: &OsStr) {
        let path = Path::new(operand);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.add_dir(path),
            Ok(_) => self.add(name_of_path(path), Location::File(path.to_owned())),
            Err(error) => {
                if !self.add_pattern(operand) {
                    let errno = error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw);
                    self.fail(path, errno);
                }
            }
        }
    }

    /// Takes a name that stands for nothing as a pattern. False where it matches nothing either.
    fn add_pattern(&mut self, operand: &OsStr) -> bool {
        let Some(Ok(paths)) = operand.to_str().map(glob::glob) else { return false };
        let mut matched = false;
        for path in paths.flatten() {
            matched = true;
            self.add_operand(path.as_os_str());
        }
        matched
    }

    fn add_dir(&mut self, path: &Path) {
        let names = match names(path) {
            Ok(names) => names,
            Err(errno) => return self.fail(path, errno),
        };
        if are_of_log_dir(&names) {
            return self.add(name_of_path(path), Location::Directory(path.to_owned()));
        }
        let logs = logs_of_service(path);
        if !logs.is_empty() {
            return self.add_logs(&name_of_path(path), logs);
        }
        let count = self.count;
        for name in names.iter().filter(|name| !name.as_bytes().starts_with(b".")) {
            self.add_service(&path.join(name));
        }
        if self.count == count {
            self.failures.push(Failure::no_log(path.as_os_str().as_bytes()));
        }
    }

    /// Adds what is in a directory of many, where that is a log directory or a service.
    fn add_service(&mut self, path: &Path) {
        let Ok(names) = names(path) else { return };
        if are_of_log_dir(&names) {
            self.add(name_of_path(path), Location::Directory(path.to_owned()));
        } else {
            self.add_logs(&name_of_path(path), logs_of_service(path));
        }
    }

    fn add_logs(&mut self, service: &str, logs: Vec<PathBuf>) {
        let is_only = logs.len() == 1;
        for log in logs {
            let own = name_of_path(&log);
            let name = if is_only { service.to_owned() } else { format!("{service}/{own}") };
            self.add(name, Location::Directory(log));
        }
    }

    fn add(&mut self, name: String, place: Location) {
        self.count += 1;
        let (Location::Directory(path) | Location::File(path)) = &place;
        match fs::metadata(path) {
            Ok(metadata) if !self.known.insert((metadata.dev(), metadata.ino())) => {}
            Ok(_) => self.found.push(Found { name, place }),
            Err(error) => {
                let errno = error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw);
                let path = path.clone();
                self.fail(&path, errno);
            }
        }
    }

    fn fail(&mut self, path: &Path, errno: Errno) {
        self.failures.push(Failure::new(What::Read, path.as_os_str().as_bytes(), errno));
    }

    /// Gives things of the same name their whole paths instead.
    fn finish(mut self) -> (Vec<Found>, Vec<Failure>) {
        let names: Vec<String> = self.found.iter().map(|found| found.name.clone()).collect();
        for found in &mut self.found {
            if names.iter().filter(|name| **name == found.name).count() > 1 {
                let (Location::Directory(path) | Location::File(path)) = &found.place;
                found.name = path.to_string_lossy().into_owned();
            }
        }
        (self.found, self.failures)
    }
}

/// Whether these are the names in a log directory.
fn are_of_log_dir(names: &[OsString]) -> bool {
    names
        .iter()
        .map(|name| name.as_bytes())
        .any(|name| name == CURRENT || parse_archive_name(name).is_some())
}

/// Where a service, or the logger in its `log`, logs to.
fn logs_of_service(service: &Path) -> Vec<PathBuf> {
    let log = service.join("log");
    let mut logs = logs_of_script(&log);
    if logs.is_empty() {
        logs = logs_below(&log);
    }
    if logs.is_empty() {
        logs = logs_of_script(service);
    }
    logs
}

/// The log directories that the script `run` of a logger names.
fn logs_of_script(dir: &Path) -> Vec<PathBuf> {
    let mut script = Vec::new();
    let read = fs::File::open(dir.join("run"))
        .and_then(|file| file.take(SCRIPT_LEN_MAX).read_to_end(&mut script));
    let Ok(_) = read else { return Vec::new() };
    let script = String::from_utf8_lossy(&script).replace("\\\n", " ");
    let mut logs = Vec::new();
    for line in script.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let words = line.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
        let arguments = words.skip_while(|word| !is_logger(word)).skip(1);
        for argument in arguments {
            let log = dir.join(argument);
            if looks_like_path(argument) && is_log_dir(&log) && !logs.contains(&log) {
                logs.push(log);
            }
        }
    }
    logs
}

fn is_logger(word: &str) -> bool {
    LOGGERS.contains(&word.rsplit('/').next().unwrap_or_default())
}

/// svlogd and cyclog take any name for a directory; of the others only these are ones.
fn looks_like_path(argument: &str) -> bool {
    !argument.starts_with(['-', '+', '!', '=', '$'])
}

/// `log` itself, or the directories in it.
fn logs_below(log: &Path) -> Vec<PathBuf> {
    if is_log_dir(log) {
        return vec![log.to_owned()];
    }
    let names = names(log).unwrap_or_default();
    names.iter().map(|name| log.join(name)).filter(|path| is_log_dir(path)).collect()
}

/// Whether a path is that of a log directory, as far as its names can be read.
pub fn is_log_dir(path: &Path) -> bool {
    names(path).is_ok_and(|names| are_of_log_dir(&names))
}

/// The names in a directory, in order.
fn names(dir: &Path) -> Result<Vec<OsString>, Errno> {
    let errno = |error: std::io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(errno)? {
        names.push(entry.map_err(errno)?.file_name());
    }
    names.sort_unstable();
    Ok(names)
}

/// The last part of a path that says whose log it is.
fn name_of_path(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let parts: Vec<&OsStr> = absolute
        .components()
        .filter_map(|component| match component {
            Component::Normal(part) => Some(part),
            Component::Prefix(_)
            | Component::RootDir
            | Component::CurDir
            | Component::ParentDir => None,
        })
        .collect();
    let telling = |part: &&&OsStr| !COMMON_NAMES.iter().any(|common| **part == OsStr::new(common));
    let name = parts.iter().rev().find(telling).or(parts.last());
    name.map_or_else(|| "/".to_owned(), |name| name.to_string_lossy().into_owned())
}
