//! A full disk in the middle of a run, and what a script may ask for then (`N`, `q`): on a file system of
//! one megabyte.

use crate::manual::example;
use crate::support::{Home, is_original, numbers, wait_until};
use crate::trouble::SmallDisk;
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

/// Far more than a queue holds, in lines of 7 bytes.
const FIRST: u64 = 100_000;
const LAST: u64 = 400_000;

#[test]
fn a_full_disk_holds_back_input_and_nothing_is_lost() {
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(&home) else { return };
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut command = home.command(&["n1000", "./disk/d"]);
    command.stdin(reader.try_clone().expect("a copy"));
    let logger = home.start(command);
    wait_until("the start", || home.path("disk/d/current").exists());
    disk.fill(8192);
    let all = numbers(FIRST, FIRST + 100_000);
    let sent = all.clone();
    let feeder = thread::spawn(move || writer.write_all(&sent));
    logger.wait_for_stderr("unable to write to ./disk/d/current, pausing: out of disk space\n");
    if !is_original() {
        // TERM is answered while the disk is full: no further line is read.
        logger.signal_and_wait(Signal::SIGTERM);
    }
    assert!(!feeder.is_finished(), "the writer is held");
    disk.empty();
    let ended = logger.wait();
    assert_eq!(ended.status.code(), Some(0));
    let mut left = Vec::new();
    reader.read_to_end(&mut left).expect("a pipe");
    feeder.join().expect("the feeder ends").expect("all is read");
    let found = home.contents("disk/d");
    assert!(found.ends_with(b"\n"), "to the end of a line");
    assert!([found, left].concat() == all, "what was read is logged, and the rest left");
}

/// Two megabytes go through a disk of one, and nobody waits for a pause, which would be an hour.
fn check_room(processor: &[&str]) {
    let home = Home::new();
    let Some(_disk) = SmallDisk::mount(&home) else { return };
    let mut script = example("s32k n1000 N3 ./main");
    script.pop();
    let script = [&["r3600000"], &script[..], processor, &["./disk/main"]].concat();
    let mut logger = home.spawn(&script);
    let feeder = logger.feed(&numbers(FIRST, LAST));
    wait_until("the end of input", || feeder.is_finished());
    let ended = logger.wait();
    assert_eq!(ended.status.code(), Some(0));
    let stderr = String::from_utf8(ended.stderr).expect("text");
    let ours: Vec<&str> = stderr.lines().filter(|line| line.starts_with("multilog: ")).collect();
    let told = "multilog: warning: disk full, removed ";
    assert!(
        ours.iter().all(|line| {
            line.starts_with(told) && line.ends_with(" of the oldest files in ./disk/main")
        }),
        "{stderr}"
    );
    assert!(!ours.is_empty());
    let found = home.contents("disk/main");
    assert!(numbers(FIRST, LAST).ends_with(&found), "the newest lines are there");
    assert!(found.starts_with(b"1") || found.starts_with(b"2") || found.starts_with(b"3"));
    assert!(home.archives("disk/main").len() >= 3);
}

#[test]
fn a_full_disk_is_made_room_on() {
    if !is_original() {
        check_room(&[]);
    }
}

/// A processor that finds no room fails, and the file that fills meanwhile waits for it: nothing else
/// would be written, and nobody would see that the disk is full.
#[test]
fn a_disk_that_a_processor_has_filled_is_made_room_on() {
    if !is_original() {
        check_room(&["!cat"]);
    }
}

