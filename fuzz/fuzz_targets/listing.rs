//! Names of any bytes in a log directory: each file is listed once, in the order of writing, and a name is
//! taken for an archive only if it can be read back from its parts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logdir::format::{parse_any_archive_name, parse_archive_name};
use logdir::label::LABEL_LEN;
use logdir::read::list::{Directory, Role};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

#[path = "../real_dir.rs"]
#[allow(dead_code, reason = "other targets write logs there")]
mod real_dir;

/// Files that are made at most.
const NAMES_MAX: usize = 40;

fuzz_target!(|input: &[u8]| {
    let home = real_dir::Home::new();
    let dir = home.path("log");
    fs::create_dir(&dir).expect("a directory");
    let mut made = HashSet::new();
    for name in input.split(|&byte| byte == b'\n').take(NAMES_MAX) {
        check_name(name);
        let is_made =
            !name.contains(&b'/') && fs::write(dir.join(OsStr::from_bytes(name)), name).is_ok();
        if is_made {
            made.insert(name.to_vec());
        }
    }
    let files = Directory::open(&dir).and_then(|directory| directory.list()).expect("it is listed");
    let names: HashSet<&[u8]> = files.iter().map(|file| file.name.as_slice()).collect();
    assert_eq!(names.len(), files.len());
    assert!(names.iter().all(|&name| made.contains(name)));
    for name in [b"previous".as_slice(), b"current"] {
        assert_eq!(names.contains(name), made.contains(name));
    }
    let order = |role: &Role| match role {
        Role::Archive(..) => 0,
        Role::Previous => 1,
        Role::Current => 2,
        Role::Alone => 3,
    };
    assert!(files.is_sorted_by_key(|file| (order(&file.role), file.name.clone())));
});

fn check_name(name: &[u8]) {
    let Some((label, _)) = parse_any_archive_name(name) else {
        return assert_eq!(parse_archive_name(name), None);
    };
    match name[0] {
        b'@' => assert_eq!(&label.format()[..], &name[..LABEL_LEN]),
        first => assert_eq!((first, name[9]), (b'_', b'T')),
    }
}
