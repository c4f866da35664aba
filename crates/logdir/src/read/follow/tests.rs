//! Follows a directory while other programs change its files, one change per test.
//! `faults/interleavings.rs` tests all changes in every order.

use crate::read::Notice;
use crate::read::cursor::Position;
use crate::read::follow::Follower;
use crate::read::list::Directory;
use crate::read::snapshot::Snapshot;
use crate::read::stamp::StampParser;
use proptest::prelude::*;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

const ARCHIVE: &str = "@400000006500ff0000000000.s";

struct Home(TempDir);

impl Home {
    fn new(files: &[(&str, &str)]) -> Home {
        let home = Home(TempDir::new().unwrap());
        files.iter().for_each(|(name, text)| fs::write(home.path(name), text).unwrap());
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = File::options().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn follow(&self, position: Position) -> Follower {
        follow(self.0.path(), position)
    }
}

fn follow(path: &Path, position: Position) -> Follower {
    let snapshot = Snapshot::of(&Arc::new(Directory::open(path).unwrap())).unwrap();
    Follower::new(&snapshot, StampParser::assumed(), position)
}

/// Stamped line.
fn line(number: u32) -> String {
    format!("@4000000065{number:06x}00000000 {number}\n")
}

/// Takes all ready lines; returns their numbers and short names of the notices.
fn look(follower: &mut Follower) -> (Vec<u32>, Vec<&'static str>) {
    let (mut lines, mut notices) = (Vec::new(), Vec::new());
    // The second pass reads a replacing directory.
    for _ in 0..2 {
        while follower.advance() {
            let text = String::from_utf8_lossy(follower.line().bytes).into_owned();
            lines.push(text.rsplit(' ').next().unwrap().parse().unwrap_or(0));
            follower.take();
        }
        follower.take_moved();
        notices.extend(follower.take_notices().into_iter().map(|notice| match notice {
            Notice::MissingLines(..) => "gap",
            Notice::CurrentReplaced(_) => "current replaced",
            Notice::Changed(_) => "changed",
            Notice::Truncated(_) => "truncated",
            Notice::Replaced(_) => "replaced",
            Notice::Torn(_) => "torn",
            Notice::Unreadable(_) => "unreadable",
            _ => "other",
        }));
    }
    (lines, notices)
}

/// Checks lines and notices after `act`; lines 1 to 3 of `current` are already delivered.
#[track_caller]
fn check(act: impl FnOnce(&Home), expected: (&[u32], &[&str])) {
    let home = Home::new(&[("current", &(line(1) + &line(2) + &line(3)))]);
    let mut follower = home.follow(Position::default());
    assert_eq!(look(&mut follower), (vec![1, 2, 3], vec![]));
    act(&home);
    let (lines, notices) = look(&mut follower);
    assert_eq!((&lines[..], &notices[..]), expected);
    assert_eq!(look(&mut follower), (vec![], vec![]), "once");
}

fn rotate(home: &Home) {
    fs::rename(home.path("current"), home.path("previous")).unwrap();
    File::create(home.path("current")).unwrap();
    fs::hard_link(home.path("previous"), home.path(ARCHIVE)).unwrap();
    fs::remove_file(home.path("previous")).unwrap();
}

#[test]
fn a_current_that_an_editor_replaces_is_reported() {
    let replace = |home: &Home| {
        fs::write(home.path("new"), line(1) + &line(2) + &line(3)).unwrap();
        home.append("current", &line(4));
        fs::rename(home.path("new"), home.path("current")).unwrap();
        home.append("current", &line(5));
    };
    check(replace, (&[4, 5], &["current replaced", "gap"]));
    let edit = |home: &Home| {
        fs::write(home.path("new"), line(1) + &line(2)).unwrap();
        fs::rename(home.path("new"), home.path("current")).unwrap();
        home.append("current", &line(5));
    };
    check(edit, (&[5], &["current replaced", "gap"]));
}

#[test]
fn a_current_that_is_removed_is_reported() {
    check(|home| fs::remove_file(home.path("current")).unwrap(), (&[], &["current replaced"]));
    let renew = |home: &Home| {
        home.append("current", &line(4));
        fs::remove_file(home.path("current")).unwrap();
        home.append("current", &line(5));
    };
    check(renew, (&[4, 5], &["current replaced", "gap"]));
}

#[test]
fn a_rotation_is_no_replacement() {
    check(rotate, (&[], &[]));
    let in_the_middle = |home: &Home| {
        home.append("current", &line(4));
        fs::rename(home.path("current"), home.path("previous")).unwrap();
    };
    check(in_the_middle, (&[4], &[]));
    let by_processor = |home: &Home| {
        home.append("current", &line(4));
        rotate(home);
        // Another file with equal lines.
        let lines = fs::read(home.path(ARCHIVE)).unwrap();
        fs::remove_file(home.path(ARCHIVE)).unwrap();
        fs::write(home.path(ARCHIVE), lines).unwrap();
        home.append("current", &line(5));
    };
    check(by_processor, (&[4, 5], &[]));
}

#[test]
fn a_current_that_is_cut_is_read_again() {
    check(|home| fs::write(home.path("current"), line(4)).unwrap(), (&[4], &["truncated"]));
    let longer = |home: &Home| {
        fs::write(home.path("current"), (4..99).map(line).collect::<String>()).unwrap()
    };
    // Lines at the expected position are delivered first.
    let numbers: Vec<u32> = (7..99).chain(4..99).collect();
    check(longer, (&numbers, &["truncated"]));
}

#[test]
fn an_archive_that_is_changed_before_it_is_read_is_reported() {
    let home = Home::new(&[(ARCHIVE, &(line(1) + &line(2))), ("current", &line(3))]);
    let mut follower = home.follow(Position::default());
    fs::write(home.path(ARCHIVE), line(1)).unwrap();
    assert_eq!(look(&mut follower), (vec![1, 3], vec!["changed"]));
}

#[test]
fn what_is_gone_is_a_gap() {
    let remove = |home: &Home| {
        home.append("current", &line(4));
        rotate(home);
        fs::remove_file(home.path(ARCHIVE)).unwrap();
        home.append("current", &line(5));
    };
    // The follower's open file keeps its lines.
    check(remove, (&[4, 5], &["current replaced", "gap"]));
}

#[test]
fn a_clock_that_is_set_back_makes_no_double() {
    let back = |home: &Home| {
        rotate(home);
        home.append("current", &line(4));
        fs::rename(home.path("current"), home.path("@400000006500010000000000.s")).unwrap();
        home.append("current", &line(5));
    };
    check(back, (&[4, 5], &[]));
}

/// Step of the writer or the follower.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write(u8),
    Rotate,
    Look,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..5_u8).prop_map(Step::Write),
        Just(Step::Rotate),
        Just(Step::Look),
        Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Reference reader: waits until the writer exits, then reads all files in name order.
    #[test]
    fn what_is_followed_is_what_the_files_hold_at_the_end(steps in prop::collection::vec(step(), 1..40)) {
        let home = Home::new(&[("current", "")]);
        let mut follower = home.follow(Position::default());
        let (mut shown, mut number, mut file) = (Vec::new(), 0, 0);
        for step in steps.into_iter().chain([Step::Look]) {
            match step {
                Step::Write(count) => for _ in 0..count {
                    number += 1;
                    home.append("current", &line(number));
                },
                Step::Rotate => {
                    file += 1;
                    let name = format!("@4000000065{:06x}0f000000.s", file + 0x10000);
                    fs::rename(home.path("current"), home.path(&name)).unwrap();
                    File::create(home.path("current")).unwrap();
                }
                Step::Look | Step::Restart => {
                    let (lines, notices) = look(&mut follower);
                    prop_assert!(notices.is_empty(), "{notices:?}");
                    shown.extend(lines);
                    if let Step::Restart = step {
                        follower = home.follow(follower.delivered().position());
                    }
                }
            }
        }
        let mut names: Vec<_> = fs::read_dir(home.0.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let text: String = names.iter().map(|name| fs::read_to_string(name).unwrap()).collect();
        let all: Vec<u32> = text.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        prop_assert_eq!(shown, all);
    }
}
