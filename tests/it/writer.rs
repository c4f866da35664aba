//! The writer as a program outside this project uses it: its errors are returned, and nothing is held back.

use crate::delivery::example;
use crate::support::{Home, numbers};
use logdir::{Settings, Writer};
use nix::mount::{MsFlags, mount, umount};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A file system of 16 KiB. Unmounted when dropped.
struct TinyDisk(PathBuf);

impl TinyDisk {
    /// None if the test is not allowed to mount one.
    fn mount(home: &Home) -> Option<TinyDisk> {
        let path = home.path("tiny");
        fs::create_dir(&path).expect("a directory");
        match mount(Some("tmpfs"), &path, Some("tmpfs"), MsFlags::empty(), Some("size=16k")) {
            Ok(()) => Some(TinyDisk(path)),
            Err(errno) if std::env::var_os("CI").is_some() => panic!("cannot mount: {errno}"),
            Err(errno) => {
                eprintln!("skipped: cannot mount a file system: {errno}");
                None
            }
        }
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = umount(&self.0);
    }
}

/// Writes lines one by one until there is an error. Returns how many were written, and the error.
fn fill(log: &mut Writer, from: u64) -> (u64, std::io::Error) {
    for number in from.. {
        if let Err(error) = log.write_all(format!("{number}\n").as_bytes()) {
            return (number - 1, error);
        }
    }
    unreachable!("the disk is full some time")
}

#[test]
fn a_full_disk_is_an_error_and_nothing_is_lost() {
    let home = Home::new();
    let Some(disk) = TinyDisk::mount(&home) else { return };
    let dir = disk.0.join("d");
    fs::create_dir(&dir).expect("a directory");
    fs::write(disk.0.join("filler"), [0; 4096]).expect("a filler");
    let mut log = Writer::open(&dir, &Settings::default()).expect("it opens");
    let (last, error) = fill(&mut log, 1);
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<logdir::Error>());
    assert_eq!(inner.and_then(logdir::Error::raw_os_error), Some(28));
    assert_eq!(
        error.to_string(),
        format!("unable to write to {}/current: out of disk space", dir.display())
    );
    // What was reported as written is there, and no more than a part of the line that failed.
    let written = fs::read(dir.join("current")).expect("a file");
    assert!(written.starts_with(&numbers(1, last)) && written.len() as u64 == log.appended());
    let part = &written[numbers(1, last).len()..];
    // It is an error as long as it lasts, for bytes and for a sync that cannot be promised.
    assert!(log.write_all(b"x\n").is_err() && log.write(b"x\n").is_err());
    assert!(log.events().iter().any(|event| event.text().ends_with(b"out of disk space")));
    fs::remove_file(disk.0.join("filler")).expect("the filler");
    let next = format!("{}\n", last + 1);
    log.write_all(&next.as_bytes()[part.len()..]).expect("there is room");
    log.sync().expect("it is on disk");
    assert_eq!(log.durable(), log.appended());
    let (last, _) = fill(&mut log, last + 2);
    drop(log);
    let left = fs::read(dir.join("current")).expect("a file");
    assert!(left.starts_with(&numbers(1, last)), "dropping the writer loses nothing");
    drop(disk);
}

#[test]
fn the_example_writes_its_input_and_prints_nothing() {
    let write = example("write");
    let home = Home::in_memory();
    let input = numbers(1, 500_000);
    fs::write(home.path("input"), &input).expect("an input");
    let mut command = Command::new(&write);
    command.arg("./d").current_dir(home.path(""));
    command.stdin(fs::File::open(home.path("input")).expect("an input")).stdout(Stdio::null());
    let output = command.stderr(Stdio::piped()).output().expect("it runs");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
    assert!(home.contents("d") == input && home.archives("d").len() == 3, "{:?}", home.names("d"));
    assert_eq!(home.mode("d/current"), 0o744);
}
