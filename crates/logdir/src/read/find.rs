//! Finds log directories by operand: log directory, service directory, service name, directory of
//! services, pattern, or file.
//!
//! Unreadable or unresolved paths are failures, never skipped silently: a monitor must not report
//! unseen logs as healthy.

mod running;
mod script;
mod service;

use crate::failure::{Failure, What, errno_of};
use crate::format::{CURRENT, parse_any_archive_name};
use nix::errno::Errno;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Scan directories of supervisors in their usual setups: daemontools, runit (Debian, Void, Artix),
/// FreeBSD's ports of both, s6 and s6-overlay, 66. `$SVDIR` precedes them.
pub const SCAN_DIRS: [&str; 7] = [
    "/service",
    "/etc/service",
    "/var/service",
    "/run/service",
    "/run/runit/service",
    "/etc/runit/runsvdir/current",
    "/run/66/scandir/0",
];
/// Variable with runit's scan directory, used by `sv`.
const SCAN_DIR_VARIABLE: &str = "SVDIR";

/// Directory names common to all services, useless as log names.
const COMMON_NAMES: [&str; 5] = ["main", "log", "logs", "files", "current"];

/// Log directory, or single file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// Log directory.
    Directory(PathBuf),
    /// Single file.
    File(PathBuf),
}

/// A log to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Name of the service or directory, unique among the logs found.
    pub name: String,
    /// Path.
    pub place: Location,
    /// Service directory through which the log was found, if any.
    pub service: Option<PathBuf>,
}

/// Finds log directories and files for operands, each once and in order, and reports missing or
/// unreadable ones. Without operands, finds this machine's services.
pub fn find(operands: &[OsString]) -> (Vec<Found>, Vec<Failure>) {
    find_among(operands, scan_dirs())
}

/// Scan directories in search order.
fn scan_dirs() -> Vec<PathBuf> {
    let variable = std::env::var_os(SCAN_DIR_VARIABLE).filter(|dir| !dir.is_empty());
    let dirs = SCAN_DIRS.iter().map(PathBuf::from);
    variable.map(PathBuf::from).into_iter().chain(dirs).collect()
}

fn find_among(operands: &[OsString], scan_dirs: Vec<PathBuf>) -> (Vec<Found>, Vec<Failure>) {
    let mut search = Search { scan_dirs, ..Search::default() };
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
    scan_dirs: Vec<PathBuf>,
    found: Vec<Found>,
    failures: Vec<Failure>,
    /// Device and inode of directories already found: several names may lead to one directory.
    known: HashSet<(u64, u64)>,
    /// Log directories found, known ones included.
    count: usize,
}

impl Search {
    fn add_services_of_machine(&mut self) {
        let existing: Vec<PathBuf> = self.existing_scan_dirs();
        for dir in &existing {
            self.add_children(dir);
        }
        if existing.is_empty() {
            let places = self.places();
            self.failures.push(Failure::new(What::FindLog, places, Errno::ENOENT));
        } else if self.count == 0 && self.failures.is_empty() {
            let places = list(&existing);
            self.failures.push(Failure::no_log(places));
        }
    }

    /// Existing scan directories without duplicates: links between them are common.
    fn existing_scan_dirs(&self) -> Vec<PathBuf> {
        let mut known = HashSet::new();
        let is_new_dir = |dir: &&PathBuf| {
            let metadata = fs::metadata(dir).ok().filter(fs::Metadata::is_dir);
            metadata.is_some_and(|metadata| known.insert((metadata.dev(), metadata.ino())))
        };
        self.scan_dirs.iter().filter(is_new_dir).cloned().collect()
    }

    /// Searched places, for messages.
    fn places(&self) -> Vec<u8> {
        list(&self.scan_dirs)
    }

