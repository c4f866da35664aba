//! Log directories of a service: opened by its running logger, else named in its scripts, else
//! found below its `log`.

use super::script::{self, Named};
use super::{classify, errno_of, failure_at, is_of_supervisor, names, path_bytes, running};
use crate::failure::Failure;
use nix::errno::Errno;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Maximum bytes read from a script.
const SCRIPT_LEN_MAX: u64 = 64 * 1024;
/// Search depth below `log`: `log/files/main`.
const DEPTH_MAX: usize = 2;

/// Log directories and failures of a service.
#[derive(Debug, Default)]
pub struct Logs {
    /// Readable log directories.
    pub dirs: Vec<PathBuf>,
    /// Unreadable or unresolved paths.
    pub failures: Vec<Failure>,
    /// Failures reported only if no directory is found: an unresolved script, or an argument that
    /// may be an option's value.
    doubts: Vec<Failure>,
}

impl Logs {
    fn add(&mut self, dir: PathBuf) {
        if !self.dirs.contains(&dir) {
            self.dirs.push(dir);
        }
    }
}

/// Finds a service's log directories.
pub fn logs(service: &Path) -> Logs {
    let mut logs = Logs::default();
    let log = service.join("log");
    add_running(&log, &mut logs);
    if logs.dirs.is_empty() {
        add_of_script(service, "log/run", &log, &mut logs);
        // daemontools-encore runs an executable `log` in the service directory.
        add_of_script(service, "log", service, &mut logs);
    }
    if logs.dirs.is_empty() {
        add_below(&log, DEPTH_MAX, &mut logs);
    }
    if logs.dirs.is_empty() {
        add_running(service, &mut logs);
    }
    if logs.dirs.is_empty() {
        add_of_script(service, "run", service, &mut logs);
    }
    let doubts = std::mem::take(&mut logs.doubts);
    if logs.dirs.is_empty() {
        logs.failures.extend(doubts);
    }
    logs
}

fn add_running(dir: &Path, logs: &mut Logs) {
    for dir in running::log_dirs(dir) {
        match classify(&dir) {
            Ok(true) => logs.add(dir),
            // The process may use other mounts than this reader, or have closed the directory.
            Ok(false) | Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(errno) => logs.failures.push(failure_at(&dir, errno)),
        }
    }
}

/// Adds log directories named by a script. `dir` is its working directory.
fn add_of_script(service: &Path, name: &str, dir: &Path, logs: &mut Logs) {
    let path = service.join(name);
    let text = match read(&path) {
        Ok(text) => text,
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EISDIR) => return,
        Err(errno) => return logs.doubts.push(failure_at(&path, errno)),
    };
    let physical = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    for named in script::log_dirs(&text, &physical, &|path| read(path).ok()) {
        match named {
            Named::Path(named) => {
                // Paths in the user's spelling are easier to recognize.
                let named = match named.strip_prefix(&physical) {
                    Ok(relative) => dir.join(relative),
                    Err(_) => named,
                };
                add_named(&named, logs);
            }
            Named::Unresolved { logger, argument } => {
                let why = format!(
                    "{name} starts {logger} with {argument}, which cannot be resolved; \
                     name the directory"
                );
                logs.doubts.push(Failure::no_log_because(path_bytes(service), why));
            }
        }
    }
}

/// Adds a directory named by a script, or all matches of a pattern.
fn add_named(named: &Path, logs: &mut Logs) {
    match classify(named) {
        Ok(true) => logs.add(named.to_owned()),
        Ok(false) => logs.doubts.push(Failure::no_log(path_bytes(named))),
        Err(Errno::ENOENT | Errno::ENOTDIR) => {
            let matches = named.to_str().map(glob::glob).and_then(Result::ok);
            let mut matched = false;
            for path in matches.into_iter().flatten().flatten() {
                if matches!(classify(&path), Ok(true)) {
                    matched = true;
                    logs.add(path);
                }
            }
            if !matched {
                logs.doubts.push(failure_at(named, Errno::ENOENT));
            }
        }
        Err(errno) => logs.failures.push(failure_at(named, errno)),
    }
}

/// Adds a directory, or else log directories inside it.
fn add_below(dir: &Path, depth: usize, logs: &mut Logs) {
    match classify(dir) {
        Ok(true) => return logs.add(dir.to_owned()),
        Ok(false) => {}
        Err(Errno::ENOENT | Errno::ENOTDIR) => return,
        Err(errno) => return logs.failures.push(failure_at(dir, errno)),
    }
    if depth > 0 {
        for name in names(dir).unwrap_or_default() {
            if !is_of_supervisor(&name) {
                add_below(&dir.join(name), depth - 1, logs);
            }
        }
    }
}

fn read(path: &Path) -> Result<String, Errno> {
    // Opening a FIFO would wait for a writer.
    if !fs::metadata(path).map_err(|error| errno_of(&error))?.is_file() {
        return Err(Errno::EISDIR);
    }
    let mut text = Vec::new();
    let file = fs::File::open(path).map_err(|error| errno_of(&error))?;
    file.take(SCRIPT_LEN_MAX).read_to_end(&mut text).map_err(|error| errno_of(&error))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
