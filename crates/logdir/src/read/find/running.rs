//! Log directories held open by a supervised process: a running logger reveals them whatever its
//! script looks like.
//!
//! Reads the supervisor's process record and `/proc`. Both may be closed to users other than root;
//! this module then finds nothing and the caller parses the script.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Maximum processes examined per service.
const PROCESSES_MAX: usize = 64;

/// Log directories opened by a service directory's process and its children.
pub fn log_dirs(service: &Path) -> Vec<PathBuf> {
    let Some(pid) = supervised_pid(service).filter(|&pid| is_child_of_supervisor(pid, service))
    else {
        return Vec::new();
    };
    let mut pids = vec![pid];
    let mut pos = 0;
    while let Some(&pid) = pids.get(pos) {
        pids.extend(children(pid));
        pids.truncate(PROCESSES_MAX);
        pos += 1;
    }
    let dirs: BTreeSet<PathBuf> = pids.into_iter().flat_map(open_log_dirs).collect();
    dirs.into_iter().collect()
}

/// Process ID recorded by a service directory's supervisor.
fn supervised_pid(service: &Path) -> Option<u32> {
    let text = fs::read_to_string(service.join("supervise/pid")).ok();
    let pid = match text {
        Some(text) => text.trim().parse().ok()?,
        None => parse_status(&fs::read(service.join("supervise/status")).ok()?)?,
    };
    (pid > 0).then_some(pid)
}

/// Process ID in `supervise/status`: after one label for daemontools and runit, after two for s6.
fn parse_status(status: &[u8]) -> Option<u32> {
    match status.len() {
        18..=20 => Some(u32::from_le_bytes(status[12..16].try_into().ok()?)),
        35.. => u64::from_be_bytes(status[24..32].try_into().ok()?).try_into().ok(),
        _ => None,
    }
}

/// True if the parent process works in the service directory, as supervisors do. A killed
/// supervisor leaves a stale process ID, possibly reused by now.
fn is_child_of_supervisor(pid: u32, service: &Path) -> bool {
    let Some(parent) = parent(pid) else { return false };
    let Ok(cwd) = fs::read_link(format!("/proc/{parent}/cwd")) else { return false };
    let Ok(service) = service.canonicalize() else { return false };
    cwd == service
        || (service.ends_with("log") && Some(cwd.as_path()) == service.parent())
        || fs::canonicalize(cwd.join("log")).is_ok_and(|log| log == service)
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Directories with both `lock` and `current` opened by a process.
fn open_log_dirs(pid: u32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let links: Vec<PathBuf> =
        entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
    let dirs_of = |name: &[u8]| {
        let is_it = move |link: &&PathBuf| {
            link.is_absolute() && link.file_name().is_some_and(|file| file.as_bytes() == name)
        };
        let dirs = links.iter().filter(is_it).filter_map(|link| link.parent());
        dirs.map(Path::to_owned).collect::<BTreeSet<_>>()
    };
    let (locked, written) = (dirs_of(b"lock"), dirs_of(b"current"));
    locked.intersection(&written).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_files_of_three_supervisors() {
        let mut daemontools = [0; 18];
        daemontools[12..16].copy_from_slice(&4711_u32.to_le_bytes());
        assert_eq!(parse_status(&daemontools), Some(4711));
        let mut s6 = [0; 35];
        s6[24..32].copy_from_slice(&4711_u64.to_be_bytes());
        assert_eq!(parse_status(&s6), Some(4711));
        assert_eq!(parse_status(b""), None);
    }
}