#[test]
fn a_full_disk_keeps_as_many_archives_as_asked_for() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(&home) else { return };
    let mut logger = home.spawn(&["s4096", "n1000", "N4", "r100", "./disk/d"]);
    logger.write(numbers(FIRST, FIRST + 20_000));
    let all = numbers(FIRST, FIRST + 20_000);
    wait_until("the lines", || home.contents("disk/d") == all);
    wait_until("the last file", || !home.path("disk/d/previous").exists());
    disk.fill(0);
    let before = home.archives("disk/d");
    logger.write(numbers(1, 3000));
    logger.wait_for_stderr("of the oldest files in ./disk/d\n");
    wait_until("the lines", || home.contents("disk/d").ends_with(b"\n3000\n"));
    let after = home.archives("disk/d");
    // Of the four that were left one may have been finished after the disk was filled.
    assert!(after.contains(&before[before.len() - 3]), "{before:?} {after:?} {}", logger.stderr());
    assert!(!after.contains(&before[before.len() - 5]), "{before:?} {after:?} {}", logger.stderr());
    assert_eq!(logger.end().status.code(), Some(0));
}

/// What a marker says is missing: lines and bytes.
fn missing(marker: &str) -> (usize, usize) {
    let (_, rest) = marker.split_once("multilog: dropped ").expect("a marker");
    let mut numbers = rest.split([' ', ',']).filter_map(|word| word.parse().ok());
    (numbers.next().expect("lines"), numbers.next().expect("bytes"))
}

/// The pause of the tests below: far more than a busy machine needs for all the rest.
const PAUSE: Duration = Duration::from_secs(5);

/// Sends lines to a directory on a full disk and to another one, and compares them.
fn check_gap(stamp: &[&str], look: &[&str], ending: &str) {
    if is_original() {
        return;
    }
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(&home) else { return };
    let pause = format!("r{}", PAUSE.as_millis());
    let settings = [&pause, "q200k:drop", "n9999", "./disk/main", "./all"];
    let mut logger = home.spawn(&[stamp, look, &settings].concat());
    logger.write(b"first\n");
    wait_until("the first line", || home.contents("all").ends_with(b"first\n"));
    disk.fill(20_000);
    let lines: String =
        (FIRST..=FIRST + 60_000).map(|number| format!("{number}{ending}\n")).collect();
    let start = Instant::now();
    lines.as_bytes().chunks(20_000).for_each(|piece| logger.write(piece));
    logger.write([&b"x".repeat(3000)[..], b"\n"].concat());
    // The writer is held for a pause in all, and not for a second one.
    assert!(start.elapsed() < 2 * PAUSE, "{:?}", start.elapsed());
    wait_until("all to be read", || home.contents("all").ends_with(b"xxx\n"));
    disk.empty();
    wait_until("the marker", || {
        String::from_utf8_lossy(&home.contents("disk/main")).contains("multilog: dropped ")
    });
    logger.write(b"last\n");
    let ended = logger.end();
    assert_eq!(ended.status.code(), Some(0));
    let stderr = String::from_utf8(ended.stderr).expect("text");
    assert!(
        stderr.contains("writing to ./disk/main again, lines were dropped, held for "),
        "{stderr}"
    );

    let (all, found) = (home.contents("all"), home.contents("disk/main"));
    let all: Vec<&[u8]> = all.split_inclusive(|&byte| byte == b'\n').collect();
    let found: Vec<&[u8]> = found.split_inclusive(|&byte| byte == b'\n').collect();
    let gap = found.iter().position(|line| line.ends_with(b"Z\n")).expect("a marker");
    let marker = String::from_utf8_lossy(found[gap]).into_owned();
    let (lines, bytes) = missing(&marker);
    assert!(lines > 10_000, "{marker}");
    assert_eq!(&found[..gap], &all[..gap], "all before it");
    assert_eq!(&found[gap + 1..], &all[gap + lines..], "all behind it");
    assert_eq!(bytes, all[gap..gap + lines].concat().len());
    // It stands where the last line that is missing stood, and so in order; it shows no prefix.
    let stamp_len = marker.find("multilog: dropped ").expect("a marker");
    assert_eq!(marker.as_bytes()[..stamp_len], all[gap + lines - 1][..stamp_len]);
    assert_eq!(stamp_len, if stamp.is_empty() { 0 } else { 26 });
}

#[test]
fn what_a_full_queue_drops_is_told_exactly() {
    check_gap(&["t"], &[], "");
}