    fn add_operand(&mut self, operand: &OsStr) {
        let path = Path::new(operand);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.add_dir(path),
            Ok(_) => self.add(name_of_path(path), Location::File(path.to_owned()), None),
            Err(error) => {
                let errno = errno_of(&error);
                let is_missing = errno == Errno::ENOENT;
                if self.add_pattern(operand) || (is_missing && self.add_named(path)) {
                    return;
                }
                self.fail_operand(path, errno);
            }
        }
    }

    fn fail_operand(&mut self, path: &Path, errno: Errno) {
        if errno == Errno::ENOENT && is_relative_name(path) {
            let mut why = b"file does not exist, and no service of this name is in ".to_vec();
            why.extend(self.places());
            let why = String::from_utf8_lossy(&why).into_owned();
            self.failures.push(Failure::unreadable_because(path_bytes(path), why));
        } else {
            self.fail(path, errno);
        }
    }

    /// Adds all matches of a pattern. `false` without match, or if the operand is no pattern.
    fn add_pattern(&mut self, operand: &OsStr) -> bool {
        let Some(Ok(paths)) = operand.to_str().map(glob::glob) else { return false };
        let mut matched = false;
        for path in paths {
            matched = true;
            match path {
                Ok(path) => self.add_operand(path.as_os_str()),
                Err(error) => self.fail(error.path(), errno_of(error.error())),
            }
        }
        matched
    }

    /// Adds services by name or pattern, such as `web`, or a single log of a service, such as
    /// `qmail-send/alert`, as `logdir` prints these names.
    fn add_named(&mut self, name: &Path) -> bool {
        if !is_relative_name(name) {
            return false;
        }
        let service = name.components().next().map(|first| PathBuf::from(first.as_os_str()));
        let service = service.unwrap_or_default();
        let is_all = service.as_path() == name;
        let mut matched = false;
        for dir in self.existing_scan_dirs() {
            let Some(pattern) = dir.join(&service).to_str().map(str::to_owned) else { continue };
            for path in glob::glob(&pattern).into_iter().flatten().flatten() {
                let mut search = Search::default();
                search.add_dir(&path);
                let is_wanted = |found: &Found| is_all || name == Path::new(&found.name);
                search.found.retain(is_wanted);
                if is_all || !search.found.is_empty() {
                    matched = true;
                    self.failures.append(&mut search.failures);
                }
                for found in search.found {
                    self.add(found.name, found.place, found.service);
                }
            }
        }
        matched
    }

    fn add_dir(&mut self, path: &Path) {
        match classify(path) {
            Ok(true) => self.add(name_of_path(path), Location::Directory(path.to_owned()), None),
            Err(errno) => self.fail(path, errno),
            Ok(false) => {
                let service::Logs { dirs, failures, .. } = service::logs(path);
                if !dirs.is_empty() || !failures.is_empty() {
                    self.failures.extend(failures);
                    return self.add_logs(path, dirs);
                }
                let before = (self.count, self.failures.len());
                self.add_children(path);
                if (self.count, self.failures.len()) == before {
                    self.failures.push(Failure::no_log(path_bytes(path)));
                }
            }
        }
    }

    /// Adds log directories and services inside a directory.
    fn add_children(&mut self, path: &Path) {
        let names = match names(path) {
            Ok(names) => names,
            Err(errno) => return self.fail(path, errno),
        };
        for name in names {
            if !name.as_bytes().starts_with(b".") && !is_of_supervisor(&name) {
                self.add_child(&path.join(name));
            }
        }
    }

    fn add_child(&mut self, path: &Path) {
        match classify(path) {
            Ok(true) => self.add(name_of_path(path), Location::Directory(path.to_owned()), None),
            Ok(false) => {
                let service::Logs { dirs, failures, .. } = service::logs(path);
                self.failures.extend(failures);
                self.add_logs(path, dirs);
            }
            Err(Errno::ENOTDIR) => {}
            // Removed since listing; dangling links still exist.
            Err(Errno::ENOENT) if fs::symlink_metadata(path).is_err() => {}
            Err(errno) => self.fail(path, errno),
        }
    }

    /// Adds a service's log directories, named after the service; several logs get their own names
    /// appended.
    fn add_logs(&mut self, service: &Path, logs: Vec<PathBuf>) {
        let service_name = name_of_path(service);
        let is_only = logs.len() == 1;
        for log in logs {
            let own = log.file_name().unwrap_or_default().to_string_lossy();
            let name = if is_only { service_name.clone() } else { format!("{service_name}/{own}") };
            self.add(name, Location::Directory(log), Some(service.to_owned()));
        }
    }

    fn add(&mut self, name: String, place: Location, service: Option<PathBuf>) {
        self.count += 1;
        let (Location::Directory(path) | Location::File(path)) = &place;
        match fs::metadata(path) {
            Ok(metadata) if !self.known.insert((metadata.dev(), metadata.ino())) => {}
            Ok(_) => self.found.push(Found { name, place, service }),
            Err(error) => {
                let path = path.clone();
                self.fail(&path, errno_of(&error));
            }
        }
    }

    fn fail(&mut self, path: &Path, errno: Errno) {
        self.failures.push(failure_at(path, errno));
    }

    /// Replaces duplicate names by full paths.
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

/// True for `web` and `qmail-send/alert`, false for `./web` and `/service/web`.
fn is_relative_name(path: &Path) -> bool {
    path.components().all(|component| matches!(component, Component::Normal(_)))
}

fn list(paths: &[PathBuf]) -> Vec<u8> {
    let paths: Vec<&[u8]> = paths.iter().map(|path| path.as_os_str().as_bytes()).collect();
    paths.join(&b", "[..])
}

/// True if these names indicate a log directory.
fn are_of_log_dir(names: &[OsString]) -> bool {
    names
        .iter()
        .map(|name| name.as_bytes())
        .any(|name| name == CURRENT || parse_any_archive_name(name).is_some())
}

/// Recognizes log directories. Fails if the directory cannot be listed.
fn classify(path: &Path) -> Result<bool, Errno> {
    names(path).map(|names| are_of_log_dir(&names))
}

/// True for a supervisor's private directories, readable only by root.
fn is_of_supervisor(name: &OsStr) -> bool {
    name == "supervise" || name == "event"
}

/// True if a path leads to a readable log directory.
pub fn is_log_dir(path: &Path) -> bool {
    classify(path) == Ok(true)
}

/// Sorted names in a directory.
fn names(dir: &Path) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| errno_of(&error))? {
        names.push(entry.map_err(|error| errno_of(&error))?.file_name());
    }
    names.sort_unstable();
    Ok(names)
}

fn failure_at(path: &Path, errno: Errno) -> Failure {
    Failure::new(What::Read, path_bytes(path), errno)
}

fn path_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// Last path component that identifies a service.
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
