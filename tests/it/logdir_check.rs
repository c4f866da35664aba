//! `logdir check`: nothing to find where loggers of the family wrote, and everything that is damaged.

use crate::filters::{Ended, command, run};
use crate::peers::peer;
use crate::show::{LOGDIR, archive, stamped};
use crate::support::{Home, numbers, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

#[track_caller]
fn check(home: &Home, arguments: &[&str]) -> Ended {
    let mut command = command(LOGDIR);
    command.arg("check").args(arguments).current_dir(home.path("")).env_remove("COLUMNS");
    run(command, b"")
}

/// All that is found in `main`, as `word file[+offset]`.
#[track_caller]
fn findings(home: &Home) -> Vec<String> {
    let ended = check(home, &["--json", "main"]);
    let text = String::from_utf8(ended.stdout).expect("text");
    let found: Vec<String> = text
        .lines()
        .map(|line| {
            let object: Value = serde_json::from_str(line).expect("an object");
            let text = |key: &str| object[key].as_str().expect("text").to_owned();
            let offset = object["offset"].as_u64().map(|offset| format!("+{offset}"));
            format!("{} {}{}", text("finding"), text("file"), offset.unwrap_or_default())
        })
        .collect();
    assert_eq!(ended.status.code(), Some(i32::from(!found.is_empty())), "{found:?}");
    assert_eq!(ended.stderr, "");
    found
}

/// A sound directory: two archives, a current one, all that stands beside them.
fn sound() -> Home {
    let home = Home::new();
    home.make_dir("main");
    home.write(format!("main/{}", archive(10, 's')), stamped(1, 10), 0o744);
    home.write(format!("main/{}", archive(20, 's')), stamped(11, 20), 0o744);
    home.write("main/current", stamped(21, 25), 0o744);
    home.write("main/lock", "", 0o600);
    home.write("main/state", "", 0o644);
    assert_eq!(findings(&home), [""; 0]);
    home
}

fn put(home: &Home, name: &str, contents: impl AsRef<[u8]>) {
    home.write(format!("main/{name}"), contents, 0o744);
}

#[track_caller]
fn check_found(home: &Home, expected: &[&str]) {
    assert_eq!(findings(home), expected);
    let ended = check(home, &["main"]);
    let text = String::from_utf8(ended.stdout).expect("text");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("  means ") && text.contains("  do "), "{text}");
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn what_the_multilog_under_test_wrote_is_sound() {
    let home = Home::new();
    home.run(&["t", "s4096", "n5", "=main.status", "./main"], &numbers(1, 2000)).check(0, "");
    assert_eq!(findings(&home), [""; 0]);
    let told = String::from_utf8(check(&home, &["main"]).stdout).expect("text");
    assert!(told.contains(": sound, "), "{told}");
    let mut logger = home.spawn(&["t", "s4096", "n5", "./main"]);
    logger.write("more\n");
    wait_until("the line", || home.read("main/current").ends_with(b"more\n"));
    assert_eq!(findings(&home), [""; 0]);
}

#[test]
fn what_s6_log_and_svlogd_wrote_is_sound() {
    let (Some(s6_log), Some(svlogd)) = (peer("s6-log"), peer("svlogd")) else { return };
    let home = Home::new();
    let main = home.path("main").to_string_lossy().into_owned();
    assert!(home.run_of(&s6_log, &["t", "s4096", "n5", &main], &numbers(1, 2000)).status.success());
    assert_eq!(findings(&home), [""; 0]);
    for stamps in ["-t", "-tt", "-v"] {
        let home = Home::new();
        home.make_dir("main");
        home.write("main/config", "s4096\nn5\n", 0o644);
        assert!(home.run_of(&svlogd, &[stamps, "main"], &numbers(1, 2000)).status.success());
        assert_eq!(findings(&home), [""; 0], "{stamps}");
    }
}

#[test]
fn a_killed_writer_is_found_and_then_what_it_left() {
    let home = Home::new();
    let mut logger = home.spawn(&["t", "./main"]);
    logger.write(format!("begin\n{}", "x".repeat(5000)));
    wait_until("the line", || home.read("main/current").len() > 1000);
    logger.signal(Signal::SIGKILL);
    assert_eq!(logger.wait().signal(), Some(9));
    let begin =
        home.read("main/current").iter().position(|&byte| byte == b'\n').expect("a line") + 1;
    check_found(&home, &["crashed current", &format!("torn current+{begin}")]);
    home.run(&["t", "./main"], b"more\n").check(0, "");
    let archive = &home.archives("main")[0];
    assert!(archive.ends_with(".u"), "{archive}");
    check_found(&home, &[&format!("torn {archive}+{begin}")]);
}

#[test]
fn a_current_that_is_marked_while_it_is_written_is_found() {
    let home = Home::new();
    let mut logger = home.spawn(&["t", "./main"]);
    logger.write("more\n");
    wait_until("the line", || home.read("main/current").ends_with(b"more\n"));
    let current = home.path("main/current");
    fs::set_permissions(current, fs::Permissions::from_mode(0o744)).expect("a mode");
    check_found(&home, &["marked-too-early current"]);
}

#[test]
fn an_archive_without_its_mark_is_found() {
    let home = sound();
    home.write(format!("main/{}", archive(20, 's')), stamped(11, 20), 0o644);
    check_found(&home, &[&format!("unmarked {}", archive(20, 's'))]);
}

#[test]
fn a_marked_file_that_ends_within_a_line_is_found() {
    let home = sound();
    put(&home, "current", stamped(21, 21) + "no end");
    check_found(&home, &["marked-within-line current+29"]);
}

#[test]
fn files_of_a_rotation_that_nobody_goes_on_with_are_found() {
    let home = sound();
    put(&home, "previous", stamped(20, 20));
    put(&home, "processed", "");
    put(&home, "newstate", "");
    let unfinished = archive(20, 't');
    put(&home, &unfinished, "");
    let expected = [&format!("@{}", &unfinished[1..]), "newstate", "previous", "processed"]
        .map(|name| format!("left-over {name}"));
    check_found(&home, &expected.each_ref().map(String::as_str));
}

#[test]
fn a_previous_that_waits_for_its_processor_is_sound() {
    let home = sound();
    let unfinished = archive(21, 'u');
    put(&home, &unfinished, stamped(20, 20));
    fs::hard_link(home.path(format!("main/{unfinished}")), home.path("main/previous"))
        .expect("a link");
    assert_eq!(findings(&home), [""; 0]);
}

#[test]
fn a_copy_beside_its_archive_is_found() {
    let home = sound();
    put(&home, &format!("{}.gz", archive(20, 's')), "half");
    check_found(&home, &[&format!("two-copies {}.gz", archive(20, 's'))]);
}

#[test]
fn names_that_are_no_archives_and_foreign_ones_are_found() {
    let home = sound();
    put(&home, "@400000006553F10A00000001.s", "");
    put(&home, "@yesterday", "");
    put(&home, "core", "");
    home.make_dir("main/old");
    put(&home, "status", "up\n".to_owned() + &"\n".repeat(998));
    check_found(
        &home,
        &[
            "no-archive @400000006553F10A00000001.s",
            "foreign @yesterday",
            "foreign core",
            "foreign old",
        ],
    );
}

#[test]
fn names_of_the_logger_that_are_no_files_are_found() {
    let home = sound();
    fs::remove_file(home.path("main/state")).expect("a file");
    symlink("/dev/null", home.path("main/state")).expect("a link");
    home.make_dir(&format!("main/{}", archive(22, 's')));
    check_found(&home, &[&format!("no-file {}", archive(22, 's')), "no-file state"]);
}

#[test]
fn files_of_another_user_are_found() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let home = sound();
    std::os::unix::fs::chown(home.path("main/lock"), Some(12_345), None).expect("root");
    check_found(&home, &["owner lock"]);
}

