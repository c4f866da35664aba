//! Raw files that are renamed many times while a program writes into them: the program hears of it late, and
//! logship is killed meanwhile.

use super::relp_server::{Behaviour, RelpServer};
use super::{Ship, check_numbers, text_of};
use crate::support::{Home, numbers, wait_until};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Lines after which the writer looks whether its file was renamed.
const LOOK_LINES: u64 = 100;
/// Time between two renames.
const RENAME_INTERVAL: Duration = Duration::from_millis(250);

fn append_to(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).expect("the file")
}

/// Writes lines at the rate, and opens the name again some time after a rename.
fn write_lines(path: &Path, rate: u32, count: u64) {
    let mut file = append_to(path);
    let began = Instant::now();
    for number in 1..=count {
        file.write_all(format!("{number}\n").as_bytes()).expect("written");
        if number % LOOK_LINES == 0 {
            let inode = file.metadata().expect("metadata").ino();
            if fs::metadata(path).map_or(true, |named| named.ino() != inode) {
                file = append_to(path);
            }
        }
        if number % 100 == 0 {
            let due = Duration::from_secs(1) * u32::try_from(number).expect("small") / rate;
            thread::sleep(due.saturating_sub(began.elapsed()));
        }
    }
}

/// Renames the file until told to end; returns how often.
fn rename_files(path: &Path, is_over: &AtomicBool) -> u32 {
    let mut count = 0;
    loop {
        thread::sleep(RENAME_INTERVAL);
        if is_over.load(Ordering::SeqCst) {
            return count;
        }
        count += 1;
        fs::rename(path, path.with_extension(count.to_string())).expect("renamed");
        append_to(path);
    }
}

#[test]
fn no_line_is_lost_through_renames_and_kills() {
    let is_full = std::env::var("MULTILOG_TEST_MATRIX").is_ok_and(|value| value == "full");
    // Lines a second. In full 24 renames; a debug build may send the rest of the lines after the last of them.
    let rate = if is_full { 50_000 } else { 5_000 };
    let (secs, kills) = if is_full { (6, 3) } else { (2, 1) };
    let count = u64::from(rate) * secs;
    let home = Home::new();
    let path = home.path("raw");
    File::create(&path).expect("a file");
    let server = RelpServer::start(&[Behaviour::Good]);
    let (is_over, rename_path) = (AtomicBool::new(false), path.clone());
    thread::scope(|scope| {
        let renamer = scope.spawn(|| rename_files(&rename_path, &is_over));
        let writer = scope.spawn(|| write_lines(&path, rate, count));
        let part = Duration::from_secs(secs) / (kills + 1);
        for _ in 0..kills {
            let ship = Ship::start(&home, &[&server.url(), "./raw"]);
            wait_until("a cursor", || home.path("state/cursor").exists());
            thread::sleep(part - RENAME_INTERVAL);
            ship.kill();
            // Long enough for another file to have the name.
            thread::sleep(RENAME_INTERVAL + RENAME_INTERVAL / 2);
        }
        let ship = Ship::start(&home, &[&server.url(), "./raw"]);
        writer.join().expect("the writer");
        is_over.store(true, Ordering::SeqCst);
        assert!(renamer.join().expect("the renamer") > 3, "renames");
        let mut sent = None;
        while sent.as_deref().is_none_or(|sent| text_of(sent) != count.to_string().as_bytes()) {
            let before = sent;
            wait_until("more lines", || server.last() != before);
            sent = server.last();
        }
        assert!(!ship.stderr().contains("missing"), "{}", ship.stderr());
        ship.end();
    });
    check_numbers(&server.stored(), 1, count);
}

/// A raw file with so many lines, all of them sent.
fn first_lines_sent(count: u64) -> (Home, RelpServer, Ship) {
    let home = Home::new();
    fs::write(home.path("raw"), numbers(1, count)).expect("a file");
    let server = RelpServer::start(&[Behaviour::Good]);
    let ship = Ship::start(&home, &[&server.url(), "./raw"]);
    let count = usize::try_from(count).expect("small");
    wait_until("the first lines", || server.count() >= count);
    (home, server, ship)
}

#[test]
fn a_late_write_after_the_new_file_has_lines_is_sent() {
    let (home, server, ship) = first_lines_sent(10);
    let mut old = append_to(&home.path("raw"));
    fs::rename(home.path("raw"), home.path("raw.1")).expect("renamed");
    fs::write(home.path("raw"), numbers(21, 30)).expect("a new file");
    thread::sleep(Duration::from_secs(2));
    old.write_all(&numbers(11, 20)).expect("written");
    wait_until("all lines", || server.count() >= 30);
    ship.end();
    assert_eq!(check_numbers(&server.stored(), 1, 30), 0);
}

