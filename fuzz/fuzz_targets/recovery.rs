//! A directory with any files of a rotation in any state: opening it keeps every line that was certain
//! to be kept, once and in order, and opening it again changes nothing.
//!
//! Two bytes for each file tell its kind and how much is in it, and each byte behind them is an
//! archive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logdir::disk::Dir;
use logdir::event::Reporter;
use logdir::settings::Settings;
use logdir::wake::Wake;
use logdir::write::LogDir;
use real_dir::Home;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[path = "../real_dir.rs"]
mod real_dir;

/// Modes that a file may be found with; the last ones carry the bit that says complete.
const MODES: [u32; 5] = [0o600, 0o644, 0o444, 0o744, 0o100];
const ARCHIVE_COUNT_MAX: usize = 6;

/// A file as it is put there.
#[derive(Clone, Copy, Debug)]
struct Found {
    name: &'static str,
    is_there: bool,
    is_complete: bool,
    is_archive: bool,
    len: usize,
}

fuzz_target!(|input: &[u8]| {
    let Some((kinds, rest)) = input.split_first_chunk::<10>() else { return };
    let home = Home::new();
    let dir = home.path("d");
    fs::create_dir(&dir).expect("a directory");
    let mut archives: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (number, &byte) in rest.iter().take(ARCHIVE_COUNT_MAX).enumerate() {
        let contents = text(&format!("a{number}"), usize::from(byte % 8));
        // Some are of the past, some of times to come that a clock can reach (until 2242).
        archives.insert(format!("@4000000{:x}{byte:02x}00000000000000.s", byte % 2), contents);
    }
    for (name, contents) in &archives {
        fs::write(dir.join(name), contents).expect("an archive");
    }
    let names = ["processed", "previous", "current", "newstate", "state"];
    let found: [Found; 5] = std::array::from_fn(|file| {
        put(&dir, names[file], [kinds[2 * file], kinds[2 * file + 1]], &mut archives)
    });
    let expected = expected(&found, &archives);
    open_and_log(&dir, b"new\n");
    check(&dir, &[&expected[..], b"new\n"].concat(), &found);
    open_and_log(&dir, b"");
    check(&dir, &[&expected[..], b"new\n"].concat(), &found);
});

fn text(what: &str, count: usize) -> Vec<u8> {
    (0..count).flat_map(|number| format!("{what} {number}\n").into_bytes()).collect()
}

/// Puts a file there, and takes note of it where it is an archive too.
fn put(
    dir: &Path,
    name: &'static str,
    [kind, len]: [u8; 2],
    archives: &mut BTreeMap<String, Vec<u8>>,
) -> Found {
    let mode = MODES[usize::from(kind / 8) % MODES.len()];
    let (is_there, is_linked, is_archive) = (kind % 4 != 0, kind % 4 == 2, kind % 4 == 3);
    let len = usize::from(len % 64);
    let found = Found { name, is_there, is_complete: mode & 0o100 != 0, is_archive, len };
    if !is_there {
        return found;
    }
    let path = dir.join(name);
    fs::write(&path, text(name, len)).expect("a file");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its mode");
    if is_linked {
        fs::hard_link(&path, dir.join(format!("backup-{name}"))).expect("a link");
    }
    if is_archive {
        let second = name.bytes().fold(len, |sum, byte| sum * 2 + usize::from(byte));
        let archive = format!("@4000000{second:09x}00000000.s");
        fs::hard_link(&path, dir.join(&archive)).expect("a link");
        archives.insert(archive, text(name, len));
    }
    found
}

/// What was in archives stays. Of `processed` and `previous` one is kept: a complete `processed` holds
/// all that `previous` held. Then comes `current`.
fn expected(found: &[Found; 5], archives: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let [processed, previous, current, ..] = found;
    let mut lines = archives.values().flatten().copied().collect::<Vec<u8>>();
    // One that is an archive already is a left-over of the rotation before.
    let has_processed = processed.is_there && processed.is_complete && !processed.is_archive;
    let finished = if has_processed { processed } else { previous };
    for file in [finished, current] {
        if file.is_there && !file.is_archive {
            lines.extend(text(file.name, file.len));
        }
    }
    lines
}

fn open_and_log(dir: &Path, line: &[u8]) {
    let spec = Settings { number_max: 1000, ..Settings::default() };
    let start = Dir::start().expect("a working directory");
    let mut log =
        LogDir::open(&start, dir.as_os_str(), &spec, &Wake::new().expect("a wake"), &Reporter::new(|_| ()))
            .expect("it opens");
    log.append(line);
    real_dir::close(log);
}

fn check(dir: &Path, expected: &[u8], found: &[Found; 5]) {
    let contents = real_dir::files(dir).concat();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(shown(&contents), shown(expected), "{found:#?}");
    let is_left = |name: &str| dir.join(name).exists();
    assert!(!is_left("previous"), "{found:#?}");
}
