//! Links, FIFOs and other people's files where a log directory or a status file is expected: nothing is
//! written outside of what was named, and no start hangs.

use crate::support::{Home, differs, is_original, numbers, wait_until};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, chown, fchownat, geteuid, mkfifo};
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;

/// Somebody who is neither root nor the owner of anything here.
const STRANGER: u32 = 65534;

/// The files of a log directory, and what is said of one that is none.
const FILES: [(&str, &str); 6] = [
    ("lock", "unable to lock directory ./d"),
    ("current", "unable to append to ./d/current"),
    ("previous", "unable to read ./d/previous"),
    ("processed", "unable to read ./d/processed"),
    ("state", "unable to write to ./d/state"),
    ("newstate", "unable to write to ./d/newstate"),
];

/// A directory with something in the place of each file in turn is refused, and that is left as it is.
#[track_caller]
fn check_refused(reason: &str, put: impl Fn(&Home, &Path)) {
    for (name, what) in FILES {
        let home = Home::new();
        home.make_dir("d");
        home.write("target", b"precious\n", 0o644);
        let path = home.path("d").join(name);
        put(&home, &path);
        let kind = fs::symlink_metadata(&path).expect("it").file_type();
        let mut logger = home.spawn(&["!cat", "./d"]);
        wait_until("the end", || !logger.is_running());
        logger.wait().check(111, &format!("multilog: fatal: {what}: {reason}\n"));
        assert_eq!(home.read("target"), b"precious\n");
        assert_eq!(fs::symlink_metadata(&path).expect("it").file_type(), kind);
    }
}

#[test]
fn a_link_in_a_log_directory_is_not_followed() {
    differs("a_link_in_a_log_directory_is_not_followed", || {
        let reason = "symbolic link is not followed";
        check_refused(reason, |_, path| symlink("../target", path).expect("a link"));
        check_refused(reason, |_, path| symlink("nowhere", path).expect("a link"));
    });
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    differs("what_is_no_regular_file_is_refused_at_once", || {
        let reason = "not a regular file";
        let fifo = |path: &Path| mkfifo(path, Mode::S_IRWXU).expect("a FIFO");
        check_refused(reason, |_, path| fifo(path));
        // With a reader it would take lines and keep them to itself.
        let reader = |path: &Path| {
            let mut options = OpenOptions::new();
            options.read(true).custom_flags(libc::O_NONBLOCK).open(path).expect("a reader")
        };
        check_refused(reason, |_, path| {
            fifo(path);
            std::mem::forget(reader(path));
        });
        check_refused(reason, |_, path| drop(UnixListener::bind(path).expect("a socket")));
    });
}

#[test]
fn a_link_to_a_directory_is_followed() {
    let home = Home::new();
    home.make_dir("real");
    symlink("real", home.path("d")).expect("a link");
    symlink("d", home.path("e")).expect("a link");
    home.run(&["s4096", "n100", "./e/"], &numbers(1, 3000)).check(0, "");
    assert_eq!(home.contents("real"), numbers(1, 3000));
    assert!(fs::symlink_metadata(home.path("d")).expect("a link").file_type().is_symlink());
}

#[test]
fn a_status_file_may_be_a_link_or_a_device() {
    let home = Home::new();
    home.make_dir("run");
    symlink("run/status", home.path("link")).expect("a link");
    home.run(&["=link", "=/dev/null"], b"a\n").check(0, "");
    assert!(home.read("run/status").starts_with(b"a\n\n"), "made through the link");
    let mut command = home.command(&["=/dev/stdout"]);
    command.stdout(fs::File::create(home.path("out")).expect("a file"));
    home.start(command).feed_and_end(b"b\n").check(0, "");
    assert!(home.read("out").starts_with(b"b\n\n"));
}

#[test]
fn links_in_a_circle_are_refused() {
    let home = Home::new();
    symlink("two", home.path("one")).expect("a link");
    symlink("one", home.path("two")).expect("a link");
    home.run(&["./one"], b"a\n").check_fatal("multilog: fatal: unable to open directory ./one: ");
    home.run(&["=one"], b"a\n").check_fatal("multilog: fatal: unable to create one: ");
}