#[test]
fn modes_that_no_logger_sets_are_found() {
    let home = sound();
    home.write("main/current", stamped(21, 25), 0o746);
    let main = home.path("main");
    fs::set_permissions(main, fs::Permissions::from_mode(0o777)).expect("a mode");
    check_found(&home, &["mode ", "mode current"]);
}

#[test]
fn an_archive_from_the_future_and_an_empty_one_are_found() {
    let home = sound();
    let future = archive(20_000_000_000, 's');
    put(&home, &future, "");
    check_found(&home, &[&format!("future {future}"), &format!("empty {future}")]);
}

#[test]
fn torn_and_joined_lines_are_found() {
    let home = sound();
    put(&home, &archive(21, 'u'), stamped(20, 20) + "torn");
    put(&home, "current", stamped(21, 21).trim_end().to_owned() + " and " + &stamped(22, 22));
    check_found(&home, &[&format!("torn {}+29", archive(21, 'u')), "joined current+0"]);
}

#[test]
fn a_line_that_quotes_a_label_is_not_joined() {
    let home = sound();
    let quote = |number| stamped(22, 22).trim_end().to_owned() + " saw " + &stamped(number, number);
    // Earlier than the line, much later, and the name of a file.
    put(&home, "current", quote(3) + &quote(100_000) + "rotated " + &archive(10, 's') + "\n");
    assert_eq!(findings(&home), [""; 0]);
}

#[test]
fn lines_with_two_labels_are_found() {
    let home = sound();
    let twice = |number| stamped(number, number)[..26].to_owned() + &stamped(number, number);
    put(&home, "current", stamped(21, 21) + &twice(22) + &twice(23));
    check_found(&home, &["stamped-twice current+29"]);
}

#[test]
fn a_clock_that_was_set_back_is_found() {
    let home = sound();
    put(&home, "current", stamped(24, 25) + &stamped(21, 23));
    check_found(&home, &["step-back current+58"]);
    let home = sound();
    put(&home, &archive(20, 's'), stamped(11, 24));
    put(&home, "current", stamped(24, 25));
    check_found(&home, &[&format!("named-too-early {}+377", archive(20, 's'))]);
}

#[test]
fn zeros_where_the_power_went_away_are_found() {
    let home = sound();
    put(&home, "current", [stamped(21, 21).as_bytes(), &[0; 4096], b"\n"].concat());
    check_found(&home, &["zeros current+29"]);
    put(&home, "current", [stamped(21, 21).as_bytes(), &[0; 15], b"\n"].concat());
    assert_eq!(findings(&home), [""; 0]);
}

#[test]
fn what_cannot_be_read_is_trouble() {
    let home = sound();
    put(&home, &format!("{}.gz", archive(20, 's')), b"\x1f\x8bnot gzip at all");
    fs::remove_file(home.path(format!("main/{}", archive(20, 's')))).expect("a file");
    let ended = check(&home, &["main"]);
    assert!(ended.stderr.contains("compressed contents"), "{}", ended.stderr);
    assert_eq!(ended.status.code(), Some(2));
    let nowhere = check(&home, &["./nowhere"]);
    nowhere.check(2, "", "logdir: warning: unable to read ./nowhere: file does not exist\n");
}
