//! What a start makes of the directory it finds (behaviour 9).

use crate::support::{Entry, Home, differs, wait_until};
use nix::sys::signal::Signal;
use std::fs;

/// Files to begin with: name, contents, mode.
type Files<'a> = &'a [(&'a str, &'a [u8], u32)];

fn home_with(files: Files) -> Home {
    let home = Home::new();
    home.make_dir("d");
    for (name, contents, mode) in files {
        home.write(format!("d/{name}"), contents, *mode);
    }
    home
}

/// Starts and ends a logger in a directory with these files, and compares what is there then.
#[track_caller]
fn check(files: Files, expected: &[(&str, u32)], contents: &[u8]) {
    let home = home_with(files);
    home.run(&["./d"], b"").check(0, "");
    let mut wanted: Vec<Entry> =
        expected.iter().map(|(name, mode)| ((*name).to_owned(), *mode)).collect();
    wanted.push(("lock".to_owned(), 0o600));
    wanted.push(("current".to_owned(), 0o744));
    wanted.sort();
    assert_eq!(home.entries("d"), wanted);
    assert_eq!(home.contents("d").escape_ascii().to_string(), contents.escape_ascii().to_string());
}

const STATE: (&str, u32) = ("state", 0o644);

#[test]
fn beside_a_clean_current_nothing_is_looked_at() {
    for mode in [0o744, 0o755, 0o100] {
        check(&[("current", b"a\n", mode)], &[], b"a\n");
    }
    let files: Files =
        &[("current", b"a\n", 0o744), ("state", b"s", 0o600), ("newstate", b"n", 0o600)];
    check(files, &[("state", 0o600), ("newstate", 0o600)], b"a\n");
}

#[test]
fn an_unclean_current_is_named_unfinished() {
    check(&[("current", b"a\n", 0o644)], &[("@.u", 0o644), STATE], b"a\n");
    check(&[("current", b"a", 0o600)], &[("@.u", 0o600), STATE], b"a");
}

#[test]
fn after_a_crash_the_state_of_the_processor_is_new() {
    let files: Files =
        &[("current", b"a\n", 0o644), ("state", b"s", 0o600), ("newstate", b"n", 0o644)];
    check(files, &[("@.u", 0o644), STATE], b"a\n");
}

#[test]
fn a_complete_processed_replaces_previous() {
    let files: Files =
        &[("current", b"c\n", 0o644), ("previous", b"raw\n", 0o744), ("processed", b"p\n", 0o744)];
    check(files, &[("@.s", 0o744), ("@.u", 0o644), STATE], b"p\nc\n");
}

/// A power cut lost the removal of `processed`, and kept the rotation after it.
#[test]
fn a_processed_that_is_an_archive_replaces_nothing() {
    differs("a_processed_that_is_an_archive_replaces_nothing", || {
        for current in [0o644, 0o744] {
            let archive = "@400000003b9aca000000000a.s";
            let home = home_with(&[
                (archive, b"a\n", 0o744),
                ("previous", b"p\n", 0o744),
                ("current", b"c\n", current),
                ("state", b"", 0o644),
            ]);
            let archive = home.path(format!("d/{archive}"));
            fs::hard_link(archive, home.path("d/processed")).expect("a link");
            home.run(&["!tr a-z A-Z", "./d"], b"n\n").check(0, "");
            assert_eq!(home.contents("d"), b"a\nP\nc\nn\n");
            assert!(!home.path("d/processed").exists());
        }
    });
}

#[test]
fn an_incomplete_processed_is_thrown_away() {
    let files: Files =
        &[("current", b"c\n", 0o644), ("previous", b"raw\n", 0o744), ("processed", b"p\n", 0o644)];
    check(files, &[("@.u", 0o644), ("@.u", 0o744), STATE], b"raw\nc\n");
}

#[test]
fn a_crash_between_rename_and_create_is_healed() {
    check(&[("previous", b"p\n", 0o644)], &[("@.u", 0o644), STATE], b"p\n");
}

#[test]
fn a_crash_between_link_and_unlink_is_healed() {
    let home = home_with(&[("previous", b"p\n", 0o744), ("current", b"c\n", 0o644)]);
    let archive = home.path("d/@400000003b9aca000000000a.s");
    fs::hard_link(home.path("d/previous"), archive).expect("a link");
    home.run(&["./d"], b"").check(0, "");
    assert_eq!(home.contents("d"), b"p\nc\n");
    assert_eq!(home.archives("d").len(), 2);
}

#[test]
fn empty_files_make_no_archives() {
    differs("empty_files_make_no_archives", || {
        check(&[("current", b"", 0o644)], &[STATE], b"");
        check(&[("current", b"", 0o644), ("previous", b"", 0o644)], &[STATE], b"");
    });
}

#[test]
fn crashes_in_a_row_push_out_no_archive() {
    differs("crashes_in_a_row_push_out_no_archive", || {
        let home = home_with(&[("@400000003b9aca000000000a.s", b"precious\n", 0o744)]);
        for _ in 0..5 {
            let _ = fs::remove_file(home.path("d/state"));
            let mut logger = home.spawn(&["n3", "./d"]);
            wait_until("the start", || home.path("d/state").exists());
            logger.signal(Signal::SIGKILL);
            wait_until("the crash", || !logger.is_running());
        }
        home.run(&["n3", "./d"], b"").check(0, "");
        assert_eq!(home.contents("d"), b"precious\n");
    });
}

#[test]
fn a_previous_beside_a_clean_current_is_kept() {
    differs("a_previous_beside_a_clean_current_is_kept", || {
        let files: Files = &[("current", b"c\n", 0o744), ("previous", b"p\n", 0o644)];
        check(files, &[("@.u", 0o644)], b"p\nc\n");
    });
}

#[test]
fn a_complete_processed_beside_a_clean_current_is_kept() {
    differs("a_complete_processed_beside_a_clean_current_is_kept", || {
        let files: Files = &[("current", b"c\n", 0o744), ("processed", b"p\n", 0o744)];
        check(files, &[("@.s", 0o744)], b"p\nc\n");
    });
}

#[test]
fn a_directory_in_the_place_of_previous_is_refused() {
    differs("a_directory_in_the_place_of_previous_is_refused", || {
        let home = home_with(&[("current", b"c\n", 0o644)]);
        home.make_dir("d/previous");
        let mut logger = home.spawn(&["./d"]);
        // 0.76 tries for ever.
        wait_until("the end", || !logger.is_running());
        let message = "multilog: fatal: unable to read ./d/previous: is a directory\n";
        logger.wait().check(111, message);
        assert_eq!(home.read("d/current"), b"c\n");
    });
}

#[test]
fn a_hard_linked_current_is_kept_after_a_crash() {
    differs("a_hard_linked_current_is_kept_after_a_crash", || {
        let home = home_with(&[("current", b"c\n", 0o644)]);
        fs::hard_link(home.path("d/current"), home.path("backup")).expect("a link");
        home.run(&["./d"], b"").check(0, "");
        assert_eq!(home.contents("d"), b"c\n");
    });
}

#[test]
fn what_is_no_file_is_named() {
    for (name, message) in [
        ("current", "unable to append to ./d/current: is a directory"),
        ("state", "unable to write to ./d/state: is a directory"),
        ("lock", "unable to lock directory ./d: is a directory"),
    ] {
        let home = Home::new();
        home.make_dir("d");
        home.make_dir(&format!("d/{name}"));
        home.run(&["./d"], b"a\n").check(111, &format!("multilog: fatal: {message}\n"));
    }
}