/// Gives a file or a link away.
fn give(path: &Path, uid: u32) {
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(uid)));
    let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
    fchownat(nix::fcntl::AT_FDCWD, path, uid, gid, flags).expect("root gives");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn a_link_that_somebody_else_has_planted_is_not_followed() {
    if !geteuid().is_root() {
        eprintln!("skipped: needs root to become another user");
        return;
    }
    differs("a_link_that_somebody_else_has_planted_is_not_followed", || {
        let home = Home::new();
        home.make_dir("open");
        home.make_dir("target");
        set_mode(&home.path("open"), 0o777);
        home.write("passwd", b"root\n", 0o644);
        for (name, target) in [("d", "../target"), ("s", "../passwd"), ("new", "../new")] {
            symlink(target, home.path("open").join(name)).expect("a link");
            give(&home.path("open").join(name), STRANGER);
        }
        for (action, what) in [
            ("./open/d", "unable to open directory ./open/d"),
            ("=open/s", "unable to create open/s"),
            ("=open/new", "unable to create open/new"),
        ] {
            let message = format!("multilog: fatal: {what}: symbolic link is not followed\n");
            home.run(&[action], b"a\n").check(111, &message);
        }
        assert_eq!(home.read("passwd"), b"root\n");
        assert!(!home.path("new").exists() && home.names("target").is_empty());
        // It is the owner of the directory who put it there.
        give(&home.path("open"), STRANGER);
        home.run(&["./open/d"], b"a\n").check(0, "");
        assert_eq!(home.contents("target"), b"a\n");
    });
}

/// What is in the place of a file of a directory that we may write to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Absent,
    Ours,
    Root,
}

const OWNERS: [Owner; 3] = [Owner::Absent, Owner::Ours, Owner::Root];

/// A logger of its own user in its own directory, with these files of root in it.
fn check_owners(owners: [Owner; 5], clean: bool) {
    let home = Home::in_memory();
    set_mode(&home.path(""), 0o755);
    home.make_dir("d");
    give(&home.path("d"), STRANGER);
    let mode = if clean { 0o744 } else { 0o644 };
    let files = [
        ("previous", "1\n", 0o744),
        ("current", "2\n", mode),
        ("processed", "junk\n", 0o644),
        ("state", "", 0o644),
        ("newstate", "", 0o644),
    ];
    for ((name, contents, mode), owner) in files.into_iter().zip(owners) {
        if owner != Owner::Absent {
            home.write(Path::new("d").join(name), contents, mode);
            let path = home.path("d").join(name);
            if owner == Owner::Ours {
                give(&path, STRANGER)
            } else {
                chown(&path, None, None).expect("kept")
            }
        }
    }
    let mut command = home.command(&["!cat", "./d"]);
    command.uid(STRANGER).gid(STRANGER);
    let ended = home.start(command).feed_and_end(b"3\n");
    let about = owners.map(|owner| owner as u8);
    let kept: Vec<&str> = [(0, "1\n"), (1, "2\n")]
        .into_iter()
        .filter(|(file, _)| owners[*file] != Owner::Absent)
        .map(|(_, line)| line)
        .collect();
    if clean && owners[1] == Owner::Root {
        let message = "multilog: fatal: unable to append to ./d/current: access denied\n";
        ended.check(111, message);
        if !home.archives("d").is_empty() {
            // It waits for its processor and has that name too; one of root's could not be linked.
            let _ = fs::remove_file(home.path("d/previous"));
        }
        assert_eq!(home.contents("d"), kept.concat().as_bytes(), "{about:?}");
    } else {
        assert_eq!(ended.status.code(), Some(0), "{about:?}: {}", ended.warnings());
        let all = [&kept.concat(), "3\n"].concat();
        assert_eq!(home.contents("d"), all.as_bytes(), "{about:?}");
    }
}

#[test]
fn files_of_somebody_else_cost_no_line() {
    if !geteuid().is_root() || is_original() {
        eprintln!("skipped: needs root to become another user, and another multilog may hang");
        return;
    }
    for state in 0..OWNERS.len().pow(5) {
        let owner = |file: u32| OWNERS[state / OWNERS.len().pow(file) % OWNERS.len()];
        let owners = [owner(0), owner(1), owner(2), owner(3), owner(4)];
        check_owners(owners, false);
        check_owners(owners, true);
    }
}
