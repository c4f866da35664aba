//! Names of files and directories that hold bytes which terminals obey.

use crate::filters::{Ended, command, run};
use crate::show::{LOGDIR, archive, put, stamped};
use crate::support::{Home, differs};

fn logdir(home: &Home, arguments: &[&str]) -> Ended {
    let mut command = command(LOGDIR);
    command.args(arguments).current_dir(home.path(""));
    run(command, b"")
}

/// The title of a terminal, and an override of the direction of writing.
const TITLE: &str = "x\x1b]0;t\x07";
const TURNED: &str = "a\u{202e}b";

#[track_caller]
fn check_escaped(ended: &Ended, shown: &str) {
    let text = [ended.stdout.as_slice(), ended.stderr.as_bytes()].concat();
    let text = String::from_utf8(text).expect("text");
    assert!(text.contains(shown), "{text:?}");
    assert!(text.chars().all(|char| matches!(char, '\n' | ' '..='~')), "{text:?}");
}

#[test]
fn names_that_are_not_there_are_escaped_in_messages() {
    let home = Home::new();
    for command in ["show", "status", "check", "rate"] {
        check_escaped(&logdir(&home, &[command, TITLE]), "x\\x1b]0;t\\x07");
        check_escaped(&logdir(&home, &[command, TURNED]), "a\\xe2\\x80\\xaeb");
    }
}

#[test]
fn names_of_logs_and_files_are_escaped() {
    let home = Home::new();
    let torn = archive(1, 'u') + TITLE;
    for dir in [TITLE, TURNED] {
        put(&home, dir, &torn, "@400000006553f10a00000000 no end");
        put(&home, dir, "current", &stamped(2, 3));
    }
    for command in ["show", "status", "check", "rate"] {
        check_escaped(&logdir(&home, &[command, TITLE, TURNED]), "x\\x1b]0;t\\x07");
    }
    check_escaped(&logdir(&home, &["show", "--json", TITLE]), "is torn");
}

#[test]
fn multilog_escapes_names_in_its_messages() {
    differs("multilog_escapes_names_in_its_messages", || {
        let home = Home::new();
        let ended = home.run(&["t", &format!("./{TITLE}/{TURNED}/d")], b"line\n");
        assert_eq!(ended.status.code(), Some(111));
        let text = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(text.contains("x\\x1b]0;t\\x07/a\\xe2\\x80\\xaeb"), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
    });
}
