//! A fresh directory without a disk behind it, removed when dropped, and what is logged there.

use logdir::format::{CURRENT, archive_key};
use logdir::write::{Closed, LogDir};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// One per process: nothing runs beside it.
pub struct Home(PathBuf);

impl Home {
    pub fn new() -> Home {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let path = place.join(format!("multilog-fuzz-{}", std::process::id()));
        // A finding leaves one behind.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a fresh directory");
        Home(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The files of a log directory that hold lines, oldest first.
pub fn files(dir: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry"));
    let is_log = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.as_bytes()).unwrap_or_default();
        name == CURRENT || archive_key(name).is_some()
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_log).collect();
    // Archives sort before `current`.
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a file")).collect()
}

/// Ends a writer as the event loop does, which waits meanwhile.
pub fn close(mut log: LogDir) {
    loop {
        match log.close() {
            Some(closed) => break assert_eq!(closed, Closed::Clean),
            None => thread::sleep(Duration::from_micros(20)),
        }
    }
}
