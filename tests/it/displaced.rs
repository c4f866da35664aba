//! Another program removes or replaces `current` while a logger writes it.

use crate::support::{Home, Logger, differs, wait_until};
use nix::sys::signal::Signal;
use std::fs;

const REMOVED: &str =
    "multilog: warning: somebody removed ./d/current, making a new one that begins with the last ";
const REPLACED: &str =
    "multilog: warning: somebody replaced ./d/current, making a new one that begins with the last ";

/// Writes `line` and has the logger look for `current`, which it does for its report.
fn write_and_look(home: &Home, logger: &mut Logger, line: &str) {
    logger.write(line);
    wait_until("the line", || home.read("d/current").ends_with(line.as_bytes()));
    logger.signal(Signal::SIGUSR1);
    logger.wait_for_stderr("./d: in ");
}

/// Puts a file beside `current` and then in its place, as `sed -i` and editors do.
fn replace(home: &Home, contents: &str) {
    home.write("d/edited", contents, 0o644);
    fs::rename(home.path("d/edited"), home.path("d/current")).expect("its place");
}

fn warnings(logger: Logger) -> String {
    let ended = logger.end();
    assert_eq!(ended.status.code(), Some(0));
    ended.warnings().lines().filter(|line| line.contains(": warning: ")).collect()
}

#[test]
fn lines_after_current_was_removed_are_in_a_new_one() {
    differs("lines_after_current_was_removed_are_in_a_new_one", || {
        let home = Home::new();
        let mut logger = home.spawn(&["./d"]);
        write_and_look(&home, &mut logger, "one\n");
        fs::remove_file(home.path("d/current")).expect("current");
        logger.write("two\n");
        logger.wait_for_stderr(&format!("{REMOVED}4 bytes written\n"));
        wait_until("the line", || home.read("d/current") == b"two\n");
        logger.write("three\n");
        logger.end();
        assert_eq!(home.contents("d"), b"two\nthree\n");
        assert_eq!(home.mode("d/current"), 0o744);
    });
}

#[test]
fn lines_after_current_was_edited_follow_what_the_editor_left() {
    differs("lines_after_current_was_edited_follow_what_the_editor_left", || {
        let home = Home::new();
        let mut logger = home.spawn(&["./d"]);
        write_and_look(&home, &mut logger, "a secret\n");
        replace(&home, "a ******\n");
        logger.write("two\n");
        logger.wait_for_stderr(&format!("{REPLACED}4 bytes written\n"));
        wait_until("the line", || home.read("d/current") == b"two\n");
        logger.write("three\n");
        logger.end();
        assert_eq!(home.contents("d"), b"a ******\ntwo\nthree\n");
        assert_eq!(home.entries("d")[0], ("@.u".to_owned(), 0o644));
    });
}

#[test]
fn the_end_and_a_rotation_find_that_current_was_removed_or_edited() {
    differs("the_end_and_a_rotation_find_that_current_was_removed_or_edited", || {
        for (is_edited, is_rotated) in [(false, false), (false, true), (true, false), (true, true)]
        {
            let home = Home::new();
            let mut logger = home.spawn(&["s4096", "./d"]);
            write_and_look(&home, &mut logger, "one\n");
            match is_edited {
                true => replace(&home, "ONE\n"),
                false => fs::remove_file(home.path("d/current")).expect("current"),
            }
            let lines = "a line that is written again\n".repeat(if is_rotated { 500 } else { 1 });
            logger.write(&lines);
            let warnings = warnings(logger);
            let expected = if is_edited { REPLACED } else { REMOVED };
            assert!(
                warnings.starts_with(expected) && warnings.ends_with(" bytes written"),
                "{warnings}"
            );
            let kept = if is_edited { "ONE\n" } else { "" };
            assert!(
                home.contents("d") == (kept.to_owned() + &lines).as_bytes(),
                "{is_edited} {is_rotated}"
            );
        }
    });
}

#[test]
fn a_current_that_was_moved_away_is_not_doubled_in_the_directory() {
    differs("a_current_that_was_moved_away_is_not_doubled_in_the_directory", || {
        let home = Home::new();
        let mut logger = home.spawn(&["./d"]);
        write_and_look(&home, &mut logger, "one\n");
        let archive = home.path("d/@400000005f5e100000000000.s");
        fs::rename(home.path("d/current"), archive).expect("another name");
        logger.write("two\n");
        let warning = "multilog: warning: somebody removed ./d/current, making a new one";
        assert_eq!(warnings(logger), warning);
        assert_eq!(home.contents("d"), b"one\ntwo\n");
    });
}

#[test]
fn what_is_no_file_in_the_place_of_current_is_waited_out() {
    differs("what_is_no_file_in_the_place_of_current_is_waited_out", || {
        let home = Home::new();
        let mut logger = home.spawn(&["r1", "./d"]);
        write_and_look(&home, &mut logger, "one\n");
        fs::remove_file(home.path("d/current")).expect("current");
        home.make_dir("d/current");
        logger.write("two\n");
        logger.close_stdin();
        logger.wait_for_stderr("unable to append to ./d/current, pausing: is a directory\n");
        fs::remove_dir(home.path("d/current")).expect("the directory");
        assert_eq!(logger.wait().status.code(), Some(0));
        assert_eq!(home.contents("d"), b"two\n");
    });
}