#[test]
fn files_renamed_while_logship_is_down_are_found() {
    let (home, server, ship) = first_lines_sent(10);
    ship.end();
    append_to(&home.path("raw")).write_all(&numbers(11, 20)).expect("written");
    fs::rename(home.path("raw"), home.path("raw.2")).expect("renamed");
    fs::write(home.path("raw"), numbers(21, 30)).expect("a new file");
    fs::rename(home.path("raw"), home.path("raw.1")).expect("renamed");
    fs::write(home.path("raw"), numbers(31, 40)).expect("a new file");
    // A copy of a file that was sent, and another program's file.
    fs::copy(home.path("raw.2"), home.path("raw.3")).expect("a copy");
    fs::write(home.path("raw.err"), "no number\n").expect("a file");
    let ship = Ship::start(&home, &[&server.url(), "./raw"]);
    wait_until("all lines", || server.count() >= 40);
    assert!(!ship.stderr().contains("missing"), "{}", ship.stderr());
    ship.end();
    assert_eq!(check_numbers(&server.stored(), 1, 40), 0);
}

#[test]
fn a_file_that_is_gone_after_a_restart_is_reported() {
    let (home, server, ship) = first_lines_sent(10);
    ship.end();
    fs::write(home.path("new"), numbers(11, 20)).expect("a new file");
    fs::rename(home.path("new"), home.path("raw")).expect("replaced");
    let ship = Ship::start(&home, &[&server.url(), "./raw"]);
    wait_until("all lines", || server.count() >= 20);
    ship.wait_for_stderr("missing");
    ship.end();
    assert_eq!(check_numbers(&server.stored(), 1, 20), 0);
}

#[test]
fn a_kill_before_the_first_answer_loses_no_file() {
    for before in [0, 10] {
        let home = Home::new();
        fs::write(home.path("raw"), numbers(1, before)).expect("a file");
        let silent = RelpServer::start(&[Behaviour::Silent]);
        let ship = Ship::start(&home, &[&silent.url(), "./raw"]);
        wait_until("a session", || silent.sessions() > 0);
        ship.kill();
        append_to(&home.path("raw")).write_all(&numbers(before + 1, 20)).expect("written");
        fs::rename(home.path("raw"), home.path("raw.1")).expect("renamed");
        fs::write(home.path("raw"), numbers(21, 30)).expect("a new file");
        let server = RelpServer::start(&[Behaviour::Good]);
        let ship = Ship::start(&home, &[&server.url(), "./raw"]);
        wait_until("all lines", || server.count() >= 30);
        assert!(!ship.stderr().contains("missing"), "{}", ship.stderr());
        ship.end();
        assert_eq!(check_numbers(&server.stored(), 1, 30), 0);
    }
}

#[test]
fn a_copy_is_not_sent_again_and_the_truncation_is_reported() {
    let home = Home::new();
    fs::write(home.path("raw"), numbers(1, 100)).expect("a file");
    let server = RelpServer::start(&[Behaviour::Good]);
    let ship = Ship::start(&home, &[&server.url(), "./raw"]);
    for round in 1..=3 {
        wait_until("the lines so far", || server.count() >= 100 * round);
        fs::copy(home.path("raw"), home.path(format!("raw.{round}"))).expect("a copy");
        File::options().write(true).truncate(true).open(home.path("raw")).expect("truncated");
        wait_until("a report", || ship.stderr().matches("truncated").count() >= round);
        let first = 100 * u64::try_from(round).expect("small") + 1;
        append_to(&home.path("raw")).write_all(&numbers(first, first + 99)).expect("written");
    }
    wait_until("all lines", || server.count() >= 400);
    ship.end();
    assert_eq!(check_numbers(&server.stored(), 1, 400), 0);
}

#[test]
fn a_file_truncated_while_logship_is_down_is_reported() {
    let (home, server, ship) = first_lines_sent(100);
    ship.end();
    fs::copy(home.path("raw"), home.path("raw.1")).expect("a copy");
    fs::write(home.path("raw"), numbers(101, 110)).expect("truncated");
    let ship = Ship::start(&home, &[&server.url(), "./raw"]);
    wait_until("all lines", || server.count() >= 110);
    ship.wait_for_stderr("missing");
    ship.end();
    assert_eq!(check_numbers(&server.stored(), 1, 110), 0);
}

#[test]
fn a_swapped_symbolic_link_is_followed() {
    let home = Home::new();
    fs::write(home.path("raw.a"), numbers(1, 10)).expect("a file");
    symlink("raw.a", home.path("raw")).expect("a link");
    let server = RelpServer::start(&[Behaviour::Good]);
    let ship = Ship::start(&home, &[&server.url(), "./raw"]);
    wait_until("the first lines", || server.count() >= 10);
    fs::write(home.path("raw.b"), numbers(21, 30)).expect("a new file");
    symlink("raw.b", home.path("link")).expect("a link");
    fs::rename(home.path("link"), home.path("raw")).expect("swapped");
    append_to(&home.path("raw.a")).write_all(&numbers(11, 20)).expect("written late");
    wait_until("all lines", || server.count() >= 30);
    ship.end();
    assert_eq!(check_numbers(&server.stored(), 1, 30), 0);
}