#[test]
fn what_is_dropped_without_stamps_is_told_exactly() {
    check_gap(&[], &[], "");
}

#[test]
fn prefix_and_escapes_are_right_before_and_behind_a_gap() {
    check_gap(&["t"], &["pweb:", "c"], "\x1b[2J é \u{9b}");
}

/// What a directory that drops keeps of this, where its disk has so much room left until all is read. None
/// where that cannot be tried.
fn kept_of(setting: &str, room: u64, sent: &[u8]) -> Option<Vec<u8>> {
    if is_original() {
        return None;
    }
    let home = Home::new();
    let disk = SmallDisk::mount(&home)?;
    let mut logger = home.spawn(&["q0:drop", "r100", setting, "./disk/d", "./all"]);
    wait_until("the start", || home.path("all/current").exists());
    disk.fill(room);
    let feeder = logger.feed(sent);
    wait_until("all to be read", || home.contents("all") == sent);
    disk.empty();
    feeder.join().expect("the feeder ends");
    assert_eq!(logger.wait().status.code(), Some(0));
    Some(home.contents("disk/d"))
}

#[test]
fn a_line_that_is_begun_goes_whole_or_not_at_all() {
    // Lines of 50 kilobytes, that a queue of 128 has room for two of.
    let line = |letter: u8| [vec![letter; 50_000], vec![b'\n']].concat();
    let sent: Vec<u8> = (b'a'..=b'h').flat_map(line).collect();
    let Some(found) = kept_of("n9999", 4096, &sent) else { return };
    let mut rest = found.as_slice();
    let mut letter = b'a';
    while rest.starts_with(&line(letter)) {
        rest = &rest[50_001..];
        letter += 1;
    }
    assert!((b'b'..b'h').contains(&letter), "{letter}");
    let gap = String::from_utf8_lossy(rest);
    let count = usize::from(b'h' + 1 - letter);
    assert!(
        gap.starts_with(&format!("multilog: dropped {count} lines, {} bytes, ", count * 50_001)),
        "{gap}"
    );
    assert_eq!(gap.lines().count(), 1);
}

#[test]
fn a_line_longer_than_the_queue_is_cut_and_counted() {
    let sent = [&b"x".repeat(300_000)[..], b"\nshort\n"].concat();
    let Some(found) = kept_of("s10m", 40_000, &sent) else { return };
    let kept = found.iter().take_while(|&&byte| byte == b'x').count();
    assert!((128 * 1024..300_000).contains(&kept), "{kept}");
    let marker = String::from_utf8_lossy(&found[kept..]).into_owned();
    assert!(marker.starts_with("\nmultilog: dropped "), "{marker}");
    assert!(marker.ends_with("; the line before is cut\n"), "{marker}");
    assert_eq!(missing(&marker), (1, 300_000 - kept + "short\n".len()));
}

#[test]
fn a_second_term_tells_what_was_dropped() {
    if is_original() {
        return;
    }
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(&home) else { return };
    let mut logger = home.spawn(&["q0:drop", "r100", "./disk/d", "./all"]);
    wait_until("the start", || home.path("all/current").exists());
    disk.fill(0);
    logger.write(numbers(FIRST, FIRST + 40_000));
    let sent = numbers(FIRST, FIRST + 40_000);
    wait_until("all to be read", || home.contents("all") == sent);
    wait_until("the end", || {
        if logger.is_running() {
            logger.signal(Signal::SIGTERM);
        }
        thread::yield_now();
        !logger.is_running()
    });
    let ended = logger.wait();
    assert_eq!(ended.status.code(), Some(111));
    let stderr = String::from_utf8(ended.stderr).expect("text");
    let count = |behind: &str| -> usize {
        let told = |line: &&str| line.contains("giving up on ./disk/d: ") && line.contains(behind);
        let line = stderr.lines().find(told).expect(behind);
        let (_, rest) = line.split_once("./disk/d: ").expect("a directory");
        rest.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
    };
    assert_eq!(count("were dropped and are not told of there") + count("are not written"), 40_001);
}
